from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import models
from django.utils import timezone

from people.models import User
from registry.models import Dataset, Version
from trail.models import Governed

# How much must be done, and for how long, before the time that is left is estimated.
SHARE_OF_A_PACE, SECONDS_OF_A_PACE = 0.05, 2.0


class Job(models.Model):
    """A piece of background work, and the truth about it; the broker only wakes a worker.

    A worker claims a job by a conditional UPDATE that sets a fresh `token`; every later write of that worker filters
    on its token, so a worker that lost its lease (it fell silent, or the job was cancelled) can't touch the job any
    more. Operational, so not governed: what the work produced is written through a recording by its handler.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    OPEN = (Status.QUEUED, Status.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20)
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED, db_index=True)
    progress = models.FloatField(default=0)
    stage = models.CharField(max_length=200, blank=True)
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    queued_at = models.DateTimeField(default=timezone.now)
    # when the broker was last told; empty if it never was since the job was queued
    published_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    # measure anew even where an earlier run had the same inputs
    fresh = models.BooleanField(default=False)
    # the earlier run whose result was taken
    reused_from = models.UUIDField(null=True, blank=True)
    # computing by the worker's process while it did this; by the processes with the model; and the most these held
    cpu_seconds = models.FloatField(null=True, blank=True)
    model_cpu_seconds = models.FloatField(null=True, blank=True)
    model_peak_bytes = models.BigIntegerField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.id} ({self.status})"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @property
    def remaining_seconds(self) -> float | None:
        """What is left at the pace so far; nothing before the pace says something."""
        if self.status != self.Status.RUNNING or self.started_at is None or self.progress < SHARE_OF_A_PACE:
            return None
        elapsed = (timezone.now() - self.started_at).total_seconds()
        return elapsed * (1 - self.progress) / self.progress if elapsed >= SECONDS_OF_A_PACE else None

    @property
    def duration(self) -> timedelta | None:
        return self.finished_at - self.started_at if self.started_at and self.finished_at else None


class Run(Governed):
    """One check of one version on one dataset. Its result, once there, never changes."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="runs")
    check_name = models.CharField("check", max_length=40, db_index=True)
    check_version = models.CharField(max_length=20)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="runs")
    params = models.JSONField(default=dict)
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="run")
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="runs")
    requested_at = models.DateTimeField(default=timezone.now)
    # canonical bytes of {"run": {...}, "result": {...}}; empty until the run has succeeded
    record = models.BinaryField(default=b"")
    result_digest = models.CharField(max_length=71, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-requested_at"]

    def __str__(self) -> str:
        return f"{self.check_name} of {self.version}"

    @property
    def unit_path(self) -> str:
        return self.version.unit_path
