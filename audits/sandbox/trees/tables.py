"""Values of shallow leaves by lookup: the row's pattern of passed and failed features finds them in a table.

A leaf with d distinct features on its path sees of a row only which of them pass its tests: 2^d patterns.
Their values are computed once, for either game, and cost a row nothing but lookups, however large the
background (the idea of Nadel & Wettenstein, WOODELF, 2025). The leaves below a node share one table: it is found
by the pattern of the node's path and the outcomes of the tests below it.
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position, and numba finds their types
# mypy: disable-error-code="no-untyped-def, no-untyped-call, index"

import numpy as np

from audits.sandbox.models import Array
from audits.sandbox.trees.compiled import jit
from audits.sandbox.trees.layout import Layout

# bits of a pattern: a table has 2^bits rows
GROUPED, SINGLE = 9, 10
BLOCK = 512


def rules() -> tuple[Array, Array]:
    """Gauss-Legendre rules on (0, 1) of 1, 2, 3, … points laid end to end."""
    found = [np.polynomial.legendre.leggauss(count) for count in range(1, (SINGLE + 1) // 2 + 1)]
    nodes, weights = (np.concatenate(part) for part in zip(*found, strict=True))
    return (nodes + 1) / 2, weights / 2


@jit
def add(
    trees: Layout,
    first: int,
    last: int,
    deepest: int,
    columns: Array,
    background: Array,
    nodes: Array,
    weights: Array,
    out: Array,
) -> None:
    """Add the values of the trees `first` to `last` - 1 for columns (features, n) to `out` (features, n).

    `background` (features, b) chooses the interventional game; without rows, it is the path-dependent one.
    Leaves with more than `deepest` features on their path, at most SINGLE, are left out.
    """
    most = 1
    for tree in range(first, last):
        most = max(most, trees.start[tree + 1] - trees.start[tree])
    made = np.empty((most, max(BLOCK, background.shape[1])), dtype=np.uint8)
    usual = np.empty((most, background.shape[1]), dtype=np.uint8)
    for tree in range(first, last):
        begin, end = trees.start[tree], trees.start[tree + 1]
        groups = _groups(trees, begin, end, deepest)
        decide(trees, begin, end, background, 0, background.shape[1], usual)
        tables, features = _tables(trees, begin, groups, usual, nodes, weights)
        for at in range(0, columns.shape[1], BLOCK):
            count = min(BLOCK, columns.shape[1] - at)
            decide(trees, begin, end, columns, at, count, made)
            _look_up(trees, begin, groups, made, tables, features, at, count, out)


@jit
def decide(trees, begin, end, columns, at, count, made):
    """Whether each of `count` rows goes left at each inner node."""
    for node in range(begin, end):
        if trees.split[node] >= 0 and count:
            column, line = columns[trees.split[node], at : at + count], made[node - begin]
            threshold, missing = trees.threshold[node], np.uint8(trees.missing_left[node])
            for row in range(count):
                x = column[row]
                line[row] = missing if np.isnan(x) else np.uint8(x <= threshold)


@jit
def pattern(trees, begin, node, made, count, out):
    """Which features of the node's path each row passes: one bit each, by slot."""
    out[:count] = np.uint32((np.int64(1) << trees.distinct[node]) - 1)
    edge = node
    while trees.parent[edge] >= 0:
        line, side = made[trees.parent[edge] - begin], np.uint8(trees.is_right[edge])
        bit = np.uint32(np.int64(1) << trees.slot[edge])
        for row in range(count):
            # a row passes where it goes left at a left edge, right at a right one
            if line[row] == side:
                out[row] &= ~bit
        edge = trees.parent[edge]


@jit
def _groups(trees, begin, end, deepest):
    """The topmost nodes whose leaves fit one table: (node, bits, place of its table, place of its features)."""
    found = np.zeros((end - begin + 1, 4), dtype=np.int64)
    count, node, place, features = 0, begin, 0, 0
    while node < end:
        bits = trees.distinct[node] + (trees.size[node] - 1) // 2
        longest = trees.distinct[node : node + trees.size[node]].max()
        if longest > deepest or (bits > min(GROUPED, deepest + 1) and trees.size[node] > 1):
            node += 1
            continue
        found[count, 0], found[count, 1], found[count, 2], found[count, 3] = node, bits, place, features
        place, features, count = place + (bits << bits), features + bits, count + 1
        node += trees.size[node]
    # the last line holds the totals
    found[count, 2], found[count, 3] = place, features
    return found[: count + 1]


@jit
def _tables(trees, begin, groups, usual, nodes, weights):
    """For each group its features and, for each of them, its value by pattern."""
    tables = np.zeros(groups[-1, 2])
    features = np.full(groups[-1, 3], -1, dtype=np.int64)
    leaf = np.empty((1 << SINGLE) * SINGLE)
    work = np.empty((len(nodes) + 1) << SINGLE)
    for group in range(len(groups) - 1):
        top, bits = groups[group, 0], groups[group, 1]
        own = features[groups[group, 3] : groups[group, 3] + bits]
        _features(trees, top, own)
        table = tables[groups[group, 2] : groups[group, 2] + (bits << bits)]
        for node in range(top, top + trees.size[top]):
            if trees.split[node] < 0 and trees.distinct[node] > 0:
                if usual.shape[1]:
                    _interventional(trees, begin, node, usual, nodes, weights, work, leaf)
                else:
                    _path_dependent(trees, node, nodes, weights, work, leaf)
                _spread(trees, top, bits, node, leaf, own, table)
    return tables, features


@jit
def _features(trees, top, own):
    """The distinct features of the path to a group's top and of the tests in it; the rest stays -1."""
    edge = top
    while trees.parent[edge] >= 0:
        own[trees.slot[edge]] = trees.via[edge]
        edge = trees.parent[edge]
    count = trees.distinct[top]
    for node in range(top, top + trees.size[top]):
        if trees.split[node] >= 0:
            known = False
            for at in range(count):
                known = known or own[at] == trees.split[node]
            if not known:
                own[count] = trees.split[node]
                count += 1


@jit
def _path_dependent(trees, node, nodes, weights, work, leaf):
    """The values of one leaf's features for every pattern, by quadrature (see `quadrature`)."""
    d, lanes = trees.distinct[node], (trees.distinct[node] + 1) // 2
    at = _exact(d)
    rest = np.ones(d)
    edge = node
    while trees.parent[edge] >= 0:
        # the lowest edge of a feature holds its whole share, and the least
        rest[trees.slot[edge]] = min(rest[trees.slot[edge]], trees.rest[edge])
        edge = trees.parent[edge]
    leaf[: d << d] = 0.0
    for lane in range(lanes):
        t, weight = nodes[at + lane], weights[at + lane] * trees.value[node]
        work[0] = 1.0
        for slot in range(d):
            work[0] *= (1 - t) * rest[slot]
        for slot in range(d):
            half, ratio = 1 << slot, (t + (1 - t) * rest[slot]) / ((1 - t) * rest[slot])
            for low in range(half):
                work[half + low] = work[low] * ratio
        for slot in range(d):
            bit = 1 << slot
            fails, passes = -weight / (1 - t), weight * (1 - rest[slot]) / (t + (1 - t) * rest[slot])
            values = leaf[slot << d : (slot + 1) << d]
            for high in range(0, 1 << d, 2 * bit):
                for low in range(high, high + bit):
                    values[low] += fails * work[low]
                    values[low + bit] += passes * work[low + bit]


@jit
def _exact(d):
    """Where the rule for d features begins among the rules of 1, 2, 3, … points laid end to end."""
    lanes = (d + 1) // 2
    return lanes * (lanes - 1) // 2


@jit
def _interventional(trees, begin, node, usual, nodes, weights, work, leaf):
    """The values of one leaf's features for every pattern m, against the patterns b of the background.

    A mix of row and background reaches the leaf only if every feature passes in one of the two. With A the
    features that only the row passes, and B those it fails, feature j of A gets the integral of
    t^(|A|-1) (1-t)^|B|, and j of B minus that of t^|A| (1-t)^(|B|-1). A is what b fails; the sums over all b
    that go with m run over the subsets of m.
    """
    d, lanes, count = trees.distinct[node], (trees.distinct[node] + 1) // 2, usual.shape[1]
    at, size = _exact(d), 1 << d
    counted, sums = work[:size], work[size : 2 * size]
    found = np.empty(count, dtype=np.uint32)
    pattern(trees, begin, node, usual, count, found)
    counted[:] = 0.0
    for row in range(count):
        counted[size - 1 - np.int64(found[row])] += trees.value[node] / count
    leaf[: d << d] = 0.0
    power = np.empty((2, d + 1))
    for lane in range(lanes):
        t, weight = nodes[at + lane], weights[at + lane]
        power[0, 0] = power[1, 0] = 1.0
        for k in range(d):
            power[0, k + 1], power[1, k + 1] = power[0, k] * t, power[1, k] * (1 - t)
        for fails in range(size):
            sums[fails] = counted[fails] * power[0, _ones(fails)]
        for slot in range(d):
            _over_subsets(sums, slot, size)
        for slot in range(d):
            bit, values = 1 << slot, leaf[slot << d : (slot + 1) << d]
            for high in range(0, size, 2 * bit):
                for low in range(high, high + bit):
                    away = d - _ones(low)
                    values[low] -= weight * power[1, away - 1] * sums[low]
                    values[low + bit] += weight * power[1, away - 1] * (sums[low + bit] - sums[low]) / t


@jit
def _over_subsets(sums, slot, size):
    bit = 1 << slot
    for high in range(0, size, 2 * bit):
        for low in range(high, high + bit):
            sums[low + bit] += sums[low]


@jit
def _ones(bits):
    count = 0
    while bits:
        bits &= bits - 1
        count += 1
    return count


@jit
def _spread(trees, top, bits, node, leaf, own, table):
    """Add a leaf's values to its group's table, at every pattern of the group that means them."""
    d = trees.distinct[node]
    on, off, column = np.zeros(d, dtype=np.int64), np.zeros(d, dtype=np.int64), np.zeros(d, dtype=np.int64)
    _meanings(trees, top, node, own, on, off, column)
    for found in range(1 << bits):
        pattern = 0
        for slot in range(d):
            if found & on[slot] == on[slot] and found & off[slot] == 0:
                pattern |= 1 << slot
        for slot in range(d):
            table[(column[slot] << bits) + found] += leaf[(slot << d) + pattern]


@jit
def _meanings(trees, top, node, own, on, off, column):
    """For each feature of a leaf's path: the group's bits that must be 1 and 0 for it to pass, and its column."""
    for slot in range(trees.distinct[top]):
        on[slot] = 1 << slot
    edge = node
    while trees.parent[edge] >= 0:
        slot = trees.slot[edge]
        while own[column[slot]] != trees.via[edge]:
            column[slot] += 1
        if edge > top:
            bit = 1 << _test(trees, top, trees.parent[edge])
            if trees.is_right[edge]:
                off[slot] |= bit
            else:
                on[slot] |= bit
        edge = trees.parent[edge]


@jit
def _test(trees, top, node):
    """The bit of a test inside a group: tests follow the bits of the path, in preorder."""
    bit = trees.distinct[top]
    for before in range(top, node):
        bit += trees.split[before] >= 0
    return bit


@jit
def _look_up(trees, begin, groups, made, tables, features, at, count, out):
    found = np.empty(BLOCK, dtype=np.uint32)
    for group in range(len(groups) - 1):
        top, bits = groups[group, 0], groups[group, 1]
        pattern(trees, begin, top, made, count, found)
        place = trees.distinct[top]
        for node in range(top, top + trees.size[top]):
            if trees.split[node] >= 0:
                line, shift = made[node - begin], np.uint32(place)
                for row in range(count):
                    found[row] |= np.uint32(line[row]) << shift
                place += 1
        for slot in range(bits):
            feature = features[groups[group, 3] + slot]
            if feature >= 0:
                start = groups[group, 2] + (slot << bits)
                table, line_out = tables[start : start + (1 << bits)], out[feature, at : at + count]
                for row in range(count):
                    line_out[row] += table[found[row]]
