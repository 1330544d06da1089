"""Proofs from tiles (c2sp.org/tlog-tiles): the tree's hashes in runs of 256, so that a proof costs the log's logarithm.

Level 0 holds leaf hashes; the entries of level n + 1 are the roots of the complete tiles of level n. `read(level,
tile, width)` gives the first `width` hashes of a tile, complete or on the tree's right edge. Ranges are half open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from trail.merkle import EMPTY_ROOT, InvalidProof, node_hash

HEIGHT = 8
WIDTH = 1 << HEIGHT

Read = Callable[[int, int, int], list[bytes]]


class Nodes:
    """The nodes of the tree of `size` leaves, read a tile at a time and each tile once."""

    def __init__(self, size: int, read: Read) -> None:
        self.size, self._read = size, read
        # rows of each tile, from its entries up
        self._rows: dict[tuple[int, int], list[list[bytes]]] = {}

    def node(self, height: int, index: int) -> bytes:
        """The root of the complete subtree over leaves index·2^height and the next 2^height - 1."""
        level, rise = divmod(height, HEIGHT)
        tile = (index << rise) >> HEIGHT
        return self._tile(level, tile)[rise][index - (tile << (HEIGHT - rise))]

    def _tile(self, level: int, tile: int) -> list[list[bytes]]:
        if (level, tile) not in self._rows:
            width = min(WIDTH, (self.size >> (HEIGHT * level)) - tile * WIDTH)
            self._rows[level, tile] = pyramid(self._read(level, tile, width))
        return self._rows[level, tile]

    def root(self, start: int, end: int) -> bytes:
        """The root over leaves `start` to `end`, which begin where a subtree of that many leaves may begin."""
        count = end - start
        if count & (count - 1) == 0:
            height = count.bit_length() - 1
            return self.node(height, start >> height)
        split = start + (1 << (count - 1).bit_length() - 1)
        return node_hash(self.root(start, split), self.root(split, end))


def pyramid(hashes: list[bytes]) -> list[list[bytes]]:
    """Row upon row of the complete parents of `hashes`."""
    rows = [hashes]
    while len(rows[-1]) > 1:
        pairs = iter(rows[-1])
        rows.append(list(map(node_hash, pairs, pairs)))
    return rows


def root(size: int, read: Read) -> bytes:
    return Nodes(size, read).root(0, size) if size else EMPTY_ROOT


def inclusion_proof(index: int, nodes: Nodes) -> list[bytes]:
    """The siblings from the leaf at `index` up to the root (RFC 9162 §2.1.3.1)."""
    if not 0 <= index < nodes.size:
        raise InvalidProof(f"There is no leaf {index} in a tree of {nodes.size}.")
    proof, start, end = [], 0, nodes.size
    while end - start > 1:
        split = start + (1 << (end - start - 1).bit_length() - 1)
        if index < split:
            proof.append(nodes.root(split, end))
            end = split
        else:
            proof.append(nodes.root(start, split))
            start = split
    return proof[::-1]


def consistency_proof(size1: int, nodes: Nodes) -> list[bytes]:
    """The nodes that show the first `size1` leaves to be the beginning of the tree (RFC 9162 §2.1.4.1)."""
    if not 0 < size1 <= nodes.size:
        raise InvalidProof(f"No consistency proof from {size1} to {nodes.size} leaves.")
    return list(_subproof(size1, 0, nodes.size, nodes, whole=True))


def _subproof(size: int, start: int, end: int, nodes: Nodes, *, whole: bool) -> Iterator[bytes]:
    if size == end:
        if not whole:
            yield nodes.root(start, end)
        return
    split = start + (1 << (end - start - 1).bit_length() - 1)
    if size <= split:
        yield from _subproof(size, start, split, nodes, whole=whole)
        yield nodes.root(split, end)
    else:
        yield from _subproof(size, split, end, nodes, whole=False)
        yield nodes.root(start, split)
