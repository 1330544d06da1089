from __future__ import annotations

import json
import uuid
from typing import Any

from django.db import models

from trail import events
from trail.actors import Subject


class Governed(models.Model):
    """A table that is written only inside a recording; trail/guard.py refuses anything else."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta:
        abstract = True

    @property
    def subject(self) -> Subject:
        return Subject(type=self._meta.label_lower, id=str(self.pk), label=str(self), unit=self.unit_path)

    @property
    def unit_path(self) -> str:
        """The unit this row belongs to; entries about it are visible to that unit's people."""
        return ""


class Entry(models.Model):
    """One event. `body` holds its canonical bytes, which alone count; the columns beside it only serve searches."""

    id = models.UUIDField(primary_key=True, editable=False)
    type = models.CharField(max_length=100, db_index=True)
    at = models.DateTimeField(db_index=True)
    actor_id = models.CharField(max_length=64, db_index=True)
    actor_name = models.CharField(max_length=200)
    subject_type = models.CharField(max_length=100)
    subject_id = models.CharField(max_length=64, db_index=True)
    subject_label = models.CharField(max_length=300)
    unit = models.CharField(max_length=500, blank=True, db_index=True)
    reason = models.TextField()
    body = models.BinaryField()

    class Meta:
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return self.sentence

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(bytes(self.body))
        return content

    @property
    def changes(self) -> list[dict[str, Any]]:
        """Old and new of each field, as pages print them."""
        pairs = self.content["changes"].items()
        return [
            {"field": field.replace("_", " "), "old": _shown(old), "new": _shown(new)} for field, (old, new) in pairs
        ]

    @property
    def was_refused(self) -> bool:
        return self.type.endswith(".refused")

    @property
    def sentence(self) -> str:
        return events.sentence(
            self.type,
            actor=self.actor_name,
            subject=self.subject_label,
            reason=self.reason,
            facts=self.content["facts"],
        )


def _shown(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class Leaf(models.Model):
    """An entry's place in the tree. Kept apart from the entry, so that entries can also be integrated in batches."""

    index = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="leaf")
    hash = models.BinaryField(max_length=32)

    class Meta:
        verbose_name_plural = "leaves"

    def __str__(self) -> str:
        return f"leaf {self.index}"


class Tree(models.Model):
    """The one row that is locked to append: the tree's size and its frontier (the roots of its full subtrees)."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    size = models.BigIntegerField(default=0)
    frontier = models.BinaryField(default=b"")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="trail_one_tree")]

    def __str__(self) -> str:
        return f"tree of {self.size}"


class Checkpoint(models.Model):
    """A signed note over the tree's size and root (C2SP checkpoint)."""

    size = models.BigIntegerField(unique=True)
    root = models.BinaryField(max_length=32)
    note = models.TextField()
    signed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"checkpoint {self.size}"
