"""The evidence pack: a ZIP that is written as its entries come, closed by a signed manifest of them.

Its bytes follow from its entries alone: all are stored in the order given, at one fixed time, each behind a header
that already knows its size. ZIP64 stands only where plain ZIP ends: a number that would not fit its field is there as
all ones, and its true value follows in a ZIP64 record. Memory holds one line an entry, never what is in it.
"""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zlib import crc32

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trail import notes
from trail.canonical import canonical

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
STATED = ("id", "origin", "created_at", "as_of", "requested_by", "size", "versions")
PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
LONGEST_PATH = 200
CHUNK = 1 << 20

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
END64, LOCATOR = struct.Struct("<4sQ2H2I4Q"), struct.Struct("<4sIQI")
# Stored; no flags; 1980-01-01 00:00, the oldest time a ZIP can state; a plain file, mode 644, made on Unix.
PLAIN, ZIP64, UNIX, STORED, TIME, DAY, MODE = 20, 45, 3 << 8, 0, 0, 0x21, 0o100644 << 16
FULL16, FULL32, EXTRA = 0xFFFF, 0xFFFFFFFF, 1

# what an entry holds: its bytes, or the file that has them
Source = bytes | Path


class Limits(NamedTuple):
    """From which numbers on plain ZIP does not do."""

    entries: int = FULL16
    size: int = FULL32


class Listed(NamedTuple):
    """An entry as the manifest lists it."""

    path: str
    sha256: str
    size: int


@dataclass
class Container:
    """A ZIP being written to anything that takes bytes. `close` it, or it is none."""

    file: BinaryIO
    limits: Limits = field(default_factory=Limits)
    offset: int = 0
    paths: set[str] = field(default_factory=set)
    directory: bytearray = field(default_factory=bytearray)

    def add(self, path: str, source: Source) -> Listed:
        self._refuse_unfit(path)
        name, (crc, digest, size) = path.encode(), _measured(source)
        self.directory += self._central(name, crc, size)
        self._write(self._local(name, crc, size))
        self._copy(path, source, crc, size)
        self.paths.add(path)
        return Listed(path, digest, size)

    def close(self) -> None:
        count, start, length = len(self.paths), self.offset, len(self.directory)
        self._write(bytes(self.directory))
        if count >= self.limits.entries or max(start, length) >= self.limits.size:
            made = UNIX | ZIP64, ZIP64
            at = self.offset
            self._write(END64.pack(b"PK\6\6", END64.size - 12, *made, 0, 0, count, count, length, start))
            self._write(LOCATOR.pack(b"PK\6\7", 0, at, 1))
        short = count if count < self.limits.entries else FULL16
        self._write(END.pack(b"PK\5\6", 0, 0, short, short, self._short(length), self._short(start), 0))

    def _local(self, name: bytes, crc: int, size: int) -> bytes:
        needed, extra = self._extra(size, size)
        sizes = self._short(size), self._short(size)
        return LOCAL.pack(b"PK\3\4", needed, 0, STORED, TIME, DAY, crc, *sizes, len(name), len(extra)) + name + extra

    def _central(self, name: bytes, crc: int, size: int) -> bytes:
        needed, extra = self._extra(size, size, self.offset)
        common = 0, STORED, TIME, DAY, crc, self._short(size), self._short(size), len(name), len(extra)
        where = 0, 0, 0, MODE, self._short(self.offset)
        return CENTRAL.pack(b"PK\1\2", UNIX | needed, needed, *common, *where) + name + extra

    def _extra(self, *values: int) -> tuple[int, bytes]:
        """The version that is needed to read the entry, and the extra field with the values too large for theirs."""
        large = [value for value in values if value >= self.limits.size]
        if not large:
            return PLAIN, b""
        return ZIP64, struct.pack(f"<2H{len(large)}Q", EXTRA, 8 * len(large), *large)

    def _short(self, value: int) -> int:
        return value if value < self.limits.size else FULL32

    def _copy(self, path: str, source: Source, crc: int, size: int) -> None:
        start, seen = self.offset, 0
        for chunk in _chunks(source):
            seen = crc32(chunk, seen)
            self._write(chunk)
        if (seen, self.offset - start) != (crc, size):
            raise ValueError(f"{path} changed while it was packed.")

    def _write(self, data: bytes) -> None:
        self.file.write(data)
        self.offset += len(data)

    def _refuse_unfit(self, path: str) -> None:
        if not PATH.fullmatch(path) or len(path) > LONGEST_PATH:
            raise ValueError(f"A pack can't hold {path!r}: name entries with letters, digits, '.', '_', '-', '/'.")
        if path in self.paths:
            raise ValueError(f"A pack can't hold {path!r} twice.")


def write_pack(
    file: BinaryIO,
    entries: Iterable[tuple[str, Source]],
    *,
    pack: Mapping[str, Any],
    name: str,
    private_key: Ed25519PrivateKey,
    limits: Limits | None = None,
) -> int:
    """Write the entries as they come, then the manifest and its signature. The same entries make the same bytes.

    Returns how many files the pack holds.
    """
    container, listed = Container(file, limits or Limits()), bytearray()
    for path, source in entries:
        listed += (b"," if listed else b"") + canonical(container.add(path, source)._asdict())
    whole = manifest(bytes(listed), pack=pack)
    container.add(MANIFEST, whole)
    container.add(
        SIGNATURE, notes.sign_note(manifest_text(pack["id"], whole), name=name, private_key=private_key).encode()
    )
    container.close()
    return len(container.paths)


def write_zip(file: BinaryIO, entries: Iterable[tuple[str, Source]], *, limits: Limits | None = None) -> None:
    """The container alone, whatever is in it."""
    container = Container(file, limits or Limits())
    for path, source in entries:
        container.add(path, source)
    container.close()


def manifest(listed: bytes, *, pack: Mapping[str, Any]) -> bytes:
    """Canonical JSON naming the pack and, in their order, every entry with its SHA-256 and size.

    `listed` is the entries' own canonical JSON, with commas between: a large pack's would not fit as objects.
    """
    if missing := [key for key in STATED if key not in pack]:
        raise ValueError(f"The pack's description lacks {', '.join(missing)}.")
    return b'{"files":[%b],"pack":%b,"v":2}' % (listed, canonical(dict(pack)))


def manifest_text(pack_id: str, manifest: bytes) -> str:
    """The text that is signed in place of the manifest."""
    return f"countersign evidence pack\n{pack_id}\n{b64encode(sha256(manifest).digest()).decode()}\n"


def _measured(source: Source) -> tuple[int, str, int]:
    crc, digest, size = 0, sha256(), 0
    for chunk in _chunks(source):
        crc = crc32(chunk, crc)
        digest.update(chunk)
        size += len(chunk)
    return crc, digest.hexdigest(), size


def _chunks(source: Source) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
