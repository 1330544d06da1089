"""What the fairness checks share: which columns make the groups, and each row's group."""

from __future__ import annotations

from typing import Any

from audits.checks import bands, columns
from audits.checks.context import Context
from registry import reading
from registry.models import ColumnRole, Dataset

MOST_VALUES = 50
SENSITIVE: dict[str, Any] = {
    "type": "array",
    "items": {"type": "string"},
    "minItems": 1,
    "maxItems": 6,
    "uniqueItems": True,
    "title": "Sensitive columns",
    "description": "The columns whose values make the groups; by default those with the role sensitive.",
    "x-columns": "any",
}
INTERSECTIONS: dict[str, Any] = {
    "anyOf": [
        {"type": "boolean"},
        {"type": "array", "items": {"type": "array", "items": {"type": "string"}, "minItems": 2}},
    ],
    "default": True,
    "description": "Whether to cross all sensitive columns, or a list of which to cross.",
}
MIN_GROUP: dict[str, Any] = {
    "type": "integer",
    "minimum": 1,
    "default": 2,
    "description": "Smaller groups are reported but kept out of the disparities.",
}
REPLICATES: dict[str, Any] = {
    "type": "integer",
    "minimum": 0,
    "maximum": 1_000_000,
    "default": 0,
    "description": "How often the count table is drawn anew for the intervals of the disparities; 0 gives "
    "Newcombe and MOVER-R intervals between the two groups that span the gap.",
}
TOLERANCE_RATIO: dict[str, Any] = {
    "type": "number",
    "exclusiveMinimum": 0,
    "maximum": 1,
    "default": 0.8,
    "description": "A ratio below this is a breach, if the interval lies wholly below it; four fifths by default.",
}
TOLERANCE_DIFFERENCE: dict[str, Any] = {
    "type": "number",
    "minimum": 0,
    "maximum": 1,
    "default": 0.1,
    "description": "A difference above this is a breach, if the interval lies wholly above it.",
}
MULTIPLICITY: dict[str, Any] = {
    "enum": ["holm", "benjamini-hochberg", "none"],
    "default": "holm",
    "description": "How the p-values of a rate are adjusted for the number of groups compared with the largest one.",
    "x-advanced": True,
}
LEAVE_OUT_SMALL: dict[str, Any] = {
    "type": "boolean",
    "default": False,
    "description": "Leave categories of less than 2% of the rows out of the impact ratios, as New York's rule allows.",
    "x-advanced": True,
}


def prepared(dataset: Dataset, stated: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """`sensitive`, `bins` and `intersections`, once they can make groups; `others` are the columns they can't be."""
    sensitive = stated.get("sensitive") or dataset.names(ColumnRole.SENSITIVE)
    bins = bands.prepared(dataset, stated["bins"], sensitive)
    require_apart(dataset, sensitive, others)
    require_groups(dataset, sensitive, bins)
    require_crossings(stated["intersections"], sensitive)
    return {"sensitive": sensitive, "bins": bins, "intersections": stated["intersections"]}


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
        if column["missing"] == dataset.row_count:
            raise columns.bad("sensitive", f"{dataset.file_name}, column “{name}” is empty: it makes no groups.")
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


def read(context: Context, *more: str) -> tuple[Any, dict[str, Any]]:
    """The sensitive columns and `more` as a frame, and each sensitive column's groups."""
    stated = context.params
    frame = reading.frame(context.dataset, [*more, *stated["sensitive"]])
    return frame, {
        name: bands.cut(frame[name], **stated["bins"][name]) if name in stated["bins"] else frame[name]
        for name in stated["sensitive"]
    }


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
