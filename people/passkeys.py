"""Passkeys (WebAuthn): what a browser is asked for, and whether what came back holds, also years later and offline."""

from __future__ import annotations

import json
import re
import struct
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from django.conf import settings

from people.models import Passkey, User

ALGORITHMS = (-7, -8, -257)  # COSE: ES256, EdDSA, RS256
FEWEST_RSA_BITS = 2048
TIMEOUT = 5 * 60 * 1000
LONGEST = 20_000
LOCAL = re.compile(r"https?://localhost(?::\d{1,5})?")
# the parts of an assertion that are bytes
BYTES = ("public_key", "authenticator_data", "client_data_json", "signature")
FLAGS, COUNTER, SHORTEST = 32, 33, 37
PRESENT, VERIFIED, WITH_MORE = 1, 4, 64 | 128
# what parsers raise over bytes that anybody may have sent
MALFORMED = (
    UnsupportedAlgorithm, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError,
    struct.error,
)  # fmt: skip


class Unproven(ValueError):
    """What the browser sent proves nothing. The sentence says why."""


@dataclass(frozen=True)
class Made:
    """A new passkey, as the authenticator gave it."""

    credential_id: str
    public_key: bytes
    sign_count: int


def origin_fits(origin: str) -> bool:
    """Whether a page at this origin may use passkeys: one that is named, else the host they are bound to."""
    if settings.PASSKEY_ORIGINS:
        return origin in settings.PASSKEY_ORIGINS
    if settings.RP_ID == "localhost":
        return bool(LOCAL.fullmatch(origin))
    return origin == f"https://{settings.RP_ID}"


def creation_options(person: User, challenge: bytes, held: Sequence[Passkey]) -> dict[str, Any]:
    """What `navigator.credentials.create` is given, in WebAuthn's JSON form."""
    return {
        "rp": {"id": settings.RP_ID, "name": "Countersign"},
        "user": {"id": _url(person.pk.bytes), "name": person.email, "displayName": person.name},
        "challenge": _url(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": algorithm} for algorithm in ALGORITHMS],
        "timeout": TIMEOUT,
        "excludeCredentials": _described(held),
        "authenticatorSelection": {
            "residentKey": "preferred",
            "requireResidentKey": False,
            "userVerification": "required",
        },
        "attestation": "none",
    }


def request_options(statement: bytes, held: Sequence[Passkey]) -> dict[str, Any]:
    """What `navigator.credentials.get` is given. The challenge is the statement's SHA-256."""
    return {
        "challenge": _url(sha256(statement).digest()),
        "timeout": TIMEOUT,
        "rpId": settings.RP_ID,
        "allowCredentials": _described(held),
        "userVerification": "required",
    }


def made(registration: str, challenge: bytes) -> Made:
    """The passkey that a browser made for this challenge, on one of our pages, with its person verified."""
    import webauthn
    from webauthn import helpers
    from webauthn.helpers.cose import COSEAlgorithmIdentifier
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        sent = helpers.parse_registration_credential_json(registration[:LONGEST])
        found = webauthn.verify_registration_response(
            credential=sent,
            expected_challenge=challenge,
            expected_rp_id=settings.RP_ID,
            expected_origin=_origin(sent.response.client_data_json),
            require_user_verification=True,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(each) for each in ALGORITHMS],
        )
        cose = helpers.decode_credential_public_key(found.credential_public_key)
        key = helpers.decoded_public_key_to_cryptography(cose)
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        _load(spki)
    except Unproven:
        raise
    except (WebAuthnException, *MALFORMED) as error:
        raise Unproven(f"The browser’s answer makes no passkey: {error}") from error
    return Made(_url(found.credential_id), spki, found.sign_count)


def asserted(assertion: str, held: Sequence[Passkey]) -> tuple[Passkey, dict[str, str]]:
    """Which of the person's passkeys answered, and the answer as evidence. What it is worth, `problem` says."""
    try:
        sent = json.loads(assertion[:LONGEST])
        passkey = next(each for each in held if each.credential_id == sent["id"])
        client_data_json = _unurl(sent["response"]["clientDataJSON"])
        return passkey, {
            "credential_id": _text(_unurl(passkey.credential_id)),
            "public_key": _text(bytes(passkey.public_key)),
            "authenticator_data": _text(_unurl(sent["response"]["authenticatorData"])),
            "client_data_json": _text(client_data_json),
            "signature": _text(_unurl(sent["response"]["signature"])),
            "rp_id": settings.RP_ID,
            "origin": _origin(client_data_json),
        }
    except StopIteration:
        raise Unproven("It is none of the signer’s passkeys.") from None
    except Unproven:
        raise
    except MALFORMED as error:
        raise Unproven("It can’t be read.") from error


def problem(evidence: Any, statement: bytes) -> str:
    """Why an assertion is not one over this statement, or nothing. It takes the two and no server."""
    try:
        spki, authenticator_data, client_data_json, signature = (_bytes(evidence[name]) for name in BYTES)
        rp_id, origin, client_data = evidence["rp_id"], evidence["origin"], json.loads(client_data_json)
        key, is_at_home = _load(spki), _within(origin, rp_id)
    except MALFORMED:
        return "It can’t be read."
    if not isinstance(client_data, dict) or client_data.get("type") != "webauthn.get":
        return "It is no assertion."
    if client_data.get("challenge") != _url(sha256(statement).digest()):
        return "It is about another statement."
    if client_data.get("origin") != origin or client_data.get("crossOrigin") or not is_at_home:
        return "It was made on another site’s page."
    if len(authenticator_data) < SHORTEST or authenticator_data[:FLAGS] != sha256(rp_id.encode()).digest():
        return "It was made for another site."
    if len(authenticator_data) > SHORTEST and not authenticator_data[FLAGS] & WITH_MORE:
        return "It holds more than an authenticator states."
    if not authenticator_data[FLAGS] & PRESENT or not authenticator_data[FLAGS] & VERIFIED:
        return "The authenticator did not check who was using it."
    if not _verifies(key, signature, authenticator_data + sha256(client_data_json).digest()):
        return "Its signature is not the passkey’s."
    return ""


def public_key(evidence: dict[str, str]) -> bytes:
    """The key that the evidence was checked with, as SubjectPublicKeyInfo."""
    return _bytes(evidence["public_key"])


def count_of(evidence: dict[str, str]) -> int:
    """How often the authenticator says it has signed; 0 for those that don't count."""
    return int.from_bytes(_bytes(evidence["authenticator_data"])[COUNTER:SHORTEST], "big")


def _described(held: Sequence[Passkey]) -> list[dict[str, str]]:
    return [{"type": "public-key", "id": each.credential_id} for each in held]


def _origin(client_data_json: bytes) -> str:
    sent = json.loads(client_data_json)
    origin = sent.get("origin") if isinstance(sent, dict) else None
    if not isinstance(origin, str) or not origin_fits(origin) or sent.get("crossOrigin"):
        raise Unproven("It was made on a page that is none of ours.")
    return origin


def _within(origin: Any, rp_id: Any) -> bool:
    host = urlsplit(origin).hostname if isinstance(origin, str) else None
    return bool(host and isinstance(rp_id, str) and (host == rp_id or host.endswith(f".{rp_id}")))


Key = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


def _load(spki: bytes) -> Key:
    match load_der_public_key(spki):
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()) as key:
            return key
        case rsa.RSAPublicKey(key_size=bits) as key if bits >= FEWEST_RSA_BITS:
            return key
        case ed25519.Ed25519PublicKey() as key:
            return key
    raise ValueError("its key is of a kind that is not taken (P-256, Ed25519, or RSA of at least 2048 bits).")


def _verifies(key: Key, signature: bytes, signed: bytes) -> bool:
    try:
        match key:
            case ec.EllipticCurvePublicKey():
                key.verify(signature, signed, ec.ECDSA(SHA256()))
            case rsa.RSAPublicKey():
                key.verify(signature, signed, padding.PKCS1v15(), SHA256())
            case _:
                key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return b64decode(text, validate=True)


def _url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _unurl(text: str) -> bytes:
    return urlsafe_b64decode(f"{text}{'=' * (-len(text) % 4)}")
