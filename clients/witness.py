#!/usr/bin/env python3
"""Witness the checkpoints of logs on another host: one file, Python 3.9 or later and `cryptography` 40 or later.

    python3 witness.py init  --directory DIR --name witness.example/w1 --log VKEY
    python3 witness.py serve --directory DIR --host 0.0.0.0 --port 7380

It speaks C2SP tlog-witness: `POST /add-checkpoint` takes a checkpoint with the proof that the log only grew since the
last one, remembers it, and answers with a cosignature. A checkpoint that goes back, or shows another history, gets
none; one that shows another history is kept in DIR/evidence beside the one it contradicts.

DIR holds, and must be on this host's own disk: key.pem and name, who the witness is; logs, a line `log VKEY` for each
log it knows (the key's name is the log's origin; several lines may hold keys of one log); state, the last checkpoint
cosigned of each log; evidence. A witness that loses its state starts from nothing and shows nothing: back it up.

Exit status: 0 stopped, 2 it could not start.
"""

from __future__ import annotations

import argparse
import binascii
import fcntl
import os
import sys
import threading
import time
from base64 import b64decode, b64encode
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

LOG, ED25519, ML_DSA_44 = b"\x01", b"\x04", b"\x06"  # types of signature in c2sp.org/signed-note
HASH, KEY, KEY_ID, TIME, ROOM = 32, 32, 4, 8, 255
EMPTY_ROOT = sha256(b"").digest()
MOST_PROOF, MOST_SIGNATURES, MOST_DIGITS = 63, 100, 19
MOST_BYTES, PATIENCE = 1 << 19, 15
SIZE_TYPE = "text/x.tlog.size"


class CouldNotRun(Exception):
    """Why the witness can't start."""


class Declined(Exception):
    """No cosignature: the HTTP status, and why."""

    def __init__(self, status: int, why: str, content_type: str = "text/plain; charset=utf-8") -> None:
        super().__init__(why)
        self.status, self.why, self.content_type = status, why, content_type


class Malformed(ValueError):
    """A note, a key or a checkpoint that is not of its form."""


# --- Signed notes and checkpoints -------------------------------------------------------------------------------------


class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes


Signature = tuple[str, bytes, bytes]  # name, key id, signature


def key_id(name: str, kind: bytes, key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + kind + key).digest()[:KEY_ID]


def written_vkey(name: str, kind: bytes, key: bytes) -> str:
    return f"{name}+{key_id(name, kind, key).hex()}+{b64encode(kind + key).decode()}"


def log_key(vkey: str) -> tuple[str, bytes]:
    """The origin and the raw Ed25519 key of a log."""
    name, _, rest = vkey.partition("+")
    identifier, _, encoded = rest.partition("+")
    require_name(name)
    material = unbase64(encoded)
    if material[:1] != LOG or len(material) != 1 + KEY:
        raise Malformed("a log's key must be an Ed25519 key (type 1)")
    if key_id(name, LOG, material[1:]).hex() != identifier:
        raise Malformed("the key's id does not fit its name and key")
    return name, material[1:]


def split_note(note: str) -> tuple[str, list[Signature]]:
    if any(character < " " and character != "\n" for character in note):
        raise Malformed("a note holds no control characters but newlines")
    text, gap, block = note.rpartition("\n\n")
    if not gap or not block.endswith("\n"):
        raise Malformed("a note is a text, an empty line and signature lines, each ending in a newline")
    lines = block[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise Malformed(f"a note may carry at most {MOST_SIGNATURES} signatures")
    return text + "\n", [signature_of(line) for line in lines]


def signature_of(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != "—":
        raise Malformed("a signature line starts with an em dash")
    require_name(name)
    whole = unbase64(encoded)
    if len(whole) <= KEY_ID:
        raise Malformed("a signature is too short")
    return name, whole[:KEY_ID], whole[KEY_ID:]


def signature_line(name: str, identifier: bytes, signature: bytes) -> str:
    return f"— {name} {b64encode(identifier + signature).decode()}\n"


def read_checkpoint(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise Malformed("a checkpoint is an origin, a size, a root and no empty line")
    root = unbase64(lines[2])
    if len(root) != HASH:
        raise Malformed("a checkpoint's root is 32 bytes")
    return Checkpoint(lines[0], whole_number(lines[1]), root)


def whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS) or (text[0] == "0" and text != "0"):
        raise Malformed("a size is a plain decimal number")
    return int(text)


def require_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() for character in name):
        raise Malformed("a key's name is not empty and holds no space and no plus")


def unbase64(text: str) -> bytes:
    try:
        data = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or b64encode(data).decode() != text:  # one spelling of the same bytes, and no other
        raise Malformed("something that must be base64 is not")
    return data


# --- Consistency proofs (RFC 6962, section 2.1.2) ---------------------------------------------------------------------


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def is_consistent(old: Checkpoint, new: Checkpoint, proof: list[bytes]) -> bool:
    """Whether `proof` shows the tree of `old` to be the beginning of the tree of `new`; both must hold something."""
    if old.size == new.size:
        return not proof and old.root == new.root
    if not 0 < old.size < new.size or not proof:
        return False
    # A tree whose size is a power of two is itself the first node, and the proof leaves it out.
    steps = [old.root, *proof] if old.size & (old.size - 1) == 0 else list(proof)
    node, last = old.size - 1, new.size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    older = newer = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            older, newer = node_hash(step, older), node_hash(step, newer)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            newer = node_hash(newer, step)
        node, last = node >> 1, last >> 1
    return last == 0 and older == old.root and newer == new.root


# --- Who the witness is -----------------------------------------------------------------------------------------------


class Identity(NamedTuple):
    name: str
    kind: bytes
    private_key: Any

    @property
    def public_key(self) -> bytes:
        raw: bytes = self.private_key.public_key().public_bytes_raw()
        return raw

    @property
    def vkey(self) -> str:
        return written_vkey(self.name, self.kind, self.public_key)

    def cosign(self, text: str, at: int) -> str:
        """One signature line (c2sp.org/tlog-cosignature) under the checkpoint `text`."""
        signed = at.to_bytes(TIME, "big") + self.private_key.sign(self.message(text, at))
        return signature_line(self.name, key_id(self.name, self.kind, self.public_key), signed)

    def message(self, text: str, at: int) -> bytes:
        if self.kind == ED25519:
            return f"cosignature/v1\ntime {at}\n{text}".encode()
        checkpoint = read_checkpoint(text)
        name, origin = self.name.encode(), checkpoint.origin.encode()
        return b"".join(
            [
                b"subtree/v1\n\0",
                bytes([len(name)]) + name,
                at.to_bytes(TIME, "big"),
                bytes([len(origin)]) + origin,
                bytes(8),  # a whole tree starts at 0
                checkpoint.size.to_bytes(8, "big"),
                checkpoint.root,
            ]
        )

    def cosigned(self, note: str) -> bool:
        """Whether a line under `note` is this witness's own."""
        text, signatures = split_note(note)
        identifier = key_id(self.name, self.kind, self.public_key)
        for name, found, signature in signatures:
            if (name, found) == (self.name, identifier):
                message = self.message(text, int.from_bytes(signature[:TIME], "big"))
                return verifies(self.private_key.public_key(), signature[TIME:], message)
        return False


def verifies(public_key: Any, signature: bytes, message: bytes) -> bool:
    try:
        public_key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


# --- What it keeps ----------------------------------------------------------------------------------------------------


def keep(path: Path, content: str, *, mode: int = 0o644) -> None:
    """Write `path` so that after a crash it holds either what it held or `content`, and `content` once this returns."""
    beside = path.with_name(f".{path.name}")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content.encode())
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    settle(path.parent)


def settle(folder: Path) -> None:
    """The names in a folder are only safe once the folder itself is written."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def address_of(origin: str) -> str:
    return sha256(origin.encode()).hexdigest()


class Witness:
    def __init__(self, directory: Path, identity: Identity, logs: dict[str, list[bytes]]) -> None:
        self.directory, self.identity, self.logs = directory, identity, logs
        self.lock = threading.Lock()
        self.notes: dict[str, str] = {}  # the last checkpoint cosigned of each log, by its origin
        for origin in logs:
            self.notes.update(self.recalled(origin))

    def recalled(self, origin: str) -> dict[str, str]:
        path = self.directory / "state" / address_of(origin)
        try:
            note = path.read_bytes().decode()
            if not self.identity.cosigned(note) or read_checkpoint(split_note(note)[0]).origin != origin:
                raise Malformed("it is not a checkpoint of this log that this witness cosigned")
        except FileNotFoundError:
            return {}
        except ValueError as wrong:
            raise CouldNotRun(
                f"{path} is damaged: {wrong}. Without it, a log could be taken back; restore it."
            ) from None
        return {origin: note}

    def add_checkpoint(self, body: bytes) -> str:
        """The cosignature of the checkpoint in `body`, once it is kept. Raises Declined."""
        old_size, proof, note = read_request(body)
        text, signatures = as_asked(split_note, note)
        checkpoint = as_asked(read_checkpoint, text)
        self.require_signed(checkpoint.origin, text, signatures)
        with self.lock:
            try:
                return self.decided(old_size, proof, note, text, checkpoint)
            except OSError as error:  # what can't be kept is not cosigned
                raise Declined(500, f"the checkpoint can't be kept: {error.strerror}") from None

    def require_signed(self, origin: str, text: str, signatures: list[Signature]) -> None:
        if origin not in self.logs:
            raise Declined(404, "unknown log")
        keys = {(origin, key_id(origin, LOG, key)): key for key in self.logs[origin]}
        ours = [(keys[name, found], signature) for name, found, signature in signatures if (name, found) in keys]
        if not ours:
            raise Declined(403, "no signature of a known key of this log")
        for key, signature in ours:
            if not verifies(Ed25519PublicKey.from_public_bytes(key), signature, text.encode()):
                raise Declined(403, "a signature of a known key of this log does not fit")

    def decided(self, old_size: int, proof: list[bytes], note: str, text: str, checkpoint: Checkpoint) -> str:
        if old_size > checkpoint.size:
            raise Declined(400, "the old size is above the checkpoint's")
        known_note = self.notes.get(checkpoint.origin, "")
        known = (
            read_checkpoint(split_note(known_note)[0]) if known_note else Checkpoint(checkpoint.origin, 0, EMPTY_ROOT)
        )
        split = known_note and known.size == checkpoint.size and known.root != checkpoint.root
        if split:
            self.accuse("two checkpoints of one size with two roots", known_note, note, text)
        if old_size != known.size:
            raise Declined(409, f"{known.size}\n", SIZE_TYPE)
        if split:
            raise Declined(422, "another root of the same size was cosigned before; both checkpoints are kept")
        if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
            raise Declined(422, "the root is not that of an empty tree")
        if old_size == 0 and proof:
            raise Declined(422, "there is nothing to prove from an empty tree")
        if old_size and not is_consistent(known, checkpoint, proof):
            if checkpoint.size > known.size:
                self.accuse("a checkpoint that was not shown to continue the one before it", known_note, note, text)
            raise Declined(422, "the consistency proof does not hold")
        cosignature = self.identity.cosign(text, int(time.time()))
        kept = self.signed_by_the_log(note, text) + cosignature
        keep(self.directory / "state" / address_of(checkpoint.origin), kept)
        self.notes[checkpoint.origin] = kept
        return cosignature

    def signed_by_the_log(self, note: str, text: str) -> str:
        """The note with the log's own signatures alone: nothing that a stranger put under it is passed on."""
        origin = text.partition("\n")[0]
        known = {(origin, key_id(origin, LOG, key)) for key in self.logs[origin]}
        ours = dict.fromkeys(signature for signature in split_note(note)[1] if signature[:2] in known)
        return text + "\n" + "".join(signature_line(*signature) for signature in ours)

    def accuse(self, what: str, known_note: str, note: str, text: str) -> None:
        """Keep both signed checkpoints. A pair that is kept already is not kept again."""
        before, after = split_note(known_note)[0], text
        folder = self.directory / "evidence" / address_of(text.partition("\n")[0])
        folder.mkdir(exist_ok=True)
        settle(folder.parent)
        path = folder / f"{address_of(before)[:16]}-{address_of(after)[:16]}.txt"
        if path.exists():
            return
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        second = self.signed_by_the_log(note, text)
        keep(path, f"{stamp} {what}\n\n--- cosigned before\n{known_note}\n--- refused\n{second}")
        say(f"EVIDENCE {what}: {path}")


def read_request(body: bytes) -> tuple[int, list[bytes], str]:
    """The old size, the proof and the checkpoint note of a request."""
    try:
        head, gap, note = body.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise Declined(400, "the request is not UTF-8") from None
    first, *lines = head.split("\n")
    if not gap or not first.startswith("old "):
        raise Declined(400, "a request is a line `old SIZE`, proof lines, an empty line and a checkpoint")
    if len(lines) > MOST_PROOF:
        raise Declined(400, f"a proof holds at most {MOST_PROOF} hashes")
    proof = [as_asked(unbase64, line) for line in lines]
    if any(len(step) != HASH for step in proof):
        raise Declined(400, "a hash of a proof is 32 bytes")
    return as_asked(whole_number, first[4:]), proof, note


def as_asked(read: Any, text: str) -> Any:
    try:
        return read(text)
    except Malformed as wrong:
        raise Declined(400, str(wrong)) from None


# --- HTTP -------------------------------------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], witness: Witness) -> None:
        self.witness = witness
        super().__init__(address, Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        say(f"a connection broke: {type(sys.exc_info()[1]).__name__}")


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "witness", ""
    timeout = PATIENCE

    def do_POST(self) -> None:
        try:
            body = self.body()
            if self.path != "/add-checkpoint":
                raise Declined(404, "there is POST /add-checkpoint here")
            cosignature = self.server.witness.add_checkpoint(body)
        except Declined as declined:
            self.answer(declined.status, declined.why, declined.content_type)
        else:
            self.answer(200, cosignature)

    def do_GET(self) -> None:
        for origin, note in list(self.server.witness.notes.items()):
            if self.path == f"/{address_of(origin)}/checkpoint":
                return self.answer(200, note)
        return self.answer(404, "no checkpoint of that log was cosigned")

    def body(self) -> bytes:
        given = self.headers.get("Content-Length", "")
        if not (given.isascii() and given.isdigit()) or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise Declined(411, "say how long the request is")
        if len(given) > MOST_DIGITS or int(given) > MOST_BYTES:
            self.close_connection = True
            raise Declined(413, f"a request holds at most {MOST_BYTES} bytes")
        body = self.rfile.read(int(given))
        if len(body) != int(given):
            self.close_connection = True
            raise Declined(400, "the request was cut off")
        return body

    def answer(self, status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> None:
        content = text.encode() if text.endswith("\n") else text.encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        say(f"{self.client_address[0]} {format % arguments}")


def say(line: str) -> None:
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
    encoding = sys.stderr.encoding or "ascii"
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    print(f"{stamp} {shown}".encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr, flush=True)


# --- Commands ---------------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    options = parsed(arguments)
    try:
        options.run(options)
    except KeyboardInterrupt:
        return 0
    except CouldNotRun as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Witness the checkpoints of logs (C2SP tlog-witness).")
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("init", help="make a key and a directory, and print the key to pin")
    made.add_argument("--name", required=True, help="who the witness is, such as witness.example/w1")
    made.add_argument("--log", action="append", default=[], metavar="VKEY", help="a log's key (manage.py export_key)")
    made.add_argument("--key-type", choices=["ed25519", "ml-dsa-44"], default="ed25519", help="ed25519 unless told")
    made.set_defaults(run=init)
    served = commands.add_parser("serve", help="answer POST /add-checkpoint")
    served.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    served.add_argument("--port", type=int, default=7380, help="the port (7380)")
    served.set_defaults(run=serve)
    for command in (made, served):
        command.add_argument("--directory", required=True, type=Path, help="where the witness keeps what it knows")
    return parser.parse_args(arguments)


def init(options: argparse.Namespace) -> None:
    directory: Path = options.directory
    try:
        require_name(options.name)
        if len(options.name.encode()) > ROOM:
            raise Malformed(f"a witness's name fits into {ROOM} bytes")
        for vkey in options.log:
            log_key(vkey)
    except ValueError as wrong:
        raise CouldNotRun(f"{wrong}.") from None
    if (directory / "key.pem").exists():
        raise CouldNotRun(f"{directory} already holds a witness; it is left as it is.")
    private_key = Ed25519PrivateKey.generate() if options.key_type == "ed25519" else new_ml_dsa_key()
    pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    try:
        for folder in (directory, directory / "state", directory / "evidence"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep(directory / "name", f"{options.name}\n")
        keep(directory / "logs", "# log VKEY, one a line\n" + "".join(f"log {vkey}\n" for vkey in options.log))
        keep(directory / "key.pem", pem, mode=0o600)
    except OSError as error:
        raise CouldNotRun(f"{directory} can't be written: {error}.") from None
    print(identity_in(directory).vkey)


def new_ml_dsa_key() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        return MLDSA44PrivateKey.generate()
    except Exception:  # noqa: BLE001 - an older library has no such module, or its OpenSSL no such key
        raise CouldNotRun("This version of `cryptography` has no ML-DSA-44; take a newer one, or ed25519.") from None


def identity_in(directory: Path) -> Identity:
    try:
        name = (directory / "name").read_text(encoding="utf-8").strip()
        require_name(name)
        private_key = load_pem_private_key((directory / "key.pem").read_bytes(), password=None)
    except Exception as wrong:  # noqa: BLE001 - whatever it is, there is no witness without its key
        raise CouldNotRun(f"There is no witness in {directory} (python3 witness.py init makes one): {wrong}") from None
    kind = ED25519 if isinstance(private_key, Ed25519PrivateKey) else ML_DSA_44
    if kind == ML_DSA_44 and type(private_key).__name__ != "MLDSA44PrivateKey":
        raise CouldNotRun(f"{directory / 'key.pem'} is neither an Ed25519 nor an ML-DSA-44 key.")
    return Identity(name, kind, private_key)


def logs_in(directory: Path) -> dict[str, list[bytes]]:
    """The keys of every log the witness knows, by origin."""
    path = directory / "logs"
    logs: dict[str, list[bytes]] = {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CouldNotRun(f"{path} can't be read: {error}.") from None
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            if len(words) != 2 or words[0] != "log":
                raise Malformed("a line is `log VKEY`")
            origin, key = log_key(words[1])
            if len(origin.encode()) > ROOM:
                raise Malformed(f"a log's origin fits into {ROOM} bytes")
        except ValueError as wrong:
            raise CouldNotRun(f"{path}, line {number}: {wrong}.") from None
        logs.setdefault(origin, []).append(key)
    return logs


def serve(options: argparse.Namespace) -> None:
    directory: Path = options.directory
    identity, logs = identity_in(directory), logs_in(directory)
    with alone(directory):
        witness = Witness(directory, identity, logs)
        try:
            server = Server((options.host, options.port), witness)
        except (OSError, OverflowError) as error:
            raise CouldNotRun(f"{options.host}:{options.port} can't be listened on: {error}.") from None
        with server:
            print(f"{identity.vkey}\nhttp://{options.host}:{server.server_port}", flush=True)
            server.serve_forever(poll_interval=0.1)


def alone(directory: Path) -> Any:
    """Held while serving: two processes on one state could each take back what the other cosigned."""
    try:
        file = (directory / "lock").open("w")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise CouldNotRun(f"Another process serves {directory}, or its lock can't be taken: {error}.") from None
    return file


if __name__ == "__main__":
    sys.exit(main())
