"""The inserts of an entry, its payload and its images, written out in SQL: every write of the app pays for them.

PostgreSQL takes all of them in one prepared statement; SQLite, in our own process, takes one after another.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any

from django.db import connection

from trail.sealing import Sealed

ENTRY = "INSERT INTO trail_entry (id, type, at, action, actor_id, subject_type, subject_id, unit, body)"
PAYLOAD = "INSERT INTO trail_payload (entry_id, actor_name, subject_label, reason, disclosed)"
IMAGE = "INSERT INTO trail_image (entry_id, row_type, row_id, digest, disclosed)"
PENDING = "INSERT INTO trail_pending (entry_id, hash)"
# beyond so many images a statement is made for the one occasion
FEW = 8


def insert_waiting(sealed: Sealed, hash_: bytes) -> int:
    """Insert into PostgreSQL, with the mark that the entry waits for its place; that mark's id."""
    from psycopg import Cursor

    connection.ensure_connection()
    content = sealed.content
    entry = content["id"]
    images = [(entry, each.row_type, each.row_id, each.digest, each.disclosed) for each in sealed.images]
    values = [
        *_entry(sealed, entry, content["action"], content["at"]),
        *_payload(sealed, entry),
        *chain.from_iterable(images),
        entry,
        hash_,
    ]
    raw = connection.connection
    # a pooler that keeps no prepared statements is told of by the connection's own setting
    prepare = None if len(sealed.images) > FEW else raw.prepare_threshold is not None
    with connection.wrap_database_errors, Cursor(raw) as cursor:
        (place,) = cursor.execute(_waiting(len(sealed.images)), values, prepare=prepare).fetchall()
    return int(place[0])


@cache
def _waiting(images: int) -> str:
    image = "(%s, %s, %s, %b, %b)"
    kept = f", i AS ({IMAGE} VALUES {', '.join([image] * images)})" if images else ""
    return (
        f"WITH e AS ({ENTRY} VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %b)), "
        f"p AS ({PAYLOAD} VALUES (%s, %s, %s, %s, %b)){kept} {PENDING} VALUES (%s, %b) RETURNING id"
    )


def insert(sealed: Sealed) -> None:
    """Insert into SQLite."""
    content, ops = sealed.content, connection.ops
    entry, action, at = sealed.content["id"].replace("-", ""), content["action"].replace("-", ""), content["at"]
    moment = ops.adapt_datetimefield_value(datetime.fromisoformat(at))
    with connection.cursor() as cursor:
        cursor.execute(f"{ENTRY} VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)", _entry(sealed, entry, action, moment))
        cursor.execute(f"{PAYLOAD} VALUES (%s, %s, %s, %s, %s)", _payload(sealed, entry))
        for each in sealed.images:
            values = (entry, each.row_type, each.row_id, each.digest, each.disclosed)
            cursor.execute(f"{IMAGE} VALUES (%s, %s, %s, %s, %s)", values)


def _entry(sealed: Sealed, entry: Any, action: Any, at: Any) -> tuple[Any, ...]:
    content, actor, about = sealed.content, sealed.content["actor"], sealed.content["subject"]
    return entry, content["type"], at, action, actor["id"], about["type"], about["id"], content["unit"], sealed.body


def _payload(sealed: Sealed, entry: Any) -> tuple[Any, ...]:
    content = sealed.content
    return entry, content["actor"]["name"], content["subject"]["label"], content["reason"], sealed.disclosed
