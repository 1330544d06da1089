from __future__ import annotations

from django.db import models
from django.utils import timezone

from people.models import Unit, User
from trail.models import Governed


class RegisteredModel(Governed):
    """An entry of the model inventory.

    Fields: OSFI E-23 appendix 1 (model id, name and use, risk rating, owner, developer, origin; then version to next
    review date, most of them derived from versions, sign-offs and deployments) and PRA SS1/23 1.2(c).
    """

    class Origin(models.TextChoices):
        INTERNAL = "internal", "Developed in-house"
        VENDOR = "vendor", "Bought from a vendor"
        BOTH = "both", "In-house with a vendor"
        OPEN_SOURCE = "open_source", "Open source"
        UNKNOWN = "unknown", "Not stated"

    class Functioning(models.TextChoices):
        AS_INTENDED = "as_intended", "Functions as intended"
        WITH_EXCEPTIONS = "with_exceptions", "Functions with exceptions"
        NOT_AS_INTENDED = "not_as_intended", "Does not function as intended"
        UNKNOWN = "unknown", "Not assessed"

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="models")
    slug = models.SlugField("model ID", max_length=120, unique=True)
    name = models.CharField(max_length=300)
    purpose = models.TextField("purpose and intended use", blank=True)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="owned_models")
    developer = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="developed_models"
    )
    origin = models.CharField(max_length=20, choices=Origin, default=Origin.UNKNOWN)
    vendor = models.CharField(max_length=300, blank=True)
    # written by governance.tiering alone
    tier = models.PositiveSmallIntegerField("risk rating", null=True, blank=True, db_index=True)

    product = models.CharField("product or portfolio", max_length=300, blank=True)
    technique = models.CharField("technique", max_length=200, blank=True)
    lifecycle = models.CharField("life-cycle status", max_length=60, blank=True, db_index=True)
    approved_uses = models.TextField(blank=True)
    observed_use = models.TextField("actual use", blank=True)
    use_reconciled_on = models.DateField("use last reconciled on", null=True, blank=True)
    operating_boundaries = models.TextField(blank=True)
    assumptions = models.TextField(blank=True)
    limitations = models.TextField("limitations and exceptions", blank=True)
    risks_not_captured = models.TextField(blank=True)
    data_sources = models.TextField("data sources and description", blank=True)
    data_limitations = models.TextField(blank=True)
    outputs = models.TextField("outputs and their use", blank=True)
    interpretability = models.TextField(blank=True)
    adjustments = models.TextField("adjustments and overlays", blank=True)
    unstructured_data = models.BooleanField("uses unstructured data", null=True, blank=True)
    recalibrates_itself = models.BooleanField("recalibrates itself", null=True, blank=True)
    personal_data = models.BooleanField("uses personal data", null=True, blank=True)
    functioning = models.CharField(max_length=20, choices=Functioning, default=Functioning.UNKNOWN)
    functioning_as_of = models.DateField(null=True, blank=True)
    monitoring_status = models.CharField(max_length=200, blank=True)
    review_frequency_months = models.PositiveSmallIntegerField(null=True, blank=True)
    last_reviewed_on = models.DateField(null=True, blank=True)
    next_review_on = models.DateField(null=True, blank=True)
    custom = models.JSONField(default=dict, blank=True)
    # where an imported row came from, so that importing it again finds it
    source = models.CharField(max_length=60, blank=True)
    source_key = models.CharField(max_length=64, blank=True)
    registered_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "source_key"],
                condition=~models.Q(source=""),
                name="registry_one_model_per_source_key",
            ),
            models.CheckConstraint(
                condition=models.Q(tier=None) | models.Q(tier__range=(1, 4)), name="registry_tier_1_to_4"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def unit_path(self) -> str:
        return self.unit.path


class CustomField(Governed):
    """A typed field that a unit adds to the inventory, for itself and the units below it."""

    class Kind(models.TextChoices):
        TEXT = "text", "Text"
        NUMBER = "number", "Number"
        DATE = "date", "Date"
        BOOLEAN = "boolean", "Yes or no"
        CHOICE = "choice", "One of a list"
        URL = "url", "Web address"

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="custom_fields")
    name = models.SlugField(max_length=60)
    label = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind)
    choices = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["label"]
        constraints = [models.UniqueConstraint(fields=["unit", "name"], name="registry_one_field_per_name")]

    def __str__(self) -> str:
        return self.label

    @property
    def unit_path(self) -> str:
        return self.unit.path
