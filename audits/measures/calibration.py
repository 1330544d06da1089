"""Whether scores can be read as probabilities: log loss, Brier score and its parts, calibration bins, tests of fit."""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from audits.measures.errors import Unmeasurable
from audits.measures.intervals import Estimate, quantile, wilson

Floats = NDArray[np.float64]

CLIP = float(np.finfo(np.float64).eps)
WIDTH, COUNT = "width", "count"
EXTERNAL, DEVELOPMENT = "external", "development"
FEW = 5
STEPS = 100


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


def equal_width(score: Floats, bins: int) -> tuple[NDArray[np.int64], Floats]:
    """Each row's bin and the bins' edges (bins + 1); each bin is closed on the left, the last on both sides."""
    edges = np.arange(bins + 1) / bins  # not linspace, whose 0.6 of fifths is 0.6000000000000001
    return np.searchsorted(edges[1:-1], score, side="right").astype(np.int64), edges


def equal_count(score: Floats, bins: int) -> NDArray[np.int64]:
    """Each row's bin, floor(bins x rows with a lower score / rows): equal scores share a bin, so sizes may differ.

    Bins that ties leave empty don't occur; the others are numbered from 0.
    """
    _, place, sizes = np.unique(score, return_inverse=True, return_counts=True)
    below = np.cumsum(sizes) - sizes
    bin_of = bins * below // len(score)
    numbered: NDArray[np.int64] = np.unique(bin_of, return_inverse=True)[1][place].astype(np.int64)
    return numbered


def bins_of(
    target: NDArray[np.bool_], score: Floats, bins: int, confidence: float, binning: str = WIDTH
) -> list[dict[str, float | int | None]]:
    """Bins of the score: `width` gives equally wide ones from 0 to 1, `count` equally full ones.

    observed_low and observed_high are Wilson limits of the observed rate; an empty bin has nulls. A bin of equally
    full ones is stated by its lowest and highest score.
    """
    if binning == WIDTH:
        place, edges = equal_width(score, bins)
        lows, highs = edges[:-1], edges[1:]
    else:
        place = equal_count(score, bins)
        bins = int(place.max()) + 1
        lows, highs = np.full(bins, np.inf), np.full(bins, -np.inf)
        np.minimum.at(lows, place, score)
        np.maximum.at(highs, place, score)
    sizes = np.bincount(place, minlength=bins)
    observed = np.bincount(place, weights=target, minlength=bins)
    summed = np.bincount(place, weights=score, minlength=bins)
    rows: list[dict[str, float | int | None]] = []
    for low, high, n, positive, total in zip(lows, highs, sizes, observed, summed, strict=True):
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


def decomposition(target: NDArray[np.bool_], score: Floats, place: NDArray[np.int64]) -> dict[str, float]:
    """The Brier score's parts: reliability - resolution + uncertainty + within_bin_variance - within_bin_covariance.

    Murphy, Journal of Applied Meteorology 12 (1973) 595-600, with the two terms that make the sum exact when scores
    vary inside a bin (Stephenson, Coelho and Jolliffe, Weather and Forecasting 23 (2008) 752-757). place: (n,) bins.
    """
    actual, n = target.astype(float), len(score)
    sizes = np.bincount(place)
    filled = np.maximum(sizes, 1)
    scores = np.bincount(place, weights=score) / filled
    rates = np.bincount(place, weights=actual) / filled
    base = float(actual.mean())
    off_score, off_rate = score - scores[place], actual - rates[place]
    return {
        "reliability": float(sizes @ (scores - rates) ** 2) / n,
        "resolution": float(sizes @ (rates - base) ** 2) / n,
        "uncertainty": base * (1 - base),
        "within_bin_variance": float((off_score**2).mean()),
        "within_bin_covariance": 2 * float((off_score * off_rate).mean()),
    }


def hosmer_lemeshow(
    sizes: NDArray[np.int64], observed: NDArray[np.int64], expected: Floats, sample: str
) -> dict[str, Any]:
    """Sum of (observed - expected)^2 / (n p (1 - p)) over groups, p = expected / n, and its chi-square p-value.

    sizes, observed, expected: (groups,) of rows, positive rows and summed scores. Hosmer and Lemeshow,
    Communications in Statistics A9 (1980) 1043-1069: groups - 2 degrees of freedom on the sample the model was fitted
    to (`development`), groups on any other (`external`). `thin`: groups in which fewer than 5 rows of an outcome are
    expected, so that the p-value is rough. Null, with a reason, where no degree of freedom is left or a group's
    scores are all 0 or all 1 and wrong.
    """
    if sample not in {EXTERNAL, DEVELOPMENT}:
        raise Unmeasurable(param="sample", sentence=f"sample is {sample!r}; pass {EXTERNAL!r} or {DEVELOPMENT!r}.")
    groups = len(sizes)
    freedom = groups - 2 if sample == DEVELOPMENT else groups
    found: dict[str, Any] = {"statistic": None, "df": freedom, "p_value": None, "groups": groups, "sample": sample}
    found["thin"] = int((np.minimum(expected, sizes - expected) < FEW).sum())
    variance = expected * (1 - expected / sizes)
    certain = variance <= 0
    if (certain & (observed != expected)).any():
        return found | {"reason": "a group of scores that are all 0 or all 1 holds the other outcome"}
    if freedom < 1:
        return found | {"reason": f"{groups} groups leave no degree of freedom"}
    parts = np.divide((observed - expected) ** 2, variance, out=np.zeros(groups), where=~certain)
    statistic = float(parts.sum())
    return found | {"statistic": statistic, "p_value": float(chi2.sf(statistic, freedom))}


def grouped_fit(target: NDArray[np.bool_], score: Floats, groups: int, sample: str) -> dict[str, Any]:
    """The Hosmer-Lemeshow test over equally full groups of the score, with the groups."""
    place = equal_count(score, groups)
    sizes = np.bincount(place)
    observed = np.bincount(place, weights=target).astype(np.int64)
    expected: Floats = np.bincount(place, weights=score).astype(float)
    table = [
        {"n": int(n), "observed": int(positive), "expected": float(sum_)}
        for n, positive, sum_ in zip(sizes, observed, expected, strict=True)
    ]
    return hosmer_lemeshow(sizes, observed, expected, sample) | {"table": table}


def recalibration(target: NDArray[np.bool_], score: Floats, confidence: float) -> dict[str, Any]:
    """Intercept and slope of a logistic regression of the outcome on the scores' log-odds, with Wald limits.

    Cox, Biometrika 45 (1958) 562-565: 0 and 1 for calibrated scores; a slope under 1 means scores too extreme.
    `in_the_large` is the intercept with the slope held at 1. Null, with a reason, where no finite fit exists.
    """
    empty = Estimate().as_json()
    nothing: dict[str, Any] = {"intercept": empty, "slope": empty, "in_the_large": empty}
    if reason := unfittable(target, score):
        return nothing | {"reason": reason}
    odds = np.log(score) - np.log1p(-score)
    ones = np.ones((len(odds), 1))
    large, large_error = logistic_fit(ones, target, offset=odds)
    found = nothing | {"in_the_large": wald(large[0], large_error[0], confidence)}
    reason = "every row has the same score" if odds.min() == odds.max() else ""
    if not reason and (odds[target].min() >= odds[~target].max() or odds[target].max() <= odds[~target].min()):
        reason = "the scores separate the outcomes completely"
    if reason:
        return found | {"reason": reason}
    fitted, error = logistic_fit(np.column_stack([ones, odds]), target)
    found["intercept"], found["slope"] = (wald(*each, confidence) for each in zip(fitted, error, strict=True))
    return found


def unfittable(target: NDArray[np.bool_], score: Floats) -> str:
    """Why no logistic regression on the log-odds exists at all, if so."""
    if target.all() or not target.any():
        return "the target holds a single outcome"
    if certain := int(((score <= 0) | (score >= 1)).sum()):
        return f"{certain} scores are exactly 0 or 1, whose log-odds are infinite"
    return ""


def wald(value: float, error: float, confidence: float) -> dict[str, float | None]:
    spread = quantile(confidence) * float(error)
    return Estimate(float(value), float(value) - spread, float(value) + spread).as_json()


def logistic_fit(design: Floats, target: NDArray[np.bool_], offset: Floats | float = 0.0) -> tuple[Floats, Floats]:
    """Coefficients (k,) and standard errors (k,) by Newton's method with halved steps; the fit must exist."""
    beta = np.zeros(design.shape[1])
    sign = np.where(target, 1.0, -1.0)

    def loss(at: Floats) -> float:
        return float(np.logaddexp(0, -sign * (design @ at + offset)).sum())

    now = loss(beta)
    information = np.eye(len(beta))
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ beta + offset, -700, 700)))
        gradient = design.T @ (target - chance)
        information = (design * (chance * (1 - chance))[:, None]).T @ design
        step = np.linalg.solve(information, gradient)
        while (then := loss(beta + step)) > now + 1e-12 * abs(now) and np.abs(step).max() > CLIP:
            step = step / 2
        beta, now = beta + step, then
        if np.abs(step).max() <= 1e-10 * (1 + np.abs(beta).max()):
            break
    else:
        raise Unmeasurable(param="score", sentence="The calibration fit did not converge; the scores are degenerate.")
    return beta, np.sqrt(np.diag(np.linalg.inv(information)))


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
    target: NDArray[np.bool_],
    score: Floats,
    bins: int,
    confidence: float,
    *,
    binning: str = WIDTH,
    groups: int = 10,
    sample: str = EXTERNAL,
) -> tuple[dict[str, Any], list[str]]:
    """log_loss, brier and its parts, ece, calibration and tests of it; null for scores outside 0 to 1."""
    outside = (score < 0) | (score > 1)
    if outside.any():
        row = int(np.argmax(outside))
        sentence = (
            f"Log loss, Brier score and calibration are undefined: scores lie outside 0 to 1 "
            f"({score[row]:g} in row {row + 1}), so they are not probabilities."
        )
        empty = Estimate().as_json()
        nothing = dict.fromkeys(("calibration", "brier_decomposition", "hosmer_lemeshow", "recalibration"))
        return {"log_loss": empty, "brier": empty, "ece": empty} | nothing, [sentence]
    certain = int((score == np.where(target, 0.0, 1.0)).sum())
    rows = bins_of(target, score, bins, confidence, binning)
    place = equal_width(score, bins)[0] if binning == WIDTH else equal_count(score, bins)
    measured = {
        "log_loss": mean(log_losses(target, score), confidence).as_json(),
        "brier": mean((score - target) ** 2, confidence).as_json(),
        "brier_decomposition": decomposition(target, score, place),
        "ece": Estimate(expected_error(rows)).as_json(),
        "calibration": rows,
        "hosmer_lemeshow": grouped_fit(target, score, groups, sample),
        "recalibration": recalibration(target, score, confidence),
    }
    if not certain:
        return measured, []
    what = f"{certain} row{'s give' if certain > 1 else ' gives'} no chance at all to what happened"
    return measured, [f"Log loss is cut off: {what}, which would make it infinite."]
