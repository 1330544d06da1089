"""Everything an evidence pack states, looked up once. What it holds is what the log had recorded by its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from audits.models import Run
from governance.models import Promotion
from people.models import Signature
from registry.models import Version
from reports import cards, gate, queries
from reports.models import Pack
from trail import checkpoints
from trail.models import Checkpoint, Leaf

RUN_SUCCEEDED = "audits.run.succeeded"
SIGNED = "governance.signature.signed"
RELEASED = "governance.promotion.released"


@dataclass(frozen=True)
class Recorded:
    """An entry of the trail at its place in the log."""

    index: int
    body: bytes
    sentence: str
    content: dict[str, Any]

    @classmethod
    def of(cls, leaf: Leaf) -> Recorded:
        return cls(leaf.index, bytes(leaf.entry.body), leaf.entry.sentence, leaf.entry.content)


@dataclass(frozen=True)
class Evidence:
    pack: Pack
    checkpoint: Checkpoint
    entries: list[Recorded]
    card: cards.Card
    runs: list[Run]
    signatures: list[Signature]
    promotion: Promotion | None
    gate: dict[str, Any]
    policy_text: str
    attestation: str = ""
    # for each signature that does not count, by its id: why not
    doubts: dict[str, str] = field(default_factory=dict)

    @property
    def version(self) -> Version:
        return self.pack.version

    @cached_property
    def described(self) -> dict[str, Any]:
        """What the manifest says of the pack."""
        return {
            "id": str(self.pack.pk),
            "model": self.version.model.slug,
            "model_name": self.version.model.name,
            "version": self.version.name,
            "version_id": str(self.version.pk),
            "artifact_digest": self.version.digest or gate.attested_digest(self.attestation),
            "created_at": self.checkpoint.signed_at.isoformat(),
            "origin": self.checkpoint.note.partition("\n")[0],
            "requested_by": self.pack.requested_by.name,
        }


def gather(pack: Pack) -> Evidence:
    version, checkpoint = pack.version, checkpoints.current()
    leaves = queries.entries_about(version).filter(index__lt=checkpoint.size)
    entries = [Recorded.of(leaf) for leaf in leaves]
    judged = gate.judged(version)
    released = recorded(entries, RELEASED, "attestation")
    return Evidence(
        pack=pack,
        checkpoint=checkpoint,
        entries=entries,
        card=cards.card(version),
        runs=[
            run
            for run in queries.runs(version)
            if run.result_digest in recorded(entries, RUN_SUCCEEDED, "result_digest")
        ],
        signatures=[each for each in queries.signatures(version) if each.digest in recorded(entries, SIGNED, "digest")],
        promotion=judged.promotion,
        gate=judged.content,
        policy_text=judged.policy_text,
        attestation=gate.attestation(version, released),
        doubts=gate.doubts(version),
    )


def recorded(entries: list[Recorded], kind: str, fact: str) -> set[str]:
    """The values of one fact in all entries of one type."""
    return {str(entry.content["facts"].get(fact)) for entry in entries if entry.content["type"] == kind}
