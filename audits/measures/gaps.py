"""The largest difference between groups in something that is not a share of counts: a mean, an area under a curve.

The limits of each group are joined by MOVER: the squares of their distances are added. With Student limits of means
this is close to Welch's interval.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit  # type: ignore[import-untyped, unused-ignore]

from audits.measures.answers import UNDECIDED, Family, answer
from audits.measures.intervals import Limits, mover_differences

Floats = NDArray[np.float64]


def mean_limits(n: NDArray[np.int64], mean: Floats, squares: Floats, confidence: float) -> Limits:
    """Means of groups with Student limits; without limits (infinite) for a group of one row, NaN for an empty one.

    squares: sum of the squared distances from the mean, (groups,).
    """
    freedom = np.maximum(n - 1, 1)
    spread = stdtrit(freedom, (1 + confidence) / 2) * np.sqrt(squares / freedom / np.maximum(n, 1))
    spread = np.where(n > 1, spread, np.inf)
    value = np.where(n > 0, mean, np.nan)
    return Limits(value, value - spread, value + spread)


def difference(
    *,
    metric: str,
    attributes: Sequence[str],
    groups: Sequence[dict[str, Any]],
    limits: Callable[[float], Limits],
    confidence: float,
    tolerance: float | None,
    undefined: str,
) -> dict[str, Any]:
    """Largest less smallest value of the groups, as disparities.py writes it; `worst` has the smallest value."""
    found = limits(confidence)
    defined = np.isfinite(found.value)
    row: dict[str, Any] = {
        "metric": metric,
        "kind": "difference",
        "attributes": list(attributes),
        "skipped": [
            {"group": groups[place], "metric": metric, "reason": undefined}
            for place in map(int, np.flatnonzero(~defined))
        ],
    }
    if defined.sum() <= 1:
        nothing = dict.fromkeys(("value", "low", "high", "interval", "worst", "reference"))
        row |= nothing | {"reason": "fewer than two groups have a defined value"}
        return row | ({} if tolerance is None else {"tolerance": tolerance, "answer": UNDECIDED, "decided_by": None})
    smallest = int(np.nanargmin(found.value))
    largest = len(found.value) - 1 - int(np.nanargmax(found.value[::-1]))
    spread = mover_differences(found[largest], found[smallest])
    row |= {
        "value": float(spread.value),
        "low": finite_or_none(spread.low),
        "high": finite_or_none(spread.high),
        "interval": "mover",
        "worst": groups[smallest],
        "reference": groups[largest],
        "reason": None,
    }
    if tolerance is not None:
        family = Family(metric, limits)
        row |= answer([family], groups=groups, kind="difference", tolerance=tolerance, confidence=confidence)
    return row


def estimate(limits: Limits, place: int) -> dict[str, float | None]:
    """One group's value and limits as JSON has them."""
    parts = {"value": limits.value, "low": limits.low, "high": limits.high}
    return {name: finite_or_none(values[place]) for name, values in parts.items()}


def finite_or_none(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
