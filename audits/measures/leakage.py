"""Does one column alone give the outcome away? What is too good on its own is often a copy of what is to be predicted.

Sources: the uncertainty coefficient (Theil 1970) with Miller's (1955) correction; AUC as the share of pairs in the
right order (Hanley and McNeil 1982).
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audits.measures.drift import edges_of
from audits.measures.errors import Unmeasurable

FOLDS = 5
BINS = 20
Codes = NDArray[np.int64]


def coded(values: Any) -> Codes:
    """A small whole number for each row: numbers by their twentieths, anything else by its value, missing as one."""
    column = pd.Series(values)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        numbers = column.to_numpy(dtype=np.float64)
        finite = np.isfinite(numbers)
        if not finite.any():
            return np.zeros(len(numbers), dtype=np.int64)
        placed = np.searchsorted(edges_of(np.sort(numbers[finite]), BINS), numbers, side="left")
        return np.where(np.isnan(numbers), BINS + 2, placed).astype(np.int64)
    return np.asarray(pd.factorize(column.astype(object), use_na_sentinel=False)[0], dtype=np.int64)


def folds_of(outcome: NDArray[np.bool_], seed: int) -> Codes:
    """The fold (0 to 4) of each row, both outcomes spread evenly; (n,)."""
    drawn = np.random.default_rng(seed)
    folds = np.empty(len(outcome), dtype=np.int64)
    for side in (True, False):
        rows = np.flatnonzero(outcome == side)
        folds[drawn.permutation(rows)] = np.arange(len(rows)) % FOLDS
    return folds


def held_out_auc(values: Any, outcome: Any, *, seed: int = 0) -> float | None:
    """AUC with which a column alone tells the outcome on rows that it did not learn from; (n,) each, outcome of bools.

    In four fifths of the rows the rate of the outcome is learned for each value (numbers: for each twentieth), drawn
    towards the overall rate by one row; the mean over five folds of the AUC on the other fifth. 0.5 tells nothing, also
    for a column whose values are all different. None with fewer than five rows of an outcome.
    """
    happened = np.asarray(outcome, dtype=bool)
    if len(happened) != len(values):
        raise Unmeasurable(param="outcome", sentence=f"outcome has {len(happened)} rows, the column {len(values)}.")
    if min(int(happened.sum()), int((~happened).sum())) < FOLDS:
        return None
    codes, folds = coded(values), folds_of(happened, seed)
    width = int(codes.max()) + 1
    counts = np.zeros((2, FOLDS, width))
    for side in (0, 1):
        rows = happened == bool(side)
        counts[side] = np.bincount(folds[rows] * width + codes[rows], minlength=FOLDS * width).reshape(FOLDS, width)
    learned = counts.sum(axis=1, keepdims=True) - counts
    total = learned.sum(axis=0)
    prior = learned[1].sum(axis=1, keepdims=True) / total.sum(axis=1, keepdims=True)
    rates = (learned[1] + prior) / (total + 1)
    return float(np.mean([_auc(rates[fold], counts[1, fold], counts[0, fold]) for fold in range(FOLDS)]))


def _auc(rates: Any, positive: Any, negative: Any) -> float:
    """From how many rows of each outcome have each rate; ties count half."""
    _, place = np.unique(rates, return_inverse=True)
    up, down = (np.bincount(place, weights=counts) for counts in (positive, negative))
    return float(((np.cumsum(down) - down / 2) @ up) / (up.sum() * down.sum()))


def explained(values: Any, outcome: Any) -> float | None:
    """The share of the outcome's entropy that a column explains, I(X; Y) / H(Y), from 0 to 1.

    Counted on the column's values or twentieths, less what chance explains, (|X| - 1)(|Y| - 1) / 2n. None if the
    outcome is the same in every row.
    """
    codes, happened = coded(values), pd.factorize(pd.Series(outcome).astype(object), use_na_sentinel=False)[0]
    _, codes = np.unique(codes, return_inverse=True)
    wide, high = int(codes.max()) + 1, int(happened.max()) + 1
    if high == 1:
        return None
    table = np.bincount(codes * high + happened, minlength=wide * high).reshape(wide, high) / len(codes)
    across, down = table.sum(axis=1), table.sum(axis=0)
    entropy = -float(down[down > 0] @ np.log(down[down > 0]))
    there = table > 0
    shared = float((table[there] * np.log(table[there] / np.outer(across, down)[there])).sum())
    chance = (wide - 1) * (high - 1) / (2 * len(codes))
    return float(np.clip((shared - chance) / entropy, 0, 1))
