from __future__ import annotations

from django.db import models
from django.utils import timezone

from people.models import User
from registry.models.inventory import RegisteredModel
from registry.stages import Stage
from trail.models import Governed


class Artifact(Governed):
    """A model file, kept once by its SHA-256 and never executed in this process."""

    sha256 = models.CharField(max_length=64, unique=True)
    size = models.PositiveBigIntegerField()
    format = models.CharField(max_length=20)
    file_name = models.CharField(max_length=255)
    path = models.CharField(max_length=255)

    def __str__(self) -> str:
        return self.file_name

    @property
    def digest(self) -> str:
        return f"sha256:{self.sha256}"


class Version(Governed):
    """A version of a model: what is checked, signed and promoted. registry.stage_writer alone writes its stage."""

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    label = models.CharField(max_length=60, blank=True)
    notes = models.TextField("what changed", blank=True)
    artifact = models.ForeignKey(Artifact, on_delete=models.PROTECT, null=True, blank=True, related_name="versions")
    stage = models.CharField(max_length=20, choices=Stage, default=Stage.DEVELOPMENT, db_index=True)
    # what the version says of itself: hyperparameters, training run, environment
    facts = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="versions")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["model", "-number"]
        constraints = [models.UniqueConstraint(fields=["model", "number"], name="registry_one_version_per_number")]

    def __str__(self) -> str:
        return f"{self.model.name} {self.name}"

    @property
    def name(self) -> str:
        return f"v{self.number}" + (f" ({self.label})" if self.label else "")

    @property
    def unit_path(self) -> str:
        return self.model.unit.path

    @property
    def digest(self) -> str:
        """The artifact's digest; empty for a version that has no artifact here."""
        return self.artifact.digest if self.artifact else ""


class CardSection(Governed):
    """A section of a version's model card that a person wrote. A new text replaces it; the trail keeps the old."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="card_sections")
    section = models.CharField(max_length=60)
    text = models.TextField()
    written_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    written_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "section"], name="registry_one_text_per_section")]

    def __str__(self) -> str:
        return f"{self.section} of {self.version}"

    @property
    def unit_path(self) -> str:
        return self.version.unit_path
