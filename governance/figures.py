"""The few figures of a run that a reader looks for first: measures, not verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audits import checks, results, runs
from audits.checks import presenting
from audits.models import Job, Run
from registry.models import Version

MOST_FEATURES = 3
MEASURES = {"auc": "AUC", "ks": "KS", "brier": "Brier score", "accuracy": "Accuracy"}
DISPARITIES = {"selection_rate": "Selection-rate ratio", "equalized_odds": "Equalized-odds difference"}
WANTED = {("selection_rate", "ratio"), ("equalized_odds", "difference")}


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
    result = runs.result(run)
    check = checks.ALL.get(run.check_name)
    if result and check and hasattr(check, "figures"):
        return [_shown(figure) for figure in check.figures(result)]
    return READ[run.check_name](result) if result and run.check_name in READ else []


def _shown(found: presenting.Figure) -> Figure:
    printed = results.figure(found)
    return Figure(printed.label, printed.text, printed.sub)


def _performance(result: Mapping[str, Any]) -> list[Figure]:
    return [_figure(label, result[name]) for name, label in MEASURES.items() if result.get(name) is not None]


def _fairness(result: Mapping[str, Any]) -> list[Figure]:
    """One figure for each attribute alone; intersections are on the run's own page."""
    return [
        _figure(f"{DISPARITIES[found['metric']]}, {found['attributes'][0]}", found)
        for found in result.get("disparities", [])
        if (found["metric"], found["kind"]) in WANTED and len(found.get("attributes", [])) == 1
    ]


def _explainability(result: Mapping[str, Any]) -> list[Figure]:
    ranked = result.get("importance", [])[:MOST_FEATURES]
    return [Figure(row["feature"], _percent(row.get("share")), "of all contributions") for row in ranked]


def _figure(label: str, found: Any) -> Figure:
    if not isinstance(found, Mapping):
        return Figure(label, _printed(found))
    low, high = found.get("low"), found.get("high")
    interval = "" if low is None or high is None else f"{_printed(low)} to {_printed(high)}"
    return Figure(label, _printed(found.get("value")), interval)


def _printed(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _percent(share: float | None) -> str:
    return "undefined" if share is None else f"{share:.0%}"


READ: dict[str, Callable[[Mapping[str, Any]], list[Figure]]] = {
    "performance": _performance,
    "fairness": _fairness,
    "explainability": _explainability,
}
