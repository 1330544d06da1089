"""The Celery side: one task that does a job, and the reaper that every worker process runs beside it."""

from __future__ import annotations

import logging
import threading
import uuid
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.db import connection

from audits import jobs
from trail import anchors, forwarding, ledger, sequencer

log = logging.getLogger(__name__)

REAP_SECONDS = 5.0
stopping = threading.Event()


@shared_task(  # type: ignore[untyped-decorator]
    name=jobs.TASK,
    # for work that never asks whether it should stop; what asks is stopped by its lease before
    soft_time_limit=settings.JOB_TIMEOUT_SECONDS + 10,
    time_limit=settings.JOB_TIMEOUT_SECONDS + 60,
)
def work(*, job_id: str) -> None:
    jobs.work(uuid.UUID(job_id))


@worker_ready.connect  # type: ignore[untyped-decorator]
def start_reaper(**_: Any) -> None:
    stopping.clear()
    threading.Thread(target=reap_until_stopped, name="reaper", daemon=True).start()
    if ledger.waits():
        threading.Thread(target=sequencer.run_until, args=[stopping], name="sequencer", daemon=True).start()
    anchors.start(stopping)
    forwarding.start(stopping)


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def stop_reaper(**_: Any) -> None:
    stopping.set()


def reap_until_stopped() -> None:
    pause = min(REAP_SECONDS, settings.JOB_LEASE_SECONDS / 3)
    while not stopping.is_set():
        try:
            jobs.reap()
        except Exception:  # it must outlive whatever the database or the broker does
            log.exception("The reaper was interrupted; trying again in %s s.", pause)
        finally:
            connection.close()  # a pool process forked meanwhile must not inherit it
        stopping.wait(pause)
