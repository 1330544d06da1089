"""An installed package as its RECORD lists it: which files it has, and their digests. Nothing of it is imported."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackagePath
from pathlib import Path, PurePosixPath
from typing import Any

from trail.canonical import canonical, digest

MOST_FILES = 2000
MOST_BYTES = 50 << 20
_COMPILED = {".so", ".pyd", ".dylib", ".dll"}


class Unusable(Exception):
    """Why a package's check is not offered, in one sentence."""


@dataclass(frozen=True)
class Package:
    """`files`: the SHA-256 of each of its own files, by path below `root`."""

    name: str
    version: str
    root: Path
    files: dict[str, str]

    @property
    def digest(self) -> str:
        return digest(canonical([[path, self.files[path]] for path in sorted(self.files)]))

    def read(self, path: str) -> bytes:
        """A file's content, if it still is what RECORD says."""
        if path not in self.files:
            raise Unusable(f"its RECORD lists no {path}.")
        place = self.root / path
        try:
            if not place.is_file():
                raise Unusable(f"{path} is not there; install the package again.")
            if place.stat().st_size > MOST_BYTES:
                raise Unusable(f"{path} is larger than {MOST_BYTES >> 20} MiB.")
            content = place.read_bytes()
        except OSError as error:
            raise Unusable(f"{path} can’t be read ({error.strerror}); install the package again.") from error
        if hashlib.sha256(content).hexdigest() != self.files[path]:
            raise Unusable(f"{path} is not the file that its RECORD lists; install the package again.")
        return content

    def pack(self, to: Path) -> None:
        """All files, each held against RECORD, as one archive that Python can import from."""
        size = 0
        folders = {f"{parent.as_posix()}/" for path in self.files for parent in PurePosixPath(path).parents[:-1]}
        with zipfile.ZipFile(to, "w") as archive:
            for path in sorted(folders):  # without them Python 3.11 finds no package that lacks __init__.py
                archive.writestr(zipfile.ZipInfo(path), b"")
            for path in sorted(self.files):
                content = self.read(path)
                size += len(content)
                if size > MOST_BYTES:
                    raise Unusable(f"it is larger than {MOST_BYTES >> 20} MiB.")
                archive.writestr(zipfile.ZipInfo(path), content)


def package(distribution: Distribution) -> Package:
    """The distribution's files; refused where they could run outside a child, or could not run in one."""
    listed = distribution.files
    if not listed:
        raise Unusable("it has no RECORD of its files; install it from a wheel.")
    files: dict[str, str] = {}
    for path in _own(listed):
        if path.suffix == ".pth":
            raise Unusable(f"it installs {path}, which runs in every Python process.")
        if path.suffix in _COMPILED:
            raise Unusable(f"it holds compiled code ({path}); a check is pure Python.")
        stated: Any = path.hash
        if stated is None or stated.mode != "sha256":
            raise Unusable(f"its RECORD states no SHA-256 of {path}; install it from a wheel.")
        files[path.as_posix()] = base64.urlsafe_b64decode(f"{stated.value}==").hex()
        if len(files) > MOST_FILES:
            raise Unusable(f"it has more than {MOST_FILES:,} files.")
    return Package(str(distribution.name), str(distribution.version), Path(str(distribution.locate_file(""))), files)


def _own(listed: list[PackagePath]) -> Iterator[PackagePath]:
    """Without the metadata, what Python made of the files, and scripts, which lie elsewhere."""
    for path in listed:
        if path.is_absolute() or ".." in path.parts or "__pycache__" in path.parts:
            continue
        if not path.parts[0].endswith((".dist-info", ".data")):
            yield path
