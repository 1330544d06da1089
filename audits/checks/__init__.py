"""The checks. Each is one module that declares what it answers, its parameters and its version; add it to `ALL`.

Nothing heavy is imported until a check runs: the web process asks for names, schemas and `prepare` only.
"""

from __future__ import annotations

from typing import Any, Protocol

from audits.checks import explainability, fairness, performance
from audits.checks.context import Context, Measured
from registry.models import Dataset, Version
from trail.errors import BadInput

__all__ = ["ALL", "Check", "Context", "Measured", "get"]


class Check(Protocol):
    NAME: str
    VERSION: str
    TITLE: str
    ANSWERS: str
    SCHEMA: dict[str, Any]

    def prepare(self, version: Version, dataset: Dataset, params: dict[str, Any]) -> dict[str, Any]:
        """The parameters with every default stated; BadInput if this check can't be run with them."""

    def run(self, context: Context) -> Measured:
        """The result: the same inputs and seed give the same result."""


ALL: dict[str, Check] = {check.NAME: check for check in (fairness, explainability, performance)}


def get(name: str) -> Check:
    if name not in ALL:
        raise BadInput(f"There is no check “{name}”; choose from {', '.join(ALL)}.", where="check")
    return ALL[name]
