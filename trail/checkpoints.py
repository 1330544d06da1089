"""Signed checkpoints of the tree, and proofs against them."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from trail import keys, ledger, merkle, notes
from trail.errors import BadInput
from trail.models import Checkpoint, Leaf


def current() -> Checkpoint:
    """The checkpoint of the tree as it is now; signed if nobody has asked since the last entry."""
    size, root = ledger.size_and_root()
    if (kept := Checkpoint.objects.filter(size=size).first()) is not None:
        return kept
    text = notes.checkpoint_text(settings.LOG_ORIGIN, size, root)
    note = notes.sign_note(text, name=settings.LOG_ORIGIN, private_key=keys.signing_key())
    try:
        with transaction.atomic():
            return Checkpoint.objects.create(size=size, root=root, note=note, signed_at=timezone.now())
    except IntegrityError:  # another request signed the same size meanwhile
        return Checkpoint.objects.get(size=size)


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
    hashes = ledger.leaf_hashes(size)
    root = merkle.root(hashes)
    bodies = dict(Leaf.objects.filter(index__in=indexes).values_list("index", "entry__body"))
    for index in indexes:
        if not 0 <= index < size:
            raise BadInput(f"There is no entry {index}: the tree holds entries 0 to {size - 1}.", where="index")
    return [
        Inclusion(index, size, root, hashes[index], merkle.inclusion_proof(index, hashes), bytes(bodies[index]))
        for index in indexes
    ]
