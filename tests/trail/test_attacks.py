"""Attacks on the ledger inside the database: as the app's own role, which must fail; and as the owner of everything,
which the database can't stop and fsck sees (docs/decisions/0016-what-the-ledger-detects.md)."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction

from people import membership
from people.models import User
from people.roles import Role
from tests import personas
from tests.personas import WHY, Bank
from tests.trail import damage
from trail import checkpoints, fsck, guards, roles
from trail.actors import SYSTEM
from trail.errors import BadInput
from trail.models import Entry, Payload

ON_POSTGRESQL = connection.vendor == "postgresql"
postgresql = pytest.mark.skipif(not ON_POSTGRESQL, reason="PostgreSQL's own")
sqlite = pytest.mark.skipif(ON_POSTGRESQL, reason="SQLite's own")

ENTRY = "(id, type, at, action, actor_id, subject_type, subject_id, unit, body)"
SAME = "id, type, at, action, actor_id, subject_type, subject_id, unit, body"
OTHER = "SELECT {new}, type, at, action, actor_id, subject_type, subject_id, unit, body FROM trail_entry LIMIT 1"

# each as the app's role, every one of them refused
BLOCKED = {
    "update": "UPDATE trail_entry SET body = 'x'",
    "update of one column": "UPDATE trail_leaf SET hash = hash",
    "delete": "DELETE FROM trail_entry",
    "delete a leaf": "DELETE FROM trail_leaf",
    "delete a checkpoint": "DELETE FROM trail_checkpoint",
    "delete an anchor": "DELETE FROM trail_anchor",
    "delete a tile": "DELETE FROM trail_tile",
    "truncate": "TRUNCATE trail_entry",
    "truncate all": "TRUNCATE trail_leaf, trail_tile, trail_checkpoint CASCADE",
    "truncate what may be changed": "TRUNCATE trail_payload",
    "upsert": f"INSERT INTO trail_entry {ENTRY} SELECT {SAME} FROM trail_entry LIMIT 1 "
    "ON CONFLICT (id) DO UPDATE SET body = 'x'",
    "upsert of nothing": f"INSERT INTO trail_entry {ENTRY} SELECT {SAME} FROM trail_entry LIMIT 1 "
    "ON CONFLICT (id) DO UPDATE SET id = excluded.id",
    "merge": "MERGE INTO trail_leaf l USING trail_entry e ON l.entry_id = e.id WHEN MATCHED THEN DELETE",
    "merge update": "MERGE INTO trail_leaf l USING trail_entry e ON l.entry_id = e.id "
    "WHEN MATCHED THEN UPDATE SET hash = 'x'",
    "a CTE": "WITH gone AS (DELETE FROM trail_leaf RETURNING 1) SELECT * FROM gone",
    "a CTE that updates": "WITH new AS (UPDATE trail_checkpoint SET note = 'x' RETURNING 1) SELECT count(*) FROM new",
    "replica role": "SET session_replication_role = replica; DELETE FROM trail_entry",
    "local replica role": "SELECT set_config('session_replication_role', 'replica', true)",
    "disable a trigger": "ALTER TABLE trail_entry DISABLE TRIGGER trail_entry_no_change",
    "disable all triggers": "ALTER TABLE trail_entry DISABLE TRIGGER ALL",
    "drop a trigger": "DROP TRIGGER trail_entry_no_change ON trail_entry",
    "drop the function": "DROP FUNCTION trail_refuse CASCADE",
    "replace the function": "CREATE OR REPLACE FUNCTION trail_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RETURN NEW; END $$",
    "a function of one's own": "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "security definer": "CREATE FUNCTION mine() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM trail_leaf'",
    "a trigger of one's own": "CREATE TRIGGER mine BEFORE INSERT ON trail_entry EXECUTE FUNCTION trail_refuse()",
    "a rule": "CREATE RULE mine AS ON INSERT TO trail_leaf DO INSTEAD NOTHING",
    "a policy": "ALTER TABLE trail_leaf ENABLE ROW LEVEL SECURITY",
    "another type": "ALTER TABLE trail_entry ALTER body TYPE text USING 'x'",
    "drop a column": "ALTER TABLE trail_leaf DROP COLUMN hash",
    "a default": "ALTER TABLE trail_leaf ALTER hash SET DEFAULT 'x'",
    "drop a key": "ALTER TABLE trail_leaf DROP CONSTRAINT trail_leaf_pkey",
    "rename": "ALTER TABLE trail_entry RENAME TO trail_former",
    "move": "ALTER TABLE trail_entry SET SCHEMA pg_temp",
    "drop": "DROP TABLE trail_entry",
    "inherit": "CREATE TABLE mine () INHERITS (trail_entry)",
    "a table of one's own": "CREATE TABLE mine (id int)",
    "a temporary table in its place": "CREATE TEMP TABLE trail_entry (id uuid)",
    "a schema before it": "CREATE SCHEMA mine",
    "own it": "ALTER TABLE trail_entry OWNER TO CURRENT_USER",
    "become the owner": "SET ROLE {owner}",
    "be the owner": "SET SESSION AUTHORIZATION {owner}",
    "reassign": "REASSIGN OWNED BY {owner} TO CURRENT_USER",
    "a superuser": "ALTER ROLE CURRENT_USER SUPERUSER",
    "copy a program": "COPY trail_entry FROM PROGRAM 'true'",
    "copy a file": "COPY trail_entry TO '/tmp/trail_entry'",
    "the catalogue": "UPDATE pg_class SET relname = 'x' WHERE relname = 'trail_entry'",
    "the catalogue's triggers": "DELETE FROM pg_trigger",
    "do": "DO $$ BEGIN DELETE FROM trail_leaf; END $$",
    "execute": "DO $$ BEGIN EXECUTE 'UPDATE trail_' || 'entry SET unit = unit'; END $$",
    "prepare": "PREPARE p AS DELETE FROM trail_leaf; EXECUTE p",
    "a view": "CREATE VIEW mine AS SELECT * FROM trail_entry",
    "a foreign key": "ALTER TABLE people_unit ADD FOREIGN KEY (id) REFERENCES trail_entry ON DELETE CASCADE",
    "a cursor": "BEGIN; DECLARE c CURSOR FOR SELECT * FROM trail_leaf FOR UPDATE; FETCH c; "
    "DELETE FROM trail_leaf WHERE CURRENT OF c",
    "number of an image": "UPDATE trail_image SET id = id + 1000000",
    "an image's digest": "UPDATE trail_image SET digest = 'x'",
    "delete a payload": "DELETE FROM trail_payload",
    "delete an image": "DELETE FROM trail_image",
    "a payload elsewhere": "UPDATE trail_payload SET entry_id = gen_random_uuid()",
    "delete the tree": "DELETE FROM trail_tree",
    "a waiting mark's hash": "UPDATE trail_pending SET hash = 'x'",
    "migrations": "DELETE FROM django_migrations",
    "a sequence": "SELECT setval(pg_get_serial_sequence('trail_image', 'id'), 1)",
    "vacuum settings": "ALTER TABLE trail_entry SET (autovacuum_enabled = off)",
    "a publication": "CREATE PUBLICATION mine FOR TABLE trail_entry",
    "statistics": "CREATE STATISTICS mine ON id, type FROM trail_entry",
    "an event trigger": "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION trail_refuse()",
    "the log of the database": "ALTER SYSTEM SET fsync = off",
    "large objects as files": "SELECT lo_export(1, '/tmp/x')",
}

# what the app's role has to be able to do, and somebody with its password can do in bad faith: seen at once
SEEN = {
    "an entry from nowhere": f"INSERT INTO trail_entry {ENTRY} {OTHER}",
    "a leaf from nowhere": "INSERT INTO trail_leaf (index, entry_id, hash) "
    "SELECT max(index) + 1, gen_random_uuid(), 'x' FROM trail_leaf",
    "a tile from nowhere": "INSERT INTO trail_tile (level, index, data, root) VALUES (0, 7, 'x', 'x')",
    "a checkpoint from nowhere": "INSERT INTO trail_checkpoint (size, root, note, signed_at) "
    "VALUES (1, 'x', 'x', now())",
    "an anchor from nowhere": "INSERT INTO trail_anchor (kind, target, size, root, token, at) "
    "VALUES ('file', 'x', 1, 'x', 'x', now())",
    "a payload that says something else": "UPDATE trail_payload SET reason = 'because' WHERE reason <> ''",
    "a payload that says nothing": "UPDATE trail_payload SET disclosed = '[]', reason = '', actor_name = '', "
    "subject_label = ''",
    "an image that shows nothing": "UPDATE trail_image SET disclosed = NULL",
    "a waiting mark that is gone": "DELETE FROM trail_pending",
    "a smaller tree": "UPDATE trail_tree SET size = size - 1",
    "another tree": "UPDATE trail_tree SET frontier = 'x'",
    "COPY FROM": "COPY trail_leaf (index, entry_id, hash) FROM STDIN",
}

# nobody can keep the owner from these, so they must not go unnoticed
OWNERS = {
    "disable and delete": "ALTER TABLE trail_leaf DISABLE TRIGGER ALL; DELETE FROM trail_leaf WHERE index = 1; "
    "ALTER TABLE trail_leaf ENABLE ALWAYS TRIGGER trail_leaf_no_change; "
    "ALTER TABLE trail_leaf ENABLE ALWAYS TRIGGER trail_leaf_no_truncate",
    "rewrite by type": "ALTER TABLE trail_entry ALTER unit TYPE varchar(500) USING 'elsewhere'",
    "rewrite bytes by type": "ALTER TABLE trail_entry ALTER body TYPE bytea USING body || 'x'",
    "a trigger left disabled": "ALTER TABLE trail_entry DISABLE TRIGGER trail_entry_no_change",
    "a trigger for some sessions only": "ALTER TABLE trail_entry ENABLE TRIGGER trail_entry_no_change",
    "a trigger dropped": "DROP TRIGGER trail_checkpoint_no_truncate ON trail_checkpoint",
    "a trigger with a condition": "DROP TRIGGER trail_entry_no_change ON trail_entry; CREATE TRIGGER "
    "trail_entry_no_change BEFORE UPDATE OR DELETE ON trail_entry FOR EACH ROW WHEN (OLD.unit = 'x') "
    "EXECUTE FUNCTION trail_refuse(); ALTER TABLE trail_entry ENABLE ALWAYS TRIGGER trail_entry_no_change",
    "the function defused": "CREATE OR REPLACE FUNCTION trail_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RETURN NEW; END $$",
    "a trigger that swallows": "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; "
    "END $$; CREATE TRIGGER swallow BEFORE INSERT ON trail_leaf FOR EACH ROW EXECUTE FUNCTION swallow()",
    "a rule that swallows": "CREATE RULE swallow AS ON INSERT TO trail_leaf DO INSTEAD NOTHING",
    "a rule that adds": "CREATE RULE adds AS ON INSERT TO trail_leaf DO ALSO SELECT 1",
    "a policy that hides": "ALTER TABLE trail_leaf ENABLE ROW LEVEL SECURITY",
    "a child with rows": "CREATE TABLE more () INHERITS (trail_tree); INSERT INTO more SELECT * FROM trail_tree",
    "rename and replace": "ALTER TABLE trail_checkpoint RENAME TO former; CREATE TABLE trail_checkpoint (LIKE former)",
    "a view instead": "ALTER TABLE trail_leaf RENAME TO former; CREATE VIEW trail_leaf AS SELECT * FROM former",
    "truncate": "ALTER TABLE trail_tile DISABLE TRIGGER ALL; TRUNCATE trail_tile; "
    "ALTER TABLE trail_tile ENABLE ALWAYS TRIGGER trail_tile_no_change; "
    "ALTER TABLE trail_tile ENABLE ALWAYS TRIGGER trail_tile_no_truncate",
    "the catalogue": "UPDATE pg_trigger SET tgenabled = 'D' WHERE tgname = 'trail_entry_no_change'",
    "a column dropped": "ALTER TABLE trail_entry DROP COLUMN subject_id",
    "nothing of it is there": "DROP TABLE trail_payload",
}


@pytest.fixture
def app_role(transactional_db: None) -> Iterator[str]:
    """A second role in the cluster, named after this database so that no two test runs meet."""
    database = connection.settings_dict["NAME"]
    name = f"app_of_{database}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name])
        if cursor.fetchone():
            cursor.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')
        cursor.execute(f'CREATE ROLE "{name}" LOGIN')
    try:
        yield name
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')
            cursor.execute(f'GRANT TEMPORARY ON DATABASE "{database}" TO PUBLIC')


@pytest.fixture
def limited(app_role: str, bank: Bank, owner: User) -> str:
    """The app's role with what it needs, over a log with a row in every table."""
    damage.build(bank, owner)
    call_command("trail_roles", "--app-role", app_role, "--apply", "--check", stdout=StringIO())
    return app_role


def as_role(role: str) -> psycopg.Connection[Any]:
    from django.db.backends.postgresql.psycopg_any import get_adapters_template

    given = connection.settings_dict
    return psycopg.connect(
        host=given["HOST"],
        port=given["PORT"] or 5432,
        user=role,
        dbname=given["NAME"],
        autocommit=True,
        context=get_adapters_template(True, connection.timezone),
    )


@postgresql
def test_the_apps_role_changes_and_deletes_nothing(limited: str) -> None:
    owner = connection.settings_dict["USER"]
    before = fingerprint()
    for name, attack in BLOCKED.items():
        with as_role(limited) as link, pytest.raises(psycopg.Error) as refused:
            link.execute(attack.format(owner=owner) if "{owner}" in attack else attack)
            pytest.fail(f"{name} was let through")
        wanted = ("permission denied", "must be", "append-only", "not owner", "owner of", "only ", "denied")
        assert any(word in str(refused.value) for word in wanted), f"{name}: {refused.value}"
    with as_role(limited) as link:  # what nobody gave it, it can't give: PostgreSQL warns, and does nothing
        link.execute("GRANT ALL ON trail_entry TO CURRENT_USER")
        link.execute("REVOKE ALL ON trail_entry FROM PUBLIC")
    assert roles.lacking(limited) == []
    assert fingerprint() == before
    assert fsck.examine().is_clean


def fingerprint() -> list[Any]:
    with connection.cursor() as cursor:
        found = []
        for table in roles.TRAIL:
            cursor.execute(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t")
            found.append((table, cursor.fetchone()))
    return found


@postgresql
def test_what_the_apps_role_can_do_in_bad_faith_is_seen(limited: str) -> None:
    for name, attack in SEEN.items():
        with as_role(limited) as link, link.transaction(force_rollback=True), link.cursor() as cursor:
            if attack.startswith("COPY"):
                with cursor.copy(attack) as copy:
                    copy.write("900000\t00000000-0000-4000-8000-000000000000\t\\\\x00\n")
            else:
                cursor.execute(attack.replace("{new}", "gen_random_uuid()"))
            assert cursor.rowcount != 0, name
            assert seen_through(link), f"{name} goes unnoticed"


def seen_through(link: psycopg.Connection[Any]) -> bool:
    """fsck, reading in the attacker's own transaction, which is then rolled back."""
    connection.ensure_connection()
    ours, connection.connection = connection.connection, link
    connection.in_atomic_block = True
    try:
        return not fsck.examine().is_clean
    finally:
        connection.connection, connection.in_atomic_block = ours, False


@postgresql
@pytest.mark.django_db
def test_what_the_owner_does_is_seen(bank: Bank, owner: User) -> None:
    damage.build(bank, owner)
    assert fsck.examine().is_clean
    damage.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for name, attack in OWNERS.items():
        before = transaction.savepoint()
        damage.execute(attack)
        assert not fsck.examine().is_clean, name
        transaction.savepoint_rollback(before)
    assert fsck.examine().is_clean


@postgresql
def test_the_app_works_as_its_role(limited: str, bank: Bank, owner: User) -> None:
    """Writing, integrating, signing, reading, erasing: all that it does with the trail."""
    settings, kept = connection.settings_dict, connection.settings_dict["USER"]
    connection.close()
    settings["USER"] = limited
    try:
        unit = membership.open_unit(name="Under the role", parent=bank.root, actor=SYSTEM, reason=WHY)
        person = personas.person("Rollo Role", Role.DEVELOPER, home=unit, at=unit)
        assert checkpoints.current().size == Entry.objects.count()
        damage.erase(person)
        assert not Payload.objects.filter(subject_label="Rollo Role").exists()
        damage.fill(2 * damage.SPAN + 3)
        checkpoints.current()
        assert fsck.examine(with_rows=True).is_clean
        connection.cursor().execute("SELECT current_user")
        with pytest.raises(Exception, match="permission denied"):
            damage.execute("DELETE FROM trail_leaf")
    finally:
        connection.close()
        settings["USER"] = kept


WRONG = {
    "GRANT UPDATE ON trail_entry TO {role}": "trail_entry: {role} has UPDATE, which it must not have.",
    "GRANT UPDATE (body) ON trail_entry TO {role}": "trail_entry: {role} may change the column body.",
    "GRANT DELETE ON trail_payload TO PUBLIC": "trail_payload: {role} has DELETE, which it must not have.",
    "GRANT TRUNCATE ON people_unit TO {role}": "people_unit: {role} has TRUNCATE, which it must not have.",
    "REVOKE INSERT ON trail_leaf FROM {role}": "trail_leaf: {role} lacks INSERT, without which the app does not work.",
    "REVOKE UPDATE ON people_unit FROM {role}": "people_unit: {role} lacks UPDATE, without which the app",
    "REVOKE UPDATE (size) ON trail_tree FROM {role}": "trail_tree: {role} may not lock or change the column size.",
    "GRANT CREATE ON SCHEMA public TO {role}": "may create tables and functions beside",
    "GRANT TEMPORARY ON DATABASE {database} TO {role}": "may create temporary tables",
    "ALTER ROLE {role} BYPASSRLS": "has BYPASSRLS, with which it can do everything",
    "ALTER ROLE {role} CREATEROLE": "has CREATEROLE, with which it can do everything",
    "ALTER ROLE {role} SUPERUSER": "has SUPERUSER, with which it can do everything",
    "GRANT {owner} TO {role}": "is a member of {owner}, and can do what that one can",
    "GRANT pg_write_all_data TO {role}": "is a member of pg_write_all_data",
    "GRANT SET ON PARAMETER session_replication_role TO {role}": "may set session_replication_role",
    "ALTER TABLE trail_entry OWNER TO {role}": "owns the tables, their schema or the database",
    "ALTER DATABASE {database} OWNER TO {role}": "owns the tables, their schema or the database",
    "CREATE FUNCTION helpful() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'": "may call helpful()",
    "ALTER TABLE trail_tile DISABLE TRIGGER trail_tile_no_change": "the trigger trail_tile_no_change is not enabled",
    "DROP TRIGGER trail_tile_no_change ON trail_tile": "trail_tile: the trigger trail_tile_no_change is gone",
    "CREATE RULE r AS ON DELETE TO trail_leaf DO INSTEAD NOTHING": "trail_leaf: the rule r rewrites",
    "ALTER ROLE {role} SET synchronous_commit = off": "synchronous_commit is off",
}


@postgresql
def test_the_check_names_each_lack(app_role: str) -> None:
    roles.apply(app_role)
    assert roles.lacking(app_role) == []
    quoted = connection.ops.quote_name
    names = {"role": app_role, "owner": connection.settings_dict["USER"], "database": connection.settings_dict["NAME"]}
    for change, sentence in WRONG.items():
        connection.set_autocommit(False)
        try:
            damage.execute(change.format(**{key: quoted(name) for key, name in names.items()}))
            lacks = roles.lacking(app_role)
        finally:
            connection.rollback()
            connection.set_autocommit(True)
        assert any(sentence.format(**names) in lack for lack in lacks), f"{change}: {lacks}"


@postgresql
def test_the_command_applies_checks_and_refuses(app_role: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("trail_roles", "--app-role", app_role, "--check")
    assert ended.value.code == 1
    assert f"✗ trail_entry: {app_role} lacks INSERT, SELECT" in capsys.readouterr().out
    call_command("trail_roles", "--app-role", app_role, "--apply", "--check")
    assert f"✓ {app_role} can do what the app does, and no more." in capsys.readouterr().out
    call_command("trail_roles", "--app-role", app_role, "--apply")  # again, after a migration
    for options, sentence in (
        (["--check"], "Name the role"),
        (["--app-role", app_role], "Say what to do"),
        (["--app-role", "nobody_at_all", "--check"], "There is no role nobody_at_all"),
        (["--app-role", connection.settings_dict["USER"], "--apply"], "owns the tables"),
    ):
        with pytest.raises(CommandError, match=sentence):
            call_command("trail_roles", *options)


@postgresql
def test_a_role_with_power_is_not_set_up(app_role: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER ROLE "{app_role}" SUPERUSER')
    with pytest.raises(BadInput, match="has SUPERUSER"):
        roles.apply(app_role)


# SQLite: whoever opens the file is the owner, so there are statements that the triggers stop and those that show

STOPPED = {
    "update": "UPDATE trail_entry SET body = x'00'",
    "update or ignore": "UPDATE OR IGNORE trail_entry SET body = x'00'",
    "update or replace": "UPDATE OR REPLACE trail_leaf SET entry_id = entry_id",
    "update from": "UPDATE trail_leaf SET hash = x'00' FROM trail_entry e WHERE e.id = trail_leaf.entry_id",
    "delete": "DELETE FROM trail_leaf",
    "delete some": "DELETE FROM trail_checkpoint WHERE size > 1",
    "replace": f"INSERT OR REPLACE INTO trail_entry {ENTRY} SELECT {SAME} FROM trail_entry",
    "replace into": f"REPLACE INTO trail_entry {ENTRY} SELECT {SAME} FROM trail_entry",
    "replace by the hidden number": f"REPLACE INTO trail_entry (rowid, {SAME}) SELECT rowid, 'another', type, at, "
    "action, actor_id, subject_type, subject_id, unit, body FROM trail_entry LIMIT 1",
    "replace by the hidden number, as text": 'REPLACE INTO trail_leaf (oid, "index", entry_id, hash) '
    "SELECT CAST(rowid AS TEXT), 900000, 'another', hash FROM trail_leaf LIMIT 1",
    "replace by an index as text": "REPLACE INTO trail_leaf (\"index\", entry_id, hash) VALUES ('0', 'another', x'00')",
    "replace by an index as a float": "REPLACE INTO trail_leaf (\"index\", entry_id, hash) VALUES (0.0, 'a', x'00')",
    "replace by the entry": 'REPLACE INTO trail_leaf ("index", entry_id, hash) SELECT 900000, entry_id, hash '
    "FROM trail_leaf LIMIT 1",
    "replace a tile by its place": "REPLACE INTO trail_tile (level, \"index\", data, root) VALUES (0, 0, x'00', x'00')",
    "replace a checkpoint": "REPLACE INTO trail_checkpoint SELECT * FROM trail_checkpoint",
    "replace an anchor": "REPLACE INTO trail_anchor SELECT * FROM trail_anchor",
    "upsert": f"INSERT INTO trail_entry {ENTRY} SELECT {SAME} FROM trail_entry WHERE true "
    "ON CONFLICT (id) DO UPDATE SET body = x'00'",
    "upsert of nothing": f"INSERT INTO trail_entry {ENTRY} SELECT {SAME} FROM trail_entry WHERE true "
    "ON CONFLICT DO NOTHING",
    "a CTE": 'WITH gone AS (SELECT 0 AS i) DELETE FROM trail_leaf WHERE "index" IN (SELECT i FROM gone)',
    "without nested triggers": "PRAGMA recursive_triggers = OFF; DELETE FROM trail_leaf",
    "without foreign keys": "PRAGMA foreign_keys = OFF; DELETE FROM trail_entry",
    "without checks": "PRAGMA ignore_check_constraints = ON; UPDATE trail_entry SET unit = 'x'",
    "through a trigger of one's own": "CREATE TABLE mine (x); CREATE TRIGGER mine_t AFTER INSERT ON mine BEGIN "
    "DELETE FROM trail_leaf; END; INSERT INTO mine VALUES (1)",
    "through a view": "CREATE VIEW mine AS SELECT * FROM trail_leaf; CREATE TRIGGER mine_t INSTEAD OF DELETE ON mine "
    "BEGIN DELETE FROM trail_leaf; END; DELETE FROM mine",
    "through a cascade": "PRAGMA foreign_keys = ON; UPDATE trail_entry SET id = 'x'",
    "from another file": "ATTACH '{file}' AS other; DELETE FROM other.trail_leaf",
    "into another file and back": "ATTACH '{file}' AS other; INSERT OR REPLACE INTO other.trail_leaf "
    "SELECT * FROM other.trail_leaf",
}
SHOWN = {
    "drop a trigger": "DROP TRIGGER trail_entry_no_update",
    "drop, delete, make again": 'DROP TRIGGER trail_leaf_no_delete; DELETE FROM trail_leaf WHERE "index" = 3; {again}',
    "another trigger of the same name": "DROP TRIGGER trail_leaf_no_delete; CREATE TRIGGER trail_leaf_no_delete "
    "BEFORE DELETE ON trail_leaf BEGIN SELECT 1; END",
    "a trigger that changes what comes": "CREATE TRIGGER mine AFTER INSERT ON trail_image BEGIN UPDATE trail_image "
    "SET disclosed = NULL; END",
    "the schema, written": "PRAGMA writable_schema = ON; DELETE FROM sqlite_master "
    "WHERE name = 'trail_entry_no_update'; PRAGMA writable_schema = RESET",
    "a trigger, rewritten": "PRAGMA writable_schema = ON; UPDATE sqlite_master "
    "SET sql = replace(sql, 'append-only', 'open') WHERE name = 'trail_entry_no_update'; "
    "PRAGMA writable_schema = RESET",
    "rename and replace": "ALTER TABLE trail_leaf RENAME TO former; CREATE TABLE trail_leaf AS SELECT * FROM former "
    'WHERE "index" <> 5',
    "a view instead": "ALTER TABLE trail_leaf RENAME TO former; CREATE VIEW trail_leaf AS SELECT * FROM former",
    "a column more of type": "ALTER TABLE trail_leaf DROP COLUMN hash",
    "a table dropped": "DROP TABLE trail_payload",
    "all dropped but the leaves": "DROP TABLE trail_entry",
}


@pytest.fixture
def file(transactional_db: None, bank: Bank, owner: User, tmp_path: Path) -> Path:
    """A copy of the database's file, as somebody who can read it takes one; fsck reads the copy."""
    damage.build(bank, owner)
    copy = tmp_path / "copy.sqlite3"
    with sqlite3.connect(copy) as target:
        connection.connection.backup(target)
    target.close()
    return copy


def examined(path: Path, sql: str, *, script: bool = True) -> fsck.Report:
    """The report on the file after an attack, through a connection of its own."""
    link = sqlite3.connect(path, isolation_level=None)
    try:
        link.executescript(sql)
    finally:
        link.close()
    ours = connection.connection
    connection.connection = connection.Database.connect(str(path), detect_types=sqlite3.PARSE_DECLTYPES)
    connection.connection.isolation_level = None
    try:
        return fsck.examine()
    finally:
        connection.connection.close()
        connection.connection = ours


@sqlite
def test_what_the_triggers_stop(file: Path) -> None:
    for name, attack in STOPPED.items():
        with pytest.raises(sqlite3.Error, match="append-only"):
            examined(file, attack.format(file=file))
            pytest.fail(f"{name} was let through")
        tidy(file)
        report = examined(file, "")
        assert report.is_clean, f"{name}: {report.findings}"


def tidy(file: Path) -> None:
    link = sqlite3.connect(file, isolation_level=None)
    link.executescript("DROP TABLE IF EXISTS mine") if table(link) else link.executescript("DROP VIEW IF EXISTS mine")
    link.close()


def table(link: sqlite3.Connection) -> bool:
    return link.execute("SELECT 1 FROM sqlite_master WHERE name = 'mine' AND type = 'table'").fetchone() is not None


@sqlite
def test_what_the_triggers_can_not_stop_is_seen(file: Path, tmp_path: Path) -> None:
    assert examined(file, "").is_clean
    again = ";".join(guards.made.sqlite("trail_leaf", guards.made.KEYS["trail_leaf"])[1:2])
    for place, (name, attack) in enumerate(SHOWN.items()):
        copy = tmp_path / f"{place}.sqlite3"
        shutil.copy(file, copy)
        assert not examined(copy, attack.format(again=again)).is_clean, name


@sqlite
@pytest.mark.django_db
def test_the_command_says_what_protects_on_sqlite(capsys: Any) -> None:
    call_command("trail_roles", "--check")
    said = capsys.readouterr().out
    assert said.startswith("SQLite has no roles")
    assert "✓ All triggers are as they were made." in said
    damage.execute("DROP TRIGGER trail_tile_no_delete")
    with pytest.raises(SystemExit):
        call_command("trail_roles", "--check")
    assert "✗ trail_tile: the trigger trail_tile_no_delete is gone." in capsys.readouterr().out
