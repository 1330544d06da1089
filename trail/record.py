"""The one way to write: open a recording, do the write, and exactly one entry is appended with it, or neither is."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar

from django.db import models, transaction
from django.utils import timezone

from trail import guard, images, ledger, sealing
from trail.actors import Acts, HasSubject, Subject
from trail.errors import BadInput, Refused, VagueRecord
from trail.events import Event, Vocabulary

Row = TypeVar("Row", bound=models.Model)

# what the entries of one request, command or job have in common
current_action: ContextVar[uuid.UUID | None] = ContextVar("current_action", default=None)
# what was refused in a `together` that is still open
_tried: ContextVar[list[tuple[Draft, Refused]] | None] = ContextVar("_tried", default=None)

LONGEST_REASON = 10_000
# what of a refusal is kept, so that its entry always fits
MOST_SENTENCES, LONGEST_SENTENCE, LONGEST_REFUSED_REASON = 30, 400, 1000


def _next_id() -> uuid.UUID:
    """A UUID of version 7, its time to a quarter of a microsecond: ids sort as they were made (RFC 9562, method 3)."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62))


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
        self.written: dict[tuple[type, Any], models.Model] = {}

    def save(self, row: Row, **how: Any) -> Row:
        """Save `row`; its state, as the recording leaves it, is kept with the entry."""
        row.save(**how)
        self.wrote(row)
        return row

    def wrote(self, row: models.Model) -> None:
        """State that `row` was written here otherwise than by `save`."""
        self.written[type(row), row.pk] = row

    def change(self, row: models.Model, **values: Any) -> None:
        """Set fields of `row`, save them, and state old and new of each one that differs."""
        for name, new in values.items():
            old = getattr(row, name)
            if old != new:
                self.changes[name] = [plain(old), plain(new)]
                setattr(row, name, new)
        self.save(row)

    def create(self, row: Row, *stated: str) -> Row:
        """Insert `row`, make it the subject if there is none yet, and state the fields named."""
        self.save(row, force_insert=True)
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

    def sealed(self) -> sealing.Sealed:
        governed = [row for row in self.written.values() if row._meta.label_lower in images.governed_models()]
        return sealing.seal(
            self.content(),
            [sealing.image(row._meta.label_lower, str(row.pk), images.values(row)) for row in governed],
        )

    def content(self) -> dict[str, Any]:
        if not self.reason:
            raise VagueRecord(f"{self.event.value} has no reason: say why, in a few words.")
        subject = self.subject
        return {
            "id": str(_next_id()),
            "type": self.event.value,
            "at": timezone.now().isoformat(timespec="microseconds"),
            "action": str(current_action.get() or uuid.uuid4()),
            "actor": {"id": self.actor.id, "name": self.actor.name, "kind": self.actor.kind},
            "subject": {"type": subject.type, "id": subject.id, "label": subject.label[:300]},
            "unit": subject.unit,
            "reason": self.reason,
            "changes": self.changes,
            "facts": plain(self.facts) if self.facts else {},
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
        with transaction.atomic(), guard.opened():
            yield draft
            ledger.append(draft.sealed())
    except Refused as refused:
        if draft.about is not None:
            if (tried := _tried.get()) is not None:
                tried.append((draft, refused))
            else:
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
    with transaction.atomic(), guard.opened():
        ledger.append(attempt.sealed())


@contextmanager
def one_action() -> Iterator[None]:
    """Entries of recordings opened in here belong together, and are read as one group."""
    before = current_action.set(uuid.uuid4())
    try:
        yield
    finally:
        current_action.reset(before)


@contextmanager
def together() -> Iterator[None]:
    """Recordings opened in here are one action and commit together or not at all.

    What was refused among them is on record whatever becomes of the rest: it is written when that is decided.
    """
    tried: list[tuple[Draft, Refused]] = []
    with one_action():
        before = _tried.set(tried)
        try:
            with transaction.atomic():
                yield
        finally:
            _tried.reset(before)
            for draft, refused in tried:
                _record_refusal(draft, refused)
