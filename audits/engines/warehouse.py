"""Counting in a table of PostgreSQL, Spark or a warehouse, by Ibis (the optional extra `warehouse`).

Ibis translates the one SQL text into the backend's dialect. It is only read: no view is made, no row leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from audits.engines.errors import NotCounted
from audits.engines.queries import Query, quoted


class Warehouse:
    """A table behind an Ibis connection; a `counting.Source`.

    connection: what `ibis.postgres.connect(...)` and its like give. table: its name, or (schema, name). Where the
    backend takes two spellings for equal (a case-insensitive collation), they count as one.
    """

    def __init__(self, connection: Any, table: str | tuple[str, str]) -> None:
        self.connection = connection
        self.path = (table,) if isinstance(table, str) else table
        schema = self.path[0] if len(self.path) > 1 else None
        self.schema = dict(connection.table(self.path[-1], database=schema).schema().items())

    def relation(self, numbers: set[str]) -> str:
        for name in numbers:
            if name in self.schema and not self.schema[name].is_numeric():
                sentence = f"The column {name!r} holds {self.schema[name]}, not numbers; cast it in a view."
                raise NotCounted(param="data", sentence=sentence)
        return ".".join(quoted(part) for part in self.path)

    def ask(self, query: Query) -> Iterator[tuple[Any, ...]]:
        import ibis

        for value in query.values.values():
            if value.column and value.column not in self.schema:
                sentence = f"The table has no column {value.column!r}; it has {', '.join(self.schema)}."
                raise NotCounted(param="data", sentence=sentence)
        types = {alias: value.type or self.schema[value.column] for alias, value in query.values.items()}
        found = self.connection.sql(query.text, dialect="duckdb", schema=ibis.schema(types))
        for batch in found.to_pyarrow().to_batches():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def type_of(self, column: str) -> str:
        return ""

    def confirm(self, rows: int) -> None:
        """A table in use has as many rows as it has."""
