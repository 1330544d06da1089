"""Parquet files, read by batches. pyarrow is imported here alone, and only when such a file comes."""

from __future__ import annotations

from collections import Counter
from typing import Any, BinaryIO

from registry.cells import Kind
from registry.columns import Chunk, Column, refuse_size
from trail.errors import BadInput

MAGIC = b"PAR1"
BATCH_ROWS = 20_000


def read(file: BinaryIO, *, name: str) -> tuple[int, list[dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file)
        refuse_size(table.metadata.num_columns, table.metadata.num_rows, name)
        columns = [Column(name, field.name, _kind(field, name)) for field in table.schema_arrow]
        _refuse_names([column.name for column in columns], name)
        count = 0
        for batch in table.iter_batches(batch_size=BATCH_ROWS):
            for column, values in zip(columns, batch.columns, strict=True):
                column.add(Chunk(texts(values), count + 1))
            count += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise BadInput(
            f"{name} starts as a Parquet file but can’t be read to its end ({_first_line(error)}); it was cut off or "
            "damaged, so upload it again.",
            where=name,
        ) from error
    if not count:
        raise BadInput(f"{name} has columns and no rows; upload the file with its data.", where=name)
    return count, [column.summary() for column in columns]


def _kind(field: Any, name: str) -> Kind:
    from pyarrow import types

    type_ = field.type.value_type if types.is_dictionary(field.type) else field.type
    if types.is_boolean(type_):
        return Kind.BOOLEAN
    if types.is_integer(type_):
        return Kind.INTEGER
    if types.is_floating(type_) or types.is_decimal(type_):
        return Kind.NUMBER
    if types.is_date(type_) or types.is_timestamp(type_):
        return Kind.DATE
    if types.is_string(type_) or types.is_large_string(type_) or types.is_string_view(type_) or types.is_null(type_):
        return Kind.TEXT
    raise BadInput(
        f"{name}, column “{field.name}”: cells of type {type_} can’t be measured; write numbers, text, dates or truth "
        "values.",
        where=f"{name}, column “{field.name}”",
    )


def _refuse_names(names: list[str], name: str) -> None:
    for column, count in Counter(names).items():
        if not column.strip() or not column.isprintable() or count > 1:
            raise BadInput(
                f"{name}, column “{column}”: each column needs a plain name of its own; rename it.",
                where=f"{name}, column “{column}”",
            )
    if not names:
        raise BadInput(f"{name} has no columns; export it again.", where=name)


def texts(values: Any) -> list[str]:
    """The cells as a CSV file would spell them."""
    return ["" if value is None else _text(value) for value in values.to_pylist()]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or ["unreadable"])[0][:120].rstrip(".")
