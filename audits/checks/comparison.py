"""Comparison: is this version better than the champion, on the same rows?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from audits.charts import specs
from audits.checks import columns, params, scoring
from audits.checks.context import Context, Measured
from audits.checks.presenting import Chart, Column, Figure, Figures, Section, Table
from registry import reading
from registry.models import ColumnRole, Dataset, Version

NAME = "comparison"
VERSION = "1"
TITLE = "Champion against challenger"
ANSWERS = (
    "Scores the same frozen rows with this version, the challenger, and with the champion, and says how they differ: "
    "in AUC (DeLong's paired test), in Brier score and log loss, in accuracy (McNemar's test), and how often they "
    "decide alike; each difference with its paired interval. Not for two versions measured on different rows, nor for "
    "rows that one of the two was trained on, which flatters that one."
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "champion": {
            "type": "string",
            "title": "Champion",
            "x-version": True,
            "description": "The version to compare with, whose artifact scores the same rows.",
        },
        "champion_score": {
            "type": "string",
            "title": "Champion's score",
            "x-column": "number",
            "description": "The column with the champion's scores, instead of its artifact.",
        },
        "target": params.TARGET,
        "score": params.SCORE,
        "threshold": params.THRESHOLD,
        "champion_threshold": {
            "type": "number",
            "description": "The champion's threshold; by default the challenger's.",
        },
        "favourable": params.FAVOURABLE,
        "confidence": params.CONFIDENCE,
        "labels": params.LABELS,
        "champion_labels": {
            **params.LABELS,
            "description": "What the champion's classes stand for, in its order, if it only numbers them.",
            "x-advanced": True,
        },
    },
}


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    target = columns.target(dataset, stated.get("target"))
    threshold = stated.get("threshold", scoring.DEFAULT_THRESHOLD)
    return (
        challenger(version, dataset, stated)
        | champion(version, dataset, stated)
        | {
            "target": target,
            "favourable": columns.favourable(dataset, target, stated.get("favourable")),
            "threshold": threshold,
            "champion_threshold": stated.get("champion_threshold", threshold),
            "confidence": stated["confidence"],
        }
    )


def challenger(version: Version, dataset: Dataset, stated: Mapping[str, Any]) -> dict[str, Any]:
    """A score column if one is named; else the version's artifact, or the column with the role if it has none."""
    name = stated.get("score")
    if name is None and version.artifact is None:
        name = columns.with_role(dataset, ColumnRole.SCORE, "score")
        if name is None:
            raise scoring.lacking(version, dataset)
    if name is None:
        return scoring.artifact(version, dataset, dict(stated))
    columns.numeric(dataset, name, "score")
    return {"score": name}


def champion(version: Version, dataset: Dataset, stated: Mapping[str, Any]) -> dict[str, Any]:
    if ("champion" in stated) == ("champion_score" in stated):
        raise columns.bad("champion", "Name the champion's version, or the column with its scores in “champion_score”.")
    if (name := stated.get("champion_score")) is not None:
        columns.numeric(dataset, name, "champion_score")
        if name == stated.get("score"):
            raise columns.bad("champion_score", f"“{name}” is the challenger's score as well.")
        return {"champion_score": name}
    other = Version.objects.select_related("artifact").get(pk=stated["champion"])
    if other == version and "score" not in stated:
        raise columns.bad("champion", f"{version} is the challenger itself; name another version.")
    if other.artifact is None:
        raise columns.bad("champion", f"{other} has no artifact to score with; name a column in “champion_score”.")
    named = scoring.artifact(other, dataset, {"labels": stated.get("champion_labels")})
    labels = {"champion_labels": named["labels"]} if "labels" in named else {}
    return {"champion": stated["champion"]} | labels


def run(context: Context) -> Measured:
    from audits.measures import labels, paired

    stated = context.params
    context.progress(0.05, "Reading the data")
    target = reading.frame(context.dataset, [stated["target"]])[stated["target"]]
    actual, _, _ = labels.positives(target=target, prediction=target, favourable=stated["favourable"])
    context.progress(0.1, "Scoring with the challenger")
    new = scoring.scores(context)
    context.progress(0.45, "Scoring with the champion")
    old = scoring.scores(of_champion(context))
    context.progress(0.9, "Comparing")
    result = paired.compare(
        target=actual,
        champion=old.values,
        challenger=new.values,
        champion_threshold=stated["champion_threshold"],
        challenger_threshold=stated["threshold"],
        confidence=stated["confidence"],
    )
    result |= {
        "favourable": stated["favourable"],
        "thresholds": {"champion": stated["champion_threshold"], "challenger": stated["threshold"]},
        "rows": {"n": len(actual), "digest": context.dataset.digest},
        "sources": {"champion": old.source, "challenger": new.source},
        "scores": {"champion": digest(old.values), "challenger": digest(new.values)},
        "limitations": list(dict.fromkeys([*said("Champion", old), *said("Challenger", new)])),
    }
    return Measured(result, old.libraries | new.libraries)


def of_champion(context: Context) -> Context:
    """The same rows, scored by the champion: its own labels, its own score column."""
    stated = {name: value for name, value in context.params.items() if name not in {"score", "labels"}}
    if "champion_score" in stated:
        return dataclasses.replace(context, params=stated | {"score": stated["champion_score"]})
    named = {"labels": stated["champion_labels"]} if "champion_labels" in stated else {}
    return dataclasses.replace(context, version=context.other_version("champion"), params=stated | named)


def said(who: str, scored: scoring.Scores) -> list[str]:
    return [f"{who}: {sentence}" for sentence in scored.limitations]


def digest(values: Any) -> str:
    """Of the scores as little-endian doubles, in the order of the rows."""
    from hashlib import sha256

    import numpy as np

    return "sha256:" + sha256(np.ascontiguousarray(values, dtype="<f8").tobytes()).hexdigest()


DIFFERENCES = {
    "auc": ("AUC difference", "above 0 the challenger separates better"),
    "brier": ("Brier score difference", "below 0 the challenger's probabilities are better"),
    "log_loss": ("Log loss difference", "in nats; below 0 the challenger's are better"),
    "accuracy": ("Accuracy difference", "above 0 the challenger decides better"),
}


def figures(result: Mapping[str, Any]) -> list[Figure]:
    found = [
        Figure.of(label, result[name]["difference"], hint=hint, kind="signed")
        for name, (label, hint) in DIFFERENCES.items()
        if name != "log_loss"
    ]
    return [*found, Figure.of("Decided alike", result["agreement"]["share"], kind="share")]


def sections(result: Mapping[str, Any]) -> list[Section]:
    lead = (
        f"Favourable outcome: {result['favourable']}. {result['n']:,} rows, the same for both. Each difference is the "
        f"challenger's less the champion's; intervals hold with a confidence of {result['confidence']:.0%}."
    )
    rows = [{"label": label, **result[name]["difference"]} for name, (label, _) in DIFFERENCES.items()]
    drawn = [{key: row[key] for key in ("label", "value", "low", "high")} for row in rows if row["low"] is not None]
    chart = Chart(
        "Differences",
        "Each difference with its paired interval; an interval off the dashed line shows one.",
        specs.dots(drawn, title="Challenger less champion", reference=0.0),
    )
    return [
        Section("", lead, [Figures(figures(result)), measures(result), *([chart] if drawn else [])]),
        Section("Decisions", "Where the two decide alike, and who is right where they don't.", [decisions(result)]),
    ]


def measures(result: Mapping[str, Any]) -> Table:
    titles = [Column("Measure"), Column("Champion", "number"), Column("Challenger", "number")]
    rows = []
    for name, (label, _) in DIFFERENCES.items():
        found = result[name]
        difference = Figure.of("", found["difference"], kind="signed")
        p_value = found.get("p_value", found["difference"].get("p_value"))
        cells = [Figure.of("", found[who]) for who in ("champion", "challenger")]
        rows.append([label.removesuffix(" difference"), *cells, difference, p_value])
    note = "p-values: DeLong's for the AUC, McNemar's exact one for the accuracy."
    ends = [Column("Difference", "signed"), Column("p-value", "number")]
    return Table("Champion and challenger on the same rows", [*titles, *ends], rows, note)


def decisions(result: Mapping[str, Any]) -> Table:
    found, agreed = result["accuracy"], result["agreement"]
    rows = [
        ["Both right", found["both_right"]],
        ["Only the champion right", found["only_champion_right"]],
        ["Only the challenger right", found["only_challenger_right"]],
        ["Neither right", found["neither_right"]],
        ["Favourable by the champion alone", agreed["only_champion"]],
        ["Favourable by the challenger alone", agreed["only_challenger"]],
    ]
    return Table("Rows by who was right", [Column("Decision"), Column("Rows", "count")], rows)
