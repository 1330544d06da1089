"""The filters of the list of runs."""

from __future__ import annotations

from typing import Any

from audits import checks
from audits.models import Job
from registry.forms.filters import FilterForm, any_of, text


class RunFilter(FilterForm):
    def __init__(self, data: Any) -> None:
        filters = {
            "q": text("Model or dataset"),
            "check": any_of("Check", [(name, check.TITLE) for name, check in checks.ALL.items()]),
            "status": any_of("Status", list(Job.Status.choices)),
        }
        super().__init__(data, filters)
