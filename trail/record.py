"""The one way to write: open a recording, do the write, and exactly one entry is appended with it, or neither is."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar

from django.db import models, transaction
from django.utils import timezone

from trail import guard, ledger
from trail.actors import Acts, HasSubject, Subject
from trail.errors import BadInput, Refused, VagueRecord
from trail.events import Event, Vocabulary

Row = TypeVar("Row", bound=models.Model)

LONGEST_REASON = 10_000
# what of a refusal is kept, so that its entry always fits
MOST_SENTENCES, LONGEST_SENTENCE, LONGEST_REFUSED_REASON = 30, 400, 1000


def plain(value: Any) -> Any:
    """`value` in the canonical profile: no floats, no types of our own."""
    match value:
        case None | bool() | int():
            return value
        case Enum():
            return plain(value.value)
        case str():
            return str(value)
        case float() | Decimal() | uuid.UUID():
            return str(value)
        case datetime():
            return value.astimezone(tz=None).isoformat() if value.tzinfo is None else value.isoformat()
        case date():
            return value.isoformat()
        case models.Model():
            return str(value.pk)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
    raise TypeError(f"A trail entry can't hold {type(value).__name__}.")


class Draft:
    """The entry while its recording is open."""

    def __init__(self, event: Vocabulary, actor: Acts, reason: str) -> None:
        self.event, self.actor, self.reason = event, actor.actor, reason.strip()
        self.about: HasSubject | None = None
        self.facts: dict[str, Any] = {}
        self.changes: dict[str, list[Any]] = {}

    def change(self, row: models.Model, **values: Any) -> None:
        """Set fields of `row`, save them, and state old and new of each one that differs."""
        for name, new in values.items():
            old = getattr(row, name)
            if old != new:
                self.changes[name] = [plain(old), plain(new)]
                setattr(row, name, new)
        row.save()

    def create(self, row: Row, *stated: str) -> Row:
        """Insert `row`, make it the subject if there is none yet, and state the fields named."""
        row.save(force_insert=True)
        if self.about is None and hasattr(row, "subject"):
            self.about = row
        for name in stated:
            self.changes[name] = [None, plain(getattr(row, name))]
        return row

    @property
    def subject(self) -> Subject:
        if self.about is None:
            raise VagueRecord(f"{self.event.value} says nothing of what it is about: give recording(...) a subject.")
        return self.about.subject

    def content(self) -> dict[str, Any]:
        if not self.reason:
            raise VagueRecord(f"{self.event.value} has no reason: say why, in a few words.")
        subject = self.subject
        return {
            "v": 1,
            "id": str(uuid.uuid4()),
            "type": self.event.value,
            "at": timezone.now().isoformat(timespec="microseconds"),
            "actor": {"id": self.actor.id, "name": self.actor.name, "kind": self.actor.kind},
            "subject": {"type": subject.type, "id": subject.id, "label": subject.label[:300]},
            "unit": subject.unit,
            "reason": self.reason,
            "changes": self.changes,
            "facts": plain(self.facts),
        }


@contextmanager
def recording(event: Vocabulary, *, actor: Acts, reason: str, subject: HasSubject | None = None) -> Iterator[Draft]:
    """Open the transaction and append exactly one entry at its end.

    A block that raises writes nothing; if it raised `Refused`, the refused attempt is then an entry of its own.
    Recordings don't nest: one action, one entry.
    """
    if guard.is_recording.get():
        raise RuntimeError(f"{event.value} was opened inside another recording: one action makes one entry.")
    _refuse_unfit(reason)
    draft = Draft(event, actor, reason)
    draft.about = subject
    try:
        with transaction.atomic():
            open_ = guard.is_recording.set(True)
            try:
                yield draft
                ledger.append(draft.content())
            finally:
                guard.is_recording.reset(open_)
    except Refused as refused:
        if draft.about is not None:
            _record_refusal(draft, refused)
        raise


def _refuse_unfit(reason: str) -> None:
    """Before anything is tried: a reason that can't be recorded would keep a refused attempt out of the trail."""
    if len(reason) > LONGEST_REASON:
        sentence = f"The reason holds {len(reason):,} characters; at most {LONGEST_REASON:,} fit, so shorten it."
        raise BadInput(sentence, where="reason")
    if "\0" in reason or any("\ud800" <= character <= "\udfff" for character in reason):
        raise BadInput("The reason holds a character that can’t be stored; write plain Unicode text.", where="reason")


def _record_refusal(draft: Draft, refused: Refused) -> None:
    attempt = Draft(Event.ATTEMPT_REFUSED, draft.actor, draft.reason[:LONGEST_REFUSED_REASON] or "no reason given")
    attempt.about = draft.about
    attempt.facts = {
        "attempted": draft.event.value,
        "codes": [objection.code for objection in refused.objections],
        "objections": [objection.sentence[:LONGEST_SENTENCE] for objection in refused.objections[:MOST_SENTENCES]],
    }
    with transaction.atomic():
        open_ = guard.is_recording.set(True)
        try:
            ledger.append(attempt.content())
        finally:
            guard.is_recording.reset(open_)
