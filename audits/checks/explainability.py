"""Explainability: which inputs drive the scores, over all rows and in each?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from audits.charts import specs
from audits.checks import columns, explaining, params, scoring
from audits.checks.context import Context, Measured
from audits.checks.presenting import Cell, Chart, Column, Figure, Note, Section, Table
from audits.measures import reason_codes_texts
from registry import reading
from registry.models import ColumnRole, Dataset, Version

NAME = "explainability"
VERSION = "2"
TITLE = "Explanation of the scores"
ANSWERS = (
    "Splits the score of each explained row into what every input added to it or took from it (Shapley values), and "
    "ranks the inputs by their mean share. The parts are checked to add up to the model's own output; a run in which "
    "they don't fails. Not for causes: it says what the model used, not what would happen if a person changed, and "
    "inputs that move together share their part in a way the chosen game decides."
)
# base + contributions against the output; XGBoost and LightGBM add up single-precision leaves
ADDITIVE_WITHIN = 1e-5
# Rows that are shuffled at most; their scores are asked for once per input and repeat.
MOST_SHUFFLED = 5000
DRAWN = 15
LISTED = 3
LOSSES = {"auc": "AUC", "log_loss": "log loss", "brier": "Brier score", "squared_error": "squared error"}
ENTRY: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["code", "text"],
    "properties": {
        "code": {"type": "string", "minLength": 1, "description": "As the notice prints it."},
        "text": {"type": "string", "minLength": 1, "description": "The specific reason, in words."},
        "below": {"type": "number", "description": "Only for values below this."},
        "above": {"type": "number", "description": "Only for values above this."},
    },
}
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
        "seed": params.SEED,
        "top": {
            "type": "integer",
            "minimum": 1,
            "maximum": 100,
            "default": 5,
            "title": "Reasons a row",
            "description": "How many contributions of a row are listed; the others are summed.",
        },
        "dependence": {
            "type": "integer",
            "minimum": 0,
            "maximum": 50,
            "default": 5,
            "title": "Inputs drawn along their values",
            "description": "For how many of the most important inputs contributions are shown along their values.",
        },
        "interactions": {
            "type": "array",
            "items": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 2,
                "maxItems": 2,
                "uniqueItems": True,
            },
            "maxItems": 50,
            "default": [],
            "title": "Pairs of inputs",
            "description": "Pairs of features whose interaction is measured (Friedman's H); none by default.",
            "x-advanced": True,
        },
        "interaction_rows": {
            "type": "integer",
            "minimum": 2,
            "maximum": 200,
            "default": 50,
            "title": "Rows for interactions",
            "description": "Rows over which interactions are measured, drawn by the seed; the cost is their square.",
            "x-advanced": True,
        },
        "permutation_repeats": {
            "type": "integer",
            "minimum": 0,
            "maximum": 100,
            "default": 0,
            "title": "Shuffles for permutation importance",
            "description": "How often each input is shuffled for permutation importance, which needs a target; 0 "
            "leaves it out.",
        },
        "loss": {
            "enum": list(LOSSES),
            "default": "auc",
            "title": "Loss",
            "description": "What shuffling an input makes worse: auc (its drop), log_loss, brier, or squared_error for "
            "amounts.",
            "x-advanced": True,
        },
        "reason_codes": {
            "type": "object",
            "additionalProperties": False,
            "required": ["version", "codes"],
            "properties": {
                "version": {"type": "string", "minLength": 1, "description": "The version of the dictionary."},
                "codes": {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": {"anyOf": [ENTRY, {"type": "array", "items": ENTRY, "minItems": 1}]},
                    "description": "For each feature its code and text, or several with below or above.",
                },
            },
            "title": "Reason codes",
            "description": "A versioned dictionary of reason codes: each explained row gets its principal reasons.",
            "x-advanced": True,
        },
        "lime": {
            "type": "boolean",
            "default": False,
            "title": "Local surrogates (LIME)",
            "description": "Whether a small linear model is fitted around some rows.",
            "x-advanced": True,
        },
        "lime_rows": {
            "type": "integer",
            "minimum": 1,
            "maximum": 50,
            "default": 3,
            "title": "Rows with a local surrogate",
            "description": "How many of the explained rows get one, the first of them.",
            "x-advanced": True,
        },
        "gradient_rows": {
            "type": "integer",
            "minimum": 0,
            "maximum": 50,
            "default": 0,
            "title": "Rows with integrated gradients",
            "description": "For how many of the explained rows, the first of them, integrated gradients are taken by "
            "finite differences; 0 leaves them out. For smooth models of numbers.",
            "x-advanced": True,
        },
        "labels": params.LABELS,
    },
}
KEPT = (
    "rows",
    "background",
    "seed",
    "top",
    "dependence",
    "interactions",
    "interaction_rows",
    "permutation_repeats",
    "loss",
    "lime",
    "lime_rows",
    "gradient_rows",
)


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    explaining.require_artifact(version)
    source = scoring.artifact(version, dataset, stated) | outcome(dataset, stated)
    if stated["permutation_repeats"] and "target" not in source:
        needed = "name one in “target”; for amounts, choose the loss squared_error as well"
        raise columns.bad("permutation_repeats", f"Permutation importance needs a target: {needed}.")
    for pair in stated["interactions"]:
        for name in pair:
            explaining.require_feature(dataset, name, "interactions")
    require_numbers(dataset, stated)
    if codes := stated.get("reason_codes"):
        for name in codes["codes"]:
            explaining.require_feature(dataset, name, "reason_codes")
        if (refusal := reason_codes_texts.unspecific(codes["codes"])) is not None:
            raise columns.bad("reason_codes", refusal)
        source["reason_codes"] = codes
    return source | {name: stated[name] for name in KEPT}


def outcome(dataset: Dataset, stated: dict[str, Any]) -> dict[str, Any]:
    """The target with its favourable value; for squared_error a target of amounts, which has none."""
    name = stated.get("target") or columns.with_role(dataset, ColumnRole.TARGET, "target")
    if name is None or stated["loss"] != "squared_error":
        return explaining.outcome(dataset, stated)
    columns.numeric(dataset, name, "target")
    return {"target": name} | ({"favourable": stated["favourable"]} if "favourable" in stated else {})


def require_numbers(dataset: Dataset, stated: dict[str, Any]) -> None:
    """Integrated gradients go straight from the mean row to another, which only numbers allow."""
    for name in dataset.names(ColumnRole.FEATURE) if stated["gradient_rows"] else ():
        found = columns.named(dataset, name, "gradient_rows")["type"]
        if found not in columns.NUMERIC:
            sentence = f"“{name}” holds {found}; integrated gradients are for models of numbers alone."
            raise columns.bad("gradient_rows", sentence)


def run(context: Context) -> Measured:
    from audits.measures import explanation
    from audits.sandbox import parent

    stated = context.params
    context.progress(0.05, "Reading the data")
    frame = reading.frame(context.dataset, context.dataset.names(ColumnRole.FEATURE))
    found = parent.explain(
        data=frame,
        on_progress=lambda fraction, stage: context.progress(0.1 + 0.5 * fraction, stage),
        **{name: stated[name] for name in ("rows", "background", "seed")},
        **scoring.sandboxed(context),
    )
    context.progress(0.6, "Checking that the parts add up")
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
    more, limitations = further(context, frame, found)
    result["limitations"] += limitations
    return Measured(result | more, found.libraries)


def sampled(found: Any, rows: int) -> list[str]:
    """What the sampling limits."""
    said = []
    if len(found.rows) < rows:
        said.append(f"{len(found.rows)} of {rows} rows were explained, drawn by the seed {found.seed}.")
    if found.errors is not None:
        error = float(found.errors.max())
        said.append(f"The contributions were sampled, with a standard error of at most {error:.3g}.")
    return said


def further(context: Context, frame: Any, found: Any) -> tuple[dict[str, Any], list[str]]:
    """What was asked for beside the contributions, and what limits it."""
    from audits.measures import dependence

    stated, seen = context.params, frame.iloc[found.rows][found.features]
    more: dict[str, Any] = {"dependence": []}
    more |= dict.fromkeys(("interactions", "permutation", "codes", "lime", "gradients"))
    limitations: list[str] = []
    if stated["dependence"]:
        context.progress(0.62, "Contributions along the values")
        more["dependence"] = dependence.dependence(values=found.values, data=seen, top=stated["dependence"])
    if "reason_codes" in stated:
        more["codes"], said = coded(context, found, seen)
        limitations += said
    if not any(stated[name] for name in ("interactions", "permutation_repeats", "lime", "gradient_rows")):
        return more, limitations
    with scoring.scorer(context) as ask:
        if stated["interactions"]:
            more["interactions"] = dependence.interactions(
                score=stage(context, ask, "Interactions"),
                data=frame,
                pairs=stated["interactions"],
                rows=stated["interaction_rows"],
                seed=stated["seed"],
            )
        if stated["permutation_repeats"]:
            more["permutation"], said = shuffled(context, frame, ask, found.features)
            limitations += said
        if stated["lime"]:
            more["lime"], said = surrogates(context, frame, ask, found)
            limitations += said
        if stated["gradient_rows"]:
            more["gradients"], said = gradients(context, frame, ask, found)
            limitations += said
    return more, limitations


def stage(context: Context, ask: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    """Say what is being scored at every call, which also stops a cancelled run."""

    def score(part: Any) -> Any:
        context.progress(0.7, f"{name}: scoring {len(part):,} rows")
        return ask(part)

    return score


def coded(context: Context, found: Any, seen: Any) -> tuple[dict[str, Any], list[str]]:
    """Each explained row's principal reasons in the dictionary's words."""
    from audits.measures import reason_codes

    given = context.params["reason_codes"]
    labels = [int(row) + 1 for row in found.rows]
    codes = reason_codes.reason_codes(values=found.values, data=seen, rows=labels, codes=given["codes"])
    said = [
        f"“{row['feature']}” is a principal reason in {row['n']} of {len(labels)} rows and the dictionary "
        f"{given['version']} has no code for its value there."
        for row in codes["without"]
    ]
    used = {reason["feature"] for row in codes["rows"] for reason in row["reasons"]}
    said += [
        f"“{name}” has the role sensitive and is a principal reason of some rows."
        for name in context.dataset.names(ColumnRole.SENSITIVE)
        if name in used
    ]
    if "favourable" not in context.params:
        said.append("Nothing says which outcome is favourable: reasons are what lowered the score of the last class.")
    return {"version": given["version"]} | codes, said


def shuffled(context: Context, frame: Any, ask: Callable[[Any], Any], names: Sequence[str]) -> Any:
    from audits.measures import labels, mixtures
    from audits.measures.permutation_importance import permutation_importance

    stated = context.params
    target = reading.frame(context.dataset, [stated["target"]])[stated["target"]]
    happened: Any = target
    if stated["loss"] != "squared_error":
        happened, _, _ = labels.positives(target=target, prediction=target, favourable=stated["favourable"])
    chosen = mixtures.drawn(len(frame), MOST_SHUFFLED, stated["seed"])
    measured = permutation_importance(
        score=stage(context, ask, "Permutation importance"),
        data=frame.iloc[chosen],
        target=happened[chosen] if stated["loss"] != "squared_error" else target.iloc[chosen],
        features=names,
        loss=stated["loss"],
        repeats=stated["permutation_repeats"],
        seed=stated["seed"],
    )
    said = []
    if len(chosen) < len(frame):
        said.append(f"Permutation importance was measured on {len(chosen)} of {len(frame)} rows, drawn by the seed.")
    return measured, said


def surrogates(context: Context, frame: Any, ask: Callable[[Any], Any], found: Any) -> Any:
    from audits.measures.local_surrogate import local_surrogates

    stated = context.params
    places = [int(row) for row in found.rows[: stated["lime_rows"]]]
    measured = local_surrogates(
        score=stage(context, ask, "Local surrogates"),
        data=frame,
        places=places,
        rows=[place + 1 for place in places],
        features=found.features,
        seed=stated["seed"],
    )
    return measured, [
        "LIME fits a linear model around a row: its coefficients describe that surrogate, not the model, and a local "
        "R² far below 1 says that they describe it badly."
    ]


def gradients(context: Context, frame: Any, ask: Callable[[Any], Any], found: Any) -> Any:
    from audits.measures.integrated_gradients import integrated_gradients

    places = [int(row) for row in found.rows[: context.params["gradient_rows"]]]
    measured = integrated_gradients(
        score=stage(context, ask, "Integrated gradients"),
        data=frame,
        places=places,
        rows=[place + 1 for place in places],
    )
    failed = [row for row in measured["rows"] if row["reason"]]
    return measured, [f"Row {row['row']} has no integrated gradients. {row['reason']}" for row in failed]


def figures(result: Mapping[str, Any]) -> list[Figure]:
    ranked = result.get("importance", [])[:LISTED]
    return [Figure(row["feature"], row.get("share"), hint="of all contributions", kind="share") for row in ranked]


def sections(result: Mapping[str, Any]) -> list[Section]:
    parts = [adding_up(result), important(result), along_values(result), together(result), shuffling(result)]
    parts += [row_by_row(result), in_codes(result), around_rows(result), on_the_way(result)]
    return [part for part in parts if part is not None]


def adding_up(result: Mapping[str, Any]) -> Section | None:
    found = result.get("additivity")
    if not found:
        return None
    sentence = (
        f"Base and contributions miss the model's output by at most {found['max_abs_error']:.2g}; up to "
        f"{found['tolerance']:.2g} is allowed for rounding."
    )
    towards = f", towards {result['favourable']}" if result.get("favourable") is not None else ""
    lead = (
        f"{result['rows']:,} rows explained against {result['background']:,} background rows, seed {result['seed']}; "
        f"game: {result['game']}. Contributions are on the scale of {result['scale']}; the base is "
        f"{result['base']:.4g}{towards}. {game(result['game'])}"
    )
    title = "The parts add up" if found["holds"] else "The parts do not add up"
    return Section(lead=lead, parts=[Note("success" if found["holds"] else "error", title, sentence)])


def game(name: str) -> str:
    """The two games answer different questions, and their numbers differ."""
    if "path-dependent" in name:
        return "In the path-dependent game an absent input follows the training rows in the tree, not the background."
    return "In the interventional game an absent input is replaced by the background's values, whatever the others are."


def important(result: Mapping[str, Any]) -> Section | None:
    rows = result.get("importance", [])
    if not rows:
        return None
    chart = Chart(
        "Which inputs drive the scores",
        f"The mean size of each input's contribution to the output; at most {DRAWN} are drawn.",
        specs.importance(rows[:DRAWN]),
    )
    table = Table(
        "Inputs by the mean size of their contributions, largest first",
        [Column("Input"), Column("Mean size", "number"), Column("Share of all", "share"), Column("Mean", "signed")],
        [[row["feature"], row["mean_abs"], row["share"], row["mean"]] for row in rows],
    )
    return Section("Importance", "Mean size of each input's contribution", [chart, table])


def along_values(result: Mapping[str, Any]) -> Section | None:
    found = result.get("dependence")
    if not found:
        return None
    charts = [curve(each) for each in found]
    lead = "Mean contribution of the most important inputs along their values, with its quartiles."
    return Section("Contributions along the values", lead, charts)


def curve(found: Mapping[str, Any]) -> Chart:
    points = found["points"]
    table = Table(
        f"Contributions of {found['feature']}",
        [
            Column("Value"),
            Column("Rows", "count"),
            Column("Mean", "signed"),
            Column("SD", "number", "standard deviation of the contributions"),
            Column("Quartiles"),
        ],
        [
            [
                point["label"],
                point["n"],
                point["mean"],
                point["sd"],
                f"{signed(point['q25'])} to {signed(point['q75'])}",
            ]
            for point in points
        ],
    )
    placed = [point for point in points if point["at"] is not None]
    if len(placed) > 1:
        spec = specs.lines(placed, x="at", y="mean", across=found["feature"], up="Contribution", band=("q25", "q75"))
        answer = "A line through the mean contribution of each bin; the band holds the middle half of the rows."
        return Chart(found["feature"], answer, spec, table)
    rows = [
        {"label": point["label"], "value": point["mean"], "low": point["q25"], "high": point["q75"]} for point in points
    ]
    answer = "A dot at the mean contribution of each value; the line holds the middle half of the rows."
    return Chart(found["feature"], answer, specs.dots(rows, title="Contribution", reference=0.0), table)


def together(result: Mapping[str, Any]) -> Section | None:
    found = result.get("interactions")
    if not found:
        return None
    rows: list[list[Cell]] = [
        [" × ".join(row["features"]), Figure("H", row["h"], reason=row["reason"] or ""), row["strength"]]
        for row in found
    ]
    table = Table(
        "Interactions, strongest first",
        [Column("Pair"), Column("H", "number"), Column("Strength", "number", "in the score's own unit")],
        rows,
        "H is 0 where the effects of two inputs on the score add up, and 1 where neither acts without the other. On "
        "probabilities even a model that is additive on log-odds has some.",
    )
    return Section("Interactions", "Friedman's H of the pairs asked for, from partial dependence", [table])


def shuffling(result: Mapping[str, Any]) -> Section | None:
    found = result.get("permutation")
    if not found:
        return None
    name = LOSSES[found["loss"]]
    what = "drop of AUC" if found["loss"] == "auc" else f"rise of the {name}"
    rows = [{"label": row["feature"], "value": row["mean"]} for row in found["features"][:DRAWN]]
    chart = Chart(
        "What shuffling an input costs",
        f"The mean {what} when an input is shuffled; at most {DRAWN} are drawn.",
        specs.ranked(rows, title=what[:1].upper() + what[1:]),
    )
    table = Table(
        "Permutation importance, largest first",
        [Column("Input"), Column(f"Mean {what}", "signed"), Column("Standard error", "number")],
        [[row["feature"], row["mean"], row["standard_error"]] for row in found["features"]],
        "The standard error is that of the shuffling, not of the sample of rows. Inputs that move together hide each "
        "other.",
    )
    lead = f"{found['rows']:,} rows, {found['repeats']} shuffles; {name} {found['baseline']:.4g} before"
    return Section("Permutation importance", lead, [chart, table])


def row_by_row(result: Mapping[str, Any]) -> Section | None:
    reasons = result.get("reasons")
    if not reasons:
        return None
    several = len({reason["base"] for reason in reasons}) > 1
    titles = [Column("Row", "count"), Column("Output", "number"), *([Column("Base", "number")] if several else [])]
    rows: list[list[Cell]] = [
        [
            reason["row"],
            reason["output"],
            *([reason["base"]] if several else []),
            "; ".join(moved(part) for part in reason["contributions"]),
            reason["rest"],
        ]
        for reason in reasons
    ]
    table = Table(
        "Rows explained, with what moved their output most",
        [*titles, Column("What moved it from the base"), Column("Rest", "signed")],
        rows,
        paged=True,
    )
    return Section("Reasons row by row", "The largest contributions to each score; the rest is summed", [table])


def moved(part: Mapping[str, Any]) -> str:
    value = "missing" if part["value"] is None else specs.short(part["value"])
    return f"{part['feature']} = {value} {signed(part['contribution'])}"


def signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", "−")


def in_codes(result: Mapping[str, Any]) -> Section | None:
    found = result.get("codes")
    if not found:
        return None
    counted = Table(
        "How often each code is a principal reason",
        [Column("Code"), Column("Reason"), Column("Rows", "count")],
        [[row["code"], row["text"], row["n"]] for row in found["counts"]],
    )
    rows = Table(
        "Principal reasons of each row, the strongest first",
        [Column("Row", "count"), Column("Reasons")],
        [[row["row"], "; ".join(map(worded, row["reasons"])) or "nothing lowered this score"] for row in found["rows"]],
        paged=True,
    )
    lead = f"Dictionary {found['version']}: what lowered each score most, at most {found['most']} reasons"
    return Section("Reason codes", lead, [counted, rows])


def worded(reason: Mapping[str, Any]) -> str:
    if reason["code"] is None:
        return f"no code for {reason['feature']}"
    return f"{reason['code']} {reason['text']}"


def around_rows(result: Mapping[str, Any]) -> Section | None:
    found = result.get("lime")
    if not found:
        return None
    note = Note(
        "warning",
        "These are local surrogates",
        "A linear model was fitted around each row. Its coefficients describe that surrogate; the contributions above "
        "describe the model.",
    )
    return Section("Local surrogates (LIME)", "", [note, *map(surrogate, found)])


def surrogate(found: Mapping[str, Any]) -> Table:
    fit = "undefined" if found["r2"] is None else f"{found['r2']:.3f}"
    return Table(
        f"Row {found['row']}: score {found['score']:.4g}, local R² {fit}",
        [
            Column("Input"),
            Column("Value"),
            Column("Coefficient", "signed", "per standard deviation, or for keeping the row's category"),
        ],
        [
            [
                row["feature"],
                "missing" if row["value"] is None else specs.short(row["value"]),
                Figure("", row["coefficient"], kind="signed", reason=row["reason"] or ""),
            ]
            for row in found["coefficients"]
        ],
    )


def on_the_way(result: Mapping[str, Any]) -> Section | None:
    found = result.get("gradients")
    if not found:
        return None
    rows: list[list[Cell]] = [
        [
            row["row"],
            row["score"],
            row["reason"]
            or "; ".join(f"{each['feature']} {signed(each['attribution'])}" for each in row["attributions"]),
            row["gap"],
        ]
        for row in found["rows"]
    ]
    table = Table(
        "What each input adds on the straight way from the mean row, largest first",
        [
            Column("Row", "count"),
            Column("Score", "number"),
            Column("Attributions"),
            Column("Gap", "number", "between the sum of the attributions and the change of the score"),
        ],
        rows,
    )
    lead = f"By finite differences, from the mean row, whose score is {found['base']:.4g}; another game than Shapley's"
    return Section("Integrated gradients", lead, [table])
