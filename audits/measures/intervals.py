"""Confidence intervals for proportions, their differences and their ratios.

Sources: Wilson, JASA 22 (1927) 209-212; Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10;
Donner and Zou, Statistical Methods in Medical Research 21 (2012) 347-359 (MOVER-R).
"""

from dataclasses import asdict, dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.errors import Unmeasurable
from audits.measures.inputs import require_confidence


@dataclass(frozen=True)
class Estimate:
    """A value and its limits; None where undefined, and as `high` where the limit is unbounded."""

    value: float | None = None
    low: float | None = None
    high: float | None = None

    def as_json(self) -> dict[str, float | None]:
        return asdict(self)


def quantile(confidence: float) -> float:
    """The standard normal quantile of a two-sided interval, such as 1.96 for 0.95."""
    require_confidence(confidence)
    return NormalDist().inv_cdf((1 + confidence) / 2)


def wilson(successes: int, n: int, confidence: float) -> Estimate:
    """Proportion with its Wilson score interval; empty for n = 0, exact 0 and 1 at the ends.

    Solves |p - successes/n| = z * sqrt(p (1 - p) / n) for p. Raises Unmeasurable unless 0 <= successes <= n.
    """
    require_counts(successes, n)
    return Estimate(*limits(successes, n, confidence)) if n else Estimate()


def require_counts(successes: int, n: int) -> None:
    """Refuse more successes than trials, or fewer than none."""
    if not 0 <= successes <= n:
        sentence = f"{successes} successes in {n} trials are impossible; pass a count between 0 and {n}."
        raise Unmeasurable(param="successes", sentence=sentence)


def limits(successes: int, n: int, confidence: float) -> tuple[float, float, float]:
    """Proportion, lower and upper Wilson limit of a sample that isn't empty."""
    z = quantile(confidence)
    p = successes / n
    centre = p + z * z / (2 * n)
    spread = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if successes == 0 else (centre - spread) / scale
    high = 1.0 if successes == n else (centre + spread) / scale
    return p, low, high


def newcombe(x1: int, n1: int, x2: int, n2: int, confidence: float) -> Estimate:
    """Difference x1/n1 - x2/n2 with Newcombe's interval; empty when a sample is empty.

    Limits: d - sqrt((p1-l1)^2 + (u2-p2)^2) and d + sqrt((u1-p1)^2 + (p2-l2)^2), (l, u) being Wilson limits.
    """
    require_counts(x1, n1)
    require_counts(x2, n2)
    if n1 == 0 or n2 == 0:
        return Estimate()
    p1, l1, u1 = limits(x1, n1, confidence)
    p2, l2, u2 = limits(x2, n2, confidence)
    difference = p1 - p2
    low = difference - sqrt((p1 - l1) ** 2 + (u2 - p2) ** 2)
    high = difference + sqrt((u1 - p1) ** 2 + (p2 - l2) ** 2)
    return Estimate(difference, low, high)


def mover_ratio(x1: int, n1: int, x2: int, n2: int, confidence: float) -> Estimate:
    """Ratio (x1/n1) / (x2/n2) with the MOVER-R interval on Wilson limits; empty when a sample is empty.

    With A = p1 p2, B = l1 (2 p1 - l1), C = u2 (2 p2 - u2), D = u1 (2 p1 - u1), E = l2 (2 p2 - l2), the
    limits are (A - sqrt(A^2 - B C)) / C and (A + sqrt(A^2 - D E)) / E. The lower one is computed as
    B / (A + sqrt(A^2 - B C)), the same number, which also holds when C is zero or negative. For x2 = 0 the
    value is undefined and the interval has no upper limit: both are None.
    """
    require_counts(x1, n1)
    require_counts(x2, n2)
    if n1 == 0 or n2 == 0:
        return Estimate()
    p1, l1, u1 = limits(x1, n1, confidence)
    p2, l2, u2 = limits(x2, n2, confidence)
    product = p1 * p2
    lower = l1 * (2 * p1 - l1)
    denominator = product + sqrt(product**2 - lower * u2 * (2 * p2 - u2))
    low = lower / denominator if x1 else 0.0
    if x2 == 0:
        return Estimate(None, low, None)
    scale = l2 * (2 * p2 - l2)
    high = (product + sqrt(max(0.0, product**2 - u1 * (2 * p1 - u1) * scale))) / scale
    return Estimate(p1 / p2, low, high)


@dataclass(frozen=True)
class Limits:
    """Values with their lower and upper limits, arrays of one shape; NaN where a value is undefined."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def __getitem__(self, place: Any) -> "Limits":
        return Limits(self.value[place], self.low[place], self.high[place])


def wilson_limits(successes: NDArray[np.int64], n: NDArray[np.int64], confidence: float) -> Limits:
    """`wilson` of many samples at once; NaN where n is 0."""
    z = quantile(confidence)
    size = np.where(n > 0, n, np.nan)
    p = successes / size
    scale = 1 + z * z / size
    centre = p + z * z / (2 * size)
    spread = z * np.sqrt(p * (1 - p) / size + z * z / (4 * size * size))
    low = np.where(successes == 0, np.where(n > 0, 0.0, np.nan), (centre - spread) / scale)
    high = np.where((successes == n) & (n > 0), 1.0, (centre + spread) / scale)
    return Limits(p, low, high)


def mover_differences(one: Limits, other: Limits) -> Limits:
    """one - other, the squared distances of the limits added: Newcombe's interval where both have Wilson's.

    Zou and Donner, Statistics in Medicine 27 (2008) 1693-1702. Shapes are broadcast.
    """
    value = one.value - other.value
    low = value - np.hypot(one.value - one.low, other.high - other.value)
    high = value + np.hypot(one.high - one.value, other.value - other.low)
    return Limits(value, low, high)


def mover_ratios(one: Limits, other: Limits) -> Limits:
    """one / other as `mover_ratio` has it, of values that are not negative; no upper limit is infinite."""
    product = one.value * other.value
    lower = one.low * (2 * one.value - one.low)
    inside = product**2 - lower * other.high * (2 * other.value - other.high)
    denominator = product + np.sqrt(np.maximum(0.0, inside))
    scale = other.low * (2 * other.value - other.low)
    root = np.sqrt(np.maximum(0.0, product**2 - one.high * (2 * one.value - one.high) * scale))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(other.value > 0, one.value / other.value, np.nan)
        low = np.where(lower > 0, lower / denominator, np.where(np.isnan(lower), np.nan, 0.0))
        high = np.where(scale > 0, (product + root) / scale, np.where(np.isnan(scale), np.nan, np.inf))
    return Limits(value, low, high)
