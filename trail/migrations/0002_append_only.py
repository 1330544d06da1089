"""The database itself refuses to change or delete a ledger row.

SQLite's UPDATE and DELETE triggers are not asked by INSERT OR REPLACE, hence its third trigger; it also looks at the
hidden rowid, by which a row could be replaced under a new key.
"""

from django.db import migrations

# the unique keys of each table, by which a row could be replaced
KEYS = {
    "trail_entry": [["id"]],
    "trail_leaf": [["index"], ["entry_id"]],
    "trail_tile": [["id"], ["level", "index"]],
    "trail_checkpoint": [["id"], ["size", "root"]],
    "trail_anchor": [["id"]],
}
SENTENCE = "the trail is append-only"
REFUSAL = f"BEGIN RAISE EXCEPTION '{SENTENCE}'; END"


def sqlite(table: str, keys: list[list[str]]) -> list[str]:
    taken = " OR ".join(" AND ".join(f'"{column}" = NEW."{column}"' for column in key) for key in [*keys, ["rowid"]])
    refuse = f"BEGIN SELECT RAISE(ABORT, '{SENTENCE}'); END"
    return [
        f'CREATE TRIGGER {table}_no_update BEFORE UPDATE ON "{table}" {refuse}',
        f'CREATE TRIGGER {table}_no_delete BEFORE DELETE ON "{table}" {refuse}',
        f'CREATE TRIGGER {table}_no_replace BEFORE INSERT ON "{table}" '
        f'WHEN EXISTS (SELECT 1 FROM "{table}" WHERE {taken}) {refuse}',
    ]


def postgresql(table: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION trail_refuse()",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION trail_refuse()",
        # ALWAYS: also for a session that sets session_replication_role to replica
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_change",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_truncate",
    ]


def refuse_changes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"CREATE FUNCTION trail_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {REFUSAL} $$")
    for table, keys in KEYS.items():
        statements = postgresql(table) if schema_editor.connection.vendor == "postgresql" else sqlite(table, keys)
        for statement in statements:
            schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("trail", "0001_initial")]
    operations = [migrations.RunPython(refuse_changes, migrations.RunPython.noop)]
