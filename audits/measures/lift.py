"""Lift and gains: how many of the positive rows the highest scores hold."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.calibration import equal_count
from audits.measures.intervals import wilson


def bands(
    target: NDArray[np.bool_], score: NDArray[np.float64], confidence: float, count: int = 10
) -> list[dict[str, Any]]:
    """Equally full bands of the score, highest first; equal scores share a band. At least one row is positive.

    `rate`: share of positive rows with Wilson limits; `lift`: rate over the rate of all rows; `gain`: share of all
    positive rows in this band and those above; `share`: likewise of all rows; `cumulative_lift`: gain over share.
    """
    place = equal_count(-score, count)
    sizes = np.bincount(place)
    positive = np.bincount(place, weights=target).astype(np.int64)
    n, positives = len(score), int(target.sum())
    gains, shares = np.cumsum(positive) / positives, np.cumsum(sizes) / n
    lowest, highest = np.full(len(sizes), np.inf), np.full(len(sizes), -np.inf)
    np.minimum.at(lowest, place, score)
    np.maximum.at(highest, place, score)
    return [
        {
            "band": at + 1,
            "low": float(lowest[at]),
            "high": float(highest[at]),
            "n": int(sizes[at]),
            "positive": int(positive[at]),
            "rate": wilson(int(positive[at]), int(sizes[at]), confidence).as_json(),
            "lift": float(positive[at] / sizes[at] / (positives / n)),
            "share": float(shares[at]),
            "gain": float(gains[at]),
            "cumulative_lift": float(gains[at] / shares[at]),
        }
        for at in range(len(sizes))
    ]
