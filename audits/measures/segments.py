"""Segments of the rows in which a model errs most: searched for on one half of the rows, tested on the other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from audits.measures.comparisons import adjust
from audits.measures.errors import Unmeasurable
from audits.measures.inputs import finite, require_confidence, require_same_rows, require_whole
from audits.measures.intervals import Estimate
from audits.measures.labels import factorize, plain

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Where = dict[str, Any]

MOST_VALUES = 20  # a text column's further values are one segment together
ALIKE = 0.8  # share of common rows from which two segments are one


@dataclass(frozen=True)
class Feature:
    """One feature cut into segments: codes (n,) of `parts`, each a condition on the feature."""

    name: str
    codes: Codes
    parts: list[Where]


@dataclass(frozen=True)
class Candidate:
    """A segment by the codes of one feature or two, and how much worse it is, in standard errors."""

    features: tuple[int, ...]
    codes: tuple[int, ...]
    z: float
    n: int


def search(
    *,
    features: Mapping[str, Any],
    loss: ArrayLike,
    seed: int = 0,
    bands: int = 4,
    least: int = 30,
    most: int = 10,
    pairs: bool = True,
    confidence: float = 0.95,
    progress: Callable[[float], None] = lambda _share: None,
) -> dict[str, Any]:
    """The `most` worst segments of one feature or two, and their loss against all other rows' in unseen rows.

    features: columns (n,) of numbers (cut into `bands` equally full ones), truth values or text (each frequent value;
    missing ones are a segment); loss: (n,) finite numbers, higher for worse. Half of the rows, drawn by the seed, finds
    the segments by Welch's statistic among those with at least `least` rows; the other half tests them: difference of
    mean losses with Welch's interval and one-sided p-value, adjusted over the segments tested by Holm (any false
    alarm) and Benjamini and Hochberg (share of false alarms). Bands are cut on the first half as well. Raises
    Unmeasurable if no half can hold a segment and its rest.
    """
    rows = require_same_rows({"loss": loss, **features})
    require_confidence(confidence)
    for name, value, lowest in (("bands", bands, 2), ("least", least, 2), ("most", most, 1)):
        require_whole(name, value, least=lowest)
    losses = finite("loss", loss)
    if rows < 4 * least:
        sentence = f"{rows} rows are too few to find and test segments of {least} rows each; give {4 * least} or more."
        raise Unmeasurable(param="least", sentence=sentence)
    order = np.random.default_rng(seed).permutation(rows)
    found_on, tested_on = np.sort(order[: rows // 2]), np.sort(order[rows // 2 :])
    cut = [
        feature
        for name, values in features.items()
        if len((feature := sliced(name, values, found_on, bands)).parts) > 1
    ]
    tried, candidates = 0, []
    sets = [(at,) for at in range(len(cut))] + (list(combinations(range(len(cut)), 2)) if pairs else [])
    for step, chosen in enumerate(sets):
        cells = list(worse(cut, chosen, losses[found_on], found_on, least))
        tried += len(cells)
        candidates += [cell for cell in cells if cell.z > 0]
        if step % 20 == 0:
            progress(step / len(sets))
    kept = distinct(cut, candidates, found_on, most)
    halves = {"found_on": found_on, "tested_on": tested_on}
    tests = [tested(cut, candidate, losses, **halves, least=least, confidence=confidence) for candidate in kept]
    known = [test for test in tests if test["p"] is not None]
    for name, adjustment in (("p_holm", "holm"), ("p_bh", "benjamini-hochberg")):
        for test, p in zip(known, adjust([test["p"] for test in known], adjustment), strict=True):
            test[name] = p
    return {
        "n": rows,
        "found_on": len(found_on),
        "tested_on": len(tested_on),
        "seed": seed,
        "tried": tried,
        "loss": float(losses.mean()),
        "confidence": confidence,
        "segments": tests,
    }


def sliced(name: str, values: Any, found_on: Codes, bands: int) -> Feature:
    """Bands of numbers, cut where the searched half's quantiles lie; values of anything else."""
    kind = getattr(getattr(values, "dtype", None), "kind", "O")
    if kind in "iuf":
        return banded(name, np.asarray(values, dtype=float), found_on, bands)
    codes, uniques = factorize(values)
    seen = np.bincount(codes[found_on][codes[found_on] >= 0], minlength=len(uniques))
    frequent = np.argsort(-seen, kind="stable")[:MOST_VALUES]
    place = np.full(len(uniques) + 1, len(frequent), dtype=np.int64)
    place[frequent] = np.arange(len(frequent))
    place[-1] = len(frequent) + 1  # the code of a missing value is -1, so it reads the last place
    parts: list[Where] = [{"feature": name, "is": plain(uniques[at])} for at in frequent]
    parts += [{"feature": name, "other": True}, {"feature": name, "is": None}]
    return Feature(name, place[codes], parts)


def banded(name: str, values: Floats, found_on: Codes, bands: int) -> Feature:
    missing = ~np.isfinite(values)
    seen = values[found_on][~missing[found_on]]
    if not len(seen):
        return Feature(name, np.zeros(len(values), dtype=np.int64), [{"feature": name, "is": None}])
    edges = np.unique(np.quantile(seen, np.arange(1, bands) / bands, method="inverted_cdf"))
    edges = edges[edges < seen.max()]
    codes = np.searchsorted(edges, values, side="left")
    codes[missing] = len(edges) + 1
    ends = [None, *(float(edge) for edge in edges), None]
    parts: list[Where] = [{"feature": name, "above": low, "to": high} for low, high in pairwise(ends)]
    return Feature(name, codes.astype(np.int64), [*parts, {"feature": name, "is": None}])


def worse(cut: list[Feature], chosen: tuple[int, ...], losses: Floats, rows: Codes, least: int) -> Iterator[Candidate]:
    """Every cell of the chosen features with enough rows inside and outside, and its Welch statistic."""
    shape = tuple(len(cut[at].parts) for at in chosen)
    codes = np.ravel_multi_index(tuple(cut[at].codes[rows] for at in chosen), shape)
    size = int(np.prod(shape))
    n = np.bincount(codes, minlength=size)
    centred = losses - losses.mean()
    total = np.bincount(codes, weights=centred, minlength=size)
    squares = np.bincount(codes, weights=centred**2, minlength=size)
    for cell in np.flatnonzero((n >= least) & (len(rows) - n >= least)):
        inside = moments(int(n[cell]), float(total[cell]), float(squares[cell]))
        outside = moments(int(len(rows) - n[cell]), float(-total[cell]), float(squares.sum() - squares[cell]))
        variance = inside[1] / inside[2] + outside[1] / outside[2]
        if variance > 0:
            place = tuple(int(code) for code in np.unravel_index(cell, shape))
            yield Candidate(chosen, place, (inside[0] - outside[0]) / sqrt(variance), int(n[cell]))


def moments(n: int, total: float, squares: float) -> tuple[float, float, int]:
    """Mean, variance and size."""
    mean = total / n
    return mean, max(0.0, (squares - n * mean**2) / (n - 1)), n


def members(cut: list[Feature], candidate: Candidate, rows: Codes) -> NDArray[np.bool_]:
    inside = np.ones(len(rows), dtype=bool)
    for at, code in zip(candidate.features, candidate.codes, strict=True):
        inside &= cut[at].codes[rows] == code
    return inside


def distinct(cut: list[Feature], candidates: list[Candidate], rows: Codes, most: int) -> list[Candidate]:
    """The worst candidates, none of which is much the same set of rows as a worse one; fewer features first."""
    kept: list[Candidate] = []
    masks: list[NDArray[np.bool_]] = []
    for candidate in sorted(candidates, key=lambda each: (-each.z, len(each.features), each.features, each.codes)):
        inside = members(cut, candidate, rows)
        if all((inside & mask).sum() < ALIKE * (inside | mask).sum() for mask in masks):
            kept.append(candidate)
            masks.append(inside)
        if len(kept) == most:
            break
    return kept


def tested(
    cut: list[Feature],
    candidate: Candidate,
    losses: Floats,
    *,
    found_on: Codes,
    tested_on: Codes,
    least: int,
    confidence: float,
) -> dict[str, Any]:
    """One segment: what it is, what it looked like where it was found, and what unseen rows say."""
    was, now = members(cut, candidate, found_on), members(cut, candidate, tested_on)
    inside, outside = losses[tested_on][now], losses[tested_on][~now]
    seen = losses[found_on]
    row: dict[str, Any] = {
        "where": [cut[at].parts[code] for at, code in zip(candidate.features, candidate.codes, strict=True)],
        "found": {"n": int(was.sum()), "difference": float(seen[was].mean() - seen[~was].mean())},
        "n": len(inside),
        "inside": float(inside.mean()) if len(inside) else None,
        "outside": float(outside.mean()) if len(outside) else None,
        "difference": Estimate().as_json(),
        **dict.fromkeys(("p", "p_holm", "p_bh")),
    }
    if min(len(inside), len(outside)) < least:
        return row | {"reason": f"fewer than {least} unseen rows inside or outside"}
    return row | welch(inside, outside, confidence)


def welch(inside: Floats, outside: Floats, confidence: float) -> dict[str, Any]:
    """Difference of means with its interval, and the one-sided p-value of the inside being worse.

    Welch, Biometrika 34 (1947) 28-35. Both need two rows; null, with a reason, if neither varies.
    """
    value = float(inside.mean() - outside.mean())
    parts = [float(side.var(ddof=1)) / len(side) for side in (inside, outside)]
    variance = sum(parts)
    if variance <= 0:
        return {"difference": Estimate(value).as_json(), "reason": "the loss varies neither inside nor outside"}
    freedom = variance**2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, (inside, outside), strict=True))
    reach = float(student.ppf((1 + confidence) / 2, freedom)) * sqrt(variance)
    return {
        "difference": Estimate(value, value - reach, value + reach).as_json(),
        "p": float(student.sf(value / sqrt(variance), freedom)),
    }
