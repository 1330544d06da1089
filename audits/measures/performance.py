"""How good a two-class model is: its decisions at the threshold, and its scores over all thresholds."""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audits.measures import costs, lift
from audits.measures.calibration import COUNT, EXTERNAL, WIDTH, calibrated
from audits.measures.discrimination import ranking, separation
from audits.measures.errors import Unmeasurable
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
    binning: str = WIDTH,
    groups: int = 10,
    sample: str = EXTERNAL,
    cost_false_positive: float | None = None,
    cost_false_negative: float | None = None,
) -> dict[str, Any]:
    """Confusion and rates of the predictions, and what the scores add.

    target, prediction: (n,) of booleans or 0 and 1; score: (n,) of finite numbers, higher for the positive
    outcome, or None. Rates are shares from 0 to 1 with Wilson limits; log loss is in nats. `binning`: calibration
    bins equally wide ("width") or equally full ("count"); `groups` and `sample`: of the Hosmer-Lemeshow test. With
    the cost of each error, the cost curve. What can't be measured is null and named in `limitations`, or beside it
    as its `reason`. Raises Unmeasurable for input without a right answer.
    """
    columns = {"target": target, "prediction": prediction} | ({} if score is None else {"score": score})
    rows = require_same_rows(columns)
    require_confidence(confidence)
    require_whole("bins", bins, least=1)
    require_whole("groups", groups, least=2)
    if binning not in {WIDTH, COUNT}:
        raise Unmeasurable(param="binning", sentence=f"binning is {binning!r}; pass {WIDTH!r} or {COUNT!r}.")
    actual, predicted = booleans("target", target), booleans("prediction", prediction)
    counts = confusion(actual, predicted)
    measured, limitations = decided(counts, confidence)
    result = {"n": rows, "threshold": threshold, "confidence": confidence, **measured}
    if score is not None:
        scores = finite("score", score)
        result |= {"bins": bins, "binning": binning}
        for part, stated in (
            separation(actual, scores, confidence),
            calibrated(actual, scores, bins, confidence, binning=binning, groups=groups, sample=sample),
            cuts(actual, scores, confidence),
        ):
            result |= part
            limitations += stated
        result["costs"], stated = priced(actual, scores, counts, cost_false_positive, cost_false_negative)
        limitations += stated
        limitations += mismatch(predicted, scores, threshold)
    return result | {"limitations": limitations}


def cuts(actual: NDArray[np.bool_], score: NDArray[np.float64], confidence: float) -> tuple[dict[str, Any], list[str]]:
    """average_precision, thresholds and lift; null or empty for a single outcome, which `separation` has stated."""
    if actual.all() or not actual.any():
        return {"average_precision": Estimate().as_json(), "thresholds": [], "lift": []}, []
    ranked = ranking(actual, score)
    return {
        "average_precision": Estimate(costs.average_precision(ranked)).as_json(),
        "thresholds": costs.thresholds(ranked),
        "lift": lift.bands(actual, score, confidence),
    }, []


def priced(
    actual: NDArray[np.bool_],
    score: NDArray[np.float64],
    counts: NDArray[np.int64],
    false_positive: float | None,
    false_negative: float | None,
) -> tuple[dict[str, Any] | None, list[str]]:
    """The cost curve, if both costs are given."""
    if false_positive is None and false_negative is None:
        return None, []
    for name, cost, other in (
        ("cost_false_positive", false_positive, "cost_false_negative"),
        ("cost_false_negative", false_negative, "cost_false_positive"),
    ):
        if cost is None:
            raise Unmeasurable(param=name, sentence=f"{name} is missing; costs need it beside {other}.")
    _, fp, _, fn = (int(count) for count in counts)
    found = costs.curve(
        ranking(actual, score),
        false_positive=float(false_positive or 0),
        false_negative=float(false_negative or 0),
        decided=(fp, fn),
    )
    return found, ["The cheapest threshold was chosen on the rows that price it, which flatters it."]


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
