"""An authenticator in software: it makes passkeys and answers challenges as a browser's does, or wrongly if told to."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import uuid4

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from people import credentials
from people.events import Event
from people.models import Passkey, User
from people.signing import Assertion, Credential, Password, shown_moment
from tests.personas import PASSWORD
from trail.canonical import digest

ORIGIN = "http://localhost:8000"
PRESENT, VERIFIED, ATTESTED = 1, 4, 64
Keys = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unurl(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def p256() -> Keys:
    return ec.generate_private_key(ec.SECP256R1())


def rsa_key(bits: int = 2048) -> Keys:
    return rsa.generate_private_key(65537, bits)


@dataclass
class Device:
    key: Keys = field(default_factory=p256)
    count: int = 0
    id: bytes = field(default_factory=lambda: uuid4().bytes)

    def create(self, options: dict[str, Any], **wrong: Any) -> str:
        """What `navigator.credentials.create` gives for these options."""
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(self.cose())
        flags = wrong.get("flags", PRESENT | VERIFIED) | ATTESTED
        data = self.head(wrong.get("rp_id", options["rp"]["id"]), flags) + attested
        response = {
            "clientDataJSON": url(client_data("webauthn.create", options["challenge"], wrong)),
            "attestationObject": url(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
        }
        return self.sent(response)

    def get(self, options: dict[str, Any], **wrong: Any) -> str:
        """What `navigator.credentials.get` gives for these options."""
        self.count += wrong.get("counts", 1)
        data = self.head(wrong.get("rp_id", options["rpId"]), wrong.get("flags", PRESENT | VERIFIED))
        client = client_data(wrong.get("type", "webauthn.get"), options["challenge"], wrong)
        signature = self.sign(data + sha256(client).digest())
        response = {"clientDataJSON": url(client), "authenticatorData": url(data), "signature": url(signature)}
        return self.sent(response)

    def answer(self, statement: bytes, **wrong: Any) -> Assertion:
        """The credential that proves this device's person agreed to the statement."""
        return Assertion(self.get({"rpId": "localhost", "challenge": url(sha256(statement).digest())}, **wrong))

    def head(self, rp_id: str, flags: int) -> bytes:
        return sha256(rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def sent(self, response: dict[str, str]) -> str:
        name = url(self.id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})

    def sign(self, data: bytes) -> bytes:
        match self.key:
            case ec.EllipticCurvePrivateKey() as key:
                return key.sign(data, ec.ECDSA(SHA256()))
            case rsa.RSAPrivateKey() as key:
                return key.sign(data, padding.PKCS1v15(), SHA256())
            case key:
                return key.sign(data)

    def spki(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def cose(self) -> dict[int, Any]:
        match self.key.public_key():
            case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()) as key:
                numbers = key.public_numbers()
                return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
            case ec.EllipticCurvePublicKey() as key:
                numbers = key.public_numbers()
                return {1: 2, 3: -35, -1: 2, -2: numbers.x.to_bytes(48, "big"), -3: numbers.y.to_bytes(48, "big")}
            case rsa.RSAPublicKey() as key:
                numbers, size = key.public_numbers(), key.key_size // 8
                return {1: 3, 3: -257, -1: numbers.n.to_bytes(size, "big"), -2: (65537).to_bytes(3, "big")}
            case key:
                return {1: 1, 3: -8, -1: 6, -2: key.public_bytes_raw()}


def client_data(kind: str, challenge: str, wrong: dict[str, Any]) -> bytes:
    said = {"type": kind, "challenge": challenge, "origin": wrong.get("origin", ORIGIN), "crossOrigin": False}
    return json.dumps(said | wrong.get("client", {})).encode()


def add(person: User, device: Device | None = None, *, by: Credential | None = None, **given: Any) -> Device:
    """A passkey of this person's, added as the account page does; the device that holds it."""
    device, challenge = device or Device(), uuid4().bytes * 2
    registration = device.create({"rp": {"id": "localhost"}, "challenge": url(challenge)})
    stated = {"name": "Laptop", "registration": registration, "challenge": challenge, "shown_at": shown_moment()}
    credentials.add_passkey(person=person, credential=by or Password(PASSWORD), **stated | given)
    return device


def proof(device: Device, event: Event, person: User, about: str) -> dict[str, Any]:
    """What proves an act on the account with a passkey."""
    shown_at = shown_moment()
    return {"credential": device.answer(credentials.act(event, person, about, shown_at)), "shown_at": shown_at}


def add_another(person: User, held: Device, device: Device) -> Device:
    challenge = uuid4().bytes * 2
    proven = proof(held, Event.PASSKEY_ADDED, person, digest(challenge))
    registration = device.create({"rp": {"id": "localhost"}, "challenge": url(challenge)})
    credentials.add_passkey(person=person, name="Key", registration=registration, challenge=challenge, **proven)
    return device


def row(device: Device) -> Passkey:
    return Passkey.objects.select_related("user__unit").get(credential_id=url(device.id))
