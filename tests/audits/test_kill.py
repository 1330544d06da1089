"""A worker dies by `kill -9` in the middle of its runs; another one finishes them all. No broker has to be lossless."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from audits import runs
from audits.models import Job, Run
from people.models import User
from registry.models import Dataset, Version
from tests.conftest import ROOT
from tests.personas import WHY
from trail.models import Entry

pytestmark = pytest.mark.django_db(transaction=True)

LEASE_SECONDS = 3


def database_url() -> str:
    """The test's own database, for another process."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{found['NAME']}"
    host = f"{found['HOST'] or 'localhost'}:{found['PORT'] or 5432}"
    return f"postgres://{quote(found['USER'])}:{quote(found['PASSWORD'])}@{host}/{found['NAME']}"


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`worker(pool)` starts a real Celery worker on the test's database and the broker that is set."""
    started: list[subprocess.Popen[bytes]] = []
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "COUNTERSIGN_DATABASE_URL": database_url(),
        "COUNTERSIGN_DATA": str(settings.DATA),
        "COUNTERSIGN_JOB_LEASE_SECONDS": str(LEASE_SECONDS),
    }
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "-c", "1", "--without-gossip"]

    def start(pool: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"worker{len(started)}.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "--without-mingle", "--without-heartbeat", "--pool", pool],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        kill(process)
    for log in tmp_path.glob("*.log"):
        sys.stdout.write(f"{log.name}\n{log.read_text()}\n")  # shown if the test failed


def kill(process: subprocess.Popen[bytes]) -> None:
    """The worker and its pool, at once and without a word."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what}: {list(Job.objects.values())}"
        time.sleep(0.1)


def test_no_run_is_lost_when_the_worker_is_killed(
    worker: Any, developer: User, bare: Version, upload: Callable[..., Dataset]
) -> None:
    lines = [f"{row % 2},{row // 2 % 2},{row % 10},{row % 7}" for row in range(2000)]
    dataset = upload("\n".join(["y,p,a,b", *lines]), target="y", prediction="p", sensitive=["a", "b"])

    def ask(replicates: int) -> Run:
        return runs.request(
            version=bare,
            check="fairness",
            dataset=dataset,
            params={"replicates": replicates, "seed": 1},
            actor=developer,
            reason=WHY,
        )

    long, *short = ask(300_000), *(ask(10) for _ in range(3))
    job = Job.objects.filter(pk=long.job_id)
    first = worker("prefork")
    wait_for(lambda: job.get().progress > 0.8, "the long run is being measured")
    kill(first)
    assert job.get().status == Job.Status.RUNNING
    assert job.get().attempts == 1
    waiting = Job.objects.filter(status=Job.Status.QUEUED).count()
    assert waiting == len(short)

    worker("threads")
    wait_for(lambda: not Job.objects.exclude(status=Job.Status.SUCCEEDED).exists(), "all are done")
    assert job.get().attempts == 2
    for run in Run.objects.all():
        done = Entry.objects.filter(subject_id=str(run.pk), type="audits.run.succeeded")
        assert done.count() == 1
        assert done.get().content["facts"]["result_digest"] == run.result_digest
        assert runs.result(run)["rows"] == 2000  # type: ignore[index]


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_run_that_was_cancelled_stops_its_worker(
    worker: Any, pool: str, developer: User, bare: Version, upload: Callable[..., Dataset]
) -> None:
    lines = [f"{row % 2},{row // 2 % 2},{row % 10},{row % 7}" for row in range(2000)]
    dataset = upload("\n".join(["y,p,a,b", *lines]), target="y", prediction="p", sensitive=["a", "b"])

    def ask(replicates: int) -> Run:
        params = {"replicates": replicates}
        return runs.request(version=bare, check="fairness", dataset=dataset, params=params, actor=developer, reason=WHY)

    endless = ask(1_000_000)
    worker(pool)
    wait_for(lambda: Job.objects.get(pk=endless.job_id).progress > 0.8, "the long run is being measured")
    runs.cancel(run=endless, actor=developer, reason=WHY)
    next_one = ask(0)
    wait_for(lambda: Job.objects.get(pk=next_one.job_id).status == "succeeded", "the worker is free again", seconds=20)
    assert Job.objects.get(pk=endless.job_id).status == "cancelled"
    assert not Entry.objects.filter(subject_id=str(endless.pk), type="audits.run.succeeded").exists()
