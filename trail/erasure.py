"""Erasing what entries say of a person (GDPR, Art. 17). The leaves stay as they are, and so does every proof."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db import connection, models, transaction

from trail import snapshots
from trail.models import Entry, Image, Payload
from trail.record import Draft

# what one entry can list; more is erased by several, in one action
MOST = 5000

# (entry, name, value) -> whether this value is to go
Chooses = Callable[[Entry, str, Any], bool]


def mentions(texts: list[str]) -> Iterator[Entry]:
    """Entries whose payload holds one of `texts`, letter for letter."""
    holds = "position(%s::bytea in disclosed) > 0" if connection.vendor == "postgresql" else "instr(disclosed, %s) > 0"
    for text in filter(None, texts):
        said = json.dumps(text, ensure_ascii=False)[1:-1].encode()
        holding = Payload.objects.extra(where=[holds], params=[said])  # noqa: S610 - a condition of ours
        yield from Entry.objects.filter(pk__in=holding.values("pk"))


def erase(draft: Draft, entries: list[Entry], chooses: Chooses, *, rows: Iterable[models.Model] = ()) -> None:
    """Take the chosen values out of the entries' payloads, and the images of these rows, in the caller's recording.

    The recording's facts list what went from which entry, so that a value missing without a reason is noticed.
    """
    gone: dict[str, list[str]] = {}
    for entry in entries[:MOST]:
        if names := _take(entry, chooses):
            gone[str(entry.pk)] = names
    about = models.Q(pk__in=[])
    for row in rows:
        about |= models.Q(row_type=row._meta.label_lower, row_id=str(row.pk))
    images = Image.objects.filter(about).exclude(disclosed=None)
    listed = sorted(images.values_list("pk", flat=True))
    images.update(disclosed=None)
    draft.facts |= {"count": len(gone), "entries": gone, "images": listed}
    transaction.on_commit(snapshots.forget, robust=True)


def _take(entry: Entry, chooses: Chooses) -> list[str]:
    payload = Payload.objects.select_for_update().get(pk=entry.pk)
    disclosures = json.loads(bytes(payload.disclosed))
    gone = [name for _, name, value in disclosures if chooses(entry, name, value)]
    if not gone:
        return []
    kept = [each for each in disclosures if each[1] not in gone]
    columns = {"actor.name": "actor_name", "subject.label": "subject_label", "reason": "reason"}
    for name in gone:
        if name in columns:
            setattr(payload, columns[name], "")
    payload.disclosed = json.dumps(kept, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    payload.save()
    return gone
