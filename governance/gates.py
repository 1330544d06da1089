"""The gate: everything a promotion needs, everything that stands in its way. What can't be shown blocks."""

from __future__ import annotations

from governance import admission, evidence, policies, signoff
from governance.case import Case, read
from governance.events import Event
from governance.models import GateEvaluation, Promotion
from governance.requirement import Evidence, Requirement, Verdict, met, missing, months_after
from people.access import objections_to
from people.models import Meaning, User
from people.queries import within
from people.roles import Duty, Role
from registry import storage
from registry.environments import SLUG
from registry.models import RegisteredModel, Version
from registry.stages import INTO, MOVES, IllegalMove, Stage
from trail import moments
from trail.canonical import canonical_result, digest
from trail.errors import BadInput, Objection
from trail.record import recording

LONGEST_TARGET = 40

__all__ = ["evaluate", "judge", "objections", "objections_in", "requirements", "requirements_in"]


def requirements(promotion: Promotion) -> list[Requirement]:
    """Everything that is asked, met or not. Of a released promotion, as the gate saw it when it was released."""
    if promotion.status == Promotion.Status.RELEASED:
        passed = promotion.evaluations.filter(decision="allowed").first()
        return [Requirement.from_json(kept) for kept in passed.requirements] if passed else []
    return requirements_in(read(promotion))


def objections(promotion: Promotion, actor: User | None = None) -> list[Objection]:
    """Everything that stands in the way of a release, by this actor if one is named. Empty means: it may go."""
    case = read(promotion)
    return objections_in(case, requirements_in(case), actor)


def requirements_in(case: Case, *, rehash: bool = False) -> list[Requirement]:
    """`rehash` reads the stored artifact again, as a release does; a page trusts the digest on record."""
    return [
        _policy(case),
        _tier(case),
        _artifact(case, rehash),
        _stage(case),
        _newest(case),
        *evidence.requirements(case),
        *_signatures(case),
    ]


def objections_in(case: Case, required: list[Requirement], actor: User | None = None) -> list[Objection]:
    leave = leave_objections(actor, case.unit.path) if actor else []
    if not case.promotion.is_open:
        return [Objection("not_open", f"This promotion is {case.promotion.get_status_display().lower()}."), *leave]
    found = [objection for requirement in required for objection in requirement.objections]
    if case.gate and not policies.independent(case.gate["signatures"]):
        sentence = "The policy asks nobody beside the validator to approve, and a validator is never the sole approver."
        found.append(Objection("sole_approver", sentence, "Publish a policy that asks for another approval."))
    return found + leave


def leave_objections(actor: User, path: str) -> list[Objection]:
    """Leave to release and to retire, from the grants as they are now and not as they were when the request began."""
    now = User.objects.select_related("unit").get(pk=actor.pk)
    return objections_to(now, Duty.RELEASE, path) + signoff.never_objections(now)


def judge(*, promotion: Promotion, actor: User) -> GateEvaluation:
    """Evaluate the gate for a promotion and keep the answer, whatever it is, before anything is moved."""
    with recording(Event.GATE_EVALUATED, actor=actor, reason="Before the release", subject=promotion) as entry:
        case = read(promotion, lock=True)
        required = requirements_in(case, rehash=True)
        standing = objections_in(case, required, actor)
        evaluation = GateEvaluation(
            promotion=case.promotion,
            digest=case.version.digest,
            target=case.target,
            decision="blocked" if standing else "allowed",
            reasons=[objection.as_json() for objection in standing],
            requirements=[requirement.as_json() for requirement in required],
            policy=case.policy,
            unit=case.unit.path,
            asked_by=actor,
        )
        entry.create(evaluation)
        entry.facts = {
            "decision": evaluation.decision,
            "codes": [objection.code for objection in standing],
            "policy": case.policy and case.policy.digest,
            "evaluation": evaluation.pk,
            "requirements_digest": digest(canonical_result(evaluation.requirements)),
        }
    return evaluation


def evaluate(*, digest: str, target: str, actor: User) -> GateEvaluation:
    """Whether a pipeline may deploy the artifact with this digest to the target. Only what is released and live may."""
    wanted, target = _wanted(digest), _target(target)
    with recording(Event.GATE_EVALUATED, actor=actor, reason=f"May {wanted} go to {target}?") as entry:
        version, release, standing = _admitted(wanted, target, actor)
        evaluation = GateEvaluation(
            promotion=release,
            digest=wanted,
            target=target,
            decision="blocked" if standing else "allowed",
            reasons=[objection.as_json() for objection in standing],
            policy=release.policy if release else None,
            unit=version.unit_path if version else actor.unit.path,
            asked_by=actor,
        )
        entry.create(evaluation)
        entry.facts = {
            "decision": evaluation.decision,
            "codes": [objection.code for objection in standing],
            "digest": wanted,
            "target": target,
            "version": version and version.pk,
            "promotion": release and release.pk,
        }
    return evaluation


def _admitted(wanted: str, target: str, actor: User) -> tuple[Version | None, Promotion | None, list[Objection]]:
    """The version with this digest that has least against it, among those the actor may see."""
    versions = Version.objects.filter(
        within(actor, "model__unit__path"), artifact__sha256=wanted.removeprefix("sha256:")
    )
    answers = []
    for version in versions.select_related("model__unit", "artifact").order_by("-created_at"):
        release = admission.release_of(version, target)
        answers.append(
            (version, release, admission.objections(version, target, release) + _pending(version, target, release))
        )
    if not answers:
        sentence = f"No version with the digest {wanted} is registered here."
        return None, None, [Objection("unknown_digest", sentence, "Register the version, then ask for its promotion.")]
    return min(answers, key=lambda answer: len(answer[2]) if answer[1] else 1000 + len(answer[2]))


def _pending(version: Version, target: str, release: Promotion | None) -> list[Objection]:
    """What an open promotion still lacks, so that a pipeline can say it."""
    waiting = version.promotions.filter(status=Promotion.Status.OPEN, target__slug=target).first()
    return objections(waiting) if waiting and release is None else []


def _wanted(given: str) -> str:
    if not (match := storage.DIGEST.fullmatch(given.strip())):
        raise BadInput(f"“{given[:100]}” is no digest; write sha256: and 64 hexadecimal digits.", where="digest")
    return f"sha256:{match[1].lower()}"


def _target(given: str) -> str:
    if not SLUG.fullmatch(given) or len(given) > LONGEST_TARGET:
        raise BadInput(
            f"“{given[:60]}” is no target; write the slug of an environment, such as production.", where="target"
        )
    return given


def _policy(case: Case) -> Requirement:
    title = "Policy"
    if case.policy is None or case.gate is None:
        return missing("policy", title, case.standing)
    policy = case.policy
    shown = Evidence(str(policy), "policy", str(policy.pk), policy.digest, policy.published_at.isoformat())
    return met("policy", title, f"{policy} of {policy.unit} judges tier {case.model.tier} in {case.target}.", shown)


def _tier(case: Case) -> Requirement:
    title, link = "Tier", f"/models/{case.model.slug}/tiering/"
    assessment = case.assessment
    if case.model.tier is None or assessment is None:
        sentence = "The model has no tier." if case.model.tier is None else "The tier was never assessed."
        return missing("tier", title, Objection("no_tier", sentence, "Answer the tiering questionnaire.", link))
    shown = Evidence(
        str(assessment), "tiering", str(assessment.pk), assessment.scheme_digest, assessment.assessed_at.isoformat()
    )
    if assessment.tier != case.model.tier:
        sentence = f"The inventory says tier {case.model.tier}, but the last assessment gave tier {assessment.tier}."
        return missing("tier", title, Objection("tier_mismatch", sentence, "Assess the tier again.", link), shown)
    months = (case.gate or {}).get("tiering", {}).get("max_age_months")
    if months and months_after(assessment.assessed_at, months) < moments.now():
        sentence = f"The tier was assessed on {assessment.assessed_at:%d %B %Y}; at most {months} months are allowed."
        stale = Objection("tier_stale", sentence, "Assess the tier again.", link)
        return missing("tier", title, stale, shown, verdict=Verdict.STALE)
    how = (
        f"overridden by {assessment.assessed_by}"
        if assessment.override_reason
        else f"answered by {assessment.assessed_by}"
    )
    return met("tier", title, f"Tier {assessment.tier}, {how} on {assessment.assessed_at:%d %B %Y}.", shown)


def _artifact(case: Case, rehash: bool) -> Requirement:
    title, artifact, link = "Artifact", case.version.artifact, f"/versions/{case.version.pk}/"
    if artifact is None:
        if case.gate and case.gate.get("artifact") == "optional":
            return met("artifact", title, "None; the policy allows that, and the dossier is attested instead.")
        sentence = "The version has no artifact, so there is no digest that a release could be bound to."
        return missing(
            "artifact", title, Objection("no_artifact", sentence, "Register a version with its artifact.", link)
        )
    shown = Evidence(artifact.file_name, "artifact", str(artifact.pk), artifact.digest)
    objections = []
    if rehash and (found := _stored(artifact.path)) != artifact.sha256:
        sentence = (
            "The stored artifact is gone." if not found else "The stored artifact is not the one that was registered."
        )
        objections.append(Objection("artifact_changed", sentence, "Restore it, or register a new version.", link))
    # retired ones too: retiring the strict entry must not free its artifact
    same = Version.objects.filter(artifact=artifact, model__tier__lt=case.model.tier or 0)
    others = RegisteredModel.objects.filter(versions__in=same).exclude(pk=case.model.pk)
    if strictest := others.order_by("tier").values_list("tier", flat=True).first():
        sentence = (
            f"The same artifact is registered in another inventory entry of tier {strictest}, which asks for more."
        )
        objections.append(
            Objection("stricter_elsewhere", sentence, "Release it there, or tier this model alike.", link)
        )
    if objections:
        return missing("artifact", title, objections, shown)
    return met("artifact", title, f"{artifact.file_name}, bound by its digest.", shown)


def _stored(path: str) -> str:
    try:
        with storage.open_kept(path) as file:
            return storage.sha256(file)
    except OSError:
        return ""


def _stage(case: Case) -> Requirement:
    title, stage = "Stage", Stage(case.version.stage)
    verb = INTO.get(case.target)
    if verb is None:
        sentence = f"No stage belongs to the environment “{case.target}”; there are {', '.join(INTO)}."
        return missing("stage", title, Objection("no_stage", sentence, "Promote to one of these."))
    if stage not in MOVES[verb][0]:
        return missing("stage", title, Objection("illegal_move", str(IllegalMove(verb, stage))))
    return met("stage", title, f"{verb.label} starts from {stage.label}.")


def _newest(case: Case) -> Requirement:
    title = "No newer version"
    later = case.model.versions.filter(number__gt=case.version.number, created_at__gte=case.promotion.requested_at)
    newer = later.order_by("-number").first()
    if newer is None:
        return met("newest", title, "No version was registered after this promotion was asked for.")
    sentence = f"{newer.name} was registered after this promotion was asked for, so what was approved is out of date."
    shown = Evidence(newer.name, "version", str(newer.pk), newer.digest, newer.created_at.isoformat())
    mend = "Withdraw it, and ask again for the version that shall go."
    return missing(
        "newest",
        title,
        Objection("newer_version", sentence, mend, f"/versions/{newer.pk}/"),
        shown,
        verdict=Verdict.STALE,
    )


def _signatures(case: Case) -> list[Requirement]:
    given = signoff.signed(case)
    return [
        _signature(role, meaning, [each for each in given if each.signature.role == role])
        for role, meaning in signoff.asked(case).items()
    ]


def _signature(role: Role, meaning: Meaning, given: list[signoff.Signed]) -> Requirement:
    key, title = f"signature:{role.value}", f"{role.label}: {meaning.label}"
    for each in given:
        if each.counts and each.signature.meaning == meaning:
            return met(
                key,
                title,
                f"Signed by {each.signature.signer_name} on {each.signature.signed_at:%d %B %Y}.",
                _shows(each),
            )
    if not given:
        waiting = Objection("signature_missing", f"The {role.label} has not signed.", "Ask for the signature.")
        return missing(key, title, waiting, verdict=Verdict.WAITING)
    last = given[-1]
    if last.stale:
        sentence = f"What {last.signature.signer_name} signed as {role.label} has changed since."
        stale = Objection("signature_stale", sentence, "Look at it again and sign again.")
        return missing(key, title, stale, _shows(last), verdict=Verdict.STALE)
    why = (
        " ".join(objection.sentence for objection in last.objections) or "Its signer has signed again in another role."
    )
    sentence = f"The signature of {last.signature.signer_name} as {role.label} does not count. {why}"
    return missing(
        key, title, Objection("signature_void", sentence, "Ask someone else for the signature."), _shows(last)
    )


def _shows(signed: signoff.Signed) -> Evidence:
    signature = signed.signature
    return Evidence(str(signature), "signature", str(signature.pk), signature.digest, signature.signed_at.isoformat())
