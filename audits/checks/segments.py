"""Segments: for which rows is the model worst?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audits.charts import specs
from audits.checks import columns, params, scoring
from audits.checks.context import Context, Measured
from audits.checks.presenting import Chart, Column, Figure, Figures, Section, Table
from registry import reading
from registry.models import ColumnRole, Dataset, Version

NAME = "segments"
VERSION = "1"
TITLE = "Segments where the model is worst"
ANSWERS = (
    "Searches bands and values of one feature and of pairs of features for the rows in which the model errs most, and "
    "tests on other rows what it found: half of the rows finds the segments, the other half says how much worse they "
    "really are, with an interval and p-values adjusted for the number of segments tested. Not for causes, not for "
    "proof that no weak segment exists, and not in place of a fairness check, whose groups are chosen beforehand."
)
MOST_FEATURES = 60
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "target": params.TARGET,
        "prediction": params.PREDICTION,
        "score": params.SCORE,
        "threshold": params.THRESHOLD,
        "favourable": params.FAVOURABLE,
        "features": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": MOST_FEATURES,
            "uniqueItems": True,
            "x-columns": "any",
            "description": "The columns whose values make the segments; by default those with the role feature or "
            "sensitive.",
        },
        "loss": {
            "enum": ["error", "squared"],
            "default": "error",
            "description": "What counts as worse: more wrong decisions, or a larger squared error of the probability.",
        },
        "pairs": {"type": "boolean", "default": True, "description": "Whether to cross the features two by two."},
        "bands": {
            "type": "integer",
            "minimum": 2,
            "maximum": 20,
            "default": 4,
            "description": "Equally full bands of a column of numbers.",
            "x-advanced": True,
        },
        "min_rows": {
            "type": "integer",
            "minimum": 10,
            "default": 30,
            "description": "The fewest rows of a segment, in each half.",
            "x-advanced": True,
        },
        "most": {
            "type": "integer",
            "minimum": 1,
            "maximum": 100,
            "default": 10,
            "description": "How many segments are tested.",
            "x-advanced": True,
        },
        "confidence": params.CONFIDENCE,
        "seed": params.SEED,
        "labels": params.LABELS,
    },
}
KEPT = ("loss", "pairs", "bands", "min_rows", "most", "confidence", "seed")


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    target = columns.target(dataset, stated.get("target"))
    source = scoring.decisions(version, dataset, stated)
    scoring.check(dataset, source, target)
    if stated["loss"] == "squared" and "prediction" in source:
        raise columns.bad("loss", "Decisions have no squared error: name the score column in “score”.")
    if dataset.row_count < 4 * stated["min_rows"]:
        sentence = f"{dataset.row_count} rows are too few for segments of {stated['min_rows']} rows in each half."
        raise columns.bad("min_rows", sentence)
    return source | {
        "target": target,
        "favourable": columns.favourable(dataset, target, stated.get("favourable")),
        "features": features(dataset, stated, {target, source.get("prediction"), source.get("score")}),
        **{name: stated[name] for name in KEPT},
    }


def features(dataset: Dataset, stated: Mapping[str, Any], used: set[str | None]) -> list[str]:
    """The columns that make segments; not those that say what happened or was decided."""
    if "features" in stated:
        for name in stated["features"]:
            columns.named(dataset, name, "features")
            if name in used:
                raise columns.bad("features", f"“{name}” says what happened or was decided; segments come from others.")
        return list(stated["features"])
    roles = (ColumnRole.FEATURE, ColumnRole.SENSITIVE)
    found = list(dict.fromkeys(name for role in roles for name in dataset.names(role) if name not in used))
    if not found:
        sentence = f"{dataset.name} has no column with the role feature or sensitive: name columns in “features”."
        raise columns.bad("features", sentence)
    if len(found) > MOST_FEATURES:
        sentence = f"{dataset.name} has {len(found)} columns to search: name at most {MOST_FEATURES} in “features”."
        raise columns.bad("features", sentence)
    return found


def run(context: Context) -> Measured:
    from audits.measures import labels, segments

    stated = context.params
    context.progress(0.05, "Reading the data")
    wanted = [stated["target"], *([stated["prediction"]] if "prediction" in stated else [])]
    frame = reading.frame(context.dataset, [*wanted, *stated["features"]])
    target = frame[stated["target"]]
    said = frame[stated["prediction"]] if "prediction" in stated else target
    actual, decided, _ = labels.positives(target=target, prediction=said, favourable=stated["favourable"])
    scored = scoring.Scores(None, {"kind": "column", **wanted_of(stated)}, {}, scoring.brought(context))
    if "prediction" not in stated:
        scored = scoring.scores(context)
        decided = scored.values >= stated["threshold"]
    context.progress(0.4, "Searching")
    result = segments.search(
        features={name: frame[name] for name in stated["features"]},
        loss=decided != actual if stated["loss"] == "error" else squared(actual, scored.values),
        least=stated["min_rows"],
        **{name: stated[name] for name in ("pairs", "bands", "most", "confidence", "seed")},
        progress=lambda share: context.progress(0.4 + 0.5 * share, "Searching"),
    )
    result |= {"measure": stated["loss"], "favourable": stated["favourable"], "source": scored.source}
    result["limitations"] = scored.limitations
    return Measured(result, scored.libraries)


def wanted_of(stated: Mapping[str, Any]) -> dict[str, Any]:
    return {"prediction": stated["prediction"]} if "prediction" in stated else {}


def squared(actual: Any, score: Any) -> Any:
    """The rows' parts of the Brier score."""
    from audits.measures.errors import Unmeasurable

    if score.min() < 0 or score.max() > 1:
        sentence = "The scores lie outside 0 to 1 and are no probabilities: choose the loss “error”."
        raise Unmeasurable(param="loss", sentence=sentence)
    return (score - actual) ** 2


def named(where: list[dict[str, Any]]) -> str:
    """A segment in words: age above 30 to 45, region = south."""
    return ", ".join(part(each) for each in where)


def part(found: Mapping[str, Any]) -> str:
    if "other" in found:
        return f"{found['feature']} = any rarer value"
    if "is" in found:
        if found["is"] is None:
            return f"{found['feature']} missing"
        return f"{found['feature']} = {found['is']}"
    low, high = found["above"], found["to"]
    if low is None:
        return f"{found['feature']} ≤ {high:.6g}"
    return f"{found['feature']} > {low:.6g}" + ("" if high is None else f" to {high:.6g}")


def figures(result: Mapping[str, Any]) -> list[Figure]:
    rows = result["segments"]
    shown = Figure("Mean loss", result["loss"], hint="share of wrong decisions")
    if result["measure"] == "squared":
        shown = Figure("Mean loss", result["loss"], hint="Brier score")
    alarm = 1 - result["confidence"]
    worse = sum(row["p_holm"] is not None and row["p_holm"] < alarm for row in rows)
    found = [
        shown,
        Figure("Worse segments", worse, hint=f"of {len(rows)} tested, at {alarm:.2g} by Holm", kind="count"),
    ]
    known = [row for row in rows if row["difference"]["value"] is not None]
    if known:
        worst = max(known, key=lambda row: float(row["difference"]["value"]))
        found.append(Figure.of("Largest difference", worst["difference"], hint=named(worst["where"]), kind="signed"))
    return found


def sections(result: Mapping[str, Any]) -> list[Section]:
    lead = (
        f"Favourable outcome: {result['favourable']}. {result['tried']:,} segments were tried on "
        f"{result['found_on']:,} rows and the worst tested on {result['tested_on']:,} others. Intervals hold with a "
        f"confidence of {result['confidence']:.0%}, each by itself."
    )
    found = [Section("", lead, [Figures(figures(result))])]
    if not result["segments"]:
        return found
    drawn = [{"label": named(row["where"]), **row["difference"]} for row in result["segments"]]
    drawn = [row for row in drawn if row["low"] is not None]
    chart = Chart(
        "How much worse each segment is",
        "Mean loss inside less outside, on rows that did not find the segment.",
        specs.dots(drawn, title="Difference of mean losses", reference=0.0),
    )
    return [*found, Section("Segments", "", [*([chart] if drawn else []), listed(result)])]


def listed(result: Mapping[str, Any]) -> Table:
    titles = [
        Column("Segment"),
        Column("Rows", "count"),
        Column("Inside", "number", "mean loss inside"),
        Column("Outside", "number", "mean loss of all other rows"),
        Column("Difference", "signed"),
        Column("Where found", "signed", "difference on the rows that found it, which flatters the search"),
        Column("p (Holm)", "number", "adjusted so that any false alarm is bounded"),
        Column("p (BH)", "number", "adjusted so that the share of false alarms is bounded"),
    ]
    rows = [
        [
            named(row["where"]),
            row["n"],
            row["inside"],
            row["outside"],
            Figure.of("", row["difference"] | {"reason": row.get("reason")}, kind="signed"),
            row["found"]["difference"],
            row["p_holm"],
            row["p_bh"],
        ]
        for row in result["segments"]
    ]
    return Table("Segments, the worst where they were found first", titles, rows)
