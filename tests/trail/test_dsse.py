"""DSSE envelopes: the protocol's own vector, another library's verdict, and what must not verify."""

from __future__ import annotations

import copy
import json
from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from trail import dsse

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
STATEMENT = dsse.statement(
    subject_name="scorecard 1.0.0",
    sha256="sha256:" + "ab" * 32,
    predicate_type="https://example.test/promotion/v1",
    predicate={"target": "production"},
)
ENVELOPE = dsse.sign(json.dumps(STATEMENT).encode(), keyid="k1", private_key=PRIVATE)


def test_the_encoding_of_the_protocol_s_vector() -> None:
    encoded = dsse.pae("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_the_signature_of_the_protocol_s_vector_is_made_over_our_encoding() -> None:
    """The vector's key is ECDSA on P-256, with a nonce that follows from the message: one signature, to the byte."""
    secret = 97358161215184420915383655311931858321456579547487070936769975997791359926199
    key = ec.derive_private_key(secret, ec.SECP256R1())
    how = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    parts = decode_dss_signature(key.sign(dsse.pae("http://example.com/HelloWorld", b"hello world"), how))
    made = b64encode(b"".join(part.to_bytes(32, "big") for part in parts)).decode()
    assert made == "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="


def test_lengths_count_bytes_not_characters() -> None:
    assert dsse.pae("é", "ü".encode()) == "DSSEv1 2 é 2 ü".encode()


def test_the_envelope_has_the_protocol_s_shape() -> None:
    envelope = dsse.sign(b"hello world", payload_type="http://example.com/HelloWorld", keyid="k1", private_key=PRIVATE)
    assert envelope["payload"] == "aGVsbG8gd29ybGQ="
    assert envelope["payloadType"] == "http://example.com/HelloWorld"
    assert [set(signature) for signature in envelope["signatures"]] == [{"keyid", "sig"}]


def test_another_library_accepts_the_envelope() -> None:
    key = SSlibKey("k1", "ed25519", "ed25519", {"public": PUBLIC.hex()})
    stranger = SSlibKey("k1", "ed25519", "ed25519", {"public": OTHER.hex()})
    parsed = Envelope.from_dict(copy.deepcopy(ENVELOPE))  # it changes what it is given
    assert parsed.verify([key], 1) == {"k1": key}
    with pytest.raises(VerificationError):
        parsed.verify([stranger], 1)


def test_the_payload_comes_back_once_verified() -> None:
    assert json.loads(dsse.verify(ENVELOPE, PUBLIC)) == STATEMENT


def test_the_url_safe_alphabet_is_read_too() -> None:
    envelope = dsse.sign(b"\xff\xfe\xfd>>>???", keyid="k1", private_key=PRIVATE)
    envelope["payload"] = envelope["payload"].replace("+", "-").replace("/", "_")
    envelope["signatures"][0]["sig"] = envelope["signatures"][0]["sig"].replace("+", "-").replace("/", "_")
    assert "_" in envelope["payload"]
    assert dsse.verify(envelope, PUBLIC) == b"\xff\xfe\xfd>>>???"


def test_one_of_several_signatures_is_enough() -> None:
    other = dsse.sign(b"other", keyid="k2", private_key=PRIVATE)["signatures"]
    assert dsse.verify({**ENVELOPE, "signatures": other + ENVELOPE["signatures"]}, PUBLIC)


@pytest.mark.parametrize(
    "change",
    [
        {"payload": "aGVsbG8gd29ybGQ="},
        {"payload": "not base64!"},
        {"payload": None},
        {"payloadType": "application/json"},
        {"signatures": []},
        {"signatures": None},
        {"signatures": [{"keyid": "k1"}]},
        {"signatures": [{"keyid": "k1", "sig": ""}]},
        {"signatures": [{"keyid": "k1", "sig": "AAAA"}]},
        {"signatures": "k1"},
    ],
)
def test_an_altered_envelope_does_not_verify(change: dict[str, Any]) -> None:
    with pytest.raises(dsse.InvalidEnvelope):
        dsse.verify({**ENVELOPE, **change}, PUBLIC)


def test_another_key_or_type_does_not_verify() -> None:
    with pytest.raises(dsse.InvalidEnvelope, match="pinned key"):
        dsse.verify(ENVELOPE, OTHER)
    with pytest.raises(dsse.InvalidEnvelope, match=r"vnd\.in-toto"):
        dsse.verify(ENVELOPE, PUBLIC, payload_type="text/plain")
    with pytest.raises(dsse.InvalidEnvelope):
        dsse.verify([], PUBLIC)  # type: ignore[arg-type]


def test_a_statement_names_its_artifact() -> None:
    assert STATEMENT["_type"] == "https://in-toto.io/Statement/v1"
    assert STATEMENT["subject"] == [{"name": "scorecard 1.0.0", "digest": {"sha256": "ab" * 32}}]
    assert STATEMENT["predicateType"] == "https://example.test/promotion/v1"
    assert STATEMENT["predicate"] == {"target": "production"}


def test_any_of_the_keys_will_do_and_none_is_not_one() -> None:
    assert dsse.verify(ENVELOPE, OTHER, PUBLIC)
    with pytest.raises(dsse.InvalidEnvelope, match="pinned key"):
        dsse.verify(ENVELOPE)


def test_a_statement_can_name_the_artifact_in_other_ways_too() -> None:
    made = dsse.statement(subject_name="s", sha256="ab" * 32, beside={"t": "cd" * 32}, predicate_type="p", predicate={})
    assert [each["name"] for each in made["subject"]] == ["s", "t"]
    with pytest.raises(ValueError, match="64 lower-case"):
        dsse.statement(subject_name="s", sha256="ab" * 32, beside={"t": "cd"}, predicate_type="p", predicate={})


@pytest.mark.parametrize("sha256", ["", "ab", "AB" * 32, "md5:" + "ab" * 16, "sha256:" + "ab" * 32 + "\n"])
def test_a_statement_needs_a_whole_digest(sha256: str) -> None:
    with pytest.raises(ValueError, match="64 lower-case"):
        dsse.statement(subject_name="s", sha256=sha256, predicate_type="p", predicate={})
