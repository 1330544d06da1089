"""Fairness: do groups of people get different outcomes, and different errors?"""

from __future__ import annotations

from typing import Any

from audits.checks import bands, columns, params, scoring
from audits.checks.context import Context, Measured
from registry import reading
from registry.models import ColumnRole, Dataset, Version

NAME = "fairness"
VERSION = "1"
TITLE = "Fairness between groups"
ANSWERS = (
    "Compares how often each group gets the favourable decision, and how often the decision is wrong for it: selection "
    "rate, true and false positive rate, false negative rate, precision and accuracy per group and per intersection, "
    "with the ratio and the difference between the best and the worst treated group and their intervals. It measures "
    "and does not judge: which gap is too large is for the policy. Not for scores without a decision, for outcomes "
    "recorded by the same people whose bias is in question, or for groups of a handful of rows, whose intervals say so."
)
MOST_VALUES = 50
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "target": params.TARGET,
        "prediction": params.PREDICTION,
        "score": params.SCORE,
        "threshold": params.THRESHOLD,
        "favourable": params.FAVOURABLE,
        "sensitive": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": 6,
            "uniqueItems": True,
            "description": "The columns whose values make the groups; by default those with the role sensitive.",
        },
        "bins": bands.SCHEMA,
        "intersections": {
            "anyOf": [
                {"type": "boolean"},
                {"type": "array", "items": {"type": "array", "items": {"type": "string"}, "minItems": 2}},
            ],
            "default": True,
            "description": "Whether to cross all sensitive columns, or a list of which to cross.",
        },
        "confidence": params.CONFIDENCE,
        "replicates": {
            "type": "integer",
            "minimum": 0,
            "maximum": 1_000_000,
            "default": 0,
            "description": "How often the count table is drawn anew for the intervals of the disparities; 0 gives "
            "Newcombe and MOVER-R intervals between the two groups that span the gap.",
        },
        "seed": params.SEED,
        "min_group": {
            "type": "integer",
            "minimum": 1,
            "default": 2,
            "description": "Smaller groups are reported but kept out of the disparities.",
        },
        "labels": params.LABELS,
    },
    "$defs": {"edges": bands.EDGES},
}


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    target = columns.target(dataset, stated.get("target"))
    source = scoring.decisions(version, dataset, stated)
    scoring.check(dataset, source, target)
    sensitive = stated.get("sensitive") or dataset.names(ColumnRole.SENSITIVE)
    bins = bands.prepared(dataset, stated["bins"], sensitive)
    require_apart(dataset, sensitive, {"target": target} | source)
    require_groups(dataset, sensitive, bins)
    require_crossings(stated["intersections"], sensitive)
    kept = ("intersections", "confidence", "replicates", "seed", "min_group")
    return source | {
        "target": target,
        "favourable": columns.favourable(dataset, target, stated.get("favourable")),
        "sensitive": sensitive,
        "bins": bins,
        **{name: stated[name] for name in kept},
    }


def require_apart(dataset: Dataset, sensitive: list[str], others: dict[str, Any]) -> None:
    """Refuse to compare groups that the outcome or the decision itself makes."""
    for role in ("target", "prediction", "score"):
        if (name := others.get(role)) in sensitive:
            sentence = f"{dataset.file_name}, column “{name}” is the {role}; groups come from another column."
            raise columns.bad("sensitive", sentence)


def require_groups(dataset: Dataset, sensitive: list[str], bins: dict[str, Any]) -> None:
    """Refuse columns that make no groups, or too many."""
    if not sensitive:
        raise columns.bad(
            "sensitive", f"{dataset.name} has no column with the role sensitive: name the columns in “sensitive”."
        )
    for name in sensitive:
        column = columns.named(dataset, name, "sensitive")
        if name in bins or columns.values(column):
            continue
        mend = (
            f"cut it into bands, as in “bins”: {{“{name}”: [25, 60]}}"
            if column["type"] in columns.NUMERIC
            else "gather its values into fewer"
        )
        raise columns.bad(
            "sensitive",
            f"{dataset.file_name}, column “{name}” holds more than {MOST_VALUES} different values, too many groups: "
            f"{mend}.",
        )


def require_crossings(intersections: bool | list[list[str]], sensitive: list[str]) -> None:
    for crossing in [] if isinstance(intersections, bool) else intersections:
        for name in crossing:
            if name not in sensitive:
                raise columns.bad(
                    "intersections",
                    f"“{name}” is crossed but is not among the sensitive columns: {columns.listed(sensitive)}.",
                )


def run(context: Context) -> Measured:
    from audits.measures import fairness

    stated = context.params
    context.progress(0.05, "Reading the data")
    frame = reading.frame(context.dataset, [stated["target"], *stated["sensitive"]])
    groups = {
        name: bands.cut(frame[name], **stated["bins"][name]) if name in stated["bins"] else frame[name]
        for name in stated["sensitive"]
    }
    prediction, scored = decided(context, frame[stated["target"]])
    context.progress(0.8, "Counting and comparing the groups")
    options = ("favourable", "intersections", "confidence", "replicates", "seed", "min_group")
    result = fairness.assess(
        target=frame[stated["target"]],
        prediction=prediction,
        sensitive=groups,
        **{name: stated[name] for name in options},
        on_progress=lambda share: context.progress(0.8 + 0.15 * share, "Redrawing the counts for the intervals"),
    )
    locate(context.dataset, result["excluded"], groups)
    result["source"] = scored.source
    result["limitations"] += scored.limitations
    return Measured(result, scored.libraries)


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


def locate(dataset: Dataset, excluded: list[dict[str, Any]], groups: dict[str, Any]) -> None:
    """Say where in the file a group of a single row is."""
    import pandas as pd

    from audits.measures import labels

    table = pd.DataFrame(groups)
    for names in {tuple(row["group"]) for row in excluded}:
        firsts = table.drop_duplicates(subset=list(names))
        places = {
            tuple(None if pd.isna(value) else labels.plain(value) for value in values): int(at)
            for at, values in zip(firsts.index, firsts[list(names)].itertuples(index=False, name=None), strict=True)
        }
        for row in excluded:
            if tuple(row["group"]) == names and row["n"] == 1:
                row["row"] = places[tuple(row["group"].values())] + 1
    lines = columns.lines(dataset, {row["row"] for row in excluded if "row" in row})
    for row in excluded:
        if (line := lines.get(row.get("row", 0))) is not None:
            row["line"] = line
