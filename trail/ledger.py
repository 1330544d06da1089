"""The append-only ledger: entries in, proofs out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from trail import merkle
from trail.canonical import canonical
from trail.errors import BadInput
from trail.models import Entry, Leaf, Tree

HASH = 32
MAX_BYTES = 65_535  # a tlog-tiles bundle holds an entry's length in 16 bits


def append(content: dict[str, Any]) -> Leaf:
    """Append one event in the caller's transaction. The tree's row is locked last, so it is held only to commit."""
    body = canonical(content)
    if len(body) > MAX_BYTES:
        sentence = (
            f"This would make an entry of {len(body):,} bytes in the trail; at most {MAX_BYTES:,} fit, so shorten it."
        )
        raise BadInput(sentence)
    entry = Entry(
        id=content["id"],
        type=content["type"],
        at=datetime.fromisoformat(content["at"]),
        actor_id=content["actor"]["id"],
        actor_name=content["actor"]["name"],
        subject_type=content["subject"]["type"],
        subject_id=content["subject"]["id"],
        subject_label=content["subject"]["label"],
        unit=content["unit"],
        reason=content["reason"],
        body=body,
    )
    entry.save(force_insert=True)
    tree, _ = Tree.objects.select_for_update().get_or_create(pk=1)
    hash_ = merkle.leaf_hash(body)
    leaf = Leaf(index=tree.size, entry=entry, hash=hash_)
    leaf.save(force_insert=True)
    tree.frontier = b"".join(merkle.frontier_append(_split(tree.frontier), tree.size, hash_))
    tree.size += 1
    tree.save()
    return leaf


def size_and_root() -> tuple[int, bytes]:
    tree = Tree.objects.filter(pk=1).first() or Tree()
    return tree.size, merkle.frontier_root(_split(tree.frontier), tree.size)


def leaf_hashes(size: int) -> list[bytes]:
    return [
        bytes(hash_) for hash_ in Leaf.objects.filter(index__lt=size).order_by("index").values_list("hash", flat=True)
    ]


def _split(frontier: bytes | memoryview) -> list[bytes]:
    whole = bytes(frontier)
    return [whole[start : start + HASH] for start in range(0, len(whole), HASH)]
