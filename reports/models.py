from __future__ import annotations

from django.db import models
from django.utils import timezone

from audits.models import Job
from people.models import User
from registry.models import Version
from trail.models import Governed


class Pack(Governed):
    """An evidence pack of a version: a ZIP that anyone can verify without this server."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="packs")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="pack")
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now)
    path = models.CharField(max_length=255, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-requested_at"]

    def __str__(self) -> str:
        return f"evidence pack of {self.version}"

    @property
    def unit_path(self) -> str:
        return self.version.unit_path
