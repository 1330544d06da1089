"""Sends entries on to a SIEM, in leaf order, at least once: a cursor moves on only after they were delivered.

Any number of processes may forward; whoever holds a target's cursor sends, and it is free again when its time runs
out. A range that was begun is sent again as the same range, so that a receiver can tell that it has it.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from trail import guard, ledger
from trail.delivery import SETTING, Message, Target, Undelivered, deliver, targets
from trail.errors import BadInput
from trail.models import Entry, ForwardCursor, Leaf

log = logging.getLogger(__name__)

BATCH = 500
AT_ONCE = 50  # of them in memory, which may hold a megabyte each
MOST_BYTES = 1 << 20
HELD = timedelta(seconds=90)  # longer than one delivery may take
PAUSE, LONGEST_PAUSE = 1.0, 300.0
LATE = timedelta(minutes=5)


@dataclass(frozen=True)
class Reach:
    """How far a target is."""

    target: str
    next_index: int
    lag: int  # entries that it does not have
    waiting_since: datetime | None
    sent_at: datetime | None
    failing_since: datetime | None
    error: str

    @property
    def is_late(self) -> bool:
        waits = self.waiting_since is not None and self.waiting_since < timezone.now() - LATE
        return waits or bool(self.error)

    @property
    def sentence(self) -> str:
        if not self.lag:
            return self.error or "has every entry"
        entries = "1 entry" if self.lag == 1 else f"{self.lag:,} entries"
        return f"lacks {entries}" + (f": {self.error}" if self.error else "")


def reached(size: int) -> list[Reach]:
    """How far each target of the settings is, of a log of `size` entries."""
    try:
        named = targets()
    except BadInput as wrong:
        return [Reach(SETTING, 0, 0, None, None, None, wrong.sentence)]
    cursors = {cursor.target: cursor for cursor in ForwardCursor.objects.filter(target__in=[t.name for t in named])}
    return [_reach(cursors.get(each.name, ForwardCursor(target=each.name)), size) for each in named]


def _reach(cursor: ForwardCursor, size: int) -> Reach:
    lag = max(0, size - cursor.next_index)
    oldest = Entry.objects.filter(leaf__index=cursor.next_index).values_list("at", flat=True).first() if lag else None
    since = cursor.failing_since
    return Reach(cursor.target, cursor.next_index, lag, oldest, cursor.sent_at, since, cursor.error)


def forward(target: Target) -> int:
    """Send the next entries to `target`; how many it took. Raises Undelivered, and keeps why."""
    holder = uuid.uuid4()
    if not Leaf.objects.filter(index__gte=_next(target)).exists() or (held := _hold(target, holder)) is None:
        return 0
    start, end = held
    sent = 0
    try:
        for chunk in _chunks(_messages(start, end)):
            deliver(target, chunk)
            if not _advance(target, holder, chunk[0].index, chunk[-1].index + 1):
                break
            sent += len(chunk)
    except Undelivered as failed:
        _note(target, holder, str(failed).rstrip(".")[:500])
        raise
    _release(target, holder)
    return sent


def _next(target: Target) -> int:
    return ForwardCursor.objects.filter(target=target.name).values_list("next_index", flat=True).first() or 0


def _hold(target: Target, holder: uuid.UUID) -> tuple[int, int] | None:
    """The range to send, for whoever gets hold of the cursor."""
    now = timezone.now()
    with transaction.atomic(), guard.opened():
        cursor, _ = ForwardCursor.objects.select_for_update().get_or_create(target=target.name)
        if cursor.held_until is not None and cursor.held_until > now:
            return None
        if cursor.until_index <= cursor.next_index:
            cursor.until_index = min(cursor.next_index + BATCH, ledger.size_and_root()[0])
        cursor.holder, cursor.held_until = holder, now + HELD
        cursor.save()
    return cursor.next_index, cursor.until_index


def _advance(target: Target, holder: uuid.UUID, start: int, end: int) -> bool:
    now = timezone.now()
    held = ForwardCursor.objects.filter(target=target.name, holder=holder, next_index=start)
    with transaction.atomic(), guard.opened():
        return bool(held.update(next_index=end, held_until=now + HELD, sent_at=now, error="", failing_since=None))


def _note(target: Target, holder: uuid.UUID, error: str) -> None:
    with transaction.atomic(), guard.opened():
        ForwardCursor.objects.filter(target=target.name, holder=holder).update(
            error=error, failing_since=Coalesce(F("failing_since"), timezone.now()), held_until=None
        )


def _release(target: Target, holder: uuid.UUID) -> None:
    with transaction.atomic(), guard.opened():
        ForwardCursor.objects.filter(target=target.name, holder=holder).update(held_until=None)


def _messages(start: int, end: int) -> Iterator[Message]:
    leaves = Leaf.objects.select_related("entry__payload" if settings.FORWARD_CLEAR else "entry").order_by("index")
    for first in range(start, end, AT_ONCE):
        for leaf in list(leaves.filter(index__gte=first, index__lt=min(end, first + AT_ONCE))):
            yield message(leaf)


def message(leaf: Leaf) -> Message:
    """The entry as one line of JSON: as its leaf stands, which names nobody, or in clear if the settings say so."""
    entry = leaf.entry
    place = {"origin": settings.LOG_ORIGIN, "index": leaf.index, "leaf_hash": bytes(leaf.hash).hex()}
    if settings.FORWARD_CLEAR:
        said: dict[str, Any] = {"sentence": entry.sentence, "event": entry.content}
    else:
        said = {"event": json.loads(bytes(entry.body))}
    short = place | {"type": entry.type, "cut": True}
    return Message(leaf.index, entry.at, entry.type, entry.was_refused, _line(place | said), _line(short))


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode()


def _chunks(messages: Iterator[Message]) -> Iterator[Sequence[Message]]:
    """Runs of about a megabyte."""
    chunk: list[Message] = []
    size = 0
    for each in messages:
        if chunk and size + len(each.body) > MOST_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(each)
        size += len(each.body)
    if chunk:
        yield chunk


def start(stopping: threading.Event) -> list[threading.Thread]:
    """Forward to every target until `stopping` is set, each beside the others: one that is down delays nobody."""
    try:
        named = targets()
    except BadInput as wrong:
        log.error("Nothing is forwarded. %s", wrong.sentence)
        return []
    threads = [
        threading.Thread(target=keep_forwarding, args=[each, stopping], name=f"forward to {each.name}", daemon=True)
        for each in named
    ]
    for thread in threads:
        thread.start()
    return threads


def keep_forwarding(target: Target, stopping: threading.Event) -> None:
    pause = PAUSE
    while not stopping.is_set():
        try:
            while forward(target) and not stopping.is_set():
                pass
            pause = PAUSE
        except Undelivered as failed:
            pause = min(pause * 2, LONGEST_PAUSE)
            log.warning("%s took nothing (%s); trying again in %.0f s.", target.name, failed, pause)
        except Exception:  # it must outlive whatever the database does
            pause = min(pause * 2, LONGEST_PAUSE)
            log.exception("Forwarding to %s was interrupted; trying again in %.0f s.", target.name, pause)
        finally:
            connection.close()
        stopping.wait(pause)
