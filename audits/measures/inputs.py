"""Checks shared by every measure: one-dimensional, equally long, nothing missing, nothing infinite."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import ArrayLike, NDArray

from audits.measures.errors import Unmeasurable


def require_same_rows(columns: Mapping[str, Any]) -> int:
    """The number of rows shared by all columns; refuses none at all, nested values and unequal lengths."""
    lengths: dict[str, int] = {}
    for name, values in columns.items():
        shape = values.shape if hasattr(values, "shape") else np.asarray(values, dtype=object).shape
        if len(shape) != 1:
            sentence = f"{name} does not hold one value per row; pass a one-dimensional array."
            raise Unmeasurable(param=name, sentence=sentence)
        lengths[name] = len(values)
    first, rows = next(iter(lengths.items()))
    for name, length in lengths.items():
        if length != rows:
            sentence = f"{name} has {length} rows but {first} has {rows}; pass one value per row in each."
            raise Unmeasurable(param=name, sentence=sentence)
    if rows == 0:
        raise Unmeasurable(param=first, sentence=f"{first} has no rows; pass at least one.")
    return rows


def require_present(name: str, values: Any) -> None:
    """Refuse a missing value, naming the first row that has one (rows count from 1, header not counted)."""
    missing = np.asarray(pd.isna(values))
    if missing.any():
        row, count = int(np.argmax(missing)) + 1, int(missing.sum())
        sentence = f"{name} is missing in row {row} ({count} missing in all); fill or drop those rows."
        raise Unmeasurable(param=name, sentence=sentence)


def booleans(name: str, values: ArrayLike) -> NDArray[np.bool_]:
    """A boolean array from booleans, or from 0 and 1."""
    require_present(name, values)
    array = np.asarray(values)
    if array.dtype == np.bool_:
        return array
    odd = ~np.isin(array, (0, 1))
    if odd.any():
        row = int(np.argmax(odd))
        sentence = f"{name} holds {array[row]!r} in row {row + 1}; pass true or false, or 1 or 0."
        raise Unmeasurable(param=name, sentence=sentence)
    return array.astype(np.bool_)


def finite(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """A float array without missing or infinite values."""
    require_present(name, values)
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise Unmeasurable(param=name, sentence=f"{name} holds text; pass numbers only.") from None
    infinite = ~np.isfinite(array)
    if infinite.any():
        row = int(np.argmax(infinite.reshape(len(array), -1).any(axis=1))) + 1
        raise Unmeasurable(param=name, sentence=f"{name} is infinite in row {row}; mend or drop that row.")
    return array


def require_confidence(confidence: float) -> None:
    """A confidence level lies strictly between 0 and 1."""
    if isinstance(confidence, bool) or not 0 < confidence < 1:
        sentence = f"confidence is {confidence!r}; pass a share between 0 and 1, such as 0.95."
        raise Unmeasurable(param="confidence", sentence=sentence)


def require_whole(name: str, value: int, *, least: int) -> None:
    """A count or a seed: a whole number no smaller than `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        sentence = f"{name} is {value!r}; pass a whole number of at least {least}."
        raise Unmeasurable(param=name, sentence=sentence)
