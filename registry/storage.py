"""Files by their content: each is kept once, under its SHA-256, and only after everything about it was accepted."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, cast

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage

from trail.errors import BadInput

CHUNK = 1024 * 1024
LONGEST_NAME = 255
INCOMING = "incoming"  # files that are not whole yet; what lies here while nobody uploads can go
DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE)
Source = BinaryIO | File  # type: ignore[type-arg]


@dataclass(frozen=True)
class Content:
    """A file that was given, measured; not kept yet."""

    file: BinaryIO
    name: str
    sha256: str
    size: int


def measure(file: Source, *, name: str, digest: str = "") -> Content:
    """Hash a file, or refuse it: too large, or not the one whose digest was claimed."""
    stream = cast(BinaryIO, file.file if isinstance(file, File) else file)
    name = plain_name(name)
    size = stream.seek(0, 2)
    refuse_size(size, name)
    content = Content(file=stream, name=name, sha256=sha256(stream), size=size)
    if digest:
        refuse_other(content, digest)
    return content


def plain_name(name: str) -> str:
    """The last part of a name as a browser or a script gave it, printable and short enough to keep."""
    last = PurePath(name.replace("\\", "/")).name
    printable = "".join(character for character in last if character.isprintable()).strip()
    return printable[-LONGEST_NAME:] or "unnamed"


def sha256(stream: BinaryIO) -> str:
    stream.seek(0)
    hashed = hashlib.sha256()
    while chunk := stream.read(CHUNK):
        hashed.update(chunk)
    stream.seek(0)
    return hashed.hexdigest()


def refuse_size(size: int, name: str) -> None:
    if size > settings.MAX_UPLOAD_BYTES:
        raise BadInput(
            f"{name} holds {_megabytes(size)}; at most {_megabytes(settings.MAX_UPLOAD_BYTES)} can be uploaded. Make "
            "it smaller, or raise COUNTERSIGN_MAX_UPLOAD_MB.",
            where=name,
            status=413,
        )


def refuse_other(content: Content, claimed: str) -> None:
    match = DIGEST.fullmatch(claimed.strip()) if isinstance(claimed, str) else None
    if match is None:
        shown = str(claimed)[:100]
        raise BadInput(f"“{shown}” is no digest; write sha256: and 64 hexadecimal digits.", where="digest")
    if match[1].lower() != content.sha256:
        raise BadInput(
            f"{content.name} arrived with the digest sha256:{content.sha256}, not sha256:{match[1].lower()} as stated; "
            "it was altered or cut off on the way, so upload it again.",
            where="digest",
        )


def keep(content: Content, *, folder: str) -> str:
    """Store the content under its digest, unless it is there already; return its path.

    It is written elsewhere and moved there when it is whole, so that no crash leaves half a file under a digest.
    """
    path = f"{folder}/{content.sha256[:2]}/{content.sha256[2:4]}/{content.sha256}"
    if default_storage.exists(path) and default_storage.size(path) == content.size:
        return path
    content.file.seek(0)
    written = default_storage.save(f"{INCOMING}/{content.sha256}", File(content.file, name=content.name))
    with default_storage.open(written, "rb") as file:
        os.fsync(file.fileno())
    kept = Path(default_storage.path(path))
    kept.parent.mkdir(parents=True, exist_ok=True)
    Path(default_storage.path(written)).replace(kept)
    return path


def open_kept(path: str) -> BinaryIO:
    return cast(BinaryIO, default_storage.open(path, "rb"))


def _megabytes(size: int) -> str:
    return f"{size / 1024 / 1024:,.1f} MB".replace(".0 MB", " MB")
