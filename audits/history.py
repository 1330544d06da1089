"""Jobs as of a past moment. Their rows are operational, and the trail keeps no images of them: what had become of a
job follows from the entries about its work. Whether a worker was just at it is not known any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from uuid import UUID

from audits.events import Event
from audits.models import Job, Run
from audits.running import KIND
from trail import snapshots
from trail.events import Vocabulary
from trail.models import Entry

RUNS: dict[Vocabulary, Job.Status] = {
    Event.RUN_SUCCEEDED: Job.Status.SUCCEEDED,
    Event.RUN_FAILED: Job.Status.FAILED,
    Event.RUN_CANCELLED: Job.Status.CANCELLED,
    Event.RUN_RETRIED: Job.Status.QUEUED,
}


@snapshots.fills(Job)
def of_runs() -> Iterator[Job]:
    return jobs(KIND, Run.objects.values_list("job_id", "pk", "requested_at"), RUNS)


def jobs(
    kind: str, work: Iterable[tuple[UUID, UUID, datetime]], became: Mapping[Vocabulary, Job.Status]
) -> Iterator[Job]:
    """The jobs of work, given as (job, subject of the entries, asked for at), by what the entries say became of it."""
    types = {str(event.value): status for event, status in became.items()}
    told = Entry.objects.filter(type__in=types).select_related("payload").order_by("at", "pk")
    last = {entry.subject_id: entry for entry in told}
    for job_id, subject, asked_at in work:
        job = Job(pk=job_id, kind=kind, queued_at=asked_at)
        if entry := last.get(str(subject)):
            job.status = types[entry.type]
            if job.status == Job.Status.QUEUED:
                job.queued_at = entry.at
            else:
                job.finished_at = entry.at
            if job.status == Job.Status.SUCCEEDED:
                job.progress = 1
                job.reused_from = entry.content["facts"].get("reused_from")
            if job.status == Job.Status.FAILED:
                job.error = str(entry.content["facts"].get("error", ""))
        yield job
