"""The areas under the ROC curves of several scores of the same rows, and how they vary together.

DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837-845, by midranks (Sun and Xu, IEEE Signal Processing
Letters 21 (2014) 1389-1393).
"""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from audits.measures.intervals import Estimate, quantile

Floats = NDArray[np.float64]


def areas(target: NDArray[np.bool_], scores: Sequence[Floats]) -> tuple[Floats, Floats | None]:
    """AUCs (k,) and their covariance (k, k) for k scores (n,) of the same rows; both outcomes must occur.

    The covariance is None where an outcome occurs once only.
    """
    positives, negatives = int(target.sum()), int((~target).sum())
    above, below = [], []
    for score in scores:
        everywhere = rankdata(score)
        # the share of negatives that each positive beats, and of positives that beat each negative; ties half
        above.append((everywhere[target] - rankdata(score[target])) / negatives)
        below.append(1 - (everywhere[~target] - rankdata(score[~target])) / positives)
    values = np.array([share.mean() for share in above])
    if min(positives, negatives) == 1:
        return values, None
    return values, np.atleast_2d(np.cov(above)) / positives + np.atleast_2d(np.cov(below)) / negatives


def difference(target: NDArray[np.bool_], first: Floats, second: Floats, confidence: float) -> dict[str, Any]:
    """AUC of the second score less that of the first, with normal limits, z and the two-sided p-value.

    Null limits and p-value, with a reason, where the variance can't be estimated or is zero.
    """
    if target.all() or not target.any():
        return Estimate().as_json() | {"z": None, "p_value": None, "reason": "the target holds a single outcome"}
    values, covariance = areas(target, [first, second])
    gap = float(values[1] - values[0])
    found: dict[str, Any] = Estimate(gap).as_json() | {"z": None, "p_value": None}
    if covariance is None:
        return found | {"reason": "an outcome occurs in one row only"}
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if variance <= np.finfo(float).eps * float(np.trace(covariance)):
        return found | {"reason": "both scores rank the rows alike, or leave no variance to estimate it from"}
    spread = sqrt(variance)
    z = gap / spread
    reach = quantile(confidence) * spread
    limits = {"low": max(-1.0, gap - reach), "high": min(1.0, gap + reach)}
    return found | limits | {"z": z, "p_value": 2 * NormalDist().cdf(-abs(z))}
