"""Fairness of amounts: how far predicted numbers are off in each group, and the gaps between the groups."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.counts import Codes, Grouping, grouped
from audits.measures.disparities import aggregated
from audits.measures.errors import Unmeasurable
from audits.measures.fairness import chosen, named
from audits.measures.gaps import difference, estimate, mean_limits
from audits.measures.inputs import finite, require_confidence, require_same_rows, require_whole
from audits.measures.intervals import Limits

Floats = NDArray[np.float64]

HUGE = 1e70  # fourth powers of errors must add up
MEANS = ("mean_target", "mean_prediction", "mean_error", "mean_absolute_error", "mean_squared_error")
COMPARED = ("mean_prediction", "mean_error", "mean_absolute_error", "root_mean_squared_error")
NOTHING = "there are no rows"


def assess(
    *,
    target: Any,
    prediction: Any,
    sensitive: Mapping[str, Any],
    intersections: bool | Sequence[Sequence[str]] = True,
    confidence: float = 0.95,
    min_group: int = 2,
    tolerance: float | None = None,
) -> dict[str, Any]:
    """Errors per group of predicted amounts, and the differences between groups.

    target, prediction: finite numbers (n,); an error is prediction less target, in the target's unit. sensitive and
    intersections as in fairness.assess. Means have Student limits, the root of the mean squared error the roots of its
    limits; a difference between groups has limits joined by MOVER, and an `answer` where `tolerance`, in the target's
    unit, is given. R² is 1 - squared errors / squared distances from the group's mean; null where the target is
    constant. Raises Unmeasurable for input that has no right answer.
    """
    columns = {"target": target, "prediction": prediction, **named(sensitive)}
    rows = require_same_rows(columns)
    require_confidence(confidence)
    require_whole("min_group", min_group, least=1)
    if tolerance is not None and not 0 <= tolerance < np.inf:
        sentence = f"tolerance is {tolerance!r}; pass an amount of 0 or more, in the unit of the target."
        raise Unmeasurable(param="tolerance", sentence=sentence)
    happened, said = addable("target", target), addable("prediction", prediction)
    codes, groupings = grouped(sensitive, chosen(list(sensitive), intersections))
    finest = len(groupings[0].place)
    sums = Sums(happened, said, codes, finest)
    everyone = Grouping((), [{}], np.zeros(finest, dtype=np.int64))
    result: dict[str, Any] = {
        "groups": [],
        "overall": described(everyone, sums.of(everyone), confidence)[0],
        "disparities": [],
        "aggregates": [],
        "excluded": [],
        "confidence": confidence,
        "min_group": min_group,
        "rows": rows,
        "limitations": [],
    }
    for grouping in groupings:
        add(result, grouping, sums.of(grouping), tolerance)
    return result


def addable(name: str, values: Any) -> Floats:
    """Finite numbers whose fourth powers can be added up."""
    numbers = finite(name, values)
    huge = np.abs(numbers) > HUGE
    if huge.any():
        row = int(np.argmax(huge))
        sentence = f"{name} holds {numbers[row]:g} in row {row + 1}, too large to add up; mend or drop that row."
        raise Unmeasurable(param=name, sentence=sentence)
    return numbers


class Sums:
    """For each quantity the sums per finest group of its distance from its mean over all rows, and of its square."""

    def __init__(self, target: Floats, prediction: Floats, codes: Codes, finest: int) -> None:
        error = prediction - target
        quantities = dict(zip(MEANS, (target, prediction, error, np.abs(error), error**2), strict=True))
        self.n = np.bincount(codes, minlength=finest)
        self.centres = {name: float(values.mean()) for name, values in quantities.items()}
        self.sums = {
            name: np.stack(
                [
                    np.bincount(codes, weights=values - self.centres[name], minlength=finest),
                    np.bincount(codes, weights=(values - self.centres[name]) ** 2, minlength=finest),
                ],
                axis=-1,
            )
            for name, values in quantities.items()
        }

    def of(self, grouping: Grouping) -> "Moments":
        n = grouping.summed(self.n)
        means, squares = {}, {}
        for name, sums in self.sums.items():
            total, total2 = grouping.summed(sums).T
            means[name] = self.centres[name] + total / n
            squares[name] = np.maximum(0.0, total2 - total**2 / n)
        return Moments(n, means, squares)


class Moments:
    """Rows, mean and sum of squared distances from it of each quantity, arrays (groups,)."""

    def __init__(self, n: NDArray[np.int64], means: dict[str, Floats], squares: dict[str, Floats]) -> None:
        self.n, self.means, self.squares = n, means, squares

    def limits(self, metric: str, confidence: float) -> Limits:
        if metric == "root_mean_squared_error":
            found = self.limits("mean_squared_error", confidence)
            return Limits(*(np.sqrt(part) for part in (found.value, found.low, found.high)))
        found = mean_limits(self.n, self.means[metric], self.squares[metric], confidence)
        if metric in {"mean_absolute_error", "mean_squared_error"}:
            return Limits(found.value, np.maximum(0.0, found.low), found.high)
        return found

    def r2(self) -> Floats:
        spread, lost = self.squares["mean_target"], self.means["mean_squared_error"] * self.n
        out = np.full(len(self.n), np.nan)
        np.divide(lost, spread, out=out, where=(spread > 0) & (self.n > 1))
        return np.asarray(1 - out)

    def kept(self, kept: NDArray[np.bool_]) -> "Moments":
        return Moments(
            self.n[kept],
            {name: values[kept] for name, values in self.means.items()},
            {name: values[kept] for name, values in self.squares.items()},
        )


def described(grouping: Grouping, moments: Moments, confidence: float) -> list[dict[str, Any]]:
    limits = {name: moments.limits(name, confidence) for name in (*MEANS, "root_mean_squared_error")}
    r2 = moments.r2()
    return [
        {
            "group": group,
            "n": int(moments.n[place]),
            **{name: estimate(found, place) for name, found in limits.items()},
            "r2": float(r2[place]) if np.isfinite(r2[place]) else None,
        }
        for place, group in enumerate(grouping.groups)
    ]


def add(result: dict[str, Any], grouping: Grouping, moments: Moments, tolerance: float | None) -> None:
    """Add one grouping's groups, exclusions, gaps and aggregates to the result."""
    confidence, least = result["confidence"], result["min_group"]
    result["groups"] += described(grouping, moments, confidence)
    kept = moments.n >= least
    for place in np.flatnonzero(~kept):
        size = int(moments.n[place])
        rows = "1 row" if size == 1 else f"{size} rows"
        reason = f"The group has {rows}; differences compare groups of at least {least} rows."
        result["excluded"].append({"group": grouping.groups[place], "n": size, "reason": reason})
    if kept.sum() <= 1:
        of = " and ".join(grouping.attributes)
        result["limitations"].append(f"No difference for {of}: fewer than two groups have at least {least} rows.")
        return
    groups = [group for group, keep in zip(grouping.groups, kept, strict=True) if keep]
    compared = moments.kept(kept)
    for metric in COMPARED:
        limits: Callable[[float], Limits] = partial(compared.limits, metric)
        row = difference(
            metric=metric,
            attributes=grouping.attributes,
            groups=groups,
            limits=limits,
            confidence=confidence,
            tolerance=tolerance,
            undefined=NOTHING,
        )
        result["disparities"].append(row)
        overall = result["overall"][metric]["value"]
        found: dict[str, Any] = aggregated(limits(confidence).value, overall)
        if metric in {"mean_prediction", "mean_error"}:  # a ratio of amounts that can be negative says nothing
            found |= {"ratio": None, "ratio_to_overall": None}
        result["aggregates"].append({"attributes": list(grouping.attributes), "metric": metric, **found})
