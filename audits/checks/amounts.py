"""Columns of numbers that a check reads as amounts: what happened, and what was predicted."""

from __future__ import annotations

from audits.checks import columns, scoring
from audits.checks.context import Context
from audits.measures.errors import Unmeasurable
from registry.models import ColumnRole, Dataset, Version


def target(dataset: Dataset, given: str | None, param: str = "target") -> str:
    """The column with what really happened, as numbers without gaps."""
    name = given or columns.with_role(dataset, ColumnRole.TARGET, param)
    if name is None:
        raise columns.bad(param, f"{dataset.name} has no column with the role target: name one in “{param}”.")
    columns.numeric(dataset, name, param)
    return name


def prediction(version: Version, dataset: Dataset, given: str | None, *, param: str) -> dict[str, str]:
    """The column with predicted numbers, under `param`; nothing if the artifact predicts."""
    name = given
    for role in (ColumnRole.PREDICTION, ColumnRole.SCORE):
        name = name or columns.with_role(dataset, role, param)
    if name is not None:
        columns.numeric(dataset, name, param)
        return {param: name}
    if not scoring.scorable(version):
        raise scoring.lacking(version, dataset)
    scoring.artifact(version, dataset, {})
    return {}


def predicted(context: Context) -> scoring.Scores:
    """The artifact's raw numbers; a model of classes has none."""
    found = scoring.scores(context)
    if found.source.get("classes"):
        sentence = (
            "The artifact decides between classes and predicts no amounts: use the check performance or multiclass."
        )
        raise Unmeasurable(param="version", sentence=sentence)
    return found
