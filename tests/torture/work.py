"""What the tortured processes do, each until it is killed: write, give places, sign. What was acknowledged to a
client is kept by the client, in a file of its own that is synced before the next write."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from threading import Event as Stopping

from django.db import DatabaseError, connection, transaction
from django.db.utils import InterfaceError

from people import membership
from people.models import Unit
from trail import checkpoints, ledger, sequencer
from trail.actors import SYSTEM, Subject
from trail.errors import Refused
from trail.events import Event
from trail.record import recording

WHY = "written while processes are killed"


def produce(place: Path, number: int, most: int = 0) -> None:
    """Write, and keep the id of each thing that was written once the database has said so."""
    kept, run, count = _open(place / f"acknowledged-{number}"), uuid.uuid4().hex[:8], 0
    parent = Unit.objects.get(slug="torture")
    while not most or count < most:
        count += 1
        written = _tried(place, lambda: _write(f"{number}-{run}-{count}", count, parent))  # noqa: B023 - called at once
        if written:
            _say(kept, written)


def _write(name: str, count: int, parent: Unit) -> str:
    if count % 4 == 1:  # a governed row
        return str(membership.open_unit(name=f"Unit {name}", parent=parent, actor=SYSTEM, reason=WHY).pk)
    if count % 10 == 0:  # rolled back: must leave no gap
        return _abandoned(name)
    # every fifth is a decision, which does not wait for its place
    event, facts = Event.ATTEMPT_REFUSED, {"attempted": "nothing"}
    if count % 5 == 2:
        event, facts = Event.ERASED, {"count": 0, "entries": {}, "images": []}
    with recording(event, actor=SYSTEM, reason=WHY, subject=Subject("trail.log", name, name)) as entry:
        entry.facts = dict(facts)
    return name


def _abandoned(name: str) -> str:
    about = Subject("trail.log", name, name)
    with transaction.atomic():
        with recording(Event.ATTEMPT_REFUSED, actor=SYSTEM, reason=WHY, subject=about) as entry:
            entry.facts = {"attempted": "nothing"}
        transaction.set_rollback(True)
    return ""


def sequence(place: Path, number: int) -> None:
    sequencer.run_until(Stopping())


def sign(place: Path, number: int) -> None:
    """Ask for checkpoints as an auditor does, and keep every one."""
    folder, count = place / "kept", 0
    while True:
        count += 1
        checkpoint = _tried(place, checkpoints.current)
        if checkpoint:
            path = folder / f"{checkpoint.size:012}-{os.getpid()}-{count}"
            kept = _open(path.with_suffix(".part"))
            os.write(kept, checkpoint.note.encode())
            os.fsync(kept)
            os.close(kept)
            path.with_suffix(".part").rename(path)
        time.sleep(0.05)


def _tried(place: Path, act: Callable[[], object]) -> object:
    """A database that fails is what this is about; a refusal would be the log's own, and is written down."""
    try:
        return act()
    except (DatabaseError, InterfaceError) as error:
        _note(place, error)
        time.sleep(0.02)
    except Refused as refused:
        kept = _open(place / "refused")
        _say(kept, f"{refused}".replace("\n", " "))
        os.close(kept)
        time.sleep(0.2)
    connection.close()
    return None


def _note(place: Path, error: Exception) -> None:
    kept = _open(place / "failed")
    os.write(kept, f"{error}".replace("\n", " ").encode() + b"\n")
    os.close(kept)


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _say(kept: int, line: str) -> None:
    os.write(kept, f"{line}\n".encode())
    os.fsync(kept)


def drain() -> None:
    """Everything that waits has its place."""
    ledger.catch_up()
