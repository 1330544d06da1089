"""As of a past moment: whatever is read inside `as_of` is as the events left it then, and nothing can be written.

The governed tables are read from a snapshot (`trail.snapshots`), by a database router; the trail's own tables stay
live, and their managers leave out what came later; sessions and such are always those of now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, time
from typing import Any

from django.db import connections, models
from django.utils import timezone
from django.utils.connection import ConnectionDoesNotExist

from trail import moments, snapshots
from trail.errors import BadInput, Objection, Refused
from trail.models import Entry
from trail.moments import Look

WRITTEN = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+ -]\d\d:\d\d)?)?", re.ASCII | re.IGNORECASE
)
EXAMPLE = "2026-03-01T12:00:00Z, or 2026-03-01 for the end of that day (UTC)"
ALIAS = "past-"


class ThePastIsReadOnly(Refused):
    """Something was about to be written as of a past moment."""

    def __init__(self) -> None:
        super().__init__(Objection("the_past", "What was can’t be changed.", "Return to now to act."))


@contextmanager
def as_of(moment: datetime | None) -> Iterator[None]:
    """Everything read inside is as it was at the moment, and nothing can be written; with None, as it is.

    Finish reading inside: rows that are asked for more after it refuse.
    """
    look = Look(moment.astimezone(UTC)) if moment else None
    with moments.looking(look):
        try:
            yield
        finally:
            if look:
                _leave(look)


def each(look: Look, parts: Iterable[Any]) -> Iterator[Any]:
    """`parts`, made one by one as of the look's moment, also after it was left."""
    rest = iter(parts)
    try:
        while True:
            with moments.looking(look):
                try:
                    part = next(rest)
                except StopIteration:
                    return
            yield part
    finally:
        _leave(look)


def require_whole() -> None:
    """Refuse to go on with evidence of a past moment of which something is no longer there as it was recorded."""
    look = moments.current.get()
    if look and look.lost:
        sentence = f"No longer there as the trail recorded it: {', '.join(sorted(look.lost)[:10])}."
        raise Refused(Objection("lost", sentence, "Find out who changed it; a backup may still hold it."))


def asked(text: str) -> datetime:
    """The moment that `text` means, if there is something to see at it."""
    moment = _read(text.strip())
    if moment > timezone.now():
        sentence = f"{moments.spelled(moment)} is still to come; ask for a moment that has passed."
        raise BadInput(sentence, where="as_of")
    if not Entry.every.filter(at__lte=moment).exists():
        sentence = f"The trail does not reach back to {moments.spelled(moment)}; ask for a later moment."
        raise BadInput(sentence, where="as_of")
    return moment


def _read(text: str) -> datetime:
    if found := WRITTEN.fullmatch(text):
        day, hour, zone = found.groups()
        with suppress(ValueError, OverflowError):
            if hour is None:
                return datetime.combine(datetime.fromisoformat(day), time.max, UTC)
            # a plus sign in an address arrives as a space
            return datetime.fromisoformat(f"{day}T{hour}{(zone or 'Z').replace(' ', '+')}".upper()).astimezone(UTC)
    raise BadInput(f"“{text[:40]}” is no moment; write it like {EXAMPLE}.", where="as_of")


class PastRouter:
    """Sends reads of the governed tables to the moment that is looked at."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        look = moments.current.get()
        if look is None:
            _refuse_strayed(hints.get("instance"))
            return None
        if model._meta.label_lower not in snapshots.tables():
            return None
        try:
            connections[look.alias]
        except ConnectionDoesNotExist:
            connections[look.alias] = snapshots.opened(look)
        return look.alias

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str | None:
        if moments.current.get() and model._meta.label_lower in snapshots.tables():
            raise ThePastIsReadOnly
        return None

    def allow_relation(self, one: models.Model, other: models.Model, **hints: Any) -> bool | None:
        """A row of the past and whoever looks at it now may stand in one object; it can't be saved."""
        return True if moments.current.get() else None


def _refuse_strayed(row: models.Model | None) -> None:
    if row is not None and (row._state.db or "").startswith(ALIAS):
        raise RuntimeError(f"{row._meta.label} {row.pk} was read as of a past moment, and is asked for more after it.")


def _leave(look: Look) -> None:
    with suppress(ConnectionDoesNotExist):
        connections[look.alias].close()
        del connections[look.alias]
