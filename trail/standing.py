"""How the log stands: its size, what was last signed of it, who outside holds a checkpoint, and how far it was sent."""

from __future__ import annotations

from dataclasses import dataclass

from trail import checkpoints, forwarding, keys, ledger, moments, queries, signer
from trail.errors import Objection
from trail.models import Anchor, Checkpoint, Leaf


@dataclass(frozen=True)
class Standing:
    size: int
    checkpoint: Checkpoint | None
    lost: list[Objection]  # why nothing is signed
    anchors: list[Anchor]
    forwarded: list[forwarding.Reach]
    key: str

    @property
    def root(self) -> bytes:
        return bytes(self.checkpoint.root) if self.checkpoint else b""


def now() -> Standing:
    if moments.asked():
        return then()
    checkpoint, lost = signed()
    size, _ = ledger.size_and_root()
    reached = forwarding.reached(size)
    return Standing(size, checkpoint, lost, queries.newest_anchors(), reached, keys.verifier_key())


def then() -> Standing:
    """At the past moment that is looked at. How far the log had been sent is not in it."""
    last = Leaf.objects.order_by("-index").first()
    size = last.index + 1 if last else 0
    return Standing(size, checkpoints.newest(), [], queries.newest_anchors(), [], keys.verifier_key())


def signed() -> tuple[Checkpoint | None, list[Objection]]:
    """The checkpoint of the log as it is; if the signer refuses, what it signed last, and why it does."""
    try:
        return checkpoints.current(), []
    except signer.LogLost as refused:
        return checkpoints.newest(), refused.objections
