"""Reading runs: always as someone, who sees those of their units."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from audits.events import Event
from audits.models import Job, Run
from people.models import User
from people.queries import within
from registry.models import Version
from trail.models import Entry


def runs(user: User) -> QuerySet[Run]:
    """The runs the user may see, newest first, without their records."""
    return (
        Run.objects.filter(within(user, "version__model__unit__path"))
        .select_related("version__model__unit", "dataset", "job", "requested_by")
        .defer("record")
    )


def matching(found: QuerySet[Run], *, version: str = "", check: str = "", status: str = "") -> QuerySet[Run]:
    if version:
        found = found.filter(version=_id(version))
    if check:
        found = found.filter(check_name=check)
    if status:
        found = found.filter(job__status=status)
    return found


def run(user: User, id: str | uuid.UUID) -> Run:
    """One run; Http404 if the user may not see it."""
    return get_object_or_404(runs(user).defer(None), pk=_id(id))


def latest_succeeded(version: Version, check: str) -> Run | None:
    """The newest result of a check of this version."""
    done = Run.objects.filter(version=version, check_name=check, job__status=Job.Status.SUCCEEDED)
    return done.select_related("dataset", "job", "requested_by").order_by("-finished_at").first()


def recorded_digest(run: Run) -> str:
    """The digest that the trail holds of the run's result; nothing if it holds none."""
    entry = Entry.objects.filter(type=Event.RUN_SUCCEEDED.value, subject_id=str(run.pk)).order_by("-at").first()
    return str(entry.content["facts"]["result_digest"]) if entry else ""


def _id(text: str | uuid.UUID) -> uuid.UUID | None:
    """An id; nothing, which no row has, for text that is none."""
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None
