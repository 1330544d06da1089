"""The checks. Each is one module of this folder that states what it answers, its parameters and its version.

Nothing heavy is imported until a check runs: the web process asks for names, schemas, `prepare` and what to show only.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

from audits.checks.context import Context, Measured
from audits.checks.presenting import Figure, Section
from registry.models import Dataset, Version
from trail.errors import BadInput

__all__ = ["ALL", "Check", "Context", "Measured", "get"]


class Check(Protocol):
    NAME: str
    VERSION: str
    TITLE: str
    ANSWERS: str
    # A JSON schema. A property that names a column says `x-column` ("any", "number" or "few" values), a list of columns
    # `x-columns`, the id of another dataset or version `x-dataset` or `x-version`; what is `x-advanced` is folded away.
    SCHEMA: dict[str, Any]

    def prepare(self, version: Version, dataset: Dataset, params: dict[str, Any]) -> dict[str, Any]:
        """The parameters with every default stated; BadInput if this check can't be run with them."""

    def run(self, context: Context) -> Measured:
        """The result: the same inputs and seed give the same result."""

    def figures(self, result: Mapping[str, Any]) -> Sequence[Figure]:
        """The few figures of a result that a reader looks for first: measures, not verdicts."""

    def sections(self, result: Mapping[str, Any]) -> Sequence[Section]:
        """The whole result as a reader meets it. Limitations are shown below it without being repeated here."""


def _ours() -> Iterator[Check]:
    for found in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{found.name}")
        if hasattr(module, "NAME"):
            yield cast(Check, module)


def _theirs(taken: Container[str]) -> tuple[Mapping[str, Check], dict[str, str]]:
    # the package builds on the checks above
    from audits import guests

    return guests.found(taken)


ALL: dict[str, Check] = {check.NAME: check for check in _ours()}
# What a team brings as a package (docs/reference/own-checks.md), and why the other packages can't be used.
GUESTS, UNUSABLE = _theirs(ALL)
ALL |= GUESTS


def get(name: str) -> Check:
    if name not in ALL:
        raise BadInput(f"There is no check “{name}”; choose from {', '.join(ALL)}.", where="check")
    return ALL[name]
