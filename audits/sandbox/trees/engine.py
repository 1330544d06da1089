"""Exact values of an ensemble, by the engine that suits each tree."""

from typing import NamedTuple

import numpy as np

from audits.sandbox.models import Array
from audits.sandbox.trees import pairs, quadrature, tables
from audits.sandbox.trees.ensemble import LEAF, Ensemble, Unreadable
from audits.sandbox.trees.layout import Layout, layout, outputs

BLOCK = 8192
# What building a table costs, in rows of the engine that needs none
_TABLE_PER_WALK, _TABLE_PER_PAIRS = 1 / 4, 1 / 30


class Values(NamedTuple):
    """`values` (rows, features) and `base`: each row's sum and the base is the ensemble's output."""

    values: Array
    base: float


def explain(trees: Ensemble, rows: Array, background: Array | None) -> Values:
    """Shapley values of the ensemble's output for rows (n, features), as float64.

    With a background (b, features), those of the interventional game, over every background row; without,
    those of the path-dependent game, whose weights are the trees' cover. Exact up to rounding: additions
    of n and products of float64. Raises `Unreadable` where the trees do not allow it.
    """
    if background is None and not (trees.cover > 0).all():
        raise Unreadable("nodes that no training row reached")
    laid = layout(trees)
    usual = np.empty((trees.width, 0)) if background is None else np.ascontiguousarray(trees.read(background).T)
    values = np.empty(rows.shape)
    for first in range(0, len(rows), BLOCK):
        part = trees.read(rows[first : first + BLOCK])
        values[first : first + BLOCK] = _block(laid, part, usual)
    return Values(values, trees.offset + _base(laid, trees, usual))


def _block(laid: Layout, rows: Array, usual: Array) -> Array:
    columns, out, walked = np.ascontiguousarray(rows.T), np.zeros(rows.shape[::-1]), np.zeros(rows.shape)
    known, rules = usual.shape[1] > 0, tables.rules()
    tabled = _longest(len(rows), _TABLE_PER_PAIRS if known else _TABLE_PER_WALK)
    for first, last, deep in _runs(laid, tabled):
        if known or not deep:
            tables.add(laid, first, last, tabled, columns, usual, *rules, out)
        if known and deep:
            pairs.add(laid, first, last, tabled, columns, usual, pairs.shares(), out)
        elif deep:
            most = int(laid.distinct[laid.start[first] : laid.start[last]].max())
            quadrature.add(laid, first, last, np.ascontiguousarray(rows), *quadrature.points(most), walked)
    return np.asarray(out.T + walked)


def _longest(rows: int, cost: float) -> int:
    """Up to how many features on a path a table of 2^features lines is worth building for so many rows."""
    return max(at for at in range(tables.SINGLE + 1) if cost * at * 2**at <= rows)


def _runs(laid: Layout, tabled: int) -> list[tuple[int, int, bool]]:
    """Neighbouring trees alike in whether any path is too long for tables."""
    deep = np.maximum.reduceat(laid.distinct, laid.start[:-1]) > tabled
    edges = np.flatnonzero(np.diff(deep)) + 1
    starts = [0, *edges.tolist()]
    return [(a, b, bool(deep[a])) for a, b in zip(starts, [*edges.tolist(), len(deep)], strict=True)]


def _base(laid: Layout, trees: Ensemble, usual: Array) -> float:
    if usual.shape[1]:
        return float(outputs(laid, usual).mean())
    leaf = trees.feature == LEAF
    return float(np.sum(trees.value[leaf] * trees.cover[leaf] / _root_cover(laid, trees)[leaf]))


def _root_cover(laid: Layout, trees: Ensemble) -> Array:
    return np.asarray(np.repeat(trees.cover[trees.roots], np.diff(laid.start)))
