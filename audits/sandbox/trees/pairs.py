"""Interventional values of deep leaves, from each pair of a row and a background row.

A leaf with many features on its path has too many patterns for a table, but few background rows go with a
row: those that pass every feature it fails. The others are skipped many at a time.
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position, and numba finds their types
# mypy: disable-error-code="no-untyped-def, no-untyped-call, index"

import math

import numpy as np

from audits.sandbox.models import Array
from audits.sandbox.trees.compiled import jit
from audits.sandbox.trees.layout import MOST_DISTINCT, Layout
from audits.sandbox.trees.tables import BLOCK, decide, pattern


def shares() -> Array:
    """The Shapley value of one of a features that must be known where b must not be: (a-1)! b! / (a+b)!"""
    most = MOST_DISTINCT + 1
    found = np.zeros((most, most))
    for a in range(1, most):
        for b in range(most):
            found[a, b] = math.factorial(a - 1) * math.factorial(b) / math.factorial(a + b)
    return found


@jit
def add(
    trees: Layout, first: int, last: int, shallow: int, columns: Array, background: Array, share: Array, out: Array
) -> None:
    """Add the values of leaves with more than `shallow` features, for columns (features, n), to `out` (features, n)."""
    most, usual_count = 1, background.shape[1]
    for tree in range(first, last):
        most = max(most, trees.start[tree + 1] - trees.start[tree])
    made = np.empty((most, BLOCK), dtype=np.uint8)
    usual = np.empty((most, usual_count), dtype=np.uint8)
    theirs, ours = np.empty(usual_count, dtype=np.uint32), np.empty(BLOCK, dtype=np.uint32)
    for tree in range(first, last):
        begin, end = trees.start[tree], trees.start[tree + 1]
        if trees.distinct[begin:end].max() <= shallow:
            continue
        decide(trees, begin, end, background, 0, usual_count, usual)
        for at in range(0, columns.shape[1], BLOCK):
            count = min(BLOCK, columns.shape[1] - at)
            decide(trees, begin, end, columns, at, count, made)
            for node in range(begin, end):
                if trees.split[node] < 0 and trees.distinct[node] > shallow:
                    pattern(trees, begin, node, usual, usual_count, theirs)
                    pattern(trees, begin, node, made, count, ours)
                    _leaf(trees, node, theirs, ours[:count], share, out[:, at : at + count])


@jit
def _leaf(trees, node, theirs, ours, share, out):
    """One leaf's values for each row: its features only the row passes gain, those it fails lose."""
    d = trees.distinct[node]
    full = np.uint32((np.int64(1) << d) - 1)
    feature, got = np.empty(d, dtype=np.int64), np.empty(d)
    edge = node
    while trees.parent[edge] >= 0:
        feature[trees.slot[edge]] = trees.via[edge]
        edge = trees.parent[edge]
    value = trees.value[node] / len(theirs)
    for row in range(len(ours)):
        mine, met = ours[row], 0
        for at in range(len(theirs)):
            # what the background fails, the row must pass
            met += int((full & ~theirs[at] & ~mine) == 0)
        if met:
            _row(mine, full, theirs, share, d, got)
            for slot in range(d):
                out[feature[slot], row] += value * got[slot]


@jit
def _row(mine, full, theirs, share, d, got):
    away, lost = _ones(full & ~mine), 0.0
    got[:] = 0.0
    for at in range(len(theirs)):
        needed = full & ~theirs[at]
        if needed & ~mine == 0:
            known = _ones(needed)
            gain = share[known, away]
            lost += share[away, known]
            for slot in range(d):
                if needed >> np.uint32(slot) & np.uint32(1):
                    got[slot] += gain
    for slot in range(d):
        if not mine >> np.uint32(slot) & np.uint32(1):
            got[slot] -= lost


@jit
def _ones(bits):
    count = 0
    while bits:
        bits &= bits - np.uint32(1)
        count += 1
    return count
