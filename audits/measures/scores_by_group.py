"""What scores do in each group: AUC, calibration, mean, and how far the groups' score distributions are apart.

Up to a million rows the scores are sorted once and everything is exact. Beyond, they are counted in equally wide bins
and each figure states how far that can put it off; a group whose AUC it could put off by more than 1e-5 is sorted
after all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.calibration import expected_error
from audits.measures.counts import Codes, Grouping
from audits.measures.discrimination import Ranking
from audits.measures.discrimination import auc as area
from audits.measures.errors import Unmeasurable
from audits.measures.gaps import difference, estimate, mean_limits
from audits.measures.impact import impact
from audits.measures.inputs import finite
from audits.measures.intervals import Estimate, Limits, mover_differences, wilson

Floats = NDArray[np.float64]

EXACT_ROWS = 1_000_000
MOST_BINS = 1 << 18
FEWEST_BINS = 1 << 14
MOST_CELLS = 1 << 24  # 128 MB of counts
MOST_AUC_ERROR = 1e-5
CHUNK = 1 << 20
HUGE = 1e100  # squares of scores must add up
TINY = 1e-300  # and bins have a width to divide by
ONE_OUTCOME = "the group holds a single outcome"
NO_PROBABILITY = "scores lie outside 0 to 1, so they are not probabilities"


@dataclass(frozen=True)
class Ranked:
    """A group's scores in order; `width` of the bins that stand for them, 0 where they are exact."""

    ranking: Ranking
    width: float

    @property
    def n(self) -> NDArray[np.int64]:
        return self.ranking.positive + self.ranking.negative

    @property
    def outcomes(self) -> tuple[int, int]:
        return int(self.ranking.positive.sum()), int(self.ranking.negative.sum())

    def auc_error(self) -> float:
        """How far the bins can put the AUC off: half the share of pairs that fall into one bin."""
        positives, negatives = self.outcomes
        if self.width == 0 or positives == 0 or negatives == 0:
            return 0.0
        pairs = self.ranking.positive.astype(np.float64) @ self.ranking.negative
        return float(pairs) / (2 * positives * negatives)


def assess(
    *,
    actual: NDArray[np.bool_],
    score: Any,
    codes: Codes,
    groupings: Sequence[Grouping],
    bins: int = 10,
    confidence: float = 0.95,
    min_group: int = 2,
    tolerance: float | None = None,
    leave_out_small: bool = False,
) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    """The scores' part of a fairness result, the impact ratios of scoring rates, and limitations.

    actual: (n,) whether the outcome was favourable; score: (n,) finite numbers, higher for the favourable outcome;
    codes: (n,) the finest group of each row. `tolerance` is for the differences of AUC and, where scores are
    probabilities, of mean score and calibration. Raises Unmeasurable for a score that is missing, infinite or too large
    to be squared.
    """
    scores = finite("score", score)
    require_addable(scores)
    finest = len(groupings[0].place)
    probability = bool(scores.min() >= 0 and scores.max() <= 1)
    median = float(np.median(scores))
    above = np.bincount(codes[scores > median], minlength=finest)
    sums = summed(actual, scores, codes, finest, bins if probability else 0)
    sorting = Sorting(actual, scores, codes, finest, EXACT_ROWS)
    everyone = Groups(Grouping((), [{}], np.zeros(finest, dtype=np.int64)), sums, sorting, float(scores.mean()))
    part: dict[str, Any] = {
        "median": median,
        "bins": bins,
        "exact": sorting.histogram is None,
        "overall": everyone.described(confidence)[0],
        "groups": [],
        "disparities": [],
        "distances": [],
    }
    ratios = []
    for grouping in groupings:
        groups = Groups(grouping, sums, sorting, everyone.centre)
        part["groups"] += groups.described(confidence)
        part["disparities"] += groups.gaps(min_group, confidence, tolerance, probability=probability)
        part["distances"] += groups.distances(min_group, confidence)
        ratios.append(
            impact(
                attributes=grouping.attributes,
                groups=grouping.groups,
                chosen=grouping.summed(above),
                n=groups.sums["n"].astype(np.int64),
                rate="scoring_rate",
                confidence=confidence,
                leave_out_small=leave_out_small,
            )
        )
    return part, ratios, limited(scores, probability, sorting)


def limited(scores: Floats, probability: bool, sorting: "Sorting") -> list[str]:
    found = []
    if not probability:
        found.append(f"Calibration within groups is undefined: {NO_PROBABILITY}.")
    if scores.min() == scores.max():
        found.append("Every row has the same score, so the scores rank nobody: AUC is 0.5 wherever it is defined.")
    if sorting.histogram is not None:
        found.append(
            f"The scores of {len(scores):,} rows were counted in {sorting.bins:,} bins; each figure made of them "
            "states how far that can put it off."
        )
    return found


def require_addable(scores: Floats) -> None:
    huge = np.abs(scores) > HUGE
    if huge.any():
        row = int(np.argmax(huge))
        sentence = f"score holds {scores[row]:g} in row {row + 1}, too large to be squared; mend or drop that row."
        raise Unmeasurable(param="score", sentence=sentence)


def summed(
    actual: NDArray[np.bool_], scores: Floats, codes: Codes, finest: int, bins: int
) -> dict[str, NDArray[np.float64]]:
    """Sums per finest group, scores taken from their mean so that squares keep their digits; `cells` by score bin.

    cells: (finest, bins, 3) of rows, favourable outcomes and summed scores; the bins are equally wide from 0 to 1, each
    closed on the left and the last on both sides.
    """
    off, residual = scores - scores.mean(), actual - scores
    weights = {"n": None, "off": off, "off2": off**2, "residual": residual, "residual2": residual**2}
    found = {
        name: np.bincount(codes, weights=values, minlength=finest).astype(np.float64)
        for name, values in weights.items()
    }
    if bins:
        edges = np.arange(1, bins) / bins  # not linspace, whose 0.6 of fifths is 0.6000000000000001
        cell = codes * bins + np.searchsorted(edges, scores, side="right")
        parts = [np.bincount(cell, weights=values, minlength=finest * bins) for values in (None, actual, scores)]
        found["cells"] = np.stack(parts, axis=-1).reshape(finest, bins, 3).astype(np.float64)
    return found


class Sorting:
    """The scores in order for each grouping: by one sort, or counted in bins where there are many rows."""

    def __init__(self, actual: NDArray[np.bool_], scores: Floats, codes: Codes, finest: int, exact_rows: int) -> None:
        self.actual, self.scores, self.codes = actual, scores, codes
        self.low, reach = float(scores.min()), float(scores.max()) - float(scores.min())
        self.bins = min(MOST_BINS, MOST_CELLS // (2 * finest))
        self.width = reach / self.bins if self.bins else 0.0
        self.histogram: NDArray[np.int64] | None = None
        if len(scores) > exact_rows and self.bins >= FEWEST_BINS and self.width > TINY:
            self.histogram = self.counted(finest)
        else:
            self.order = np.argsort(scores, kind="stable")

    def counted(self, finest: int) -> NDArray[np.int64]:
        """Counts (finest, bins, 2) of the other and the favourable outcome, a chunk of rows at a time."""
        counts = np.zeros(finest * self.bins * 2, dtype=np.int64)
        for start in range(0, len(self.scores), CHUNK):
            rows = slice(start, start + CHUNK)
            place = ((self.scores[rows] - self.low) * (1 / self.width)).astype(np.int64)
            np.minimum(place, self.bins - 1, out=place)
            place += self.codes[rows] * self.bins
            place *= 2
            place += self.actual[rows]
            counts += np.bincount(place, minlength=len(counts))
        return counts.reshape(finest, self.bins, 2)

    def ranked(self, grouping: Grouping) -> list[Ranked]:
        """The scores of each group of a grouping."""
        if self.histogram is None:
            return self.sorted(grouping)
        counts = np.zeros((len(grouping.groups), self.bins, 2), dtype=np.int64)
        for finest, group in enumerate(grouping.place):
            counts[group] += self.histogram[finest]
        found = [self.binned(cells) for cells in counts]
        return [
            self.exactly(grouping, group) if ranked.auc_error() > MOST_AUC_ERROR else ranked
            for group, ranked in enumerate(found)
        ]

    def binned(self, cells: NDArray[np.int64]) -> Ranked:
        filled = np.flatnonzero(cells.any(axis=1))
        middles = np.asarray(self.low + (filled + 0.5) * self.width, dtype=np.float64)
        return Ranked(Ranking(middles, cells[filled, 1], cells[filled, 0]), self.width)

    def exactly(self, grouping: Grouping, group: int) -> Ranked:
        rows = np.flatnonzero((grouping.place == group)[self.codes])
        rows = rows[np.argsort(self.scores[rows], kind="stable")]
        return Ranked(distinct(self.scores[rows], self.actual[rows]), 0.0)

    def sorted(self, grouping: Grouping) -> list[Ranked]:
        groups = grouping.place[self.codes].astype(np.uint16)[self.order]
        rows = self.order[np.argsort(groups, kind="stable")]  # 16 bits are sorted by radix
        ends = np.cumsum(np.bincount(groups, minlength=len(grouping.groups)))
        return [Ranked(distinct(self.scores[part], self.actual[part]), 0.0) for part in np.split(rows, ends[:-1])]


def distinct(ascending: Floats, actual: NDArray[np.bool_]) -> Ranking:
    """The distinct ones of ascending scores, with the outcomes that hold each."""
    starts = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))
    positive = np.add.reduceat(actual.astype(np.int64), starts)
    sizes = np.diff(np.append(starts, len(ascending)))
    return Ranking(ascending[starts], positive, sizes - positive)


class Groups:
    """The groups of one grouping: their sums, and their scores in order."""

    def __init__(self, grouping: Grouping, sums: Mapping[str, Floats], sorting: Sorting, centre: float) -> None:
        self.grouping, self.centre = grouping, centre
        self.sums = {name: grouping.summed(values) for name, values in sums.items()}
        self.ranked = sorting.ranked(grouping)

    def mean(self, name: str, confidence: float) -> Limits:
        """Mean score (`off`) or mean of outcome less score (`residual`) of each group, with Student limits."""
        n, total = self.sums["n"], self.sums[name]
        mean = total / n + (self.centre if name == "off" else 0.0)
        return mean_limits(n, mean, np.maximum(0.0, self.sums[f"{name}2"] - total**2 / n), confidence)

    def described(self, confidence: float) -> list[dict[str, Any]]:
        """One row per group; what needs probabilities is null where scores are none."""
        scores, areas = self.mean("off", confidence), [auc(ranked, confidence) for ranked in self.ranked]
        cells = self.sums.get("cells")
        residuals = None if cells is None else self.mean("residual", confidence)
        rows = []
        for place, group in enumerate(self.grouping.groups):
            bins = None if cells is None else calibration(cells[place], confidence)
            rows.append(
                {
                    "group": group,
                    "n": int(self.sums["n"][place]),
                    "mean_score": estimate(scores, place),
                    "auc": areas[place],
                    "calibration_gap": None if residuals is None else estimate(residuals, place),
                    "ece": None if bins is None else expected_error(bins),
                    "calibration": bins,
                }
            )
        return rows

    def gaps(
        self, min_group: int, confidence: float, tolerance: float | None, *, probability: bool
    ) -> list[dict[str, Any]]:
        """Largest differences between groups of at least `min_group` rows."""
        kept = np.flatnonzero(self.sums["n"] >= min_group)
        if len(kept) <= 1:
            return []
        ranked = [self.ranked[place] for place in kept]
        limits: dict[str, Callable[[float], Limits]] = {
            "auc": partial(area_limits, ranked),
            "mean_score": lambda level: self.mean("off", level)[kept],
        }
        if probability:
            limits["calibration_gap"] = lambda level: self.mean("residual", level)[kept]
        return [
            difference(
                metric=metric,
                attributes=self.grouping.attributes,
                groups=[self.grouping.groups[place] for place in kept],
                limits=found,
                confidence=confidence,
                tolerance=tolerance if probability or metric == "auc" else None,
                undefined=ONE_OUTCOME,
            )
            for metric, found in limits.items()
        ]

    def distances(self, min_group: int, confidence: float) -> list[dict[str, Any]]:
        """Each group's score distribution against that of the largest group."""
        n = self.sums["n"]
        kept = np.flatnonzero(n >= min_group)
        if len(kept) <= 1:
            return []
        reference = int(kept[np.argmax(n[kept])])
        means = self.mean("off", confidence)
        gaps = mover_differences(means, means[[reference]])
        return [
            {
                "attributes": list(self.grouping.attributes),
                "group": self.grouping.groups[place],
                "reference": self.grouping.groups[reference],
                "mean_difference": estimate(gaps, place),
                **apart(self.ranked[place], self.ranked[reference]),
            }
            for place in map(int, kept)
            if place != reference
        ]


def auc(ranked: Ranked, confidence: float) -> dict[str, Any]:
    """AUC with DeLong's limits; null for a single outcome. `error`: how far bins can put it off."""
    if 0 in ranked.outcomes:
        return Estimate().as_json() | {"reason": ONE_OUTCOME, "error": None}
    found, reason = area(ranked.ranking, confidence)
    return found.as_json() | {"reason": reason, "error": ranked.auc_error()}


def area_limits(ranked: Sequence[Ranked], confidence: float) -> Limits:
    """AUCs with DeLong's limits; NaN for a single outcome, limits 0 and 1 where the variance can't be estimated."""
    found = [auc(each, confidence) for each in ranked]
    nothing = {"value": np.nan, "low": 0.0, "high": 1.0}
    parts = [[none if row[name] is None else row[name] for row in found] for name, none in nothing.items()]
    return Limits(*(np.array(values, dtype=np.float64) for values in parts))


def calibration(cells: Floats, confidence: float) -> list[dict[str, Any]]:
    """The bins of one group's scores, cells (bins, 3); an empty bin has nulls."""
    rows = []
    for place, (n, positive, total) in enumerate(cells):
        rate = wilson(int(positive), int(n), confidence)
        rows.append(
            {
                "low": place / len(cells),
                "high": (place + 1) / len(cells),
                "n": int(n),
                "mean_score": float(total / n) if n else None,
                "observed_rate": rate.value,
                "observed_low": rate.low,
                "observed_high": rate.high,
            }
        )
    return rows


def apart(one: Ranked, other: Ranked) -> dict[str, float]:
    """KS, the largest gap between two distribution functions, and Wasserstein, the area between them.

    The errors say how far bins can put them off: a bin's mass, and its width.
    """
    scores = np.concatenate([one.ranking.scores, other.ranking.scores])
    order = np.argsort(scores, kind="stable")
    here = np.concatenate([one.n, np.zeros_like(other.n)])[order]
    there = np.concatenate([np.zeros_like(one.n), other.n])[order]
    gap = np.abs(np.cumsum(here) / one.n.sum() - np.cumsum(there) / other.n.sum())[:-1]
    widths = np.diff(scores[order])
    binned = [each for each in (one, other) if each.width]
    return {
        "ks": float(np.max(gap[widths > 0], initial=0.0)),
        "wasserstein": float(gap @ widths),
        "ks_error": max((float(each.n.max() / each.n.sum()) for each in binned), default=0.0),
        "wasserstein_error": max((each.width for each in binned), default=0.0),
    }
