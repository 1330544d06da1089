from __future__ import annotations

from django.db import models
from django.utils import timezone

from governance.models.policy import Policy
from people.models import User
from registry.models import Environment, Version
from trail.models import Governed


class Promotion(Governed):
    """A request to bring a version into an environment. Released only when nothing stands against it."""

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        RELEASED = "released", "Released"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="promotions")
    target = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="promotions")
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN, db_index=True)
    comment = models.TextField(blank=True)
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="promotions")
    requested_at = models.DateTimeField(default=timezone.now)
    closed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    closed_at = models.DateTimeField(null=True, blank=True)
    # set once, when the promotion closes: what it was judged by and what was signed, as they stood
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    dossier = models.JSONField(null=True, blank=True)
    # the DSSE envelope minted at release, as JSON text, and until when the release holds
    attestation = models.TextField(blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-requested_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "target"],
                condition=models.Q(status="open"),
                name="governance_one_open_promotion",
            )
        ]

    def __str__(self) -> str:
        return f"{self.version} to {self.target}"

    @property
    def unit_path(self) -> str:
        return self.version.unit_path

    @property
    def is_open(self) -> bool:
        return self.status == self.Status.OPEN


class GateEvaluation(Governed):
    """The gate's answer at a moment, kept whatever it was: for a promotion, or for a pipeline that asked by digest."""

    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, null=True, related_name="evaluations")
    digest = models.CharField(max_length=71, blank=True, db_index=True)
    target = models.CharField(max_length=40)
    decision = models.CharField(max_length=10, choices=[("allowed", "Allowed"), ("blocked", "Blocked")])
    reasons = models.JSONField()
    # every requirement of the promotion as it was shown, met ones too
    requirements = models.JSONField(default=list)
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, null=True, related_name="+")
    unit = models.CharField(max_length=500, blank=True)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    evaluated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-evaluated_at"]

    def __str__(self) -> str:
        return f"gate to {self.target}: {self.decision}"

    @property
    def unit_path(self) -> str:
        return self.unit
