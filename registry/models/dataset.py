from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone

from people.models import Unit, User
from trail.models import Governed


class ColumnRole(models.TextChoices):
    FEATURE = "feature", "Feature"
    TARGET = "target", "Target"
    PREDICTION = "prediction", "Prediction"
    SCORE = "score", "Score"
    SENSITIVE = "sensitive", "Sensitive"
    IDENTIFIER = "identifier", "Identifier"
    TIME = "time", "Time"
    IGNORED = "ignored", "Ignored"


class Dataset(Governed):
    """A frozen table, kept by its SHA-256. `columns` holds, in file order, what was found in each column:

    `{"name", "roles": [..], "type": "integer|number|boolean|text|date", "missing": n, "first_missing": place|null,
    "distinct": n|null, "values": {value: [n, place]}|null}` (`distinct` and `values` up to 50 different values, each in
    one spelling: registry.cells.spelled). A place is the first such cell's line in a CSV file, where the header is
    usually line 1, and its row, counted from 1, in a Parquet file. Missing is what registry.cells.MISSING lists.
    A column can be both a feature and sensitive, so roles is a list.
    """

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        PARQUET = "parquet", "Parquet"

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="datasets")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    licence = models.CharField("licence and attribution", max_length=300, blank=True)
    file_name = models.CharField(max_length=255)
    format = models.CharField(max_length=10, choices=Format)
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.PositiveBigIntegerField()
    path = models.CharField(max_length=255)
    row_count = models.PositiveBigIntegerField()
    columns = models.JSONField()
    uploaded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-uploaded_at"]
        constraints = [models.UniqueConstraint(fields=["unit", "name"], name="registry_one_dataset_per_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def unit_path(self) -> str:
        return self.unit.path

    @property
    def digest(self) -> str:
        return f"sha256:{self.sha256}"

    def column(self, name: str) -> dict[str, Any] | None:
        return next((column for column in self.columns if column["name"] == name), None)

    def names(self, role: ColumnRole) -> list[str]:
        return [column["name"] for column in self.columns if role.value in column["roles"]]
