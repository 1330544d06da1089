"""Counting rows whose groups are coded already, in memory: a pass at the speed of reading them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.engines import counting
from audits.measures.counts import Table
from audits.measures.errors import Unmeasurable

BLOCK = 1 << 17  # rows at a time, so that their codes stay in the cache
MOST_CELLS = 1 << 20


def count(
    *,
    actual: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    codes: Mapping[str, NDArray[Any]],
    labels: Mapping[str, Sequence[Any]],
    attribute_sets: counting.Sets | None = None,
) -> list[Table]:
    """The tables that `counts.tabulate` gives, from a code (n,) per row and sensitive column.

    A code is the place of the row's label in the column's `labels`, where None stands for a missing value. Raises
    Unmeasurable for a code without a label, for columns that aren't equally long, and for more than a million cells.
    """
    sizes = [len(labels[name]) for name in codes]
    if (cells := prod(sizes) * 4) > MOST_CELLS:
        sentence = f"{' and '.join(codes)} have {cells // 4} combinations of labels; cross fewer columns."
        raise Unmeasurable(param="sensitive", sentence=sentence)
    for name, held in codes.items():
        require_codes(name, held, len(labels[name]), rows=len(actual))
    counts = tallied([*codes.values(), actual.view(np.uint8), predicted.view(np.uint8)], [*sizes, 2, 2])
    table = counts.reshape(-1, 4)[:, [3, 1, 0, 2]]
    found = np.flatnonzero(table.sum(axis=1))
    places = np.unravel_index(found, sizes)
    named = [[labels[name][code] for code in place] for name, place in zip(codes, places, strict=True)]
    keys = list(zip(*named, strict=True))
    columns = tuple(codes)
    return [
        Table(*counting.summed(columns, chosen, keys, table[found]))
        for chosen in counting.sets(columns, attribute_sets)
    ]


def tallied(columns: Sequence[NDArray[Any]], sizes: Sequence[int]) -> NDArray[np.int64]:
    """How many rows hold each combination of codes, the last column's varying fastest."""
    cells = prod(sizes)
    narrow = np.min_scalar_type(cells)  # narrow codes are quick to combine
    counts = np.zeros(cells, dtype=np.int64)
    for start in range(0, len(columns[0]), BLOCK):
        rows = slice(start, start + BLOCK)
        cell = columns[0][rows].astype(narrow)
        for column, size in zip(columns[1:], sizes[1:], strict=True):
            cell *= narrow.type(size)
            cell += column[rows].astype(narrow)
        counts += np.bincount(cell, minlength=cells)
    return counts


def require_codes(name: str, codes: NDArray[Any], labels: int, *, rows: int) -> None:
    if len(codes) != rows or not rows:
        sentence = f"sensitive attribute {name!r} has {len(codes)} rows; pass one code per row, and a row at least."
        raise Unmeasurable(param="sensitive", sentence=sentence)
    if codes.dtype.kind not in "iu" or codes.min() < 0 or codes.max() >= labels:
        sentence = f"sensitive attribute {name!r} holds codes without a label; number its {labels} labels from 0."
        raise Unmeasurable(param="sensitive", sentence=sentence)
