"""Two models on the same rows: which separates better, which errs less, and how often they agree.

McNemar, Psychometrika 12 (1947) 153-157, in its exact form; Bonett and Price, Journal of Educational and Behavioral
Statistics 37 (2012) 479-488 (the adjusted interval of a paired difference).
"""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, rankdata

from audits.measures import delong
from audits.measures.calibration import log_losses
from audits.measures.discrimination import auc, ranking
from audits.measures.inputs import booleans, finite, require_confidence, require_same_rows
from audits.measures.intervals import Estimate, quantile, wilson

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def compare(
    *,
    target: ArrayLike,
    champion: ArrayLike,
    challenger: ArrayLike,
    champion_threshold: float,
    challenger_threshold: float,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Every difference is the challenger's less the champion's, between the same rows.

    target: (n,) of booleans or 0 and 1; champion, challenger: (n,) finite scores, higher for the positive outcome; a
    score of its threshold or more is a positive decision. What is undefined is null with its reason.
    """
    require_same_rows({"target": target, "champion": champion, "challenger": challenger})
    require_confidence(confidence)
    actual = booleans("target", target)
    old, new = finite("champion", champion), finite("challenger", challenger)
    decided = old >= champion_threshold, new >= challenger_threshold
    return {
        "n": len(actual),
        "confidence": confidence,
        "auc": {
            "champion": area(actual, old, confidence),
            "challenger": area(actual, new, confidence),
            "difference": delong.difference(actual, old, new, confidence),
        },
        **probabilities(actual, old, new, confidence),
        "accuracy": mcnemar(decided[0] == actual, decided[1] == actual, confidence),
        "agreement": agreement(*decided, confidence),
        "rank_correlation": correlation(old, new),
    }


def area(actual: Flags, score: Floats, confidence: float) -> dict[str, Any]:
    if actual.all() or not actual.any():
        return Estimate().as_json() | {"reason": "the target holds a single outcome"}
    found, reason = auc(ranking(actual, score), confidence)
    return found.as_json() | ({"reason": reason} if reason else {})


def probabilities(actual: Flags, old: Floats, new: Floats, confidence: float) -> dict[str, Any]:
    """Brier score and log loss of both, where both give probabilities."""
    outside = [name for name, score in (("champion", old), ("challenger", new)) if score.min() < 0 or score.max() > 1]
    if outside:
        reason = f"the {outside[0]}'s scores lie outside 0 to 1, so they are not probabilities"
        nothing = Estimate().as_json() | {"reason": reason}
        return {name: {"champion": None, "challenger": None, "difference": nothing} for name in ("brier", "log_loss")}
    return {
        "brier": losses((old - actual) ** 2, (new - actual) ** 2, confidence),
        "log_loss": losses(log_losses(actual, old), log_losses(actual, new), confidence),
    }


def losses(old: Floats, new: Floats, confidence: float) -> dict[str, Any]:
    """Mean losses, and the mean of the rows' differences with its large-sample normal interval."""
    gap = new - old
    value = float(gap.mean())
    found: dict[str, Any] = Estimate(value).as_json() | {"reason": "a single row has no interval"}
    if len(gap) > 1:
        spread = quantile(confidence) * float(gap.std(ddof=1)) / sqrt(len(gap))
        found = Estimate(value, value - spread, value + spread).as_json()
    return {"champion": float(old.mean()), "challenger": float(new.mean()), "difference": found}


def mcnemar(old: Flags, new: Flags, confidence: float) -> dict[str, Any]:
    """Accuracies, their paired difference, and the exact test on the rows in which one model alone is right."""
    n, only_old, only_new = len(old), int((old & ~new).sum()), int((new & ~old).sum())
    share_new, share_old = (only_new + 1) / (n + 2), (only_old + 1) / (n + 2)
    value, centre = (only_new - only_old) / n, share_new - share_old
    spread = quantile(confidence) * sqrt(max(0.0, share_new + share_old - centre**2) / (n + 2))
    low, high = max(-1.0, min(value, centre - spread)), min(1.0, max(value, centre + spread))
    discordant = only_old + only_new
    return {
        "champion": wilson(int(old.sum()), n, confidence).as_json(),
        "challenger": wilson(int(new.sum()), n, confidence).as_json(),
        "difference": Estimate(value, low, high).as_json(),
        "both_right": int((old & new).sum()),
        "only_champion_right": only_old,
        "only_challenger_right": only_new,
        "neither_right": int((~old & ~new).sum()),
        "p_value": float(binomtest(only_new, discordant).pvalue) if discordant else 1.0,
    }


def agreement(old: Flags, new: Flags, confidence: float) -> dict[str, Any]:
    """Share of rows decided alike, and Cohen's kappa, null where both decide alike for every row by force."""
    n, same = len(old), int((old == new).sum())
    chance = float(old.mean() * new.mean() + (~old).mean() * (~new).mean())
    kappa = (same / n - chance) / (1 - chance) if chance < 1 else None
    return {
        "share": wilson(same, n, confidence).as_json(),
        "kappa": kappa,
        "only_champion": int((old & ~new).sum()),
        "only_challenger": int((new & ~old).sum()),
    }


def correlation(old: Floats, new: Floats) -> float | None:
    """Spearman's rank correlation; null where a score is the same in every row."""
    ranks = rankdata(old), rankdata(new)
    if any(rank.min() == rank.max() for rank in ranks):
        return None
    return float(np.clip(np.corrcoef(*ranks)[0, 1], -1, 1))
