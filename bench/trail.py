"""The trail's targets, each beside what it is compared with. `python -m bench.trail [--quick] [--write]`

PostgreSQL must run; the tables are made in a database of their own, which is dropped at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import harness
from bench.harness import ROOT

SERVER = os.environ.get("COUNTERSIGN_BENCH_SERVER", "postgres://postgres@127.0.0.1:5432")
DATABASE, PEERS_DATABASE = "countersign_bench", "countersign_bench_peers"
PEERS = ROOT / ".bench" / "bin" / "python"
PAGE = ROOT / "docs" / "benchmarks.md"
CLIENTS = 8


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--quick", action="store_true", help="fewer rounds and smaller logs, to see that it runs")
    asked.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    asked.add_argument("--only", choices=["saves", "clients", "proofs", "verify", "packs"])
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as data:
        env = {**_env(Path(data)), "COUNTERSIGN_DATABASE_URL": f"{SERVER}/{DATABASE}"}
        parts: dict[str, Callable[[], str]] = {
            "saves": lambda: saves(env, rounds=3 if given.quick else 9, count=300 if given.quick else 2000),
            "clients": lambda: clients(env, rounds=2 if given.quick else 5, seconds=2 if given.quick else 6),
            "proofs": lambda: proofs(Path(data), leaves=200_000 if given.quick else 10_000_000),
            "verify": lambda: verify(Path(data), events=20_000 if given.quick else 1_000_000),
            "packs": lambda: packs(Path(data), [10, 50] if given.quick else [10, 100, 1000]),
        }
        if given.only:
            parts = {given.only: parts[given.only]}
        for name in (DATABASE, PEERS_DATABASE):
            _sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}")
        harness.run("-m", "bench.writes", "prepare", env=env)
        try:
            tables = [part() for part in parts.values()]
        finally:
            _sql(*(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in (DATABASE, PEERS_DATABASE)))
    text = f"## The trail\n\nMeasured on {harness.machine()}.\n\n" + "\n".join(tables)
    print(text)
    if given.write:
        harness.write(PAGE, "trail", text)


def _sql(*statements: str) -> None:
    subprocess.run(
        ["psql", "-q", f"{SERVER}/postgres", *(f"-c{each}" for each in statements)],
        check=True,
        stderr=subprocess.DEVNULL,
    )


def saves(env: dict[str, str], *, rounds: int, count: int) -> str:
    """Processor time of one save, client and database together, beside other audit logs."""

    def arm(script: list[str], name: str, python: str) -> Callable[[], float]:
        database = PEERS_DATABASE if python == str(PEERS) else DATABASE
        own = {**env, "COUNTERSIGN_DATABASE_URL": f"{SERVER}/{database}"}

        def measure() -> float:
            found = json.loads(harness.run(*script, name, f"--count={count}", env=own, python=python).splitlines()[-1])
            return 1e6 * (found["client"] + found["server"]) / found["done"]

        return measure

    ours = {
        "save, nothing else": arm(["-m", "bench.writes"], "bare", sys.executable),
        "recorded in the trail": arm(["-m", "bench.writes"], "recorded", sys.executable),
    }
    peers = {
        "peers’ save, nothing else": "bare",
        "django-auditlog 3.4.1": "auditlog",
        "django-simple-history 3.13.0": "simple_history",
    }
    if PEERS.exists():
        ours |= {title: arm(["bench/peers.py"], name, str(PEERS)) for title, name in peers.items()}
    found = harness.in_turn(ours, rounds=rounds)
    lines = harness.rows({name: found[name] for name in list(ours)[:2]}, base="save, nothing else")
    if PEERS.exists():
        lines += harness.rows({name: found[name] for name in peers}, base="peers’ save, nothing else")
    note = (
        "Each ratio is to the bare save in its environment. The trail writes the event, the row’s image and its place."
    )
    return harness.table("One save on PostgreSQL", "µs of processor time", lines, note)


def clients(env: dict[str, str], *, rounds: int, seconds: float) -> str:
    """Writes a second of eight clients, with and without the trail, and how long an entry waits for its place.

    The clients, the database and the sequencer share this machine's cores.
    """
    lags: list[float] = []

    def arm(name: str) -> Callable[[], float]:
        def measure() -> float:
            start = f"--start={time.time() + 14}"
            sequencer = _start("bench.lag", env) if name in {"recorded", "append"} else None
            running = [
                _start("bench.writes", env, name, f"--client={number}", f"--seconds={seconds}", start)
                for number in range(CLIENTS)
            ]
            found = [json.loads(each.communicate()[0].splitlines()[-1]) for each in running]
            if sequencer:
                sequencer.terminate()
                waited = json.loads(sequencer.communicate()[0].splitlines()[-1])["p99"]
                if name == "recorded":
                    lags.append(waited)
            return sum(each["done"] for each in found) / seconds

        return measure

    arms = {
        "one statement": "row",
        "and an entry appended": "append",
        "save, nothing else": "bare",
        "recorded in the trail": "recorded",
    }
    found = harness.in_turn({title: arm(name) for title, name in arms.items()}, rounds=rounds)
    titles = list(arms)
    lines = [
        *harness.rows({title: found[title] for title in titles[:2]}, base=titles[0]),
        *harness.rows({title: found[title] for title in titles[2:]}, base=titles[2]),
    ]
    note = (
        "Appending is what the database does for an entry; recording is all of it, in Python too. A sequencer runs "
        "beside both, on the same cores. "
        f"99 of 100 entries had their place within {statistics.median(lags):.2f} s (median of {rounds} rounds)."
    )
    return harness.table(f"{CLIENTS} clients on PostgreSQL", "writes a second", lines, note)


def _start(module: str, env: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True)


def proofs(data: Path, *, leaves: int) -> str:
    """Processor time and reads of inclusion proofs from a log in SQLite."""
    env = {**_env(data), "COUNTERSIGN_DATABASE_URL": f"sqlite:///{data / 'proofs.sqlite3'}"}
    found = json.loads(harness.run("-m", "bench.proofs", f"--leaves={leaves}", env=env).splitlines()[-1])
    lines = [
        f"| processor time, ms | {found['ms']:.2f} | {found['ms_most']:.2f} |",
        f"| reads | {found['reads']:.0f} | {found['reads_most']:.0f} |",
    ]
    return "\n".join(
        [f"### One inclusion proof, {leaves:,} leaves\n", "| | median | most |", "|---|---|---|", *lines, ""]
    )


def verify(data: Path, *, events: int) -> str:
    """Processor time of the offline verifier over a published log."""
    folder, spent = data / "log", []
    harness.run("-m", "bench.log", str(folder), f"--events={events}", env=_env(data))
    command = [sys.executable, "-I", "clients/verify.py", "--log", str(folder), "--key", str(folder / "key")]
    for _ in range(3):
        before = os.times()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        spent.append(after.children_user - before.children_user + after.children_system - before.children_system)
    line = f"| processor time of one core, s | {statistics.median(spent):.2f} | {min(spent):.2f} – {max(spent):.2f} |"
    title = f"### Offline verification of {events:,} events\n"
    return "\n".join([title, "| | median | least – most |", "|---|---|---|", line, ""])


def packs(data: Path, models: list[int]) -> str:
    """Peak memory of the process that builds an evidence pack of so many models."""
    lines = []
    for count in models:
        own = data / f"packs-{count}"
        env = {**_env(own), "COUNTERSIGN_DATABASE_URL": f"sqlite:///{own / 'db.sqlite3'}"}
        own.mkdir()
        harness.run("-m", "bench.packs", "prepare", f"--models={count}", env=env)
        found = json.loads(harness.run("-m", "bench.packs", "build", env=env).splitlines()[-1])
        lines.append(f"| {count:,} | {found['size'] / 1e6:,.1f} | {found['most']:,.0f} | {found['seconds']:,.0f} |")
    note = "No check of the models was run; results are written one at a time, too."
    head = "| models | pack, MB | peak memory, MiB | seconds |\n|---|---|---|---|"
    return "\n".join(["### An evidence pack of many models\n", head, *lines, "", note, ""])


def _env(data: Path) -> dict[str, str]:
    return {"COUNTERSIGN_DATA": str(data), "DJANGO_SETTINGS_MODULE": "config.settings"}


if __name__ == "__main__":
    main()
