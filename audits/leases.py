"""A worker's hold on one job: claimed by one UPDATE, extended while the work lasts, checked by every write."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from audits.models import Job

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5  # how soon a worker notices that its job was cancelled
WRITE_SECONDS = 0.5  # how often progress is written within one stage


class LeaseLost(Exception):
    """The job is no longer this worker's: it was cancelled, or taken over after a silence. Nothing may be written."""


class Overdue(Exception):
    """The work has taken longer than any job may."""


class Lease:
    """What a handler is given beside its job."""

    def __init__(self, job: Job, token: uuid.UUID) -> None:
        self.job, self.token = job, token
        self._lost = threading.Event()
        self._deadline = time.monotonic() + settings.JOB_TIMEOUT_SECONDS
        self._written: tuple[float, str] = (0.0, "")
        self._noted: dict[str, Any] = {}

    @property
    def lost(self) -> bool:
        return self._lost.is_set()

    @property
    def overdue(self) -> bool:
        return bool(time.monotonic() > self._deadline)

    def cancelled(self) -> bool:
        """Whether the work should stop: ask often, it costs nothing."""
        return self.lost or self.overdue

    def progress(self, fraction: float, stage: str = "") -> None:
        """Say how far the work is (0 to 1), and stop it here if it should stop."""
        if self.lost:
            raise LeaseLost
        if self.overdue:
            raise Overdue
        written_at, written_stage = self._written
        stage = stage or written_stage
        if stage == written_stage and time.monotonic() - written_at < WRITE_SECONDS:
            return
        self._written = (time.monotonic(), stage)
        self._write(progress=min(max(fraction, 0.0), 1.0), stage=stage)

    def note(self, **columns: Any) -> None:
        """Keep what the job's row shall say of the work when it ends."""
        self._noted |= columns

    def succeed(self) -> None:
        """Finish the job. Call it inside the recording that writes the outcome: both commit, or neither does."""
        self._write(status=Job.Status.SUCCEEDED, progress=1.0, **_closed(), **self._noted)

    def fail(self, sentence: str) -> None:
        """Fail the job. Call it inside the recording that states the failure."""
        self._write(status=Job.Status.FAILED, error=sentence, **_closed(), **self._noted)

    def _write(self, **values: Any) -> None:
        if not held(self.job.pk, self.token).update(**values):
            self._lost.set()
            raise LeaseLost

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Extend the lease from a thread of its own, until the block ends."""
        stop = threading.Event()
        thread = threading.Thread(target=self._beat, args=(stop,), name=f"lease {self.job.pk}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _beat(self, stop: threading.Event) -> None:
        extended = time.monotonic()
        try:
            while not self.cancelled() and not stop.wait(LOOK_SECONDS):
                try:
                    if self._taken():
                        self._lost.set()
                    elif time.monotonic() - extended > settings.JOB_LEASE_SECONDS / 3:
                        held(self.job.pk, self.token).update(lease_until=_lease_end())
                        extended = time.monotonic()
                except DatabaseError:
                    log.warning("The lease of job %s could not be extended; trying again.", self.job.pk, exc_info=True)
                    if time.monotonic() - extended > settings.JOB_LEASE_SECONDS:
                        self._lost.set()
        finally:
            connection.close()

    def _taken(self) -> bool:
        """Whether the row says that somebody else, or nobody, holds the job."""
        token = Job.objects.filter(pk=self.job.pk).values_list("token", flat=True)
        return any(found != self.token for found in token)


def held(job_id: uuid.UUID, token: uuid.UUID) -> QuerySet[Job]:
    return Job.objects.filter(pk=job_id, token=token, status=Job.Status.RUNNING)


def claim(job_id: uuid.UUID) -> Lease | None:
    """Take a queued job; nothing if it is not there to be taken."""
    token, now = uuid.uuid4(), timezone.now()
    taken = Job.objects.filter(pk=job_id, status=Job.Status.QUEUED).update(
        status=Job.Status.RUNNING,
        token=token,
        attempts=F("attempts") + 1,
        lease_until=_lease_end(),
        started_at=now,
        progress=0,
        stage="Starting",
        error="",
    )
    return Lease(Job.objects.get(pk=job_id), token) if taken else None


def take_over(job: Job) -> Lease | None:
    """Take a running job whose lease has ended, to say what became of it."""
    token = uuid.uuid4()
    taken = lapsed().filter(pk=job.pk, token=job.token).update(token=token, lease_until=_lease_end())
    return Lease(job, token) if taken else None


def requeue(job: Job) -> bool:
    """Queue a running job whose lease has ended."""
    return bool(
        lapsed()
        .filter(pk=job.pk, token=job.token)
        .update(
            status=Job.Status.QUEUED,
            token=None,
            lease_until=None,
            published_at=None,
            progress=0,
            stage="Waiting for a worker, after one was lost",
        )
    )


def lapsed() -> QuerySet[Job]:
    return Job.objects.filter(status=Job.Status.RUNNING, lease_until__lt=timezone.now())


def unheard() -> QuerySet[Job]:
    """Queued jobs that no worker was told of, or not for a while."""
    earlier = timezone.now() - timedelta(seconds=settings.JOB_LEASE_SECONDS)
    return Job.objects.filter(status=Job.Status.QUEUED).filter(Q(published_at=None) | Q(published_at__lt=earlier))


def _lease_end() -> datetime:
    return timezone.now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)


def _closed() -> dict[str, Any]:
    return {"token": None, "lease_until": None, "stage": "", "finished_at": timezone.now()}
