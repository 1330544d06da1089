"""Signed notes (c2sp.org/signed-note) and log checkpoints (c2sp.org/tlog-checkpoint), with Ed25519."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
KEY_ID, KEY, ROOT = 4, 32, 32
MOST_SIGNATURES = 100
MOST_DIGITS = 19


class InvalidNote(ValueError):
    """A note, key or checkpoint that is malformed, or that the pinned key did not sign."""


def key_id(name: str, public_key: bytes, kind: bytes = ED25519) -> bytes:
    """The four bytes by which a signature line names its key; `kind` is the type of its signatures."""
    return sha256(name.encode() + b"\n" + kind + public_key).digest()[:KEY_ID]


def vkey(name: str, public_key: bytes, kind: bytes = ED25519) -> str:
    """The public key as verifiers pin it: `name+key id+base64`."""
    _require_name(name)
    return f"{name}+{key_id(name, public_key, kind).hex()}+{b64encode(kind + public_key).decode()}"


def parse_vkey(text: str) -> tuple[str, bytes]:
    """The name and the raw public key of the `vkey` of a log, whose signatures are plain Ed25519."""
    name, kind, public_key = parse_vkey_of_any_kind(text)
    if kind != ED25519 or len(public_key) != KEY:
        raise InvalidNote("The verifier key is not an Ed25519 key.")
    return name, public_key


def parse_vkey_of_any_kind(text: str) -> tuple[str, bytes, bytes]:
    """The name, the one-byte type of signature and the raw public key of a `vkey`."""
    name, _, rest = text.partition("+")
    identifier, _, encoded = rest.partition("+")
    _require_name(name)
    material = unbase64(encoded, "the verifier key")
    kind, public_key = material[:1], material[1:]
    if key_id(name, public_key, kind).hex() != identifier:
        raise InvalidNote("The verifier key's id does not match its name and key.")
    return name, kind, public_key


def sign_note(text: str, *, name: str, private_key: Ed25519PrivateKey) -> str:
    """`text` with one signature line under it."""
    _require_name(name)
    _require_characters(text)
    if not text.endswith("\n"):
        raise InvalidNote("A note's text must end in a newline.")
    identifier = key_id(name, private_key.public_key().public_bytes_raw())
    return f"{text}\n{signature_line(name, identifier, private_key.sign(text.encode()))}"


def signature_line(name: str, identifier: bytes, signature: bytes) -> str:
    """One signature as it stands under a note, with its newline."""
    _require_name(name)
    return f"— {name} {b64encode(identifier + signature).decode()}\n"


def add_signature(note: str, line: str) -> str:
    """`note` with one more signature line under it; a line that is there already is not added twice."""
    line = line.removesuffix("\n")
    _, lines = _split(note)
    _signature(line)
    if line in lines:
        return note
    added = f"{note}{line}\n"
    _split(added)
    return added


def signatures(note: str) -> list[tuple[str, bytes, bytes]]:
    """Name, key id and signature of every line under the note. Nothing is verified."""
    return [_signature(line) for line in _split(note)[1]]


def text_of(note: str) -> str:
    """The note's text, whoever signed it. Nothing is verified."""
    return _split(note)[0]


def open_note(note: str, vkey: str) -> str:
    """The text of `note`, once the pinned key is seen to have signed it. Other keys don't count."""
    name, public_key = parse_vkey(vkey)
    text, lines = _split(note)
    ours = [
        signature
        for signer, identifier, signature in map(_signature, lines)
        if (signer, identifier) == (name, key_id(name, public_key))
    ]
    if not ours:
        raise InvalidNote(f"The note is not signed by {name} with the pinned key.")
    for signature in ours:
        _verify(public_key, signature, text)
    return text


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """The text of a checkpoint: whose log, how many entries, which root."""
    text = f"{origin}\n{size}\n{b64encode(root).decode()}\n"
    parse_checkpoint(text)
    return text


def parse_checkpoint(text: str) -> tuple[str, int, bytes]:
    """Origin, size and root of a checkpoint's text; extension lines are allowed and passed over."""
    try:
        origin, size, encoded, *extensions, after = text.split("\n")
    except ValueError:
        raise InvalidNote("A checkpoint has three lines: origin, size and root.") from None
    if after or not all([origin, size, encoded, *extensions]):
        raise InvalidNote("A checkpoint has no empty line and ends in a newline.")
    if not (size.isascii() and size.isdigit() and len(size) <= MOST_DIGITS) or (size[0] == "0" and size != "0"):
        raise InvalidNote(f"A checkpoint's size must be a plain decimal number, not {size!r}.")
    root = unbase64(encoded, "the checkpoint's root")
    if len(root) != ROOT:
        raise InvalidNote("A checkpoint's root must be 32 bytes.")
    return origin, int(size), root


def _split(note: str) -> tuple[str, list[str]]:
    _require_characters(note)
    text, gap, block = note.rpartition("\n\n")
    if not gap or not block.endswith("\n"):
        raise InvalidNote("A note is a text, an empty line and signature lines, each ending in a newline.")
    lines = block[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise InvalidNote(f"A note may carry at most {MOST_SIGNATURES} signatures.")
    return text + "\n", lines


def _signature(line: str) -> tuple[str, bytes, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != "—":
        raise InvalidNote("A signature line starts with an em dash.")
    _require_name(name)
    signature = unbase64(encoded, f"the signature of {name}")
    if len(signature) <= KEY_ID:
        raise InvalidNote(f"The signature of {name} is too short.")
    return name, signature[:KEY_ID], signature[KEY_ID:]


def _verify(public_key: bytes, signature: bytes, text: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, text.encode())
    except InvalidSignature:
        raise InvalidNote("The signature does not fit the note's text.") from None


def _require_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() for character in name):
        raise InvalidNote(f"A key name may not be empty nor hold spaces or a plus: {name!r}.")


def _require_characters(text: str) -> None:
    if any(character < " " and character != "\n" for character in text):
        raise InvalidNote("A note may hold no control characters but newlines.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidNote("A note must be valid Unicode.") from None


def unbase64(text: str, what: str) -> bytes:
    """The bytes that `text` spells in base64: at least one, and in the one canonical spelling."""
    try:
        data = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    # Base64 with stray trailing bits decodes too; only one spelling of the same bytes may pass.
    if not data or b64encode(data).decode() != text:
        raise InvalidNote(f"{what[0].upper()}{what[1:]} is not base64.")
    return data
