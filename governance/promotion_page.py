"""What the promotion page shows: every requirement, what would be signed, and what stands against each act."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import yaml

from governance import comparing, gates, promotion, signoff
from governance.case import Case, read
from governance.models import GateEvaluation, Promotion
from governance.requirement import Evidence, Requirement, Verdict
from people import passkeys, signing
from people.models import Meaning, User
from people.queries import roles_at
from people.roles import Role
from people.signing import Held
from trail import checkpoints, queries
from trail.canonical import digest
from trail.errors import Objection, Refused
from trail.models import Leaf
from trail.shown import Shown, latest

SIGNATURE = "signature:"
# what a reader looks for first; whatever else there is follows
FIRST = ("meaning_text", "signer", "role", "meaning", "comment", "shown_at", "dossier", "dossier_digest")
FIRST_OF_DOSSIER = (
    "model",
    "version",
    "artifact_digest",
    "promotion",
    "tier",
    "policy",
    "evidence",
    "documents_digest",
    "lineage",
)


@dataclass(frozen=True)
class Line:
    """A requirement with the signature that meets it, if it asks for one, and the first thing that shows it."""

    requirement: Requirement
    signed: signoff.Signed | None = None

    @property
    def evidence(self) -> Evidence | None:
        return self.requirement.evidence[0] if self.requirement.evidence and not self.signed else None


@dataclass(frozen=True)
class Step:
    label: str
    step: str
    hint: str = ""


@dataclass(frozen=True)
class Asked:
    """A role the policy asks to sign, and where its signature stands."""

    role: Role
    meaning: Meaning
    signer: str
    is_held: bool


@dataclass(frozen=True)
class Statement:
    """Exactly what would be signed: its bytes, and the same in lines that are easier to read."""

    role: Role
    meaning: Meaning
    dossier_digest: str
    shown_at: str
    shown: bytes

    @property
    def bytes(self) -> str:
        return self.shown.decode()

    @property
    def digest(self) -> str:
        return digest(self.shown)

    @property
    def words(self) -> str:
        said = json.loads(self.shown)
        said = _led_by(said | {"dossier": _led_by(said["dossier"], FIRST_OF_DOSSIER)}, FIRST)
        return yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=1000).strip()


@dataclass
class Page:
    """Read once a request; nothing of it is kept."""

    user: User
    case: Case
    wanted_role: str = ""
    comment: str = ""
    refused: dict[str, list[Objection]] = field(default_factory=dict)
    shown_at: datetime = field(default_factory=signing.shown_moment)

    @classmethod
    def of(cls, user: User, asked_for: Promotion, **more: Any) -> Page:
        return cls(user, read(asked_for), **more)

    @property
    def promotion(self) -> Promotion:
        return self.case.promotion

    @cached_property
    def requirements(self) -> list[Requirement]:
        if self.promotion.status == Promotion.Status.RELEASED:
            return gates.requirements(self.promotion)
        return gates.requirements_in(self.case)

    @cached_property
    def signatures(self) -> list[signoff.Signed]:
        return signoff.signed(self.case)

    @property
    def lines(self) -> list[Line]:
        by_id = {str(each.signature.pk): each for each in self.signatures}
        return [
            Line(
                requirement,
                next((by_id[e.id] for e in requirement.evidence if e.kind == "signature" and e.id in by_id), None),
            )
            for requirement in self.requirements
        ]

    @property
    def met(self) -> int:
        return sum(requirement.verdict == Verdict.MET for requirement in self.requirements)

    @property
    def steps(self) -> list[Step]:
        evidence = [each for each in self.requirements if not each.key.startswith(SIGNATURE)]
        signatures = [each for each in self.requirements if each.key.startswith(SIGNATURE)]
        parts = [("Evidence", evidence), ("Signatures", signatures)]
        done = [bool(found) and all(each.verdict == Verdict.MET for each in found) for _, found in parts]
        requested = Step("Requested", "done", f"{self.promotion.requested_by}, {self.promotion.requested_at:%-d %b %Y}")
        between = [
            Step(label, "done" if is_done else "current" if self.promotion.is_open else "todo", _share(found))
            for (label, found), is_done in zip(parts, done, strict=True)
        ]
        return [requested, *between, self._last_step(all(done))]

    def _last_step(self, is_ready: bool) -> Step:
        closed = f"{self.promotion.closed_by}, {self.promotion.closed_at:%-d %b %Y}" if self.promotion.closed_at else ""
        match self.promotion.status:
            case Promotion.Status.OPEN:
                return Step("Release", "current" if is_ready else "todo", f"into {self.promotion.target}")
            case Promotion.Status.RELEASED:
                return Step("Released", "done", closed)
        return Step(self.promotion.get_status_display(), "stopped", closed)

    @cached_property
    def held(self) -> set[Role]:
        return roles_at(self.user, self.case.unit.path)

    @cached_property
    def asked(self) -> list[Asked]:
        counted = {each.signature.role: each.signature.signer_name for each in self.signatures if each.counts}
        return [
            Asked(role, meaning, counted.get(role.value, ""), role in self.held)
            for role, meaning in signoff.asked(self.case).items()
        ]

    @cached_property
    def signing(self) -> Asked | None:
        """The signature offered: the one asked for by name, else the first of the user's own that is missing."""
        by_choice = sorted(
            self.asked, key=lambda each: (each.role.value != self.wanted_role, not each.is_held, bool(each.signer))
        )
        return by_choice[0] if by_choice else None

    @cached_property
    def statement(self) -> Statement | None:
        if self.signing is None:
            return None
        role, meaning, dossier = self.signing.role, self.signing.meaning, signoff.dossier_of(self.case)
        shown = signing.statement(
            signer=self.user,
            role=role,
            meaning=meaning,
            comment=signoff.as_signed(self.comment),
            dossier=dossier,
            shown_at=self.shown_at,
        )
        said = json.loads(shown)
        return Statement(role, meaning, said["dossier_digest"], said["shown_at"], shown)

    @cached_property
    def held_methods(self) -> Held:
        return signing.held(self.user)

    @property
    def passkey_options(self) -> str:
        """What the browser asks a passkey of the signer: to answer the statement that is shown."""
        if self.statement is None or not self.held_methods.passkeys:
            return ""
        return json.dumps(passkeys.request_options(self.statement.shown, self.held_methods.passkeys))

    @cached_property
    def sign_objections(self) -> list[Objection]:
        if self.signing is None:
            return self.case.standing or [Objection("nothing_asked", "The policy asks for no signature here.")]
        return signoff.objections_in(self.case, self.user, self.signing.role, self.signing.meaning)

    @cached_property
    def release_objections(self) -> list[Objection]:
        return gates.objections_in(self.case, self.requirements, self.user)

    @cached_property
    def reject_objections(self) -> list[Objection]:
        return promotion.reject_objections(self.case, self.user)

    @cached_property
    def withdraw_objections(self) -> list[Objection]:
        return promotion.withdraw_objections(self.case, self.user)

    @cached_property
    def live(self) -> Any:
        return comparing.live(self.promotion) if self.promotion.is_open else None

    @property
    def changes(self) -> list[comparing.Change]:
        return comparing.changes(self.live, self.case.version) if self.live else []

    @cached_property
    def evaluations(self) -> list[GateEvaluation]:
        return list(self.promotion.evaluations.select_related("asked_by", "policy"))

    @property
    def attestation_digest(self) -> str:
        return digest(self.promotion.attestation.encode()) if self.promotion.attestation else ""

    @cached_property
    def receipt(self) -> Receipt | None:
        released = queries.about([self.promotion.pk]).filter(entry__type="governance.promotion.released").first()
        if released is None:
            return None
        try:
            return Receipt(released, checkpoints.holding(released.index).size)
        except Refused as refused:
            return Receipt(released, 0, refused.objections)

    @property
    def entries(self) -> list[Shown]:
        return latest([self.promotion.pk], units=self.user.unit_paths)


@dataclass(frozen=True)
class Receipt:
    """Where the release stands in the log; or why nothing signed shows it to be there."""

    leaf: Leaf
    size: int
    objections: list[Objection] = field(default_factory=list)


def _led_by(said: dict[str, Any], first: tuple[str, ...]) -> dict[str, Any]:
    return {key: said[key] for key in first if key in said} | said


def _share(found: list[Requirement]) -> str:
    met = sum(requirement.verdict == Verdict.MET for requirement in found)
    return f"{met} of {len(found)} met"
