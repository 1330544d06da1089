"""RFC 6962 trees: vectors written elsewhere, every small tree in full, and what must be refused."""

from __future__ import annotations

import json
from base64 import b64decode
from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trail import merkle

VECTORS = Path(__file__).parent.parent / "data" / "merkle"
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(40)]
ROOTS = [merkle.root(LEAVES[:size]) for size in range(41)]


def vectors(kind: str) -> list[Any]:
    return [pytest.param(vector, id=vector["desc"]) for vector in json.loads((VECTORS / kind).read_text())]


def hashes(encoded: list[str] | None) -> list[bytes]:
    return [b64decode(text) for text in encoded or []]


def outcome(refused: bool) -> AbstractContextManager[object]:
    return pytest.raises(merkle.InvalidProof) if refused else nullcontext()


@pytest.mark.parametrize("vector", vectors("inclusion.json"))
def test_inclusion_vector(vector: dict[str, Any]) -> None:
    leaf, root = hashes([vector["leafHash"] or "", vector["root"] or ""])
    with outcome(vector["wantErr"]):
        merkle.verify_inclusion(vector["leafIdx"], vector["treeSize"], leaf, hashes(vector["proof"]), root)


@pytest.mark.parametrize("vector", vectors("consistency.json"))
def test_consistency_vector(vector: dict[str, Any]) -> None:
    root1, root2 = hashes([vector["root1"] or "", vector["root2"] or ""])
    with outcome(vector["wantErr"]):
        merkle.verify_consistency(vector["size1"], vector["size2"], root1, root2, hashes(vector["proof"]))


def test_known_hashes() -> None:
    assert merkle.root([]) == sha256(b"").digest()
    assert merkle.leaf_hash(b"") == sha256(b"\0").digest()
    assert merkle.root(LEAVES[:2]) == sha256(b"\1" + LEAVES[0] + LEAVES[1]).digest()


def rfc_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, written as the RFC writes it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\1" + rfc_root(leaves[:split]) + rfc_root(leaves[split:])).digest()


@pytest.mark.parametrize("size", range(41))
def test_every_proof_of_a_small_tree(size: int) -> None:
    leaves = LEAVES[:size]
    assert ROOTS[size] == rfc_root(leaves)
    for index in range(size):
        proof = merkle.inclusion_proof(index, leaves)
        merkle.verify_inclusion(index, size, LEAVES[index], proof, ROOTS[size])
    for older in range(1, size + 1):
        proof = merkle.consistency_proof(older, LEAVES, size)
        assert proof == merkle.consistency_proof(older, leaves)
        merkle.verify_consistency(older, size, ROOTS[older], ROOTS[size], proof)


def test_the_frontier_has_the_same_root() -> None:
    frontier: list[bytes] = []
    for size, leaf in enumerate(LEAVES):
        assert merkle.frontier_root(frontier, size) == ROOTS[size]
        frontier = merkle.frontier_append(frontier, size, leaf)
    with pytest.raises(merkle.InvalidProof, match="holds 1 hashes, not 2"):
        merkle.frontier_append(frontier, 32, LEAVES[0])


@given(st.data())
def test_no_altered_inclusion_proof_verifies(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 40))
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, LEAVES[:size])
    parts = [LEAVES[index], ROOTS[size], *proof]
    altered = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    parts[altered] = (int.from_bytes(parts[altered]) ^ 1 << bit).to_bytes(32)
    leaf, root, *siblings = parts
    with pytest.raises(merkle.InvalidProof):
        merkle.verify_inclusion(index, size, leaf, siblings, root)


@given(st.data())
def test_no_altered_consistency_proof_verifies(data: st.DataObject) -> None:
    newer = data.draw(st.integers(2, 40))
    older = data.draw(st.integers(1, newer - 1))
    parts = [ROOTS[older], ROOTS[newer], *merkle.consistency_proof(older, LEAVES, newer)]
    altered = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    parts[altered] = (int.from_bytes(parts[altered]) ^ 1 << bit).to_bytes(32)
    root1, root2, *proof = parts
    with pytest.raises(merkle.InvalidProof):
        merkle.verify_consistency(older, newer, root1, root2, proof)


@pytest.mark.parametrize("index", range(13))
def test_a_proof_fits_no_other_place_length_or_order(index: int) -> None:
    proof, root = merkle.inclusion_proof(index, LEAVES[:13]), ROOTS[13]
    for other in set(range(13)) - {index}:
        with pytest.raises(merkle.InvalidProof):
            merkle.verify_inclusion(other, 13, LEAVES[index], proof, root)
    for wrong in (proof[:-1], proof[1:], [*proof, root], [root, *proof], proof[::-1]):
        with pytest.raises(merkle.InvalidProof):
            merkle.verify_inclusion(index, 13, LEAVES[index], wrong, root)


def test_a_node_does_not_pass_for_a_leaf() -> None:
    """Without the two prefixes an inner node could be given out as an entry."""
    node = merkle.root(LEAVES[:2])
    proof = merkle.inclusion_proof(0, LEAVES[:4])[1:]
    with pytest.raises(merkle.InvalidProof):
        merkle.verify_inclusion(0, 4, node, proof, ROOTS[4])


@pytest.mark.parametrize(
    "arguments",
    [
        (True, 4, LEAVES[0], [], ROOTS[4]),
        (0.0, 4, LEAVES[0], [], ROOTS[4]),
        (-1, 4, LEAVES[0], [], ROOTS[4]),
        (4, 4, LEAVES[0], [], ROOTS[4]),
        (0, 0, LEAVES[0], [], ROOTS[0]),
        (0, 1, LEAVES[0].hex(), [], LEAVES[0].hex()),
        (0, 1, LEAVES[0][:31], [], LEAVES[0][:31]),
        (0, 1, LEAVES[0], None, LEAVES[0]),
        (0, 2, LEAVES[0], LEAVES[1], ROOTS[2]),
        (0, 2, LEAVES[0], [LEAVES[1].hex()], ROOTS[2]),
    ],
)
def test_wrong_types_lengths_and_ranges_are_invalid_proofs(arguments: Any) -> None:
    with pytest.raises(merkle.InvalidProof):
        merkle.verify_inclusion(*arguments)


@pytest.mark.parametrize("sizes", [(0, 0), (0, 5), (6, 5), (-1, 5), (True, 5)])
def test_no_consistency_from_nothing_or_backwards(sizes: tuple[int, int]) -> None:
    older, newer = sizes
    with pytest.raises(merkle.InvalidProof):
        merkle.verify_consistency(older, newer, ROOTS[max(older, 0)], ROOTS[newer], [])
    with pytest.raises(merkle.InvalidProof):
        merkle.verify_consistency(older, newer, ROOTS[5], ROOTS[5], [])


@pytest.mark.parametrize(("size1", "size2"), [(0, 5), (6, 5), (3, 41)])
def test_no_proof_is_made_for_sizes_that_have_none(size1: int, size2: int) -> None:
    with pytest.raises(merkle.InvalidProof):
        merkle.consistency_proof(size1, LEAVES, size2)
    with pytest.raises(merkle.InvalidProof):
        merkle.inclusion_proof(size2, LEAVES[:size2])


def test_equal_sizes_need_equal_roots() -> None:
    merkle.verify_consistency(5, 5, ROOTS[5], ROOTS[5], [])
    with pytest.raises(merkle.InvalidProof):
        merkle.verify_consistency(5, 5, ROOTS[5], ROOTS[6], [])
    with pytest.raises(merkle.InvalidProof):
        merkle.verify_consistency(5, 5, None, None, [])  # type: ignore[arg-type]
