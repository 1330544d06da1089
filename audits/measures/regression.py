"""How far predicted amounts are from what happened."""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from audits.measures.calibration import equal_count
from audits.measures.errors import Unmeasurable
from audits.measures.inputs import finite, require_confidence, require_same_rows, require_whole
from audits.measures.intervals import Estimate, quantile

Floats = NDArray[np.float64]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LARGEST = 1e150  # its square still is a number


def assess(
    *,
    target: ArrayLike,
    prediction: ArrayLike,
    quantiles: tuple[float, ...] | list[float] = QUANTILES,
    bands: int = 10,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Errors are prediction less target, in the target's unit; MAPE is a share of the target's size.

    target, prediction: (n,) finite numbers of at most 1e150 in size. Means have normal intervals (n > 1); RMSE the
    roots of the limits of the mean square; quantiles the exact limits of order statistics. R2 is
    1 - sum of squares / sum of squares around the target's mean, without interval. What is undefined is null and
    named in `limitations`. Raises Unmeasurable for input without a right answer.
    """
    n = require_same_rows({"target": target, "prediction": prediction})
    require_confidence(confidence)
    require_whole("bands", bands, least=1)
    actual, predicted = sized("target", target), sized("prediction", prediction)
    error = predicted - actual
    whole = float(((actual - actual.mean()) ** 2).sum())
    relative, stated = percentage(error, actual, confidence)
    limitations = [*stated, *([] if n > 1 else ["A single row has no interval."])]
    if whole == 0:
        limitations.append("R² is undefined: the target is the same in every row.")
    return {
        "n": n,
        "confidence": confidence,
        "mae": mean(np.abs(error), confidence, least=0.0).as_json(),
        "rmse": rooted(mean(error**2, confidence, least=0.0)).as_json(),
        "bias": mean(error, confidence).as_json(),
        "mape": relative,
        "r2": Estimate(1 - float((error**2).sum()) / whole if whole else None).as_json(),
        "quantiles": [quantile_of(error, share, confidence) for share in quantiles],
        "bands": banded(actual, predicted, bands, confidence),
        "limitations": limitations,
    }


def sized(name: str, values: ArrayLike) -> Floats:
    array = finite(name, values)
    large = np.abs(array) > LARGEST
    if large.any():
        row = int(np.argmax(large)) + 1
        raise Unmeasurable(param=name, sentence=f"{name} is larger than {LARGEST:g} in row {row}; mend or drop it.")
    return array


def mean(values: Floats, confidence: float, least: float = -np.inf) -> Estimate:
    """Mean with its large-sample normal interval; no limits for a single row."""
    value = float(values.mean())
    if len(values) == 1:
        return Estimate(value)
    spread = quantile(confidence) * float(values.std(ddof=1)) / sqrt(len(values))
    return Estimate(value, max(least, value - spread), value + spread)


def rooted(found: Estimate) -> Estimate:
    value, low, high = (None if part is None else sqrt(part) for part in (found.value, found.low, found.high))
    return Estimate(value, low, high)


def percentage(error: Floats, actual: Floats, confidence: float) -> tuple[dict[str, Any], list[str]]:
    """Mean of |error| / |target| over the rows whose target is not 0, and how many were left out."""
    usable = actual != 0
    zeros = int((~usable).sum())
    if not usable.any():
        return Estimate().as_json() | {"zeros": zeros}, ["MAPE is undefined: the target is 0 in every row."]
    with np.errstate(over="ignore"):
        shares = np.abs(error[usable] / actual[usable])
    if not np.isfinite(shares).all() or shares.max() > LARGEST:
        endless = "MAPE is undefined: a target is so close to 0 that the error's share of it has no end."
        return Estimate().as_json() | {"zeros": zeros}, [endless]
    said = [f"MAPE leaves out {zeros} of {len(actual)} rows, whose target is 0."] if zeros else []
    return mean(shares, confidence, least=0.0).as_json() | {"zeros": zeros}, said


def quantile_of(error: Floats, share: float, confidence: float) -> dict[str, float | None]:
    """The quantile (linear between neighbours) and the order statistics that hold it with the confidence at least.

    The limits need no law of the errors: David and Nagaraja, Order Statistics (2003), 7.1. A limit is null where the
    sample is too small for one.
    """
    if isinstance(share, bool) or not 0 < share < 1:
        raise Unmeasurable(param="quantiles", sentence=f"quantiles holds {share!r}; pass shares between 0 and 1.")
    n, ordered, tail = len(error), np.sort(error), (1 - confidence) / 2
    # the lower limit X(l) fails if fewer than l rows lie at or below the quantile
    lower = int(binom.ppf(tail, n, share))
    lower -= binom.cdf(lower - 1, n, share) > tail
    upper = int(binom.ppf(1 - tail, n, share)) + 1
    return {
        "quantile": float(share),
        "value": float(np.quantile(ordered, share)),
        "low": float(ordered[lower - 1]) if lower >= 1 else None,
        "high": float(ordered[upper - 1]) if upper <= n else None,
    }


def banded(actual: Floats, predicted: Floats, bands: int, confidence: float) -> list[dict[str, Any]]:
    """Equally full bands of the prediction: what was predicted and what happened on average."""
    place = equal_count(predicted, bands)
    rows = []
    for at in range(int(place.max()) + 1):
        inside = place == at
        happened = mean(actual[inside], confidence)
        rows.append(
            {
                "n": int(inside.sum()),
                "low": float(predicted[inside].min()),
                "high": float(predicted[inside].max()),
                "mean_prediction": float(predicted[inside].mean()),
                "mean_target": happened.as_json(),
            }
        )
    return rows
