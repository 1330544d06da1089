"""Exact Shapley values of an additive output: a linear model behind any column-wise preparation."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from audits.sandbox.models import Array, Game

_TOLERANCE = 1e-8


def explain(
    margin: Callable[[pd.DataFrame], Array], rows: pd.DataFrame, background: pd.DataFrame, *, scale: str
) -> Game:
    """Replace one column at a time in a fixed row: exact if `margin` is a sum over original columns.

    For a linear model this is coefficient times (value minus background mean), summed over the
    columns that each original column was turned into. `Game.adds_up` tells whether it was additive.
    """
    output = margin(rows)
    base = float(margin(background).mean())
    values = np.empty(rows.shape)
    for position in range(rows.shape[1]):
        shown = margin(_vary(background, rows, position))
        usual = margin(_vary(background, background, position))
        values[:, position] = shown - usual.mean()
    return Game(values, base, output, "linear, interventional", scale, _TOLERANCE)


def _vary(fixed: pd.DataFrame, source: pd.DataFrame, position: int) -> pd.DataFrame:
    """The first row of `fixed`, once for each row of `source`, with one column taken from `source`."""
    varied = fixed.iloc[np.zeros(len(source), dtype=int)].reset_index(drop=True)
    column = fixed.columns[position]
    varied[column] = source[column].reset_index(drop=True)
    return varied
