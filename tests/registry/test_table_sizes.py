"""A small file can say a very large table; it is refused by what it says, before it is read."""

from __future__ import annotations

import io
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry import tabular
from trail.errors import BadInput


def parquet(rows: int) -> io.BytesIO:
    file = io.BytesIO()
    part = pa.table({"x": pa.repeat(1, 1_000_000)})
    with pq.ParquetWriter(file, part.schema) as writer:
        for _ in range(rows // 1_000_000):
            writer.write_table(part)
    return file


def test_a_parquet_file_of_a_few_kilobytes_that_says_many_rows() -> None:
    file = parquet(60_000_000)
    assert file.seek(0, 2) < 5_000_000
    started = time.monotonic()
    with pytest.raises(BadInput, match="60,000,000 rows of 1 columns; at most 50,000,000 cells") as bad:
        tabular.read(file, name="bomb.parquet")
    assert bad.value.status == 413
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_wider_than_any_model_needs(kind: str) -> None:
    names = [f"c{number}" for number in range(100_000)]
    file = io.BytesIO()
    if kind == "csv":
        file.write(f"{','.join(names)}\n{','.join('1' * len(names))}\n".encode())
    else:
        pq.write_table(pa.table({name: [1] for name in names[:6000]}), file)
    started = time.monotonic()
    with pytest.raises(BadInput, match="columns; at most 5,000"):
        tabular.read(file, name=f"wide.{kind}")
    assert time.monotonic() - started < 2
