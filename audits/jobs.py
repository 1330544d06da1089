"""Background work: the job row is the truth about it, and the broker only wakes a worker.

No broker keeps every message through a `kill -9`, so nothing here depends on one: a message that is lost, late or
doubled changes nothing but the time a job waits. Workers' clocks must agree to within a lease.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from celery import current_app
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerDown

from audits import leases
from audits.leases import Lease, LeaseLost
from audits.models import Job
from trail.errors import BadInput, Objection, Refused
from trail.record import one_action

log = logging.getLogger(__name__)

Handler = Callable[[Job, Lease], None]
OnFailure = Callable[[Lease, str], None]

TASK = "audits.tasks.work"


class Failed(Exception):
    """The work can't be done; the text is the sentence a person reads."""


@dataclass(frozen=True)
class Kind:
    handler: Handler
    on_failure: OnFailure


KINDS: dict[str, Kind] = {}


def handles(kind: str, *, on_failure: OnFailure) -> Callable[[Handler], Handler]:
    """Declare how jobs of a kind are done.

    The handler writes its outcome inside one recording that also calls `lease.succeed()`; `on_failure(lease, sentence)`
    opens a recording that calls `lease.fail(sentence)`.
    """

    def declare(handler: Handler) -> Handler:
        KINDS[kind] = Kind(handler, on_failure)
        return handler

    return declare


def enqueue(kind: str, *, fresh: bool = False) -> Job:
    """Add a job in the caller's transaction, and wake a worker when it commits."""
    job = Job.objects.create(kind=kind, fresh=fresh)
    _publish_on_commit(job)
    return job


def cancel(job: Job) -> None:
    """End an open job in the caller's recording. A worker that runs it loses its lease, so it can write nothing more
    and stops when it next looks."""
    now = timezone.now()
    ended = Job.objects.filter(pk=job.pk, status__in=Job.OPEN).update(
        status=Job.Status.CANCELLED, token=None, lease_until=None, stage="", finished_at=now
    )
    job.refresh_from_db()
    if not ended:
        raise Refused(Objection("not_open", f"This is {job.status}; only what is queued or running is cancelled."))


def retry(job: Job) -> None:
    """Queue a failed or cancelled job again in the caller's recording, with all its attempts."""
    queued = Job.objects.filter(pk=job.pk, status__in=(Job.Status.FAILED, Job.Status.CANCELLED)).update(
        status=Job.Status.QUEUED,
        attempts=0,
        progress=0,
        stage="",
        error="",
        queued_at=timezone.now(),
        published_at=None,
        started_at=None,
        finished_at=None,
        cpu_seconds=None,
        model_cpu_seconds=None,
        model_peak_bytes=None,
    )
    job.refresh_from_db()
    if not queued:
        mend = "Ask for a new run instead." if job.status == Job.Status.SUCCEEDED else "Wait for it, or cancel it."
        sentence = f"This is {job.status}; only what failed or was cancelled runs again."
        raise Refused(Objection("not_failed", sentence, mend))
    _publish_on_commit(job)


def work(job_id: uuid.UUID) -> bool:
    """Claim a job and do it; False if it was not there to be claimed, or was lost on the way."""
    lease = leases.claim(job_id)
    if lease is None:
        return False
    with lease.kept():
        try:
            with one_action():
                KINDS[lease.job.kind].handler(lease.job, lease)
        except LeaseLost:
            log.info("Job %s was cancelled or taken over; this worker wrote nothing more.", job_id)
            return False
        except (OperationalError, InterfaceError):
            raise  # the database went away: the lease ends, and the reaper queues the job again
        except Exception as error:  # noqa: BLE001 - whatever stops the work, its run must say so
            if lease.lost:
                return False
            return _fail(lease, _sentence(lease, error))
    return True


def reap() -> None:
    """Queue again what a lost worker left, fail what was left too often, and wake workers for what waits unheard."""
    for job in leases.lapsed():
        if job.attempts < settings.JOB_MAX_ATTEMPTS:
            leases.requeue(job)
        else:
            _give_up(job)
    for job_id in leases.unheard().values_list("pk", flat=True):
        publish(job_id)


_LOST = (
    "The worker was lost {attempts} times while it did this (killed, or out of memory), so it is not tried again. "
    "Give the worker more memory or the check less data, then retry."
)


def _give_up(job: Job) -> None:
    lease = leases.take_over(job)
    try:
        if lease is not None:
            _fail(lease, _LOST.format(attempts=job.attempts))
    except Exception:  # one job that can't even fail must not keep the others waiting
        log.exception("Job %s was lost too often, and its failure could not be recorded.", job.pk)


def publish(job_id: uuid.UUID) -> None:
    """Wake a worker. A broker that can't be reached loses nothing: the reaper publishes later."""
    try:
        current_app.send_task(TASK, kwargs={"job_id": str(job_id)}, retry_policy={"max_retries": 0})
    except (BrokerDown, OSError) as error:
        log.warning("The broker could not be told of job %s (%s); it will be told later.", job_id, error)
        return
    Job.objects.filter(pk=job_id, status=Job.Status.QUEUED).update(published_at=timezone.now())


def _publish_on_commit(job: Job) -> None:
    transaction.on_commit(partial(publish, job.pk))


def _fail(lease: Lease, sentence: str) -> bool:
    try:
        KINDS[lease.job.kind].on_failure(lease, sentence)
    except LeaseLost:
        return False
    return True


def _sentence(lease: Lease, error: Exception) -> str:
    if lease.overdue:
        minutes = round(settings.JOB_TIMEOUT_SECONDS / 60)
        return f"This took longer than {minutes} minutes and was stopped. Try with fewer rows, replicates or versions."
    if isinstance(error, Failed | BadInput | Refused):
        return str(error)
    log.error("Job %s stopped on an unexpected error.", lease.job.pk, exc_info=error)
    return f"This stopped on an unexpected error ({type(error).__name__}); the worker's log has the details. Retry it."
