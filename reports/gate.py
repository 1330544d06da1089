"""What the gate says of a version, as an evidence pack states it: of its latest promotion, by the policy it met."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from governance import gates, policies, signoff
from governance.models import GateEvaluation, Policy, Promotion
from registry.models import Version
from reports import queries
from trail.canonical import digest
from trail.record import plain

NO_POLICY = "# No policy was in force for this version. What is not asked for is not allowed.\n"


@dataclass(frozen=True)
class Judged:
    promotion: Promotion | None
    content: dict[str, Any]
    policy_text: str


def judged(version: Version) -> Judged:
    promotion = queries.promotions(version).last()
    policy = policy_of(version, promotion)
    text = policy.text if policy else NO_POLICY
    content = {
        "promotion": described(promotion) if promotion else None,
        "requirements": [each.as_json() for each in gates.requirements(promotion)] if promotion else [],
        "objections": objections(promotion),
        "policy": {
            "name": policy.name if policy else None,
            "version": policy.version if policy else None,
            "digest": digest(text.encode()),
        },
        "evaluated_at": evaluated_at(promotion),
        "evaluations": [evaluation(each) for each in evaluations(version)],
    }
    return Judged(promotion, content, text)


def policy_of(version: Version, promotion: Promotion | None) -> Policy | None:
    """The policy a closed promotion was judged by; for an open one, or none, the policy in force now."""
    if promotion is not None and promotion.policy is not None:
        return promotion.policy
    return policies.applicable(version)


def objections(promotion: Promotion | None) -> list[dict[str, str]]:
    """What stands against a promotion. Nothing stands against one that was released."""
    if promotion is None or promotion.status == Promotion.Status.RELEASED:
        return []
    return [each.as_json() for each in gates.objections(promotion)]


def evaluated_at(promotion: Promotion | None) -> str:
    """A released promotion stands as the gate saw it then; any other is judged as of now."""
    passed = promotion.evaluations.filter(decision="allowed").first() if promotion and not promotion.is_open else None
    return (passed.evaluated_at if passed else timezone.now()).isoformat()


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
