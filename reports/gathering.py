"""Everything an evidence pack states of a version, looked up once. What it holds is what the log had recorded by its
checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from audits.models import Run
from governance.models import Promotion
from people.models import Signature
from registry.models import Version
from reports import cards, gate, queries
from trail import moments, past
from trail.models import Checkpoint, Entry, Leaf

RUN_SUCCEEDED = "audits.run.succeeded"
SIGNED = "governance.signature.signed"
RELEASED = "governance.promotion.released"


@dataclass(frozen=True)
class Recorded:
    """An entry of the trail at its place in the log."""

    index: int
    sentence: str
    content: dict[str, Any]

    @classmethod
    def of(cls, leaf: Leaf) -> Recorded:
        entry: Entry = leaf.entry
        return cls(leaf.index, entry.sentence, entry.content)


@dataclass(frozen=True)
class Evidence:
    """What a pack holds of one version."""

    version: Version
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
    def path(self) -> str:
        """The folder of the version's files."""
        return f"versions/{self.version.model.slug}-v{self.version.number}"

    @cached_property
    def described(self) -> dict[str, Any]:
        """What the manifest says of the version."""
        return {
            "path": self.path,
            "model": self.version.model.slug,
            "model_name": self.version.model.name,
            "version": self.version.name,
            "version_id": str(self.version.pk),
            "artifact_digest": self.version.digest or gate.attested_digest(self.attestation),
        }


def gather(version: Version, checkpoint: Checkpoint) -> Evidence:
    """Whatever the log had recorded of the version by the checkpoint, or by the moment that is looked at."""
    judged = gate.judged(version, at=moments.asked() or checkpoint.signed_at)
    leaves = queries.entries_behind(version, judged.policy).filter(index__lt=checkpoint.size)
    entries = [Recorded.of(leaf) for leaf in leaves]
    results, signed = recorded(entries, RUN_SUCCEEDED, "result_digest"), recorded(entries, SIGNED, "digest")
    runs = [run for run in queries.runs(version) if run.result_digest in results]
    signatures = [each for each in queries.signatures(version) if each.digest in signed]
    past.require_whole()
    return Evidence(
        version=version,
        entries=entries,
        card=cards.card(version),
        runs=runs,
        signatures=signatures,
        promotion=judged.promotion,
        gate=judged.content,
        policy_text=judged.policy_text,
        attestation=gate.attestation(version, recorded(entries, RELEASED, "attestation")),
        doubts=gate.doubts(version),
    )


def recorded(entries: Iterable[Recorded], kind: str, fact: str) -> set[str]:
    """The values of one fact in all entries of one type."""
    return {str(entry.content["facts"].get(fact)) for entry in entries if entry.content["type"] == kind}
