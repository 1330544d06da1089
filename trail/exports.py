"""The trail as a file: CSV for spreadsheets, JSON Lines for programs; made while it is sent, and on the record."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from django.db.models import QuerySet

from trail import ledger, queries
from trail.actors import Acts, HasSubject, Reads, Subject
from trail.errors import BadInput
from trail.events import Event
from trail.models import Entry
from trail.record import recording
from trail.searching import Asked
from trail.shown import Shown

AT_ONCE = 100
COLUMNS = (
    "index", "id", "at", "type", "sentence", "action", "actor_id", "actor_kind", "actor", "subject_type", "subject_id",
    "subject", "unit", "reason", "changes", "facts",
)  # fmt: skip
# what a spreadsheet would take for a formula
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Reader(Acts, HasSubject, Reads, Protocol):
    """Whoever exports: acts, reads, and belongs somewhere."""


@dataclass(frozen=True)
class Export:
    name: str
    media_type: str
    content: Iterator[bytes]


def take(*, actor: Reader, reason: str, asked: Asked, format: str) -> Export:
    """The entries asked for, of the reader's units, oldest first. It is recorded before the first byte is made."""
    if format not in FORMATS:
        raise BadInput(f"format must be {' or '.join(FORMATS)}, not {format[:20] or 'empty'}.", where="format")
    found = asked.of(queries.entries(units=actor.unit_paths))
    size = ledger.size_and_root()[0]
    found = found.filter(leaf__index__lt=size)
    about = Subject(type="trail.log", id="log", label="the trail", unit=actor.subject.unit)
    with recording(Event.EXPORT_TAKEN, actor=actor, reason=reason, subject=about) as entry:
        entry.facts = {"format": format, "filters": asked.said, "most": found.count(), "size": size}
    media_type, made = FORMATS[format]
    return Export(f"trail-{size}.{format}", media_type, made(found))


def _entries(found: QuerySet[Entry]) -> Iterator[list[Entry]]:
    """By index, a few at a time, so that neither memory nor an open cursor grows with the log."""
    found, last = found.order_by("leaf__index"), -1
    while some := list(found.filter(leaf__index__gt=last)[:AT_ONCE]):
        yield some
        last = some[-1].leaf.index


class _Echo:
    def write(self, line: str) -> str:
        return line


def _csv(found: QuerySet[Entry]) -> Iterator[bytes]:
    lines = csv.writer(_Echo())
    yield lines.writerow(COLUMNS).encode()
    for some in _entries(found):
        yield "".join(lines.writerow([cell(value) for value in _row(entry)]) for entry in some).encode()


def _row(entry: Entry) -> list[Any]:
    said = entry.content
    actor, subject = said["actor"], said["subject"]
    return [
        entry.leaf.index, said["id"], said["at"], said["type"], entry.sentence, said["action"],
        actor["id"], actor["kind"], actor["name"], subject["type"], subject["id"], subject["label"],
        said["unit"], said["reason"], _compact(said["changes"]), _compact(said["facts"]),
    ]  # fmt: skip


def cell(value: Any) -> str:
    """As it is, unless a spreadsheet would run it."""
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _jsonl(found: QuerySet[Entry]) -> Iterator[bytes]:
    for some in _entries(found):
        yield "".join(f"{_compact(_told(entry))}\n" for entry in some).encode()


def _told(entry: Entry) -> dict[str, Any]:
    erased = Shown(entry).erased
    return {"index": entry.leaf.index, "sentence": entry.sentence, "event": entry.content, "erased": erased}


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else ""


FORMATS: dict[str, tuple[str, Callable[[QuerySet[Entry]], Iterator[bytes]]]] = {
    "csv": ("text/csv; charset=utf-8", _csv),
    "jsonl": ("application/x-ndjson", _jsonl),
}
