"""A small linear model around one row (LIME): a picture of the score near it, not the model itself."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import NDArray

from audits.measures import mixtures
from audits.measures.errors import Unmeasurable
from audits.measures.inputs import require_whole
from audits.measures.labels import plain
from audits.measures.mixtures import Floats, Score

# Ribeiro, Singh and Guestrin's own choice of width.
WIDTH = 0.75
CONSTANT = "The input does not vary in the data."
MISSING = "The cell is missing, and was left so."
INFINITE = "The cell is infinite, and was left so."


@dataclass(frozen=True)
class Neighbours:
    """Rows near one, what the surrogate sees of them (samples, d), and which inputs were left alone and why."""

    frame: pd.DataFrame
    seen: Floats
    left: dict[str, str]


def local_surrogates(
    *,
    score: Score,
    data: pd.DataFrame,
    places: Sequence[int],
    rows: Sequence[Hashable],
    features: Sequence[str] | None = None,
    samples: int = 1000,
    ridge: float = 1.0,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """A weighted ridge regression of the score around each of these rows of data.

    Ribeiro, Singh and Guestrin, KDD 2016, 1135-1144. Around a row, amounts are moved by normal noise of their standard
    deviation in the data and categories drawn by their frequency; the surrogate sees each amount's move in standard
    deviations, and of a category whether it is still the row's own. Weights are exp(-D² / (0.75² d)), D the Euclidean
    distance in what it sees. `coefficient` is the rise of the score per standard deviation, or for keeping the row's
    category; None, with a reason, where there was nothing to move. Of the columns only `features` are moved and listed.
    `r2` is the weighted local fit: None for a score that does not move; a low one says not to read the coefficients.
    All rows share one call of the model.
    """
    mixtures.require_table("data", data)
    require_whole("samples", samples, least=10)
    require_whole("seed", seed, least=0)
    if ridge < 0:
        raise Unmeasurable(param="ridge", sentence=f"ridge is {ridge:g}; pass 0 or more.")
    random = np.random.default_rng(seed)
    names = list(data.columns) if features is None else list(features)
    for name in names:
        mixtures.place_of(data, name, "features")
    around = [neighbours(data, names, place, (samples, random)) for place in places]
    if not around:
        return []
    frame = pd.concat([each.frame for each in around], ignore_index=True)
    found = mixtures.ask(score, frame).reshape(len(around), samples)
    return [
        fitted(names, each, outputs, ridge) | {"row": plain(label)}
        for each, outputs, label in zip(around, found, rows, strict=True)
    ]


def neighbours(
    data: pd.DataFrame, names: Sequence[str], place: int, drawing: tuple[int, np.random.Generator]
) -> Neighbours:
    """The row itself first, then rows near it."""
    samples, random = drawing
    columns = {name: data[name].array.take(np.full(samples, place)) for name in data.columns}
    seen, left = np.zeros((samples, len(names))), {}
    for at, name in enumerate(names):
        column = data[name]
        moves, drawn = random.normal(size=samples), random.integers(len(data), size=samples)
        moves[0], drawn[0] = 0.0, place
        if mixtures.numeric(column):
            columns[name], reason = moved(column, place, moves)
            seen[:, at] = 0 if reason else moves
        else:
            columns[name] = column.array.take(drawn)
            codes = pd.factorize(column)[0]
            seen[:, at] = codes[drawn] == codes[place]
            reason = "" if column.nunique(dropna=False) > 1 else CONSTANT
        if reason:
            left[name] = reason
    return Neighbours(pd.DataFrame(columns), seen, left)


def moved(column: pd.Series, place: int, moves: Floats) -> tuple[Any, str]:
    """Amounts around the row's own, or the row's own throughout and why."""
    amounts = column.to_numpy(dtype=np.float64, na_value=np.nan)
    here = amounts[place]
    sd = mixtures.deviation(amounts)
    reason = MISSING if np.isnan(here) else INFINITE if np.isinf(here) else "" if sd > 0 else CONSTANT
    if reason:
        return column.array.take(np.full(len(moves), place)), reason
    return here + sd * moves, ""


def fitted(names: Sequence[str], around: Neighbours, outputs: Floats, ridge: float) -> dict[str, Any]:
    """The coefficients, the largest first, and how well they fit around the row."""
    own = around.seen[0]
    width = WIDTH * sqrt(len(names))
    weights = np.exp(-((around.seen - own) ** 2).sum(axis=1) / width**2)
    intercept, coefficients = weighted_ridge(around.seen, outputs, weights, ridge)
    guessed = intercept + around.seen @ coefficients
    mean = np.average(outputs, weights=weights)
    total = float(weights @ (outputs - mean) ** 2)
    moves = total > 0 and np.ptp(outputs) > 1e-12 * max(1.0, float(np.abs(outputs).max()))
    listed = []
    for at, name in enumerate(names):
        reason = around.left.get(name)
        cell = around.frame[name].iloc[0]
        listed.append(
            {
                "feature": name,
                "value": None if pd.isna(cell) else plain(cell),
                "coefficient": None if reason else float(coefficients[at]),
                "reason": reason,
            }
        )
    return {
        "score": float(outputs[0]),
        "surrogate": float(guessed[0]),
        "r2": 1 - float(weights @ (outputs - guessed) ** 2) / total if moves else None,
        "reason": None if moves else "The score does not move around this row.",
        "coefficients": sorted(listed, key=lambda row: -abs(row["coefficient"] or 0.0)),
    }


def weighted_ridge(seen: Floats, outputs: Floats, weights: Floats, ridge: float) -> tuple[float, NDArray[np.float64]]:
    """Intercept and coefficients that minimise Σ w (y - a - Z b)² + ridge |b|²; the intercept is not shrunk."""
    middle, mean = np.average(seen, axis=0, weights=weights), np.average(outputs, weights=weights)
    root = np.sqrt(weights)[:, None]
    design = np.vstack([root * (seen - middle), sqrt(ridge) * np.eye(seen.shape[1])])
    aim = np.concatenate([root[:, 0] * (outputs - mean), np.zeros(seen.shape[1])])
    coefficients = np.linalg.lstsq(design, aim, rcond=None)[0]
    return float(mean - middle @ coefficients), coefficients
