from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from audits import jobs, runs
from audits.models import Run
from people.models import User
from tests.personas import WHY

# the scorecard's classes are False and True; the file says bad and good
LABELS = {"labels": ["bad", "good"]}


@pytest.fixture
def measured(version: Any, dataset: Any, developer: User) -> Callable[..., Run]:
    """`measured(check, **params)`: a real run of the version on German credit, done."""

    def run(check: str, **params: Any) -> Run:
        asked = runs.request(
            version=version, check=check, dataset=dataset, params=params | LABELS, actor=developer, reason=WHY
        )
        assert jobs.work(asked.job_id)
        asked.refresh_from_db()
        asked.job.refresh_from_db()
        assert asked.job.status == "succeeded", asked.job.error
        return asked

    return run


@pytest.fixture
def fairness(measured: Callable[..., Run]) -> Run:
    return measured("fairness", bins={"age_in_years": [25, 40]})


@pytest.fixture
def performance(measured: Callable[..., Run]) -> Run:
    return measured("performance")


@pytest.fixture
def explainability(measured: Callable[..., Run]) -> Run:
    return measured("explainability", rows=20, background=20)
