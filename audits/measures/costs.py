"""What each threshold would decide, and what its errors would cost."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.discrimination import Ranking
from audits.measures.errors import Unmeasurable

Counts = NDArray[np.int64]
MOST = 101


def reached(ranked: Ranking) -> tuple[Counts, Counts]:
    """True and false positives (k + 1,) of "threshold or more", from no row at all down to every row."""
    true = np.concatenate([[0], np.cumsum(ranked.positive[::-1])])
    false = np.concatenate([[0], np.cumsum(ranked.negative[::-1])])
    return true, false


def threshold_of(ranked: Ranking, place: int) -> float | None:
    """The threshold of a place of `reached`; None lies above every score."""
    return float(ranked.scores[::-1][place - 1]) if place else None


def spread(ranked: Ranking, most: int = MOST) -> Counts:
    """At most `most` places of `reached`, evenly spaced over the rows, both ends among them."""
    true, false = reached(ranked)
    if len(true) <= most:
        return np.arange(len(true))
    rows = true + false
    return np.unique(np.searchsorted(rows, np.linspace(0, rows[-1], most)))


def thresholds(ranked: Ranking, most: int = MOST) -> list[dict[str, float | None]]:
    """The rates that thresholds yield, from the strictest to the one that every row reaches; both outcomes occur.

    Rates are shares from 0 to 1; precision is null where no row reaches the threshold.
    """
    true, false = reached(ranked)
    positives, negatives = int(true[-1]), int(false[-1])
    rows = []
    for place in spread(ranked, most):
        tp, fp = int(true[place]), int(false[place])
        rows.append(
            {
                "threshold": threshold_of(ranked, int(place)),
                "selection_rate": (tp + fp) / (positives + negatives),
                "true_positive_rate": tp / positives,
                "false_positive_rate": fp / negatives,
                "precision": tp / (tp + fp) if tp + fp else None,
                "accuracy": (tp + negatives - fp) / (positives + negatives),
            }
        )
    return rows


def average_precision(ranked: Ranking) -> float:
    """Sum over thresholds of the recall gained there times the precision there: area under the PR curve by steps."""
    true, false = reached(ranked)
    precision = true[1:] / (true[1:] + false[1:])
    return float(np.diff(true) @ precision) / float(true[-1])


def require_costs(false_positive: float, false_negative: float) -> None:
    """Costs are finite, not negative, and not both zero."""
    for name, cost in (("cost_false_positive", false_positive), ("cost_false_negative", false_negative)):
        if isinstance(cost, bool) or not np.isfinite(cost) or cost < 0:
            raise Unmeasurable(param=name, sentence=f"{name} is {cost!r}; pass a number of at least 0.")
    if not false_positive and not false_negative:
        sentence = "Both costs are 0, so every threshold costs the same; give at least one."
        raise Unmeasurable(param="cost_false_positive", sentence=sentence)


def curve(ranked: Ranking, *, false_positive: float, false_negative: float, decided: tuple[int, int]) -> dict[str, Any]:
    """Mean cost per row over thresholds, the cheapest of all thresholds, and what the decisions taken cost.

    decided: false positives and false negatives of the decisions under test. Costs are in the unit of what they are
    given in, per error. Of equally cheap thresholds the highest is given; None decides against every row.
    """
    require_costs(false_positive, false_negative)
    true, false = reached(ranked)
    n = int(true[-1] + false[-1])
    costs = (false_positive * false + false_negative * (true[-1] - true)) / n
    best = int(np.argmin(costs))
    return {
        "false_positive": float(false_positive),
        "false_negative": float(false_negative),
        "decided": (false_positive * decided[0] + false_negative * decided[1]) / n,
        "cheapest": {"threshold": threshold_of(ranked, best), "cost": float(costs[best])},
        "all": float(costs[-1]),
        "none": float(costs[0]),
        "curve": [
            {"threshold": threshold_of(ranked, int(place)), "cost": float(costs[place])} for place in spread(ranked)
        ],
    }
