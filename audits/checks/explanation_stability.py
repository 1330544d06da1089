"""Stability of explanations: do they stay from version to version, and under a little noise?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audits.charts import specs
from audits.checks import columns, explaining, params, scoring
from audits.checks.context import Context, Measured
from audits.checks.presenting import Cell, Chart, Column, Figure, Figures, Section, Table
from registry import reading
from registry.models import ColumnRole, Dataset, Version

NAME = "explanation_stability"
VERSION = "1"
TITLE = "Stability of explanations"
ANSWERS = (
    "Says how far explanations stay the same: between this version and another, on the same rows against the same "
    "background, and when a little noise is added to the numeric inputs. Rank correlations of the importance, how many "
    "of the top inputs stay, whether contributions keep their sign, and how far they move. Both sides are explained by "
    "the interventional game, so that they can be compared. Not for which explanation is right, nor for models whose "
    "scores themselves should change: a better version may well have other reasons."
)
GAME = "interventional"
DRAWN = 15
EVEN = "importance that differs is needed"
# The sandbox draws from so many times the rows needed, so that few are drawn both to be explained and as background.
SPARE = 8
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "other_version": {
            "type": "string",
            "title": "Other version",
            "description": "The version to compare with; without one only noise is measured.",
            "x-version": True,
        },
        "target": params.TARGET,
        "favourable": params.FAVOURABLE,
        "rows": {
            "type": "integer",
            "minimum": 1,
            "maximum": 2000,
            "default": 100,
            "title": "Rows",
            "description": "How many rows are explained, drawn by the seed.",
        },
        "background": {
            "type": "integer",
            "minimum": 1,
            "maximum": 1000,
            "default": 100,
            "title": "Background rows",
            "description": "How many rows stand for the usual case, drawn by the seed.",
        },
        "repeats": {
            "type": "integer",
            "minimum": 0,
            "maximum": 50,
            "default": 5,
            "title": "Repeats with noise",
            "description": "How often noise is drawn for each row; 0 leaves noise out.",
        },
        "noise": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1,
            "default": 0.05,
            "title": "Noise",
            "description": "The noise's standard deviation, as a share of each numeric input's own.",
        },
        "top": {
            "type": "integer",
            "minimum": 1,
            "maximum": 100,
            "default": 5,
            "title": "Top inputs",
            "description": "How many of the most important inputs are looked at for their overlap.",
        },
        "seed": params.SEED,
        "labels": params.LABELS,
    },
}


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    explaining.require_artifact(version)
    source = scoring.artifact(version, dataset, stated) | explaining.outcome(dataset, stated)
    if (given_id := stated.get("other_version")) is not None:
        other = Version.objects.get(pk=given_id)
        if other.pk == version.pk:
            raise columns.bad("other_version", "This is the version itself; name another one.")
        if other.artifact is None:
            raise columns.bad("other_version", f"{other} has no artifact to explain.")
        source["other_version"] = str(other.pk)
    elif not stated["repeats"]:
        raise columns.bad("repeats", "Without another version and without noise there is nothing to measure.")
    return source | {name: stated[name] for name in ("rows", "background", "repeats", "noise", "top", "seed")}


def run(context: Context) -> Measured:
    stated = context.params
    context.progress(0.05, "Reading the data")
    frame = reading.frame(context.dataset, context.dataset.names(ColumnRole.FEATURE))
    limitations: list[str] = []
    found: Any = None
    versions = noise = None
    if "other_version" in stated:
        context.progress(0.1, "Explaining this version")
        found = explained(context, frame, stated["rows"], stated["background"])
        versions, said = compared(context, frame, found)
        limitations += [*found.notes, *unsure(found), *said]
    if stated["repeats"]:
        noise, again, said = shaken(context, frame)
        found = found or again
        limitations += [*again.notes, *unsure(again), *said]
    rows = min(stated["rows"], len(frame))
    if rows < len(frame):
        limitations.insert(0, f"{rows} of {len(frame)} rows were explained, drawn by the seed {stated['seed']}.")
    result = {
        "rows": rows,
        "background": found.background,
        "seed": stated["seed"],
        "game": found.game,
        "scale": found.scale,
        "favourable": stated.get("favourable"),
        "versions": versions,
        "noise": noise,
        "source": {"kind": "artifact", "digest": context.version.digest, "classes": found.classes},
        "limitations": list(dict.fromkeys(limitations)),
    }
    return Measured(result, found.libraries)


def explained(context: Context, frame: Any, rows: int, background: int, version: Version | None = None) -> Any:
    from audits.measures.explanation import check_additivity
    from audits.sandbox import parent

    more = scoring.sandboxed(context, version)
    if version is not None and version.facts.get("labels"):
        more["labels"] = version.facts["labels"]
    found = parent.explain(data=frame, rows=rows, background=background, seed=context.params["seed"], game=GAME, **more)
    check_additivity(values=found.values, base=found.base, output=found.output, relative=1e-5)
    return found


def unsure(found: Any) -> list[str]:
    if found.errors is None:
        return []
    error = float(found.errors.max())
    return [
        f"The contributions were sampled, with a standard error of at most {error:.3g}: part of what moves is that."
    ]


def compared(context: Context, frame: Any, found: Any) -> tuple[dict[str, Any], list[str]]:
    """Both versions' contributions over the inputs of either; an input that a model does not read contributes 0."""
    import numpy as np

    from audits.measures import explanation_stability as measure

    version = context.other_version("other_version")
    context.progress(0.35, f"Explaining {version}")
    other = explained(context, frame, context.params["rows"], context.params["background"], version)
    features = list(dict.fromkeys([*found.features, *other.features]))
    whole = []
    for each in (found, other):
        values = np.zeros((len(each.values), len(features)))
        values[:, [features.index(name) for name in each.features]] = each.values
        whole.append(values)
    same_unit = found.scale == other.scale
    result = measure.between(
        values=whole[0], other=whole[1], features=features, top=context.params["top"], same_unit=same_unit
    )
    said = [*other.notes, *result.pop("reasons")]
    if not same_unit:
        said.append(f"This version's contributions are in {found.scale}, those of {version} in {other.scale}.")
    alone = sorted(set(found.features) ^ set(other.features))
    if alone:
        said.append(f"Only one of the versions reads {columns.listed(alone)}; in the other they contribute 0.")
    if found.game != other.game:
        said.append(f"This version was explained by “{found.game}”, {version} by “{other.game}”.")
    return result | {"other": str(version), "other_digest": version.digest, "other_scale": other.scale}, said


def shaken(context: Context, frame: Any) -> tuple[dict[str, Any] | None, Any, list[str]]:
    """The rows and their noisy copies, explained at once against one background."""
    import numpy as np

    from audits.measures import explanation_stability as measure
    from audits.sandbox.explanation import sample

    stated = context.params
    repeats, seed = stated["repeats"], stated["seed"]
    drawn = sample(len(frame), rows=stated["rows"], background=stated["background"], seed=seed)
    rows = frame.iloc[drawn.rows]
    copies, far = measure.noisy(rows=rows, data=frame, share=stated["noise"], repeats=repeats, seed=seed)
    context.progress(0.6, f"Explaining {len(rows)} rows and {repeats} noisy copies of each")
    table, places, asked = staged([rows, *copies], frame.iloc[drawn.background], seed)
    found = explained(context, table, asked, len(drawn.background))
    at = np.searchsorted(found.rows, places)
    if not np.array_equal(found.rows[at], places):
        raise RuntimeError("Other rows were explained than planned.")
    if not (far > 0).any():
        return None, found, ["No numeric input varies, so no noise could be added."]
    values = found.values[at].reshape(1 + repeats, len(rows), -1)
    output = found.output[at].reshape(1 + repeats, len(rows))
    result = measure.under_noise(
        values=values[0],
        noisy_values=values[1:],
        moved=far,
        output=output[0],
        noisy_output=output[1:],
        rows=[int(row) + 1 for row in drawn.rows],
        top=stated["top"],
    )
    return result | {"share": stated["noise"], "scale": found.scale}, found, quiet(result)


def quiet(result: Mapping[str, Any]) -> list[str]:
    said = ["Noise was added to numeric inputs alone; whole numbers became fractions, which some models cut off."]
    if result["still"]:
        said.append(f"{result['still']} rows have no numeric cell to move and were left out of the noise.")
    if result["rank_agreement"] is None:
        said.append("Rank agreement needs two inputs or more whose contributions differ in size.")
    return said


def staged(parts: list[Any], background: Any, seed: int) -> tuple[Any, Any, int]:
    """A table of which the sandbox draws these rows to be explained and this background; where they lie; how many.

    The sandbox draws both by the seed from as many rows as there are. Rows drawn for both are wasted on the background.
    """
    import numpy as np
    import pandas as pd

    from audits.sandbox.explanation import sample

    wanted = sum(map(len, parts))
    count, asked = SPARE * (wanted + len(background)), wanted
    while True:
        drawn = sample(count, rows=asked, background=len(background), seed=seed)
        free = np.setdiff1d(drawn.rows, drawn.background)
        if len(free) >= wanted:
            break
        asked += wanted - len(free)
    pool = pd.concat([background, *parts], ignore_index=True)
    places = np.zeros(count, dtype=np.int64)
    places[drawn.background] = np.arange(len(background))
    places[free[:wanted]] = len(background) + np.arange(wanted)
    return pool.iloc[places].reset_index(drop=True), free[:wanted], asked


def figures(result: Mapping[str, Any]) -> list[Figure]:
    found = []
    if versions := result["versions"]:
        found += [
            Figure(
                "Kendall's tau", versions["kendall"], hint=f"of the importance, with {versions['other']}", reason=EVEN
            ),
            Figure("Top inputs kept", versions["top_overlap"], hint=f"of {versions['top']}", kind="share"),
        ]
    if noise := result["noise"]:
        hint = f"mean Spearman correlation of a row with itself under {noise['share']:g} SD of noise"
        found.append(Figure("Rank agreement", noise["rank_agreement"], hint=hint, reason=EVEN))
    return found


def sections(result: Mapping[str, Any]) -> list[Section]:
    lead = (
        f"{result['rows']:,} rows explained against {result['background']:,} background rows, seed {result['seed']}; "
        f"game: {result['game']}. Contributions are on the scale of {result['scale']}."
    )
    parts = [Section(lead=lead)]
    if result["versions"]:
        parts.append(between_versions(result["versions"]))
    if result["noise"]:
        parts.append(under_noise(result["noise"]))
    return parts


def between_versions(found: Mapping[str, Any]) -> Section:
    tiles = Figures(
        [
            Figure("Kendall's tau", found["kendall"], hint="of the importance", reason=EVEN),
            Figure("Spearman's rho", found["spearman"], hint="of the importance", reason=EVEN),
            Figure("Top inputs kept", found["top_overlap"], hint=f"of {found['top']}", kind="share"),
            Figure("Same sign", found["sign_agreement"], hint="of contributions that are not 0", kind="share"),
            Figure(
                "Mean difference", found["mean_abs_difference"], hint="size, per contribution", reason="other units"
            ),
        ]
    )
    rows = found["importance"]
    bars = [
        {"label": row["feature"], "value": row[key], "series": name}
        for row in rows[:DRAWN]
        for key, name in (("mean_abs", "This version"), ("other_mean_abs", str(found["other"])))
    ]
    chart = Chart(
        "Importance in both versions",
        f"The mean size of each input's contribution; at most {DRAWN} inputs are drawn.",
        specs.histogram(bars, across="Input", up="Mean size of the contribution"),
    )
    table = Table(
        "Importance in both versions, largest first",
        [Column("Input"), Column("This version", "number"), Column(str(found["other"]), "number")],
        [[row["feature"], row["mean_abs"], row["other_mean_abs"]] for row in rows],
    )
    lead = f"Against {found['other']}, whose contributions are on the scale of {found['other_scale']}"
    return Section("Between versions", lead, [tiles, chart, table])


def under_noise(found: Mapping[str, Any]) -> Section:
    ratio = found["ratio"]
    rows: list[list[Cell]] = [
        ["Rank agreement: mean Spearman correlation of a row's contributions by size", found["rank_agreement"]],
        [f"Top {found['top']} inputs of a row that stay, mean share", found["top_overlap"]],
        ["Mean change of a contribution, size", found["mean_abs_difference"]],
        ["Mean change of the output, size", found["output_change"]],
        ["Change of the contributions per standard deviation moved, median of the rows' largest", ratio["median"]],
        [f"The same, largest (row {ratio['row']})", ratio["largest"]],
    ]
    table = Table("Under noise", [Column("Measure"), Column("Value", "number")], rows)
    lead = (
        f"{found['repeats']} draws of noise for each of {found['rows']:,} rows, {found['share']:g} of each numeric "
        "input's standard deviation"
    )
    return Section("Under noise", lead, [table])
