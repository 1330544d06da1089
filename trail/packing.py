"""The evidence pack: a ZIP whose bytes follow from its entries alone, closed by a signed manifest of them."""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trail import notes
from trail.canonical import canonical

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
STATED = ("id", "model", "version", "artifact_digest", "created_at", "origin")
PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
# Plain ZIP counts entries in 16 bits and bytes, its own included, in 32.
MOST_ENTRIES, MOST_BYTES, LONGEST_PATH = 0xFFFE, 0xF0000000, 200

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
# Stored; no flags; 1980-01-01 00:00, the oldest time a ZIP can state; a plain file, mode 644, made on Unix.
VERSION, UNIX, STORED, TIME, DAY, MODE = 20, 3 << 8, 0, 0, 0x21, 0o100644 << 16


def manifest(entries: Mapping[str, bytes], *, pack: Mapping[str, Any]) -> bytes:
    """Canonical JSON naming the pack and, in their order, every entry with its SHA-256 and size."""
    if missing := [key for key in STATED if key not in pack]:
        raise ValueError(f"The pack's description lacks {', '.join(missing)}.")
    files = [{"path": path, "sha256": sha256(data).hexdigest(), "size": len(data)} for path, data in entries.items()]
    return canonical({"v": 1, "pack": dict(pack), "files": files})


def manifest_text(pack_id: str, manifest: bytes) -> str:
    """The text that is signed in place of the manifest."""
    return f"countersign evidence pack\n{pack_id}\n{b64encode(sha256(manifest).digest()).decode()}\n"


def seal(
    entries: Mapping[str, bytes], *, pack: Mapping[str, Any], name: str, private_key: Ed25519PrivateKey
) -> dict[str, bytes]:
    """`entries` with `manifest.json` and `manifest.sig` after them: all that `write_pack` needs."""
    listed = manifest(entries, pack=pack)
    note = notes.sign_note(manifest_text(pack["id"], listed), name=name, private_key=private_key)
    return {**entries, MANIFEST: listed, SIGNATURE: note.encode()}


def write_pack(path_or_file: Path | str | BinaryIO, entries: Mapping[str, bytes]) -> None:
    """Write sealed entries, in their order, as a ZIP. The same entries make the same bytes everywhere."""
    _refuse_unfit(entries)
    if isinstance(path_or_file, (str, Path)):
        with Path(path_or_file).open("wb") as file:
            file.writelines(_parts(entries))
    else:
        path_or_file.writelines(_parts(entries))


def _refuse_unfit(entries: Mapping[str, bytes]) -> None:
    if list(entries)[-2:] != [MANIFEST, SIGNATURE]:
        raise ValueError(f"A pack ends in {MANIFEST} and {SIGNATURE}: seal its entries first.")
    if len(entries) > MOST_ENTRIES or sum(map(len, entries.values())) > MOST_BYTES:
        raise ValueError("A pack holds at most 65,534 entries and 3.75 GiB: divide it.")
    for path in entries:
        if not PATH.fullmatch(path) or len(path) > LONGEST_PATH:
            raise ValueError(f"A pack can't hold {path!r}: name entries with letters, digits, '.', '_', '-', '/'.")


def _parts(entries: Mapping[str, bytes]) -> Iterator[bytes]:
    offset, directory = 0, []
    for path, data in entries.items():
        name = path.encode()
        common = (STORED, TIME, DAY, crc32(data), len(data), len(data), len(name), 0)
        yield LOCAL.pack(b"PK\3\4", VERSION, 0, *common) + name
        yield data
        directory.append(CENTRAL.pack(b"PK\1\2", UNIX | VERSION, VERSION, 0, *common, 0, 0, 0, MODE, offset) + name)
        offset += LOCAL.size + len(name) + len(data)
    listing = b"".join(directory)
    yield listing
    yield END.pack(b"PK\5\6", 0, 0, len(entries), len(entries), len(listing), offset, 0)
