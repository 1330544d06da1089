"""How good a two-class model is: its decisions at the threshold, and its scores over all thresholds."""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audits.measures.calibration import calibrated
from audits.measures.discrimination import separation
from audits.measures.inputs import booleans, finite, require_confidence, require_same_rows, require_whole
from audits.measures.intervals import Estimate, limits, wilson
from audits.measures.rates import CELLS, RATES

REPORTED = {
    "base_rate": "base_rate",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "true_positive_rate",
    "specificity": "true_negative_rate",
}


def assess(
    *,
    target: ArrayLike,
    score: ArrayLike | None,
    prediction: ArrayLike,
    threshold: float | None,
    bins: int = 10,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Confusion and rates of the predictions, and what the scores add.

    target, prediction: (n,) of booleans or 0 and 1; score: (n,) of finite numbers, higher for the positive
    outcome, or None. Rates are shares from 0 to 1 with Wilson limits; log loss is in nats. What can't be
    measured is null and named in `limitations`. Raises Unmeasurable for input without a right answer.
    """
    columns = {"target": target, "prediction": prediction} | ({} if score is None else {"score": score})
    rows = require_same_rows(columns)
    require_confidence(confidence)
    require_whole("bins", bins, least=1)
    actual, predicted = booleans("target", target), booleans("prediction", prediction)
    counts = confusion(actual, predicted)
    measured, limitations = decided(counts, confidence)
    result = {"n": rows, "threshold": threshold, "confidence": confidence, **measured}
    if score is not None:
        scores = finite("score", score)
        result["bins"] = bins
        for part, stated in (
            separation(actual, scores, confidence),
            calibrated(actual, scores, bins, confidence),
        ):
            result |= part
            limitations += stated
        limitations += mismatch(predicted, scores, threshold)
    return result | {"limitations": limitations}


def confusion(actual: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """tp, fp, tn, fn."""
    cells = np.bincount(2 * actual.astype(np.int64) + predicted, minlength=4)
    return cells[[3, 1, 0, 2]]


def decided(counts: NDArray[np.int64], confidence: float) -> tuple[dict[str, Any], list[str]]:
    """Everything the confusion table says, with what limits it."""
    measured: dict[str, Any] = {"confusion": dict(zip(CELLS, map(int, counts), strict=True))}
    limitations = []
    for name, rate in REPORTED.items():
        part, over = (int(count) for count in RATES[rate].counts(counts))
        measured[name] = wilson(part, over, confidence).as_json()
        if over == 0:
            limitations.append(f"{name} is undefined: {UNDEFINED[name]}.")
    measured["f1"] = f1(counts, confidence).as_json()
    measured["balanced_accuracy"] = balanced(counts, confidence).as_json()
    return measured, limitations


UNDEFINED = {
    "precision": "no row is predicted positive",
    "recall": "no row of the target is positive",
    "specificity": "no row of the target is negative",
}


def f1(counts: NDArray[np.int64], confidence: float) -> Estimate:
    """2 tp / (2 tp + fp + fn), limits from Wilson's for J = tp / (tp + fp + fn), since F1 = 2 J / (1 + J)."""
    tp, fp, _, fn = (int(count) for count in counts)
    jaccard = wilson(tp, tp + fp + fn, confidence)
    value, low, high = (None if j is None else 2 * j / (1 + j) for j in (jaccard.value, jaccard.low, jaccard.high))
    return Estimate(value, low, high)


def balanced(counts: NDArray[np.int64], confidence: float) -> Estimate:
    """Mean of recall and specificity, limits by adding the squares of their Wilson distances (MOVER)."""
    tp, fp, tn, fn = (int(count) for count in counts)
    if tp + fn == 0 or tn + fp == 0:
        return Estimate()
    recall, recall_low, recall_high = limits(tp, tp + fn, confidence)
    specificity, specificity_low, specificity_high = limits(tn, tn + fp, confidence)
    value = (recall + specificity) / 2
    low = value - sqrt((recall - recall_low) ** 2 + (specificity - specificity_low) ** 2) / 2
    high = value + sqrt((recall_high - recall) ** 2 + (specificity_high - specificity) ** 2) / 2
    return Estimate(value, low, high)


def mismatch(predicted: NDArray[np.bool_], score: NDArray[np.float64], threshold: float | None) -> list[str]:
    """Say so when the predictions are not what the threshold makes of the scores."""
    if threshold is None:
        return []
    odd = int((predicted != (score >= threshold)).sum())
    if not odd:
        return []
    return [f"In {odd} of {len(score)} rows the prediction is not what score >= {threshold:g} gives."]
