"""Each group against the largest one: difference, test, p-value for as many comparisons as were made, and power.

The reference is the group with the most rows, which is known before any outcome is looked at. The test is the pooled
two-proportion z test, or Fisher's exact one where fewer than five rows of a kind are expected. P-values are adjusted
over the groups of one table and rate: Holm, Scandinavian Journal of Statistics 6 (1979) 65-70, bounds the chance of any
false alarm; Benjamini and Hochberg, JRSS B 57 (1995) 289-300, the share of false alarms among the alarms.
"""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.counts import Table
from audits.measures.intervals import newcombe
from audits.measures.rates import RATES

TESTED = ("selection_rate", "true_positive_rate", "false_positive_rate")
ADJUSTMENTS = ("holm", "benjamini-hochberg", "none")
POWER = 0.8
FEW = 5
STEPS = 60  # halvings of a gap, beyond the precision of a float
NORMAL = NormalDist()


def compare(table: Table, kept: NDArray[np.bool_], *, confidence: float, adjustment: str) -> list[dict[str, Any]]:
    """One row per tested rate and kept group but the reference; `difference` is the group's rate less the reference's.

    `detectable` says how far below and above the reference's rate this group's would have had to be for the test to
    show it in 80% of samples of these sizes, at 1 - confidence unadjusted; None if no rate would have been shown.
    """
    places = np.flatnonzero(kept)
    if len(places) <= 1:
        return []
    sizes = table.counts.sum(axis=1)
    reference = int(places[np.argmax(sizes[places])])
    rows: list[dict[str, Any]] = []
    for metric in TESTED:
        part, over = RATES[metric].counts(table.counts)
        tested = [int(place) for place in places if place != reference and over[place] and over[reference]]
        found = [(int(part[place]), int(over[place]), int(part[reference]), int(over[reference])) for place in tested]
        tests = [two_proportions(*counts) for counts in found]
        adjusted = adjust([p for _, p in tests], adjustment)
        for place, counts, (name, p), q in zip(tested, found, tests, adjusted, strict=True):
            rows.append(
                {
                    "attributes": list(table.attributes),
                    "metric": metric,
                    "group": table.groups[place],
                    "reference": table.groups[reference],
                    "n": counts[1],
                    "reference_n": counts[3],
                    "difference": newcombe(*counts, confidence).as_json(),
                    "test": name,
                    "p": p,
                    "p_adjusted": q,
                    "detectable": detectable(counts[1], counts[2], counts[3], alpha=1 - confidence),
                }
            )
    return rows


def two_proportions(x1: int, n1: int, x2: int, n2: int) -> tuple[str, float]:
    """Which two-sided test of x1/n1 = x2/n2, and its p-value; 1 where both samples are all alike."""
    pooled = (x1 + x2) / (n1 + n2)
    if pooled in (0, 1):
        return "none", 1.0
    if min(pooled, 1 - pooled) * min(n1, n2) < FEW:
        # scipy.stats weighs more than counting ten million rows does
        from scipy.stats import fisher_exact  # type: ignore[import-untyped, unused-ignore]

        return "fisher", min(1.0, float(fisher_exact([[x1, n1 - x1], [x2, n2 - x2]]).pvalue))
    z = (x1 / n1 - x2 / n2) / sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    return "z", 2 * NORMAL.cdf(-abs(z))


def adjust(p: Sequence[float], adjustment: str) -> list[float]:
    """P-values adjusted for their number, in their order."""
    values = np.asarray(p, dtype=np.float64)
    count = len(values)
    if adjustment == "none" or count == 0:
        return [float(value) for value in values]
    order = np.argsort(values, kind="stable")
    ranks = np.arange(1, count + 1)
    if adjustment == "holm":
        stepped = np.maximum.accumulate(values[order] * (count - ranks + 1))
    else:
        stepped = np.minimum.accumulate((values[order] * count / ranks)[::-1])[::-1]
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(1.0, stepped)
    return [float(value) for value in adjusted]


def detectable(n1: int, x2: int, n2: int, *, alpha: float) -> dict[str, float | None]:
    """The smallest distances of a rate over n1 rows from x2/n2 that the z test shows in 80% of samples."""
    rate = x2 / n2
    sides = {"below": -rate, "above": 1 - rate}
    return {side: smallest(rate, far, n1, n2, alpha) for side, far in sides.items()}


def smallest(rate: float, far: float, n1: int, n2: int, alpha: float) -> float | None:
    """By halving, as power grows with the distance; None if even the furthest rate, 0 or 1, has too little."""
    if far == 0 or power_of(far, rate, n1, n2, alpha) < POWER:
        return None
    near, enough = 0.0, far
    for _ in range(STEPS):
        middle = (near + enough) / 2
        if power_of(middle, rate, n1, n2, alpha) < POWER:
            near = middle
        else:
            enough = middle
    return abs(enough)


def power_of(gap: float, rate: float, n1: int, n2: int, alpha: float) -> float:
    """Chance that the z test shows rates `rate` + gap and `rate` to differ (Fleiss, Levin and Paik 2003, section 4.2).

    The variance is pooled under equality and not under the gap; the chance of a result on the wrong side is counted.
    """
    other = min(1.0, max(0.0, rate + gap))
    pooled = (n1 * other + n2 * rate) / (n1 + n2)
    null = sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    spread = sqrt(other * (1 - other) / n1 + rate * (1 - rate) / n2)
    critical = NORMAL.inv_cdf(1 - alpha / 2) * null
    size = abs(gap)
    if spread == 0:
        return float(size > critical)
    return NORMAL.cdf((size - critical) / spread) + NORMAL.cdf((-size - critical) / spread)
