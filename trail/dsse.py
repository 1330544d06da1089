"""in-toto statements in a signed envelope (DSSE 1.0, in-toto Statement v1), with Ed25519."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

IN_TOTO = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"


class InvalidEnvelope(ValueError):
    """An envelope that is malformed, of another type, or not signed by the key."""


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, *, payload_type: str = IN_TOTO, keyid: str, private_key: Ed25519PrivateKey) -> dict[str, Any]:
    """The envelope around `payload`. `keyid` only helps to find the key; it is not authenticated."""
    signature = private_key.sign(pae(payload_type, payload))
    return {
        "payload": b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"keyid": keyid, "sig": b64encode(signature).decode()}],
    }


def verify(envelope: dict[str, Any], *public_keys: bytes, payload_type: str = IN_TOTO) -> bytes:
    """The payload, once one of the keys is seen to have signed it. Use these bytes; don't read the envelope again."""
    try:
        payload = _unbase64(envelope["payload"])
        signatures = [_unbase64(signature["sig"]) for signature in envelope["signatures"]]
        stated = envelope["payloadType"]
    except (KeyError, TypeError, ValueError):
        raise InvalidEnvelope("The envelope needs payload, payloadType and signatures, in base64.") from None
    if stated != payload_type:
        raise InvalidEnvelope(f"The envelope holds {stated!r}, not {payload_type}.")
    message = pae(stated, payload)
    if not any(_fits(key, signature, message) for key in public_keys for signature in signatures):
        raise InvalidEnvelope("No signature of the envelope was made with the pinned key.")
    return payload


def statement(
    *,
    subject_name: str,
    sha256: str,
    predicate_type: str,
    predicate: dict[str, Any],
    beside: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """An in-toto statement about the artifact with this SHA-256 (hex, or `sha256:` and hex).

    `beside` are other SHA-256 digests that the artifact goes by, each under a name of its own.
    """
    return {
        "_type": STATEMENT,
        "subject": [_subject(name, digest) for name, digest in {subject_name: sha256, **beside}.items()],
        "predicateType": predicate_type,
        "predicate": predicate,
    }


def _subject(name: str, sha256: str) -> dict[str, Any]:
    hexadecimal = sha256.removeprefix("sha256:")
    if not re.fullmatch("[0-9a-f]{64}", hexadecimal):
        raise ValueError(f"A SHA-256 has 64 lower-case hexadecimal digits, not {sha256!r}.")
    return {"name": name, "digest": {"sha256": hexadecimal}}


def _fits(public_key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _unbase64(text: str) -> bytes:
    """DSSE allows the standard and the URL-safe alphabet."""
    try:
        return b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (AttributeError, binascii.Error) as error:
        raise ValueError(str(error)) from None
