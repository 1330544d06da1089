from __future__ import annotations

from django.db import models
from django.utils import timezone

from people.models import User
from registry.models import RegisteredModel
from trail.models import Governed


class TierAssessment(Governed):
    """One answered questionnaire, with every step from the answers to the tier."""

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="tier_assessments")
    scheme = models.CharField(max_length=60)
    scheme_version = models.CharField(max_length=20)
    scheme_digest = models.CharField(max_length=71)
    answers = models.JSONField()
    # [{"step", "sentence", "tier"}], in order
    steps = models.JSONField()
    computed_tier = models.PositiveSmallIntegerField()
    tier = models.PositiveSmallIntegerField()
    override_reason = models.TextField(blank=True)
    assessed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    assessed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-assessed_at"]

    def __str__(self) -> str:
        return f"tier {self.tier} of {self.model}"

    @property
    def unit_path(self) -> str:
        return self.model.unit_path
