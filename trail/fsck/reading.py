"""Rows of the ledger's tables as the database holds them: no model, no conversion, nothing that damage could break.

SQLite holds any type in any column, so each value comes with its type; PostgreSQL's types are compared once, in its
catalogue. A value of a wrong type is named and read as None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection

from trail.fsck.findings import CouldNotRun, Report

AT_ONCE = 250  # rows; one may say a megabyte
INT, TEXT, BYTES, ID, TIME = "integer", "text", "bytes", "uuid", "time"
STORED = {INT: "integer", TEXT: "text", BYTES: "blob", ID: "text", TIME: "text"}
IN_POSTGRESQL = {
    INT: {"bigint", "smallint"},
    TEXT: {"text", "character varying"},
    BYTES: {"bytea"},
    ID: {"uuid"},
    TIME: {"timestamp with time zone"},
}
MAY_BE_NULL = {("trail_image", "disclosed")}

TABLES: dict[str, dict[str, str]] = {
    "trail_entry": {
        "id": ID,
        "type": TEXT,
        "at": TIME,
        "action": ID,
        "actor_id": TEXT,
        "subject_type": TEXT,
        "subject_id": TEXT,
        "unit": TEXT,
        "body": BYTES,
    },
    "trail_payload": {"entry_id": ID, "actor_name": TEXT, "subject_label": TEXT, "reason": TEXT, "disclosed": BYTES},
    "trail_image": {"id": INT, "entry_id": ID, "row_type": TEXT, "row_id": TEXT, "digest": BYTES, "disclosed": BYTES},
    "trail_pending": {"id": INT, "entry_id": ID, "hash": BYTES},
    "trail_leaf": {"index": INT, "entry_id": ID, "hash": BYTES},
    "trail_tile": {"id": INT, "level": INT, "index": INT, "data": BYTES, "root": BYTES},
    "trail_tree": {"id": INT, "size": INT, "frontier": BYTES},
    "trail_checkpoint": {"id": INT, "size": INT, "root": BYTES, "note": TEXT, "signed_at": TIME},
    "trail_anchor": {
        "id": INT,
        "kind": TEXT,
        "target": TEXT,
        "size": INT,
        "root": BYTES,
        "token": BYTES,
        "at": TIME,
    },
}
# by which rows are told apart; the surrogate ids of the last four mean nothing
KEYS = {
    "trail_entry": [["id"]],
    "trail_payload": [["entry_id"]],
    "trail_image": [["id"]],
    "trail_pending": [["entry_id"]],
    "trail_leaf": [["index"], ["entry_id"]],
    "trail_tile": [["level", "index"]],
    "trail_tree": [["id"]],
    "trail_checkpoint": [["size", "root"]],
    "trail_anchor": [["kind", "target", "size", "root", "token", "at"]],
}

MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?", re.ASCII)


@dataclass(frozen=True)
class Row:
    """One row of a table: values by column, None where there is none that can be read."""

    table: str
    values: dict[str, Any]
    present: bool
    # (column, sentence) of each value that can't be read
    wrong: tuple[tuple[str, str], ...]

    def __getitem__(self, column: str) -> Any:
        return self.values[column]

    def report(self, report: Report, name: object) -> None:
        for column, sentence in self.wrong:
            report.say(self.table, name, column, sentence)


@contextmanager
def snapshot() -> Iterator[None]:
    """Everything is read as of one moment, while others write."""
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        # not by atomic(): on SQLite that would keep every writer out for as long as it takes
        mode = " ISOLATION LEVEL REPEATABLE READ READ ONLY" if connection.vendor == "postgresql" else ""
        cursor.execute(f"BEGIN{mode}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")


def stream(sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, parameters or None)
        while rows := cursor.fetchmany(AT_ONCE):
            yield from rows


def columns(table: str, alias: str) -> str:
    """What to select, so that `taken` can read it."""
    return ", ".join(_selected(kind, f'{alias}."{name}"') for name, kind in TABLES[table].items())


def _selected(kind: str, column: str) -> str:
    if connection.vendor == "sqlite":
        # as bytes: text that is no UTF-8 would break the driver
        return f"typeof({column}), CAST({column} AS BLOB)"
    if kind == TIME:  # what lies beyond the calendar would break it, too
        column = f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
    return column


def width(table: str) -> int:
    """How many values of a selected row `columns` takes."""
    return len(TABLES[table]) * (2 if connection.vendor == "sqlite" else 1)


def taken(table: str, selected: Sequence[Any]) -> Row:
    pairs = _pairs(table, selected)
    values: dict[str, Any] = {}
    wrong = []
    for (name, kind), (stored, value) in zip(TABLES[table].items(), pairs, strict=True):
        if value is None:
            values[name] = None
            if (table, name) not in MAY_BE_NULL:
                wrong.append((name, "holds nothing (NULL)."))
            continue
        try:
            values[name] = _value(kind, stored, value)
        except ValueError as error:
            values[name] = None
            wrong.append((name, str(error)))
    present = any(value is not None for _, value in pairs)
    return Row(table, values, present, tuple(wrong) if present else ())


def _pairs(table: str, selected: Sequence[Any]) -> list[tuple[str, Any]]:
    if connection.vendor != "sqlite":
        return [("", value) for value in selected]
    given = iter(selected)
    return [(stored, None if stored == "null" else value) for stored, value in zip(given, given, strict=True)]


def _value(kind: str, stored: str, value: Any) -> Any:
    if stored:
        if stored != STORED[kind]:
            raise ValueError(f"holds a value of the type {stored} where {STORED[kind]} belongs.")
        value = _of_sqlite(kind, value)
    match kind:
        case "bytes":
            return bytes(value)
        case "time":
            return _time(value)
        case "uuid":
            return str(value)
    return value


def _of_sqlite(kind: str, value: bytes) -> Any:
    if kind == BYTES:
        return value
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise ValueError("holds text that is not UTF-8.") from None
    if kind == INT:
        return int(text)
    if kind == ID:
        try:
            found = UUID(hex=text)
        except ValueError:
            found = None
        if found is None or found.hex != text:
            raise ValueError("holds no id as this database keeps one.")
        return found
    return text


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text if MOMENT.fullmatch(text) else "").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("holds no moment that a calendar knows.") from None


def rows(table: str, order: str, where: str = "") -> Iterator[Row]:
    """A table, row by row."""
    condition = f" WHERE {where}" if where else ""
    sql = f'SELECT {columns(table, "t")} FROM "{table}" t{condition} ORDER BY {order}'  # noqa: S608 - our names
    for selected in stream(sql):
        yield taken(table, selected)


def split(selected: Sequence[Any], *tables: str) -> list[Row]:
    """The rows of a join, one after another."""
    given = iter(selected)
    return [taken(table, list(islice(given, width(table)))) for table in tables]


def examine_schema(report: Report) -> bool:
    """Whether the tables are there to be read, and of the types that were made."""
    there = _tables()
    if not {"trail_entry", "trail_leaf"} & set(there):
        raise CouldNotRun("This database holds no trail. Check COUNTERSIGN_DATABASE_URL, or run `manage.py migrate`.")
    before = len(report.findings)
    for table, expected in TABLES.items():
        found = there.get(table)
        if found is None:
            report.say(table, "", "", "the table is gone, or something else has its name.")
            continue
        for column, kind in expected.items():
            if column not in found:
                report.say(table, "", column, "the column is gone.")
            elif connection.vendor == "postgresql" and found[column] not in IN_POSTGRESQL[kind]:
                report.say(table, "", column, f"the column’s type is {found[column]}, which is not the one it had.")
    return len(report.findings) == before


def _tables() -> dict[str, dict[str, str]]:
    """Columns and their types of each table that is one, and no view."""
    if connection.vendor == "sqlite":
        sql = (
            "SELECT m.name, c.name, c.type FROM sqlite_master m JOIN pragma_table_info(m.name) c "
            "WHERE m.type = 'table' AND m.name LIKE 'trail%'"
        )
    else:
        sql = (
            "SELECT r.relname, a.attname, regexp_replace(format_type(a.atttypid, a.atttypmod), '\\(.*', '') "
            "FROM pg_class r JOIN pg_attribute a ON a.attrelid = r.oid "
            "WHERE r.oid = to_regclass(r.relname) AND r.relkind = 'r' AND r.relname LIKE 'trail%%' "
            "AND a.attnum > 0 AND NOT a.attisdropped"
        )
    found: dict[str, dict[str, str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(sql)
        for table, column, kind in cursor.fetchall():
            found.setdefault(table, {})[column] = kind
    return found


def examine_keys(report: Report) -> None:
    """No two rows with one key: a unique index can be dropped."""
    shown = "CAST({} AS BLOB)" if connection.vendor == "sqlite" else "{}::text"
    for table, key in ((table, key) for table, keys in KEYS.items() for key in keys):
        quoted = [f'"{column}"' for column in key]
        selected, grouped = ", ".join(map(shown.format, quoted)), ", ".join(quoted)
        sql = f'SELECT {selected}, count(*) FROM "{table}" GROUP BY {grouped} HAVING count(*) > 1'  # noqa: S608 - ours
        for *values, count in stream(sql):
            name = "/".join(map(_legible, values))
            report.say(table, name, ", ".join(key), f"{count} rows have this key, and at most one of them is true.")


def _legible(value: Any) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    if len(text) == 32 and re.fullmatch("[0-9a-f]{32}", text):
        text = str(UUID(text))
    return text if text.isprintable() and len(text) <= 40 else f"{text[:37].encode('ascii', 'replace').decode()}..."
