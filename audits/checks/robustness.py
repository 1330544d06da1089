"""Robustness: what do the scores do when the inputs are noisy, missing, out of range or under stress?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from audits.charts import specs
from audits.checks import columns, params, scoring
from audits.checks.context import Context, Measured
from audits.checks.presenting import Chart, Column, Figure, Figures, Part, Section, Table
from audits.sandbox.failures import ChildFailed
from registry import reading
from registry.models import ColumnRole, Dataset, Version
from trail.errors import BadInput

NAME = "robustness"
VERSION = "1"
TITLE = "Robustness"
ANSWERS = (
    "Runs the artifact on changed inputs and says what its scores do: under noise, with each feature missing, beyond "
    "the range that was seen, along features that must raise or lower the score, and under scenarios; and whether the "
    "same rows scored again give the same bytes. Not for attacks that search for the worst small change, and not for "
    "changes that real inputs never make together: each feature is changed alone, unless a scenario says otherwise."
)
FEATURES = {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "x-columns": "number"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "target": params.TARGET,
        "favourable": params.FAVOURABLE,
        "threshold": params.THRESHOLD,
        "rows": {
            "type": "integer",
            "minimum": 1,
            "maximum": 100_000,
            "default": 2000,
            "description": "How many rows are changed and scored, drawn by the seed.",
        },
        "noise": {
            "type": "number",
            "minimum": 0,
            "maximum": 10,
            "default": 0.1,
            "description": "Noise on each number, in standard deviations of its column.",
        },
        "flips": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "default": 0.1,
            "description": "The share of categories that is swapped for another one of the column.",
        },
        "beyond": {
            "type": "number",
            "minimum": 0,
            "maximum": 1000,
            "default": 1,
            "description": "How far out of range numbers are set: so many ranges above the largest value and below "
            "the smallest.",
            "x-advanced": True,
        },
        "increasing": {**FEATURES, "description": "Features with which the score must not fall."},
        "decreasing": {**FEATURES, "description": "Features with which the score must not rise."},
        "points": {
            "type": "integer",
            "minimum": 2,
            "maximum": 100,
            "default": 10,
            "description": "How many observed quantiles of such a feature each row is scored at.",
            "x-advanced": True,
        },
        "sweep_rows": {
            "type": "integer",
            "minimum": 1,
            "maximum": 10_000,
            "default": 200,
            "description": "How many of the rows are scored at each of them.",
            "x-advanced": True,
        },
        "scenarios": {
            "type": "object",
            "maxProperties": 20,
            "additionalProperties": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": False,
                    "properties": {
                        "add": {"type": "number"},
                        "multiply": {"type": "number"},
                        "set": {"type": ["number", "string", "boolean"]},
                    },
                },
            },
            "default": {},
            "description": "Shifts by name: {“recession”: {“income”: {“multiply”: 0.8}, “rate”: {“add”: 2}}}.",
            "x-advanced": True,
        },
        "confidence": params.CONFIDENCE,
        "seed": params.SEED,
        "labels": params.LABELS,
    },
}
KEPT = ("rows", "noise", "flips", "beyond", "points", "sweep_rows", "scenarios", "confidence", "seed")


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    if version.artifact is None:
        sentence = f"{version} has no artifact, and this check runs the model itself: register one with its artifact."
        raise BadInput(sentence, where="version")
    kept = scoring.artifact(version, dataset, stated)
    name = stated.get("target") or columns.with_role(dataset, ColumnRole.TARGET, "target")
    if name is not None:
        kept["target"] = columns.target(dataset, name)
        kept["favourable"] = columns.favourable(dataset, name, stated.get("favourable"))
    elif "favourable" in stated:
        kept["favourable"] = stated["favourable"]
    features = dataset.names(ColumnRole.FEATURE)
    directions = {name: stated.get(name, []) for name in ("increasing", "decreasing")}
    require_directions(dataset, features, directions)
    require_scenarios(dataset, features, stated["scenarios"])
    threshold = {"threshold": stated.get("threshold", scoring.DEFAULT_THRESHOLD)}
    return kept | threshold | directions | {name: stated[name] for name in KEPT}


def require_directions(dataset: Dataset, features: list[str], directions: Mapping[str, list[str]]) -> None:
    """Refuse what is no feature, no number, or declared both ways."""
    for param, names in directions.items():
        for name in names:
            require_feature(dataset, features, name, param)
            if columns.named(dataset, name, param)["type"] not in columns.NUMERIC:
                raise columns.bad(param, f"{dataset.file_name}, column “{name}” holds no numbers.")
    if both := set(directions["increasing"]) & set(directions["decreasing"]):
        raise columns.bad("decreasing", f"{columns.listed(sorted(both))} can't be both increasing and decreasing.")


def require_scenarios(dataset: Dataset, features: list[str], scenarios: Mapping[str, Any]) -> None:
    for scenario, changes in scenarios.items():
        for name, change in changes.items():
            require_feature(dataset, features, name, "scenarios")
            if "set" in change and len(change) > 1:
                raise columns.bad("scenarios", f"“{scenario}” sets “{name}” and changes it as well; do one of the two.")
            numeric = columns.named(dataset, name, "scenarios")["type"] in columns.NUMERIC
            if not numeric and "set" not in change:
                raise columns.bad("scenarios", f"“{name}” holds no numbers; “{scenario}” can only “set” it.")
            if numeric and isinstance(change.get("set", 0), str | bool):
                raise columns.bad("scenarios", f"“{name}” holds numbers; “{scenario}” sets it to something else.")


def require_feature(dataset: Dataset, features: list[str], name: str, param: str) -> None:
    columns.named(dataset, name, param)
    if name not in features:
        raise columns.bad(
            param, f"{dataset.name}: “{name}” is no feature; the features are {columns.listed(features)}."
        )


def run(context: Context) -> Measured:
    from audits.measures import robustness

    stated = context.params
    context.progress(0.02, "Reading the data")
    features = context.dataset.names(ColumnRole.FEATURE)
    frame = reading.frame(context.dataset, features)
    target = outcomes(context)
    with Model(context) as model:
        context.progress(0.05, "Scoring every row")
        everything = model.score(frame)
        first = model.answer
    with Model(context) as model:
        context.progress(0.15, "Scoring every row again, in a new process")
        result: dict[str, Any] = {"reproducibility": robustness.reproduced(everything, model.score(frame))}
        places = robustness.sampled(len(frame), stated["rows"], stated["seed"])
        rows, before = frame.iloc[places].reset_index(drop=True), everything[places]
        happened = None if target is None else target[places]
        result |= {
            "n": len(frame),
            "rows": len(rows),
            "threshold": stated["threshold"],
            "confidence": stated["confidence"],
            "favourable": stated.get("favourable"),
            "base": robustness.outcome(before, stated["threshold"], happened, stated["confidence"]),
            "noise": noisy(context, model, rows, before),
            "missing": list(missing(context, model, rows, before)),
            "out_of_range": list(out_of_range(context, model, rows, before)),
            "monotonicity": list(directed(context, model, rows)),
            "scenarios": list(stressed(context, model, rows, before, happened)),
        }
    result["source"] = {"kind": "artifact", "digest": context.version.digest, "scale": first.scale}
    result["source"]["classes"] = first.classes
    result["limitations"] = limited(result, stated, first)
    return Measured(result, first.libraries)


def outcomes(context: Context) -> Any:
    from audits.measures import labels

    if "target" not in context.params:
        return None
    column = reading.frame(context.dataset, [context.params["target"]])[context.params["target"]]
    return labels.holds(column, labels.canonical(context.params["favourable"]))[0]


class Model:
    """The artifact in its child, opened anew after it refused something."""

    def __init__(self, context: Context) -> None:
        self.context, self.open = context, ExitStack()
        self.scorer: scoring.Scorer | None = None
        self.answer: Any = None

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.open.close()

    def score(self, frame: Any) -> Any:
        """The scores of a frame; ChildFailed if the model refuses it."""
        if self.scorer is None:
            self.scorer = self.open.enter_context(scoring.scorer(self.context))
        try:
            found = self.scorer(frame)
        except ChildFailed:
            self.scorer = None
            self.open.close()
            raise
        self.answer = self.scorer.last
        return found

    def tried(self, frame: Any) -> tuple[Any, str]:
        """The scores, or why the model refuses the frame."""
        try:
            return self.score(frame), ""
        except ChildFailed as error:
            if error.kind not in {"mismatch", "crash"}:
                raise
            return None, str(error)


def noisy(context: Context, model: Model, rows: Any, before: Any) -> dict[str, Any]:
    import numpy as np

    from audits.measures import robustness

    stated = context.params
    context.progress(0.25, "Adding noise")
    generator = np.random.default_rng(stated["seed"])
    changed = robustness.perturbed(rows, noise=stated["noise"], flips=stated["flips"], generator=generator)
    return compared(context, model, changed, before)


def compared(context: Context, model: Model, changed: Any, before: Any) -> dict[str, Any]:
    """How the scores moved, or why the model refused."""
    from audits.measures import robustness

    after, refusal = model.tried(changed)
    if refusal:
        return {"refused": refusal}
    return robustness.moved(before, after, context.params["threshold"], context.params["confidence"])


def missing(context: Context, model: Model, rows: Any, before: Any) -> Iterator[dict[str, Any]]:
    from audits.measures import robustness

    for at, name in enumerate(rows.columns):
        context.progress(0.3 + 0.2 * at / len(rows.columns), f"Leaving out {name}")
        yield {"feature": name} | compared(context, model, robustness.without(rows, name), before)


def out_of_range(context: Context, model: Model, rows: Any, before: Any) -> Iterator[dict[str, Any]]:
    from audits.measures import robustness

    for at, name in enumerate(rows.columns):
        context.progress(0.5 + 0.2 * at / len(rows.columns), f"Putting {name} out of range")
        for above in (True, False):
            changed = robustness.beyond(rows, name, context.params["beyond"], above=above)
            if changed is not None:
                side = {"feature": name, "side": "above" if above else "below", "value": float(changed[name].iloc[0])}
                yield side | compared(context, model, changed, before)


def directed(context: Context, model: Model, rows: Any) -> Iterator[dict[str, Any]]:
    from audits.measures import robustness

    stated = context.params
    swept = rows.iloc[robustness.sampled(len(rows), stated["sweep_rows"], stated["seed"])]
    wanted = [(name, way) for way in ("increasing", "decreasing") for name in stated[way]]
    for at, (name, way) in enumerate(wanted):
        context.progress(0.7 + 0.15 * at / len(wanted), f"Following {name}")
        frame, grid = robustness.sweep(swept, name, stated["points"])
        found = {"feature": name, "direction": way, "n": len(swept), "points": len(grid)}
        scores, refusal = model.tried(frame)
        if refusal:
            yield found | {"refused": refusal}
            continue
        shape = (len(grid), len(swept))
        yield found | robustness.monotone(
            scores.reshape(shape), grid, rising=way == "increasing", confidence=stated["confidence"]
        )


def stressed(context: Context, model: Model, rows: Any, before: Any, happened: Any) -> Iterator[dict[str, Any]]:
    from audits.measures import robustness

    stated = context.params
    for at, (name, changes) in enumerate(stated["scenarios"].items()):
        context.progress(0.85 + 0.1 * at / len(stated["scenarios"]), f"Scenario {name}")
        after, refusal = model.tried(robustness.shifted(rows, changes))
        if refusal:
            yield {"scenario": name, "refused": refusal}
            continue
        kept = (stated["threshold"], stated["confidence"])
        yield (
            {"scenario": name}
            | robustness.outcome(after, stated["threshold"], happened, stated["confidence"])
            | {"change": robustness.moved(before, after, *kept)}
        )


def limited(result: Mapping[str, Any], stated: Mapping[str, Any], answer: Any) -> list[str]:
    said = [*answer.notes]
    if result["rows"] < result["n"]:
        said.append(f"{result['rows']} of {result['n']} rows were changed, drawn by the seed {stated['seed']}.")
    if not result["reproducibility"]["identical"]:
        gap = result["reproducibility"]["max_difference"]
        said.append(f"The same rows scored again gave other scores, by up to {gap:.3g}.")
    if refused := [row["feature"] for row in result["missing"] if "refused" in row]:
        said.append(f"The model refuses rows without {columns.listed(refused)}.")
    return said


def figures(result: Mapping[str, Any]) -> list[Figure]:
    same = result["reproducibility"]["identical"]
    found = [Figure("Scored again", "the same" if same else "different", hint="the same rows, in a new process")]
    noise = result["noise"]
    if "refused" not in noise:
        found.append(Figure.of("Decisions changed by noise", noise["decisions_changed"], kind="share"))
        found.append(Figure("Mean move under noise", noise["mean_size"], hint="of the score"))
    refusing = sum("refused" in row for row in result["missing"])
    hint = f"of {len(result['missing'])} features"
    found.append(Figure("Refused when missing", refusing, hint=hint, kind="count"))
    if against := [row for row in result["monotonicity"] if row.get("rows", {}).get("value") is not None]:
        worst = max(against, key=lambda row: float(row["rows"]["value"]))
        hint = f"rows along {worst['feature']}, {worst['direction']}"
        found.append(Figure.of("Against the direction", worst["rows"], hint=hint, kind="share"))
    return found


def sections(result: Mapping[str, Any]) -> list[Section]:
    lead = (
        f"{result['rows']:,} of {result['n']:,} rows were changed; decisions are at the threshold "
        f"{result['threshold']:g}. Intervals hold with a confidence of {result['confidence']:.0%}."
    )
    found = [Section("", lead, [Figures(figures(result))])]
    inputs: list[Part] = [ranked(result), effects("Each feature missing", result["missing"], "feature")]
    found.append(Section("Missing inputs", "Each feature alone is missing in every row.", inputs))
    if result["out_of_range"]:
        rows = [row | {"feature": f"{row['feature']} = {row['value']:.6g}"} for row in result["out_of_range"]]
        parts: list[Part] = [effects("Each number beyond its range", rows, "feature")]
        found.append(Section("Out of range", "Each number alone lies beyond what was seen, in every row.", parts))
    if result["monotonicity"]:
        lead = "Each row is scored along the observed values of the feature."
        found.append(Section("Direction", lead, [direction(result)]))
    if result["scenarios"]:
        found.append(Section("Scenarios", "All rows under each scenario.", [stress(result)]))
    return found


def ranked(result: Mapping[str, Any]) -> Chart:
    rows = [{"label": row["feature"], "value": row["mean_size"]} for row in result["missing"] if "refused" not in row]
    rows.sort(key=lambda row: -float(row["value"]))
    answer = "How far the score moves on average without each feature; those the model refuses are left out."
    return Chart("Mean move without each feature", answer, specs.ranked(rows, title="Mean move of the score"))


def effects(caption: str, rows: list[dict[str, Any]], key: str) -> Table:
    titles = [
        Column("Feature"),
        Column("Mean change", "signed"),
        Column("Mean move", "number", "mean size of the change"),
        Column("Largest move", "number"),
        Column("Decisions changed", "share"),
        Column("Refused"),
    ]
    cells = [
        [row[key], "–", "–", "–", "–", row["refused"]]
        if "refused" in row
        else [
            row[key],
            row["mean_change"],
            row["mean_size"],
            row["largest"],
            Figure.of("", row["decisions_changed"], kind="share"),
            "",
        ]
        for row in rows
    ]
    return Table(caption, titles, cells)


def direction(result: Mapping[str, Any]) -> Table:
    titles = [
        Column("Feature"),
        Column("Must be"),
        Column("Rows against it", "share"),
        Column("Steps against it", "share"),
        Column("Largest step", "number"),
        Column("Between"),
    ]
    rows = [
        [row["feature"], row["direction"], "–", "–", "–", row["refused"]]
        if "refused" in row
        else [
            row["feature"],
            row["direction"],
            Figure.of("", row["rows"] | {"reason": row.get("reason")}, kind="share"),
            row["steps"],
            row["largest"],
            f"{row['at'][0]:.6g} and {row['at'][1]:.6g}" if row["at"] else "nowhere",
        ]
        for row in result["monotonicity"]
    ]
    return Table("Features that must raise or lower the score", titles, rows)


def stress(result: Mapping[str, Any]) -> Table:
    titles = [
        Column("Scenario"),
        Column("Mean score", "number"),
        Column("Decided favourably", "share"),
        Column("AUC", "number"),
        Column("Decisions changed", "share"),
    ]
    base = result["base"]
    rows = [[*outcome_cells("as it is", base), "–"]]
    for row in result["scenarios"]:
        if "refused" in row:
            rows.append([row["scenario"], "–", "–", "–", row["refused"]])
        else:
            changed = Figure.of("", row["change"]["decisions_changed"], kind="share")
            rows.append([*outcome_cells(row["scenario"], row), changed])
    return Table("Scenarios", titles, rows)


def outcome_cells(name: str, found: Mapping[str, Any]) -> list[Any]:
    area = "–" if found["auc"] is None else Figure.of("", found["auc"])
    return [name, found["mean_score"], Figure.of("", found["decision_rate"], kind="share"), area]
