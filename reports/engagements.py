"""An auditor's visit: a role that ends by itself, models drawn by lot, requests and answers, and a pack of what was
looked at. The auditor reads; every page they open in that time is an entry (people/reading.py)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from django.utils import timezone

from audits.models import Run
from governance.models import Promotion
from people import membership
from people.access import require
from people.events import Event as People
from people.models import Unit, User
from people.queries import below, live_grants, roles_at
from people.roles import Duty, Role
from registry import words
from registry.models import RegisteredModel, Version
from registry.queries import at_or_below
from reports import packs, queries
from reports.events import Event
from reports.models import Engagement, EvidenceRequest, Pack, Sample, SampledModel
from trail.canonical import canonical, digest
from trail.errors import BadInput, Objection, Refused
from trail.models import Entry
from trail.record import recording, together

LONGEST_TITLE, LONGEST_SEED, LONGEST_TEXT = 200, 100, 4000
LONGEST_DAYS = 366


def open_engagement(
    *, title: str, unit: Unit, auditor: User, ends_at: datetime, actor: User, reason: str
) -> Engagement:
    """Let someone in as the auditor of a unit until a moment. An administrator does; the role ends by itself.

    Someone who audits the unit for good keeps their role; nobody is let in twice at a time, since the first visit to
    end would end the other's role.
    """
    title = words.line(title, where="title", most=LONGEST_TITLE, needed=True)
    if not timezone.now() < ends_at <= timezone.now() + timedelta(days=LONGEST_DAYS):
        raise BadInput(f"An engagement ends within {LONGEST_DAYS} days from now.", where="ends_at")
    with together():
        grant = None
        if not _audits_for_good(auditor, unit):
            grant = membership.grant(
                user=auditor, role=Role.AUDITOR, unit=unit, actor=actor, reason=reason, ends_at=ends_at
            )
        engagement = Engagement(title=title, unit=unit, auditor=auditor, grant=grant, opened_by=actor, ends_at=ends_at)
        with recording(Event.ENGAGEMENT_OPENED, actor=actor, reason=reason, subject=engagement) as entry:
            require(actor, Duty.ADMINISTER, unit.path)
            if standing := _objections_to_letting_in(auditor, actor):
                raise Refused(standing)
            entry.facts = {"auditor": auditor.name}
            return entry.create(engagement, "title", "unit", "auditor", "ends_at")


def _audits_for_good(auditor: User, unit: Unit) -> bool:
    held = live_grants(auditor).filter(role=Role.AUDITOR, ends_at=None)
    return any(below(unit.path, grant.unit.path) for grant in held)


def _objections_to_letting_in(auditor: User, actor: User) -> list[Objection]:
    if actor.pk == auditor.pk:
        return [Objection("own_visit", "Nobody opens their own audit.", "Ask another administrator.")]
    if not auditor.is_active:
        return [Objection("suspended", f"{auditor.name} is suspended.", "Choose somebody who has access.")]
    return []


def close(*, engagement: Engagement, actor: User, reason: str) -> None:
    """End a visit before its time, and the role with it."""
    with together():
        with recording(Event.ENGAGEMENT_CLOSED, actor=actor, reason=reason, subject=engagement) as entry:
            require(actor, Duty.ADMINISTER, engagement.unit_path)
            _require_open(engagement)
            entry.change(engagement, closed_at=timezone.now())
        if engagement.grant and engagement.grant.revoked_at is None:
            membership.revoke(grant=engagement.grant, actor=actor, reason=reason)


def draw(*, engagement: Engagement, size: int, seed: str, actor: User, reason: str) -> Sample:
    """Draw models of the unit by lot: those whose SHA-256 of “seed:model id” comes first.

    The auditor brings the seed, so that whoever is audited has no hand in the draw; each draw is on record, so that
    nobody draws again until it suits them unseen.
    """
    seed = words.line(seed, where="seed", most=LONGEST_SEED, needed=True)
    population = sorted(str(pk) for pk in queries.models_of_unit(engagement.unit_path).values_list("pk", flat=True))
    if not 1 <= size <= len(population):
        sentence = f"{engagement.unit} has {len(population)} models; draw from 1 to {len(population)} of them."
        raise BadInput(sentence, where="size")
    chosen = drawn(population, seed, size)
    sample = Sample(
        engagement=engagement,
        seed=seed,
        population=len(population),
        population_digest=digest(canonical(list(population))),
    )
    with recording(Event.SAMPLE_DRAWN, actor=actor, reason=reason, subject=engagement) as entry:
        _require_auditor(engagement, actor)
        entry.save(sample, force_insert=True)
        for position, pk in enumerate(chosen):
            entry.save(SampledModel(sample=sample, model_id=UUID(pk), position=position), force_insert=True)
        entry.facts = {
            "seed": seed,
            "size": size,
            "population": len(population),
            "population_digest": sample.population_digest,
            "models": chosen,
        }
    return sample


def drawn(population: Iterable[str], seed: str, size: int) -> list[str]:
    """The ids that the lot falls on, in its order."""
    return sorted(population, key=lambda pk: sha256(f"{seed}:{pk}".encode()).digest())[:size]


def ask(*, engagement: Engagement, text: str, model: RegisteredModel | None, actor: User) -> EvidenceRequest:
    """Ask to be shown something; it stands on the engagement's page until somebody answers."""
    text = words.text(text, where="text", most=LONGEST_TEXT, needed=True)
    with recording(Event.EVIDENCE_REQUESTED, actor=actor, reason=text[:1000], subject=engagement) as entry:
        _require_auditor(engagement, actor)
        return entry.create(EvidenceRequest(engagement=engagement, model=model, text=text), "model", "text")


def answer(*, asked: EvidenceRequest, text: str, actor: User) -> None:
    """Answer a request, for good: an answer is not rewritten."""
    text = words.text(text, where="text", most=LONGEST_TEXT, needed=True)
    with recording(Event.EVIDENCE_ANSWERED, actor=actor, reason=text[:1000], subject=asked.engagement) as entry:
        require(actor, Duty.EXPORT, asked.unit_path)
        asked = EvidenceRequest.objects.select_for_update().get(pk=asked.pk)
        if Role.AUDITOR in roles_at(actor, asked.unit_path):
            raise Refused(
                Objection("auditor_answers", "Whoever audits asks and does not answer.", "The unit’s people do.")
            )
        if asked.answered_at:
            raise Refused(Objection("answered", "This request has been answered already.", "Ask another."))
        _require_open(asked.engagement)
        entry.facts = {"request": asked.pk}
        entry.change(asked, answer=text, answered_by=actor, answered_at=timezone.now())


def looked_at(engagement: Engagement) -> list[Version]:
    """The versions whose pages, runs or promotions the auditor opened in that time; of a model alone, its newest."""
    read = Entry.objects.filter(
        type=People.AUDITOR_READ.value,
        actor_id=str(engagement.auditor_id),
        at__gte=engagement.opened_at,
        at__lte=engagement.closed_at or engagement.ends_at,
    )
    seen: dict[str, set[str]] = {}
    for kind, pk in read.values_list("subject_type", "subject_id").distinct():
        seen.setdefault(kind, set()).add(pk)

    def ids(kind: str) -> list[str]:
        return [pk for pk in seen.get(kind, set()) if _is_id(pk)]

    found = Version.objects.filter(pk__in=ids("registry.version"))
    found |= Version.objects.filter(pk__in=Run.objects.filter(pk__in=ids("audits.run")).values("version"))
    promoted = Promotion.objects.filter(pk__in=ids("governance.promotion")).values("version")
    found |= Version.objects.filter(pk__in=promoted)
    newest = queries.newest_versions(RegisteredModel.objects.filter(pk__in=ids("registry.registeredmodel")))
    found = (
        (found | newest).filter(at_or_below("model__unit__path", engagement.unit_path)).select_related("model__unit")
    )
    return sorted(found.distinct(), key=lambda version: (version.model.name, version.number))


def _is_id(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def pack(*, engagement: Engagement, actor: User, reason: str) -> Pack:
    """One evidence pack of everything that was looked at."""
    _require_auditor(engagement, actor)
    if not (found := looked_at(engagement)):
        raise BadInput("No version was looked at yet: open the pages of some first.", where="engagement")
    scope = f"What {engagement.auditor.name} looked at in {engagement.unit.name}"
    return packs.request(versions=found, actor=actor, reason=reason, title=engagement.title, scope=scope)


def _require_auditor(engagement: Engagement, actor: User) -> None:
    _require_open(engagement)
    if actor.pk != engagement.auditor_id:
        sentence = f"{engagement.title} is the engagement of {engagement.auditor.name}, who alone may do this."
        raise Refused(Objection("not_the_auditor", sentence))


def _require_open(engagement: Engagement) -> None:
    if not engagement.is_open:
        raise Refused(
            Objection("engagement_over", f"{engagement.title} is over.", "An administrator can open another.")
        )
