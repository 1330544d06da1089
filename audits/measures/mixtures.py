"""Rows made of other rows' cells, and their scores: every value a model is asked about was seen in the data."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import NDArray

from audits.measures.errors import Unmeasurable
from audits.measures.inputs import finite, require_whole

Floats = NDArray[np.float64]
Index = NDArray[np.int64]
# Scores a frame of the dataset's feature columns: (n,), higher for the favourable outcome.
Score = Callable[[pd.DataFrame], NDArray[np.floating]]

CALL_ROWS = 100_000


def ask(score: Score, frame: pd.DataFrame) -> Floats:
    """One finite score per row (n,); Unmeasurable where the model gives something else."""
    found = finite("score", score(frame))
    if found.shape != (len(frame),):
        sentence = f"score gave the shape {found.shape} for {len(frame)} rows; it must give one number per row."
        raise Unmeasurable(param="score", sentence=sentence)
    return found


def mixed(pool: pd.DataFrame, index: Index) -> pd.DataFrame:
    """The frame whose cell (i, j) is that of column j in row index[i, j] of the pool; columns keep their types."""
    return pd.DataFrame({column: pool[column].array.take(index[:, at]) for at, column in enumerate(pool.columns)})


def scored(score: Score, pool: pd.DataFrame, parts: Iterable[Index]) -> Iterator[Floats]:
    """The scores of each part, an index as `mixed` takes it; parts share calls of about CALL_ROWS rows."""
    waiting: list[Index] = []
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) >= CALL_ROWS:
            yield from _together(score, pool, waiting)
            waiting = []
    if waiting:
        yield from _together(score, pool, waiting)


def _together(score: Score, pool: pd.DataFrame, parts: list[Index]) -> list[Floats]:
    index = np.concatenate(parts)
    found = ask(score, mixed(pool, index)) if len(index) else np.empty(0)
    return np.split(found, np.cumsum([len(part) for part in parts])[:-1])


def whole_rows(places: Index, width: int) -> Index:
    """The index (n, width) of rows taken as they are."""
    return np.repeat(np.asarray(places, dtype=np.int64)[:, None], width, axis=1)


def require_table(name: str, data: pd.DataFrame) -> None:
    """A table with rows, columns and names that are each there once."""
    if data.empty:
        raise Unmeasurable(param=name, sentence=f"{name} has no rows or no columns; pass at least one.")
    if not data.columns.is_unique:
        twice = data.columns[data.columns.duplicated()][0]
        raise Unmeasurable(param=name, sentence=f"{name} has several columns called “{twice}”; name each once.")


def place_of(data: pd.DataFrame, feature: str, param: str) -> int:
    """Where the column called `feature` stands."""
    if feature not in data.columns:
        has = ", ".join(map(str, data.columns))
        raise Unmeasurable(param=param, sentence=f"There is no feature “{feature}”; there are {has}.")
    return int(data.columns.get_loc(feature))


def numeric(column: pd.Series) -> bool:
    """Whether a column holds amounts; truth values and text are categories."""
    return bool(pd.api.types.is_numeric_dtype(column)) and not pd.api.types.is_bool_dtype(column)


def drawn(count: int, most: int, seed: int) -> Index:
    """At most `most` of `count` rows, drawn without replacement by the seed, in order."""
    require_whole("seed", seed, least=0)
    if most >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, size=most, replace=False))


def deviation(values: Floats) -> float:
    """The standard deviation of the finite values, without overflow where they are huge; 0 where there are none."""
    usual = values[np.isfinite(values)]
    largest = float(np.abs(usual).max(initial=0.0))
    return float((usual / largest).std()) * largest if largest > 0 else 0.0
