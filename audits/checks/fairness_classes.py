"""Fairness among several classes: are some groups of people put into a class more often, or more often wrongly?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audits.charts import specs
from audits.checks import bands, columns, groups, groups_shown, params, scoring
from audits.checks.context import Context, Measured
from audits.checks.presenting import Chart, Column, Figure, Figures, Part, Section, Table, group
from registry import reading
from registry.models import ColumnRole, Dataset, Version
from trail.errors import BadInput

NAME = "fairness_classes"
VERSION = "1"
TITLE = "Fairness among several classes"
ANSWERS = (
    "For decisions among three classes or more, compares for each class how often every group is put into it, rightly "
    "and wrongly (one class against the rest: assignment rate, true and false positive rate, precision), with ratios, "
    "differences, impact ratios and their intervals, and the accuracy over all classes. It measures and does not "
    "judge. Not for two outcomes, which the check fairness compares, for amounts, or for classes whose order matters."
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "target": params.TARGET,
        "prediction": params.PREDICTION,
        "sensitive": groups.SENSITIVE,
        "bins": bands.SCHEMA,
        "intersections": groups.INTERSECTIONS,
        "tolerance_ratio": groups.TOLERANCE_RATIO,
        "tolerance_difference": groups.TOLERANCE_DIFFERENCE,
        "confidence": params.CONFIDENCE,
        "replicates": groups.REPLICATES,
        "seed": params.SEED,
        "min_group": groups.MIN_GROUP,
        "multiplicity": groups.MULTIPLICITY,
        "leave_out_small": groups.LEAVE_OUT_SMALL,
        "labels": params.LABELS,
    },
    "$defs": {"edges": bands.EDGES},
}
OPTIONS = (
    "tolerance_ratio",
    "tolerance_difference",
    "confidence",
    "replicates",
    "seed",
    "min_group",
    "multiplicity",
    "leave_out_small",
)


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    target = columns.target(dataset, stated.get("target"))
    if len(columns.values(columns.named(dataset, target, "target"))) == columns.BINARY:
        sentence = f"{dataset.file_name}, column “{target}” has two outcomes; the check fairness compares those."
        raise columns.bad("target", sentence)
    source = decisions(version, dataset, stated)
    scoring.check(dataset, source, target)
    return source | {
        "target": target,
        **groups.prepared(dataset, stated, {"target": target} | source),
        **{name: stated[name] for name in OPTIONS},
    }


def decisions(version: Version, dataset: Dataset, stated: dict[str, Any]) -> dict[str, Any]:
    """The column with the decisions; without one, the artifact decides for its likeliest class."""
    name = stated.get("prediction") or columns.with_role(dataset, ColumnRole.PREDICTION, "prediction")
    if name is not None:
        return {"prediction": name}
    if version.artifact is None:
        raise scoring.lacking(version, dataset)
    return scoring.artifact(version, dataset, stated)


def run(context: Context) -> Measured:
    from audits.measures import class_gaps

    stated = context.params
    context.progress(0.05, "Reading the data")
    frame, sensitive = groups.read(context, stated["target"])
    prediction, source, libraries, limitations = decided(context)
    context.progress(0.8, "Counting and comparing the groups")
    result = class_gaps.assess(
        target=frame[stated["target"]],
        prediction=prediction,
        sensitive=sensitive,
        intersections=stated["intersections"],
        **{name: stated[name] for name in OPTIONS},
        on_progress=lambda share: context.progress(0.8 + 0.15 * share, "Comparing the groups, class by class"),
    )
    groups.locate(context.dataset, result["excluded"], sensitive)
    result["source"] = source
    result["limitations"] += limitations
    return Measured(result, libraries)


def decided(context: Context) -> tuple[Any, dict[str, Any], dict[str, str], list[str]]:
    """Each row's class; where it comes from, the libraries that made it, and what limits it."""
    if (name := context.params.get("prediction")) is not None:
        prediction = reading.frame(context.dataset, [name])[name]
        return prediction, {"kind": "column", "prediction": name}, {}, scoring.brought(context)
    context.progress(0.1, "Scoring the rows")
    with scoring.scorer(context) as score:
        score(reading.frame(context.dataset, context.dataset.names(ColumnRole.FEATURE)))
        found = score.last
    if found.labels is None:
        sentence = (
            f"{context.version}'s artifact gives amounts, not classes: the check fairness_amounts compares those."
        )
        raise BadInput(sentence, where="version")
    source = {"kind": "artifact", "digest": context.version.digest, "scale": found.scale, "classes": found.classes}
    return found.labels, source, found.libraries, list(found.notes)


def figures(result: Mapping[str, Any]) -> list[Figure]:
    """The accuracy over all rows, and its difference for each attribute alone."""
    return [
        Figure.of("Accuracy", result["overall"]["accuracy"]),
        *(
            Figure.of(f"Accuracy difference, {found['attributes'][0]}", found)
            for found in result["disparities"]
            if found["class"] is None and found["kind"] == "difference" and len(found["attributes"]) == 1
        ),
    ]


def sections(result: Mapping[str, Any]) -> list[Section]:
    lead = (
        f"{result['rows']:,} rows, {len(result['classes'])} classes. Intervals hold with a confidence of "
        f"{result['confidence']:.3g}. Rates are shares from 0 to 1."
    )
    sets = groups_shown.attribute_sets(result)
    return [
        Section("", lead, [Figures(figures(result)), confusion(result)]),
        Section("All classes", "The share of right decisions.", list(accuracy(result, sets))),
        *(
            Section(f"Class {name}", "This class against the rest.", list(of_class(result, name, sets)))
            for name in result["classes"]
        ),
        *groups_shown.excluded(result),
    ]


def confusion(result: Mapping[str, Any]) -> Table:
    classes = result["classes"]
    rows = [[name, *line] for name, line in zip(classes, result["overall"]["confusion"], strict=True)]
    titles = [Column("Was"), *(Column(f"Said {name}", "count") for name in classes)]
    return Table("Rows by what happened and what was decided", titles, rows)


def accuracy(result: Mapping[str, Any], sets: list[tuple[str, ...]]) -> Iterator[Part]:
    for attributes in sets:
        rows = of_one(result["groups"], None, attributes)
        said = groups_shown.titled(attributes)
        dots = [{"label": group(row["group"])} | row["accuracy"] for row in rows[: specs.MOST_GROUPS]]
        drawn = specs.dots(dots, title="Accuracy", reference=result["overall"]["accuracy"]["value"])
        answer = "A dot is a group's accuracy, the line its interval, the dashed line the accuracy over all rows."
        cells = [[group(row["group"]), row["n"], Figure.of("", row["accuracy"])] for row in rows]
        titles = [Column("Group"), Column("n", "count"), Column("Accuracy", "number")]
        yield Chart(f"Accuracy by {said}", answer, drawn, Table(f"Accuracy by {said}", titles, cells))
    for attributes in sets:
        yield from groups_shown.gaps(of_one(result["disparities"], None, attributes), attributes)


def of_class(result: Mapping[str, Any], name: str, sets: list[tuple[str, ...]]) -> Iterator[Part]:
    for attributes in sets:
        yield from groups_shown.rates(of_one(result["groups"], name, attributes), attributes)
        yield from groups_shown.gaps(of_one(result["disparities"], name, attributes), attributes)
        yield from groups_shown.comparisons(of_one(result["comparisons"], name, attributes), result)
        for found in of_one(result["impact"], name, attributes):
            yield groups_shown.impact(found, attributes)


def of_one(rows: list[Mapping[str, Any]], name: str | None, attributes: tuple[str, ...]) -> list[Mapping[str, Any]]:
    return [row for row in groups_shown.of(rows, attributes) if row["class"] == name]
