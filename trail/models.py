from __future__ import annotations

import json
import uuid
from functools import cached_property
from typing import Any

from django.db import models

from trail import events
from trail.actors import Subject
from trail.moments import Until

ERASED = "[erased]"


class Governed(models.Model):
    """A table that is written only inside a recording; trail/guard.py refuses anything else."""

    # fields whose values stay out of the trail, such as a password's hash
    never_recorded: tuple[str, ...] = ()

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
    """One event. `body` holds its canonical bytes, which alone count; the columns beside it only serve searches.

    The body names nobody: what could is in the payload, and stands here as a salted commitment.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    type = models.CharField(max_length=100)
    at = models.DateTimeField()
    action = models.UUIDField()
    actor_id = models.CharField(max_length=64)
    subject_type = models.CharField(max_length=100)
    subject_id = models.CharField(max_length=64)
    unit = models.CharField(max_length=500, blank=True)
    body = models.BinaryField()

    objects = Until["Entry"]("at")
    every = models.Manager["Entry"]()

    class Meta:
        verbose_name_plural = "entries"
        indexes = [
            models.Index(fields=["subject_id"], name="trail_by_subject"),
            models.Index(fields=["actor_id", "at"], name="trail_by_actor"),
            models.Index(fields=["type", "at"], name="trail_by_type"),
            models.Index(fields=["at"], name="trail_by_time"),
        ]

    def __str__(self) -> str:
        return self.sentence

    @cached_property
    def content(self) -> dict[str, Any]:
        """The event in clear: the body's own members, and what its payload still discloses."""
        body: dict[str, Any] = json.loads(bytes(self.body))
        known = self.payload.values if hasattr(self, "payload") else {}
        clear = {name: known.get(name, ERASED) for name in body["sealed"]}
        return {
            **{name: body[name] for name in ("v", "id", "type", "at", "action", "unit")},
            "actor": {**body["actor"], "name": clear["actor.name"]},
            "subject": {**body["subject"], "label": clear["subject.label"]},
            "reason": clear["reason"],
            "facts": {name[6:]: value for name, value in clear.items() if name.startswith("facts.")},
            "changes": {
                name[8:]: [ERASED, ERASED] if value == ERASED else value
                for name, value in clear.items()
                if name.startswith("changes.")
            },
        }

    @property
    def actor_name(self) -> str:
        return str(self.content["actor"]["name"])

    @property
    def subject_label(self) -> str:
        return str(self.content["subject"]["label"])

    @property
    def reason(self) -> str:
        return str(self.content["reason"])

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


class Payload(models.Model):
    """What an entry says in clear. Erasable: the entry keeps the commitments, so every proof stays valid.

    `disclosed` is a canonical JSON array of [salt, name, value], by name; the columns beside it only serve searches.
    """

    # no constraint: the entry goes in with the same statement, and fsck_trail looks
    entry = models.OneToOneField(
        Entry, on_delete=models.PROTECT, primary_key=True, related_name="payload", db_constraint=False
    )
    actor_name = models.CharField(max_length=200, blank=True)
    subject_label = models.CharField(max_length=300, blank=True)
    reason = models.TextField(blank=True)
    disclosed = models.BinaryField()

    def __str__(self) -> str:
        return f"payload of {self.entry_id}"

    @property
    def values(self) -> dict[str, Any]:
        return {name: value for _, name, value in json.loads(bytes(self.disclosed))}


class Image(models.Model):
    """A governed row as an entry left it: [salt, "row_type/row_id", {field: value}]. `disclosed` is erasable."""

    id = models.BigAutoField(primary_key=True)
    entry = models.ForeignKey(
        Entry, on_delete=models.PROTECT, related_name="images", db_constraint=False, db_index=False
    )
    row_type = models.CharField(max_length=100)
    row_id = models.CharField(max_length=64)
    digest = models.BinaryField(max_length=32)
    disclosed = models.BinaryField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["row_id", "id"], name="trail_image_of_row"),
            models.Index(fields=["entry"], name="trail_image_of_entry"),
        ]

    def __str__(self) -> str:
        return f"{self.row_type} {self.row_id}"

    @property
    def values(self) -> dict[str, Any] | None:
        if self.disclosed is None:
            return None
        values: dict[str, Any] = json.loads(bytes(self.disclosed))[2]
        return values


class Pending(models.Model):
    """An entry that waits for its place in the tree (PostgreSQL; elsewhere entries are integrated at once)."""

    id = models.BigAutoField(primary_key=True)
    entry = models.ForeignKey(
        Entry, on_delete=models.PROTECT, related_name="pending", db_constraint=False, db_index=False
    )
    hash = models.BinaryField(max_length=32)

    def __str__(self) -> str:
        return f"pending {self.entry_id}"


class Leaf(models.Model):
    """An entry's place in the tree."""

    index = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="leaf", db_constraint=False)
    hash = models.BinaryField(max_length=32)

    objects = Until["Leaf"]("entry__at")
    every = models.Manager["Leaf"]()

    class Meta:
        verbose_name_plural = "leaves"

    def __str__(self) -> str:
        return f"leaf {self.index}"


class Tile(models.Model):
    """256 hashes of one level side by side (c2sp.org/tlog-tiles), complete and never changed, and their root."""

    id = models.BigAutoField(primary_key=True)
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    data = models.BinaryField()
    root = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["level", "index"], name="trail_one_tile")]

    def __str__(self) -> str:
        return f"tile {self.level}/{self.index}"


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
    """A signed note over the tree's size and root (C2SP checkpoint). After a fork one size can have two roots."""

    size = models.BigIntegerField()
    root = models.BinaryField(max_length=32)
    note = models.TextField()
    signed_at = models.DateTimeField()

    objects = Until["Checkpoint"]("signed_at")
    every = models.Manager["Checkpoint"]()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["size", "root"], name="trail_one_checkpoint")]

    def __str__(self) -> str:
        return f"checkpoint {self.size}"


class Anchor(models.Model):
    """A checkpoint as somebody outside holds it: a file elsewhere, a time-stamp token, a witness's cosignature."""

    class Kind(models.TextChoices):
        FILE = "file", "File"
        TSA = "tsa", "Time-stamp authority"
        WITNESS = "witness", "Witness"

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=10, choices=Kind)
    target = models.CharField(max_length=500)
    size = models.BigIntegerField()
    root = models.BinaryField(max_length=32)
    token = models.BinaryField()
    at = models.DateTimeField()

    objects = Until["Anchor"]("at")
    every = models.Manager["Anchor"]()

    class Meta:
        indexes = [models.Index(fields=["size"], name="trail_anchor_of_size")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} at {self.size}"


class ForwardCursor(models.Model):
    """How far a receiver of COUNTERSIGN_FORWARD is. `holder` sends the entries up to `until_index` now."""

    target = models.CharField(max_length=500, unique=True)
    next_index = models.BigIntegerField(default=0)
    until_index = models.BigIntegerField(default=0)
    holder = models.UUIDField(null=True)
    held_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return f"{self.target} from {self.next_index}"
