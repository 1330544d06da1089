"""The Merkle tree of RFC 6962 and RFC 9162 over SHA-256: roots, proofs and an appendable frontier."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

HASH = 32
EMPTY_ROOT = sha256(b"").digest()


class InvalidProof(ValueError):
    """A proof that does not show what it is said to show."""


# a copy costs half of what a new one does
_NODE = sha256(b"\x01")


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    node = _NODE.copy()
    node.update(left + right)
    return node.digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """The root over the leaf hashes; of no leaves, SHA-256 of nothing."""
    level = list(leaf_hashes)
    while len(level) > 1:
        level = _parents(level)
    return level[0] if level else EMPTY_ROOT


def inclusion_proof(index: int, leaf_hashes: Sequence[bytes]) -> list[bytes]:
    """The siblings from the leaf at `index` up to the root over all `leaf_hashes`."""
    if not 0 <= index < len(leaf_hashes):
        raise InvalidProof(f"There is no leaf {index} in a tree of {len(leaf_hashes)}.")
    level, proof = list(leaf_hashes), []
    while len(level) > 1:
        if index ^ 1 < len(level):
            proof.append(level[index ^ 1])
        level, index = _parents(level), index >> 1
    return proof


def consistency_proof(size1: int, leaf_hashes: Sequence[bytes], size2: int | None = None) -> list[bytes]:
    """The nodes that show the first `size1` leaves to be the beginning of the first `size2` (or all)."""
    size2 = len(leaf_hashes) if size2 is None else size2
    if not 0 < size1 <= size2 <= len(leaf_hashes):
        raise InvalidProof(
            f"No consistency proof from {size1} to {size2} leaves of {len(leaf_hashes)}: "
            "the older size must be at least 1 and not above the newer one."
        )
    return _subproof(size1, leaf_hashes[:size2], whole=True)


def verify_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Raise InvalidProof unless `proof` leads from the leaf at `index` to `root`, that of `size` leaves."""
    _require_sizes(index, size)
    _require_hashes([leaf_hash, root], proof)
    if index >= size:
        raise InvalidProof(f"There is no leaf {index} in a tree of {size}.")
    node, last, computed = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise InvalidProof("The proof is longer than the tree is high.")
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            node, last = _climb_to_right_child(node, last)
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise InvalidProof("The proof is shorter than the tree is high.")
    if computed != root:
        raise InvalidProof("The proof leads to another root.")


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """Raise InvalidProof unless `proof` shows the tree (size1, root1) to be the beginning of (size2, root2).

    Every tree begins with the empty one, so a proof from size 0 would show nothing and is refused.
    """
    _require_sizes(size1, size2)
    _require_hashes([], proof)
    if not 0 < size1 <= size2:
        raise InvalidProof(f"There is no consistency proof from {size1} to {size2} leaves.")
    if size1 == size2:
        if proof or root1 != root2 or not isinstance(root1, bytes):
            raise InvalidProof("Trees of one size need equal roots and an empty proof.")
        return
    _require_hashes([root1, root2], [])
    if not proof:
        raise InvalidProof("The proof is empty.")
    _walk_consistency(size1, size2, root1, root2, proof)


def _walk_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    # A tree whose size is a power of two is itself the first node, and the proof leaves it out.
    first, *rest = [root1, *proof] if size1 & (size1 - 1) == 0 else proof
    node, last = size1 - 1, size2 - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = first
    for sibling in rest:
        if last == 0:
            raise InvalidProof("The proof is longer than the tree is high.")
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            node, last = _climb_to_right_child(node, last)
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise InvalidProof("The proof is shorter than the tree is high.")
    if old != root1:
        raise InvalidProof("The proof leads to another older root.")
    if new != root2:
        raise InvalidProof("The proof leads to another newer root.")


def frontier_append(frontier: Sequence[bytes], size: int, leaf_hash: bytes) -> list[bytes]:
    """The frontier after one more leaf.

    A frontier holds the root of each complete subtree, the largest first: one for every 1 bit of `size`.
    """
    _require_frontier(frontier, size)
    _require_hashes([leaf_hash], [])
    kept, node = list(frontier), leaf_hash
    while size & 1:
        node, size = node_hash(kept.pop(), node), size >> 1
    return [*kept, node]


def frontier_root(frontier: Sequence[bytes], size: int) -> bytes:
    """The root of the tree whose frontier this is."""
    _require_frontier(frontier, size)
    if not frontier:
        return EMPTY_ROOT
    *larger, node = frontier
    for left in reversed(larger):
        node = node_hash(left, node)
    return node


def _parents(level: list[bytes]) -> list[bytes]:
    parents = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
    return [*parents, level[-1]] if len(level) % 2 else parents


def _subproof(size: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162 §2.1.4.1; `whole` while the older tree's root needs no stating."""
    if size == len(leaves):
        return [] if whole else [root(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if size <= split:
        return [*_subproof(size, leaves[:split], whole=whole), root(leaves[split:])]
    return [*_subproof(size - split, leaves[split:], whole=False), root(leaves[:split])]


def _climb_to_right_child(node: int, last: int) -> tuple[int, int]:
    """Skip the levels on which a node on the right edge has no sibling."""
    while not node & 1 and node:
        node, last = node >> 1, last >> 1
    return node, last


def _require_sizes(*sizes: int) -> None:
    for size in sizes:
        if type(size) is not int or size < 0:
            raise InvalidProof(f"A size or index must be a whole number from 0 up, not {size!r}.")


def _require_hashes(hashes: Sequence[bytes], proof: Sequence[bytes]) -> None:
    if not isinstance(proof, (list, tuple)):
        raise InvalidProof(f"A proof must be a list of hashes, not {type(proof).__name__}.")
    for value in (*hashes, *proof):
        if not isinstance(value, bytes) or len(value) != HASH:
            raise InvalidProof(f"A hash must be {HASH} bytes, not {value!r}.")


def _require_frontier(frontier: Sequence[bytes], size: int) -> None:
    _require_sizes(size)
    _require_hashes(frontier, [])
    if len(frontier) != size.bit_count():
        raise InvalidProof(f"A frontier of {size} leaves holds {size.bit_count()} hashes, not {len(frontier)}.")
