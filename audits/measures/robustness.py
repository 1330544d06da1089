"""How a model's scores move when its inputs do: frames to score, and what the scores then say.

Columns of numbers are those whose dtype is numeric and not boolean; everything else is a category. Nothing here runs a
model: each function gives a changed frame, or compares scores (n,) before and after, in the order of the rows.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import NDArray

from audits.measures.discrimination import auc, ranking
from audits.measures.errors import Unmeasurable
from audits.measures.intervals import Estimate, wilson

Floats = NDArray[np.float64]

SAME_WITHIN = 1e-9  # a score has not moved; relative to its size, or to 1 if that is smaller
CHANGES = ("set", "multiply", "add")


def is_number(column: Any) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))


def perturbed(frame: pd.DataFrame, *, noise: float, flips: float, generator: np.random.Generator) -> pd.DataFrame:
    """Normal noise of `noise` standard deviations on each number, a share `flips` of categories swapped.

    A swapped category becomes another one that occurs, each as likely; whole numbers stay whole. Missing values stay.
    """
    changed = {}
    for name in frame.columns:
        column = frame[name]
        if is_number(column):
            values = column.to_numpy(dtype=float, na_value=np.nan)
            changed[name] = like(column, values + noise * spread(name, values) * generator.standard_normal(len(values)))
        else:
            changed[name] = flipped(column, flips, generator)
    return pd.DataFrame(changed, index=frame.index)


def spread(name: str, values: Floats) -> float:
    """Standard deviation of the known values."""
    known = values[np.isfinite(values)]
    with np.errstate(over="ignore", invalid="ignore"):
        found = float(known.std()) if len(known) else 0.0
    if not np.isfinite(found):
        raise Unmeasurable(param="noise", sentence=f"The feature {name} holds numbers too large to add noise to.")
    return found


def like(column: Any, values: Floats) -> Any:
    """Values as a column of the same kind: whole where it holds whole numbers."""
    if not pd.api.types.is_integer_dtype(column):
        return pd.Series(values, index=column.index)
    return pd.Series(np.rint(values), index=column.index).astype(column.dtype)


def flipped(column: Any, share: float, generator: np.random.Generator) -> Any:
    codes, uniques = pd.factorize(column)
    chosen = (generator.random(len(column)) < share) & (codes >= 0)
    if len(uniques) > 1:
        step = generator.integers(1, len(uniques), len(column))
        codes = np.where(chosen, (codes + step) % len(uniques), codes)
    return pd.Series(uniques.take(np.maximum(codes, 0)), index=column.index, dtype=column.dtype).mask(codes < 0)


def without(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The frame with every value of one column missing."""
    column = frame[name]
    if is_number(column):
        return frame.assign(**{name: np.full(len(frame), np.nan)})
    return frame.assign(**{name: pd.Series([None] * len(frame), index=frame.index, dtype=object)})


def beyond(frame: pd.DataFrame, name: str, by: float, *, above: bool) -> pd.DataFrame | None:
    """The frame with one column of numbers set `by` ranges above its largest value, or below its smallest.

    None if the column holds no numbers, or one value only.
    """
    column = frame[name]
    if not is_number(column):
        return None
    values = column.to_numpy(dtype=float, na_value=np.nan)
    known = values[np.isfinite(values)]
    if not len(known) or known.min() == known.max():
        return None
    reach = by * float(known.max() - known.min())
    end = float(known.max()) + reach if above else float(known.min()) - reach
    return frame.assign(**{name: like(column, np.full(len(frame), end))})


def sweep(frame: pd.DataFrame, name: str, points: int) -> tuple[pd.DataFrame, Floats]:
    """Every row once for each of the column's observed quantiles, and these values (k,), rising.

    The rows of a value stand together: scores of the frame reshape to (k, n).
    """
    column = frame[name]
    if not is_number(column):
        raise Unmeasurable(
            param="increasing", sentence=f"The feature {name} holds no numbers, so nothing rises with it."
        )
    values = column.to_numpy(dtype=float, na_value=np.nan)
    known = values[np.isfinite(values)]
    if not len(known):
        raise Unmeasurable(param="increasing", sentence=f"The feature {name} is missing in every row.")
    grid = np.unique(np.quantile(known, np.linspace(0, 1, points), method="inverted_cdf"))
    stacked = pd.concat([frame] * len(grid), ignore_index=True)
    repeated = pd.concat([column] * len(grid), ignore_index=True)
    return stacked.assign(**{name: like(repeated, np.repeat(grid, len(frame)))}), grid


def shifted(frame: pd.DataFrame, changes: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """The frame under a scenario {feature: {"set": value} or {"multiply": number} and, or, {"add": number}}.

    Multiplied first, then added to; whole numbers become fractions where the change makes them so.
    """
    changed = {}
    for name, change in changes.items():
        column = frame[name]
        if "set" in change:
            changed[name] = pd.Series([change["set"]] * len(frame), index=frame.index)
            continue
        if not is_number(column):
            sentence = f"The feature {name} holds no numbers: a scenario can only “set” it."
            raise Unmeasurable(param="scenarios", sentence=sentence)
        moved = column * change.get("multiply", 1) + change.get("add", 0)
        if not np.isfinite(moved.to_numpy(dtype=float, na_value=0.0)).all():
            raise Unmeasurable(param="scenarios", sentence=f"The scenario makes {name} infinite; give smaller numbers.")
        changed[name] = moved
    return frame.assign(**changed)


def moved(before: Floats, after: Floats, threshold: float, confidence: float) -> dict[str, Any]:
    """How far scores moved (mean, mean size, largest), and the share of decisions that changed, with Wilson limits."""
    gap = after - before
    crossed = int(((before >= threshold) != (after >= threshold)).sum())
    return {
        "mean_change": float(gap.mean()),
        "mean_size": float(np.abs(gap).mean()),
        "largest": float(np.abs(gap).max()),
        "largest_row": int(np.abs(gap).argmax()),
        "decisions_changed": wilson(crossed, len(gap), confidence).as_json(),
    }


def monotone(scores: Floats, grid: Floats, *, rising: bool, confidence: float) -> dict[str, Any]:
    """Steps of a sweep, scores (k, n) over rising values (k,), that go against the declared direction.

    A step counts if it goes the wrong way by more than 1e-9 of the score's size. `rows`: share of rows with such a
    step, with Wilson limits; `steps`: share of steps; `largest`: the largest step the wrong way; `at`: between which
    values it lies.
    """
    steps = np.diff(scores, axis=0) * (1 if rising else -1)
    if not len(steps):
        return {"rows": Estimate().as_json(), "steps": None, "largest": None, "at": None, "reason": "one value only"}
    slack = SAME_WITHIN * np.maximum(1.0, np.abs(scores[:-1]))
    wrong = steps < -slack
    place = int(np.argmin(steps.min(axis=1)))
    found = bool(wrong.any())
    return {
        "rows": wilson(int(wrong.any(axis=0).sum()), scores.shape[1], confidence).as_json(),
        "steps": float(wrong.mean()),
        "largest": float(-steps.min()) if found else 0.0,
        "at": [float(grid[place]), float(grid[place + 1])] if found else None,
    }


def outcome(score: Floats, threshold: float, target: NDArray[np.bool_] | None, confidence: float) -> dict[str, Any]:
    """Mean score, share of favourable decisions, and AUC if the outcome is known and varies."""
    found: dict[str, Any] = {
        "mean_score": float(score.mean()),
        "decision_rate": wilson(int((score >= threshold).sum()), len(score), confidence).as_json(),
    }
    if target is None or target.all() or not target.any():
        return found | {"auc": None}
    return found | {"auc": auc(ranking(target, score), confidence)[0].as_json()}


def reproduced(first: Floats, again: Floats) -> dict[str, Any]:
    """Digests of two scorings of the same rows, whether they are the same bytes, and the largest difference."""
    digests = [digest(first), digest(again)]
    return {
        "identical": digests[0] == digests[1],
        "digest": digests[0],
        "digest_again": digests[1],
        "max_difference": float(np.abs(first - again).max()),
    }


def digest(values: Floats) -> str:
    """SHA-256 of the scores as little-endian doubles, in the order of the rows."""
    return "sha256:" + sha256(np.ascontiguousarray(values, dtype="<f8").tobytes()).hexdigest()


def sampled(n: int, rows: int, seed: int) -> NDArray[np.int64]:
    """The places of at most `rows` of n rows, drawn by the seed, in the order of the file."""
    if rows >= n:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, rows, replace=False))
