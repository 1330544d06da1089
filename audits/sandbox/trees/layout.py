"""Trees in preorder, with what every path needs to know of itself."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position, and numba finds their types
# mypy: disable-error-code="no-untyped-def, no-untyped-call, index"

from typing import NamedTuple

import numpy as np

from audits.sandbox.models import Array
from audits.sandbox.trees.compiled import jit
from audits.sandbox.trees.ensemble import LEAF, Ensemble, Unreadable

MOST_DISTINCT = 32


class Layout(NamedTuple):
    """One place a node, each tree in preorder: the nodes below node i are i + 1 to i + size[i] - 1.

    The edge that leads to a node tests feature `via` and belongs to the node. `same` is the nearest edge
    above that tests the same feature, or -1; `distinct` counts the features tested on the way and `slot`
    numbers them. `rest` is the product of the cover ratios of a node's edge and those above it with the
    same feature: the share of the training data that takes them.
    """

    start: Array
    parent: Array
    size: Array
    depth: Array
    is_right: Array
    via: Array
    same: Array
    slot: Array
    distinct: Array
    rest: Array
    split: Array
    threshold: Array
    missing_left: Array
    value: Array


def layout(trees: Ensemble) -> Layout:
    """Refuses nodes that are no trees (shared or circular) and paths of more features than bits."""
    count = len(trees.feature)
    ends = np.append(trees.roots[1:], count)
    whole = {name: np.zeros(count, dtype=np.int64) for name in ("origin", *Layout._fields[1:9])}
    if not _preorder(trees.roots, ends, trees.feature, trees.left, trees.right, *whole.values()):
        raise Unreadable("nodes that form no tree")
    origin, distinct = whole.pop("origin"), whole["distinct"]
    if (np.bincount(origin) != 1).any():
        raise Unreadable("nodes that form no tree")
    if distinct.max(initial=0) > MOST_DISTINCT:
        raise Unreadable("paths of too many features")
    cover = trees.cover[origin]
    rest = np.ones(count)
    _rests(cover, whole["parent"], whole["same"], rest)
    return Layout(
        start=np.append(trees.roots, count),
        rest=rest,
        split=trees.feature[origin],
        threshold=trees.threshold[origin],
        missing_left=trees.missing_left[origin],
        value=trees.value[origin],
        **whole,
    )


@jit
def _preorder(roots, ends, feature, left, right, origin, parent, size, depth, is_right, via, same, slot, distinct):
    stack = np.empty((3, len(feature) + 1), dtype=np.int64)
    for tree in range(len(roots)):
        at, end, top = roots[tree], ends[tree], 1
        stack[0, 0], stack[1, 0], stack[2, 0] = roots[tree], -1, 0
        while top:
            top -= 1
            node, above, side = stack[0, top], stack[1, top], stack[2, top]
            if at == end:
                return False
            origin[at], parent[at], is_right[at], size[at] = node, above, side, 1
            _path(at, above, feature[origin[above]] if above >= 0 else LEAF, parent, depth, via, same, slot, distinct)
            if feature[node] != LEAF:
                if top + 2 > len(feature):
                    return False
                stack[0, top], stack[1, top], stack[2, top] = right[node], at, 1
                stack[0, top + 1], stack[1, top + 1], stack[2, top + 1] = left[node], at, 0
                top += 2
            at += 1
        if at != end:
            return False
        for node in range(end - 1, roots[tree], -1):
            size[parent[node]] += size[node]
    return True


@jit
def _path(at, above, tested, parent, depth, via, same, slot, distinct):
    via[at], same[at], slot[at] = tested, -1, -1
    if above < 0:
        return
    depth[at] = depth[above] + 1
    edge = above
    while edge >= 0 and via[edge] != tested:
        edge = parent[edge]
    same[at] = edge
    distinct[at] = distinct[above] + (edge < 0)
    slot[at] = distinct[above] if edge < 0 else slot[edge]


@jit
def _rests(cover, parent, same, rest):
    for node in range(len(cover)):
        if parent[node] >= 0:
            rest[node] = cover[node] / cover[parent[node]]
            if same[node] >= 0:
                rest[node] *= rest[same[node]]


@jit
def outputs(trees: Layout, columns: Array) -> Array:
    """The sum of the trees for columns (features, n)."""
    found = np.zeros(columns.shape[1])
    for row in range(columns.shape[1]):
        for tree in range(len(trees.start) - 1):
            node = trees.start[tree]
            while trees.split[node] >= 0:
                x = columns[trees.split[node], row]
                left = trees.missing_left[node] if np.isnan(x) else x <= trees.threshold[node]
                node += 1 if left else 1 + trees.size[node + 1]
            found[row] += trees.value[node]
    return found
