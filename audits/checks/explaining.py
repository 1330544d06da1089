"""What the checks that ask the model itself for explanations state alike."""

from __future__ import annotations

from typing import Any

from audits.checks import columns
from registry.models import ColumnRole, Dataset, Version
from trail.errors import BadInput


def require_artifact(version: Version) -> None:
    if version.artifact is None:
        sentence = (
            f"{version} has no artifact, and an explanation runs the model itself: register one with its artifact."
        )
        raise BadInput(sentence, where="version")


def outcome(dataset: Dataset, stated: dict[str, Any]) -> dict[str, Any]:
    """The target with its favourable value; nothing of a target of amounts that no parameter names."""
    given = stated.get("target")
    name = given or columns.with_role(dataset, ColumnRole.TARGET, "target")
    if name is None or (given is None and of_amounts(dataset, name)):
        return {"favourable": stated["favourable"]} if "favourable" in stated else {}
    target = columns.target(dataset, name)
    return {"target": target, "favourable": columns.favourable(dataset, target, stated.get("favourable"))}


def of_amounts(dataset: Dataset, name: str) -> bool:
    """Whether a column holds more different numbers than a target of outcomes may."""
    column = columns.named(dataset, name, "target")
    return column["type"] in columns.NUMERIC and not column["values"]


def require_feature(dataset: Dataset, name: str, param: str) -> None:
    columns.named(dataset, name, param)
    features = dataset.names(ColumnRole.FEATURE)
    if name not in features:
        raise columns.bad(param, f"“{name}” is no feature of {dataset.name}; there are {columns.listed(features)}.")
