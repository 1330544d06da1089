"""An artifact as the OpenSSF Model Signing specification (v1.0) names it: by a digest over the digests of its files.

A signature that others made with its tools is about this digest, so that it and ours can be seen to be about the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

from registry.models import Artifact

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"
# how the specification names the one file of a model that is a file and no folder
ONLY_FILE = "."


def manifest(artifact: Artifact) -> dict[str, Any]:
    """The statement that the specification's tools sign for this file."""
    files = {ONLY_FILE: artifact.sha256}
    return {
        "_type": STATEMENT,
        "subject": [{"name": artifact.file_name, "digest": {"sha256": subject_digest(files)}}],
        "predicateType": PREDICATE,
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": [
                {"name": name, "algorithm": "sha256", "digest": files[name]} for name in sorted(files, key=_place)
            ],
        },
    }


def manifest_digest(artifact: Artifact) -> str:
    """The digest of that statement's subject, in hexadecimal digits."""
    return subject_digest({ONLY_FILE: artifact.sha256})


def subject_digest(files: Mapping[str, str]) -> str:
    """SHA-256 over the SHA-256 digests of a model's files, in the order of their paths."""
    return sha256(b"".join(bytes.fromhex(files[name]) for name in sorted(files, key=_place))).hexdigest()


def _place(name: str) -> PurePosixPath:
    """Paths are ordered part by part, not as text."""
    return PurePosixPath(name)
