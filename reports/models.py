from __future__ import annotations

from django.db import models
from django.utils import timezone

from audits.models import Job
from people.models import RoleGrant, Unit, User
from registry.models import RegisteredModel, Version
from trail import moments
from trail.models import Governed


class Pack(Governed):
    """An evidence pack of one version or of many: a ZIP that anyone can verify without this server."""

    title = models.CharField(max_length=300)
    # what was asked for, in words: “every model of Retail”; empty for versions that were named one by one
    scope = models.CharField(max_length=300, blank=True)
    # the lowest unit above all its versions; empty if there is none
    unit = models.CharField(max_length=500, blank=True)
    # the moment whose state it shows; empty for the state when it was built
    as_of = models.DateTimeField(null=True, blank=True)
    versions = models.ManyToManyField(Version, through="PackVersion", related_name="packs")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="pack")
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now)
    path = models.CharField(max_length=255, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-requested_at"]

    def __str__(self) -> str:
        return f"evidence pack of {self.title}"

    @property
    def unit_path(self) -> str:
        return self.unit

    @property
    def percent(self) -> int:
        """How far its making is."""
        return round(100 * self.job.progress)


class PackVersion(Governed):
    """A version that a pack covers, at its place in it."""

    pack = models.ForeignKey(Pack, on_delete=models.PROTECT, related_name="covered")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["pack", "version"], name="reports_version_once_in_pack"),
            models.UniqueConstraint(fields=["pack", "position"], name="reports_one_version_per_position"),
        ]

    def __str__(self) -> str:
        return f"{self.version} in the {self.pack}"

    @property
    def unit_path(self) -> str:
        return self.pack.unit


class Engagement(Governed):
    """An auditor's visit to a unit: from when to when, and what became of it."""

    title = models.CharField(max_length=200)
    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="+")
    auditor = models.ForeignKey(User, on_delete=models.PROTECT, related_name="engagements")
    # the auditor's role for this visit, which ends with it; none for someone who audits the unit anyway
    grant = models.OneToOneField(RoleGrant, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    opened_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-opened_at"]

    def __str__(self) -> str:
        return self.title

    @property
    def unit_path(self) -> str:
        return self.unit.path

    @property
    def is_open(self) -> bool:
        return self.closed_at is None and self.ends_at > moments.now()


class Sample(Governed):
    """Models drawn for an engagement. Whoever has the seed and the population draws the same."""

    engagement = models.ForeignKey(Engagement, on_delete=models.PROTECT, related_name="samples")
    seed = models.CharField(max_length=100)
    population = models.PositiveIntegerField()
    population_digest = models.CharField(max_length=71)
    chosen = models.ManyToManyField(RegisteredModel, through="SampledModel", related_name="+")
    drawn_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["drawn_at"]

    def __str__(self) -> str:
        return f"sample of {self.engagement}"

    @property
    def unit_path(self) -> str:
        return self.engagement.unit_path


class SampledModel(Governed):
    sample = models.ForeignKey(Sample, on_delete=models.PROTECT, related_name="drawn")
    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["sample", "model"], name="reports_model_once_in_sample")]

    def __str__(self) -> str:
        return f"{self.model} in the {self.sample}"

    @property
    def unit_path(self) -> str:
        return self.sample.unit_path


class EvidenceRequest(Governed):
    """Something an auditor asks to be shown, and what was answered."""

    engagement = models.ForeignKey(Engagement, on_delete=models.PROTECT, related_name="requests")
    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    text = models.TextField()
    asked_at = models.DateTimeField(default=timezone.now)
    answer = models.TextField(blank=True)
    answered_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["asked_at"]

    def __str__(self) -> str:
        return f"request of {self.engagement}"

    @property
    def unit_path(self) -> str:
        return self.engagement.unit_path
