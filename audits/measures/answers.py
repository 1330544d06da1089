"""Breach, no breach or not enough evidence: what the intervals of all pairs of groups say about a tolerance.

A gap is a statement about the groups that differ most. A breach needs one pair whose interval lies wholly beyond the
tolerance at a confidence shared among the pairs (Bonferroni), for that pair is picked after seeing the data. No breach
needs the interval of every pair wholly inside, a ratio of 1.3 being as far as one of 1/1.3, at the confidence asked for
(an intersection-union test: Berger, Technometrics 24 (1982) 295-300), so that a small group can't hide behind two large
ones. With two groups both are the one interval.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.intervals import Limits, mover_differences, mover_ratios

BREACH = "breach"
NO_BREACH = "no breach"
UNDECIDED = "not enough evidence"


@dataclass(frozen=True)
class Family:
    """A metric of some groups: `limits(confidence)` gives arrays (groups,), NaN where a group has no value."""

    metric: str
    limits: Callable[[float], Limits]


@dataclass(frozen=True)
class Pair:
    """The pair of a family that says most: the interval of its ratio or difference."""

    metric: str
    smaller: int
    larger: int
    low: float
    high: float
    confidence: float


def answer(
    families: Sequence[Family],
    *,
    groups: Sequence[dict[str, Any]],
    kind: str,
    tolerance: float,
    confidence: float,
) -> dict[str, Any]:
    """`answer`, `tolerance` and the pair that decided.

    kind "ratio": a breach is a ratio below the tolerance; "difference": one above it. Several families, as the two
    rates of equalized odds, are one gap.
    """
    counted = [pairs_of(family.limits(confidence).value) for family in families]
    pairs = sum(counted)
    if 0 in counted:
        return {"tolerance": tolerance, "answer": UNDECIDED, "decided_by": None}
    shared = 1 - (1 - confidence) / pairs
    surest = furthest([strongest(family, kind, shared) for family in families], kind, near=True)
    if breaches(surest, kind, tolerance):
        return said(BREACH, tolerance, surest, groups)
    loose = furthest([loosest(family, kind, confidence) for family in families], kind, near=False)
    if loose.low >= tolerance if kind == "ratio" else loose.high <= tolerance:
        return said(NO_BREACH, tolerance, loose, groups)
    return said(UNDECIDED, tolerance, surest if breaches(loose, kind, tolerance) else loose, groups)


def pairs_of(values: NDArray[np.float64]) -> int:
    defined = int(np.isfinite(values).sum())
    return defined * (defined - 1) // 2


def breaches(pair: Pair, kind: str, tolerance: float) -> bool:
    return pair.high < tolerance if kind == "ratio" else pair.low > tolerance


def furthest(pairs: Sequence[Pair], kind: str, *, near: bool) -> Pair:
    """The pair furthest from equality, by the limit near to equality or by the other one."""
    if kind == "ratio":
        return min(pairs, key=lambda pair: pair.high if near else pair.low)
    return max(pairs, key=lambda pair: pair.low if near else pair.high)


def strongest(family: Family, kind: str, confidence: float) -> Pair:
    """The pair whose interval is furthest from equality as a whole."""
    found = crossed(family, kind, confidence)
    if kind == "ratio":
        return at(family, found, int(np.argmin(found.high)), confidence)
    return at(family, found, int(np.argmax(found.low)), confidence)


def loosest(family: Family, kind: str, confidence: float) -> Pair:
    """The pair whose interval reaches furthest from equality."""
    found = crossed(family, kind, confidence)
    return at(family, found, int(np.argmin(found.low) if kind == "ratio" else np.argmax(found.high)), confidence)


def crossed(family: Family, kind: str, confidence: float) -> Limits:
    """Each defined group (row) against each other (column): row over column, or column less row."""
    limits = family.limits(confidence)
    rows, columns = limits[:, None], limits[None, :]
    found = mover_ratios(rows, columns) if kind == "ratio" else mover_differences(columns, rows)
    apart = np.isfinite(rows.value) & np.isfinite(columns.value) & ~np.eye(len(limits.value), dtype=bool)
    # what is no pair must never be chosen
    none_low, none_high = (np.inf, np.inf) if kind == "ratio" else (-np.inf, -np.inf)
    return Limits(found.value, np.where(apart, found.low, none_low), np.where(apart, found.high, none_high))


def at(family: Family, found: Limits, place: int, confidence: float) -> Pair:
    row, column = divmod(place, found.low.shape[1])
    return Pair(family.metric, row, column, float(found.low[row, column]), float(found.high[row, column]), confidence)


def said(verdict: str, tolerance: float, pair: Pair, groups: Sequence[dict[str, Any]]) -> dict[str, Any]:
    decided_by = {
        "metric": pair.metric,
        "smaller": groups[pair.smaller],
        "larger": groups[pair.larger],
        "low": pair.low if np.isfinite(pair.low) else None,
        "high": pair.high if np.isfinite(pair.high) else None,
        "confidence": pair.confidence,
    }
    return {"tolerance": tolerance, "answer": verdict, "decided_by": decided_by}
