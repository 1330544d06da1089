"""Runs of checks: asked for, cancelled and asked for again. What the worker makes of them is in running.py."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.http import Http404

from audits import checks, jobs, running
from audits.events import Event
from audits.models import Run
from people.access import require
from people.models import User
from people.queries import sees
from people.roles import Duty
from registry import queries
from registry.models import Dataset, Version
from trail.canonical import canonical_result
from trail.errors import BadInput
from trail.record import recording

LONGEST_PARAMS = 10_000
DATASET, VERSION = "dataset", "version"


def request(
    *,
    version: Version,
    check: str,
    dataset: Dataset,
    params: dict[str, Any],
    actor: User,
    reason: str,
    fresh: bool = False,
) -> Run:
    """Ask for a check of a version on a dataset; refused at once where it could not give a right answer. `fresh`
    measures anew even where an earlier run had the same inputs."""
    with recording(Event.RUN_REQUESTED, actor=actor, reason=reason, subject=version) as entry:
        require(actor, Duty.MEASURE, version.unit_path)
        if not sees(actor, dataset.unit_path):
            raise BadInput("There is no such dataset that you may see.", where="dataset")
        chosen = checks.get(check)
        refuse_unseen(chosen.SCHEMA, params, actor)
        stated = chosen.prepare(version, dataset, params)
        written = canonical_result(stated).decode()
        if len(written) > LONGEST_PARAMS:
            raise BadInput(f"The parameters hold over {LONGEST_PARAMS} characters; make them shorter.", where="params")
        run = Run(
            version=version,
            check_name=chosen.NAME,
            check_version=chosen.VERSION,
            dataset=dataset,
            params=stated,
            job=jobs.enqueue(running.KIND, fresh=fresh),
            requested_by=actor,
        )
        entry.about = entry.create(run, "check_name", "version", "dataset")
        entry.facts = {"params": written, "dataset_digest": dataset.digest, "artifact_digest": version.digest}
    return run


@dataclass(frozen=True)
class CheckSet:
    """The runs that were asked for, and why each other check was not, by its name."""

    runs: list[Run]
    unfit: dict[str, BadInput]


def request_set(*, version: Version, dataset: Dataset, actor: User, reason: str) -> CheckSet:
    """Ask for every check whose defaults fit the version and the dataset: the default check set."""
    asked, unfit = [], {}
    for name in checks.ALL:
        try:
            run = request(version=version, check=name, dataset=dataset, params={}, actor=actor, reason=reason)
        except BadInput as error:
            unfit[name] = error
        else:
            asked.append(run)
    if not asked:
        sentence = f"No check fits {dataset.name} by its defaults: {'; '.join(str(each) for each in unfit.values())}"
        raise BadInput(sentence[:2000], where="dataset")
    return CheckSet(asked, unfit)


def refuse_unseen(schema: dict[str, Any], params: dict[str, Any], actor: User) -> None:
    """Refuse another dataset or version among the parameters that the person who asks may not see."""
    for name, stated in schema["properties"].items():
        for kind, find in ((DATASET, queries.dataset), (VERSION, queries.version)):
            if stated.get(f"x-{kind}") and params.get(name) is not None:
                try:
                    find(actor, str(params[name]))
                except Http404 as error:
                    sentence = f"There is no {kind} “{str(params[name])[:60]}” that you may see."
                    raise BadInput(sentence, where=f"params.{name}") from error


def cancel(*, run: Run, actor: User, reason: str) -> None:
    """Stop a run that is waiting or running; from this moment no worker can write its result."""
    with recording(Event.RUN_CANCELLED, actor=actor, reason=reason, subject=run) as entry:
        require(actor, Duty.MEASURE, run.unit_path)
        jobs.cancel(run.job)
        entry.facts = {"check": run.check_name}


def retry(*, run: Run, actor: User, reason: str) -> None:
    """Do a run again that failed or was cancelled, with the same parameters."""
    with recording(Event.RUN_RETRIED, actor=actor, reason=reason, subject=run) as entry:
        require(actor, Duty.MEASURE, run.unit_path)
        entry.facts = {"check": run.check_name, "was": run.job.status}
        jobs.retry(run.job)


def result(run: Run) -> dict[str, Any] | None:
    """What the check found; nothing while there is no result."""
    if not run.record:
        return None
    found: dict[str, Any] = json.loads(bytes(run.record))["result"]
    return found
