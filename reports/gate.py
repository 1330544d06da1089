"""What the gate says of a version, as an evidence pack states it: at its release, or when it was last asked, by the
policy as it stood then; and what an open promotion still lacks."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from governance import gates, policies, signoff
from governance.case import read
from governance.models import GateEvaluation, Policy, Promotion
from registry.models import Version
from reports import queries
from trail.canonical import digest
from trail.record import plain

NO_POLICY = "# No policy was in force for this version. What is not asked for is not allowed.\n"
ALLOWED = "allowed"


@dataclass(frozen=True)
class Judged:
    # the newest promotion, whatever became of it
    promotion: Promotion | None
    content: dict[str, Any]
    policy: Policy | None

    @property
    def policy_text(self) -> str:
        return self.policy.text if self.policy else NO_POLICY


def judged(version: Version, *, at: datetime) -> Judged:
    """`at`: when it is asked now, if it was never asked before."""
    promotions = list(queries.promotions(version))
    newest = promotions[-1] if promotions else None
    answered, lacking = telling(promotions), waiting(newest, at)
    content, policy = as_answered(answered) if answered else as_of_now(version, newest, lacking, at)
    content |= {
        "policy": stated(policy),
        "open": lacking,
        "evaluations": [evaluation(each) for each in evaluations(version)],
    }
    return Judged(newest, content, policy)


def telling(promotions: list[Promotion]) -> GateEvaluation | None:
    """The evaluation that the newest release passed; without a release, the newest of all."""
    known = GateEvaluation.objects.filter(promotion__in=promotions).exclude(requirements=[])
    known = known.select_related("promotion__target", "policy").order_by("-evaluated_at")
    released = [each for each in promotions if each.status == Promotion.Status.RELEASED]
    return known.filter(promotion=released[-1], decision=ALLOWED).first() if released else known.first()


def as_answered(answered: GateEvaluation) -> tuple[dict[str, Any], Policy | None]:
    """What the gate answered, requirement by requirement, when it was asked."""
    content = {
        "promotion": described(answered.promotion) if answered.promotion else None,
        "decision": answered.decision,
        "requirements": answered.requirements,
        "objections": answered.reasons,
        "evaluated_at": answered.evaluated_at.isoformat(),
    }
    return content, answered.policy


def as_of_now(
    version: Version, promotion: Promotion | None, lacking: dict[str, Any] | None, at: datetime
) -> tuple[dict[str, Any], Policy | None]:
    """What the gate would say, for a version about which it was never asked. A closed promotion is not asked again."""
    policy = promotion.policy if promotion and promotion.policy else policies.applicable(version)
    content = {
        "promotion": described(promotion) if promotion else None,
        "decision": None,
        "requirements": lacking["requirements"] if lacking else [],
        "objections": lacking["objections"] if lacking else [],
        "evaluated_at": at.isoformat(),
    }
    return content, policy


def waiting(promotion: Promotion | None, at: datetime) -> dict[str, Any] | None:
    """What an open promotion lacks now, by the policy now in force."""
    if promotion is None or not promotion.is_open:
        return None
    case = read(promotion)
    required = gates.requirements_in(case)
    return {
        "promotion": described(promotion),
        "requirements": [each.as_json() for each in required],
        "objections": [each.as_json() for each in gates.objections_in(case, required)],
        "policy": stated(case.policy),
        "evaluated_at": at.isoformat(),
    }


def stated(policy: Policy | None) -> dict[str, Any]:
    return {
        "name": policy.name if policy else None,
        "version": policy.version if policy else None,
        "digest": digest((policy.text if policy else NO_POLICY).encode()),
    }


def described(promotion: Promotion) -> dict[str, Any]:
    stated: dict[str, Any] = plain(
        {
            "id": promotion.pk,
            "target": promotion.target.slug,
            "status": promotion.status,
            "comment": promotion.comment,
            "requested_by": promotion.requested_by.name,
            "requested_at": promotion.requested_at,
            "closed_by": promotion.closed_by.name if promotion.closed_by else None,
            "closed_at": promotion.closed_at,
            "expires_at": promotion.expires_at,
        }
    )
    return stated


def evaluations(version: Version) -> list[GateEvaluation]:
    found = GateEvaluation.objects.filter(queries.asked_about(version)).distinct()
    return list(found.select_related("asked_by", "policy").order_by("evaluated_at"))


def evaluation(each: GateEvaluation) -> dict[str, Any]:
    stated: dict[str, Any] = plain(
        {
            "id": each.pk,
            "target": each.target,
            "decision": each.decision,
            "reasons": each.reasons,
            "policy": each.policy.digest if each.policy else None,
            "asked_by": each.asked_by.name,
            "evaluated_at": each.evaluated_at,
        }
    )
    return stated


def attestation(version: Version, released: set[str]) -> str:
    """The envelope of the latest release that the log has recorded; empty if there was none."""
    kept = [promotion.attestation for promotion in queries.promotions(version) if promotion.attestation]
    return next((text for text in reversed(kept) if digest(text.encode()) in released), "")


def attested_digest(envelope: str) -> str:
    """The digest an attestation is about: the artifact's, or the dossier's where a release needed no artifact."""
    if not envelope:
        return ""
    statement = json.loads(b64decode(json.loads(envelope)["payload"]))
    return f"sha256:{statement['subject'][0]['digest']['sha256']}"


def doubts(version: Version) -> dict[str, str]:
    """For each signature that does not count (any more), why not."""
    found: dict[str, str] = {}
    for promotion in queries.promotions(version):
        for signed in signoff.signatures(promotion):
            if signed.objections:
                found[str(signed.signature.pk)] = " ".join(each.sentence for each in signed.objections)
            elif signed.stale:
                found[str(signed.signature.pk)] = "Stale: what was signed has changed since."
            elif signed.replaced:
                found[str(signed.signature.pk)] = "Replaced by a newer signature of the same person."
    return found
