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
    known = Artifact.objects.filter(sha256=content.sha256).first()
    path = storage.keep(content, folder=FOLDER)
    if known is not None:
        return known
    return entry.create(
        Artifact(sha256=content.sha256, size=content.size, format=format_.value, file_name=content.name, path=path)
    )
