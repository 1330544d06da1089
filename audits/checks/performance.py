"""Performance: how good are the decisions and the scores?"""

from __future__ import annotations

from typing import Any

from audits.checks import columns, params, scoring
from audits.checks.context import Context, Measured
from registry import reading
from registry.models import ColumnRole, Dataset, Version

NAME = "performance"
VERSION = "1"
TITLE = "Performance"
ANSWERS = (
    "Says how well the scores separate the two outcomes (AUC, Gini, KS, ROC curve), whether they can be read as "
    "probabilities (Brier score, log loss, calibration), and how the decisions fare at the threshold (confusion, "
    "precision, recall, accuracy), each with its interval where one is known. Not for data the model was trained on, "
    "which flatters it, for more than two outcomes, or for predicted amounts."
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
        "bins": {
            "type": "integer",
            "minimum": 1,
            "maximum": 100,
            "default": 10,
            "description": "Bins of the calibration curve, equally wide.",
        },
        "confidence": params.CONFIDENCE,
        "labels": params.LABELS,
    },
}


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    target = columns.target(dataset, stated.get("target"))
    source = sources(version, dataset, stated)
    scoring.check(dataset, source, target)
    return source | {
        "target": target,
        "favourable": columns.favourable(dataset, target, stated.get("favourable")),
        "bins": stated["bins"],
        "confidence": stated["confidence"],
    }


def sources(version: Version, dataset: Dataset, stated: dict[str, Any]) -> dict[str, Any]:
    """`prediction`, `score` or both, or neither, which has the artifact score the rows; and the threshold."""
    found: dict[str, Any] = {name: stated[name] for name in ("prediction", "score") if name in stated}
    if not found:
        for role in (ColumnRole.PREDICTION, ColumnRole.SCORE):
            if (name := columns.with_role(dataset, role, role.value)) is not None:
                found[role.value] = name
    if not found:
        if version.artifact is None:
            raise scoring.lacking(version, dataset)
        found = scoring.artifact(version, dataset, stated)
    if "prediction" in found:
        if "threshold" in stated and "score" not in found:
            raise columns.bad("threshold", "A threshold cuts scores: name the score column in “score” as well.")
        return found | ({"threshold": stated["threshold"]} if "threshold" in stated else {})
    return found | {"threshold": stated.get("threshold", scoring.DEFAULT_THRESHOLD)}


def run(context: Context) -> Measured:
    from audits.measures import labels, performance

    stated = context.params
    context.progress(0.05, "Reading the data")
    wanted = [stated["target"], *([stated["prediction"]] if "prediction" in stated else [])]
    frame = reading.frame(context.dataset, wanted)
    target = frame[stated["target"]]
    said = frame[stated["prediction"]] if "prediction" in stated else target
    actual, predicted, found = labels.positives(target=target, prediction=said, favourable=stated["favourable"])
    scored = scoring.Scores(None, {"kind": "column"}, {}, scoring.brought(context))
    if "score" in stated or "prediction" not in stated:
        scored = scoring.scores(context)
    if "prediction" not in stated:
        predicted = scored.values >= stated["threshold"]
        scored.limitations.extend(scoring.one_sided(scored.values, stated["threshold"]))
    context.progress(0.85, "Measuring")
    result = performance.assess(
        target=actual,
        score=scored.values,
        prediction=predicted,
        threshold=stated.get("threshold"),
        bins=stated["bins"],
        confidence=stated["confidence"],
    )
    result["favourable"] = stated["favourable"]
    result["source"] = scored.source | ({"prediction": stated["prediction"]} if "prediction" in stated else {})
    result["limitations"] += scored.limitations
    if len(found) > columns.BINARY:
        result["limitations"].append(f"Every value but “{stated['favourable']}” counts as the other outcome.")
    return Measured(result, scored.libraries)
