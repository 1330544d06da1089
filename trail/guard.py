"""Refuses every write of a governed table outside a recording, below the ORM.

It reads the SQL that reaches the database driver, so save, bulk_create, update, delete, cascades, loaddata and raw
SQL through Django's connections all meet it. A connection that is not Django's does not, nor a driver's own
`executescript` or `copy`, nor SQL that the database puts together itself (DO, EXECUTE): there the database's own
triggers and the tree are what remains (docs/architecture.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper

from trail.errors import Unrecorded

is_recording: ContextVar[bool] = ContextVar("is_recording", default=False)

WRITE = re.compile(
    r"\b(?:INSERT(?:\s+OR\s+\w+)?\s+INTO|REPLACE\s+INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM|MERGE\s+INTO|COPY)"
    r"\s*(?:ONLY\b\s*\(?\s*)?(?:[\"'`\[]?\w+[\"'`\]]?\s*\.\s*)*[\"'`\[]?(\w+)",
    re.IGNORECASE,
)
# not the event that a trigger waits for
TRUNCATE = re.compile(r"\bTRUNCATE\b(?!\s+O[NR]\b)([^;]*)", re.IGNORECASE)
COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)


@cache
def governed_tables() -> frozenset[str]:
    from trail.models import Governed

    governed = {model._meta.db_table for model in apps.get_models() if issubclass(model, Governed)}
    marked = {model._meta.db_table for model in apps.get_models() if getattr(model, "governed", False)}
    ledger = {model._meta.db_table for model in apps.get_app_config("trail").get_models()}
    return frozenset(governed | marked | ledger)


@contextmanager
def opened() -> Iterator[None]:
    """Let the trail's own functions write; everyone else opens a recording."""
    before = is_recording.set(True)
    try:
        yield
    finally:
        is_recording.reset(before)


def written_tables(sql: str) -> set[str]:
    if sql[:6].upper() == "SELECT" and ";" not in sql:
        return set()
    found: set[str] = set()
    # with its comments and without: `--` inside a text is none, and would hide what follows it
    for text in {sql, COMMENT.sub(" ", sql)}:
        found |= {match.group(1).lower() for match in WRITE.finditer(text)}
        found |= {word.lower() for listed in TRUNCATE.findall(text) for word in re.findall(r"\w+", listed)}
    return found & governed_tables()


def _text(sql: Any) -> str:
    """PostgreSQL's driver also takes bytes, and statements composed of parts."""
    if isinstance(sql, bytes):
        return sql.decode(errors="replace")
    return sql if isinstance(sql, str) else str(sql.as_string(None))


def refuse_unrecorded(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    # a context that was copied (a task, a thread) may outlive its recording, but not the recording's transaction
    is_open = is_recording.get() and context["connection"].in_atomic_block
    if not is_open and (tables := written_tables(_text(sql))):
        raise Unrecorded(
            f"{', '.join(sorted(tables))} is governed: write it inside trail.recording(...), so that the change "
            "leaves an entry with its actor and its reason."
        )
    return execute(sql, params, many, context)


def install(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if refuse_unrecorded not in connection.execute_wrappers:
        connection.execute_wrappers.append(refuse_unrecorded)
