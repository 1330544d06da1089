"""Cosignatures (c2sp.org/tlog-cosignature): a second party's dated statement on a checkpoint, Ed25519 or ML-DSA-44."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from trail import notes
from trail.notes import InvalidNote

ED25519, ML_DSA_44 = b"\x04", b"\x06"
KIND_OF_LENGTH = {32: ED25519, 1312: ML_DSA_44}  # by the bytes of a public key
SIGNATURE = {ED25519: 64, ML_DSA_44: 2420}
TIME, ROOM = 8, 255

PrivateKey = Ed25519PrivateKey | MLDSA44PrivateKey
PublicKey = Ed25519PublicKey | MLDSA44PublicKey


def vkey(name: str, public_key: PublicKey | bytes) -> str:
    """A cosigner's key as verifiers pin it; a raw key is known by its length."""
    raw = public_key if isinstance(public_key, bytes) else public_key.public_bytes_raw()
    kind = KIND_OF_LENGTH.get(len(raw))
    if kind is None:
        raise InvalidNote("A cosigner's key is an Ed25519 key of 32 bytes or an ML-DSA-44 key of 1,312.")
    return notes.vkey(name, raw, kind)


def parse_vkey(text: str) -> tuple[str, bytes, bytes]:
    """The name, the type and the raw public key of a cosigner's `vkey`."""
    name, kind, public_key = notes.parse_vkey_of_any_kind(text)
    if KIND_OF_LENGTH.get(len(public_key)) != kind:
        raise InvalidNote("The verifier key is not a cosigner's: its type must be 4 (Ed25519) or 6 (ML-DSA-44).")
    return name, kind, public_key


def cosign(note: str, *, name: str, private_key: PrivateKey, at: datetime) -> str:
    """`note`, a signed checkpoint, with one more line: that `name` held it for consistent and the largest at `at`.

    Whether it is, the caller has seen to before.
    """
    if at.tzinfo is None:
        raise ValueError("A cosignature's time needs a time zone.")
    time = int(at.timestamp())
    if time <= 0:
        raise InvalidNote("A cosignature states a time after 1970-01-01.")
    public_key = private_key.public_key().public_bytes_raw()
    kind = KIND_OF_LENGTH[len(public_key)]
    signed = time.to_bytes(TIME) + private_key.sign(message(kind, name, time, notes.text_of(note)))
    return notes.add_signature(note, notes.signature_line(name, notes.key_id(name, public_key, kind), signed))


def verify(note: str, vkey: str) -> datetime:
    """When the pinned cosigner signed the checkpoint `note`; the earliest time, if it did more than once.

    Raises InvalidNote if it did not, or if one of its lines is false.
    """
    name, kind, public_key = parse_vkey(vkey)
    text = notes.text_of(note)
    ours = [
        signature
        for signer, identifier, signature in notes.signatures(note)
        if (signer, identifier) == (name, notes.key_id(name, public_key, kind))
    ]
    if not ours:
        raise InvalidNote(f"The checkpoint is not cosigned by {name} with the pinned key.")
    verifies = _verifier(kind, public_key)
    return min(_verified(signature, kind, name, text, verifies) for signature in ours)


def message(kind: bytes, name: str, time: int, text: str) -> bytes:
    """What a cosigner signs of the checkpoint `text`. ML-DSA-44 signs no extension lines; Ed25519 signs all."""
    origin, size, root = notes.parse_checkpoint(text)
    if kind == ED25519:
        return f"cosignature/v1\ntime {time}\n{text}".encode()
    start = 0  # a whole tree, and no subtree
    return b"".join(
        [
            b"subtree/v1\n\0",
            _counted(name, "cosigner's name"),
            time.to_bytes(TIME),
            _counted(origin, "log's origin"),
            start.to_bytes(8),
            size.to_bytes(8),
            root,
        ]
    )


def _counted(text: str, what: str) -> bytes:
    data = text.encode()
    if len(data) > ROOM:
        raise InvalidNote(f"The {what} must fit into {ROOM} bytes.")
    return bytes([len(data)]) + data


def _verified(
    signature: bytes, kind: bytes, name: str, text: str, verifies: Callable[[bytes, bytes], None]
) -> datetime:
    if len(signature) != TIME + SIGNATURE[kind]:
        raise InvalidNote(f"The cosignature of {name} has the wrong length.")
    time = int.from_bytes(signature[:TIME])
    try:
        verifies(signature[TIME:], message(kind, name, time, text))
    except InvalidSignature:
        raise InvalidNote(f"The cosignature of {name} does not fit the checkpoint.") from None
    if time == 0:
        raise InvalidNote(f"The cosignature of {name} states no time.")
    try:
        return datetime.fromtimestamp(time, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidNote(f"The cosignature of {name} states a time that is none: {time}.") from None


def _verifier(kind: bytes, public_key: bytes) -> Callable[[bytes, bytes], None]:
    try:
        if kind == ED25519:
            return Ed25519PublicKey.from_public_bytes(public_key).verify
        return MLDSA44PublicKey.from_public_bytes(public_key).verify
    except ValueError:
        raise InvalidNote("The verifier key holds no public key.") from None
