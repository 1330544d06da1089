"""Match a dataset's columns to the features a model needs."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from audits.sandbox.failures import mismatch

_GENERIC = re.compile(r"(?:Column_|feature_?|f|x)?\d+")


def match(frame: pd.DataFrame, *, names: Sequence[str] | None, width: int | None, data: str) -> pd.DataFrame:
    """Return the model's columns in the model's order: by name, or by position where it has no names."""
    if names is None or all(_GENERIC.fullmatch(name) for name in names):
        return _by_position(frame, width if names is None else len(names), data)
    known = {str(column): column for column in frame.columns}
    # LightGBM writes blanks in a name as underscores.
    known |= {re.sub(r"\s", "_", name): column for name, column in known.items() if re.search(r"\s", name)}
    lacking = [name for name in names if name not in known]
    if lacking:
        raise mismatch(f"The model needs {_count(len(names))}; {data} lacks {_listed(lacking)}.")
    return frame[[known[name] for name in names]]


def _by_position(frame: pd.DataFrame, width: int | None, data: str) -> pd.DataFrame:
    if width is not None and width != frame.shape[1]:
        raise mismatch(
            f"The model needs {_count(width)} in its own order and names none; {data} has {frame.shape[1]} "
            "columns: give exactly the model's features, in the order of its training."
        )
    return frame


def numbers(frame: pd.DataFrame, *, data: str) -> np.ndarray[Any, Any]:
    """Return the columns as float64; text that is no number is named and refused."""
    matrix = np.empty(frame.shape, dtype=np.float64)
    for position, column in enumerate(frame.columns):
        values = frame[column]
        converted = pd.to_numeric(values, errors="coerce")
        broken = converted.isna() & values.notna()
        if broken.any():
            raise mismatch(
                f"The model reads numbers, but column {column!r} of {data} holds text such as "
                f"{values[broken].iloc[0]!r}: encode it as in training, or upload a model with its encoding inside."
            )
        matrix[:, position] = converted.to_numpy(dtype=np.float64, na_value=np.nan)
    return matrix


def _count(number: int) -> str:
    return "1 feature" if number == 1 else f"{number} features"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
