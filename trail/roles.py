"""Who may do what in PostgreSQL: the owner keeps the tables, and the app's role gets exactly what the app does.

Nobody who only holds the app's password can then change or delete what the ledger holds, switch its triggers off, or
take its tables' place. A superuser and the owner still can: the tree shows it (docs/operations.md).
"""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import connection, transaction

from trail import guards
from trail.errors import BadInput
from trail.guards import asked

APPEND = {"": {"SELECT", "INSERT"}}
# of each table of the trail: what on the whole table, and what on some columns only
TRAIL: dict[str, dict[str, set[str]]] = {
    **dict.fromkeys(guards.made.KEYS, APPEND),
    # locking a row asks for the right to update one of its columns
    "trail_pending": {"": {"SELECT", "INSERT", "DELETE"}, "id": {"UPDATE"}},
    "trail_tree": {"": {"SELECT", "INSERT"}, "size": {"UPDATE"}, "frontier": {"UPDATE"}},
    "trail_payload": {
        "": {"SELECT", "INSERT"},
        **{column: {"UPDATE"} for column in ("actor_name", "subject_label", "reason", "disclosed")},
    },
    "trail_image": {"": {"SELECT", "INSERT"}, "disclosed": {"UPDATE"}},
    "django_migrations": {"": {"SELECT"}},
}
ROWS = {"": {"SELECT", "INSERT", "UPDATE", "DELETE"}}
EVERY = {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"}
STRONG = ["pg_write_all_data", "pg_write_server_files", "pg_execute_server_program", "pg_read_server_files"]


def rights() -> dict[str, dict[str, set[str]]]:
    """Every table of the app, and what the app's role does with it."""
    # a proxy has the table of another model, and an unmanaged one none of ours
    models = [each for each in apps.get_models(include_auto_created=True) if each._meta.managed]
    tables = {each._meta.db_table for each in models} | {"django_migrations"}
    return {table: TRAIL.get(table, ROWS) for table in sorted(tables & _existing())}


def _existing() -> set[str]:
    return {name for (name,) in asked("SELECT relname FROM pg_class WHERE oid = to_regclass(quote_ident(relname))")}


def apply(app_role: str) -> list[str]:
    """Give the app's role what it needs and take everything else away; the statements that did it."""
    _require_role(app_role)
    if lacks := [sentence for sentence in _of_the_role(app_role) if sentence]:
        raise BadInput(" ".join(lacks), where="app-role")
    statements = list(_statements(app_role))
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    return statements


def _require_role(app_role: str) -> None:
    if not asked("SELECT 1 FROM pg_roles WHERE rolname = %s", app_role):
        sentence = f"There is no role {app_role}. Make it: CREATE ROLE {connection.ops.quote_name(app_role)} LOGIN."
        raise BadInput(sentence, where="app-role")


def _statements(app_role: str) -> Iterator[str]:
    quoted = connection.ops.quote_name
    role, database = quoted(app_role), quoted(str(connection.settings_dict["NAME"]))
    ((schema,),) = asked("SELECT current_schema()")
    everyone = f"PUBLIC, {role}"
    yield f"REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM {everyone}"
    yield f"GRANT CONNECT ON DATABASE {database} TO {role}"
    yield f"REVOKE CREATE ON SCHEMA {quoted(schema)} FROM {everyone}"
    yield f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {role}"
    for table, given in rights().items():
        yield f"REVOKE ALL ON TABLE {quoted(table)} FROM {everyone}"
        for column, what in given.items():
            of = f" ({quoted(column)})" if column else ""
            listed = ", ".join(f"{each}{of}" for each in sorted(what))
            yield f"GRANT {listed} ON TABLE {quoted(table)} TO {role}"
    for (sequence,) in asked(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'S' AND pg_table_is_visible(oid)"
    ):
        yield f"REVOKE ALL ON SEQUENCE {sequence} FROM {everyone}"
        yield f"GRANT USAGE ON SEQUENCE {sequence} TO {role}"


def lacking(app_role: str) -> list[str]:
    """Each way in which the live database gives the app's role more, or less, than it needs."""
    _require_role(app_role)
    return [
        *_of_the_role(app_role),
        *_of_the_tables(app_role),
        *_of_the_place(app_role),
        *(f"{table}: {sentence}" if table else sentence for table, sentence in guards.lacking()),
        *_of_durability(app_role),
    ]


def _of_the_role(app_role: str) -> Iterator[str]:
    ((*powers,),) = asked(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = %s", app_role
    )
    for has, power in zip(powers, ("SUPERUSER", "BYPASSRLS", "CREATEROLE", "REPLICATION"), strict=True):
        if has:
            yield f"The role {app_role} has {power}, with which it can do everything."
    owners = asked(
        "SELECT DISTINCT r.rolname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner "
        "WHERE c.relname = ANY(%s) AND pg_table_is_visible(c.oid) UNION "
        "SELECT r.rolname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE d.datname = current_database() "
        "UNION SELECT r.rolname FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner "
        "WHERE n.nspname = current_schema() AND r.rolname <> 'pg_database_owner'",
        list(TRAIL),
    )
    for (owner,) in owners:
        if owner == app_role:
            yield f"The role {app_role} owns the tables, their schema or the database, so it can drop the triggers."
    strong = [*(owner for (owner,) in owners if owner != app_role), *STRONG]
    for (other,) in asked(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND pg_has_role(%s, oid, 'MEMBER')", strong, app_role
    ):
        yield f"The role {app_role} is a member of {other}, and can do what that one can."


def _of_the_tables(app_role: str) -> Iterator[str]:
    for table, given in rights().items():
        whole, columns = given[""], {column: what for column, what in given.items() if column}
        has = {
            right for right in EVERY if asked("SELECT has_table_privilege(%s, %s, %s)", app_role, table, right)[0][0]
        }
        yield from _difference(app_role, table, has, whole)
        for column, may in asked(
            "SELECT attname, has_column_privilege(%s, attrelid, attnum, 'UPDATE') FROM pg_attribute "
            "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            app_role,
            table,
        ):
            if "UPDATE" not in whole | has and may != (column in columns):
                change = "may not lock or change" if column in columns else "may change"
                yield f"{table}: {app_role} {change} the column {column}."


def _difference(app_role: str, table: str, has: set[str], whole: set[str]) -> Iterator[str]:
    if more := sorted(has - whole):
        yield f"{table}: {app_role} has {', '.join(more)}, which it must not have."
    if less := sorted(whole - has):
        yield f"{table}: {app_role} lacks {', '.join(less)}, without which the app does not work."


def _of_the_place(app_role: str) -> Iterator[str]:
    ((creates, temporary),) = asked(
        "SELECT has_schema_privilege(%(role)s, current_schema(), 'CREATE') "
        "OR has_database_privilege(%(role)s, current_database(), 'CREATE'), "
        "has_database_privilege(%(role)s, current_database(), 'TEMPORARY')".replace("%(role)s", "%s"),
        app_role,
        app_role,
        app_role,
    )
    if creates:
        yield f"The role {app_role} may create tables and functions beside the app’s own."
    if temporary:
        yield f"The role {app_role} may create temporary tables, which take the place of the app’s in its own session."
    if asked("SHOW server_version_num")[0][0] >= "150000" and asked(
        "SELECT has_parameter_privilege(%s, 'session_replication_role', 'SET')", app_role
    ) == [(True,)]:
        yield f"The role {app_role} may set session_replication_role, which switches rules and other triggers off."
    for (function,) in asked(
        "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        "WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema') "
        "AND has_function_privilege(%s, p.oid, 'EXECUTE')",
        app_role,
    ):
        yield f"The role {app_role} may call {function}, which runs with its owner’s rights (SECURITY DEFINER)."


def _of_durability(app_role: str) -> Iterator[str]:
    """What was acknowledged, and signed, must survive a crash."""
    for name in ("fsync", "full_page_writes"):
        if asked(f"SHOW {name}") != [("on",)]:
            yield f"{name} is off, so a crash can lose entries that were signed."
    settings = asked(
        "SELECT unnest(s.setconfig) FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole "
        "LEFT JOIN pg_database d ON d.oid = s.setdatabase WHERE (r.rolname = %s OR s.setrole = 0) "
        "AND (d.datname = current_database() OR s.setdatabase = 0)",
        app_role,
    )
    if ("synchronous_commit=off",) in settings or asked("SHOW synchronous_commit") == [("off",)]:
        yield "synchronous_commit is off, so a crash can lose entries that were signed."
