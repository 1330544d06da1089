"""The smallest changes found that turn an unfavourable decision."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]

from audits.measures import mixtures
from audits.measures.errors import Unmeasurable
from audits.measures.inputs import finite, require_whole
from audits.measures.labels import levels, plain
from audits.measures.mixtures import Floats, Index, Score

GRID = 20
BEAM = 8
ROUNDS = 12
RISE, FALL = "increase", "decrease"
CLOSER = 1e-9
FAVOURABLE = "The decision is favourable already."
NONE_FOUND = "No change within the constraints was found that turns the decision."


# Per row asked about, its place and the states that turn its decision.
Found = dict[int, tuple[int, Index]]


@dataclass(frozen=True)
class Space:
    """The data as numbers: what may change to what, and how far that is.

    cells: (n, d), a number's amount or a category's code, NaN where missing; unit: (d,), by which a move is divided, 0
    for a category; lenders: per feature the rows that lend their value to others; direction: per feature 1, -1 or 0.
    """

    cells: Floats
    unit: Floats
    lenders: list[Index]
    direction: list[int]

    def distance(self, states: Index, place: int) -> Floats:
        """How far each state (m, d) is from the row at `place`: moves in units, a changed category 1, summed."""
        own = self.cells[place]
        cells = np.take_along_axis(self.cells, states, axis=0)
        missing = np.isnan(cells) | np.isnan(own)
        both = np.isnan(cells) & np.isnan(own)
        with np.errstate(invalid="ignore", divide="ignore"):
            moved = np.where(self.unit > 0, np.abs(cells - own) / self.unit, cells != own)
        return np.asarray(np.where(both, 0.0, np.where(missing, 1.0, moved)).sum(axis=1))

    def choices(self, place: int, feature: int) -> Index:
        """The rows whose value of the feature this row may take."""
        own, rows = self.cells[place, feature], self.lenders[feature]
        values = self.cells[rows, feature]
        fits = (values - own) * self.direction[feature] > 0 if self.direction[feature] else values != own
        return np.asarray(rows[fits])

    def nearer(self, state: Index, place: int, feature: int) -> Index:
        """The row itself, and up to GRID rows whose value lies between its own and the state's."""
        own, now = self.cells[place, feature], self.cells[state[feature], feature]
        values = self.cells[:, feature]
        is_amount = self.unit[feature] > 0
        between = np.flatnonzero((values > min(own, now)) & (values < max(own, now)) & is_amount)
        first = np.unique(values[between], return_index=True)[1]
        kept = np.unique(np.linspace(0, len(first) - 1, min(GRID, len(first))).astype(np.int64))
        return np.array([place, *between[first[kept]]], dtype=np.int64)


@dataclass(frozen=True)
class Task:
    """What is asked of the model: a score of at least the threshold, by changes within the space."""

    score: Score
    data: pd.DataFrame
    space: Space
    threshold: float

    def scores(self, parts: Iterable[Index]) -> Iterator[Floats]:
        return mixtures.scored(self.score, self.data, parts)


def counterfactuals(
    *,
    score: Score,
    data: pd.DataFrame,
    places: Sequence[int],
    rows: Sequence[Hashable],
    threshold: float,
    immutable: Sequence[str] = (),
    directions: Mapping[str, str] | None = None,
    ranges: Mapping[str, Sequence[float]] | None = None,
    most_changes: int = 3,
    alternatives: int = 3,
) -> dict[str, Any]:
    """For each row at `places` scored below the threshold, few and small changes that bring it to the threshold.

    A search, not a proof: what is found is valid, for each is scored once more before it is given, but a smaller change
    may exist. Every value comes from the data: of an amount up to GRID of its quantiles, and what lies between while a
    change is made smaller; of a category its GRID most frequent values; never a missing one. All changes of one feature
    are tried, then of two, up to `most_changes`, the BEAM best sets of features going on; what turns the decision is
    then moved back value by value while it still does. immutable: features that stay; directions: a feature may only
    "increase" or "decrease"; ranges: [least, most] of a feature. Distance: Σ |move| / median absolute deviation (the
    standard deviation where that is 0), 1 for a changed category or a missing cell that was filled, after Wachter,
    Mittelstadt and Russell, Harvard Journal of Law & Technology 31 (2018) 841-887. Fewer changes come before nearer
    ones. No random draw is made. The model is called twice, and at most most_changes + ROUNDS
    times more for each block of rows; a few rows are one block.
    """
    mixtures.require_table("data", data)
    require_whole("most_changes", most_changes, least=1)
    require_whole("alternatives", alternatives, least=1)
    finite("threshold", [threshold])
    space = space_of(data, immutable, directions or {}, ranges or {})
    places = [int(place) for place in places]
    start = mixtures.ask(score, data.iloc[places]) if places else np.empty(0)
    asked = [at for at, value in enumerate(start) if value < threshold]
    task = Task(score, data, space, float(threshold))
    found: Found = {}
    for part in blocks(asked, space):
        found |= shrunk(task, searched(task, {at: places[at] for at in part}, most_changes, alternatives))
    proposed = sum(len(states) for _, states in found.values())
    listed: dict[int, list[dict[str, Any]]] = {}
    for at, scores in zip(found, task.scores(states for _, states in found.values()), strict=True):
        place, states = found[at]
        holds = scores >= threshold
        listed[at] = described(task, place, states[holds], scores[holds])
    told = [
        {
            "row": plain(label),
            "score": float(start[at]),
            "counterfactuals": listed.get(at, []),
            "reason": FAVOURABLE if at not in asked else None if listed.get(at) else NONE_FOUND,
        }
        for at, label in enumerate(rows)
    ]
    return {"threshold": float(threshold), "rows": told, **summary(told, proposed)}


def blocks(asked: Sequence[int], space: Space) -> Iterator[Sequence[int]]:
    """Rows that are searched together, so that the states tried at once stay about a call of the model."""
    tried = BEAM * max(1, sum(map(len, space.lenders)))
    at_once = max(1, mixtures.CALL_ROWS // tried)
    for first in range(0, len(asked), at_once):
        yield asked[first : first + at_once]


def space_of(
    data: pd.DataFrame, immutable: Sequence[str], directions: Mapping[str, str], ranges: Mapping[str, Sequence[float]]
) -> Space:
    for param, names in (("immutable", immutable), ("directions", directions), ("ranges", ranges)):
        for name in names:
            place = mixtures.place_of(data, name, param)
            if param != "immutable" and not mixtures.numeric(data.iloc[:, place]):
                sentence = f"“{name}” holds categories, which have no order; {param} are for amounts."
                raise Unmeasurable(param=param, sentence=sentence)
    cells, units, lenders, signs = [], [], [], []
    for name in data.columns:
        column = data[name]
        is_number = mixtures.numeric(column)
        values = amounts(column) if is_number else categories(column)
        low, high = ranges.get(name, (-np.inf, np.inf))
        cells.append(values)
        units.append(unit(values) if is_number else 0.0)
        lenders.append(np.empty(0, dtype=np.int64) if name in immutable else lending(values, is_number, (low, high)))
        signs.append({RISE: 1, FALL: -1}.get(directions.get(name, ""), 0))
    return Space(np.column_stack(cells), np.array(units), lenders, signs)


def amounts(column: pd.Series) -> Floats:
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isinf(values), np.nan, values)


def categories(column: pd.Series) -> Floats:
    codes, names = levels(column.astype(object))
    missing = len(names) - 1 if names and names[-1] is None else -1
    return np.where(codes == missing, np.nan, codes).astype(np.float64)


def unit(values: Floats) -> float:
    """The median absolute deviation; the standard deviation where more than half the values are the same."""
    seen = values[~np.isnan(values)]
    if not len(seen):
        return 1.0
    return float(np.median(np.abs(seen - np.median(seen))) or mixtures.deviation(seen) or 1.0)


def lending(values: Floats, is_number: bool, limits: tuple[float, float]) -> Index:
    """The first rows that hold each of up to GRID values."""
    seen = values[~np.isnan(values)]
    seen = seen[(seen >= limits[0]) & (seen <= limits[1])] if is_number else seen
    if not len(seen):
        return np.empty(0, dtype=np.int64)
    wanted, counts = np.unique(seen, return_counts=True)
    if len(wanted) > GRID:
        frequent = wanted[np.sort(np.argsort(-counts, kind="stable")[:GRID])]
        wanted = np.unique(np.quantile(seen, np.linspace(0, 1, GRID), method="nearest")) if is_number else frequent
    return np.array([int(np.argmax(values == value)) for value in wanted], dtype=np.int64)


def searched(task: Task, rows: Mapping[int, int], most_changes: int, alternatives: int) -> Found:
    """The states (m, d) that turn each row, from the fewest changes on."""
    beams = {at: mixtures.whole_rows(np.array([place]), task.data.shape[1]) for at, place in rows.items()}
    found: Found = {}
    for _ in range(most_changes):
        tried = {at: extended(task.space, rows[at], beam) for at, beam in beams.items()}
        beams = {}
        for at, scores in zip(tried, task.scores(tried.values()), strict=True):
            states, turned = tried[at], scores >= task.threshold
            far = task.space.distance(states, rows[at])
            if turned.any():
                found[at] = rows[at], per_set(states[turned], rows[at], (far[turned],), alternatives)
            elif len(states):
                beams[at] = per_set(states, rows[at], (-scores, far), BEAM)
        if not beams:
            break
    return dict(sorted(found.items()))


def extended(space: Space, place: int, beam: Index) -> Index:
    """Every state of the beam with one more feature changed."""
    states = [beam[:0]]
    for state in beam:
        for feature in np.flatnonzero(state == place):
            lenders = space.choices(place, int(feature))
            more = np.repeat(state[None, :], len(lenders), axis=0)
            more[:, feature] = lenders
            states.append(more)
    return np.concatenate(states)


def per_set(states: Index, place: int, costs: tuple[Floats, ...], most: int) -> Index:
    """The cheapest state of each set of changed features, the cheapest `most` of them; earlier ones win ties."""
    kept: dict[bytes, int] = {}
    for at in np.lexsort(costs[::-1]):
        kept.setdefault((states[at] != place).tobytes(), int(at))
        if len(kept) == most:
            break
    return states[list(kept.values())]


def shrunk(task: Task, found: Found) -> Found:
    """Each state moved towards its row, one feature at a time, as long as the decision stays turned."""
    now = {(at, which): state for at, (_, states) in found.items() for which, state in enumerate(states)}
    moving = list(now)
    for _ in range(ROUNDS):
        tried = {key: moves(task.space, found[key[0]][0], now[key]) for key in moving}
        moving = []
        for key, scores in zip(tried, task.scores(tried.values()), strict=True):
            place = found[key[0]][0]
            states = tried[key][scores >= task.threshold]
            far = task.space.distance(states, place)
            if len(far) and far.min() < task.space.distance(now[key][None, :], place)[0] - CLOSER:
                now[key] = states[int(np.argmin(far))]
                moving.append(key)
        if not moving:
            break
    return {
        at: (place, np.array([now[at, which] for which in range(len(states))])) for at, (place, states) in found.items()
    }


def moves(space: Space, place: int, state: Index) -> Index:
    states = [state[None, :][:0]]
    for feature in np.flatnonzero(state != place):
        lenders = space.nearer(state, place, int(feature))
        less = np.repeat(state[None, :], len(lenders), axis=0)
        less[:, feature] = lenders
        states.append(less)
    return np.concatenate(states)


def described(task: Task, place: int, states: Index, scores: Floats) -> list[dict[str, Any]]:
    """Verified states as changes; of one set of features the nearest, fewer changes first."""
    data, far = task.data, task.space.distance(states, place)
    changed = (states != place).sum(axis=1)
    told, seen = [], set()
    for at in np.lexsort((far, changed)):
        features = np.flatnonzero(states[at] != place)
        if tuple(features) in seen:
            continue
        seen.add(tuple(features))
        changes = [
            {"feature": data.columns[each], **change(data.iloc[:, each], place, states[at, each])} for each in features
        ]
        told.append({"changes": changes, "score": float(scores[at]), "distance": float(far[at])})
    return told


def change(column: pd.Series, place: int, lender: int) -> dict[str, Any]:
    old = column.iloc[place]
    return {"from": None if pd.isna(old) else plain(old), "to": plain(column.iloc[lender])}


def summary(told: Sequence[Mapping[str, Any]], proposed: int) -> dict[str, Any]:
    asked = [row for row in told if row["reason"] != FAVOURABLE]
    first = [row["counterfactuals"][0] for row in asked if row["counterfactuals"]]
    uses: dict[str, int] = {}
    for each in changes_of(first):
        uses[each["feature"]] = uses.get(each["feature"], 0) + 1
    return {
        "asked": len(asked),
        "found": len(first),
        "coverage": len(first) / len(asked) if asked else None,
        "proposed": proposed,
        "sparsity": sum(len(each["changes"]) for each in first) / len(first) if first else None,
        "median_distance": float(np.median([each["distance"] for each in first])) if first else None,
        "features": [
            {"feature": name, "n": count} for name, count in sorted(uses.items(), key=lambda item: (-item[1], item[0]))
        ],
    }


def changes_of(found: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for each in found:
        yield from each["changes"]
