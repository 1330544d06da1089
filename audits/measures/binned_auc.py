"""AUC per group from histograms of the scores: exact where a bin holds one score, bounded where it holds more.

Rows of one bin count as ties. Whatever order they really have, each (positive, negative) pair within a bin is counted
wrong by at most a half, so the error is at most 0.5 * sum(positive * negative) / (P * N) over the bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audits.measures.errors import Unmeasurable
from audits.measures.inputs import booleans, finite, require_same_rows, require_whole

BINS = 65_536
EXACT = 1_000_000  # up to so many rows, sorting is quick enough
TOLERANCE = 1e-5
BLOCK = 1 << 20  # rows at a time: few enough to stay near the cache, many beside the bins
ONE_OUTCOME = "AUC needs rows of both outcomes."

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Area:
    """AUC within `bound` of the exact one; both None, with the reason, where an outcome never occurs."""

    value: float | None
    bound: float | None
    positives: int
    negatives: int
    reason: str | None = None


def by_group(
    *,
    target: ArrayLike,
    score: ArrayLike,
    codes: Any,
    groups: int,
    bins: int = BINS,
    exact: int = EXACT,
    tolerance: float = TOLERANCE,
) -> list[Area]:
    """The AUC within each group.

    target: booleans, or 0 and 1, (n,); score: finite numbers (n,), higher for the favourable outcome; codes: whole
    numbers (n,) from 0 to groups - 1. Up to `exact` rows the scores are sorted and the bound is 0; beyond, they are
    counted in `bins` bins of equal width between the least and the largest one, and a group whose bound is over
    `tolerance` is sorted after all. Time O(n + groups * bins); memory 16 bytes per group and bin besides the input.
    Raises Unmeasurable for missing or infinite scores, and for codes outside the groups.
    """
    require_whole("bins", bins, least=1)
    codes = np.asarray(codes)
    rows = require_same_rows({"target": target, "score": score, "codes": codes})
    positive, scores = booleans("target", target), finite("score", score)
    if codes.dtype.kind not in "iu" or codes.min() < 0 or codes.max() >= groups:
        sentence = f"codes hold other than whole numbers from 0 to {groups - 1}; number the groups from 0."
        raise Unmeasurable(param="codes", sentence=sentence)
    if rows <= exact:
        return [sorted_out(positive[codes == code], scores[codes == code]) for code in range(groups)]
    counts = histogram(positive=positive, score=scores, codes=codes, groups=groups, bins=bins)
    areas = [of_counts(positives=held[1], negatives=held[0]) for held in counts]
    return [
        sorted_out(positive[codes == code], scores[codes == code])
        if area.bound is not None and area.bound > tolerance
        else area
        for code, area in enumerate(areas)
    ]


def sorted_out(positive: NDArray[np.bool_], score: Floats) -> Area:
    """The exact AUC: a bin for each distinct score."""
    values, place = np.unique(score, return_inverse=True)
    held = [np.bincount(place[which], minlength=len(values)) for which in (~positive, positive)]
    area = of_counts(positives=held[1], negatives=held[0])
    return Area(area.value, None if area.value is None else 0.0, area.positives, area.negatives, area.reason)


def histogram(
    *,
    positive: NDArray[np.bool_],
    score: Floats,
    codes: Any,
    groups: int,
    bins: int = BINS,
    extent: tuple[float, float] | None = None,
) -> Counts:
    """Rows (groups, 2, bins) whose score falls in each bin, first those of the negative outcome.

    The bins are of equal width over `extent`, by default from the least score to the largest, which falls in the last.
    """
    low, high = extent or (float(score.min()), float(score.max()))
    factor = scale(low, high, bins)
    counts = np.zeros(groups * 2 * bins, dtype=np.int64)
    narrow = np.int32 if len(counts) < 2**31 else np.int64  # narrow places are quick to combine
    for start in range(0, len(score), BLOCK):
        rows = slice(start, start + BLOCK)
        places = score[rows] - low
        places *= factor
        cells = places.astype(narrow)
        np.minimum(cells, bins - 1, out=cells)
        of = codes[rows].astype(narrow)
        of *= 2
        np.add(of, positive[rows], out=of)
        of *= bins
        np.add(cells, of, out=cells)
        counts += np.bincount(cells, minlength=len(counts))
    return counts.reshape(groups, 2, bins)


def scale(low: float, high: float, bins: int) -> float:
    """Bins per unit of score: a score's bin is floor((score - low) * scale), or the last one if that is beyond it."""
    width = high - low
    if not isfinite(width):
        sentence = f"score reaches from {low:g} to {high:g}, too far for bins of equal width; rescale it."
        raise Unmeasurable(param="score", sentence=sentence)
    factor = bins / width if width else 0.0
    return factor if isfinite(factor) else 0.0


def of_counts(*, positives: Counts, negatives: Counts) -> Area:
    """AUC and its error bound from the rows of each outcome per bin (bins,), the bins in order of score."""
    p, n = int(positives.sum()), int(negatives.sum())
    if not p or not n:
        return Area(None, None, p, n, ONE_OUTCOME)
    held = negatives.astype(np.float64)
    twice_below = 2 * np.cumsum(held) - held
    wins = float((positives * twice_below).sum()) / 2
    ties = float((positives * held).sum())
    return Area(wins / p / n, 0.5 * ties / p / n, p, n)
