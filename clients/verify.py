#!/usr/bin/env python3
"""Check a Countersign evidence pack: one file, Python 3.9 or later, no server, nothing to install.

    python3 verify.py PACK --key KEY [--json]

KEY is the issuer's public key, and must come to you by another way than the pack: a verifier key
(`name+key id+base64`), or a file that holds one, or a file that holds an Ed25519 public key in PEM, hex or base64.
No key and no code from the pack is ever trusted.

Exit status: 0 everything holds, 1 something does not hold, 2 the check could not run.
"""

from __future__ import annotations

import argparse
import binascii
import json
import re
import struct
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

MOST_PACK, MOST_JSON, MOST_KEY = 1 << 30, 1 << 26, 1 << 16
HASH, KEY, SIGNATURE, KEY_ID = 32, 32, 64, 4

SEAL = ["manifest.json", "manifest.sig"]
IN_WORDS = ["README.txt", "card.json", "card.md", "card.html", "evidence.pdf"]
REQUIRED = [*IN_WORDS, "policy.yaml", "gate.json", "proofs.json", "checkpoint.txt", *SEAL]
ATTESTATION = "attestation.dsse.json"
OPTIONAL = re.compile(
    r"attestation\.dsse\.json|(runs|signatures)/[A-Za-z0-9][A-Za-z0-9-]{0,63}\.json|events/[0-9]{12}\.json"
)


class Broken(Exception):
    """Something that does not hold, and where."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.sentences = [str(self)]


class SeveralBroken(Broken):
    def __init__(self, all_of_them: list[Broken]) -> None:
        self.sentences = [sentence for one in all_of_them for sentence in one.sentences]


class CouldNotRun(Exception):
    """There is nothing to check, or nothing to check it with."""


# --- Ed25519 (RFC 8032), verifying only -------------------------------------------------------------------------------

Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
NEUTRAL: Point = (0, 1, 1, 0)
BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
BASE_Y = 4 * pow(5, P - 2, P) % P
BASE: Point = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def same(one: Point, other: Point) -> bool:
    return (one[0] * other[2] - other[0] * one[2]) % P == 0 == (one[1] * other[2] - other[1] * one[2]) % P


def decode_point(encoded: bytes) -> Point | None:
    """The point, or None: the one encoding of each point is accepted and no other."""
    number = int.from_bytes(encoded, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    if len(encoded) != KEY or y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def encode_point(point: Point) -> bytes:
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def has_small_order(point: Point) -> bool:
    for _ in range(3):
        point = add(point, point)
    return same(point, NEUTRAL)


def ed25519_verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether [S]B = R + [k]A, with every part in its one permitted encoding."""
    key, s = decode_point(public_key), int.from_bytes(signature[32:], "little")
    if key is None or has_small_order(key) or len(signature) != SIGNATURE or s >= ORDER:
        return False
    k = int.from_bytes(sha512(signature[:32] + public_key + message).digest(), "little") % ORDER
    minus_key = (P - key[0], key[1], key[2], P - key[3])
    summands = (NEUTRAL, BASE, minus_key, add(BASE, minus_key))
    total = NEUTRAL
    for bit in range(max(s.bit_length(), k.bit_length()) - 1, -1, -1):
        total = add(total, total)
        if chosen := (s >> bit & 1) | (k >> bit & 1) << 1:
            total = add(total, summands[chosen])
    return encode_point(total) == signature[:32]


# --- The pinned key and what it signed --------------------------------------------------------------------------------


class Key(NamedTuple):
    """A pinned public key; `name` is empty when only the raw key was given."""

    name: str
    public: bytes

    def id(self, name: str) -> bytes:
        return sha256(name.encode() + b"\n\x01" + self.public).digest()[:KEY_ID]


def read_key(given: str) -> Key:
    key = parse_key(given, raw=False) or parse_key(key_file(given), raw=True)
    if key is None:
        raise CouldNotRun(
            f"--key: {given} does not hold an Ed25519 public key. Give a verifier key (name+key id+base64), "
            "or a file with one, or a file with the public key in PEM, hex or base64."
        )
    point = decode_point(key.public)
    if point is None or has_small_order(point):
        raise CouldNotRun("--key: these 32 bytes are not an Ed25519 public key.")
    return key


def key_file(given: str) -> str:
    try:
        with Path(given).open("rb") as file:
            text = file.read(MOST_KEY).decode()
    except (OSError, ValueError) as error:
        raise CouldNotRun(f"--key: {given} is neither a verifier key nor a file that can be read ({error}).") from None
    if "PRIVATE KEY" in text:
        raise CouldNotRun(f"--key: {given} holds a private key. Give the public key.")
    return text


def parse_key(text: str, *, raw: bool) -> Key | None:
    text = text.strip()
    name, _, rest = text.partition("+")
    identifier, _, encoded = rest.partition("+")
    material = unbase64(encoded)
    if name and material and len(material) == 1 + KEY and material[0] == 1:
        key = Key(name, material[1:])
        return key if key.id(name).hex() == identifier else None
    return parse_raw_key(text) if raw else None


def parse_raw_key(text: str) -> Key | None:
    pem = re.fullmatch(r"-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----", text)
    if pem:
        der = unbase64("".join(pem[1].split())) or b""
        material = der[12:] if der[:12].hex() == "302a300506032b6570032100" else None
    elif re.fullmatch("[0-9A-Fa-f]{64}", text):
        material = bytes.fromhex(text)
    else:
        material = unbase64(text)
    return Key("", material) if material and len(material) == KEY else None


def unbase64(text: Any) -> bytes | None:
    """The bytes, or None: base64 with stray trailing bits is a second spelling of the same bytes, and refused."""
    try:
        data = b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error):
        return None
    return data if b64encode(data).decode() == text else None


def signed_text(note: bytes, key: Key, where: str, *, alone: bool = False) -> str:
    """The text of a C2SP signed note, once the pinned key is seen to have signed it (and, if `alone`, nobody else)."""
    try:
        text, gap, block = note.decode().rpartition("\n\n")
    except UnicodeDecodeError:
        raise Broken(where, "is not UTF-8 text.") from None
    if not gap or not block.endswith("\n") or any(character < " " and character != "\n" for character in text):
        raise Broken(where, "is not a signed note.")
    lines = block[:-1].split("\n")
    if alone and len(lines) != 1:
        raise Broken(where, "carries more than the one signature it should.")
    ours = [signature for line in lines[:100] if (signature := signature_of(line, key))]
    if not ours:
        raise Broken(where, "is not signed with the pinned key.")
    if not all(ed25519_verifies(key.public, (text + "\n").encode(), signature) for signature in ours):
        raise Broken(where, "the signature does not fit the text: one of them was altered.")
    return text + "\n"


def signature_of(line: str, key: Key) -> bytes | None:
    """The signature in this line of a note, if it is the pinned key's."""
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    signature = unbase64(encoded)
    ours = dash == "—" and name and name == (key.name or name) and signature and signature[:KEY_ID] == key.id(name)
    return signature[KEY_ID:] if ours and signature else None


# --- The Merkle tree (RFC 9162) ---------------------------------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root_over(index: int, size: int, leaf: bytes, proof: list[bytes]) -> bytes | None:
    """The root to which an inclusion proof leads, or None if it has the wrong length for its place (§2.1.3.2)."""
    node, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    return None if last else computed


# --- The container ----------------------------------------------------------------------------------------------------

LOCAL, CENTRAL, END = struct.Struct("<4s5H3I2H"), struct.Struct("<4s6H3I5H2I"), struct.Struct("<4s4H2IH")
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


def unpacked(data: bytes) -> dict[str, bytes]:
    """The entries, read from one header to the next. Nothing is decompressed, so nothing can swell."""
    entries: dict[str, bytes] = {}
    at, last = 0, "the beginning"
    while data[at : at + 4] != b"PK\1\2":
        if data[at : at + 4] != b"PK\3\4" or at + LOCAL.size > len(data):
            raise Broken("container", f"is damaged at byte {at}, after {last}: no entry begins there.")
        header = LOCAL.unpack_from(data, at)
        begin = at + LOCAL.size + header[9]
        name = data[at + LOCAL.size : begin].decode("ascii", "replace")
        at = begin + header[7]
        if not NAME.fullmatch(name) or at > len(data):
            raise Broken("container", f"is damaged: the header of {name!r}, after {last}, cannot be right.")
        if name in entries:
            raise Broken(name, "stands in the pack twice.")
        entries[name], last = data[begin:at], name
    return entries


def packed(entries: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """The one ZIP that these entries make, piece by piece, each with the entry it belongs to."""
    offset, directory = 0, []
    for path, data in entries.items():
        name = path.encode()
        common = (0, 0, 0x21, crc32(data), len(data), len(data), len(name), 0)
        yield path, LOCAL.pack(b"PK\3\4", 20, 0, *common) + name
        yield path, data
        central = CENTRAL.pack(b"PK\1\2", 3 << 8 | 20, 20, 0, *common, 0, 0, 0, 0o100644 << 16, offset)
        directory.append((path, central + name))
        offset += LOCAL.size + len(name) + len(data)
    yield from directory
    length = sum(len(part) for _, part in directory)
    yield "the end record", END.pack(b"PK\5\6", 0, 0, len(entries), len(entries), length, offset, 0)


# --- The pack ---------------------------------------------------------------------------------------------------------


class Pack:
    def __init__(self, data: bytes, key: Key) -> None:
        self.data, self.key, self.entries = data, key, unpacked(data)
        self._read: dict[str, Any] = {}

    def bytes(self, path: str) -> bytes:
        if path not in self.entries:
            raise Broken(path, "is missing.")
        return self.entries[path]

    def json(self, path: str) -> dict[str, Any]:
        if path not in self._read:
            self._read[path] = parse_json(self.bytes(path), path)
        content: dict[str, Any] = self._read[path]
        return content

    def below(self, folder: str) -> list[str]:
        return sorted(path for path in self.entries if path.startswith(folder + "/"))

    def digest(self, path: str) -> str:
        return "sha256:" + sha256(self.bytes(path)).hexdigest()

    @cached_property
    def stated(self) -> dict[str, Any]:
        """What the manifest says of the pack."""
        pack: dict[str, Any] = part(self.json("manifest.json"), "pack", dict, "manifest.json")
        return pack

    def events(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        """The readable events of one type, with their paths; an unreadable one is reported where events are checked."""
        found = []
        for path in self.below("events"):
            try:
                event = self.json(path)
            except Broken:
                continue
            if event.get("type") == kind and all(isinstance(event.get(key), dict) for key in SUB_OBJECTS):
                found.append((path, event))
        return found


Checked = TypeVar("Checked")
SUB_OBJECTS = ("actor", "subject", "facts")


def parse_json(data: bytes, where: str) -> dict[str, Any]:
    """A JSON object in which every key stands once and every number is a number."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) != len(pairs):
            raise Broken(where, "has a key twice, so it can be read in two ways.")
        return content

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    if len(data) > MOST_JSON:
        raise Broken(where, f"is larger than the {MOST_JSON >> 20} MiB that are read as JSON.")
    try:
        content = json.loads(data.decode(), object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise Broken(where, "is not valid JSON.") from None
    if not isinstance(content, dict):
        raise Broken(where, "is not a JSON object.")
    return content


def part(content: Any, key: str, kind: type, where: str) -> Any:
    """One member of an object, of exactly the type it should have."""
    value = content.get(key) if isinstance(content, dict) else None
    if type(value) is not kind:
        raise Broken(where, f"{key} is missing or of the wrong type.")
    return value


def own_id(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".json")


# --- The checks: each returns a sentence that holds, or raises Broken -------------------------------------------------


def each(check: Callable[[Any], Checked], items: Iterable[Any]) -> list[Checked]:
    """Check every item, so that everything broken is named and not just the first."""
    done, broken = [], []
    for item in items:
        try:
            done.append(check(item))
        except Broken as one:
            broken.append(one)
    if broken:
        raise SeveralBroken(broken)
    return done


def check_container(pack: Pack) -> str:
    at = 0
    for path, piece in packed(in_listed_order(pack)):
        if pack.data[at : at + len(piece)] != piece:
            raise Broken("container", f"is not byte for byte what the files make: it differs at or after {path}.")
        at += len(piece)
    if at != len(pack.data):
        raise Broken("container", f"has {len(pack.data) - at} bytes after its end.")
    return f"container: all {at} bytes are what the files make, and nothing is hidden between them."


def in_listed_order(pack: Pack) -> dict[str, bytes]:
    try:
        listed = [file["path"] for file in pack.json("manifest.json")["files"]]
        return {path: pack.entries[path] for path in [*listed, *SEAL]}
    except (Broken, KeyError, TypeError):
        return pack.entries  # said by check_files; here each byte is still compared


def check_layout(pack: Pack) -> str:
    each(pack.bytes, REQUIRED)
    each(check_known, pack.entries)
    return f"files: {len(pack.entries)} files, every one of them known."


def check_known(path: str) -> None:
    if path not in REQUIRED and not OPTIONAL.fullmatch(path):
        raise Broken(path, "could not check: an evidence pack has no such file.")


def check_files(pack: Pack) -> str:
    manifest = pack.json("manifest.json")
    if part(manifest, "v", int, "manifest.json") != 1:
        raise Broken("manifest.json", "could not check: it is of a version this program does not know.")
    files = part(manifest, "files", list, "manifest.json")
    listed = {part(file, "path", str, "manifest.json") for file in files}
    if len(listed) != len(files):
        raise Broken("manifest.json", "lists a file twice.")
    if unlisted := [path for path in pack.entries if path not in listed and path not in SEAL]:
        raise SeveralBroken([Broken(path, "is not in the manifest.") for path in unlisted])
    each(lambda file: check_file(pack, file), files)
    return f"manifest.json: {len(files)} files have the SHA-256 and the size it lists, and there is no other."


def check_file(pack: Pack, file: dict[str, Any]) -> None:
    path = file["path"]
    data = pack.bytes(path)
    if part(file, "size", int, "manifest.json") != len(data):
        raise Broken(path, f"has {len(data)} bytes, not the {file['size']} the manifest lists.")
    if part(file, "sha256", str, "manifest.json") != sha256(data).hexdigest():
        raise Broken(path, "was altered: its SHA-256 is not the one in the manifest.")


def check_manifest_signature(pack: Pack) -> str:
    text = signed_text(pack.bytes("manifest.sig"), pack.key, "manifest.sig", alone=True)
    digest = b64encode(sha256(pack.bytes("manifest.json")).digest()).decode()
    if not text.endswith(f"\n{digest}\n"):
        raise Broken("manifest.json", "is not the manifest that was signed.")
    if text != f"countersign evidence pack\n{part(pack.stated, 'id', str, 'manifest.json')}\n{digest}\n":
        raise Broken("manifest.sig", "was signed for another purpose or another pack.")
    return "manifest.sig: the manifest is signed with the pinned key."


def checkpoint_of(pack: Pack) -> tuple[str, int, bytes]:
    text = signed_text(pack.bytes("checkpoint.txt"), pack.key, "checkpoint.txt")
    lines = re.fullmatch("([^\n]+)\n(0|[1-9][0-9]{0,18})\n([^\n]+)\n", text)
    root = unbase64(lines[3]) if lines else None
    if not lines or root is None or len(root) != HASH:
        raise Broken("checkpoint.txt", "could not check: it is not an origin, a size and a root alone.")
    return lines[1], int(lines[2]), root


def check_checkpoint(pack: Pack) -> str:
    origin, size, _ = checkpoint_of(pack)
    if origin != part(pack.stated, "origin", str, "manifest.json"):
        raise Broken("checkpoint.txt", f"is of the log {origin}, not of the one the manifest names.")
    return f"checkpoint.txt: {origin} had {size} events; signed with the pinned key."


def check_proofs(pack: Pack) -> str:
    _, size, root = checkpoint_of(pack)
    proofs = pack.json("proofs.json")
    if part(proofs, "size", int, "proofs.json") != size or unbase64(proofs.get("root")) != root:
        raise Broken("proofs.json", "is for another tree than checkpoint.txt.")
    proven = each(lambda proof: check_proof(pack, proof, size, root), part(proofs, "proofs", list, "proofs.json"))
    if len(set(proven)) != len(proven):
        raise Broken("proofs.json", "proves one event twice.")
    if unproven := set(pack.below("events")) - set(proven):
        raise SeveralBroken([Broken(path, "has no inclusion proof.") for path in sorted(unproven)])
    return f"proofs.json: {len(proven)} events are in the log that the checkpoint closes, each at its place."


def check_proof(pack: Pack, proof: Any, size: int, root: bytes) -> str:
    path: str = part(proof, "event", str, "proofs.json")
    index = part(proof, "index", int, "proofs.json")
    if path != f"events/{index:012d}.json":
        raise Broken("proofs.json", f"gives {path} the index {index}.")
    leaf = leaf_hash(pack.bytes(path))
    if unbase64(proof.get("leaf_hash")) != leaf:
        raise Broken(path, "was altered: its leaf hash is not the one in proofs.json.")
    siblings = [unbase64(sibling) for sibling in part(proof, "proof", list, "proofs.json")]
    whole = [sibling for sibling in siblings if sibling is not None and len(sibling) == HASH]
    if len(whole) != len(siblings) or not 0 <= index < size or root_over(index, size, leaf, whole) != root:
        raise Broken(path, "its inclusion proof does not lead to the root of the checkpoint.")
    return path


def check_events(pack: Pack) -> str:
    each(lambda path: check_event(pack, path), pack.below("events"))
    return f"events ({len(pack.below('events'))}): each can be read, and in one way only."


def check_event(pack: Pack, path: str) -> None:
    event = pack.json(path)
    if part(event, "v", int, path) != 1:
        raise Broken(path, "could not check: it is of a version this program does not know.")
    for key in ("id", "type", "at"):
        part(event, key, str, path)
    for key in SUB_OBJECTS:
        part(event, key, dict, path)
    try:
        canonical = json.dumps(event, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    except ValueError:
        canonical = b""
    if canonical != pack.bytes(path):
        raise Broken(path, "is not in canonical form.")


def check_signatures(pack: Pack) -> str:
    each(lambda path: check_signature(pack, path), pack.below("signatures"))
    return (
        f"signatures ({len(pack.below('signatures'))}): each fits what was shown to the signer and an event of the log."
    )


def check_signature(pack: Pack, path: str) -> None:
    signature = part(pack.json(path), "signature", dict, path)
    statement = unbase64(part(pack.json(path), "statement", str, path))
    digest = part(signature, "digest", str, path)
    if part(signature, "id", str, path) != own_id(path):
        raise Broken(path, "holds a signature with another id.")
    if statement is None or "sha256:" + sha256(statement).hexdigest() != digest:
        raise Broken(path, "the statement is not the one whose digest was signed.")
    shown = parse_json(statement, path)
    for key in ("role", "meaning", "dossier_digest"):
        if key in shown and shown[key] != signature.get(key):
            raise Broken(path, f"states another {key} than was shown to the signer.")
    events = [event for _, event in pack.events("governance.signature.signed")]
    ours = [event for event in events if event["facts"].get("signature") == signature["id"]]
    if not any(event["facts"].get("digest") == digest for event in ours):
        raise Broken(path, "no event of the log records this signature with this digest.")
    if not any(event["actor"].get("id") == part(signature, "signer", str, path) for event in ours):
        raise Broken(path, "the event that records it names another person as the signer.")


def check_runs(pack: Pack) -> str:
    each(lambda path: check_run(pack, path), pack.below("runs"))
    return f"runs ({len(pack.below('runs'))}): each result is the one the log recorded."


def check_run(pack: Pack, path: str) -> None:
    run = part(pack.json(path), "run", dict, path)
    if part(run, "id", str, path) != own_id(path):
        raise Broken(path, "holds a run with another id.")
    artifact = run.get("artifact_digest")
    if artifact and artifact != pack.stated.get("artifact_digest"):
        raise Broken(path, "is a run of another artifact than this pack is about.")
    recorded = [
        event["facts"].get("result_digest")
        for _, event in pack.events("audits.run.succeeded")
        if event["subject"].get("id") == run["id"]
    ]
    if pack.digest(path) not in recorded:
        raise Broken(path, "no event of the log records this run with this result.")


def check_attestation(pack: Pack) -> str:
    released = [event["facts"].get("attestation") for _, event in pack.events("governance.promotion.released")]
    if ATTESTATION not in pack.entries:
        if released:
            raise Broken(ATTESTATION, "is missing, although an event records the release it attests.")
        return "attestation: none, and no event of this pack records a release."
    statement = parse_json(attested_payload(pack), ATTESTATION)
    if pack.digest(ATTESTATION) not in released:
        raise Broken(ATTESTATION, "no event of the log records a release with this attestation.")
    if statement.get("_type") != "https://in-toto.io/Statement/v1":
        raise Broken(ATTESTATION, "could not check: it holds no in-toto statement of version 1.")
    subjects = part(statement, "subject", list, ATTESTATION)
    digests = [part(part(subject, "digest", dict, ATTESTATION), "sha256", str, ATTESTATION) for subject in subjects]
    if ["sha256:" + digest for digest in digests] != [pack.stated.get("artifact_digest")]:
        raise Broken(ATTESTATION, "is about another artifact than this pack.")
    return f"{ATTESTATION}: the release of this artifact is attested with the pinned key."


def attested_payload(pack: Pack) -> bytes:
    envelope = pack.json(ATTESTATION)
    kind = part(envelope, "payloadType", str, ATTESTATION)
    payload = unbase64(part(envelope, "payload", str, ATTESTATION))
    if kind != "application/vnd.in-toto+json" or payload is None:
        raise Broken(ATTESTATION, "is not an envelope around an in-toto statement.")
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
    signatures = [
        unbase64(part(signature, "sig", str, ATTESTATION)) or b""
        for signature in part(envelope, "signatures", list, ATTESTATION)[:100]
    ]
    if not any(ed25519_verifies(pack.key.public, message, signature) for signature in signatures):
        raise Broken(ATTESTATION, "is not signed with the pinned key.")
    return payload


def check_policy(pack: Pack) -> str:
    policy = part(pack.json("gate.json"), "policy", dict, "gate.json")
    if part(policy, "digest", str, "gate.json") != pack.digest("policy.yaml"):
        raise Broken("policy.yaml", "is not the policy by which the gate was evaluated.")
    return "policy.yaml: this is the policy by which the gate was evaluated."


CHECKS: tuple[Callable[[Pack], str], ...] = (
    check_container,
    check_layout,
    check_files,
    check_manifest_signature,
    check_checkpoint,
    check_proofs,
    check_events,
    check_signatures,
    check_runs,
    check_attestation,
    check_policy,
)


def not_checked(pack: Pack) -> Iterator[str]:
    yield (
        "time: the moments stated are those of the issuer's clock; nothing in the pack lets an outsider vouch for them."
    )
    yield (
        "the rest of the log: the pack proves the events it carries; that the log was never rewritten shows only "
        "when this checkpoint agrees with one you kept earlier."
    )
    yield f"{', '.join(IN_WORDS)}: as the issuer made them, but their words were not compared with the data."
    kept = [own_id(path) for folder in ("signatures", "runs") for path in pack.below(folder)]
    for path, event in pack.events("governance.signature.signed"):
        if event["facts"].get("signature") not in kept:
            yield f"{path}: records a signature the pack does not carry."
    for path, event in pack.events("audits.run.succeeded"):
        if event["subject"].get("id") not in kept:
            yield f"{path}: records a run the pack does not carry."


# --- The answer -------------------------------------------------------------------------------------------------------


def verify(data: bytes, key: Key) -> dict[str, Any]:
    """Every check on the bytes of a pack. The verdict is `holds` only if not one of them failed."""
    answer: dict[str, Any] = {"verdict": "does not hold", "pack": None, "holds": [], "broken": [], "unchecked": []}
    try:
        pack = Pack(data, key)
    except Broken as broken:
        answer["broken"] += broken.sentences
        answer["unchecked"].append("everything else: the files could not be taken out of the container.")
        return answer
    for check in CHECKS:
        run_check(check, pack, answer)
    if not answer["broken"]:
        answer["verdict"] = "holds"
        answer["pack"] = pack.stated
    answer["unchecked"] = list(not_checked(pack))
    return answer


def run_check(check: Callable[[Pack], str], pack: Pack, answer: dict[str, Any]) -> None:
    try:
        answer["holds"].append(check(pack))
    except Broken as broken:
        answer["broken"] += [sentence for sentence in broken.sentences if sentence not in answer["broken"]]
    except Exception as error:  # noqa: BLE001 - whatever a damaged pack brings about, it must not pass nor crash
        name = check.__name__[len("check_") :]
        answer["broken"].append(f"{name}: could not check: {type(error).__name__}: {error}")


def read_pack(given: str) -> bytes:
    try:
        with Path(given).open("rb") as file:
            data = file.read(MOST_PACK + 1)
    except (OSError, ValueError) as error:
        raise CouldNotRun(f"{given} cannot be read: {error}.") from None
    if len(data) > MOST_PACK:
        raise CouldNotRun(f"{given} is larger than {MOST_PACK >> 30} GiB, the most this program reads.")
    return data


def in_words(answer: dict[str, Any]) -> Iterator[str]:
    if answer["pack"]:
        stated = ", ".join(f"{key} {answer['pack'].get(key)}" for key in ("id", "model", "version", "created_at"))
        yield f"Evidence pack: {stated}"
    for key, label in (("holds", "holds"), ("broken", "DOES NOT HOLD"), ("unchecked", "not checked")):
        yield from (f"{label:>13}  {sentence}" for sentence in answer[key])
    yield {"holds": "This pack holds.", "does not hold": "This pack DOES NOT HOLD. Do not rely on it."}.get(
        answer["verdict"], "The check could not run."
    )


def show(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer, indent=2))
        return
    for line in in_words(answer):
        # Names in a damaged pack could hold codes that a terminal obeys.
        print("".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check a Countersign evidence pack against a pinned public key.")
    parser.add_argument("pack", metavar="PACK", help="the evidence pack, a .zip file")
    parser.add_argument("--key", required=True, help="the issuer's verifier key, or a file with its public key")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    options = parser.parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        answer = verify(read_pack(options.pack), read_key(options.key))
    except CouldNotRun as problem:
        answer = {"verdict": "could not run", "pack": None, "holds": [], "broken": [], "unchecked": [str(problem)]}
    show(answer, as_json=options.json)
    return {"holds": 0, "does not hold": 1}.get(answer["verdict"], 2)


if __name__ == "__main__":
    sys.exit(main())
