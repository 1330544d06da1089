"""How a run is done: what its record says, when an earlier result is used again, what it took, and how it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.db import connection
from django.utils import timezone

from audits import checks, jobs, reuse, running, runs
from audits.checks import Context, Measured
from audits.events import Event
from audits.models import Job, Run
from audits.sandbox import starting
from audits.views.runs import left
from people.models import User
from registry.models import Dataset, Version
from tests.personas import WHY
from trail.canonical import canonical_result, digest
from trail.models import Entry
from trail.record import recording

ARTIFACTS = Path(__file__).parents[1] / "data" / "artifacts"
DART = ARTIFACTS / "lg_dart_breast_cancer.model"
TABLE = "y,p,g\n" + "".join(f"{row % 2},{row // 3 % 2},{'ab'[row // 2 % 2]}\n" for row in range(60))

pytestmark = pytest.mark.django_db


@pytest.fixture
def table(upload: Callable[..., Dataset]) -> Dataset:
    return upload(TABLE, target="y", prediction="p", sensitive="g")


@pytest.fixture
def done(developer: User, bare: Version, table: Dataset) -> Callable[..., Run]:
    """`done(seed=1, …)`: a run of the fairness check, as a worker does it."""

    def ask(*, version: Version = bare, dataset: Dataset = table, fresh: bool = False, **params: Any) -> Run:
        asked = {"version": version, "check": "fairness", "dataset": dataset, "params": {"replicates": 50} | params}
        run = runs.request(**asked, actor=developer, reason=WHY, fresh=fresh)
        jobs.work(run.job_id)
        run = Run.objects.select_related("job").get(pk=run.pk)
        assert run.job.status == "succeeded", run.job.error
        return run

    return ask


def result(run: Run) -> bytes:
    return canonical_result(json.loads(bytes(run.record))["result"])


# The record


def test_a_record_says_all_that_the_result_depends_on(done: Any, table: Dataset) -> None:
    run = done(seed=3)
    stated = json.loads(bytes(run.record))["run"]
    assert stated["code_version"] == running.code_version()
    assert stated["code_digest"] == reuse.code_digest()
    assert stated["libraries"]["numpy"]
    assert stated["dataset"]["digest"] == table.digest
    assert stated["artifact_digest"] == ""
    assert (stated["params"], stated["seed"]) == (run.params, 3)
    assert digest(bytes(run.record)) == run.result_digest
    assert "cpu_seconds" not in bytes(run.record).decode(), "what varies is not in the record"


def test_measured_anew_the_result_is_the_same_to_the_byte(done: Any) -> None:
    first, second, other = done(seed=3), done(seed=3, fresh=True), done(seed=4)
    assert second.job.reused_from is None
    assert result(first) == result(second)
    assert result(first) != result(other)


# The same inputs again


def test_the_same_inputs_are_not_measured_twice(done: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = done(seed=3)
    monkeypatch.setattr(checks.ALL["fairness"], "run", forbidden)
    second = done(seed=3)
    assert result(second) == result(first)
    assert second.job.reused_from == first.pk
    assert second.job.cpu_seconds is None
    stated = json.loads(bytes(second.record))["run"]
    assert stated == json.loads(bytes(first.record))["run"] | {"id": str(second.pk)}
    assert digest(bytes(second.record)) == second.result_digest
    entry = Entry.objects.get(subject_id=str(second.pk), type="audits.run.succeeded")
    assert entry.content["facts"]["reused_from"] == str(first.pk)
    assert entry.content["facts"]["result_digest"] == second.result_digest


def forbidden(_: Context) -> Measured:
    raise AssertionError("this was to be taken from an earlier run")


def test_other_inputs_are_measured(done: Any, upload: Any, register: Any) -> None:
    first = done(seed=3)
    other_rows = upload(TABLE + "1,1,a\n", target="y", prediction="p", sensitive="g")
    others = [done(seed=4), done(seed=3, replicates=60), done(seed=3, dataset=other_rows)]
    others.append(done(seed=3, version=register()))
    for run in others:
        assert run.job.reused_from is None
        assert run.result_digest != first.result_digest


@pytest.mark.parametrize("changed", ["code", "library", "check version"])
def test_under_another_code_it_is_measured(done: Any, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    done(seed=3)
    if changed == "code":
        monkeypatch.setattr(reuse, "code_digest", lambda: "sha256:other")
    elif changed == "library":
        libraries = running.libraries() | {"numpy": "0.1"}
        monkeypatch.setattr(running, "libraries", lambda: libraries)
    else:
        monkeypatch.setattr(checks.ALL["fairness"], "VERSION", "999")
    assert done(seed=3).job.reused_from is None


def test_the_models_own_libraries_must_be_those_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    base = {"check": "c", "libraries": {"python": "3"}}
    then = base | {"id": "1", "libraries": {"python": "3", "lightgbm": "4.0"}}
    installed = {"python": "3", "lightgbm": "4.0"}
    monkeypatch.setattr(reuse, "current", installed.get)
    assert reuse.alike(then, base)
    assert not reuse.alike(then, base | {"others": {"reference": "sha256:2"}})
    assert not reuse.alike(then | {"params": {"favourable": 1}}, base | {"params": {"favourable": True}})
    installed["lightgbm"] = "4.1"
    assert not reuse.alike(then, base)


@pytest.mark.parametrize("kind", ["artifact", "column", None])
def test_only_what_digests_tell_whole_lasts(kind: str | None) -> None:
    assert reuse.lasting({"source": {"kind": kind}} if kind else {})
    assert not reuse.lasting({"source": {"kind": "endpoint"}})


@pytest.mark.parametrize("column_too", [False, True])
def test_a_record_that_was_changed_is_not_used_again(done: Any, column_too: bool) -> None:
    """Not even with its digest beside it changed as well: the trail holds another."""
    first = done(seed=3)
    changed = bytes(first.record).replace(b'"rows":60', b'"rows":61')
    assert changed != bytes(first.record)
    with recording(Event.RUN_SUCCEEDED, actor=first.requested_by, reason=WHY, subject=first) as entry:
        entry.facts = {"check": "fairness", "result_digest": first.result_digest}
        stated = digest(changed) if column_too else first.result_digest
        Run.objects.filter(pk=first.pk).update(record=changed, result_digest=stated)
    second = done(seed=3)
    assert second.job.reused_from is None
    assert result(second) == result(first)


def test_over_the_api_it_is_seen_and_can_be_declined(
    api: Any, developer: User, bare: Version, table: Dataset, done: Any
) -> None:
    first, client = done(seed=3), api(developer)
    body = {"check": "fairness", "dataset": str(table.pk), "params": {"replicates": 50, "seed": 3}}
    found = []
    for fresh in (False, True):
        asked = client.post(f"/api/v1/versions/{bare.pk}/runs/", body | {"fresh": fresh})
        jobs.work(Run.objects.get(pk=asked.json()["id"]).job_id)
        found.append(client.get(asked["Location"]).json())
    assert [each["reused_from"] for each in found] == [str(first.pk), None]
    assert found[0]["used"]["cpu_seconds"] is None
    assert found[1]["used"]["cpu_seconds"] > 0
    assert found[0]["result"] == found[1]["result"]


# What it took


def breast_cancer() -> str:
    rows = pd.read_csv(ARTIFACTS / "breast_cancer_test.tsv", sep="\t", header=None)
    rows.columns = [f"Column_{at}" for at in range(rows.shape[1])]
    return rows.assign(y=[at % 2 for at in range(len(rows))]).to_csv(index=False)


@pytest.fixture
def scored(register: Any, upload: Any) -> dict[str, Any]:
    names = [f"Column_{at}" for at in range(30)]
    return {"version": register(DART.read_bytes(), "dart.txt"), "dataset": upload(breast_cancer(), feature=names)}


def test_an_explanation_measured_anew_is_the_same_to_the_byte(developer: User, scored: dict[str, Any]) -> None:
    found = []
    for _ in range(2):
        asked = {"check": "explainability", "params": {"rows": 10, "seed": 7}, "fresh": True}
        run = runs.request(**asked, actor=developer, reason=WHY, **scored)
        jobs.work(run.job_id)
        found.append(Run.objects.get(pk=run.pk))
    assert found[0].result_digest
    assert result(found[0]) == result(found[1])


def test_the_processes_with_the_model_are_counted(developer: User, scored: dict[str, Any], client: Any) -> None:
    run = runs.request(check="explainability", params={"rows": 10}, actor=developer, reason=WHY, **scored)
    jobs.work(run.job_id)
    job = Job.objects.get(pk=run.job_id)
    assert job.status == "succeeded", job.error
    assert job.cpu_seconds is not None
    assert job.model_cpu_seconds is not None
    assert job.model_peak_bytes is not None
    assert job.cpu_seconds > 0
    assert job.model_cpu_seconds > 0
    assert job.model_peak_bytes > 10 << 20
    client.force_login(developer)
    page = client.get(f"/runs/{run.pk}/").content.decode()
    assert "Computing" in page
    assert "by the model" in page


def test_a_run_that_failed_is_counted_and_a_retry_starts_at_nothing(
    developer: User, bare: Version, table: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: Context) -> Measured:
        raise jobs.Failed("no")

    monkeypatch.setattr(checks.ALL["fairness"], "run", failing)
    run = runs.request(version=bare, check="fairness", dataset=table, params={}, actor=developer, reason=WHY)
    jobs.work(run.job_id)
    job = Job.objects.get(pk=run.job_id)
    assert (job.status, job.error) == ("failed", "no")
    assert job.cpu_seconds is not None
    jobs.retry(job)
    assert (job.cpu_seconds, job.model_cpu_seconds, job.model_peak_bytes) == (None, None, None)


# How long it still takes


@pytest.mark.parametrize(
    ("status", "progress", "elapsed", "remaining"),
    [
        ("running", 0.25, 30, 90),
        ("running", 1.0, 30, 0),
        ("running", 0.01, 30, None),
        ("running", 0.5, 1, None),
        ("queued", 0.5, 30, None),
        ("succeeded", 1.0, 30, None),
    ],
)
def test_the_time_left_follows_the_pace_so_far(
    status: str, progress: float, elapsed: int, remaining: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    job = Job(status=status, progress=progress, started_at=now - timedelta(seconds=elapsed))
    assert job.remaining_seconds == remaining


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (4.0, "a few seconds left"),
        (44.0, "about 40 s left"),
        (130.0, "about 2 min left"),
        (7300.0, "about 2 h left"),
    ],
)
def test_the_time_left_is_said_roughly(seconds: float | None, words: str) -> None:
    assert left(seconds) == words


def test_the_time_left_is_shown(client: Any, developer: User, bare: Version, table: Dataset, api: Any) -> None:
    run = runs.request(version=bare, check="fairness", dataset=table, params={}, actor=developer, reason=WHY)
    begun = timezone.now() - timedelta(minutes=2)
    Job.objects.filter(pk=run.job_id).update(status="running", stage="Resampling", progress=0.5, started_at=begun)
    client.force_login(developer)
    assert "50 %, about 2 min left" in client.get(f"/runs/{run.pk}/progress/").content.decode()
    assert api(developer).get(f"/api/v1/runs/{run.pk}/").json()["remaining_seconds"] == pytest.approx(120, abs=30)


# How it is stopped


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_run_ends_its_model_in_the_middle_of_its_work(
    developer: User, register: Any, upload: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model never ends, so nothing but the cancellation can end the run."""
    text = DART.read_text()
    for old, new in (("left_child=1 2 3", "left_child=0 2 3"), ("right_child=4 -3", "right_child=0 -3")):
        assert old in text
        text = text.replace(old, new, 1)
    version = register(text.encode(), "looping.txt")
    dataset = upload(breast_cancer(), feature=[f"Column_{at}" for at in range(30)], target="y")
    run = runs.request(version=version, check="explainability", dataset=dataset, params={}, actor=developer, reason=WHY)
    done: list[bool] = []

    def work() -> None:
        try:
            done.append(jobs.work(run.job_id))
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    until = timezone.now() + timedelta(minutes=2)
    while not model_processes():
        assert timezone.now() < until
    runs.cancel(run=run, actor=developer, reason=WHY)
    worker.join(60)
    assert done == [False]
    assert model_processes() == []
    assert Job.objects.get(pk=run.job_id).status == "cancelled"
    assert not Run.objects.get(pk=run.pk).record


def model_processes() -> list[str]:
    server = starting._server.process
    if server is None:
        return []
    try:
        return Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    except FileNotFoundError:
        return []
