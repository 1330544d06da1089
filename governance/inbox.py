"""What waits for someone: signatures asked of them, releases they may make, and what of theirs needs mending."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q

from audits import queries as audits
from audits.models import Job
from governance import gates, queries, signoff
from governance.case import Case, read
from governance.models import Promotion
from people.models import User
from people.queries import roles_at
from registry import queries as registry
from trail import moments
from trail.errors import Objection

SOON = timedelta(days=30)
RECENT = timedelta(days=14)
MOST = 50  # of each kind; the lists have the rest


@dataclass(frozen=True)
class Waiting:
    """One thing to do. `objections` say why it can't be done yet, or not by this person."""

    kind: str
    sentence: str
    link: str
    since: datetime | None = None
    promotion: Promotion | None = None
    role: str = ""
    meaning: str = ""
    objections: list[Objection] = field(default_factory=list)

    @property
    def is_possible(self) -> bool:
        return not self.objections


def inbox(user: User) -> list[Waiting]:
    """What can be done comes first, then what waits for something else; the longest waiting first."""
    found = [*_promotions(user), *_runs(user), *_models(user)]
    return sorted(found, key=lambda each: (bool(each.objections), each.since or moments.now()))


def _promotions(user: User) -> Iterator[Waiting]:
    for promotion in queries.promotions(user).filter(status=Promotion.Status.OPEN)[:MOST]:
        case = read(promotion)
        required = gates.requirements_in(case)
        yield from _to_sign(user, case, {each.key for each in required if each.verdict == "met"})
        if not gates.objections_in(case, required) and not gates.leave_objections(user, case.unit.path):
            sentence = f"{promotion} is ready to be released."
            yield Waiting("release", sentence, _page(promotion), promotion.requested_at, promotion)
        elif promotion.requested_by_id == user.pk and any(each.verdict == "stale" for each in required):
            why = next(each for each in required if each.verdict == "stale")
            yield Waiting("stale", f"{promotion}: {why.sentence}", _page(promotion), promotion.requested_at, promotion)


def _to_sign(user: User, case: Case, met: set[str]) -> Iterator[Waiting]:
    promotion, held = case.promotion, roles_at(user, case.unit.path)
    for role, meaning in signoff.asked(case).items():
        if role not in held or f"signature:{role.value}" in met:
            continue
        yield Waiting(
            "sign",
            f"{promotion} asks the {role.label} to sign: “{meaning.label}”.",
            f"{_page(promotion)}?role={role.value}",
            promotion.requested_at,
            promotion,
            role.value,
            meaning.value,
            signoff.objections_in(case, user, role, meaning),
        )


def _runs(user: User) -> Iterator[Waiting]:
    failed = audits.runs(user).filter(
        requested_by=user, job__status=Job.Status.FAILED, job__finished_at__gte=moments.now() - RECENT
    )
    for run in failed.order_by("-requested_at")[:MOST]:
        yield Waiting("run", f"{run} failed: {run.job.error}", f"/runs/{run.pk}/", run.job.finished_at)


def _models(user: User) -> Iterator[Waiting]:
    mine = registry.models(user).filter(Q(owner=user) | Q(developer=user))
    for model in mine.filter(tier=None).order_by("registered_at")[:MOST]:
        yield Waiting("tier", f"{model} has no tier.", f"/models/{model.slug}/tiering/", model.registered_at)
    due = mine.filter(next_review_on__lte=moments.now().date() + SOON).order_by("next_review_on")
    for model in due[:MOST]:
        sentence = f"{model} is due for review on {model.next_review_on:%d %B %Y}."
        yield Waiting("review", sentence, f"/models/{model.slug}/")


def _page(promotion: Promotion) -> str:
    return f"/promotions/{promotion.pk}/"
