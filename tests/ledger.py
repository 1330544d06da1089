"""Transactional tests empty the tables after each test, which the ledger's triggers and the guard refuse, as they
should. This lets the test runner, and nobody else, step around them."""

from __future__ import annotations

from importlib import import_module

from django.db import connection
from django.db.backends.base.operations import BaseDatabaseOperations

from trail import guard

append_only = import_module("trail.migrations.0002_append_only")
flush = BaseDatabaseOperations.execute_sql_flush


def flush_with_the_ledger(self: BaseDatabaseOperations, sql_list: list[str]) -> None:
    open_ = guard.is_recording.set(True)
    try:
        switch(on=False)
        flush(self, sql_list)
    finally:
        switch(on=True)
        guard.is_recording.reset(open_)


def switch(*, on: bool) -> None:
    with connection.cursor() as cursor:
        for table, keys in append_only.KEYS.items():
            for statement in statements(table, keys, on):
                cursor.execute(statement)


def statements(table: str, keys: list[str], on: bool) -> list[str]:
    if connection.vendor == "postgresql":
        verb = "ENABLE ALWAYS" if on else "DISABLE"
        return [f"ALTER TABLE {table} {verb} TRIGGER {table}_no_{what}" for what in ("change", "truncate")]
    if on:
        return append_only.sqlite(table, keys)
    return [f"DROP TRIGGER IF EXISTS {table}_no_{what}" for what in ("update", "delete", "replace")]


def install() -> None:
    BaseDatabaseOperations.execute_sql_flush = flush_with_the_ledger  # type: ignore[method-assign]
