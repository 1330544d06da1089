"""A ledger to be damaged: of every kind of row a few, and tables without any guard or constraint, as an owner can
make them."""

from __future__ import annotations

import random
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from people import membership
from people.models import User
from tests.personas import WHY, Bank
from trail import checkpoints, erasure, guard, ledger, merkle
from trail.actors import SYSTEM, Subject
from trail.events import Event
from trail.fsck.findings import Report
from trail.fsck.reading import BYTES, ID, INT, TABLES, TIME
from trail.models import Anchor, Checkpoint, Entry
from trail.record import recording

SPAN = 256
DICE = random.Random()


def fill(entries: int) -> None:
    """Entries of no weight, until there are so many."""
    while (missing := entries - Entry.objects.count()) > 0:
        for number in range(missing):
            say(number)
        ledger.catch_up()


def say(number: int) -> None:
    about = Subject(type="trail.log", id=f"thing-{number}", label=f"Thing {number}")
    with recording(Event.ATTEMPT_REFUSED, actor=SYSTEM, reason=f"said for a test, {number}", subject=about) as entry:
        entry.facts = {"attempted": "a test", "number": number}


def build(bank: Bank, leaver: User) -> None:
    """A log of more than a tile, with checkpoints, an erasure, anchors and, where entries wait, some that wait."""
    checkpoints.current()
    membership.suspend(user=leaver, actor=SYSTEM, reason=f"{leaver.name} has left")
    checkpoints.current()
    erase(leaver)
    fill(SPAN + 9)
    anchor(checkpoints.current())
    for number in range(3):
        membership.open_unit(name=f"Desk {number}", parent=bank.retail, actor=SYSTEM, reason=WHY)
    ledger.catch_up()
    anchor(checkpoints.current())
    if ledger.waits():
        for number in range(3):
            say(number)


def erase(person: User) -> None:
    found = list(erasure.mentions([person.name]))
    with recording(Event.ERASED, actor=SYSTEM, reason="asked for", subject=person) as draft:
        erasure.erase(draft, found, lambda entry, name, value: person.name in str(value), rows=[person])
        draft.about = Subject("people.user", str(person.pk), "Somebody erased")


def anchor(checkpoint: Checkpoint) -> None:
    with transaction.atomic(), guard.opened():
        Anchor.objects.create(
            kind=Anchor.Kind.FILE,
            target="/mnt/elsewhere",
            size=checkpoint.size,
            root=bytes(checkpoint.root),
            token=checkpoint.note.encode(),
            at=timezone.now(),
        )


def loosen() -> None:
    """Every table of the ledger with the same rows, but without triggers, keys and constraints."""
    DICE.seed(20261121)
    for table in TABLES:
        execute(f'ALTER TABLE "{table}" RENAME TO "was_{table}"')
        execute(f'CREATE TABLE "{table}" AS SELECT * FROM "was_{table}"')
        execute(f'DROP TABLE "was_{table}"')
        if connection.vendor == "postgresql" and TABLES[table].get("id") == INT:  # the app still writes to it
            execute(f"CREATE SEQUENCE {table}_more START 1000000")
            execute(f"ALTER TABLE {table} ALTER id SET DEFAULT nextval('{table}_more')")


def execute(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """As somebody who got past the guard."""
    with transaction.atomic(), guard.opened(), connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return cursor.fetchall() if cursor.description else []


# how a test finds a row again, and how fsck names it
KEY = {
    "trail_entry": "id",
    "trail_payload": "entry_id",
    "trail_image": "id",
    "trail_pending": "entry_id",
    "trail_leaf": "index",
    "trail_tile": "index",
    "trail_tree": "id",
    "trail_checkpoint": "size",
    "trail_anchor": "id",
}


def keys(table: str) -> list[Any]:
    where = " WHERE disclosed IS NOT NULL" if table == "trail_image" else ""
    return [key for (key,) in execute(f'SELECT "{KEY[table]}" FROM "{table}"{where} ORDER BY 1')]


def name(key: Any) -> str:
    text = str(key)
    if len(text) == 32 and not text.isdigit():  # how SQLite keeps an id
        text = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    return text


def value(table: str, column: str, key: Any) -> Any:
    ((found,),) = execute(f'SELECT "{column}" FROM "{table}" WHERE "{KEY[table]}" = %s', key)
    return bytes(found) if isinstance(found, memoryview) else found


def put(table: str, column: str, key: Any, new: Any) -> None:
    execute(f'UPDATE "{table}" SET "{column}" = %s WHERE "{KEY[table]}" = %s', new, key)


def other(kind: str, old: Any) -> Any:
    """Another value of the same kind, as close to the old one as can be."""
    if kind == INT:
        return old + 1
    if kind == BYTES:
        place = DICE.randrange(len(old)) if old else 0
        return old[:place] + bytes([old[place] ^ 1 << DICE.randrange(8)]) + old[place + 1 :] if old else b"\0"
    if kind == TIME:
        return "2026-01-01 00:00:00.000001"
    text = str(old)
    if kind == ID:
        return f"{'0' if text[0] != '0' else '1'}{text[1:]}"
    return f"{text} " if DICE.random() < 0.5 or not text else f"{'A' if text[0] != 'A' else 'B'}{text[1:]}"


def says(report: Report, table: str, *names: str) -> bool:
    """Whether it names this table and one of these rows."""
    return any(
        finding.table == table and any(each in finding.row.replace("size ", "") for each in names)
        for finding in report.findings
    )


def cut(size: int, *claims: str) -> None:
    """The log as if its last entries had never been, and without what claims that they were."""
    gone = 'SELECT entry_id FROM trail_leaf WHERE "index" >= %s'
    for table in ("trail_payload", "trail_image"):
        execute(f"DELETE FROM {table} WHERE entry_id IN ({gone})", size)
    execute(f"DELETE FROM trail_entry WHERE id IN ({gone})", size)
    execute('DELETE FROM trail_leaf WHERE "index" >= %s', size)
    for table in claims or ("trail_checkpoint", "trail_anchor"):
        execute(f"DELETE FROM {table} WHERE size > %s", size)
    frontier: list[bytes] = []
    for index, hash_ in execute('SELECT "index", hash FROM trail_leaf ORDER BY "index"'):
        frontier = merkle.frontier_append(frontier, index, bytes(hash_))
    execute("UPDATE trail_tree SET size = %s, frontier = %s", size, b"".join(frontier))
