"""Counting in a Parquet or CSV file by DuckDB, which reads it in pieces: the memory it takes is bounded and stated.

DuckDB may open that one file and nothing else: no network, no extension, no file written, no setting changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audits.engines import counting
from audits.engines.errors import NotCounted
from audits.engines.queries import Decisions, Query, quoted
from registry.cells import MISSING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "96MB"  # of DuckDB's buffers, for counts; the libraries come on top
HISTOGRAM_MEMORY = "512MB"  # for a million bins that hold rows, or two
THREADS = 2
FETCHED = 20_000  # rows of an answer at a time
CSV_BUFFER = 4_000_000
GLOB = set("*?[]{}")
BLANKS = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
# what Python hears of these is what pyarrow reads from the same file
PLAIN = {
    *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("FLOAT", "DOUBLE", "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP_MS"),
}


def count(
    path: Path | str,
    *,
    format: str,
    types: Mapping[str, str],
    rows: int | None = None,
    decisions: Decisions,
    favourable: Any,
    attribute_sets: counting.Sets | None = None,
) -> counting.Counted:
    """Confusion counts per group of a kept file's rows; see `opened` and `counting.count`."""
    with opened(path, format=format, types=types, rows=rows) as source:
        return counting.count(source, decisions, favourable=favourable, attribute_sets=attribute_sets)


@contextmanager
def opened(
    path: Path | str,
    *,
    format: str,
    types: Mapping[str, str] | None = None,
    rows: int | None = None,
    memory: str = MEMORY,
    threads: int = THREADS,
) -> Iterator[File]:
    """The file as something to count in, for a while.

    format: parquet or csv. types: each column's type as `registry.cells.Kind` has it, in the file's order; a Parquet
    file knows its own. rows: how many rows it is known to have; a CSV file is not counted without, because that is how
    a reading that differs from ours is found out. Raises NotCounted for what DuckDB doesn't read as we do.
    """
    types = types or {}
    if format == "csv" and (not types or rows is None):
        raise NotCounted(param="data", sentence="A CSV file is counted only with its columns' types and its rows.")
    connection = hardened(Path(path), memory=memory, threads=threads)
    try:
        with understood():
            source = File(connection, scan(str(path), format, list(types)), types, rows, is_text=format == "csv")
        yield source
    finally:
        connection.close()


def hardened(path: Path, *, memory: str = MEMORY, threads: int = THREADS) -> DuckDBPyConnection:
    """A database in memory that can read the one file."""
    import duckdb

    if GLOB & set(str(path)):
        raise NotCounted(param="data", sentence="The file's path holds a wildcard; move it.")
    connection = duckdb.connect(":memory:", config={"python_enable_replacements": False})
    for setting in (
        f"threads = {int(threads)}",
        f"memory_limit = {literal(memory)}",
        "temp_directory = ''",
        "preserve_insertion_order = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "allow_community_extensions = false",
        f"allowed_paths = [{literal(str(path))}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
    return connection


class File:
    """A file under a hardened DuckDB; a `counting.Source`."""

    def __init__(
        self,
        connection: DuckDBPyConnection,
        scanned: str,
        types: Mapping[str, str],
        rows: int | None,
        *,
        is_text: bool,
    ) -> None:
        self.connection, self.scanned, self.types, self.rows, self.is_text = connection, scanned, types, rows, is_text
        self.stored = {row[0]: str(row[1]) for row in connection.execute(f"DESCRIBE FROM {scanned}").fetchall()}

    def relation(self, numbers: set[str]) -> str:
        """The scan; columns of text that hold numbers are read as such."""
        texts = [name for name in sorted(numbers) if self.stored.get(name) == "VARCHAR"]
        if not texts:
            return self.scanned
        read = ", ".join(f"{as_number(quoted(name))} AS {quoted(name)}" for name in texts)
        return f'(SELECT * REPLACE ({read}) FROM {self.scanned}) AS "read"'  # noqa: S608 (quoted)

    def ask(self, query: Query) -> Iterator[tuple[Any, ...]]:
        for value in query.values.values():
            if value.column and not self.known(value.column):
                sentence = f"The column {value.column!r} is of a type that can't be counted where it lies."
                raise NotCounted(param="data", sentence=sentence)
        with understood():
            self.connection.execute(query.text)
            while found := self.connection.fetchmany(FETCHED):
                if self.is_text:
                    require_unquoted(found)
                yield from found

    def known(self, column: str) -> bool:
        stored = self.stored.get(column, "")
        return stored in PLAIN or stored.startswith("DECIMAL")

    def type_of(self, column: str) -> str:
        return self.types.get(column, "")

    def confirm(self, rows: int) -> None:
        if self.rows is not None and rows != self.rows:
            sentence = (
                f"The file reads as {rows} rows where {self.rows} were recorded; its rows must be read one by one."
            )
            raise NotCounted(param="data", sentence=sentence)


def scan(path: str, format: str, names: list[str]) -> str:
    """The file as a table function; a CSV file as `registry.csv_rows` reads it, every cell a text."""
    if format == "parquet":
        return f"read_parquet({literal(path)}, hive_partitioning = false)"
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    return (
        f"read_csv({literal(path)}, auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', "
        f"comment = '', strict_mode = true, hive_partitioning = false, buffer_size = {CSV_BUFFER}, "
        f"columns = {{{columns}}})"
    )


def as_number(text: str) -> str:
    """A cell of text as a double, without blanks; missing where it says so."""
    bare = f"TRIM({text}, {literal(BLANKS)})"
    missing = ", ".join(literal(word) for word in sorted(MISSING))
    return f"CASE WHEN LOWER({bare}) NOT IN ({missing}) THEN CAST({bare} AS DOUBLE) END"


def require_unquoted(rows: list[tuple[Any, ...]]) -> None:
    """DuckDB leaves the quotes of a cell that blanks stand before; a cell that starts with one is in doubt."""
    for row in rows:
        for cell in row:
            if isinstance(cell, str) and cell.lstrip().startswith('"'):
                sentence = "A cell starts with a double quote, which can't be told from its quoting; read the rows."
                raise NotCounted(param="data", sentence=sentence)


@contextmanager
def understood() -> Iterator[None]:
    """What DuckDB refuses, in our words; its own may hold cells and paths."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        sentence = (
            f"The file can't be counted where it lies ({type(error).__name__}); its rows must be read one by one."
        )
        raise NotCounted(param="data", sentence=sentence) from error


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
