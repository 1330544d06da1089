"""Every check that German credit allows, from a cold worker to its result. `python -m bench.checkset [--small]`

A run is asked for before the clock starts, as a person asks for it in the web process. The clock covers a worker's
process from its start, with all its imports and the sandbox's, to the last result; nothing is reused.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import django

from bench import harness

TARGET_SECONDS = 20
WHY = "To be measured"


def measure(*, small: bool) -> str:
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
        env = {"COUNTERSIGN_DATA": folder, "DJANGO_SETTINGS_MODULE": "config.settings"}
        harness.run("-m", "demo.train", folder)
        harness.run("-m", "bench.checkset", "prepare", folder, env=env)
        arms = {version: lambda version=version: cold(version, env) for version in ("scorecard", "challenger")}
        return told({name: [arm() for _ in range(1 if small else 3)] for name, arm in arms.items()})


def cold(version: str, env: dict[str, str]) -> dict[str, Any]:
    """One set by a worker of its own: seconds, processor seconds with those of all its children, and each check's."""
    harness.run("-m", "bench.checkset", "ask", version, env=env)
    before, began = children(), time.perf_counter()
    found: dict[str, Any] = json.loads(harness.run("-m", "bench.checkset", "work", env=env).splitlines()[-1])
    return found | {"wall": time.perf_counter() - began, "cpu": children() - before}


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def told(found: dict[str, list[dict[str, Any]]]) -> str:
    head = "| | checks | median, s | least – most | CPU, s | most memory, MB |\n|---|---|---|---|---|---|\n"
    lines = [
        f"| {name} | {len(each[0]['checks'])} | {statistics.median(wall := [one['wall'] for one in each]):.1f} "
        f"| {min(wall):.1f} – {max(wall):.1f} | {statistics.median(one['cpu'] for one in each):.1f} "
        f"| {max(one['peak'] for one in each):.0f} |\n"
        for name, each in found.items()
    ]
    names = sorted({name for each in found.values() for name in each[0]["checks"]})
    parts = [f"| {name} | " + " | ".join(part(each, name) for each in found.values()) + " |\n" for name in names]
    return (
        f"### A whole check set on German credit (300 rows), cold worker to result; target {TARGET_SECONDS} s\n\n"
        + head
        + "".join(lines)
        + "\nOf which each check, in the order of its name, the first one with the imports of all:\n\n"
        + f"| | {' | '.join(f'{name}, s' for name in found)} |\n|---|{'---|' * len(found)}\n"
        + "".join(parts)
    )


def part(each: list[dict[str, Any]], name: str) -> str:
    took = [one["checks"][name] for one in each if name in one["checks"]]
    return f"{statistics.median(took):.2f}" if took else "does not fit"


def prepare(folder: Path) -> None:
    from django.core.management import call_command

    from demo import story
    from people.models import Unit

    call_command("migrate", verbosity=0)
    story.open_organisation()
    retail = Unit.objects.get(path="meridian/retail-credit")
    model, scorecard, _ = story.register_scorecard(retail, folder)
    story.register_challenger(model, scorecard, folder)


def ask(version: str) -> None:
    """The version is measured on the rows that were held out, against the training rows and the other version."""
    from audits import checks, runs
    from demo import story, train
    from registry.models import Dataset, Version
    from trail.errors import BadInput

    own, other = Version.objects.order_by("number" if version == "scorecard" else "-number")[:2]
    training = Dataset.objects.get(name__contains="training")
    said = {"favourable": train.FAVOURABLE, "dataset": str(training.pk), "version": str(other.pk)}
    for name, check in checks.ALL.items():
        for params in given(check.SCHEMA, said):
            try:
                runs.request(
                    version=own,
                    check=name,
                    dataset=Dataset.objects.get(name__contains="held-out"),
                    params=params,
                    actor=story.get("validator"),
                    reason=WHY,
                    fresh=True,
                )
            except BadInput as error:
                print(f"{name}: {error}")
            else:
                break


def given(schema: dict[str, Any], said: dict[str, str]) -> list[dict[str, Any]]:
    """Parameters to try in turn: the favourable outcome alone, and with what else a check compares with."""
    properties = schema["properties"]
    outcome = {"favourable": said["favourable"]} if "favourable" in properties else {}
    others = {
        name: said[kind]
        for name, stated in properties.items()
        for kind in ("dataset", "version")
        if stated.get(f"x-{kind}")
    }
    return [outcome | others, outcome, {}]


def work() -> None:
    from audits import jobs
    from audits.models import Job, Run

    took, failed = {}, {}
    for run in Run.objects.filter(job__status=Job.Status.QUEUED).select_related("job").order_by("check_name"):
        began = time.perf_counter()
        jobs.work(run.job_id)
        run.job.refresh_from_db()
        took[run.check_name] = time.perf_counter() - began
        if run.job.status != Job.Status.SUCCEEDED:
            failed[run.check_name] = run.job.error
    if failed:
        sys.exit(f"These did not succeed: {failed}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"checks": took, "peak": peak}))


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("part", choices=["measure", "prepare", "ask", "work"], nargs="?", default="measure")
    asked.add_argument("about", nargs="?", default="")
    asked.add_argument("--small", action="store_true")
    own = asked.parse_args()
    if own.part == "measure":
        print(measure(small=own.small))
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    {"prepare": lambda: prepare(Path(own.about)), "ask": lambda: ask(own.about), "work": work}[own.part]()


if __name__ == "__main__":
    main()
