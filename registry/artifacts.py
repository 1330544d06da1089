"""Model files: identified by their content, never loaded here, kept once by their digest."""

from __future__ import annotations

from registry import storage
from registry.formats import Refusal, identify
from registry.models import Artifact
from trail.errors import BadInput
from trail.record import Draft

FOLDER = "artifacts"


def keep(entry: Draft, file: storage.Source, *, name: str, claimed_digest: str = "") -> Artifact:
    """Keep a model file in the caller's recording, and state what it is."""
    content = storage.measure(file, name=name, digest=claimed_digest)
    try:
        format_ = identify(content.file, name=content.name)
    except Refusal as refusal:
        raise BadInput(str(refusal), where=content.name) from refusal
    entry.facts |= {"digest": f"sha256:{content.sha256}", "format": format_.value, "size": content.size}
    kept, _ = Artifact.objects.get_or_create(
        sha256=content.sha256,
        defaults={
            "size": content.size,
            "format": format_.value,
            "file_name": content.name,
            "path": storage.keep(content, folder=FOLDER),
        },
    )
    return kept
