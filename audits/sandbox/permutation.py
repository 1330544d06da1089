"""Shapley values of any scoring function by antithetic permutations over the original columns."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from audits.sandbox.models import Array, Game, Progress

EVALUATIONS = 2_000
BATCH_ROWS = 32_768
_FEWEST_PAIRS = 16
_TOLERANCE = 1e-9
_WHOLE_IN_FLOATS = 1 << 53

Score = Callable[[pd.DataFrame], Array]


def explain(
    score: Score,
    rows: pd.DataFrame,
    background: pd.DataFrame,
    *,
    seed: int,
    scale: str,
    progress: Progress,
    evaluations: int = EVALUATIONS,
) -> Game:
    """Walk from a background row to the explained row in a random order of columns, and back in reverse.

    Each such pair costs 2 (columns - 1) evaluations; about `evaluations` are spent on a row, and at least
    16 pairs. With as many pairs as background rows, each of these is used equally often, so that values sum exactly
    to the output minus the background mean. With fewer, the rows are drawn anew for each explained row, and what
    their mean is off is shared out among the columns by their variance over pairs (the least-squares correction).
    The standard error is taken over pairs, so it also holds the spread of the background: an upper bound.
    """
    count, width = rows.shape
    pairs = _pairs(evaluations, width, len(background))
    ends, starts = score(rows), score(background)
    mixed = mixer(rows, background)
    random = np.random.default_rng(seed)
    values, errors = np.empty((count, width)), np.empty((count, width))
    at_once = max(1, BATCH_ROWS // max(1, 2 * pairs * (width - 1)))
    for first in range(0, count, at_once):
        chosen = np.arange(first, min(count, first + at_once))
        orders = random.permuted(np.tile(np.arange(width), (len(chosen), pairs, 1)), axis=2)
        usual = _drawn(random, len(chosen), pairs, len(background))
        paired = _gains(score, mixed, (chosen, usual), orders, (starts[usual], ends[chosen]))
        spread = paired.var(axis=1, ddof=1) if pairs > 1 else np.zeros((len(chosen), width))
        off = starts[usual].mean(axis=1) - starts.mean()
        values[chosen] = paired.mean(axis=1) + off[:, None] * _shares(spread)
        errors[chosen] = np.sqrt(spread / pairs) if pairs > 1 else np.nan
        progress((chosen[-1] + 1) / count, f"explaining rows {chosen[-1] + 1} of {count}")
    note = (
        f"Values are sampled with {2 * (width - 1) * pairs:,} evaluations a row; "
        f"their largest standard error is at most {float(errors.max()):.2g}."
    )
    return Game(values, float(starts.mean()), ends, "permutation, interventional", scale, _TOLERANCE, [note], errors)


def _pairs(evaluations: int, width: int, background: int) -> int:
    """How many pairs of walks a row gets: a multiple of the background where it suffices for all of it."""
    if width == 1:
        return background
    pairs = max(_FEWEST_PAIRS, evaluations // (2 * (width - 1)))
    return pairs - pairs % background if pairs >= background else pairs


def _drawn(random: np.random.Generator, rows: int, pairs: int, background: int) -> Array:
    """Which background row each pair starts from: rows x pairs."""
    everyone = np.tile(np.arange(background), (rows, -(-pairs // background)))
    return everyone if pairs >= background else random.permuted(everyone, axis=1)[:, :pairs]


def _shares(spread: Array) -> Array:
    whole = spread.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(spread, whole, out=np.full(spread.shape, 1 / spread.shape[1]), where=whole > 0))


def _gains(
    score: Score,
    mixed: Callable[[Array, Array, Array], pd.DataFrame],
    places: tuple[Array, Array],
    orders: Array,
    edges: tuple[Array, Array],
) -> Array:
    """The mean gain of each column over an order and its reverse: rows x pairs x columns.

    `places`: which explained row, and which background row each pair starts from; `edges`: their scores.
    """
    many, pairs, width = orders.shape
    rank = np.argsort(orders, axis=2)
    # step k shows the explained row's value in the first k columns of the order; backwards, in the last k
    steps = np.arange(1, width)[:, None]
    shown = np.concatenate([rank[:, :, None, :] < steps, rank[:, :, None, :] >= width - steps], axis=2)
    middle = score(mixed(shown, *places)) if width > 1 else np.empty(0)
    path = np.empty((many, pairs, 2, width + 1))
    path[:, :, :, 0], path[:, :, :, -1] = edges[0][:, :, None], edges[1][:, None, None]
    path[:, :, :, 1:-1] = middle.reshape(many, pairs, 2, width - 1)
    gains = np.diff(path, axis=3)
    there = np.take_along_axis(gains[:, :, 0], rank, axis=2)
    back = np.take_along_axis(gains[:, :, 1], width - 1 - rank, axis=2)
    return np.asarray((there + back) / 2)


def mixer(rows: pd.DataFrame, background: pd.DataFrame) -> Callable[[Array, Array, Array], pd.DataFrame]:
    """A maker of frames that show the explained row where `shown` (rows x pairs x steps x columns) says so.

    Every column keeps its type. Where all are numbers, the frame is made in one piece.
    """
    kinds = [*rows.dtypes, *background.dtypes]
    if not all(isinstance(kind, np.dtype) and kind.kind in "iuf" for kind in kinds):
        return _by_column(rows, background)
    ours, theirs = rows.to_numpy(dtype=float), background.to_numpy(dtype=float)
    if max(np.nanmax(np.abs(part), initial=0.0) for part in (ours, theirs)) >= _WHOLE_IN_FLOATS:
        return _by_column(rows, background)
    types = {name: kind for name, kind in zip(rows.columns, rows.dtypes, strict=True) if kind != np.float64}

    def mixed(shown: Array, chosen: Array, usual: Array) -> pd.DataFrame:
        cells = np.where(shown, ours[chosen][:, None, None, :], theirs[usual][:, :, None, :])
        frame = pd.DataFrame(cells.reshape(-1, shown.shape[-1]), columns=rows.columns, copy=False)
        return frame.astype(types) if types else frame

    return mixed


def _by_column(rows: pd.DataFrame, background: pd.DataFrame) -> Callable[[Array, Array, Array], pd.DataFrame]:
    pool, count = pd.concat([rows, background], ignore_index=True), len(rows)

    def mixed(shown: Array, chosen: Array, usual: Array) -> pd.DataFrame:
        at = np.where(shown, chosen[:, None, None, None], (count + usual)[:, :, None, None])
        at = at.reshape(-1, shown.shape[-1])
        return pd.DataFrame({name: pool[name].take(at[:, place]).array for place, name in enumerate(pool.columns)})

    return mixed
