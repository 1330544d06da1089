from __future__ import annotations

from typing import Any

import yaml
from django.db import models
from django.utils import timezone

from people.models import Unit, User
from trail.models import Governed


class Policy(Governed):
    """What a promotion needs, per tier and target: a YAML text, published once and never changed."""

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="policies")
    name = models.SlugField(max_length=60)
    version = models.PositiveIntegerField()
    text = models.TextField()
    digest = models.CharField(max_length=71)
    published_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    published_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name", "-version"]
        verbose_name_plural = "policies"
        constraints = [
            models.UniqueConstraint(fields=["unit", "name", "version"], name="governance_one_policy_per_version")
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"

    @property
    def unit_path(self) -> str:
        return self.unit.path

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = yaml.safe_load(self.text)
        return content
