"""Fairness of amounts: are predicted numbers further off, or off in one direction, for some groups of people?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audits.charts import specs
from audits.checks import bands, columns, groups, groups_shown, params, scoring
from audits.checks.context import Context, Measured
from audits.checks.presenting import Chart, Column, Figure, Figures, Kind, Part, Section, Table, group
from registry import reading
from registry.models import ColumnRole, Dataset, Version
from trail.errors import BadInput

NAME = "fairness_amounts"
VERSION = "1"
TITLE = "Fairness of amounts between groups"
ANSWERS = (
    "Compares how far predicted amounts, such as a price, a limit or a duration, are from what happened in each group: "
    "mean error (who is over- or underestimated), mean absolute error and root mean squared error, with the largest "
    "difference between groups and its interval. It measures and does not judge. Not for decisions or probabilities, "
    "which the check fairness compares, or for outcomes recorded by the same people whose bias is in question."
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "target": params.TARGET | {"x-column": "number"},
        "prediction": {
            "type": "string",
            "description": "The column with the predicted amounts; by default the one with that role, or the artifact.",
            "x-column": "number",
        },
        "sensitive": groups.SENSITIVE,
        "bins": bands.SCHEMA,
        "intersections": groups.INTERSECTIONS,
        "tolerance": {
            "type": "number",
            "minimum": 0,
            "description": "A difference between groups above this is a breach, if its interval lies wholly above it; "
            "in the target's unit. Without it no answer is given.",
        },
        "confidence": params.CONFIDENCE,
        "min_group": groups.MIN_GROUP,
    },
    "$defs": {"edges": bands.EDGES},
}
MEASURES = {
    "mean_target": ("Mean target", "what really happened"),
    "mean_prediction": ("Mean prediction", ""),
    "mean_error": ("Mean error", "prediction less target: above 0, the group is overestimated"),
    "mean_absolute_error": ("MAE", "mean absolute error"),
    "root_mean_squared_error": ("RMSE", "root of the mean squared error"),
}
KEY = {"mean_error": "Mean-error difference", "root_mean_squared_error": "RMSE difference"}


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    target = amount(dataset, stated.get("target"))
    source = predicted(version, dataset, stated)
    options = {name: stated[name] for name in ("tolerance", "confidence", "min_group") if name in stated}
    return source | {"target": target} | groups.prepared(dataset, stated, {"target": target} | source) | options


def amount(dataset: Dataset, given: str | None) -> str:
    """The numeric column with what really happened."""
    name = given or columns.with_role(dataset, ColumnRole.TARGET, "target")
    if name is None:
        raise columns.bad("target", f"{dataset.name} has no column with the role target: name one in “target”.")
    column = columns.numeric(dataset, name, "target")
    if 0 < len(columns.values(column)) <= columns.BINARY:
        sentence = f"{dataset.file_name}, column “{name}” has two outcomes at most; the check fairness compares those."
        raise columns.bad("target", sentence)
    return name


def predicted(version: Version, dataset: Dataset, stated: dict[str, Any]) -> dict[str, Any]:
    """The numeric column with predictions; without one, the artifact predicts."""
    name = stated.get("prediction")
    for role in (ColumnRole.PREDICTION, ColumnRole.SCORE):
        name = name or columns.with_role(dataset, role, "prediction")
    if name is not None:
        columns.numeric(dataset, name, "prediction")
        return {"prediction": name}
    if not scoring.scorable(version):
        raise scoring.lacking(version, dataset)
    scoring.artifact(version, dataset, stated)
    return {}


def run(context: Context) -> Measured:
    from audits.measures import regression_gaps

    stated = context.params
    context.progress(0.05, "Reading the data")
    frame, sensitive = groups.read(context, stated["target"])
    prediction, scored = amounts(context)
    context.progress(0.8, "Comparing the groups")
    result = regression_gaps.assess(
        target=frame[stated["target"]],
        prediction=prediction,
        sensitive=sensitive,
        intersections=stated["intersections"],
        confidence=stated["confidence"],
        min_group=stated["min_group"],
        tolerance=stated.get("tolerance"),
    )
    groups.locate(context.dataset, result["excluded"], sensitive)
    result["source"] = scored.source
    result["limitations"] += scored.limitations
    return Measured(result, scored.libraries)


def amounts(context: Context) -> tuple[Any, scoring.Scores]:
    """Each row's predicted amount, and where it comes from."""
    if (name := context.params.get("prediction")) is not None:
        prediction = reading.frame(context.dataset, [name])[name]
        source = {"kind": "column", "prediction": name}
        return prediction, scoring.Scores(None, source, {}, scoring.brought(context))
    scored = scoring.scores(context)
    if scored.source["classes"]:
        sentence = f"{context.version}'s artifact predicts classes, not amounts: the check fairness compares those."
        raise BadInput(sentence, where="version")
    return scored.values, scored


def figures(result: Mapping[str, Any]) -> list[Figure]:
    return [
        Figure.of(f"{KEY[found['metric']]}, {found['attributes'][0]}", found)
        for found in result["disparities"]
        if found["metric"] in KEY and len(found["attributes"]) == 1
    ]


def sections(result: Mapping[str, Any]) -> list[Section]:
    lead = (
        f"{result['rows']:,} rows. Intervals hold with a confidence of {result['confidence']:.3g}. An error is the "
        "prediction less what happened, in the target's unit."
    )
    return [
        Section("", lead, [Figures(figures(result))]),
        *(by(result, attributes) for attributes in groups_shown.attribute_sets(result)),
        *groups_shown.excluded(result),
    ]


def by(result: Mapping[str, Any], attributes: tuple[str, ...]) -> Section:
    rows = groups_shown.of(result["groups"], attributes)
    said = groups_shown.titled(attributes)
    titles: list[tuple[str, Kind, str]] = [(title, "number", hint) for title, hint in MEASURES.values()]
    errors = [{"label": group(row["group"])} | row["mean_error"] for row in rows]
    overall = result["overall"]["mean_error"]["value"]
    answer = "A dot is a group's mean error, the line its interval, the dashed line the mean error over all rows."
    drawn = specs.dots(errors[: specs.MOST_GROUPS], title="Mean error", reference=overall)
    parts: list[Part] = [
        Chart(f"Mean error by {said}", answer, drawn),
        Table(
            f"Groups by {said}: amounts and errors with their intervals",
            [
                Column("Group"),
                Column("n", "count"),
                *(Column(title, kind, hint) for title, kind, hint in titles),
                Column("R²", "number", "share of the group's own spread that the predictions explain"),
            ],
            [[group(row["group"]), row["n"], *groups_shown.estimates(row, list(MEASURES)), row["r2"]] for row in rows],
            paged=len(rows) > groups_shown.MOST_PAGED,
        ),
        *groups_shown.gaps(groups_shown.of(result["disparities"], attributes), attributes, ends=("Lowest", "Highest")),
        *groups_shown.aggregates(groups_shown.of(result["aggregates"], attributes), attributes),
    ]
    return groups_shown.section(attributes, rows, parts)
