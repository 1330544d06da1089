from __future__ import annotations

from django.db import models

from registry.models.dataset import Dataset
from registry.models.inventory import RegisteredModel
from registry.models.version import Version
from trail.models import Governed


class Lineage(Governed):
    """An edge: what a version or a model was made from or depends on."""

    class Kind(models.TextChoices):
        TRAINED_ON = "trained_on", "was trained on"
        EVALUATED_ON = "evaluated_on", "was evaluated on"
        DERIVED_FROM = "derived_from", "is derived from"
        FEEDS = "feeds", "feeds"

    kind = models.CharField(max_length=20, choices=Kind)
    from_dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, null=True, related_name="used_by")
    from_version = models.ForeignKey(Version, on_delete=models.PROTECT, null=True, related_name="successors")
    from_model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, null=True, related_name="feeds")
    to_version = models.ForeignKey(Version, on_delete=models.PROTECT, null=True, related_name="sources")
    to_model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, null=True, related_name="fed_by")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="registry_lineage_is_one_edge",
                condition=(
                    models.Q(from_dataset__isnull=False, from_version=None, from_model=None, to_version__isnull=False)
                    | models.Q(from_dataset=None, from_version__isnull=False, from_model=None, to_version__isnull=False)
                    | models.Q(from_dataset=None, from_version=None, from_model__isnull=False, to_model__isnull=False)
                ),
            )
        ]

    def __str__(self) -> str:
        ends = [self.target, self.source]
        if self.kind == self.Kind.FEEDS:
            ends.reverse()
        return f"{ends[0]} {self.get_kind_display()} {ends[1]}"

    @property
    def source(self) -> Dataset | Version | RegisteredModel | None:
        return self.from_dataset or self.from_version or self.from_model

    @property
    def target(self) -> Version | RegisteredModel | None:
        return self.to_version or self.to_model

    @property
    def unit_path(self) -> str:
        return self.target.unit_path if self.target else ""
