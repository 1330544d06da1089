"""Counterfactuals: what would have had to be different for another decision?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audits import endpoints
from audits.charts import specs
from audits.checks import columns, explaining, params, scoring
from audits.checks.context import Context, Measured
from audits.checks.presenting import Chart, Column, Figure, Figures, Section, Table
from registry import reading
from registry.models import ColumnRole, Dataset, Version
from trail.errors import BadInput

NAME = "counterfactuals"
VERSION = "1"
TITLE = "Counterfactuals"
ANSWERS = (
    "Looks, for rows with an unfavourable decision, for few and small changes of the inputs that turn it: sensitive "
    "columns stay as they are, every value comes from the data, and each answer was scored by the model before it is "
    "given. A search, not a proof: a smaller change may exist, and none found does not mean none exists. Not for "
    "advice to a person without review: the model's answer would change, the world's need not, and changes that one "
    "input forces on another are not known to it."
)
# Rows beyond this are not looked through for values.
MOST_SEEN = 5000
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "target": params.TARGET,
        "favourable": params.FAVOURABLE,
        "threshold": params.THRESHOLD | {"default": scoring.DEFAULT_THRESHOLD},
        "rows": {
            "type": "integer",
            "minimum": 1,
            "maximum": 200,
            "default": 10,
            "title": "Rows",
            "description": "How many rows with an unfavourable decision are drawn by the seed.",
        },
        "chosen": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1},
            "minItems": 1,
            "maxItems": 200,
            "uniqueItems": True,
            "title": "Chosen rows",
            "description": "Rows by number, the first below the header being 1, instead of drawn ones.",
        },
        "immutable": {
            "type": "array",
            "items": {"type": "string"},
            "uniqueItems": True,
            "title": "Immutable inputs",
            "description": "Features that must not change; by default those with the role sensitive.",
            "x-columns": "any",
        },
        "directions": {
            "type": "object",
            "additionalProperties": {"enum": ["increase", "decrease"]},
            "default": {},
            "title": "Directions",
            "description": "Features that may only increase or decrease.",
            "x-advanced": True,
        },
        "ranges": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
            "default": {},
            "title": "Ranges",
            "description": "The least and the most a feature may be; by default what the data holds.",
            "x-advanced": True,
        },
        "changes": {
            "type": "integer",
            "minimum": 1,
            "maximum": 5,
            "default": 3,
            "title": "Changes at most",
            "description": "How many features may change at once.",
        },
        "alternatives": {
            "type": "integer",
            "minimum": 1,
            "maximum": 5,
            "default": 3,
            "title": "Alternatives",
            "description": "How many different answers a row gets at most.",
        },
        "seed": params.SEED,
        "labels": params.LABELS,
    },
}


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    if not scoring.scorable(version):
        sentence = f"{version} has no artifact, and counterfactuals ask the model itself: register one with it."
        raise BadInput(sentence, where="version")
    source = scoring.artifact(version, dataset, stated) | explaining.outcome(dataset, stated)
    features = dataset.names(ColumnRole.FEATURE)
    sensitive = [name for name in dataset.names(ColumnRole.SENSITIVE) if name in features]
    immutable = stated.get("immutable", sensitive)
    for name in immutable:
        explaining.require_feature(dataset, name, "immutable")
    require_amounts(dataset, stated)
    if len(set(immutable)) == len(features):
        raise columns.bad("immutable", "Every feature is immutable, so nothing can change.")
    if "chosen" in stated:
        beyond = [row for row in stated["chosen"] if row > dataset.row_count]
        if beyond:
            raise columns.bad("chosen", f"{dataset.name} has {dataset.row_count} rows and no row {beyond[0]}.")
        source["chosen"] = stated["chosen"]
    kept = ("threshold", "rows", "directions", "ranges", "changes", "alternatives", "seed")
    return source | {"immutable": immutable} | {name: stated[name] for name in kept}


def require_amounts(dataset: Dataset, stated: dict[str, Any]) -> None:
    for param in ("directions", "ranges"):
        for name in stated[param]:
            explaining.require_feature(dataset, name, param)
            found = columns.named(dataset, name, param)["type"]
            if found not in columns.NUMERIC:
                raise columns.bad(param, f"“{name}” holds {found}, which has no order; {param} are for numbers.")
    for name, (low, high) in stated["ranges"].items():
        if low > high:
            raise columns.bad("ranges", f"The range of “{name}” starts at {low:g}, above its end {high:g}.")


def run(context: Context) -> Measured:
    import numpy as np

    from audits.measures import counterfactual, mixtures

    stated = context.params
    context.progress(0.05, "Reading the data")
    frame = reading.frame(context.dataset, context.dataset.names(ColumnRole.FEATURE))
    with scoring.scorer(context) as ask:
        context.progress(0.1, "Scoring the rows")
        scores = mixtures.ask(ask, frame)
        first, limitations = ask.last, list(ask.last.notes)
        limitations += scoring.one_sided(scores, stated["threshold"])
        places = chosen(stated, scores)
        seen = np.union1d(mixtures.drawn(len(frame), MOST_SEEN, stated["seed"]), places).astype(np.int64)

        def score(part: Any) -> Any:
            context.progress(0.5, f"Searching: scoring {len(part):,} rows")
            return ask(part)

        result = counterfactual.counterfactuals(
            score=score,
            data=frame.iloc[seen],
            places=[int(place) for place in np.searchsorted(seen, places)],
            rows=[int(place) + 1 for place in places],
            threshold=stated["threshold"],
            immutable=[*stated["immutable"], *(name for name in frame.columns if name not in first.features)],
            directions=stated["directions"],
            ranges=stated["ranges"],
            most_changes=stated["changes"],
            alternatives=stated["alternatives"],
        )
    unfavourable = int((scores < stated["threshold"]).sum())
    result |= {
        "unfavourable": unfavourable,
        "immutable": stated["immutable"],
        "directions": stated["directions"],
        "ranges": stated["ranges"],
        "changes": stated["changes"],
        "favourable": stated.get("favourable"),
        "scale": first.scale,
        "seed": stated["seed"],
        "source": source(context.version, first),
        "limitations": limitations + limits(result, stated, unfavourable, (len(seen), len(frame))),
    }
    return Measured(result, first.libraries)


def source(version: Version, first: Any) -> dict[str, Any]:
    if version.artifact is None:
        return endpoints.source(version, first.scale, first.classes)
    return {"kind": "artifact", "digest": version.digest, "classes": first.classes}


def chosen(stated: dict[str, Any], scores: Any) -> Any:
    """The rows asked for, or some of those with an unfavourable decision, drawn by the seed."""
    import numpy as np

    from audits.measures import mixtures

    if "chosen" in stated:
        return np.sort(np.array(stated["chosen"], dtype=np.int64) - 1)
    unfavourable = np.flatnonzero(scores < stated["threshold"])
    return unfavourable[mixtures.drawn(len(unfavourable), stated["rows"], stated["seed"])]


def limits(result: Mapping[str, Any], stated: Mapping[str, Any], unfavourable: int, seen: tuple[int, int]) -> list[str]:
    said = [
        "The search is a heuristic: each counterfactual was scored and holds, and a smaller one may exist.",
        "Inputs change one by one: what a change of one input forces on another is not known.",
    ]
    without = [
        row["row"] for row in result["rows"] if not row["counterfactuals"] and row["score"] < stated["threshold"]
    ]
    if without:
        said.append(f"No counterfactual was found within the constraints for {rows_named(without)}.")
    already = [row["row"] for row in result["rows"] if row["score"] >= stated["threshold"]]
    if already:
        said.append(f"The decision is favourable already in {rows_named(already)}.")
    if not unfavourable:
        said.append("No row has an unfavourable decision, so there is nothing to turn.")
    if "chosen" not in stated and stated["rows"] < unfavourable:
        said.append(f"{stated['rows']} of {unfavourable} rows with an unfavourable decision were drawn by the seed.")
    if seen[0] < seen[1]:
        said.append(f"Values were taken from {seen[0]} of {seen[1]} rows, drawn by the seed.")
    return said


def rows_named(rows: list[int], most: int = 20) -> str:
    listed = ", ".join(str(row) for row in rows[:most])
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return f"{'row' if len(rows) == 1 else 'rows'} {listed}{more}"


def figures(result: Mapping[str, Any]) -> list[Figure]:
    none = "No row has an unfavourable decision." if not result["asked"] else "None was found."
    return [
        Figure("Turned", result["coverage"], hint="of the rows looked at", kind="share", reason=none),
        Figure("Inputs changed", result["sparsity"], hint="mean of each row's first answer", reason=none),
        Figure("Distance", result["median_distance"], hint="median, in median absolute deviations", reason=none),
    ]


def sections(result: Mapping[str, Any]) -> list[Section]:
    stays = ", ".join(result["immutable"]) or "nothing"
    lead = (
        f"{result['found']} of {result['asked']} unfavourable decisions turned, at a threshold of "
        f"{result['threshold']:g} on the scale of {result['scale']}; {stays} had to stay, and at most "
        f"{result['changes']} inputs could change."
    )
    parts = [Section(lead=lead, parts=[Figures(figures(result))])]
    if result["features"]:
        parts.append(often(result))
    if result["rows"]:
        parts.append(row_by_row(result))
    return parts


def often(result: Mapping[str, Any]) -> Section:
    rows = result["features"]
    chart = Chart(
        "What turns decisions",
        "How many rows' first answer changes each input.",
        specs.ranked([{"label": row["feature"], "value": row["n"]} for row in rows[:15]], title="Rows"),
    )
    table = Table(
        "Inputs by how many first answers change them",
        [Column("Input"), Column("Rows", "count")],
        [[row["feature"], row["n"]] for row in rows],
    )
    return Section("What turns decisions", "Inputs that the first answers change", [chart, table])


def row_by_row(result: Mapping[str, Any]) -> Section:
    rows: list[list[Any]] = []
    for row in result["rows"]:
        rows += [
            [
                row["row"],
                row["score"],
                "; ".join(map(changed, each["changes"])),
                each["score"],
                each["distance"],
            ]
            for each in row["counterfactuals"]
        ] or [[row["row"], row["score"], row["reason"], None, None]]
    table = Table(
        "Counterfactuals of each row, fewest changes first",
        [
            Column("Row", "count"),
            Column("Score", "number"),
            Column("Changes"),
            Column("Score then", "number"),
            Column("Distance", "number", "sum of moves in median absolute deviations; 1 for a changed category"),
        ],
        rows,
        paged=True,
    )
    return Section("Row by row", "Every answer was scored by the model", [table])


def changed(change: Mapping[str, Any]) -> str:
    old = "missing" if change["from"] is None else specs.short(change["from"])
    return f"{change['feature']} {old} → {specs.short(change['to'])}"
