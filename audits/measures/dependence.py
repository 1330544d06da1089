"""How contributions follow the values of an input, and how strongly two inputs act together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import ArrayLike, NDArray

from audits.measures import mixtures
from audits.measures.errors import Unmeasurable
from audits.measures.explanation import importance, matrix
from audits.measures.inputs import require_whole
from audits.measures.labels import levels
from audits.measures.mixtures import Floats, Index, Score

MOST_CATEGORIES = 20
PAIR = 2
# A joint effect below this share of the scores' scale is rounding.
ROUNDING = 1e-12


def dependence(*, values: ArrayLike, data: pd.DataFrame, top: int = 5, bins: int = 10) -> list[dict[str, Any]]:
    """For the `top` most important inputs, their contributions along their values.

    values: contributions (n, d); data: what the model saw, (n, d). Amounts are cut at their quantiles into at most
    `bins` bins (a bin a value where there are no more values), categories stand alone, the MOST_CATEGORIES most
    frequent of them; missing and infinite cells are points of their own. A point has `n`, the `mean` contribution,
    its standard deviation `sd` (None for one row), and the quartiles `q25` and `q75`; `at` is the mean value of a bin.
    """
    contributions = matrix(values)
    mixtures.require_table("data", data)
    if contributions.shape != data.shape:
        sentence = f"data has shape {data.shape} but values has shape {contributions.shape}; make them match."
        raise Unmeasurable(param="data", sentence=sentence)
    require_whole("top", top, least=1)
    require_whole("bins", bins, least=1)
    found = []
    for row in importance(contributions, list(data.columns))[:top]:
        place = mixtures.place_of(data, row["feature"], "data")
        column, parts = data.iloc[:, place], contributions[:, place]
        is_number = mixtures.numeric(column)
        points = along(column, parts, bins) if is_number else by_category(column, parts)
        found.append({"feature": row["feature"], "kind": "number" if is_number else "category", "points": points})
    return found


def along(column: pd.Series, parts: Floats, bins: int) -> list[dict[str, Any]]:
    """A point per bin, from the smallest values to the largest, then those that are no finite number."""
    amounts = column.to_numpy(dtype=np.float64, na_value=np.nan)
    usual = np.isfinite(amounts)
    points = []
    if usual.any():
        places = quantile_bins(amounts[usual], bins)
        for place in np.unique(places):
            inside = places == place
            seen = amounts[usual][inside]
            low, high = float(seen.min()), float(seen.max())
            label = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            points.append({"label": label, "at": float(seen.mean()), **spread(parts[usual][inside])})
    for label, where in (("missing", np.isnan(amounts)), ("infinite", np.isinf(amounts))):
        if where.any():
            points.append({"label": label, "at": None, **spread(parts[where])})
    return points


def quantile_bins(amounts: Floats, bins: int) -> NDArray[np.int64]:
    """Which bin each amount is in: closed on the left, the last on both sides; equal amounts share a bin."""
    distinct, places = np.unique(amounts, return_inverse=True)
    if len(distinct) <= bins:
        return np.asarray(places, dtype=np.int64)
    edges = np.unique(np.quantile(amounts, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, amounts, side="right").astype(np.int64)


def by_category(column: pd.Series, parts: Floats) -> list[dict[str, Any]]:
    """A point per category, the most frequent first."""
    codes, names = levels(column.astype(object))
    counts = np.bincount(codes, minlength=len(names))
    order = np.argsort(-counts, kind="stable")
    points = []
    for code in order[:MOST_CATEGORIES]:
        label = "missing" if names[code] is None else str(names[code])
        points.append({"label": label, "at": None, **spread(parts[codes == code])})
    if len(order) > MOST_CATEGORIES:
        rest = np.isin(codes, order[MOST_CATEGORIES:])
        label = f"{len(order) - MOST_CATEGORIES} rarer values"
        points.append({"label": label, "at": None, **spread(parts[rest])})
    return points


def spread(parts: Floats) -> dict[str, Any]:
    low, high = np.quantile(parts, [0.25, 0.75])
    return {
        "n": len(parts),
        "mean": float(parts.mean()),
        "sd": float(parts.std(ddof=1)) if len(parts) > 1 else None,
        "q25": float(low),
        "q75": float(high),
    }


def partial_dependence(*, score: Score, data: pd.DataFrame, groups: Sequence[Sequence[str]]) -> list[Floats]:
    """For each group of features, the mean score with those features held at each row's values: (n,) each.

    Friedman, Annals of Statistics 29 (2001) 1189-1232, section 8.2; n² evaluations a group.
    """
    mixtures.require_table("data", data)
    places = [[mixtures.place_of(data, feature, "groups") for feature in group] for group in groups]
    rows, width = data.shape
    parts = (held(rows, width, columns) for columns in places)
    return [found.reshape(rows, rows).mean(axis=1) for found in mixtures.scored(score, data, parts)]


def held(rows: int, width: int, columns: Sequence[int]) -> Index:
    """Every row in turn lends these columns to all rows."""
    index = mixtures.whole_rows(np.tile(np.arange(rows), rows), width)
    index[:, columns] = np.repeat(np.arange(rows), rows)[:, None]
    return index


def interactions(
    *, score: Score, data: pd.DataFrame, pairs: Sequence[Sequence[str]], rows: int = 50, seed: int = 0
) -> list[dict[str, Any]]:
    """Friedman's H of each pair of features, the strongest first.

    Friedman and Popescu, Annals of Applied Statistics 2 (2008) 916-954, equation 44, over `rows` rows drawn by the
    seed: with F the centred partial dependence, H² = Σ (F_jk - F_j - F_k)² / Σ F_jk². `h` is 0 where the two inputs'
    effects add up and 1 where neither acts without the other (sampling can take it past 1); None, with a reason, where
    the two together don't move the score. `strength` is the root mean square of F_jk - F_j - F_k, in the score's unit.
    """
    mixtures.require_table("data", data)
    require_whole("rows", rows, least=2)
    for pair in pairs:
        if len(pair) != PAIR or pair[0] == pair[1]:
            sentence = f"An interaction is between two different features, not {', '.join(map(str, pair))}."
            raise Unmeasurable(param="pairs", sentence=sentence)
    sample = data.iloc[mixtures.drawn(len(data), rows, seed)]
    alone = list(dict.fromkeys(feature for pair in pairs for feature in pair))
    groups = [*([feature] for feature in alone), *pairs]
    curves = partial_dependence(score=score, data=sample, groups=groups)
    scale = max((float(np.abs(curve).max()) for curve in curves), default=0.0)
    centred = [curve - curve.mean() for curve in curves]
    single = dict(zip(alone, centred, strict=False))
    found = [
        friedman(pair, joint, joint - single[pair[0]] - single[pair[1]], scale)
        for pair, joint in zip(pairs, centred[len(alone) :], strict=True)
    ]
    return sorted(found, key=lambda row: -row["strength"])


def friedman(pair: Sequence[str], joint: Floats, beyond: Floats, scale: float) -> dict[str, Any]:
    whole = float(np.sqrt(np.mean(joint**2)))
    strength = float(np.sqrt(np.mean(beyond**2)))
    still = whole <= ROUNDING * scale
    return {
        "features": list(pair),
        "h": None if still else strength / whole,
        "strength": strength,
        "reason": "The two inputs together do not move the score." if still else None,
    }
