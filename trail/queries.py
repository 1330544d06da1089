"""Reading the trail. Callers pass the unit paths that the reader may see; an entry without a unit is about a person's
own session and is seen by readers of the whole organisation only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from trail import ledger
from trail.models import Anchor, Entry, Image, Leaf

ATTEMPTS = "trail.attempt.refused"


def entries(*, units: Iterable[str]) -> QuerySet[Entry]:
    ledger.catch_up()
    seen = Q(pk__in=[])
    for path in units:
        seen |= Q(unit=path) | Q(unit__startswith=f"{path}/")
        if "/" not in path:
            seen |= Q(unit="")
    # an inner join, so that the newest come from the leaves' own order, however many there are
    placed = Entry.objects.filter(seen, leaf__isnull=False)
    return placed.select_related("leaf", "payload").order_by("-leaf__index")


def matching(
    found: QuerySet[Entry],
    *,
    actor: str,
    type: str,
    subject: str,
    search: str,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[Entry]:
    """`since` belongs to the time asked for, `until` does not."""
    if actor:
        found = found.filter(Q(actor_id=actor) | Q(payload__actor_name__icontains=actor))
    if type:
        beginning = type.rstrip(".")
        found = found.filter(Q(type=beginning) | Q(type__startswith=f"{beginning}."))
    if subject:
        found = found.filter(subject_id=subject)
    if since:
        found = found.filter(at__gte=since)
    if until:
        found = found.filter(at__lt=until)
    if search:
        said = Q(payload__subject_label__icontains=search) | Q(payload__actor_name__icontains=search)
        found = found.filter(said | Q(payload__reason__icontains=search))
    return found


@dataclass(frozen=True)
class Stretch:
    """Entries side by side, newest first, and the indexes beyond which there is more."""

    entries: list[Entry]
    newer: int | None
    older: int | None
    next: Entry | None  # the first one that is older


def stretch(found: QuerySet[Entry], *, most: int, before: int | None = None, after: int | None = None) -> Stretch:
    """Up to `most` entries older than `before`, or next newer than `after`; by index, so that depth costs nothing."""
    if after is not None:
        rows = list(found.filter(leaf__index__gt=after).order_by("leaf__index")[: most + 1])
        more, rows = len(rows) > most, rows[:most][::-1]
        return Stretch(rows, rows[0].leaf.index if more else None, rows[-1].leaf.index if rows else None, None)
    rows = list((found if before is None else found.filter(leaf__index__lt=before))[: most + 1])
    extra, rows = rows[most:], rows[:most]
    newer = None if before is None else rows[0].leaf.index if rows else before - 1
    return Stretch(rows, newer, rows[-1].leaf.index if extra else None, extra[0] if extra else None)


def about(subject_ids: Iterable[object]) -> QuerySet[Leaf]:
    """The leaves of all entries about these things, oldest first."""
    ledger.catch_up()
    ids = [str(subject_id) for subject_id in subject_ids]
    return Leaf.objects.filter(entry__subject_id__in=ids).select_related("entry__payload").order_by("index")


def images(entry: Entry) -> QuerySet[Image]:
    """The rows that an entry wrote, as it left them."""
    return Image.objects.filter(entry=entry).order_by("pk")


def newest_anchors() -> list[Anchor]:
    """The last anchor of each kind, by kind; none for a kind that never was."""
    found = (Anchor.objects.filter(kind=kind).order_by("-at", "-pk").first() for kind in Anchor.Kind.values)
    return [anchor for anchor in found if anchor is not None]
