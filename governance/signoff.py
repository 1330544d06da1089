"""Signing off: what exactly is signed, who may sign it, and which signatures count."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from governance import parties, policies
from governance.case import Case, documents_digest, read
from governance.events import Event
from governance.models import Promotion
from people import passkeys, signing
from people.events import Event as People
from people.models import Meaning, Method, Signature, User
from people.queries import below, live_grants, same_line
from people.roles import Role
from registry import words
from trail.canonical import canonical, digest
from trail.errors import BadInput, Objection, Refused
from trail.models import Entry
from trail.record import recording

NEVER = {
    Role.ADMINISTRATOR: ("administrator_signs", "An administrator grants roles and therefore never signs or releases"),
    Role.AUDITOR: ("auditor_signs", "An auditor reviews from outside and therefore never signs or releases"),
}

MOMENT = timedelta(minutes=1)
# then another statement would be signed than the one looked at, and no credential is tried
SHOWN_OTHERWISE = {"shown_changed", "shown_stale", "shown_later"}


@dataclass(frozen=True)
class Signed:
    """A signature and whether it counts today: not stale, not followed by another, nothing against its signer."""

    signature: Signature
    stale: bool
    replaced: bool = False
    objections: list[Objection] = field(default_factory=list)

    @property
    def counts(self) -> bool:
        return not (self.stale or self.replaced or self.objections)


def dossier(promotion: Promotion) -> dict[str, Any]:
    """Everything a signature binds, as digests and words. Once the promotion is closed, as it stood then."""
    return promotion.dossier or dossier_of(read(promotion))


def dossier_of(case: Case) -> dict[str, Any]:
    if case.promotion.dossier:
        return dict(case.promotion.dossier)
    assessment, policy = case.assessment, case.policy
    return {
        "v": 1,
        "promotion": {
            "id": str(case.promotion.pk),
            "target": case.target,
            "environment": case.promotion.target.unit.path,
        },
        "model": {
            "id": str(case.model.pk),
            "slug": case.model.slug,
            "name": case.model.name,
            "unit": case.unit.path,
            "owner": str(case.model.owner_id or ""),
            "developer": str(case.model.developer_id or ""),
        },
        "version": {
            "id": str(case.version.pk),
            "number": case.version.number,
            "created_by": str(case.version.created_by_id),
        },
        "artifact_digest": case.version.digest,
        "tier": {
            "tier": case.model.tier,
            "assessment": str(assessment.pk) if assessment else "",
            "scheme_digest": assessment.scheme_digest if assessment else "",
        },
        "policy": policy and {"name": policy.name, "version": policy.version, "digest": policy.digest},
        "evidence": [
            {
                "check": run.check_name,
                "run": str(run.pk),
                "result_digest": run.result_digest,
                "dataset_digest": run.dataset.digest,
            }
            for run in case.runs
            if run
        ],
        "documents_digest": documents_digest(case),
        "lineage": sorted(
            f"{edge.kind} {edge.from_dataset.digest if edge.from_dataset else edge.from_version_id}"
            for edge in case.version.sources.select_related("from_dataset")
        ),
    }


def dossier_digest(promotion: Promotion) -> str:
    return digest(canonical(dossier(promotion)))


def signatures(promotion: Promotion) -> list[Signed]:
    """Every signature under the promotion, oldest first."""
    return signed(read(promotion))


def signed(case: Case) -> list[Signed]:
    """A person's newer signature replaces their older one, so that nobody counts twice."""
    current = digest(canonical(dossier_of(case)))
    found = Signature.objects.filter(about_type=case.promotion._meta.label_lower, about_id=case.promotion.pk)
    rows = list(found.select_related("signer__unit"))
    last = {row.signer_id: row.pk for row in rows}
    recorded = _recorded(case, rows)
    return [
        Signed(
            row,
            stale=row.dossier_digest != current,
            replaced=last[row.signer_id] != row.pk,
            objections=_since(case, row, recorded),
        )
        for row in rows
    ]


@dataclass(frozen=True)
class Recorded:
    """What the trail knows: each signature's digest and method, and from when to when each signer held which key."""

    signatures: dict[str, tuple[str, str]]
    keys: dict[tuple[str, str], list[tuple[bool, datetime]]]

    def held(self, row: Signature) -> bool:
        """Whether the signature's key was its signer's passkey when they signed."""
        key = digest(passkeys.public_key(row.evidence))
        known = [held for held, at in self.keys.get((str(row.signer_id), key), []) if at <= row.signed_at]
        return bool(known) and known[-1]


def _recorded(case: Case, rows: list[Signature]) -> Recorded:
    entries = Entry.objects.filter(type=Event.SIGNED.value, subject_id=str(case.promotion.pk))
    facts = [entry.content["facts"] for entry in entries]
    signers = {str(row.signer_id) for row in rows if row.method == Method.PASSKEY}
    return Recorded(
        {fact["signature"]: (fact["digest"], fact.get("method", Method.PASSWORD.value)) for fact in facts},
        _keys(signers) if signers else {},
    )


def _keys(signers: set[str]) -> dict[tuple[str, str], list[tuple[bool, datetime]]]:
    """When each key was added (true) and removed (false), oldest first."""
    types = [People.PASSKEY_ADDED.value, People.PASSKEY_REMOVED.value, People.METHODS_RESET.value]
    found: dict[tuple[str, str], list[tuple[bool, datetime]]] = {}
    for entry in Entry.objects.filter(type__in=types, subject_id__in=signers).order_by("at"):
        facts, signer = entry.content["facts"], entry.subject_id
        listed = facts.get("passkeys", [facts])
        if isinstance(listed, list):
            changed = [(signer, fact.get("public_key", "")) for fact in listed]
        else:  # erased: then it took whatever was held
            changed = [each for each in found if each[0] == signer]
        for each in changed:
            found.setdefault(each, []).append((entry.type == People.PASSKEY_ADDED.value, entry.at))
    return found


def _since(case: Case, row: Signature, recorded: Recorded) -> list[Objection]:
    """What came to stand against a signature after it was given; or that its row is not what was signed."""
    if _altered(row, recorded):
        return [Objection("signature_altered", f"The signature of {row.signer_name} is not the one the trail holds.")]
    if row.method == Method.PASSKEY and (problem := _passkey_problem(row, recorded)):
        sentence = f"The passkey does not vouch for the signature of {row.signer_name}. {problem}"
        return [Objection("passkey_invalid", sentence)]
    if not case.promotion.is_open:
        return []
    return separation(case, row.signer, Role(row.role), Meaning(row.meaning))


def _altered(row: Signature, recorded: Recorded) -> bool:
    statement = bytes(row.statement)
    if row.shown_at and not -MOMENT <= row.signed_at - row.shown_at <= signing.LONGEST_LOOK + MOMENT:
        return True
    if recorded.signatures.get(str(row.pk)) != (row.digest, row.method) or digest(statement) != row.digest:
        return True
    return _columns(row) != _said(statement)


def _passkey_problem(row: Signature, recorded: Recorded) -> str:
    if problem := passkeys.problem(row.evidence, bytes(row.statement)):
        return problem
    return "" if recorded.held(row) else "The trail does not know its key as the signer’s."


def _columns(row: Signature) -> list[str]:
    shown_at = row.shown_at.astimezone(UTC).isoformat() if row.shown_at else ""
    return [
        str(row.signer_id), row.signer_name, row.role, row.meaning, row.comment, row.dossier_digest, shown_at,
    ]  # fmt: skip


def _said(statement: bytes) -> list[str]:
    said = json.loads(statement)
    signer = said["signer"]
    return [
        signer["id"], signer["name"], said["role"], said["meaning"], said["comment"], said["dossier_digest"],
        said.get("shown_at", ""),
    ]  # fmt: skip


def asked(case: Case) -> dict[Role, Meaning]:
    """The signatures the policy asks for, in its order."""
    return {Role(each["role"]): Meaning(each["meaning"]) for each in (case.gate or {"signatures": []})["signatures"]}


def separation(case: Case, signer: User, role: Role, meaning: Meaning) -> list[Objection]:
    """Why this person may not sign this promotion in this role: true when they sign, and again at the release."""
    found = _role_objections(case, signer, role)
    found += _policy_objections(case, role, meaning)
    found += _independence_objections(case, signer, role)
    if meaning in policies.JUDGING:
        found += _own_work_objections(case, signer)
    return found


def never_objections(person: User) -> list[Objection]:
    """A role, held anywhere, that bars from deciding whatever other roles the person holds."""
    held = {grant.role for grant in live_grants(person)}
    return [
        Objection(code, f"{sentence}, whatever else {person.name} may be.", "Ask someone who holds the role alone.")
        for never, (code, sentence) in NEVER.items()
        if never in held
    ]


def _role_objections(case: Case, signer: User, role: Role) -> list[Objection]:
    here = {Role(grant.role) for grant in live_grants(signer) if below(case.unit.path, grant.unit.path)}
    found = never_objections(signer)
    if not signer.is_active:
        found.append(Objection("suspended", f"{signer.name} is suspended."))
    elif role not in here:
        sentence = f"{signer.name} does not hold the role {role.label} in {case.unit.name}."
        found.append(Objection("role_not_held", sentence, "An administrator can grant it."))
    return found


def _policy_objections(case: Case, role: Role, meaning: Meaning) -> list[Objection]:
    if case.gate is None:
        return case.standing
    wanted = asked(case).get(role)
    if wanted is None:
        return [Objection("role_not_asked", f"The policy asks no {role.label} to sign this promotion.")]
    if wanted != meaning:
        sentence = f"The policy asks the {role.label} for “{wanted.label}”, not “{meaning.label}”."
        return [Objection("wrong_meaning", sentence, "Sign with the meaning asked for.")]
    return []


def _independence_objections(case: Case, signer: User, role: Role) -> list[Objection]:
    if role == Role.OWNER and case.model.owner_id and case.model.owner_id != signer.pk:
        sentence = f"{case.model.owner} owns this model, so {signer.name} can’t take responsibility for it."
        return [Objection("not_the_owner", sentence, "Ask the owner, or change the owner in the inventory first.")]
    if role not in {Role.DEVELOPER, Role.VALIDATOR}:
        return []
    developers = parties.developers(case.version)
    if role == Role.DEVELOPER:
        sentence = f"{signer.name} did not develop this version."
        return [] if signer in developers else [Objection("not_the_developer", sentence)]
    if signer in developers:
        sentence = f"{signer.name} developed this version, and nobody validates their own work."
        return [Objection("developer_validates", sentence, "Ask a validator of another unit.")]
    return [
        Objection(
            "same_line",
            f"{signer.name} ({signer.unit}) and developer {developer.name} ({developer.unit}) share a reporting line.",
            "Ask a validator of another line.",
        )
        for developer in sorted(developers, key=lambda each: each.name)
        if same_line(signer, developer)
    ]


def _own_work_objections(case: Case, signer: User) -> list[Objection]:
    found = []
    if signer in parties.makers(case.model):
        sentence = f"{signer.name} owns or made this model, and nobody reviews or approves their own."
        found.append(Objection("own_model", sentence, "Ask someone who had no part in it."))
    if signer.pk == case.promotion.requested_by_id:
        sentence = f"{signer.name} asked for this promotion, and whoever asks does not approve."
        found.append(Objection("requester_approves", sentence, "Ask someone else."))
    return found


def objections(
    promotion: Promotion, signer: User, role: Role, meaning: Meaning, *, shown_digest: str = ""
) -> list[Objection]:
    """What stands against this signature, the credential aside."""
    return objections_in(read(promotion), signer, role, meaning, shown_digest)


def objections_in(case: Case, signer: User, role: Role, meaning: Meaning, shown_digest: str = "") -> list[Objection]:
    found = []
    if not case.promotion.is_open:
        found.append(Objection("not_open", f"This promotion is {case.promotion.get_status_display().lower()}."))
    if shown_digest and shown_digest != digest(canonical(dossier_of(case))):
        sentence = "What you were shown has changed since, so nothing was signed."
        found.append(Objection("shown_changed", sentence, "Look at it again, then sign."))
    for each in signed(case):
        if each.counts and each.signature.signer_id == signer.pk:
            found.append(Objection("signed_already", f"{signer.name} has signed already; one person counts once."))
        elif each.counts and each.signature.role == role:
            found.append(Objection("role_signed", f"{each.signature.signer_name} has signed as {role.label} already."))
    return found + separation(case, signer, role, meaning)


def sign(
    *,
    promotion: Promotion,
    role: Role | str,
    meaning: Meaning | str,
    credential: signing.Credential,
    comment: str,
    actor: User,
    reason: str = "",
    dossier_digest: str = "",
    shown_at: str = "",
) -> Signature:
    """Sign the promotion's dossier as it is now. `dossier_digest` and `shown_at`, if given, are what was shown."""
    role, meaning, comment = _role(role), _meaning(meaning), as_signed(words.text(comment, where="comment"))
    why = reason.strip() or comment or f"Signed as {role.label}"
    shown = signing.shown_moment(shown_at)
    with (
        signing.one_try_at_a_time(actor),
        recording(Event.SIGNED, actor=actor, reason=why, subject=promotion) as entry,
    ):
        case = read(promotion, lock=True)
        signed_as: dict[str, Any] = {
            "signer": actor, "role": role, "meaning": meaning, "comment": comment, "dossier": dossier_of(case),
            "shown_at": shown,
        }  # fmt: skip
        standing = objections_in(case, actor, role, meaning, dossier_digest) + signing.shown_objections(shown)
        proof = signing.Proof(Method.PASSWORD)
        if not SHOWN_OTHERWISE.intersection(each.code for each in standing):
            proof = signing.prove(actor, credential, signing.statement(**signed_as))
        if standing := standing + proof.objections:
            raise Refused(standing)
        return signing.sign(entry, **signed_as, about=case.promotion, proof=proof)


def as_signed(comment: str) -> str:
    """A comment as the statement holds it, however the browser ends its lines."""
    return comment.replace("\r\n", "\n").strip()


def statement_for(
    *, promotion: Promotion, signer: User, role: Role | str, meaning: Meaning | str, comment: str, shown_at: datetime
) -> bytes:
    """Exactly what the signer would sign."""
    return signing.statement(
        signer=signer,
        role=_role(role),
        meaning=_meaning(meaning),
        comment=as_signed(words.text(comment, where="comment")),
        dossier=dossier(promotion),
        shown_at=shown_at,
    )


def _role(given: Role | str) -> Role:
    if given not in Role.values:
        raise BadInput(f"“{str(given)[:60]}” is no role; choose from {', '.join(Role.values)}.", where="role")
    return Role(given)


def _meaning(given: Meaning | str) -> Meaning:
    if given not in Meaning.values:
        raise BadInput(f"“{str(given)[:60]}” is no meaning; choose from {', '.join(Meaning.values)}.", where="meaning")
    return Meaning(given)
