"""One client's writes of one kind, for so many seconds or so many times; prints what they cost as JSON.

python -m bench.writes bare|recorded|row|append --seconds 4 | --count 3000
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import django

from trail.sealing import Sealed

RENAME = "UPDATE people_unit SET name = %s WHERE id = %s"
SEALED = 5000  # more than a client appends in one round


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("arm", choices=["prepare", "bare", "recorded", "row", "append"])
    asked.add_argument("--client", type=int, default=0)
    asked.add_argument("--seconds", type=float, default=0)
    asked.add_argument("--count", type=int, default=0)
    asked.add_argument("--start", type=float, default=0, help="when to begin, so that clients begin together")
    given = asked.parse_args()
    django.setup()
    from bench import harness

    if given.arm == "prepare":
        prepare()
        return
    write = {"bare": bare, "recorded": recorded, "row": row, "append": append}[given.arm](given.client)
    from django.db import connection

    for _ in range(50):
        write(0)
    backend = backend_pid()
    time.sleep(max(0, given.start - time.time()))
    before, began, done = (time.process_time(), harness.cpu_of(backend) if backend else 0), time.perf_counter(), 0
    while (done < given.count) if given.count else (time.perf_counter() - began < given.seconds):
        done += 1
        write(done)
    client = time.process_time() - before[0]
    server = harness.cpu_of(backend) - before[1] if backend else 0
    print(json.dumps({"done": done, "seconds": time.perf_counter() - began, "client": client, "server": server}))
    connection.close()


def prepare() -> None:
    from django.core.management import call_command

    from people import membership
    from people.models import Unit
    from trail.actors import SYSTEM

    call_command("migrate", verbosity=0)
    for number in range(8):
        if not Unit.objects.filter(path=f"client-{number}").exists():
            membership.open_unit(name=f"Client {number}", parent=None, actor=SYSTEM, reason="To be measured")


def backend_pid() -> int:
    from django.db import connection

    if connection.vendor != "postgresql":
        return 0
    connection.ensure_connection()
    return int(connection.connection.info.backend_pid)


def bare(client: int) -> Callable[[int], None]:
    """The same save, with nothing of the trail."""
    from django.db import connection, transaction

    from people.models import Unit
    from trail import guard

    unit = Unit.objects.get(path=f"client-{client}")
    connection.execute_wrappers.remove(guard.refuse_unrecorded)

    def write(number: int) -> None:
        with transaction.atomic():
            unit.name = f"Client {number}"
            unit.save()

    return write


def recorded(client: int) -> Callable[[int], None]:
    from people.events import Event
    from people.models import Unit
    from trail.actors import Actor
    from trail.record import recording

    unit = Unit.objects.get(path=f"client-{client}")
    actor = Actor(id="00000000-0000-4000-8000-000000000001", name="Bench Person")

    def write(number: int) -> None:
        with recording(Event.UNIT_OPENED, actor=actor, reason="Measured", subject=unit) as entry:
            entry.change(unit, name=f"Client {number}")

    return write


def row(client: int) -> Callable[[int], None]:
    """The same row by one statement: what the database does, and little else."""
    from django.db import connection, transaction

    from people.models import Unit
    from trail import guard

    unit = Unit.objects.get(path=f"client-{client}")
    connection.execute_wrappers.remove(guard.refuse_unrecorded)

    def write(number: int) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(RENAME, [f"Client {number}", unit.pk])

    return write


def append(client: int) -> Callable[[int], None]:
    """That, and an entry that was sealed before, appended in the same transaction."""
    from django.db import connection, transaction

    from people.events import Event
    from people.models import Unit
    from trail import guard, ledger
    from trail.actors import Actor
    from trail.record import Draft

    unit = Unit.objects.get(path=f"client-{client}")
    actor = Actor(id="00000000-0000-4000-8000-000000000001", name="Bench Person")

    def sealed() -> Sealed:
        draft = Draft(Event.UNIT_OPENED, actor, "Measured")
        draft.about = unit
        draft.wrote(unit)
        return draft.sealed()

    waiting = [sealed() for _ in range(SEALED)]

    def write(number: int) -> None:
        with transaction.atomic(), guard.opened(), connection.cursor() as cursor:
            cursor.execute(RENAME, [f"Client {number}", unit.pk])
            ledger.append(waiting.pop())

    return write


if __name__ == "__main__":
    main()
