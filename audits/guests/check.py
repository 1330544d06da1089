"""A package's check, which asks, runs and shows like ours."""

from __future__ import annotations

import logging
import re
import sys
import tempfile
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from audits.guests import declaration
from audits.guests.packages import Package, Unusable, package
from audits.sandbox.failures import ChildFailed
from registry.models import ColumnRole, Dataset, Version
from trail.errors import BadInput

if TYPE_CHECKING:
    from audits.checks import Context, Measured
    from audits.checks.presenting import Figure, Section

log = logging.getLogger(__name__)

GROUP = "countersign.checks"
_MODULE = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", re.ASCII)
_PROGRESS_SECONDS = 0.5


@dataclass(eq=False)
class Guest:
    NAME: str
    VERSION: str
    TITLE: str
    ANSWERS: str
    SCHEMA: dict[str, Any]
    package: Package
    module: str
    reads: list[str] = field(default_factory=list)
    scores: bool = False

    def prepare(self, version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
        from audits.checks import columns, params, scoring

        stated = params.complete(self.SCHEMA, given)
        for param, (wanted, kind) in _named(self.SCHEMA, stated):
            column = columns.named(dataset, wanted, param)
            if kind == "number" and column["type"] not in columns.NUMERIC:
                raise columns.bad(param, f"{dataset.file_name}, column “{wanted}” holds {column['type']}, not numbers.")
            if kind == "few" and not column["values"]:
                raise columns.bad(param, f"{dataset.file_name}, column “{wanted}” holds more than 50 different values.")
        if self.scores and "score" not in stated:
            if name := columns.with_role(dataset, ColumnRole.SCORE, "score"):
                stated["score"] = name
            elif not scoring.scorable(version):
                raise scoring.lacking(version, dataset)
            else:
                stated |= scoring.artifact(version, dataset, stated)
        if "score" in stated and self.scores:
            columns.numeric(dataset, stated["score"], "score")
        if not self.scores and not self.columns(dataset, stated):
            sentence = f"{dataset.name} has no column for this check: it reads {', '.join(self.reads) or 'nothing'}."
            raise BadInput(sentence, where="dataset")
        return stated

    def columns(self, dataset: Dataset, stated: dict[str, Any]) -> list[str]:
        """What is handed over: the columns with the declared roles, and those that parameters name."""
        roles = [name for role in self.reads for name in dataset.names(ColumnRole(role))]
        named = [name for param, (name, _) in _named(self.SCHEMA, stated) if not (self.scores and param == "score")]
        return list(dict.fromkeys([*roles, *named]))

    def run(self, context: Context) -> Measured:
        from audits.checks import Measured, scoring
        from audits.guests import results
        from audits.sandbox import guest_child
        from registry import reading

        context.progress(0.05, "Reading the data")
        frame = reading.frame(context.dataset, self.columns(context.dataset, context.params))
        scored = scoring.scores(context) if self.scores else None
        with tempfile.TemporaryDirectory(prefix="countersign-") as folder:
            packed = Path(folder) / "package.zip"
            try:
                self.package.pack(packed)
            except Unusable as error:
                raise ChildFailed(f"The package {self.package.name}: {error}", kind="refused") from error
            found = guest_child.measure(
                package=packed,
                module=self.module,
                data=frame,
                scores=None if scored is None else scored.values,
                params=context.params,
                timeout=settings.JOB_TIMEOUT_SECONDS,
                on_progress=_slowly(context),
                cancelled=context.cancelled,
            )
        result = results.sound(found.result)
        if scored is not None:
            result["source"] = scored.source
            result["limitations"] += scored.limitations
        own = {"name": self.package.name, "version": self.package.version, "digest": self.package.digest}
        result["package"] = own
        libraries = found.libraries | (scored.libraries if scored else {})
        return Measured(result, libraries | {own["name"]: f"{own['version']} ({own['digest']})"})

    def figures(self, result: Mapping[str, Any]) -> Sequence[Figure]:
        from audits.guests import results

        return results.figures(result)

    def sections(self, result: Mapping[str, Any]) -> Sequence[Section]:
        from audits.guests import results

        return results.sections(result)


def found(taken: Container[str]) -> tuple[dict[str, Guest], dict[str, str]]:
    """The checks of installed packages by name, and why the others can't be used, by entry point and package."""
    usable: dict[str, Guest] = {}
    unusable: dict[str, str] = {}
    for distribution, point in _points():
        try:
            guest = _guest(distribution, point)
            if guest.NAME in taken or guest.NAME in usable:
                raise Unusable(f"there is a check “{guest.NAME}” already; give it another name.")
            usable[guest.NAME] = guest
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with a package, the app starts
            reason = str(error) if isinstance(error, Unusable) else f"it can’t be read: {error!r}."
            unusable[f"{point.name} of {distribution.name}"] = reason
            log.warning("The check %s of the package %s is not offered: %s", point.name, distribution.name, reason)
    return usable, unusable


def _points() -> Iterator[tuple[Distribution, EntryPoint]]:
    path = [*settings.CHECKS_PATH, *sys.path]
    seen: set[str] = set()
    for distribution in distributions(path=path):
        try:
            points = [point for point in distribution.entry_points if point.group == GROUP]
            name = distribution.name
        except Exception:
            log.warning("The metadata of a package can’t be read.", exc_info=True)
            continue
        if points and name not in seen:
            seen.add(name)
            yield from ((distribution, point) for point in sorted(points))


def _guest(distribution: Distribution, point: EntryPoint) -> Guest:
    if not _MODULE.fullmatch(point.value):
        raise Unusable(f"its entry point must name a module, such as acme.concentration, not {point.value!r}.")
    own = package(distribution)
    path = point.value.replace(".", "/")
    declared = declaration.read(own.read(f"{path}.json"), path=f"{path}.json")
    if declared.name != point.name:
        raise Unusable(f"its entry point is called {point.name}, and {path}.json declares “{declared.name}”.")
    if f"{path}.py" not in own.files:
        raise Unusable(f"its RECORD lists no {path}.py.")
    return Guest(
        NAME=declared.name,
        VERSION=declared.version,
        TITLE=declared.title,
        ANSWERS=declared.answers,
        SCHEMA=_schema(declared),
        package=own,
        module=point.value,
        reads=declared.reads,
        scores=declared.scores,
    )


def _schema(declared: declaration.Declaration) -> dict[str, Any]:
    from audits.checks import params

    shared = {"score": params.SCORE, "favourable": params.FAVOURABLE, "labels": params.LABELS}
    ours = shared if declared.scores else {}
    if clash := ours.keys() & declared.params.keys():
        raise Unusable(f"with “scores”, the parameter {min(clash)} has its meaning already.")
    return {"type": "object", "additionalProperties": False, "properties": declared.params | ours}


def _named(schema: dict[str, Any], stated: dict[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    """(parameter, (column, kind)) for each column that a parameter names."""
    for param, each in schema["properties"].items():
        if "x-column" in each and param in stated:
            yield param, (stated[param], each["x-column"])
        if "x-columns" in each and param in stated:
            yield from ((param, (str(name), each["x-columns"])) for name in stated[param])


def _slowly(context: Context) -> Any:
    """Pass on what a child says of its progress, as seldom as the database should be written."""
    last = [0.0]

    def progress(fraction: float, stage: str) -> None:
        if time.monotonic() - last[0] >= _PROGRESS_SECONDS:
            last[0] = time.monotonic()
            shown = "".join(letter for letter in stage[:100] if letter.isprintable())
            context.progress(0.8 + 0.2 * fraction, shown)

    return progress
