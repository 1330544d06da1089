"""Multi-class performance: how good are decisions between several classes?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audits.charts import specs
from audits.checks import columns, params, scoring
from audits.checks.context import Context, Measured
from audits.checks.presenting import Chart, Column, Figure, Figures, Part, Section, Table
from registry import reading
from registry.models import ColumnRole, Dataset, Version

NAME = "multiclass"
VERSION = "1"
TITLE = "Performance over several classes"
ANSWERS = (
    "Says how decisions between several classes fare: accuracy, precision, recall and F1 of each class with macro, "
    "weighted and micro averages, the confusion of each class with each, and, where each class has a score, log loss "
    "and the AUC of each class against the rest. Not for data the model was trained on, or for classes that are an "
    "order or an amount, where being wrong by one is less than being wrong by three."
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "target": params.TARGET,
        "prediction": params.PREDICTION,
        "scores": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "minProperties": 2,
            "description": "The column with each class's score, by class; without prediction the highest decides.",
            "x-advanced": True,
        },
        "confidence": params.CONFIDENCE,
        "labels": params.LABELS,
    },
}


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    target = columns.target(dataset, stated.get("target"))
    source = sources(version, dataset, stated)
    if "prediction" in source:
        columns.complete(dataset, source["prediction"], "prediction")
        columns.comparable(dataset, source["prediction"], target)
    for name in source.get("scores", {}).values():
        columns.numeric(dataset, name, "scores")
    if "scores" in source:
        require_every_class(dataset, target, source["scores"])
    return source | {"target": target, "confidence": stated["confidence"]}


def sources(version: Version, dataset: Dataset, stated: dict[str, Any]) -> dict[str, Any]:
    """`prediction`, `scores` or both; neither has the artifact score the rows."""
    found: dict[str, Any] = {name: stated[name] for name in ("prediction", "scores") if name in stated}
    if not found and (name := columns.with_role(dataset, ColumnRole.PREDICTION, "prediction")) is not None:
        found = {"prediction": name}
    if found:
        return found
    if version.artifact is None:
        raise scoring.lacking(version, dataset)
    return scoring.artifact(version, dataset, stated)


def require_every_class(dataset: Dataset, target: str, scores: Mapping[str, str]) -> None:
    known = {columns.spelled(label) for label in scores}
    held = columns.values(columns.named(dataset, target, "target"))
    if lacking := [value for value in held if columns.spelled(value) not in known]:
        raise columns.bad("scores", f"“{target}” also holds {columns.listed(lacking)}: name a column for each class.")


def run(context: Context) -> Measured:
    import numpy as np

    from audits.measures import multiclass
    from audits.measures.errors import Unmeasurable

    stated = context.params
    context.progress(0.05, "Reading the data")
    named = [stated[name] for name in ("target", "prediction") if name in stated]
    frame = reading.frame(context.dataset, [*named, *stated.get("scores", {}).values()])
    source: dict[str, Any] = {"kind": "column"}
    libraries, notes = {}, scoring.brought(context)
    scores, classes, decided = None, None, None
    if "scores" in stated:
        classes = list(stated["scores"])
        scores = frame[list(stated["scores"].values())].to_numpy(dtype=float)
    elif "prediction" not in stated:
        features = reading.frame(context.dataset, context.dataset.names(ColumnRole.FEATURE))
        context.progress(0.1, "Scoring")
        with scoring.scorer(context) as score:
            score(features)
        found = score.last
        if not found.classes:
            raise Unmeasurable(param="version", sentence="The artifact predicts amounts and knows no classes.")
        scores, classes, libraries, notes = found.scores, found.classes, found.libraries, found.notes
        source = {"kind": "artifact", "digest": context.version.digest, "scale": found.scale, "classes": classes}
    if "prediction" in stated:
        decided = frame[stated["prediction"]]
    elif scores is not None and classes is not None:
        decided = np.array(classes, dtype=object)[np.argmax(scores, axis=1)]
    context.progress(0.85, "Measuring")
    result = multiclass.assess(
        target=frame[stated["target"]],
        prediction=decided,
        scores=scores,
        classes=classes,
        confidence=stated["confidence"],
    )
    result["source"] = source | {name: stated[name] for name in ("prediction", "scores") if name in stated}
    result["limitations"] += notes
    return Measured(result, libraries)


def figures(result: Mapping[str, Any]) -> list[Figure]:
    found = [
        Figure.of("Accuracy", result["accuracy"], hint="share of right decisions"),
        Figure.of("Macro F1", result["macro_f1"], hint="mean over the classes"),
        Figure.of("Weighted F1", result["weighted_f1"], hint="weighted by the classes' rows"),
    ]
    if "log_loss" in result:
        found.append(Figure.of("Log loss", result["log_loss"], hint="in nats; lower is better"))
        found.append(Figure.of("Macro AUC", result["macro_auc"], hint="each class against the rest"))
    return found


def sections(result: Mapping[str, Any]) -> list[Section]:
    lead = (
        f"{result['n']:,} rows, {len(result['classes'])} classes. Intervals hold with a confidence of "
        f"{result['confidence']:.0%}."
    )
    return [
        Section("", lead, [Figures(figures(result))]),
        Section("By class", "", list(by_class(result))),
        Section("Confusion", "What each class was decided as.", [confusion(result)]),
    ]


def by_class(result: Mapping[str, Any]) -> list[Part]:
    scored = "log_loss" in result
    titles = [
        Column("Class"),
        Column("Rows", "count"),
        Column("Decided", "count"),
        Column("Precision", "share"),
        Column("Recall", "share"),
        Column("F1", "number"),
        *([Column("AUC", "number", "the class against the rest")] if scored else []),
    ]
    rows = [
        [
            row["class"],
            row["support"],
            row["predicted"],
            Figure.of("", row["precision"], kind="share"),
            Figure.of("", row["recall"], kind="share"),
            row["f1"],
            *([Figure.of("", row["auc"])] if scored else []),
        ]
        for row in result["per_class"]
    ]
    drawn = [{"label": row["class"], **row["recall"]} for row in result["per_class"]]
    answer = "The share of each class that was found, with its interval; dashed is the share of all rows."
    spec = specs.dots(drawn, title="Recall", reference=result["accuracy"]["value"])
    return [Chart("Recall by class", answer, spec), Table("Classes", titles, rows)]


def confusion(result: Mapping[str, Any]) -> Table:
    titles = [Column("Was"), *(Column(f"Decided {name}", "count") for name in result["classes"])]
    rows = [[name, *counts] for name, counts in zip(result["classes"], result["confusion"], strict=True)]
    return Table("Rows by what happened and what was decided", titles, rows, "Right decisions stand on the diagonal.")
