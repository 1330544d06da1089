"""What contributions (Shapley values) say over all rows and about each, and whether they add up."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import ArrayLike, NDArray

from audits.measures.errors import NotAdditive, Unmeasurable
from audits.measures.inputs import finite, require_whole
from audits.measures.labels import plain

Floats = NDArray[np.float64]

ROWS_BY_FEATURES = 2


@dataclass(frozen=True)
class Additivity:
    """The largest |base + contributions - output| and how large it may be."""

    max_abs_error: float
    tolerance: float
    row: int

    @property
    def holds(self) -> bool:
        return self.max_abs_error <= self.tolerance

    def as_json(self) -> dict[str, Any]:
        return {"max_abs_error": self.max_abs_error, "tolerance": self.tolerance, "holds": self.holds}


def additivity(*, values: Floats, base: Floats, output: Floats, relative: float = 1e-6) -> Additivity:
    """Compare base (n,) plus the row sums of values (n, d) with output (n,).

    The tolerance is `relative` times the scale of the output: the largest sum of the sizes of its terms.
    """
    errors = np.abs(base + values.sum(axis=1) - output)
    scale = float(np.maximum(np.abs(output), np.abs(base) + np.abs(values).sum(axis=1)).max())
    row = int(np.argmax(errors))
    return Additivity(float(errors[row]), relative * scale, row)


def check_additivity(*, values: ArrayLike, base: ArrayLike, output: ArrayLike, relative: float = 1e-6) -> Additivity:
    """The additivity of contributions (n, d); raises NotAdditive where the gap exceeds the tolerance."""
    contributions, bases, outputs = shaped(values, base, output)
    found = additivity(values=contributions, base=bases, output=outputs, relative=relative)
    if not found.holds:
        sentence = (
            f"In row {found.row + 1} base and contributions miss the output by {found.max_abs_error:.3g}, "
            f"more than {found.tolerance:.3g}; explain the same output (margin or probability) of the same "
            "model on the same rows."
        )
        raise NotAdditive(param="values", sentence=sentence)
    return found


def summarise(
    *,
    values: ArrayLike,
    base: ArrayLike,
    output: ArrayLike,
    features: Sequence[str],
    rows: Sequence[Hashable],
    data: Any,
    game: str,
    top: int = 5,
    relative: float = 1e-6,
) -> dict[str, Any]:
    """Global importance, additivity and the reasons of each row.

    values: contributions (n, d) in the unit of output (n,); base: one number or (n,); data: what the model
    saw, (n, d) of anything; rows: n labels; game: which game the contributions solve, such as
    "path-dependent" or "interventional", since their numbers differ. The `top` largest contributions of a
    row are listed and the others summed as `rest`. Additivity is reported; check_additivity insists on it.
    """
    contributions, bases, outputs = shaped(values, base, output)
    cells = np.asarray(data, dtype=object)
    require_names(contributions, features, rows, cells)
    require_whole("top", top, least=1)
    found = additivity(values=contributions, base=bases, output=outputs, relative=relative)
    return {
        "game": game,
        "base": float(bases.mean()),
        "importance": importance(contributions, features),
        "additivity": found.as_json(),
        "reasons": [
            {
                "row": plain(label),
                "base": float(bases[place]),
                "output": float(outputs[place]),
                **reasons(contributions[place], cells[place], features, top),
            }
            for place, label in enumerate(rows)
        ],
    }


def importance(values: Floats, features: Sequence[str]) -> list[dict[str, Any]]:
    """Per feature the mean size and the mean of its contributions, the largest size first."""
    sizes = np.abs(values).mean(axis=0)
    means = values.mean(axis=0)
    whole = float(sizes.sum())
    return [
        {
            "feature": features[place],
            "mean_abs": float(sizes[place]),
            "mean": float(means[place]),
            "share": float(sizes[place]) / whole if whole else None,
        }
        for place in np.argsort(-sizes, kind="stable")
    ]


def reasons(values: Floats, cells: NDArray[Any], features: Sequence[str], top: int) -> dict[str, Any]:
    """The contributions of one row that matter most, and the sum of the others."""
    order = np.argsort(-np.abs(values), kind="stable")
    listed = [
        {
            "feature": features[place],
            "value": None if pd.isna(cells[place]) else plain(cells[place]),
            "contribution": float(values[place]),
        }
        for place in order[:top]
    ]
    return {"contributions": listed, "rest": float(values[order[top:]].sum())}


def shaped(values: ArrayLike, base: ArrayLike, output: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """values (n, d), base (n,) and output (n,) as finite floats; refuses shapes that don't match."""
    contributions, outputs = matrix(values), finite("output", output)
    bases = finite("base", np.atleast_1d(np.asarray(base)))
    if contributions.size == 0:
        raise Unmeasurable(param="values", sentence="values has no rows or no columns; pass at least one.")
    rows = len(contributions)
    if outputs.shape != (rows,):
        sentence = f"output has shape {outputs.shape} but values has {rows} rows; pass one output per row."
        raise Unmeasurable(param="output", sentence=sentence)
    if bases.shape not in ((1,), (rows,)):
        sentence = f"base has shape {bases.shape} but values has {rows} rows; pass one base or one per row."
        raise Unmeasurable(param="base", sentence=sentence)
    return contributions, np.broadcast_to(bases, (rows,)), outputs


def matrix(values: ArrayLike) -> Floats:
    """A finite (n, d) array."""
    array = np.asarray(values)
    if array.ndim != ROWS_BY_FEATURES:
        sentence = f"values has {array.ndim} dimensions; pass rows by features, the contributions to one output."
        raise Unmeasurable(param="values", sentence=sentence)
    return finite("values", array)


def require_names(values: Floats, features: Sequence[str], rows: Sequence[Hashable], cells: NDArray[Any]) -> None:
    """One name per column, one label per row, one cell per contribution."""
    for name, found, wanted in (
        ("features", (len(features),), (values.shape[1],)),
        ("rows", (len(rows),), (values.shape[0],)),
        ("data", cells.shape, values.shape),
    ):
        if found != wanted:
            sentence = f"{name} has shape {found} but values has shape {values.shape}; make them match."
            raise Unmeasurable(param=name, sentence=sentence)
