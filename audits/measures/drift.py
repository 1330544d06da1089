"""How far a current sample of a column lies from a reference sample: PSI, chi-square, Jensen-Shannon, KS, Wasserstein.

Sources: PSI is the symmetrised Kullback-Leibler divergence (Jeffreys 1946) of binned shares; Lin, IEEE Transactions on
Information Theory 37 (1991) 145-151 (Jensen-Shannon); Cramér 1946 (V); Vallender 1974 (Wasserstein-1 as the area
between distribution functions).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from audits.measures import drift_thresholds as thresholds
from audits.measures import sketch
from audits.measures.errors import Unmeasurable
from audits.measures.inputs import require_whole
from audits.measures.intervals import newcombe
from audits.measures.sketch import Sketch, bounds

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

MOST_CATEGORIES = 50
SHOWN = 20
LEAST_EXPECTED = 5  # Cochran's rule for chi-square
OTHERS, UNSEEN = "(other categories)", "(unseen in the reference)"


@dataclass(frozen=True)
class Binned:
    """Both samples counted in the same bins: `edges` cut numbers (each bin closed on the right, the outer ones open),
    or `categories` name them. `slack` holds how many rows each bin may hold at least and at most, where the sketch was
    too coarse for the edges: four (bins,) arrays, reference then current."""

    reference: Counts
    current: Counts
    edges: list[float] | None = None
    categories: list[str] | None = None
    slack: tuple[Counts, Counts, Counts, Counts] | None = None


# ---- measures of counts in bins


def psi(reference: Any, current: Any) -> float:
    """Population stability index, sum of (a - e) ln(a / e) over the bins' shares; counts (bins,) of each sample.

    A bin that is empty in one sample counts as half a row there, for else PSI would be infinite; empty in both, it adds
    nothing. The same formula on a characteristic is called CSI.
    """
    e, a = _filled(reference, current)
    return float(((a - e) * np.log(a / e)).sum())


def _filled(reference: Any, current: Any) -> tuple[Floats, Floats]:
    e, a = (_counts(counts) for counts in (reference, current))
    kept = (e + a) > 0
    e, a = (np.where(counts > 0, counts, 0.5) / counts.sum() for counts in (e, a))
    return e[kept], a[kept]


def _counts(counts: Any) -> Floats:
    array = np.asarray(counts, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all() or (array < 0).any() or array.sum() <= 0:
        raise Unmeasurable(param="counts", sentence="counts hold no rows, or fewer than none; pass counts of bins.")
    return array


def jensen_shannon(reference: Any, current: Any) -> dict[str, float]:
    """Divergence in bits (logarithms to base 2, so from 0 to 1), and the distance, its square root."""
    e, a = (_counts(counts) for counts in (reference, current))
    e, a = e / e.sum(), a / a.sum()
    mean = (e + a) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(x > 0, x * np.log2(x / mean), 0.0).sum() for x in (e, a)]
    divergence = float(np.clip(sum(parts) / 2, 0, 1))
    return {"divergence": divergence, "distance": sqrt(divergence)}


def chi_square(reference: Any, current: Any) -> dict[str, float | int | None]:
    """Pearson's chi-square of homogeneity of two rows of counts, without continuity correction, and Cramér's V."""
    table = np.array([_counts(reference), _counts(current)])
    table = table[:, table.sum(axis=0) > 0]
    df = table.shape[1] - 1
    if df == 0:
        return {"value": None, "df": 0, "p": None, "cramers_v": None}
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    value = float(((table - expected) ** 2 / expected).sum())
    p = float(stats.chi2.sf(value, df))
    return {"value": value, "df": df, "p": p, "cramers_v": sqrt(value / float(table.sum()))}


def psi_test(reference: Counts, current: Counts, alpha: float) -> dict[str, Any]:
    """PSI held against what chance does. Bins with fewer than five rows to be expected in the smaller sample are put
    together first, since the distribution of PSI is known for well-filled bins only."""
    n, m = int(reference.sum()), int(current.sum())
    expected = (reference + current) / (n + m) * min(n, m)
    order = np.argsort(expected, kind="stable")
    sparse = int((expected < LEAST_EXPECTED).sum())
    while 0 < sparse < len(order) and expected[order[:sparse]].sum() < LEAST_EXPECTED:
        sparse += 1
    kept = [np.append(counts[order[sparse:]], counts[order[:sparse]].sum()) for counts in (reference, current)]
    bins = int(((kept[0] + kept[1]) > 0).sum())
    value = psi(*kept)
    return {
        "bins": bins,
        "psi": value,
        "critical": thresholds.psi_critical(n, m, bins, alpha),
        "p": thresholds.psi_p(value, n, m, bins),
    }


# ---- exact measures of numbers


def ks(reference: Floats, current: Floats) -> float:
    """Largest gap between the two distribution functions; sorted arrays (n,) and (m,) of finite numbers."""
    low, high = _functions(reference, current, np.concatenate([reference, current]))
    return float(np.abs(low - high).max())


def wasserstein(reference: Floats, current: Floats) -> float | None:
    """Wasserstein-1, the area between the distribution functions, in the column's unit; sorted arrays.

    None where the numbers are too large for their differences to be held.
    """
    every = np.sort(np.concatenate([reference, current]))
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.diff(every)
        low, high = _functions(reference, current, every[:-1])
        found = float((np.abs(low - high) * steps).sum())
    return found if isfinite(found) else None


def _functions(reference: Floats, current: Floats, at: Floats) -> tuple[Floats, Floats]:
    low = np.searchsorted(reference, at, side="right") / len(reference)
    return low, np.searchsorted(current, at, side="right") / len(current)


# ---- bins


def edges_of(reference: Floats, bins: int) -> list[float]:
    """Edges between the bins, from the reference alone; a bin holds what is above its lower edge, up to its upper one.

    Where the reference, sorted, holds at most `bins` different numbers, each has its bin (a single number has one bin
    below and one above). Otherwise the edges are its k/bins quantiles (the smallest number with that share of rows at
    or below it), equal ones merged, so that a number held by many rows fills one bin.
    """
    require_whole("bins", bins, least=2)
    distinct = np.unique(reference)
    if len(distinct) == 1:
        return [float(np.nextafter(distinct[0], -np.inf)), float(distinct[0])]
    if len(distinct) <= bins:
        return [float(edge) for edge in distinct[:-1]]
    places = np.ceil(np.arange(1, bins) * len(reference) / bins).astype(np.int64) - 1
    edges = np.unique(reference[places])
    return [float(edge) for edge in edges if edge < distinct[-1]]


def cut(values: Floats, edges: Sequence[float]) -> Counts:
    """How many values fall in each bin; right-closed, so a value on an edge belongs below it."""
    return np.bincount(np.searchsorted(np.asarray(edges), values, side="left"), minlength=len(edges) + 1)


def require_edges(edges: Sequence[float]) -> list[float]:
    """Edges are finite and rise."""
    found = [float(edge) for edge in edges]
    if not found or not all(map(isfinite, found)) or any(a >= b for a, b in pairwise(found)):
        raise Unmeasurable(param="edges", sentence=f"edges are {found[:SHOWN]}; pass finite numbers that rise.")
    return found


# ---- one column


def numbers(
    reference: Any, current: Any, *, bins: int = 10, edges: Sequence[float] | None = None, alpha: float = 0.05
) -> dict[str, Any]:
    """Every measure of a column of numbers, exactly; (n,) and (m,) with NaN where missing.

    `edges` are those of an earlier run, else they come from the reference. Infinite values are left out and counted.
    What can't be measured is None with a reason. p-values and critical values are at `alpha`, not adjusted.
    """
    samples = [np.asarray(values, dtype=np.float64) for values in (reference, current)]
    missing = [int(np.isnan(values).sum()) for values in samples]
    kept = [np.sort(values[np.isfinite(values)]) for values in samples]
    infinite = [len(values) - gone - len(fine) for values, gone, fine in zip(samples, missing, kept, strict=True)]
    result = sizes("number", [len(values) for values in kept], missing, infinite, alpha)
    if reason := _nothing(kept):
        return result | _unmeasured(reason)
    cuts = require_edges(edges) if edges is not None else edges_of(kept[0], bins)
    result |= binned(Binned(cut(kept[0], cuts), cut(kept[1], cuts), edges=cuts), alpha)
    n, m = len(kept[0]), len(kept[1])
    gap, area = ks(*kept), wasserstein(*kept)
    result["ks"] = _ks(gap, n, m, alpha)
    with np.errstate(over="ignore", invalid="ignore"):
        spread = float(np.std(kept[0]))
    result["wasserstein"] = _area(area, spread)
    return result


def categories(reference: Any, current: Any, *, alpha: float = 0.05) -> dict[str, Any]:
    """Every measure of a column of categories; object arrays or Series (n,) and (m,), missing where null.

    Each category of the reference is a bin; beyond fifty, the rarer ones share one; those unseen in the reference share
    another. `novel` and `gone` list categories that only the current or only the reference has, with their counts.
    """
    samples = [pd.Series(values) for values in (reference, current)]
    missing = [int(values.isna().sum()) for values in samples]
    kept = [values.dropna().map(spelled) for values in samples]
    result = sizes("category", [len(values) for values in kept], missing, [0, 0], alpha)
    if reason := _nothing(kept):
        return result | _unmeasured(reason)
    return result | tabulated(*(_tally(values) for values in kept), alpha=alpha)


def tabulated(reference: dict[str, int], current: dict[str, int], *, alpha: float) -> dict[str, Any]:
    """The measures of categories from how often each sample holds each."""
    named, pooled = category_bins(reference)
    table = [[counts.get(name, 0) for name in named] for counts in (reference, current)]
    bins = list(named)
    if pooled:
        bins.append(OTHERS)
        for row, counts in zip(table, (reference, current), strict=True):
            row.append(sum(counts.get(name, 0) for name in pooled))
    novel = {name: count for name, count in current.items() if name not in reference}
    if novel:
        bins.append(UNSEEN)
        table[0].append(0)
        table[1].append(sum(novel.values()))
    made = Binned(np.array(table[0], dtype=np.int64), np.array(table[1], dtype=np.int64), categories=bins)
    result = binned(made, alpha)
    gone = {name: count for name, count in reference.items() if name not in current}
    return result | {
        "novel": _listed(novel),
        "novel_rows": sum(novel.values()),
        "novel_count": len(novel),
        "gone": _listed(gone),
        "gone_count": len(gone),
    }


def category_bins(reference: dict[str, int]) -> tuple[list[str], list[str]]:
    """The categories that have a bin of their own, most frequent first, and those that share one."""
    order = sorted(reference, key=lambda name: (-reference[name], name))
    return order[:MOST_CATEGORIES], order[MOST_CATEGORIES:]


def binned(made: Binned, alpha: float) -> dict[str, Any]:
    """What counts in bins say: PSI with its test, chi-square, Jensen-Shannon, and the bins themselves."""
    value = psi(made.reference, made.current)
    empty = int(((made.reference == 0) ^ (made.current == 0)).sum())
    found: dict[str, Any] = {
        "psi": {"value": value, "empty_bins": empty} | _range(made),
        "test": psi_test(made.reference, made.current, alpha),
        "chi_square": chi_square(made.reference, made.current),
        "jensen_shannon": jensen_shannon(made.reference, made.current),
        "bins": {
            "edges": made.edges,
            "categories": made.categories,
            "reference": [int(count) for count in made.reference],
            "current": [int(count) for count in made.current],
        },
    }
    return found


def sizes(
    kind: str, used: Sequence[int], missing: Sequence[int], infinite: Sequence[int], alpha: float
) -> dict[str, Any]:
    """How many numbers there are of each sample, and how the share of missing ones changed, with Newcombe's limits."""
    rows = [int(sum(counts)) for counts in zip(used, missing, infinite, strict=True)]
    change: dict[str, Any] = {"value": None, "low": None, "high": None}
    if min(rows) > 0:
        change = newcombe(missing[1], rows[1], missing[0], rows[0], 1 - alpha).as_json()
    return {
        "kind": kind,
        "n": {"reference": int(used[0]), "current": int(used[1])},
        "missing": {
            "reference": int(missing[0]),
            "current": int(missing[1]),
            "difference": change,
            "changed": change["low"] is not None and (change["low"] > 0 or change["high"] < 0),
        },
        "infinite": {"reference": int(infinite[0]), "current": int(infinite[1])},
    }


def _nothing(kept: Sequence[Any]) -> str:
    for values, name in zip(kept, ("reference", "current data"), strict=True):
        if not len(values):
            return f"no value in the {name}"
    return ""


def _unmeasured(reason: str) -> dict[str, Any]:
    return {"psi": {"value": None, "reason": reason}, "test": None, "bins": None}


def _ks(gap: float, n: int, m: int, alpha: float, bound: float = 0.0) -> dict[str, float]:
    return {
        "value": gap,
        "critical": thresholds.ks_critical(n, m, alpha),
        "p": thresholds.ks_p(gap, n, m),
        "bound": bound,
    }


def _area(area: float | None, spread: float, bound: float = 0.0) -> dict[str, Any]:
    if area is None or not isfinite(spread):
        return {"value": None, "in_sd": None, "bound": None, "reason": "the numbers are too large to subtract"}
    return {"value": area, "in_sd": area / spread if spread > 0 else None, "bound": bound}


def spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def _tally(values: Any) -> dict[str, int]:
    return {str(name): int(count) for name, count in values.value_counts().items()}


def _listed(counts: dict[str, int]) -> list[dict[str, Any]]:
    order = sorted(counts, key=lambda name: (-counts[name], name))
    return [{"category": name, "rows": counts[name]} for name in order[:SHOWN]]


# ---- the same from sketches


def sketched(
    reference: Sketch, current: Sketch, *, bins: int = 10, edges: Sequence[float] | None = None, alpha: float = 0.05
) -> dict[str, Any]:
    """Every measure of a column of numbers from two sketches, in the same shape as `numbers`, with error bounds.

    Edges chosen here lie between cells, so the counts, and what is made of them, are exact for these edges; each bin's
    share of the reference misses that of the exact quantiles by no more than `largest_cell`. Given edges may fall
    inside cells: `psi` then has `least` and `most`. KS is at most `bound` larger; Wasserstein off by at most its
    `bound`, half a cell for each row. Numbers are read in single precision.
    """
    counts = reference.finite(), current.finite()
    totals = [int(part.sum()) for part in counts]
    missing = [reference.missing, current.missing]
    infinite = [reference.infinite, current.infinite]
    result = sizes("number", totals, missing, infinite, alpha)
    if min(totals) == 0:
        return result | _unmeasured(f"no value in the {'reference' if totals[0] == 0 else 'current data'}")
    used = np.flatnonzero(counts[0] + counts[1])
    low, high = (side[used] for side in bounds())
    held = counts[0][used], counts[1][used]
    cuts = require_edges(edges) if edges is not None else _cell_edges(held[0], high, low, bins)
    result |= binned(_cells_cut(held, low, high, cuts), alpha)
    gap, slack = _cells_ks(held, high > low)
    middle = (low + high) / 2
    share = held[0] / totals[0], held[1] / totals[1]
    apart = np.abs(np.cumsum(share[0]) - np.cumsum(share[1]))[:-1]
    bound = float(((share[0] + share[1]) * (high - low) / 2).sum())
    centre = float(share[0] @ middle)
    spread = sqrt(float(share[0] @ (middle - centre) ** 2))
    result["ks"] = _ks(gap, totals[0], totals[1], alpha, slack)
    result["wasserstein"] = _area(float(apart @ np.diff(middle)), spread, bound)
    result["largest_cell"] = float(np.where(high > low, share[0], 0.0).max())
    return result


def files(
    reference: Path | str,
    current: Path | str,
    columns: Sequence[str],
    *,
    bins: int = 10,
    alpha: float = 0.05,
    threads: int | None = None,
) -> dict[str, dict[str, Any]]:
    """`sketched` for columns of numbers of two Parquet files, each read once by batches, a column to a thread."""

    def column(name: str) -> dict[str, Any]:
        made = [sketch.of_parquet(path, [name], threads=1)[name] for path in (reference, current)]
        return sketched(made[0], made[1], bins=bins, alpha=alpha)

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        return dict(zip(columns, pool.map(column, columns), strict=True))


def _cell_edges(reference: Counts, high: Floats, low: Floats, bins: int) -> list[float]:
    """As `edges_of` has it, a cell standing for its largest number."""
    require_whole("bins", bins, least=2)
    cells = np.flatnonzero(reference)
    if len(cells) == 1:
        only = cells[0]
        return [float(np.nextafter(np.float32(low[only]), np.float32(-np.inf))), float(high[only])]
    if len(cells) <= bins:
        return [float(high[cell]) for cell in cells[:-1]]
    below = np.cumsum(reference)
    total = int(below[-1])
    wanted = -(-np.arange(1, bins) * total // bins)
    found = np.unique(np.searchsorted(below, wanted))
    return [float(high[cell]) for cell in found if cell < cells[-1]]


def _cells_cut(held: tuple[Counts, Counts], low: Floats, high: Floats, edges: list[float]) -> Binned:
    """A cell that an edge cuts counts above it; `slack` says what the bins hold if it doesn't."""
    whole = np.searchsorted(high, edges, side="right")  # cells that end at or below each edge
    begun = np.searchsorted(low, edges, side="right")  # and those that begin there
    counted: list[Counts] = []
    slack: list[Counts] = []
    for counts in held:
        below = np.concatenate([[0], np.cumsum(counts)])
        least, most = (np.concatenate([[0], below[cells], below[-1:]]) for cells in (whole, begun))
        counted.append(np.diff(least))
        slack += [np.maximum(0, least[1:] - most[:-1]), most[1:] - least[:-1]]
    spans = None if (whole == begun).all() else (slack[0], slack[1], slack[2], slack[3])
    return Binned(counted[0], counted[1], edges=edges, slack=spans)


def _range(made: Binned) -> dict[str, float]:
    """The least and the most that PSI can be, each bin's count lying within its slack.

    (a - e) ln(a / e) is convex and grows with the distance of a and e, so it is largest at a corner.
    """
    if made.slack is None:
        return {}
    n, m = made.reference.sum(), made.current.sum()
    e_low, e_high, a_low, a_high = (
        np.maximum(counts, 0.5) / total for counts, total in zip(made.slack, (n, n, m, m), strict=True)
    )
    corners = [(a - e) * np.log(a / e) for a in (a_low, a_high) for e in (e_low, e_high)]
    above = np.where(a_low > e_high, (a_low - e_high) * np.log(a_low / e_high), 0.0)
    below = np.where(e_low > a_high, (a_high - e_low) * np.log(a_high / e_low), 0.0)
    shut = (made.slack[0] > 0) | (made.slack[2] > 0)  # a bin that may be empty in both may add nothing
    return {"least": float((above + below)[shut].sum()), "most": float(np.max(corners, axis=0).sum())}


def _cells_ks(held: tuple[Counts, Counts], wide: NDArray[np.bool_]) -> tuple[float, float]:
    """The largest gap between cells, and how much larger it could be inside one that holds different numbers."""
    p, q = (counts / counts.sum() for counts in held)
    after = np.cumsum(p) - np.cumsum(q)
    before = after - p + q
    gap = float(np.abs(after).max())
    inside = np.where(wide, np.maximum(before + p, q - before), 0.0)
    return gap, float(max(0.0, inside.max() - gap))
