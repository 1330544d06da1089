"""How a worker does a run: the check measures, and its result is recorded once, if the worker still holds the job."""

from __future__ import annotations

import platform
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version as installed
from typing import Any

from django.conf import settings
from django.utils import timezone

from audits import checks, jobs, reuse
from audits.checks import Check, Context, Measured
from audits.events import Event
from audits.leases import Lease
from audits.measures.errors import Unmeasurable
from audits.models import Job, Run
from audits.sandbox import starting, usage
from audits.sandbox.failures import ChildFailed
from trail.canonical import canonical_result, digest
from trail.record import recording

KIND = "run"
REASON = "Done by the worker, as asked for"
# parameters that name what the dataset brings in place of the artifact's scores
BROUGHT = {"score", "prediction"}


def record_failure(lease: Lease, sentence: str) -> None:
    run = Run.objects.select_related("requested_by", "version__model__unit").get(job=lease.job)
    with recording(Event.RUN_FAILED, actor=run.requested_by, reason=REASON, subject=run) as entry:
        lease.fail(sentence)
        entry.facts = {"check": run.check_name, "error": sentence[:2000]}


@jobs.handles(KIND, on_failure=record_failure)
def measure(job: Job, lease: Lease) -> None:
    """Run the check, and record its result and that the job is done in one transaction."""
    about = ("requested_by", "version__model__unit", "version__artifact", "dataset")
    run = Run.objects.select_related(*about).get(job=job)
    check = checks.get(run.check_name)
    known = None if job.fresh else reuse.earlier(run, evidence(run, check, Measured({}))["run"])
    result = again(*known, lease) if known else measured(run, check, lease)
    record = canonical_result(evidence(run, check, result))
    with recording(Event.RUN_SUCCEEDED, actor=run.requested_by, reason=REASON, subject=run) as entry:
        lease.succeed()
        entry.facts = {
            "check": run.check_name,
            "result_digest": digest(record),
            "dataset_digest": run.dataset.digest,
            "artifact_digest": run.version.digest,
        }
        if known:
            entry.facts["reused_from"] = str(known[0].pk)
        run.record, run.check_version = record, check.VERSION
        entry.change(run, result_digest=digest(record), finished_at=timezone.now())


def again(earlier: Run, record: dict[str, Any], lease: Lease) -> Measured:
    """What an earlier run with the same inputs found."""
    lease.progress(0.9, "Taking the result of an earlier run with the same inputs")
    lease.note(reused_from=earlier.pk)
    return Measured(record["result"], record["run"]["libraries"])


def measured(run: Run, check: Check, lease: Lease) -> Measured:
    context = Context(run.version, run.dataset, run.params, lease.progress, lease.cancelled)
    if run.version.artifact is not None and not BROUGHT & run.params.keys():
        starting.ahead(run.version.artifact.format)
    try:
        with accounted(lease):
            return check.run(context)
    except Unmeasurable as error:
        raise jobs.Failed(error.sentence) from error
    except ChildFailed as error:
        raise jobs.Failed(str(error)) from error


@contextmanager
def accounted(lease: Lease) -> Iterator[None]:
    """Note on the job what the block uses; it varies from one time to the next, so no record holds it."""
    begun = time.process_time()
    with usage.counted() as children:
        try:
            yield
        finally:
            used = time.process_time() - begun
            lease.note(cpu_seconds=used, model_cpu_seconds=children.cpu, model_peak_bytes=children.peak)


def evidence(run: Run, check: Check, measured: Measured) -> dict[str, Any]:
    """Everything that the result depends on, and the result. Nothing in it varies from one attempt to the next."""
    return {
        "run": {
            "id": str(run.pk),
            "check": check.NAME,
            "check_version": check.VERSION,
            "params": run.params,
            "seed": run.params.get("seed"),
            "dataset": {
                "id": str(run.dataset.pk),
                "name": run.dataset.name,
                "digest": run.dataset.digest,
                "rows": run.dataset.row_count,
            },
            "version": {"id": str(run.version.pk), "name": run.version.name, "model": run.version.model.slug},
            "artifact_digest": run.version.digest,
            "others": others(run, check),
            "code_version": code_version(),
            "code_digest": reuse.code_digest(),
            "libraries": libraries() | measured.libraries,
        },
        "result": measured.result,
    }


def others(run: Run, check: Check) -> dict[str, Any]:
    """What else was measured against, by parameter: datasets and versions with their digests."""
    context = Context(run.version, run.dataset, run.params, lambda _share, _stage: None, lambda: False)
    found: dict[str, Any] = {}
    for name, stated in check.SCHEMA["properties"].items():
        if run.params.get(name) is None:
            continue
        if stated.get("x-dataset"):
            other = context.other_dataset(name)
            found[name] = {"dataset": str(other.pk), "name": other.name, "digest": other.digest}
        if stated.get("x-version"):
            version = context.other_version(name)
            found[name] = {"version": str(version.pk), "name": str(version), "artifact_digest": version.digest}
    return found


@cache
def code_version() -> str:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    return f"{project['name']} {project['version']}"


@cache
def libraries() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: installed(name) for name in ("numpy", "pandas")}
