"""Reading the trail. Callers pass the unit paths that the reader may see; an entry without a unit is about a person's
own session and is seen by readers of the whole organisation only."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q, QuerySet

from trail.models import Entry, Leaf

ATTEMPTS = "trail.attempt.refused"


def entries(*, units: Iterable[str]) -> QuerySet[Entry]:
    seen = Q(pk__in=[])
    for path in units:
        seen |= Q(unit=path) | Q(unit__startswith=f"{path}/")
        if "/" not in path:
            seen |= Q(unit="")
    return Entry.objects.filter(seen).select_related("leaf").order_by("-leaf__index")


def matching(found: QuerySet[Entry], *, actor: str, type: str, subject: str, search: str) -> QuerySet[Entry]:
    if actor:
        found = found.filter(Q(actor_id=actor) | Q(actor_name__icontains=actor))
    if type:
        found = found.filter(Q(type=type) | Q(type__startswith=f"{type}."))
    if subject:
        found = found.filter(subject_id=subject)
    if search:
        found = found.filter(
            Q(subject_label__icontains=search) | Q(actor_name__icontains=search) | Q(reason__icontains=search)
        )
    return found


def about(subject_ids: Iterable[object]) -> QuerySet[Leaf]:
    """The leaves of all entries about these things, oldest first."""
    ids = [str(subject_id) for subject_id in subject_ids]
    return Leaf.objects.filter(entry__subject_id__in=ids).select_related("entry").order_by("index")
