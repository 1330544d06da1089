"""Proofs read from tiles are those of the whole tree, at the log's logarithm of reads."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trail import merkle, tiles

LEAVES = [sha256(b"%d" % number).digest() for number in range(70_000)]


class Log:
    """Complete tiles and a right edge over the first `size` leaves, and a count of the reads."""

    def __init__(self, size: int) -> None:
        self.size, self.levels, self.reads = size, [LEAVES[:size]], 0
        while len(below := self.levels[-1]) >= tiles.WIDTH:
            whole = len(below) - len(below) % tiles.WIDTH
            self.levels.append([merkle.root(below[at : at + tiles.WIDTH]) for at in range(0, whole, tiles.WIDTH)])

    def read(self, level: int, tile: int, width: int) -> list[bytes]:
        self.reads += 1
        found = self.levels[level][tile * tiles.WIDTH : tile * tiles.WIDTH + width]
        assert len(found) == width
        return found


LOG = Log(70_000)


@given(st.integers(1, 1500).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
@settings(deadline=None, max_examples=150)
def test_inclusion_proofs_and_roots_equal_those_of_the_whole_tree(case: tuple[int, int]) -> None:
    size, index = case
    nodes = tiles.Nodes(size, LOG.read)
    assert nodes.root(0, size) == merkle.root(LEAVES[:size]) == tiles.root(size, LOG.read)
    assert tiles.inclusion_proof(index, nodes) == merkle.inclusion_proof(index, LEAVES[:size])


@given(st.integers(1, 1500).flatmap(lambda size: st.tuples(st.just(size), st.integers(1, size))))
@settings(deadline=None, max_examples=150)
def test_consistency_proofs_equal_those_of_the_whole_tree(case: tuple[int, int]) -> None:
    size2, size1 = case
    found = tiles.consistency_proof(size1, tiles.Nodes(size2, LOG.read))
    assert found == merkle.consistency_proof(size1, LEAVES[:size2])


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 69_999])
def test_a_tree_of_three_levels_is_proven_in_a_handful_of_reads(size: int) -> None:
    log = Log(size)
    root = merkle.root(LEAVES[:size])
    for index in (0, 255, 256, 65_534, size - 1):
        log.reads = 0
        proof = tiles.inclusion_proof(index, tiles.Nodes(size, log.read))
        merkle.verify_inclusion(index, size, LEAVES[index], proof, root)
        assert log.reads <= 6


def test_what_is_not_in_the_tree_is_not_proven() -> None:
    with pytest.raises(merkle.InvalidProof, match="There is no leaf 5 in a tree of 5"):
        tiles.inclusion_proof(5, tiles.Nodes(5, LOG.read))
    with pytest.raises(merkle.InvalidProof, match="No consistency proof from 0 to 5"):
        tiles.consistency_proof(0, tiles.Nodes(5, LOG.read))
    assert tiles.root(0, LOG.read) == merkle.EMPTY_ROOT
