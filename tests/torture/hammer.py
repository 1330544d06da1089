"""Kills producers, sequencers and signers at random, stops the database under them and fills its disk, and looks after
each round: nothing that was acknowledged is lost, there is no gap, no orphan, no checkpoint that is not the log's.

    python -m tests.torture.hammer --help

One JSON object at the end says what was done and found; exit code 1 if anything was.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.torture.cluster import Cluster, programs

DICE = random.Random()


@dataclass
class Outcome:
    database: str
    kills: int = 0
    stops: int = 0
    disk_full: int = 0
    no_space: int = 0
    injected: int = 0
    acknowledged: int = 0
    leaves: int = 0
    checkpoints: int = 0
    kept: int = 0
    rounds: int = 0
    # what must stay empty
    lost: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return not (self.lost or self.damage or self.refused)


@dataclass
class Crew:
    """Forked from this process, so that a new one costs no start-up."""

    place: Path
    members: dict[int, tuple[Callable[[Path, int], None], int]] = field(default_factory=dict)

    def hire(self, work: Callable[[Path, int], None], number: int) -> None:
        pid = os.fork()
        if pid == 0:
            _work(lambda: work(self.place, number))
        self.members[pid] = (work, number)

    def kill_one(self) -> None:
        pid = DICE.choice(list(self.members))
        work, number = self._end(pid)
        self.hire(work, number)

    def disband(self) -> int:
        ended = [self._end(pid) for pid in list(self.members)]
        return len(ended)

    def _end(self, pid: int) -> tuple[Callable[[Path, int], None], int]:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return self.members.pop(pid)


def _work(act: Callable[[], None]) -> None:
    """In the child: never return into what the parent was doing."""
    try:
        DICE.seed()
        act()
    finally:
        os._exit(0)


def hammer(
    place: Path, outcome: Outcome, *, kills: int, rounds: int, interlude: Callable[[], None] | None = None
) -> None:
    """`kills` in all, in `rounds`, with a full look after each; `interlude` happens amid each round."""
    from django.db import connection

    from tests.torture import work

    (place / "kept").mkdir(exist_ok=True)
    waits = connection.vendor == "postgresql"
    for number in range(rounds):
        connection.close()
        crew = Crew(place)
        for producer in range(4):
            crew.hire(work.produce, producer)
        for other in range(3 if waits else 0):
            crew.hire(work.sequence, other)
        crew.hire(work.sign, 0)
        share = kills // rounds - len(crew.members)  # those that end the round are kills, too
        for count in range(share):
            time.sleep(DICE.uniform(0.01, 0.25))
            crew.kill_one()
            outcome.kills += 1
            if interlude and count == share // 2:
                interlude()
        time.sleep(0.3)
        outcome.kills += crew.disband()
        outcome.rounds += 1
        look(place, outcome)
        sys.stderr.write(f"round {number + 1} of {rounds}: {_short(outcome)}\n")


def _short(outcome: Outcome) -> str:
    shown = {key: value for key, value in asdict(outcome).items() if value}
    return ", ".join(f"{key} {len(value) if isinstance(value, list) else value}" for key, value in shown.items())


def look(place: Path, outcome: Outcome) -> None:
    """Nobody works now. What the clients were told, against what the database holds."""
    from django.db import connection

    from tests.torture import work
    from trail import checkpoints, fsck
    from trail.models import Checkpoint, Leaf

    work.drain()
    checkpoints.current()
    told = {line for path in place.glob("acknowledged-*") for line in path.read_text().splitlines()}
    placed = set(Leaf.objects.values_list("entry__subject_id", flat=True).iterator())
    outcome.acknowledged, outcome.leaves = len(told), Leaf.objects.count()
    outcome.checkpoints = Checkpoint.objects.count()
    outcome.kept = sum(1 for path in (place / "kept").iterdir() if not path.suffix)
    failed = place / "failed"
    outcome.no_space = failed.read_text().count("No space left on device") if failed.exists() else 0
    outcome.lost = sorted(told - placed)
    report = fsck.examine(anchors=[place / "kept"] if outcome.kept else [], with_rows=True)
    outcome.damage = [str(finding) for finding in report.findings][:20]
    if (place / "refused").exists():
        outcome.refused = (place / "refused").read_text().splitlines()[:20]
    connection.close()
    if not outcome.is_sound:
        raise Unsound


class Unsound(Exception):
    pass


def stopping(cluster: Cluster, outcome: Outcome) -> Callable[[], None]:
    def interlude() -> None:
        cluster.stop("immediate")
        time.sleep(DICE.uniform(0, 0.2))
        cluster.start()
        outcome.stops += 1

    return interlude


def filling(cluster: Cluster, outcome: Outcome) -> Callable[[], None]:
    """Everything fails for a while, then there is room again."""

    def interlude() -> None:
        ballast = cluster.data / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                outcome.disk_full += 1
        time.sleep(4)
        ballast.unlink()
        if not cluster.is_up():
            cluster.start()
        time.sleep(1)

    return interlude


# system calls of SQLite's writes, and what becomes of them
CALLS = ("pwrite64", "fdatasync", "fsync", "ftruncate", "write")
FATES = ("signal=KILL", "error=EIO", "error=ENOSPC")


def inject(place: Path, outcome: Outcome, *, injections: int) -> None:
    """Let the nth system call of a producer fail, or kill it there, by strace."""
    from django.db import connection

    from tests.torture import work

    if shutil.which("strace") is None:
        outcome.skipped.append("no strace on this machine: system calls were not made to fail")
        return
    (place / "kept").mkdir(exist_ok=True)
    cases = [(call, fate, nth) for nth in range(1, 13) for call in CALLS for fate in FATES]
    chosen = cases * (injections // len(cases)) + DICE.sample(cases, injections % len(cases))
    for call, fate, nth in chosen:
        connection.close()
        pid = os.fork()
        if pid == 0:
            _work(lambda: _stopped_first(lambda: work.produce(place, 100, most=6)))
        os.waitpid(pid, os.WUNTRACED)
        options = ["-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{fate}:when={nth}"]
        tracer = subprocess.Popen(["strace", *options, "-p", str(pid)], stderr=subprocess.PIPE)
        _await_tracer(pid, tracer)
        os.kill(pid, signal.SIGCONT)
        _, status = os.waitpid(pid, 0)
        tracer.communicate()
        outcome.injected += 1
        outcome.kills += os.WIFSIGNALED(status)
    outcome.rounds += 1
    look(place, outcome)


def _stopped_first(act: Callable[[], None]) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)
    act()


def _await_tracer(pid: int, tracer: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        status = Path(f"/proc/{pid}/status").read_text()
        if "TracerPid:\t0\n" not in status or tracer.poll() is not None:
            return
        time.sleep(0.01)


@contextmanager
def installed(database: str, place: Path) -> Iterator[None]:
    """The app over this database, with keys and the signer's state in `place`."""
    os.environ |= {
        "COUNTERSIGN_DATABASE_URL": database,
        "COUNTERSIGN_DATA": str(place / "data"),
        "COUNTERSIGN_LOG_LEVEL": "CRITICAL",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    (place / "data").mkdir(exist_ok=True)
    import django

    django.setup()
    from django.core.management import call_command

    from people import membership
    from people.models import Unit
    from trail.actors import SYSTEM

    call_command("migrate", verbosity=0)
    if not Unit.objects.filter(slug="torture").exists():
        membership.open_unit(name="Torture", parent=None, actor=SYSTEM, reason="to be tortured")
    yield


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Kill and see what is left.")
    parser.add_argument("--database", default="", help="where to; without it a private cluster, or --sqlite")
    parser.add_argument("--sqlite", action="store_true")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=10, help="with as many immediate stops of a private cluster")
    parser.add_argument("--inject", type=int, default=0, help="SQLite: how many system calls to make fail")
    parser.add_argument("--fill", action="store_true", help="let a private cluster run out of disk")
    parser.add_argument("--place", type=Path, help="a folder to keep, instead of a temporary one")
    given = parser.parse_args(arguments)
    place = given.place or Path(tempfile.mkdtemp(prefix="countersign-torture-"))
    try:
        outcome = run(given, place)
    finally:
        if given.place is None:
            shutil.rmtree(place, ignore_errors=True)
    sys.stdout.write(json.dumps(asdict(outcome) | {"sound": outcome.is_sound}, indent=1) + "\n")
    return 0 if outcome.is_sound else 1


def run(given: Any, place: Path) -> Outcome:
    outcome = Outcome("sqlite" if given.sqlite else "postgresql")
    try:
        if given.sqlite or given.database:
            with installed(given.database or f"sqlite:///{place / 'torture.sqlite3'}", place):
                if given.kills:
                    hammer(place, outcome, kills=given.kills, rounds=given.rounds)
                if given.sqlite and given.inject:
                    inject(place, outcome, injections=given.inject)
        elif programs() is None:
            outcome.skipped.append("no initdb on this machine: no cluster to stop")
        else:
            _run_on_a_cluster(given, place, outcome)
    except Unsound:
        pass
    return outcome


def _run_on_a_cluster(given: Any, place: Path, outcome: Outcome) -> None:
    with _cluster(given, place, outcome) as cluster, installed(cluster.url, place):
        stop, fill = stopping(cluster, outcome), filling(cluster, outcome)

        def interlude() -> None:
            stop()
            if cluster.is_mounted:
                fill()

        hammer(place, outcome, kills=given.kills, rounds=given.rounds, interlude=interlude)


@contextmanager
def _cluster(given: Any, place: Path, outcome: Outcome) -> Iterator[Cluster]:
    if given.fill:
        try:
            with Cluster(place / "full", room_mb=400) as cluster:
                yield cluster
                return
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            outcome.skipped.append(f"no file system of limited size can be mounted here: {error}")
    with Cluster(place / "plain") as cluster:
        yield cluster


if __name__ == "__main__":
    sys.exit(main())
