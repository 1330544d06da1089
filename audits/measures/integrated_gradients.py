"""Integrated gradients of a smooth score of numbers, by finite differences."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]

from audits.measures import mixtures
from audits.measures.errors import Unmeasurable
from audits.measures.inputs import require_whole
from audits.measures.labels import plain
from audits.measures.mixtures import Floats, Score

# Of an input's standard deviation: wide enough for a model that counts in single precision.
STEP = 0.01
# Sundararajan, Taly and Yan ask for attributions within 5 % of the change of the score.
WITHIN = 0.05
STILL = 1e-9


def integrated_gradients(
    *, score: Score, data: pd.DataFrame, places: Sequence[int], rows: Sequence[Hashable], nodes: int = 20
) -> dict[str, Any]:
    """What each input adds on the straight way from the mean row of data to each row at `places`.

    Sundararajan, Taly and Yan, ICML 2017: (x_j - b_j) ∫ ∂f/∂x_j (b + α (x - b)) dα, by Gauss-Legendre quadrature of
    `nodes` points and central differences of STEP standard deviations. Attributions add up to f(x) - f(b) where the
    score is smooth; where they miss it by more than WITHIN of their sizes (a tree, a step) they are None, and `reason`
    says so, as it does for a row with a missing or infinite cell. Every column has to hold numbers. One call of the
    model, of 2 · nodes · d + 1 rows for each row and one for the mean row.
    """
    mixtures.require_table("data", data)
    require_whole("nodes", nodes, least=1)
    for name in data.columns:
        if not mixtures.numeric(data[name]):
            sentence = f"“{name}” holds categories; integrated gradients need a score of numbers alone."
            raise Unmeasurable(param="data", sentence=sentence)
    cells = np.column_stack([data[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in data.columns])
    usual = np.isfinite(cells)
    if not usual.any(axis=0).all():
        name = data.columns[int(np.argmin(usual.any(axis=0)))]
        raise Unmeasurable(param="data", sentence=f"“{name}” has no finite value, so there is no mean row.")
    held = np.where(usual, cells, np.nan)
    start, sd = np.nanmean(held, axis=0), np.array([mixtures.deviation(column) for column in cells.T])
    points, weights = np.polynomial.legendre.leggauss(nodes)
    whole = [place for place in places if usual[place].all()]
    asked = [start[None, :], *(along(cells[place], start, sd, (points + 1) / 2) for place in whole)]
    found = mixtures.ask(score, pd.DataFrame(np.vstack(asked), columns=data.columns))
    base, each = float(found[0]), 2 * nodes * len(start) + 1
    outputs = dict(zip(whole, found[1:].reshape(len(whole), each), strict=True))
    told = []
    for place, label in zip(places, rows, strict=True):
        values = None
        if place in outputs:
            ends = outputs[place][1:].reshape(nodes, len(start), 2)
            slopes = (ends[:, :, 1] - ends[:, :, 0]) / np.where(sd > 0, 2 * STEP * sd, 1.0)
            values = (cells[place] - start) * (weights / 2 @ slopes)
        told.append({"row": plain(label), **checked(values, outputs.get(place), base, list(data.columns))})
    return {"base": base, "nodes": nodes, "rows": told}


def along(row: Floats, start: Floats, sd: Floats, shares: Floats) -> Floats:
    """The row itself, then for each point of the way and each input a little less and a little more of that input."""
    width = len(row)
    way = start + shares[:, None] * (row - start)
    ends = np.repeat(way, 2 * width, axis=0).reshape(len(shares), width, 2, width)
    inputs = np.arange(width)
    ends[:, inputs, 0, inputs] -= STEP * sd
    ends[:, inputs, 1, inputs] += STEP * sd
    return np.vstack([row, ends.reshape(-1, width)])


def checked(values: Floats | None, outputs: Floats | None, base: float, features: Sequence[str]) -> dict[str, Any]:
    """The attributions, the largest first, if they add up."""
    if values is None or outputs is None:
        reason = "A cell is missing or infinite, so there is no straight way to this row."
        return {"score": None, "gap": None, "attributions": None, "reason": reason}
    output = float(outputs[0])
    gap = abs(float(values.sum()) - (output - base))
    size = max(float(np.abs(values).sum()), abs(output - base))
    if gap > WITHIN * size and gap > STILL * max(abs(output), abs(base)):
        reason = f"The attributions miss the change of the score by {gap:.2g}: it is not smooth on the way."
        return {"score": output, "gap": gap, "attributions": None, "reason": reason}
    order = np.argsort(-np.abs(values), kind="stable")
    listed = [{"feature": features[at], "attribution": float(values[at])} for at in order]
    return {"score": output, "gap": gap, "attributions": listed, "reason": None}
