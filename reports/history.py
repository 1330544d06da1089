"""The jobs of packs as of a past moment."""

from __future__ import annotations

from collections.abc import Iterator

from audits import history
from audits.models import Job
from reports.events import Event
from reports.models import Pack
from reports.packs import KIND
from trail import snapshots
from trail.events import Vocabulary

PACKS: dict[Vocabulary, Job.Status] = {Event.PACK_BUILT: Job.Status.SUCCEEDED, Event.PACK_FAILED: Job.Status.FAILED}


@snapshots.fills(Job)
def of_packs() -> Iterator[Job]:
    return history.jobs(KIND, Pack.objects.values_list("job_id", "pk", "requested_at"), PACKS)
