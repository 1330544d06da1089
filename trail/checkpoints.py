"""Signed checkpoints of the tree, and proofs against them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from trail import cosigning, guard, keys, ledger, moments, signer, tiles
from trail.errors import BadInput
from trail.models import Checkpoint, Leaf


def current() -> Checkpoint:
    """The checkpoint of the tree as it is now; signed if nobody has asked since the last entry.

    Raises signer.LogLost if the tree does not continue what was signed before.
    """
    if guard.is_recording.get():
        raise RuntimeError("A checkpoint is signed of what is committed: ask for it after the recording.")
    ledger.catch_up()
    size, root = ledger.size_and_root()
    kept = Checkpoint.every.filter(size=size, root=root).first()
    if kept is not None and signer.state().size == size:
        return kept
    with transaction.atomic(durable=True):
        pass  # refuses to sign inside a transaction, which may yet be rolled back and is waited for by others
    with signer.locked() as last:
        size, root = ledger.size_and_root()
        note = signer.sign(last, size, root, ledger.read_tile)
        return _kept(size, root, note)


def _kept(size: int, root: bytes, note: str) -> Checkpoint:
    # the time that is signed, so that the column can be checked
    signed_at = cosigning.verify(note, keys.cosigner_verifier_key())
    with transaction.atomic(), guard.opened():
        found, _ = Checkpoint.every.get_or_create(size=size, root=root, defaults={"note": note, "signed_at": signed_at})
    return found


def at(moment: datetime) -> Checkpoint | None:
    """The newest checkpoint that was signed by then."""
    return Checkpoint.every.filter(signed_at__lte=moment).order_by("-pk").first()


def newest() -> Checkpoint | None:
    """The one signed last; after a fork that need not be the largest."""
    return Checkpoint.objects.order_by("-pk").first()


def holding(index: int) -> Checkpoint:
    """The checkpoint that shows an entry to be in the log: the current one, or that of the moment looked at.

    While the signer refuses, it is one that was signed before; an entry that none holds can't be shown to be there.
    """
    then = newest() if moments.asked() else None
    if then and then.size > index:
        return then
    try:
        return current()
    except signer.LogLost:
        if (kept := Checkpoint.objects.filter(size__gt=index).order_by("size").first()) is None:
            raise
        return kept


@dataclass(frozen=True)
class Inclusion:
    index: int
    size: int
    root: bytes
    leaf_hash: bytes
    proof: list[bytes]
    body: bytes


def inclusions(indexes: list[int], *, size: int) -> list[Inclusion]:
    """Proofs that the entries at `indexes` are in the tree of `size` entries."""
    for index in indexes:
        if not 0 <= index < size:
            raise BadInput(f"There is no entry {index}: the tree holds entries 0 to {size - 1}.", where="index")
    nodes = ledger.nodes(size)
    root = nodes.root(0, size) if size else b""
    bodies = dict(Leaf.every.filter(index__in=indexes).values_list("index", "entry__body"))
    return [
        Inclusion(index, size, root, nodes.node(0, index), tiles.inclusion_proof(index, nodes), bytes(bodies[index]))
        for index in indexes
    ]
