from __future__ import annotations

from django.db import models
from django.utils import timezone

from people.models import Unit
from registry.models.version import Version
from trail.models import Governed


class Environment(Governed):
    """Somewhere a version can run: a promotion's target, by its slug."""

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="environments")
    slug = models.SlugField(max_length=40)
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["slug"]
        constraints = [models.UniqueConstraint(fields=["unit", "slug"], name="registry_one_environment_per_slug")]

    def __str__(self) -> str:
        return self.name

    @property
    def unit_path(self) -> str:
        return self.unit.path


class Deployment(Governed):
    """A version in an environment, from a moment to a moment."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="deployments")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="deployments")
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.version} in {self.environment}"

    @property
    def unit_path(self) -> str:
        return self.version.unit_path
