"""The signed statement that a version passed its gate: an in-toto statement with a verification summary, in DSSE."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.conf import settings

from governance.case import Case
from governance.models import Promotion
from registry.models import Version
from trail import dsse, keys
from trail.canonical import canonical, digest

PREDICATE = "https://slsa.dev/verification_summary/v1"
WITHOUT_ARTIFACT = "dossier"


def mint(case: Case, *, dossier: dict[str, Any], at: datetime) -> str:
    """The envelope, as JSON text. Its subject is the artifact, or the dossier where the policy needs no artifact."""
    if case.policy is None:
        raise ValueError("Nothing is attested without the policy it was judged by.")
    dossier_digest = digest(canonical(dossier))
    inputs = [{"uri": uri(f"runs/{run.pk}"), "digest": _digests(run.result_digest)} for run in case.runs if run]
    statement = dsse.statement(
        subject_name=subject_name(case.version),
        sha256=case.version.digest or dossier_digest,
        predicate_type=PREDICATE,
        predicate={
            "verifier": {"id": uri("")},
            "timeVerified": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "resourceUri": resource(case.version, case.target),
            "policy": {"uri": uri(f"policies/{case.policy.pk}"), "digest": _digests(case.policy.digest)},
            "inputAttestations": [
                *inputs,
                {"uri": uri(f"promotions/{case.promotion.pk}"), "digest": _digests(dossier_digest)},
            ],
            "verificationResult": "PASSED",
            "verifiedLevels": [f"COUNTERSIGN_TIER_{case.model.tier}"],
        },
    )
    keyid = keys.verifier_key().rsplit("+", 1)[0]
    return json.dumps(dsse.sign(canonical(statement), keyid=keyid, private_key=keys.signing_key()))


def holds(promotion: Promotion) -> bool:
    """Whether the promotion's attestation is ours, and says this version, in this target, with this artifact."""
    try:
        statement = json.loads(dsse.verify(json.loads(promotion.attestation), keys.public_bytes()))
        subject, predicate = statement["subject"], statement["predicate"]
    except (ValueError, KeyError):
        return False
    version = promotion.version
    sha256 = (version.digest or digest(canonical(promotion.dossier))).removeprefix("sha256:")
    return bool(
        subject == [{"name": subject_name(version), "digest": {"sha256": sha256}}]
        and predicate["resourceUri"] == resource(version, promotion.target.slug)
        and predicate["verificationResult"] == "PASSED"
    )


def subject_name(version: Version) -> str:
    return f"{version.model.slug}/v{version.number}" + ("" if version.artifact else f" ({WITHOUT_ARTIFACT})")


def resource(version: Version, target: str) -> str:
    return uri(f"environments/{target}/models/{version.model.slug}/versions/{version.number}")


def uri(path: str) -> str:
    return f"https://{settings.LOG_ORIGIN}/{path}".rstrip("/")


def _digests(digest_: str) -> dict[str, str]:
    return {"sha256": digest_.removeprefix("sha256:")}
