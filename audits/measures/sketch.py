"""A column of numbers as counts, made in one pass over batches: what drift needs of data larger than memory.

A number is read in single precision. Its cell is the first 16 bits of the float32 (sign, exponent and seven bits of the
fraction), and one bit more: whether anything follows them. Cells are in the order of the numbers, the same for every
column and every file, so sketches of parts add up. Round numbers (at most eight binary digits: zero, whole numbers to
256, halves) have a cell of their own, so ties on them cost no precision.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.errors import Unmeasurable

CENTRE = 65_536  # the cell of zero
CELLS = 2 * CENTRE + 1
INFINITE = 2 * 0x7F80  # how far from the centre the cells of the infinities are
BATCH_ROWS = 262_144

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass
class Sketch:
    """Counts (CELLS,) of the numbers of one column, and of its missing cells (null or NaN)."""

    counts: Counts = field(default_factory=lambda: np.zeros(CELLS, dtype=np.int64))
    missing: int = 0

    def add(self, values: Any) -> None:
        """Count the numbers of an array (n,) of any numeric type; NaN is missing."""
        array = np.asarray(values)
        if array.dtype != np.float32:
            with np.errstate(over="ignore"):  # what single precision can't hold counts as infinite
                array = array.astype(np.float32)
        self.missing += int(counter()(np.ascontiguousarray(array).view(np.uint32), self.counts))

    def merge(self, other: Sketch) -> Sketch:
        """The sketch of both parts."""
        return Sketch(self.counts + other.counts, self.missing + other.missing)

    @property
    def infinite(self) -> int:
        """How many numbers are infinite, or beyond single precision."""
        return int(self.counts[CENTRE - INFINITE] + self.counts[CENTRE + INFINITE])

    def finite(self) -> Counts:
        """The counts without the infinities."""
        counts = self.counts.copy()
        counts[[CENTRE - INFINITE, CENTRE + INFINITE]] = 0
        return counts


@cache
def counter() -> Any:
    """The loop, compiled when it is first needed."""
    import numba

    @numba.njit(nogil=True)
    def count(bits: Any, counts: Any) -> int:
        missing = 0
        for place in range(bits.size):
            word = bits[place]
            size = word & np.uint32(0x7FFFFFFF)
            if size > np.uint32(0x7F800000):
                missing += 1
                continue
            steps = np.int64(size >> np.uint32(16)) * 2 + ((size & np.uint32(0xFFFF)) != 0)
            counts[CENTRE - steps if word >> np.uint32(31) else CENTRE + steps] += 1
        return missing

    return count


@cache
def bounds() -> tuple[Floats, Floats]:
    """The smallest and the largest float32 of each cell, (CELLS,) each; the infinities and what lies beyond are 0."""
    steps = np.arange(INFINITE, dtype=np.uint32)
    head = (steps >> 1) << 16
    rest = (steps & 1).astype(bool)
    sides = []
    for tail in (1, 0xFFFF):
        bits = np.where(rest, head | np.uint32(tail), head).astype(np.uint32)
        sides.append(np.concatenate([bits.view(np.float32).astype(np.float64), np.zeros(CENTRE + 1 - INFINITE)]))
    near, far = sides
    return np.concatenate([-far[:0:-1], near]), np.concatenate([-near[:0:-1], far])


def of(values: Any) -> Sketch:
    """The sketch of an array in memory."""
    made = Sketch()
    made.add(values)
    return made


def of_parquet(path: Path | str, columns: Sequence[str], *, threads: int | None = None) -> dict[str, Sketch]:
    """The sketch of each column of a Parquet file, read by batches, a thread for each processor.

    Memory is a batch for each thread and 1 MB for each column. Raises Unmeasurable for a column that holds no numbers.
    """
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        return dict(zip(columns, pool.map(lambda name: _column(path, name), columns), strict=True))


def _column(path: Path | str, name: str) -> Sketch:
    import pyarrow.parquet as pq

    made = Sketch()
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=[name], use_threads=False):
            values = batch.column(0).to_numpy(zero_copy_only=False)
            if values.dtype.kind not in "fiu":
                raise Unmeasurable(param=name, sentence=f"{name} holds {batch.schema.types[0]}, not numbers.")
            made.add(values)
    return made


def numbers_of_parquet(path: Path | str, name: str) -> Floats:
    """One column in double precision, NaN where missing: for what a sketch is too coarse for."""
    import pyarrow.parquet as pq

    values = pq.read_table(path, columns=[name])[name].to_numpy()
    return np.asarray(values, dtype=np.float64)
