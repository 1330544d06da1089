"""The verbs of a promotion: request, release, reject, withdraw; and retire. Signing is elsewhere; nothing cascades."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from governance import attestations, gates, signoff
from governance.case import Case, read
from governance.events import Event
from governance.models import Promotion
from governance.requirement import months_after
from people.access import require
from people.models import User
from people.queries import below, live_grants
from people.roles import MAY, Duty, Role
from registry import queries, stage_writer, words
from registry.models import Deployment, Environment, RegisteredModel, Version
from registry.stages import INTO, MOVES, IllegalMove, Stage, Verb
from trail.canonical import canonical, digest
from trail.errors import BadInput, Objection, Refused
from trail.record import Draft, recording


def request(*, version: Version, target: Environment, comment: str = "", actor: User, reason: str) -> Promotion:
    """Ask to bring a version into an environment of its unit."""
    comment = words.text(comment, where="comment")
    reason = reason.strip() or comment
    _refuse_silence(reason)
    with recording(Event.PROMOTION_REQUESTED, actor=actor, reason=reason, subject=version) as entry:
        require(actor, Duty.REQUEST, version.unit_path)
        version = _locked(version)
        if standing := _request_objections(version, target):
            raise Refused(standing)
        promotion = Promotion(version=version, target=target, comment=comment, requested_by=actor)
        entry.create(promotion)
        entry.about = promotion
        entry.facts = {
            "target": target.slug,
            "environment": target.pk,
            "version": version.pk,
            "artifact_digest": version.digest,
            "comment": promotion.comment[:2000],
        }
    return promotion


def target_of(version: Version, slug: str) -> Environment:
    """The nearest environment of this name, going up from the version's unit."""
    found = [environment for environment in queries.environments_for(version) if environment.slug == slug]
    if not found:
        known = ", ".join(sorted({each.slug for each in queries.environments_for(version)})) or "none yet"
        raise BadInput(f"{version.model.unit} has no environment “{slug[:40]}”; there are: {known}.", where="target")
    return max(found, key=lambda environment: len(environment.unit.path))


def release(*, promotion: Promotion, actor: User, reason: str) -> Promotion:
    """Release a signed-off version into its target, unless something stands against it."""
    _refuse_silence(reason)
    gates.judge(promotion=promotion, actor=actor)
    with recording(Event.PROMOTION_RELEASED, actor=actor, reason=reason, subject=promotion) as entry:
        case = read(promotion, lock=True)
        if standing := gates.objections_in(case, gates.requirements_in(case, rehash=True), actor):
            raise Refused(standing)
        now, came_from = timezone.now(), case.version.stage
        dossier = signoff.dossier_of(case)
        attestation = attestations.mint(case, dossier=dossier, at=now)
        months = (case.gate or {}).get("expires_months")
        supersedes = _replace(entry, case, now)
        stage_writer.move(entry, case.version, INTO[case.target])
        entry.create(Deployment(version=case.version, environment=case.promotion.target, started_at=now))
        entry.change(case.promotion, attestation=attestation, expires_at=months_after(now, months) if months else None)
        _close(entry, case, Promotion.Status.RELEASED, actor, dossier)
        entry.changes["stage"] = [came_from, case.version.stage]
        entry.changes["attestation"] = [None, digest(attestation.encode())]
        entry.facts |= {
            "attestation": digest(attestation.encode()),
            "from": came_from,
            "to": case.version.stage,
            "version": case.version.pk,
            "artifact_digest": case.version.digest,
            "policy": case.policy and case.policy.digest,
            "signatures": [each.signature.digest for each in signoff.signed(case) if each.counts],
            "supersedes": supersedes,
        }
    return case.promotion


def reject(*, promotion: Promotion, actor: User, reason: str) -> Promotion:
    """Turn a promotion down: anyone whose signature the policy asks for may, but the one who asked for it."""
    _refuse_silence(reason)
    with recording(Event.PROMOTION_REJECTED, actor=actor, reason=reason, subject=promotion) as entry:
        case = read(promotion, lock=True)
        if standing := _open_objections(case) + reject_objections(case, actor):
            raise Refused(standing)
        _close(entry, case, Promotion.Status.REJECTED, actor, signoff.dossier_of(case))
    return case.promotion


def withdraw(*, promotion: Promotion, actor: User, reason: str) -> Promotion:
    """Take a promotion back: who asked for it may, and an owner."""
    _refuse_silence(reason)
    with recording(Event.PROMOTION_WITHDRAWN, actor=actor, reason=reason, subject=promotion) as entry:
        case = read(promotion, lock=True)
        if standing := _open_objections(case) + withdraw_objections(case, actor):
            raise Refused(standing)
        _close(entry, case, Promotion.Status.WITHDRAWN, actor, signoff.dossier_of(case))
    return case.promotion


def retire(*, version: Version, actor: User, reason: str) -> Version:
    """Take a version out of use for good, and end its deployments."""
    _refuse_silence(reason)
    with recording(Event.VERSION_RETIRED, actor=actor, reason=reason, subject=version) as entry:
        version = _locked(version)
        standing = gates.leave_objections(actor, version.unit_path)
        if Stage(version.stage) not in MOVES[Verb.RETIRE][0]:
            standing.append(Objection("illegal_move", str(IllegalMove(Verb.RETIRE, Stage(version.stage)))))
        if standing:
            raise Refused(standing)
        came_from = version.stage
        ended = _end(entry, version.deployments.filter(ended_at=None))
        stage_writer.move(entry, version, Verb.RETIRE)
        entry.facts = {
            "from": came_from,
            "ended": [deployment.pk for deployment in ended],
            "artifact_digest": version.digest,
        }
    return version


def _locked(version: Version) -> Version:
    """Lock the model, then the version, as every verb here does, so that two of them can't wait for each other."""
    list(RegisteredModel.objects.select_for_update(of=("self",)).filter(pk=version.model_id).only("pk"))
    joined = Version.objects.select_related("model__unit", "artifact")
    return joined.select_for_update(of=("self",)).get(pk=version.pk)


def _replace(entry: Draft, case: Case, now: Any) -> list[dict[str, str]]:
    """End what ran in the target before, and supersede it; and end what this version ran in elsewhere."""
    reached = MOVES[INTO[case.target]][1]
    live = Deployment.objects.filter(version__model=case.model, ended_at=None).select_related("version__model")
    supersedes = []
    for deployment in _end(entry, live.filter(environment=case.promotion.target), now):
        before = deployment.version
        if before.pk != case.version.pk and before.stage == reached:
            stage_writer.move(entry, before, Verb.SUPERSEDE)
            supersedes.append({"version": str(before.pk), "name": before.name, "deployment": str(deployment.pk)})
    _end(entry, live.filter(version=case.version), now)
    return supersedes


def _end(entry: Draft, live: Any, now: Any = None) -> list[Deployment]:
    ended = list(live)
    for deployment in ended:
        entry.change(deployment, ended_at=now or timezone.now())
    return ended


def _close(entry: Draft, case: Case, status: Promotion.Status, actor: User, dossier: dict[str, Any]) -> None:
    """Freeze what the promotion was judged by, so that its page stays true."""
    entry.change(
        case.promotion, status=status, closed_by=actor, closed_at=timezone.now(), policy=case.policy, dossier=dossier
    )
    del entry.changes["dossier"]
    entry.facts["dossier_digest"] = digest(canonical(dossier))


def _request_objections(version: Version, target: Environment) -> list[Objection]:
    found = []
    verb, stage = INTO.get(target.slug), Stage(version.stage)
    if not below(version.unit_path, target.unit.path):
        found.append(Objection("other_unit", f"{target} of {target.unit} is no environment of {version.model.unit}."))
    if verb is None:
        sentence = f"No stage belongs to the environment “{target.slug}”; there are {', '.join(INTO)}."
        found.append(Objection("no_stage", sentence, "Promote to one of these."))
    elif stage not in MOVES[verb][0]:
        found.append(Objection("illegal_move", str(IllegalMove(verb, stage))))
    if waiting := version.promotions.filter(target=target, status=Promotion.Status.OPEN).first():
        sentence = f"{version} is being promoted to {target} already."
        found.append(
            Objection("already_open", sentence, "Go on with it, or withdraw it.", f"/promotions/{waiting.pk}/")
        )
    return found


def _open_objections(case: Case) -> list[Objection]:
    if case.promotion.is_open:
        return []
    return [Objection("not_open", f"This promotion is {case.promotion.get_status_display().lower()} already.")]


def _roles(actor: User, path: str) -> set[Role]:
    return {Role(grant.role) for grant in live_grants(actor) if below(path, grant.unit.path)}


def reject_objections(case: Case, actor: User) -> list[Objection]:
    """Without a policy, anyone who may sign at all may reject."""
    asked = set(signoff.asked(case)) or {role for role in Role if Duty.SIGN in MAY[role]}
    found = []
    if not asked & _roles(actor, case.unit.path):
        listed = ", ".join(sorted(role.label for role in asked))
        sentence = f"{actor.name} holds none of the roles asked to sign ({listed})."
        found.append(Objection("may_not_reject", sentence, "Ask someone who does."))
    if actor.pk == case.promotion.requested_by_id:
        sentence = f"{actor.name} asked for this promotion."
        found.append(Objection("requester_rejects", sentence, "Withdraw it instead."))
    return found


def withdraw_objections(case: Case, actor: User) -> list[Objection]:
    if actor.is_active and actor.pk in {case.promotion.requested_by_id, case.model.owner_id}:
        return []
    if Role.OWNER in _roles(actor, case.unit.path):
        return []
    sentence = f"{actor.name} neither asked for this promotion nor owns the model."
    return [Objection("may_not_withdraw", sentence, "Ask who asked for it, or the owner; a signer can reject it.")]


def _refuse_silence(reason: str) -> None:
    if not reason.strip():
        raise BadInput("Say why, in a few words.", where="reason")
