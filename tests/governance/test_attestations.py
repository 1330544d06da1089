"""The attestation of a release: libraries of others read it, and it holds for this version in this target alone."""

from __future__ import annotations

import copy
import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf import json_format
from in_toto_attestation.predicates.vsa.v1.vsa_pb2 import VerificationSummary
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as Message
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from governance import attestations, promotion
from governance.models import Promotion
from registry import model_signing
from tests.governance.story import Story
from tests.personas import WHY
from trail import dsse, keys
from trail.canonical import canonical

pytestmark = pytest.mark.django_db


@pytest.fixture
def released(story: Story) -> Promotion:
    story.measure()
    asked = story.request()
    story.sign_all(asked)
    return promotion.release(promotion=asked, actor=story.owner, reason=WHY)


def envelope(release: Promotion) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(release.attestation)
    return read


def said(release: Promotion) -> dict[str, Any]:
    statement: dict[str, Any] = json.loads(b64decode(envelope(release)["payload"]))
    return statement


def signed_again(release: Promotion, change: Callable[[dict[str, Any]], object]) -> Promotion:
    """The attestation with another statement, signed with the installation's own key."""
    statement = said(release)
    change(statement)
    made = dsse.sign(canonical(statement), keyid="k", private_key=keys.signing_key())
    release.attestation = json.dumps(made)
    return release


def test_another_library_verifies_the_envelope_with_the_right_key_alone(released: Promotion) -> None:
    name = keys.verifier_key().rsplit("+", 1)[0]
    own = SSlibKey(name, "ed25519", "ed25519", {"public": keys.public_bytes().hex()})
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    stranger = SSlibKey(name, "ed25519", "ed25519", {"public": other.hex()})
    parsed = Envelope.from_dict(copy.deepcopy(envelope(released)))  # it changes what it is given
    assert parsed.verify([own], 1) == {name: own}
    with pytest.raises(VerificationError):
        parsed.verify([stranger], 1)


def test_the_statement_is_one_to_in_toto(released: Promotion) -> None:
    message = json_format.ParseDict(said(released), Message())
    read = Statement.copy_from_pb(message)
    read.validate()
    assert read.pb.predicate_type == "https://slsa.dev/verification_summary/v1"
    assert [each.name for each in read.pb.subject] == [each["name"] for each in said(released)["subject"]]


def test_the_predicate_is_a_verification_summary_with_every_field_it_must_have(released: Promotion) -> None:
    predicate = said(released)["predicate"]
    [level] = predicate["verifiedLevels"]
    # a list, says the specification; the library's message has room for one
    read = json_format.ParseDict(predicate | {"verifiedLevels": level}, VerificationSummary())
    assert read.verifier.id == attestations.uri("")
    assert read.resource_uri == attestations.resource(released.version, "production")
    assert read.policy.digest["sha256"] == released.policy.digest.removeprefix("sha256:")
    assert read.verification_result == "PASSED"
    assert read.verified_levels == "COUNTERSIGN_TIER_2"  # names that begin with SLSA_ are the specification's own
    assert read.slsa_version == "1.0"
    assert read.time_verified.seconds == int(released.closed_at.timestamp())
    assert len(read.input_attestations) == released.version.runs.count() + 1
    assert all(each.uri and each.digest["sha256"] for each in read.input_attestations)


def test_it_is_about_the_artifact_and_about_what_model_signing_calls_it(released: Promotion) -> None:
    artifact = released.version.artifact
    assert said(released)["subject"] == [
        {"name": "scorecard/v1", "digest": {"sha256": artifact.sha256}},
        {
            "name": "scorecard/v1 (OpenSSF Model Signing manifest)",
            "digest": {"sha256": model_signing.manifest_digest(artifact)},
        },
    ]


def test_it_holds_and_another_key_s_does_not(released: Promotion, monkeypatch: pytest.MonkeyPatch) -> None:
    assert attestations.holds(released)
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    monkeypatch.setattr(keys, "public_keys", lambda: [stranger])
    assert not attestations.holds(released)
    monkeypatch.setattr(keys, "public_keys", lambda: [stranger, keys.public_bytes()])
    assert attestations.holds(released)  # a retired key's signatures still stand


@pytest.mark.parametrize(
    "change",
    [
        lambda statement: statement["subject"].pop(),
        lambda statement: statement["subject"].reverse(),
        lambda statement: statement["subject"].append(statement["subject"][0]),
        lambda statement: statement["subject"][0]["digest"].update(sha256="ab" * 32),
        lambda statement: statement["subject"][1]["digest"].update(sha256="ab" * 32),
        lambda statement: statement["predicate"].update(verificationResult="FAILED"),
        lambda statement: statement["predicate"].update(resourceUri="https://elsewhere.test"),
        lambda statement: statement["predicate"].pop("resourceUri"),
        lambda statement: statement.update(predicateType="https://example.test/other"),
        lambda statement: statement.update(predicate=[]),
        lambda statement: statement.pop("subject"),
    ],
)
def test_what_says_anything_else_does_not_hold(released: Promotion, change: Callable[[dict[str, Any]], object]) -> None:
    """Even where our own key signed it: it was made for another purpose then."""
    assert attestations.holds(signed_again(released, lambda statement: None))
    assert not attestations.holds(signed_again(released, change))


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"payload": 1}', "no JSON"])
def test_what_is_no_envelope_does_not_hold(released: Promotion, text: str) -> None:
    released.attestation = text
    assert not attestations.holds(released)
