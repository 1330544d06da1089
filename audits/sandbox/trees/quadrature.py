"""Path-dependent values of trees of any depth, by exact quadrature.

In this game a leaf of value v counts v times the product, over the features on its path, of 1 or 0 (a known
feature whose tests the row passes or fails) or of the share of the training data that passes them (an
unknown feature). The Shapley value of feature j is then the integral over t in (0, 1) of
v (m_j - r_j) times the product over the other features k of t m_k + (1 - t) r_k, a polynomial in t of a
degree below the number of features: Gauss-Legendre quadrature with half as many points has no error but
rounding. Sums over the leaves below an edge are shared, so a row costs a few operations a node and point
(the edge form of Yu, Xu, Bifet & Read, Linear TreeShap, NeurIPS 2022).
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position, and numba finds their types
# mypy: disable-error-code="no-untyped-def, no-untyped-call, index"

import numpy as np

from audits.sandbox.models import Array
from audits.sandbox.trees.compiled import jit
from audits.sandbox.trees.layout import Layout

# points in one pass, as many as a vector register holds: exact for 16 features on a path; each further pass for 16 more
LANES = 8


def points(distinct: int) -> tuple[Array, Array]:
    """Nodes and weights on (0, 1), one line a pass, exact for paths of so many distinct features."""
    count = LANES * -(-max(1, distinct) // (2 * LANES))
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return ((nodes + 1) / 2).reshape(-1, LANES), (weights / 2).reshape(-1, LANES)


@jit
def add(trees: Layout, first: int, last: int, rows: Array, nodes: Array, weights: Array, out: Array) -> None:
    """Add the values of the trees `first` to `last` - 1 for rows (n, features) to `out` (n, features)."""
    most, deepest = 1, 1
    for tree in range(first, last):
        most = max(most, trees.start[tree + 1] - trees.start[tree])
        for node in range(trees.start[tree], trees.start[tree + 1]):
            deepest = max(deepest, trees.depth[node])
    # by edge and outcome, by level of the walk: lines of LANES numbers
    factor, gain = np.empty((2 * most, LANES)), np.empty((2 * most, LANES))
    product, total = np.ones((deepest + 1, LANES)), np.zeros((deepest + 1, LANES))
    chain, state = np.empty(deepest + 1, dtype=np.int64), np.empty(most, dtype=np.int64)
    for tree in range(first, last):
        begin, end = trees.start[tree], trees.start[tree + 1]
        for half in range(len(nodes)):
            _edges(trees, begin, end, nodes[half], weights[half], factor, gain)
            for row in range(len(rows)):
                _walk(trees, begin, end, rows, row, factor, gain, product, total, chain, state, out)


@jit
def _edges(trees, begin, end, nodes, weights, factor, gain):
    """For each edge whose feature was passed above it: by what the product changes, and what the edge's sum gives.

    The first line for a row that fails the edge's test, the second for one that passes it.
    """
    for edge in range(begin + 1, end):
        above, rest, fails = trees.same[edge], trees.rest[edge], 2 * (edge - begin)
        before = trees.rest[above] if above >= 0 else 1.0
        for lane in range(LANES):
            t, weight = nodes[lane], weights[lane]
            was, passed = t + (1 - t) * before, t + (1 - t) * rest
            known = weight * (1 - before) / was
            factor[fails, lane], factor[fails + 1, lane] = (1 - t) * rest / was, passed / was
            gain[fails, lane] = -weight / (1 - t) - known
            gain[fails + 1, lane] = weight * (1 - rest) / passed - known


@jit
def _walk(trees, begin, end, rows, row, factor, gain, product, total, chain, state, out):
    """Visit the nodes in preorder; close an edge, with its sum complete, when the walk leaves what is below it."""
    depth = 0
    for edge in range(begin + 1, end):
        above, parent, same = trees.depth[edge] - 1, trees.parent[edge], trees.same[edge]
        while depth > above:
            below = chain[depth]
            out[row, trees.via[below]] += _close(state[below - begin], below - begin, depth, gain, total)
            depth -= 1
        x = rows[row, trees.split[parent]]
        left = trees.missing_left[parent] if np.isnan(x) else x <= trees.threshold[parent]
        # 0: the feature failed above; 1: it fails here; 2: it passes
        now, ratio = 0, 0.0
        if same < 0 or state[same - begin] == 2:
            now = 1 + (left != trees.is_right[edge])
        else:
            ratio = trees.rest[edge] / trees.rest[same]
        line = 2 * (edge - begin) + now - 1
        if trees.split[edge] >= 0:
            depth = above + 1
            state[edge - begin], chain[depth] = now, edge
            total[depth] = 0.0
            if now:
                _multiply(factor, line, product, above, depth)
            else:
                _scale(ratio, product, above, depth)
        elif now:
            out[row, trees.via[edge]] += _leaf(trees.value[edge], factor, gain, line, product, total, above)
        else:
            _add_scaled(trees.value[edge] * ratio, product, above, total, above)
    while depth > 0:
        below = chain[depth]
        out[row, trees.via[below]] += _close(state[below - begin], below - begin, depth, gain, total)
        depth -= 1


@jit
def _close(now, edge, depth, gain, total):
    """Add an edge's sum to the level above; return what it gives to the edge's own feature."""
    _add_scaled(1.0, total, depth, total, depth - 1)
    return _dot(gain, 2 * edge + now - 1, total, depth) if now else 0.0


# Lines are read whole before they are written, so that they run in one register.


@jit
def _multiply(x, i, y, j, k):
    a, b, c, d = x[i, 0] * y[j, 0], x[i, 1] * y[j, 1], x[i, 2] * y[j, 2], x[i, 3] * y[j, 3]
    e, f, g, h = x[i, 4] * y[j, 4], x[i, 5] * y[j, 5], x[i, 6] * y[j, 6], x[i, 7] * y[j, 7]
    y[k, 0], y[k, 1], y[k, 2], y[k, 3], y[k, 4], y[k, 5], y[k, 6], y[k, 7] = a, b, c, d, e, f, g, h


@jit
def _scale(v, y, j, k):
    a, b, c, d = v * y[j, 0], v * y[j, 1], v * y[j, 2], v * y[j, 3]
    e, f, g, h = v * y[j, 4], v * y[j, 5], v * y[j, 6], v * y[j, 7]
    y[k, 0], y[k, 1], y[k, 2], y[k, 3], y[k, 4], y[k, 5], y[k, 6], y[k, 7] = a, b, c, d, e, f, g, h


@jit
def _add_scaled(v, x, i, y, j):
    a, b, c, d = y[j, 0] + v * x[i, 0], y[j, 1] + v * x[i, 1], y[j, 2] + v * x[i, 2], y[j, 3] + v * x[i, 3]
    e, f, g, h = y[j, 4] + v * x[i, 4], y[j, 5] + v * x[i, 5], y[j, 6] + v * x[i, 6], y[j, 7] + v * x[i, 7]
    y[j, 0], y[j, 1], y[j, 2], y[j, 3], y[j, 4], y[j, 5], y[j, 6], y[j, 7] = a, b, c, d, e, f, g, h


@jit
def _dot(x, i, y, j):
    a, b, c, d = x[i, 0] * y[j, 0], x[i, 1] * y[j, 1], x[i, 2] * y[j, 2], x[i, 3] * y[j, 3]
    e, f, g, h = x[i, 4] * y[j, 4], x[i, 5] * y[j, 5], x[i, 6] * y[j, 6], x[i, 7] * y[j, 7]
    return ((a + e) + (b + f)) + ((c + g) + (d + h))


@jit
def _leaf(v, factor, gain, i, product, total, j):
    """A leaf's line joins the sum of its parent; return what its own edge gives."""
    x, p, share = factor, product, 0.0
    a, b, c, d = x[i, 0] * p[j, 0], x[i, 1] * p[j, 1], x[i, 2] * p[j, 2], x[i, 3] * p[j, 3]
    e, f, g, h = x[i, 4] * p[j, 4], x[i, 5] * p[j, 5], x[i, 6] * p[j, 6], x[i, 7] * p[j, 7]
    share += (a * gain[i, 0] + e * gain[i, 4]) + (b * gain[i, 1] + f * gain[i, 5])
    share += (c * gain[i, 2] + g * gain[i, 6]) + (d * gain[i, 3] + h * gain[i, 7])
    t = total
    a, b, c, d = t[j, 0] + v * a, t[j, 1] + v * b, t[j, 2] + v * c, t[j, 3] + v * d
    e, f, g, h = t[j, 4] + v * e, t[j, 5] + v * f, t[j, 6] + v * g, t[j, 7] + v * h
    t[j, 0], t[j, 1], t[j, 2], t[j, 3], t[j, 4], t[j, 5], t[j, 6], t[j, 7] = a, b, c, d, e, f, g, h
    return v * share
