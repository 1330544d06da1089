"""Shapley values of any scoring function by antithetic permutations over the original columns."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from audits.sandbox.models import Array, Game, Progress

BATCH_ROWS = 20_000
_TOLERANCE = 1e-9


def explain(
    score: Callable[[pd.DataFrame], Array],
    rows: pd.DataFrame,
    background: pd.DataFrame,
    *,
    seed: int,
    scale: str,
    progress: Progress,
) -> Game:
    """Walk from each background row to the explained row in a random order of columns, and back in reverse.

    Every background row is used once a row, so values sum exactly to the output minus the background mean.
    Cost: 2 (columns - 1) x background evaluations a row. The standard error is taken over background
    rows, so it also holds their spread: an upper bound.
    """
    count, width = rows.shape
    pairs = len(background)
    ends, starts = score(rows), score(background)
    pool = pd.concat([rows, background], ignore_index=True)
    random = np.random.default_rng(seed)
    values, errors = np.empty((count, width)), np.empty((count, width))
    at_once = max(1, BATCH_ROWS // max(1, 2 * pairs * (width - 1)))
    for first in range(0, count, at_once):
        chosen = np.arange(first, min(count, first + at_once))
        orders = random.permuted(np.tile(np.arange(width), (len(chosen), pairs, 1)), axis=2)
        edges = (starts, ends[chosen])
        forward = _walk(score, pool, (chosen, count), orders, edges)
        backward = _walk(score, pool, (chosen, count), orders[:, :, ::-1], edges)
        paired = (forward + backward) / 2
        values[chosen] = paired.mean(axis=1)
        errors[chosen] = paired.std(axis=1, ddof=1) / np.sqrt(pairs) if pairs > 1 else np.nan
        progress((chosen[-1] + 1) / count, f"explaining rows {chosen[-1] + 1} of {count}")
    note = (
        f"Values are sampled with {2 * (width - 1) * pairs:,} evaluations a row; "
        f"their largest standard error is at most {float(errors.max()):.2g}."
    )
    return Game(values, float(starts.mean()), ends, "permutation, interventional", scale, _TOLERANCE, [note], errors)


def _walk(
    score: Callable[[pd.DataFrame], Array],
    pool: pd.DataFrame,
    places: tuple[Array, int],
    orders: Array,
    edges: tuple[Array, Array],
) -> Array:
    """The gain of each column when added in the order given: rows x background x columns.

    `places`: where in the pool the explained rows and the background lie; `edges`: their scores.
    """
    many, pairs, width = orders.shape
    rank = np.argsort(orders, axis=2)
    # step k shows the explained row's value in the first k columns of the order
    steps = np.arange(1, width)
    shown = rank[:, :, None, :] < steps[None, None, :, None]
    explained = np.broadcast_to(places[0][:, None, None, None], shown.shape)
    hidden = np.broadcast_to((places[1] + np.arange(pairs))[None, :, None, None], shown.shape)
    index = np.where(shown, explained, hidden).reshape(-1, width)
    middle = score(_take(pool, index)) if len(index) else np.empty(0)
    path = np.empty((many, pairs, width + 1))
    path[:, :, 0], path[:, :, -1] = edges[0][None, :], edges[1][:, None]
    path[:, :, 1:-1] = middle.reshape(many, pairs, width - 1)
    return np.take_along_axis(np.diff(path, axis=2), rank, axis=2)


def _take(pool: pd.DataFrame, index: Array) -> pd.DataFrame:
    """A frame whose cell (i, c) is row index[i, c] of the pool; every column keeps its type."""
    columns = {column: pool[column].take(index[:, at]).array for at, column in enumerate(pool.columns)}
    return pd.DataFrame(columns)
