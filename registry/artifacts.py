"""Model files: identified by their content, never loaded here, kept once by their digest."""

from __future__ import annotations

from typing import BinaryIO

from people.models import User
from registry import storage
from registry.events import Event
from registry.formats import Refusal, identify
from registry.models import Artifact, Version
from trail.errors import BadInput
from trail.record import Draft, recording

FOLDER = "artifacts"


def keep(entry: Draft, file: storage.Source, *, name: str, claimed_digest: str = "") -> Artifact:
    """Keep a model file in the caller's recording, and state what it is."""
    content = storage.measure(file, name=name, digest=claimed_digest)
    try:
        format_ = identify(content.file, name=content.name)
    except Refusal as refusal:
        raise BadInput(str(refusal), where=content.name) from refusal
    entry.facts |= {"digest": f"sha256:{content.sha256}", "format": format_.value, "size": content.size}
    kept, is_new = Artifact.objects.get_or_create(
        sha256=content.sha256,
        defaults={
            "size": content.size,
            "format": format_.value,
            "file_name": content.name,
            "path": storage.keep(content, folder=FOLDER),
        },
    )
    if is_new:
        entry.wrote(kept)
    return kept


def open_download(*, version: Version, actor: User, reason: str) -> BinaryIO:
    """The version's model file, once the download is recorded. Whoever sees the version may have it."""
    artifact = version.artifact
    if artifact is None:
        raise BadInput(f"{version} has no artifact here.", where="version", status=404)
    with recording(Event.ARTIFACT_DOWNLOADED, actor=actor, reason=reason, subject=version) as entry:
        entry.facts = {"digest": artifact.digest, "size": artifact.size}
        return storage.open_kept(artifact.path)
