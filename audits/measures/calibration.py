"""Whether scores can be read as probabilities: log loss, Brier score, calibration bins and their error."""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.intervals import Estimate, quantile, wilson

Floats = NDArray[np.float64]

CLIP = float(np.finfo(np.float64).eps)


def mean(values: Floats, confidence: float) -> Estimate:
    """Mean with its large-sample normal interval; no limits for a single row."""
    value = float(values.mean())
    if len(values) == 1:
        return Estimate(value)
    spread = quantile(confidence) * float(values.std(ddof=1)) / sqrt(len(values))
    return Estimate(value, max(0.0, value - spread), value + spread)


def log_losses(target: NDArray[np.bool_], score: Floats) -> Floats:
    """-ln of the probability given to what happened (n,), scores kept an epsilon away from 0 and 1."""
    clipped = np.clip(score, CLIP, 1 - CLIP)
    return -np.log(np.where(target, clipped, 1 - clipped))


def bins_of(
    target: NDArray[np.bool_], score: Floats, bins: int, confidence: float
) -> list[dict[str, float | int | None]]:
    """Equal-width bins of the score, each closed on the left and the last on both sides.

    observed_low and observed_high are Wilson limits of the observed rate; an empty bin has nulls.
    """
    edges = np.arange(bins + 1) / bins  # not linspace, whose 0.6 of fifths is 0.6000000000000001
    place = np.searchsorted(edges[1:-1], score, side="right")
    sizes = np.bincount(place, minlength=bins)
    observed = np.bincount(place, weights=target, minlength=bins)
    summed = np.bincount(place, weights=score, minlength=bins)
    rows: list[dict[str, float | int | None]] = []
    for low, high, n, positive, total in zip(edges, edges[1:], sizes, observed, summed, strict=False):
        rate = wilson(int(positive), int(n), confidence)
        rows.append(
            {
                "low": float(low),
                "high": float(high),
                "n": int(n),
                "mean_score": float(total / n) if n else None,
                "observed_rate": rate.value,
                "observed_low": rate.low,
                "observed_high": rate.high,
            }
        )
    return rows


def expected_error(rows: list[dict[str, float | int | None]]) -> float:
    """Expected calibration error: mean over rows of |observed rate - mean score| of their bin.

    It has no interval: noise alone makes it positive, and the bootstrap adds more noise, so that percentile
    intervals of calibrated scores always miss the truth.
    """
    total = sum(row["n"] or 0 for row in rows)
    return sum(
        (row["n"] or 0) / total * abs(row["observed_rate"] - row["mean_score"])
        for row in rows
        if row["observed_rate"] is not None and row["mean_score"] is not None
    )


def calibrated(
    target: NDArray[np.bool_], score: Floats, bins: int, confidence: float
) -> tuple[dict[str, Any], list[str]]:
    """log_loss, brier, ece and calibration, with what limits them; null for scores outside 0 to 1."""
    outside = (score < 0) | (score > 1)
    if outside.any():
        row = int(np.argmax(outside))
        sentence = (
            f"Log loss, Brier score and calibration are undefined: scores lie outside 0 to 1 "
            f"({score[row]:g} in row {row + 1}), so they are not probabilities."
        )
        empty = Estimate().as_json()
        return {"log_loss": empty, "brier": empty, "ece": empty, "calibration": None}, [sentence]
    certain = int((score == np.where(target, 0.0, 1.0)).sum())
    rows = bins_of(target, score, bins, confidence)
    measured = {
        "log_loss": mean(log_losses(target, score), confidence).as_json(),
        "brier": mean((score - target) ** 2, confidence).as_json(),
        "ece": Estimate(expected_error(rows)).as_json(),
        "calibration": rows,
    }
    if not certain:
        return measured, []
    what = f"{certain} row{'s give' if certain > 1 else ' gives'} no chance at all to what happened"
    return measured, [f"Log loss is cut off: {what}, which would make it infinite."]
