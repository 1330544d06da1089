"""The triggers by which the database itself keeps the ledger append-only: are they all there, as they were made?"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.db import connection

made: Any = import_module("trail.migrations.0002_append_only")

# of pg_trigger.tgtype: each row, before, delete and update; before, truncate
EVENTS = {"change": 1 | 2 | 8 | 16, "truncate": 2 | 32}


def lacking() -> list[tuple[str, str]]:
    """(table, sentence) for each guard that is gone, switched off or not the one that was made."""
    return _on_postgresql() if connection.vendor == "postgresql" else _on_sqlite()


def asked(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return list(cursor.fetchall())


def _on_sqlite() -> list[tuple[str, str]]:
    found = dict(asked("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    lacks = []
    for table, keys in made.KEYS.items():
        for statement in made.sqlite(table, keys):
            name = statement.split()[2]
            if name not in found:
                lacks.append((table, f"the trigger {name} is gone."))
            elif found.pop(name) != statement:
                lacks.append((table, f"the trigger {name} is not the one that was made."))
    others = asked("SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'trail%'")
    lacks += [(table, f"the trigger {name} is none of the app’s.") for name, table in others if name in found]
    return lacks


def _on_postgresql() -> list[tuple[str, str]]:
    found = {
        (table, name): (enabled, kind, conditional, function)
        for table, name, enabled, kind, conditional, function in asked(
            "SELECT c.relname, t.tgname, t.tgenabled, t.tgtype, t.tgqual IS NOT NULL OR t.tgattr::text <> '', "
            "p.proname "
            "FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid "
            "WHERE c.oid = to_regclass(c.relname) AND c.relname LIKE 'trail%%' AND NOT t.tgisinternal"
        )
    }
    lacks = []
    for table in made.KEYS:
        for what, kind in EVENTS.items():
            name = f"{table}_no_{what}"
            enabled, *as_made = found.pop((table, name), ("", None, None, None))
            if not enabled:
                lacks.append((table, f"the trigger {name} is gone."))
            elif as_made != [kind, False, "trail_refuse"]:
                lacks.append((table, f"the trigger {name} is not the one that was made."))
            elif enabled != "A":
                lacks.append((table, f"the trigger {name} is not enabled ALWAYS."))
    lacks += [(table, f"the trigger {name} is none of the app’s.") for table, name in found]
    return lacks + _function() + _detours()


def _function() -> list[tuple[str, str]]:
    sources = asked("SELECT prosrc, prosecdef FROM pg_proc WHERE proname = 'trail_refuse'")
    if [(source.strip(), definer) for source, definer in sources] == [(made.REFUSAL, False)]:
        return []
    return [("", "the function trail_refuse is not the one that was made.")]


def _detours() -> list[tuple[str, str]]:
    """What would let a statement do something else than it says."""
    rules = asked("SELECT tablename, rulename FROM pg_rules WHERE tablename LIKE 'trail%%'")
    policies = asked("SELECT relname FROM pg_class WHERE relname LIKE 'trail%%' AND relkind = 'r' AND relrowsecurity")
    children = asked(
        "SELECT p.relname, c.relname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent "
        "JOIN pg_class c ON c.oid = i.inhrelid WHERE p.relname LIKE 'trail%%' AND p.relkind = 'r'"
    )
    return [
        *((table, f"the rule {name} rewrites what is written here.") for table, name in rules),
        *((table, "a row policy may hide rows of it.") for (table,) in policies),
        *((table, f"the table {child} adds rows to it that no trigger guards.") for table, child in children),
    ]
