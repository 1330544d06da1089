"""Explainability: which inputs drive the scores, over all rows and in each?"""

from __future__ import annotations

from typing import Any

from audits.checks import columns, params, scoring
from audits.checks.context import Context, Measured
from registry import reading
from registry.models import ColumnRole, Dataset, Version
from trail.errors import BadInput

NAME = "explainability"
VERSION = "1"
TITLE = "Explanation of the scores"
ANSWERS = (
    "Splits the score of each explained row into what every input added to it or took from it (Shapley values), and "
    "ranks the inputs by their mean share. The parts are checked to add up to the model's own output; a run in which "
    "they don't fails. Not for causes: it says what the model used, not what would happen if a person changed, and "
    "inputs that move together share their part in a way the chosen game decides."
)
# base + contributions against the output; XGBoost and LightGBM add up single-precision leaves
ADDITIVE_WITHIN = 1e-5
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "target": params.TARGET,
        "favourable": params.FAVOURABLE,
        "rows": {
            "type": "integer",
            "minimum": 1,
            "maximum": 10_000,
            "default": 200,
            "description": "How many rows are explained, drawn by the seed.",
        },
        "background": {
            "type": "integer",
            "minimum": 1,
            "maximum": 1000,
            "default": 100,
            "description": "How many rows stand for the usual case, drawn by the seed.",
        },
        "seed": params.SEED,
        "top": {
            "type": "integer",
            "minimum": 1,
            "maximum": 100,
            "default": 5,
            "description": "How many contributions of a row are listed; the others are summed.",
        },
        "labels": params.LABELS,
    },
}


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    if version.artifact is None:
        sentence = (
            f"{version} has no artifact, and an explanation runs the model itself: register one with its artifact."
        )
        raise BadInput(sentence, where="version")
    source = scoring.artifact(version, dataset, stated)
    name = stated.get("target") or columns.with_role(dataset, ColumnRole.TARGET, "target")
    if name is not None:
        target = columns.target(dataset, name)
        source |= {"target": target, "favourable": columns.favourable(dataset, target, stated.get("favourable"))}
    elif "favourable" in stated:
        source["favourable"] = stated["favourable"]
    return source | {name: stated[name] for name in ("rows", "background", "seed", "top")}


def run(context: Context) -> Measured:
    from audits.measures import explanation
    from audits.sandbox import parent

    stated = context.params
    context.progress(0.05, "Reading the data")
    frame = reading.frame(context.dataset, context.dataset.names(ColumnRole.FEATURE))
    found = parent.explain(
        data=frame,
        on_progress=lambda fraction, stage: context.progress(0.1 + 0.8 * fraction, stage),
        **{name: stated[name] for name in ("rows", "background", "seed")},
        **scoring.sandboxed(context),
    )
    context.progress(0.9, "Checking that the parts add up")
    parts: dict[str, Any] = {
        "values": found.values,
        "base": found.base,
        "output": found.output,
        "relative": ADDITIVE_WITHIN,
    }
    explanation.check_additivity(**parts)
    result = explanation.summarise(
        **parts,
        features=found.features,
        rows=[int(row) + 1 for row in found.rows],
        data=frame.iloc[found.rows][found.features].to_numpy(dtype=object),
        game=found.game,
        top=stated["top"],
    )
    result |= {
        "scale": found.scale,
        "favourable": stated.get("favourable"),
        "rows": len(found.rows),
        "background": found.background,
        "seed": found.seed,
        "source": {"kind": "artifact", "digest": context.version.digest, "classes": found.classes},
        "limitations": [*found.notes, *sampled(found, len(frame))],
    }
    return Measured(result, found.libraries)


def sampled(found: Any, rows: int) -> list[str]:
    """What the sampling limits."""
    said = []
    if len(found.rows) < rows:
        said.append(f"{len(found.rows)} of {rows} rows were explained, drawn by the seed {found.seed}.")
    if found.errors is not None:
        error = float(found.errors.max())
        said.append(f"The contributions were sampled, with a standard error of at most {error:.3g}.")
    return said
