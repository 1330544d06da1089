"""The few figures of a run that a reader looks for first: measures, not verdicts."""

from __future__ import annotations

from dataclasses import dataclass

from audits import checks, results, runs
from audits.models import Job, Run
from registry.models import Version


@dataclass(frozen=True)
class Figure:
    label: str
    value: str
    interval: str = ""

    def __str__(self) -> str:
        return f"{self.value} ({self.interval})" if self.interval else self.value


@dataclass(frozen=True)
class Evidence:
    """The newest run of a check, the one before all others that succeeded, and its figures."""

    check: str
    latest: Run
    succeeded: Run | None
    figures: list[Figure]


def of_version(version: Version) -> list[Evidence]:
    """The evidence there is for a version, a check each, newest run first in each."""
    by_check: dict[str, list[Run]] = {}
    for run in version.runs.select_related("job", "dataset", "requested_by").order_by("-requested_at"):
        by_check.setdefault(run.check_name, []).append(run)
    return [_evidence(check, found) for check, found in sorted(by_check.items())]


def _evidence(check: str, found: list[Run]) -> Evidence:
    succeeded = next((run for run in found if run.job.status == Job.Status.SUCCEEDED), None)
    return Evidence(check, found[0], succeeded, of_run(succeeded) if succeeded else [])


def of_run(run: Run) -> list[Figure]:
    result, check = runs.result(run), checks.ALL.get(run.check_name)
    if result is None or check is None:
        return []
    printed = (results.figure(found) for found in check.figures(result))
    return [Figure(each.label, each.text, each.sub) for each in printed]
