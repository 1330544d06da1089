"""Ratio and difference between the groups of one table, with intervals.

Vocabulary and values are those of fairlearn's MetricFrame with method "between_groups": ratio = smallest
rate over largest, difference = largest less smallest. What differs is what can't be measured: a group whose
rate is undefined (nothing over nothing) is left out and listed under `skipped`, where fairlearn counts it
as 0; a ratio of 0 to 0 is null, where fairlearn gives NaN.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.answers import UNDECIDED, Family, answer
from audits.measures.counts import Table
from audits.measures.intervals import Estimate, Limits, mover_ratio, newcombe, wilson_limits
from audits.measures.rates import RATES, composed

Floats = NDArray[np.float64]

COMPARED = (
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "false_negative_rate",
    "precision",
    "accuracy",
)
ODDS = ("true_positive_rate", "false_positive_rate")
KINDS = ("ratio", "difference")
# What the literature calls no gap in each rate.
CRITERIA = {
    "selection_rate": "demographic parity",
    "true_positive_rate": "equal opportunity",
    "false_positive_rate": "predictive equality",
    "false_negative_rate": "false negative error rate balance",
    "precision": "predictive parity",
    "accuracy": "overall accuracy equality",
    "equalized_odds": "equalized odds",
}
CHUNK = 2_000_000  # cells drawn at a time
SPREAD = {"ratio": "mover", "difference": "newcombe"}
TOO_FEW = "fewer than two groups have a defined rate"
ALL_ZERO = "the rate is 0 in every group, and a ratio of 0 to 0 is undefined"


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How often the count table is drawn anew, and from which seed; no replicates, no drawing.

    `on_progress` hears the share drawn so far, every second or so; raising there stops the drawing.
    """

    replicates: int
    seed: int
    on_progress: Callable[[float], None] = lambda _share: None


@dataclass(frozen=True, kw_only=True)
class Gap:
    """One metric's gap: its value, and the places of the groups with the smallest and the largest rate."""

    metric: str
    kind: str
    value: float | None
    smallest: int = -1
    largest: int = -1
    reason: str | None = None


def disparities(
    *,
    table: Table,
    kept: NDArray[np.bool_],
    confidence: float,
    resampling: Resampling,
    tolerances: Mapping[str, float | None] | None = None,
) -> list[dict[str, Any]]:
    """Every disparity between the kept groups of a table, equalized odds last.

    `tolerances`: for "ratio" the least, for "difference" the largest that is held to be no breach; a kind that is
    left out, or None, gets no answer.
    """
    counts = table.counts[kept]
    gaps = {(metric, kind): gap(metric, kind, counts) for metric in COMPARED for kind in KINDS}
    for kind in KINDS:
        gaps["equalized_odds", kind] = worst_case(kind, [gaps[metric, kind] for metric in ODDS])
    draws = replicate(table.counts, kept, resampling) if resampling.replicates else None
    groups = [group for group, keep in zip(table.groups, kept, strict=True) if keep]
    rows = []
    for (metric, kind), found in gaps.items():
        if draws is None:
            spread = {**interval(found, counts, confidence).as_json(), "interval": SPREAD[kind]}
        else:
            spread = percentiles(draws[metric, kind], confidence) | {"interval": "multinomial"}
        row = written(
            metric=metric,
            kind=kind,
            found=found,
            spread=spread,
            attributes=table.attributes,
            groups=groups,
            counts=counts,
        )
        if (tolerance := (tolerances or {}).get(kind)) is not None:
            row |= answered(row, counts, groups, tolerance, confidence)
        rows.append(row)
    return rows


def answered(
    row: dict[str, Any],
    counts: NDArray[np.int64],
    groups: list[dict[str, Any]],
    tolerance: float,
    confidence: float,
) -> dict[str, Any]:
    """What the intervals of a disparity's pairs of groups say about the tolerance."""
    if row["value"] is None:
        return {"tolerance": tolerance, "answer": UNDECIDED, "decided_by": None}
    parts = ODDS if row["metric"] == "equalized_odds" else (row["metric"],)
    families = [Family(part, partial(rate_limits, part, counts)) for part in parts]
    return answer(families, groups=groups, kind=row["kind"], tolerance=tolerance, confidence=confidence)


def rate_limits(metric: str, counts: NDArray[np.int64], confidence: float) -> Limits:
    return wilson_limits(*RATES[metric].counts(counts), confidence)


def aggregates(table: Table, kept: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """fairlearn's aggregates of every rate over the kept groups where it is defined; None where there is nothing.

    `difference_to_overall` is the largest distance of a group from the value over all rows, `ratio_to_overall` the
    smallest quotient of the two, the smaller over the larger.
    """
    every, all_rows = table.counts[kept], table.counts.sum(axis=0)
    by_group = {name: rate.values(every) for name, rate in RATES.items()} | composed(every)
    overall = {name: rate.values(all_rows) for name, rate in RATES.items()} | composed(all_rows)
    return [
        {"attributes": list(table.attributes), "metric": name, **aggregated(values, float(overall[name]))}
        for name, values in by_group.items()
    ]


def aggregated(values: Floats, overall: float) -> dict[str, float | None]:
    values = values[np.isfinite(values)]
    if len(values) == 0:
        names = ("group_min", "group_max", "difference", "ratio", "difference_to_overall", "ratio_to_overall")
        return dict.fromkeys(names)
    low, high = float(values.min()), float(values.max())
    far = np.maximum(values, overall)
    return {
        "group_min": low,
        "group_max": high,
        "difference": high - low,
        "ratio": low / high if high > 0 else None,
        "difference_to_overall": float(np.abs(values - overall).max()),
        "ratio_to_overall": float((np.minimum(values, overall) / far).min()) if (far > 0).all() else None,
    }


def gap(metric: str, kind: str, counts: NDArray[np.int64]) -> Gap:
    """The gap of one rate between the groups where it is defined."""
    values = RATES[metric].values(counts)
    if np.isfinite(values).sum() <= 1:
        return Gap(metric=metric, kind=kind, value=None, reason=TOO_FEW)
    smallest = int(np.nanargmin(values))
    largest = len(values) - 1 - int(np.nanargmax(values[::-1]))  # the last, so that ties name two groups
    low, high = float(values[smallest]), float(values[largest])
    if kind == "ratio" and high == 0:
        return Gap(metric=metric, kind=kind, value=None, reason=ALL_ZERO)
    value = low / high if kind == "ratio" else high - low
    return Gap(metric=metric, kind=kind, value=value, smallest=smallest, largest=largest)


def worst_case(kind: str, parts: list[Gap]) -> Gap:
    """Equalized odds: the smaller ratio or the larger difference of the two rates.

    Null when either rate has fewer than two groups to compare. A ratio of 0 to 0 says the groups are
    equal in that rate, so the other rate decides.
    """
    for part in parts:
        if part.reason == TOO_FEW:
            return part
    defined = [part for part in parts if part.value is not None]
    choose = min if kind == "ratio" else max
    return choose(defined, key=lambda part: part.value or 0.0) if defined else parts[0]


def interval(found: Gap, counts: NDArray[np.int64], confidence: float) -> Estimate:
    """Newcombe or MOVER-R on the two groups that span the gap.

    Choosing the two after seeing the data makes this a statement about those two groups; with many groups,
    resampling describes the spread of the whole statistic.
    """
    if found.value is None:
        return Estimate()
    part, over = RATES[found.metric].counts(counts)
    small = int(part[found.smallest]), int(over[found.smallest])
    large = int(part[found.largest]), int(over[found.largest])
    if found.kind == "ratio":
        return mover_ratio(*small, *large, confidence)
    return newcombe(*large, *small, confidence)


def replicate(
    counts: NDArray[np.int64], kept: NDArray[np.bool_], resampling: Resampling
) -> dict[tuple[str, str], Floats]:
    """Each gap in each redrawn table: arrays (replicates,), NaN where a redrawn table leaves it undefined.

    Drawing the whole table from a multinomial is equal in law to drawing its rows with replacement.
    """
    found: dict[tuple[str, str], list[Floats]] = {}
    for drawn in draws_of(counts, resampling):
        for metric in COMPARED:
            values = RATES[metric].values(drawn[:, kept])
            some = np.isfinite(values).sum(axis=1) > 1
            low = np.where(some, np.fmin.reduce(values, axis=1), np.nan)
            high = np.where(some, np.fmax.reduce(values, axis=1), np.nan)
            ratio = np.divide(low, high, out=np.full(len(low), np.nan), where=high > 0)
            found.setdefault((metric, "ratio"), []).append(ratio)
            found.setdefault((metric, "difference"), []).append(high - low)
    draws = {key: np.concatenate(chunks) for key, chunks in found.items()}
    first, second = ODDS
    difference = np.maximum(draws[first, "difference"], draws[second, "difference"])
    ratio = np.fmin(draws[first, "ratio"], draws[second, "ratio"])
    draws["equalized_odds", "difference"] = difference
    draws["equalized_odds", "ratio"] = np.where(np.isnan(difference), np.nan, ratio)
    return draws


def draws_of(counts: NDArray[np.int64], resampling: Resampling) -> Iterator[NDArray[np.int64]]:
    """Redrawn tables (some, groups, 4), a bounded number of cells at a time."""
    generator = np.random.default_rng(resampling.seed)
    rows = int(counts.sum())
    shares = counts.ravel() / rows
    step = max(1, CHUNK // counts.size)
    for start in range(0, resampling.replicates, step):
        resampling.on_progress(start / resampling.replicates)
        some = min(step, resampling.replicates - start)
        yield generator.multinomial(rows, shares, size=some).reshape(some, *counts.shape)


def percentiles(draws: Floats, confidence: float) -> dict[str, Any]:
    """Percentile limits over the replicates in which the gap is defined, and how many those are."""
    defined = draws[np.isfinite(draws)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail]) if len(defined) else (None, None)
    return {
        "low": None if low is None else float(low),
        "high": None if high is None else float(high),
        "replicates_defined": len(defined),
    }


def written(
    *,
    metric: str,
    kind: str,
    found: Gap,
    spread: dict[str, Any],
    attributes: tuple[str, ...],
    groups: list[dict[str, Any]],
    counts: NDArray[np.int64],
) -> dict[str, Any]:
    """One disparity as JSON has it.

    `worst` is the group with the smallest rate and `reference` the one with the largest; for the false
    negative rate it is the other way round, being the share of the deserving who are turned down.
    """
    worst, reference = found.smallest, found.largest
    if found.metric == "false_negative_rate":
        worst, reference = reference, worst
    defined = found.value is not None
    parts = ODDS if metric == "equalized_odds" else (metric,)
    skipped = [
        {"group": groups[place], "metric": part, "reason": RATES[part].undefined}
        for part in parts
        for place in np.flatnonzero(np.isnan(RATES[part].values(counts)))
    ]
    row = {
        "metric": metric,
        "kind": kind,
        "criterion": CRITERIA[metric],
        "attributes": list(attributes),
        "value": found.value,
        "low": spread["low"] if defined else None,
        "high": spread["high"] if defined else None,
        "interval": spread["interval"] if defined else None,
        "worst": groups[worst] if defined else None,
        "reference": groups[reference] if defined else None,
        "skipped": skipped,
        "reason": found.reason,
    }
    if "replicates_defined" in spread:
        row["replicates_defined"] = spread["replicates_defined"]
    if metric == "equalized_odds":
        row["component"] = found.metric if defined else None
    return row
