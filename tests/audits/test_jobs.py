"""The job row is the truth: one worker holds a job, a lost one writes nothing, and none is forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery import Celery
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from audits import jobs, leases
from audits.jobs import Failed
from audits.leases import Lease, LeaseLost
from audits.models import Job
from trail.errors import Refused


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids that were sent to the broker."""
    sent: list[str] = []
    monkeypatch.setattr(jobs.current_app, "send_task", lambda _, *, kwargs, **__: sent.append(kwargs["job_id"]))
    return sent


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """`kind(handler)`: a kind of job done by that handler; what it failed with is kept in the row."""

    def declare(handler: Callable[[Job, Lease], None]) -> str:
        name = f"test-{uuid4().hex[:8]}"
        jobs.handles(name, on_failure=lambda lease, sentence: lease.fail(sentence))(handler)
        return name

    monkeypatch.setattr(jobs, "KINDS", dict(jobs.KINDS))
    return declare


def queued(kind: str = "run", **more: Any) -> Job:
    return Job.objects.create(kind=kind, **more)


def lapsed(**more: Any) -> Job:
    past = timezone.now() - timedelta(seconds=1)
    return queued(status=Job.Status.RUNNING, token=uuid4(), lease_until=past, **more)


@pytest.mark.django_db(transaction=True)
def test_one_of_many_workers_claims_a_job() -> None:
    job, start, won = queued(), threading.Barrier(8), []

    def claim() -> None:
        try:
            start.wait()
            if (lease := leases.claim(job.pk)) is not None:
                won.append(lease.token)
        finally:
            connection.close()

    workers = [threading.Thread(target=claim) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    job.refresh_from_db()
    assert won == [job.token]
    assert (job.status, job.attempts) == ("running", 1)
    assert job.lease_until > timezone.now()


@pytest.mark.django_db
@pytest.mark.parametrize("status", [status for status in Job.Status if status != Job.Status.QUEUED])
def test_only_what_is_queued_is_claimed(status: Job.Status) -> None:
    assert leases.claim(queued(status=status).pk) is None
    assert leases.claim(uuid4()) is None


@pytest.mark.django_db
@pytest.mark.parametrize("taken", ["cancelled", "taken over", "queued again"])
def test_a_lost_lease_can_not_write(taken: str) -> None:
    lease = leases.claim(queued().pk)
    assert lease is not None
    Job.objects.filter(pk=lease.job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    job = Job.objects.get(pk=lease.job.pk)
    if taken == "cancelled":
        jobs.cancel(job)
    elif taken == "taken over":
        assert leases.take_over(job) is not None
    else:
        assert leases.requeue(job)
        assert leases.claim(job.pk) is not None
    before = Job.objects.filter(pk=job.pk).values().get()
    for write in (lease.succeed, lambda: lease.fail("no"), lambda: lease.progress(0.5, "Halfway")):
        with pytest.raises(LeaseLost):
            write()
    assert lease.cancelled()
    assert Job.objects.filter(pk=job.pk).values().get() == before


@pytest.mark.django_db
def test_the_outcome_and_the_jobs_end_commit_together(kind: Any) -> None:
    """A worker that lost its job in the middle of recording its outcome leaves nothing of it."""

    def outcome(job: Job, lease: Lease) -> None:
        with transaction.atomic():
            extra = queued("its outcome")
            Job.objects.filter(pk=job.pk).update(token=uuid4())
            lease.succeed()
            extra.delete()

    job = queued(kind(outcome))
    assert jobs.work(job.pk) is False
    assert not Job.objects.filter(kind="its outcome").exists()


@pytest.mark.django_db(transaction=True)
def test_the_lease_is_extended_while_the_work_lasts(kind: Any, settings: Settings) -> None:
    settings.JOB_LEASE_SECONDS = 1.5

    def slow(job: Job, lease: Lease) -> None:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            assert not lease.cancelled()
            time.sleep(0.05)
            jobs.reap()
        lease.succeed()

    job = queued(kind(slow), published_at=timezone.now())
    assert jobs.work(job.pk) is True
    job.refresh_from_db()
    assert (job.status, job.attempts, job.token) == ("succeeded", 1, None)


@pytest.mark.django_db(transaction=True)
def test_a_running_job_stops_within_two_seconds_of_its_cancellation(kind: Any) -> None:
    started, stopped = threading.Event(), []

    def endless(job: Job, lease: Lease) -> None:
        started.set()
        while not lease.cancelled():
            time.sleep(0.01)
        stopped.append(time.monotonic())
        lease.progress(1, "never written")

    job = queued(kind(endless))
    done: list[bool] = []

    def worker() -> None:
        done.append(jobs.work(job.pk))
        connection.close()

    thread = threading.Thread(target=worker)
    thread.start()
    assert started.wait(10)
    cancelled = time.monotonic()
    jobs.cancel(job)
    thread.join(10)
    assert stopped[0] - cancelled < 2
    assert done == [False]
    job.refresh_from_db()
    assert (job.status, job.stage) == ("cancelled", "")


@pytest.mark.django_db
def test_a_job_of_a_lost_worker_is_queued_again_and_published(published: list[str]) -> None:
    job = lapsed(attempts=1, progress=0.4)
    jobs.reap()
    job.refresh_from_db()
    assert (job.status, job.token, job.attempts, job.progress) == ("queued", None, 1, 0)
    assert published == [str(job.pk)]
    assert job.published_at is not None


@pytest.mark.django_db
def test_a_job_is_not_tried_for_ever(kind: Any, published: list[str], settings: Settings) -> None:
    settings.JOB_MAX_ATTEMPTS = 3
    job = lapsed(kind=kind(lambda job, lease: None), attempts=3)
    jobs.reap()
    job.refresh_from_db()
    assert job.status == "failed"
    assert "lost 3 times" in job.error
    assert "memory" in job.error
    assert published == []


@pytest.mark.django_db
def test_a_job_that_can_not_even_fail_does_not_hold_up_the_others(published: list[str], settings: Settings) -> None:
    settings.JOB_MAX_ATTEMPTS = 3
    lapsed(kind="nobody does this", attempts=3)
    other = lapsed(attempts=1)
    jobs.reap()
    assert published == [str(other.pk)]


@pytest.mark.django_db
def test_a_worker_that_only_was_slow_keeps_its_job(published: list[str]) -> None:
    """The reaper read the row before the heartbeat extended it."""
    seen = lapsed(attempts=1)
    Job.objects.filter(pk=seen.pk).update(lease_until=timezone.now() + timedelta(seconds=30))
    assert leases.requeue(seen) is False
    assert leases.take_over(seen) is None
    seen.refresh_from_db()
    assert seen.status == "running"


@pytest.mark.django_db
def test_jobs_nobody_picked_up_are_published_again(published: list[str], settings: Settings) -> None:
    never = queued()
    long_ago = queued(published_at=timezone.now() - timedelta(seconds=settings.JOB_LEASE_SECONDS + 1))
    queued(published_at=timezone.now())
    jobs.reap()
    assert set(published) == {str(never.pk), str(long_ago.pk)}
    published.clear()
    jobs.reap()
    assert published == []


@pytest.mark.django_db
def test_a_worker_is_woken_only_when_the_row_is_there(
    published: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        job = jobs.enqueue("run")
        assert published == []
    assert published == [str(job.pk)]


@pytest.mark.django_db
@pytest.mark.parametrize("broker", ["redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"])
def test_a_broker_that_is_down_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broker: str
) -> None:
    monkeypatch.setattr(jobs, "current_app", Celery("down", broker=broker, set_as_current=False))
    job = queued()
    asked = time.monotonic()
    jobs.publish(job.pk)
    assert time.monotonic() - asked < 5
    job.refresh_from_db()
    assert (job.status, job.published_at) == ("queued", None)
    assert "told later" in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Failed("The data is wrong."), "The data is wrong."),
        (KeyError("boom"), "unexpected error (KeyError)"),
        (MemoryError(), "unexpected error (MemoryError)"),
    ],
)
def test_a_failure_says_why(kind: Any, error: Exception, sentence: str) -> None:
    def broken(job: Job, lease: Lease) -> None:
        raise error

    job = queued(kind(broken))
    assert jobs.work(job.pk) is True
    job.refresh_from_db()
    assert job.status == "failed"
    assert sentence in job.error
    assert job.finished_at is not None


@pytest.mark.django_db
def test_a_database_that_went_away_is_no_failure_of_the_job(kind: Any) -> None:
    def broken(job: Job, lease: Lease) -> None:
        raise OperationalError("the connection is closed")

    job = queued(kind(broken))
    with pytest.raises(OperationalError):
        jobs.work(job.pk)
    job.refresh_from_db()
    assert job.status == "running"  # until its lease ends


@pytest.mark.django_db
def test_a_job_may_not_last_for_ever(kind: Any, settings: Settings) -> None:
    settings.JOB_TIMEOUT_SECONDS = 0

    def endless(job: Job, lease: Lease) -> None:
        while True:
            lease.progress(0.5)

    job = queued(kind(endless))
    assert jobs.work(job.pk) is True
    job.refresh_from_db()
    assert job.status == "failed"
    assert "longer than" in job.error


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_retry_starts_over(status: str, published: list[str], django_capture_on_commit_callbacks: Any) -> None:
    job = queued(status=status, attempts=3, error="no", progress=0.7, finished_at=timezone.now())
    with django_capture_on_commit_callbacks(execute=True):
        jobs.retry(job)
    assert (job.status, job.attempts, job.error, job.progress, job.finished_at) == ("queued", 0, "", 0, None)
    assert published == [str(job.pk)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("verb", "status"),
    [(jobs.retry, "queued"), (jobs.retry, "running"), (jobs.retry, "succeeded")]
    + [(jobs.cancel, status) for status in ("succeeded", "failed", "cancelled")],
)
def test_what_is_in_no_state_for_it_is_refused(verb: Callable[[Job], None], status: str) -> None:
    job = queued(status=status)
    with pytest.raises(Refused, match=f"This is {status}"):
        verb(job)
    job.refresh_from_db()
    assert job.status == status


@pytest.mark.django_db
def test_progress_is_seen(kind: Any) -> None:
    seen: list[tuple[float, str]] = []

    def steps(job: Job, lease: Lease) -> None:
        for fraction, stage in ((0.1, "Reading"), (0.2, ""), (0.6, "Measuring"), (1.7, "Writing")):
            lease.progress(fraction, stage)
            row = Job.objects.get(pk=job.pk)
            seen.append((row.progress, row.stage))
        lease.succeed()

    job = queued(kind(steps))
    assert jobs.work(job.pk) is True
    assert seen == [(0.1, "Reading"), (0.1, "Reading"), (0.6, "Measuring"), (1.0, "Writing")]
    job.refresh_from_db()
    assert (job.progress, job.stage) == (1.0, "")


def test_ids_are_what_travels(published: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The task takes the id as text and makes one call."""
    from audits import tasks

    done: list[UUID] = []
    monkeypatch.setattr(tasks.jobs, "work", done.append)
    job_id = uuid4()
    tasks.work(job_id=str(job_id))
    assert done == [job_id]
