"""Fairness: do groups of people get different outcomes, and different errors?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version as installed
from typing import Any

from django.core.files.storage import default_storage

from audits.charts import specs
from audits.checks import bands, columns, groups, groups_shown, params, scoring
from audits.checks.context import Context, Measured
from audits.checks.presenting import Chart, Column, Figure, Figures, Part, Section, Table, group, words
from registry import reading
from registry.models import Dataset, Version

NAME = "fairness"
VERSION = "2"
TITLE = "Fairness between groups"
ANSWERS = (
    "Compares how often each group gets the favourable decision, and how often the decision is wrong for it: selection "
    "rate, true and false positive rate, false negative rate, precision and accuracy per group and per intersection, "
    "with the ratio and the difference between the best and the worst treated group and their intervals, with impact "
    "ratios, tests against the largest group and the smallest gap the sample could have shown; and where there are "
    "scores, calibration, AUC and score distributions per group. It measures and does not judge: which gap is too "
    "large is for the policy. Not for outcomes recorded by the same people whose bias is in question, or for groups of "
    "a handful of rows, whose intervals say so; for amounts and for several classes there are checks of their own."
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "target": params.TARGET,
        "prediction": params.PREDICTION,
        "score": params.SCORE,
        "threshold": params.THRESHOLD,
        "favourable": params.FAVOURABLE,
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
        "calibration_bins": {
            "type": "integer",
            "minimum": 1,
            "maximum": 100,
            "default": 10,
            "description": "Bins of each group's calibration, equally wide; where there are scores.",
            "x-advanced": True,
        },
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
    "calibration_bins",
)


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    target = columns.target(dataset, stated.get("target"))
    source = scoring.decisions(version, dataset, stated)
    scoring.check(dataset, source, target)
    return source | {
        "target": target,
        "favourable": columns.favourable(dataset, target, stated.get("favourable")),
        **groups.prepared(dataset, stated, {"target": target} | source),
        **{name: stated[name] for name in OPTIONS},
    }


def run(context: Context) -> Measured:
    """Decisions that the dataset brings are counted in its file; scores are compared row by row."""
    from audits.engines.errors import NotCounted

    if "prediction" in context.params:
        with suppress(NotCounted):
            return counted(context)
    return read(context)


def counted(context: Context) -> Measured:
    """From counts that DuckDB makes of the file, whatever its size; raises NotCounted where it can't be trusted to."""
    from audits.engines import files
    from audits.engines.queries import Bands, Decisions
    from audits.measures import fairness, labels

    stated, dataset = context.params, context.dataset
    context.progress(0.05, "Counting in the file")
    reading.refuse_altered(dataset)
    cut = {
        name: Bands(tuple(band["edges"]), band["right"], tuple(bands.labels(**band)))
        for name, band in stated["bins"].items()
    }
    found = files.count(
        default_storage.path(dataset.path),
        format=dataset.format,
        types={column["name"]: column["type"] for column in dataset.columns},
        rows=dataset.row_count,
        decisions=Decisions(
            target=stated["target"],
            prediction=stated["prediction"],
            sensitive=tuple(stated["sensitive"]),
            bands=cut,
        ),
        favourable=stated["favourable"],
        attribute_sets=fairness.chosen(stated["sensitive"], stated["intersections"]),
    )
    context.progress(0.8, "Comparing the groups")
    result = fairness.of_counts(
        found.tables,
        **{name: stated[name] for name in OPTIONS if name != "calibration_bins"},
        on_progress=lambda share: context.progress(0.8 + 0.15 * share, stage(share, stated["replicates"])),
    )
    result["favourable"] = labels.plain(stated["favourable"])
    if any(row["n"] == 1 for row in result["excluded"]):
        _, sensitive = groups.read(context, stated["target"])
        groups.locate(dataset, result["excluded"], sensitive)
    result["source"] = {"kind": "column", "prediction": stated["prediction"]}
    brought = [*fairness.collapsed(found.labels, stated["favourable"]), *result["limitations"]]
    result["limitations"] = [*brought, *scoring.brought(context)]
    return Measured(result, {"duckdb": installed("duckdb")})


def read(context: Context) -> Measured:
    """From the rows themselves."""
    from audits.measures import fairness

    stated = context.params
    context.progress(0.05, "Reading the data")
    frame, sensitive = groups.read(context, stated["target"])
    prediction, scored = decided(context, frame[stated["target"]])
    context.progress(0.8, "Counting and comparing the groups")
    result = fairness.assess(
        target=frame[stated["target"]],
        prediction=prediction,
        score=scored.values,
        sensitive=sensitive,
        **{name: stated[name] for name in ("favourable", "intersections", *OPTIONS)},
        on_progress=lambda share: context.progress(0.8 + 0.15 * share, stage(share, stated["replicates"])),
    )
    groups.locate(context.dataset, result["excluded"], sensitive)
    result["source"] = scored.source
    result["limitations"] += scored.limitations
    return Measured(result, scored.libraries)


def stage(share: float, replicates: int) -> str:
    if share == 1:
        return "Comparing the scores of the groups"
    return "Redrawing the counts for the intervals" if replicates else "Comparing the groups"


def decided(context: Context, target: Any) -> tuple[Any, scoring.Scores]:
    """Each row's decision as one of the target's values."""
    import numpy as np

    from audits.measures import labels

    if (name := context.params.get("prediction")) is not None:
        prediction = reading.frame(context.dataset, [name])[name]
        return prediction, scoring.Scores(None, {"kind": "column", "prediction": name}, {}, scoring.brought(context))
    scored = scoring.scores(context)
    favourable, threshold = context.params["favourable"], context.params["threshold"]
    other = next(v for v in target.unique() if labels.canonical(v) != labels.canonical(favourable))
    prediction = np.where(scored.values >= threshold, np.array(favourable, dtype=object), np.array(other, dtype=object))
    scored.source["threshold"] = threshold
    scored.limitations.extend(scoring.one_sided(scored.values, threshold))
    return prediction, scored


KEY = {
    ("selection_rate", "ratio"): "Selection-rate ratio",
    ("equalized_odds", "difference"): "Equalized-odds difference",
}


def figures(result: Mapping[str, Any]) -> list[Figure]:
    """Two for each attribute alone; intersections are in the sections."""
    return [
        Figure.of(f"{KEY[found['metric'], found['kind']]}, {found['attributes'][0]}", found)
        for found in result.get("disparities", [])
        if (found["metric"], found["kind"]) in KEY and len(found.get("attributes", [])) == 1
    ]


def sections(result: Mapping[str, Any]) -> list[Section]:
    return [
        Section("", introduced(result), [Figures(figures(result))]),
        *(by(result, attributes) for attributes in groups_shown.attribute_sets(result)),
        *groups_shown.excluded(result),
    ]


def introduced(result: Mapping[str, Any]) -> str:
    redrawn = (
        f"; those of gaps come from {result['replicates']:,} redrawn tables, seed {result['seed']}"
        if result.get("replicates")
        else ""
    )
    return (
        f"Favourable outcome: {result['favourable']}. {result['rows']:,} rows. Intervals hold with a confidence of "
        f"{result['confidence']:.3g}{redrawn}. Rates are shares from 0 to 1."
    )


def by(result: Mapping[str, Any], attributes: tuple[str, ...]) -> Section:
    """Everything about one set of attributes: rates, gaps, tests, impact ratios and scores."""
    of, shown = groups_shown.of, groups_shown
    rows = of(result["groups"], attributes)
    parts: list[Part] = [
        shown.drawn(rows, result["overall"], attributes),
        *shown.rates(rows, attributes),
        *shown.gaps(of(result["disparities"], attributes), attributes),
        *shown.comparisons(of(result.get("comparisons"), attributes), result),
        *(shown.impact(found, attributes) for found in of(result.get("impact"), attributes)),
        *shown.aggregates(of(result.get("aggregates"), attributes), attributes),
        *scored(result.get("scores"), attributes),
    ]
    return shown.section(attributes, rows, parts)


def scored(found: Mapping[str, Any] | None, attributes: tuple[str, ...]) -> Iterator[Part]:
    if not found:
        return
    rows = groups_shown.of(found["groups"], attributes)
    said = groups_shown.titled(attributes)
    names = ("mean_score", "auc", "calibration_gap")
    table = Table(
        f"Scores by {said}",
        [
            Column("Group"),
            Column("n", "count"),
            Column("Mean score", "number"),
            Column("AUC", "number", "1 separates perfectly, 0.5 not at all"),
            Column("Rate less score", "number", "observed rate less mean score: 0 if calibrated"),
            Column("ECE", "number", "calibration error: mean gap between score and observed rate, bin by bin"),
        ],
        [[group(row["group"]), row["n"], *groups_shown.estimates(row, names), row["ece"]] for row in rows],
        paged=len(rows) > groups_shown.MOST_PAGED,
    )
    dots = [{"label": group(row["group"])} | {key: row["auc"][key] for key in ("value", "low", "high")} for row in rows]
    drawn = specs.dots(dots[: specs.MOST_GROUPS], title="AUC", reference=found["overall"]["auc"]["value"])
    answer = "How well the scores separate the outcomes in each group; the dashed line is the AUC over all rows."
    yield Chart(f"AUC by {said}", answer, drawn)
    yield table
    yield from score_gaps(found, attributes)
    if bins := calibrated(rows):
        yield Table(
            f"Calibration within the groups of {said}",
            [
                Column("Group"),
                Column("Scores"),
                Column("n", "count"),
                Column("Mean score", "number"),
                Column("Observed rate", "number"),
            ],
            bins,
            paged=True,
        )


def score_gaps(found: Mapping[str, Any], attributes: tuple[str, ...]) -> Iterator[Table]:
    said = groups_shown.titled(attributes)
    if rows := groups_shown.of(found["disparities"], attributes):
        yield Table(
            f"Differences in scores between the groups of {said}",
            [
                Column("Measure"),
                Column("Difference", "number"),
                Column("Beyond tolerance?"),
                Column("Lowest"),
                Column("Highest"),
            ],
            [
                [
                    {"auc": "AUC"}.get(row["metric"], words(row["metric"])),
                    Figure.of("", row),
                    groups_shown.said(row),
                    group(row["worst"]),
                    group(row["reference"]),
                ]
                for row in rows
            ],
        )
    if rows := groups_shown.of(found["distances"], attributes):
        yield Table(
            f"Score distributions against the largest group, {group(rows[0]['reference'])}",
            [
                Column("Group"),
                Column("Mean difference", "number"),
                Column("KS", "number", "largest gap between the distribution functions"),
                Column("Wasserstein", "number", "area between the distribution functions, in the unit of the score"),
            ],
            [
                [group(row["group"]), Figure.of("", row["mean_difference"]), row["ks"], row["wasserstein"]]
                for row in rows
            ],
            paged=len(rows) > groups_shown.MOST_PAGED,
        )


def calibrated(rows: list[Mapping[str, Any]]) -> list[list[Any]]:
    return [
        [
            group(row["group"]),
            f"{each['low']:.3g} to {each['high']:.3g}",
            each["n"],
            each["mean_score"],
            Figure("", each["observed_rate"], each["observed_low"], each["observed_high"]),
        ]
        for row in rows
        for each in row["calibration"] or []
        if each["n"]
    ]
