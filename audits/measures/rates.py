"""Rates of a confusion table: which cells go over which, and why one may be undefined."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.intervals import wilson

CELLS = ("tp", "fp", "tn", "fn")

NO_POSITIVE = "no row has the favourable outcome in the target"
NO_NEGATIVE = "no row has an unfavourable outcome in the target"
NONE_SELECTED = "no row is predicted favourable"


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
    summed: NDArray[np.int64] = table[..., [CELLS.index(cell) for cell in cells]].sum(axis=-1)
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
}


def describe(table: NDArray[np.int64], confidence: float) -> dict[str, Any]:
    """n, the four cells and every rate with its Wilson interval, of one table (4,).

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
    return row | {"undefined": undefined}
