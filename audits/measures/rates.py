"""Rates of a confusion table: which cells go over which, and why one may be undefined."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.intervals import Estimate, limits, wilson

CELLS = ("tp", "fp", "tn", "fn")

NO_POSITIVE = "no row has the favourable outcome in the target"
NO_NEGATIVE = "no row has an unfavourable outcome in the target"
NONE_SELECTED = "no row is predicted favourable"
ALL_SELECTED = "no row is predicted unfavourable"


@dataclass(frozen=True)
class Rate:
    """Share of the cells `over` that lie in the cells `part`; `undefined` says why `over` can be empty."""

    part: tuple[str, ...]
    over: tuple[str, ...]
    undefined: str = "there are no rows"

    def counts(self, table: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numerators and denominators from a table (..., 4) of tp, fp, tn, fn."""
        return total(table, self.part), total(table, self.over)

    def values(self, table: NDArray[np.int64]) -> NDArray[np.float64]:
        """The rates of a table (..., 4); NaN where the denominator is zero."""
        part, over = self.counts(table)
        out = np.full(part.shape, np.nan)
        np.divide(part, over, out=out, where=over > 0)
        return out


def total(table: NDArray[np.int64], cells: Sequence[str]) -> NDArray[np.int64]:
    """Sum of the named cells along the last axis."""
    summed: NDArray[np.int64] = reduce(np.add, [table[..., CELLS.index(cell)] for cell in cells])
    return summed


RATES = {
    "selection_rate": Rate(("tp", "fp"), CELLS),
    "true_positive_rate": Rate(("tp",), ("tp", "fn"), NO_POSITIVE),
    "false_positive_rate": Rate(("fp",), ("fp", "tn"), NO_NEGATIVE),
    "true_negative_rate": Rate(("tn",), ("fp", "tn"), NO_NEGATIVE),
    "false_negative_rate": Rate(("fn",), ("tp", "fn"), NO_POSITIVE),
    "precision": Rate(("tp",), ("tp", "fp"), NONE_SELECTED),
    "accuracy": Rate(("tp", "tn"), CELLS),
    "base_rate": Rate(("tp", "fn"), CELLS),
    "negative_predictive_value": Rate(("tn",), ("tn", "fn"), ALL_SELECTED),
    "false_discovery_rate": Rate(("fp",), ("tp", "fp"), NONE_SELECTED),
    "false_omission_rate": Rate(("fn",), ("tn", "fn"), ALL_SELECTED),
    "zero_one_loss": Rate(("fp", "fn"), CELLS),
}
COMPOSED = ("balanced_accuracy", "f1_score")


def composed(table: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Balanced accuracy, the mean of true positive and true negative rate, and F1 = 2 tp / (2 tp + fp + fn).

    Of a table (..., 4); NaN where undefined.
    """
    tp, fp, _, fn = (table[..., place] for place in range(len(CELLS)))
    over = 2 * tp + fp + fn
    f1 = np.divide(2 * tp, over, out=np.full(over.shape, np.nan), where=over > 0)
    balanced = (RATES["true_positive_rate"].values(table) + RATES["true_negative_rate"].values(table)) / 2
    return {"balanced_accuracy": balanced, "f1_score": f1}


def balanced_accuracy(table: NDArray[np.int64], confidence: float) -> Estimate:
    """Of one table (4,); the squares of the Wilson distances of the two rates are added (MOVER)."""
    tp, fp, tn, fn = (int(count) for count in table)
    if tp + fn == 0 or tn + fp == 0:
        return Estimate()
    p1, l1, u1 = limits(tp, tp + fn, confidence)
    p2, l2, u2 = limits(tn, tn + fp, confidence)
    value = (p1 + p2) / 2
    return Estimate(
        value, value - sqrt((p1 - l1) ** 2 + (p2 - l2) ** 2) / 2, value + sqrt((u1 - p1) ** 2 + (u2 - p2) ** 2) / 2
    )


def f1_score(table: NDArray[np.int64], confidence: float) -> Estimate:
    """Of one table (4,): F1 = 2 J / (1 + J) with Wilson limits of J = tp / (tp + fp + fn)."""
    tp, fp, _, fn = (int(count) for count in table)
    jaccard = wilson(tp, tp + fp + fn, confidence)
    return Estimate(*(None if j is None else 2 * j / (1 + j) for j in (jaccard.value, jaccard.low, jaccard.high)))


def describe(table: NDArray[np.int64], confidence: float) -> dict[str, Any]:
    """n, the four cells and every rate with its interval, of one table (4,): Wilson's for a share.

    A rate over nothing is null, and `undefined` says why. (fairlearn reports 0 there.)
    """
    row: dict[str, Any] = {"n": int(table.sum())}
    row |= {cell: int(count) for cell, count in zip(CELLS, table, strict=True)}
    undefined: dict[str, str] = {}
    for name, rate in RATES.items():
        part, over = (int(count) for count in rate.counts(table))
        row[name] = wilson(part, over, confidence).as_json()
        if over == 0:
            undefined[name] = rate.undefined
    row["balanced_accuracy"] = balanced_accuracy(table, confidence).as_json()
    row["f1_score"] = f1_score(table, confidence).as_json()
    if row["balanced_accuracy"]["value"] is None:
        undefined["balanced_accuracy"] = undefined.get("true_positive_rate") or undefined["true_negative_rate"]
    if row["f1_score"]["value"] is None:
        undefined["f1_score"] = "no row is favourable in target or prediction"
    return row | {"undefined": undefined}
