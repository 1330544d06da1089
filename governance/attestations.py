"""The signed statement that a version passed its gate: an in-toto statement with a verification summary, in DSSE."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.conf import settings

from governance.case import Case
from governance.models import Promotion
from registry import model_signing
from registry.models import Version
from trail import dsse, keys, signer
from trail.canonical import canonical, digest

PREDICATE = "https://slsa.dev/verification_summary/v1"
SLSA = "1.0"
WITHOUT_ARTIFACT, SIGNING_MANIFEST = "dossier", "OpenSSF Model Signing manifest"


def mint(case: Case, *, dossier: dict[str, Any], at: datetime) -> str:
    """The envelope, as JSON text.

    Its subject is the artifact, beside it the artifact as OpenSSF Model Signing names it; or the dossier, where the
    policy needs no artifact.
    """
    if case.policy is None:
        raise ValueError("Nothing is attested without the policy it was judged by.")
    signer.refuse_strange_key(signer.state())  # a process that was started before the key was rotated
    dossier_digest = digest(canonical(dossier))
    inputs = [{"uri": uri(f"runs/{run.pk}"), "digest": _digests(run.result_digest)} for run in case.runs if run]
    statement = dsse.statement(
        subject_name=subject_name(case.version),
        sha256=case.version.digest or dossier_digest,
        beside=beside(case.version),
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
            "slsaVersion": SLSA,
        },
    )
    keyid = keys.verifier_key().rsplit("+", 1)[0]
    return json.dumps(dsse.sign(canonical(statement), keyid=keyid, private_key=keys.signing_key()))


def holds(promotion: Promotion) -> bool:
    """Whether the promotion's attestation is ours, and says this version, in this target, with this artifact."""
    version = promotion.version
    try:
        statement = json.loads(dsse.verify(json.loads(promotion.attestation), *keys.public_keys()))
        predicate = statement["predicate"]
        own = version.digest or digest(canonical(promotion.dossier))
        about = {subject_name(version): own, **beside(version)}
        return bool(
            statement["subject"] == [{"name": name, "digest": _digests(each)} for name, each in about.items()]
            and statement["predicateType"] == PREDICATE
            and predicate["resourceUri"] == resource(version, promotion.target.slug)
            and predicate["verificationResult"] == "PASSED"
        )
    except (ValueError, KeyError, TypeError):
        return False


def subject_name(version: Version) -> str:
    return f"{version.model.slug}/v{version.number}" + ("" if version.artifact else f" ({WITHOUT_ARTIFACT})")


def beside(version: Version) -> dict[str, str]:
    """What else the artifact goes by, so that a signature made with those tools is seen to be about the same."""
    if version.artifact is None:
        return {}
    return {f"{subject_name(version)} ({SIGNING_MANIFEST})": model_signing.manifest_digest(version.artifact)}


def resource(version: Version, target: str) -> str:
    return uri(f"environments/{target}/models/{version.model.slug}/versions/{version.number}")


def uri(path: str) -> str:
    return f"https://{settings.LOG_ORIGIN}/{path}".rstrip("/")


def _digests(digest_: str) -> dict[str, str]:
    return {"sha256": digest_.removeprefix("sha256:")}
