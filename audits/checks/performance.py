"""Performance: how good are the decisions and the scores?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audits.charts import specs
from audits.checks import columns, params, scoring
from audits.checks.context import Context, Measured
from audits.checks.presenting import Chart, Column, Figure, Figures, Kind, Part, Section, Table
from registry import reading
from registry.models import ColumnRole, Dataset, Version

NAME = "performance"
VERSION = "2"
TITLE = "Performance"
ANSWERS = (
    "Says how well the scores separate the two outcomes (AUC, Gini, KS, ROC curve, lift), whether they can be read as "
    "probabilities (Brier score and its parts, log loss, calibration and tests of it), and how the decisions fare at "
    "the threshold and at others (confusion, precision, recall, accuracy, costs), each with its interval where one is "
    "known. Not for data the model was trained on, which flatters it, for more than two outcomes, or for predicted "
    "amounts."
)
COSTS = ("cost_false_positive", "cost_false_negative")
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
            "description": "Bins of the calibration curve.",
        },
        "binning": {
            "enum": ["width", "count"],
            "default": "width",
            "description": "Calibration bins that are equally wide, or that hold equally many rows.",
            "x-advanced": True,
        },
        "groups": {
            "type": "integer",
            "minimum": 2,
            "maximum": 100,
            "default": 10,
            "description": "Groups of the Hosmer-Lemeshow test, equally full.",
            "x-advanced": True,
        },
        "sample": {
            "enum": ["external", "development"],
            "default": "external",
            "description": "Whether the model was fitted to these rows (development), which takes 2 degrees of freedom "
            "from the Hosmer-Lemeshow test, or not.",
            "x-advanced": True,
        },
        "cost_false_positive": {
            "type": "number",
            "minimum": 0,
            "description": "What a favourable decision costs that was wrong; with the other cost it gives the cost "
            "curve.",
            "x-advanced": True,
        },
        "cost_false_negative": {
            "type": "number",
            "minimum": 0,
            "description": "What an unfavourable decision costs that was wrong.",
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
    scoring.check(dataset, source, target)
    require_costs(stated, scored="score" in source or "prediction" not in source)
    return source | {
        "target": target,
        "favourable": columns.favourable(dataset, target, stated.get("favourable")),
        **{name: stated[name] for name in ("bins", "binning", "groups", "sample", "confidence")},
        **{name: stated[name] for name in COSTS if name in stated},
    }


def require_costs(stated: Mapping[str, Any], *, scored: bool) -> None:
    """Refuse one cost without the other, costs of nothing, and costs where no score is to be cut."""
    given = [name for name in COSTS if name in stated]
    if not given:
        return
    if lacking := [name for name in COSTS if name not in stated]:
        raise columns.bad(lacking[0], f"Give “{lacking[0]}” beside “{given[0]}”: a cost curve weighs one against both.")
    if not any(stated[name] for name in COSTS):
        raise columns.bad(COSTS[0], "Both costs are 0, so every threshold costs the same; give at least one.")
    if not scored:
        raise columns.bad(COSTS[0], "A cost curve cuts scores at every threshold: name the score column in “score”.")


def sources(version: Version, dataset: Dataset, stated: dict[str, Any]) -> dict[str, Any]:
    """`prediction`, `score` or both, or neither, which has the artifact score the rows; and the threshold."""
    found: dict[str, Any] = {name: stated[name] for name in ("prediction", "score") if name in stated}
    if not found:
        for role in (ColumnRole.PREDICTION, ColumnRole.SCORE):
            if (name := columns.with_role(dataset, role, role.value)) is not None:
                found[role.value] = name
    if not found:
        if not scoring.scorable(version):
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
        **{
            name: stated[name]
            for name in ("bins", "binning", "groups", "sample", "confidence", *COSTS)
            if name in stated
        },
    )
    result["favourable"] = stated["favourable"]
    result["source"] = scored.source | ({"prediction": stated["prediction"]} if "prediction" in stated else {})
    result["limitations"] += scored.limitations
    if len(found) > columns.BINARY:
        result["limitations"].append(f"Every value but “{stated['favourable']}” counts as the other outcome.")
    return Measured(result, scored.libraries)


KEY = {
    "auc": ("AUC", "1 separates perfectly, 0.5 not at all"),
    "ks": ("KS", "largest gap between the outcomes' score distributions"),
    "brier": ("Brier score", "mean squared error of the probability; lower is better"),
    "accuracy": ("Accuracy", "share of right decisions"),
}
MORE = {
    "gini": ("Gini", "2 AUC − 1"),
    "average_precision": ("Average precision", "mean precision over the recall gained"),
    "log_loss": ("Log loss", "in nats; lower is better"),
    "ece": ("Calibration error", "mean gap between score and observed rate"),
    "balanced_accuracy": ("Balanced accuracy", "mean of recall and specificity"),
    "precision": ("Precision", "share of favourable decisions that were right"),
    "recall": ("Recall", "share of favourable outcomes found"),
    "specificity": ("Specificity", "share of other outcomes found"),
    "f1": ("F1", "harmonic mean of precision and recall"),
}
PARTS = {
    "reliability": "Reliability (how far the bins' rates are from their scores; lower is better)",
    "resolution": "Resolution (how far the bins' rates are from the overall one; higher is better)",
    "uncertainty": "Uncertainty (of the outcome itself)",
    "within_bin_variance": "Variance of the scores inside bins",
    "within_bin_covariance": "Covariance with the outcome inside bins",
}


def measures(result: Mapping[str, Any], wanted: Mapping[str, tuple[str, str]]) -> list[Figure]:
    return [Figure.of(label, result[name], hint=hint) for name, (label, hint) in wanted.items() if name in result]


def figures(result: Mapping[str, Any]) -> list[Figure]:
    return measures(result, KEY)


def sections(result: Mapping[str, Any]) -> list[Section]:
    threshold = "" if result["threshold"] is None else f", threshold {result['threshold']:g}"
    lead = (
        f"Favourable outcome: {result['favourable']}. {result['n']:,} rows{threshold}. Intervals hold with a "
        f"confidence of {result['confidence']:.0%}."
    )
    found = [
        Section("", lead, [Figures([*measures(result, KEY), *measures(result, MORE)])]),
        Section("Decisions against outcomes", "", [decided(result)]),
    ]
    for title, said, parts in (
        ("Separation", "How well the scores tell the two outcomes apart.", list(separated(result))),
        ("Calibration", "Whether a score can be read as a probability.", list(calibrated(result))),
        ("Thresholds", "What other thresholds would decide.", list(cut(result))),
    ):
        if parts:
            found.append(Section(title, said, parts))
    return found


def decided(result: Mapping[str, Any]) -> Table:
    cells, favourable = result["confusion"], str(result["favourable"])
    return Table(
        "Rows by what was decided and what happened",
        [Column("Decided"), Column(f"Was {favourable}", "count"), Column("Was not", "count")],
        [
            [favourable[:1].upper() + favourable[1:], cells["tp"], cells["fp"]],
            [f"Not {favourable}", cells["fn"], cells["tn"]],
        ],
        "Right decisions stand on the diagonal from the upper left.",
    )


def separated(result: Mapping[str, Any]) -> Iterator[Part]:
    if points := result.get("roc"):
        answer = "What cutting the score at each threshold yields; the diagonal is guessing."
        titles: list[tuple[str, Kind]] = [("True positive rate", "number"), ("False positive rate", "number")]
        rows = [[above(point["threshold"]), point["tpr"], point["fpr"]] for point in points]
        table = Table("Points of the ROC curve", [Column("Threshold", "number"), *columns_of(titles)], rows)
        yield Chart("ROC curve", answer, specs.roc(points), table)
    if bands := result.get("lift"):
        ends = [{"share": 0.0, "gain": 0.0}, *({"share": band["share"], "gain": band["gain"]} for band in bands)]
        drawn = specs.lines(
            ends, x="share", y="gain", across="Share of rows", up="Share of favourable outcomes", diagonal=True
        )
        answer = "How many of all favourable outcomes the highest scores hold; the diagonal is picking at random."
        yield Chart("Gains", answer, drawn, lifted(bands))


def lifted(bands: list[dict[str, Any]]) -> Table:
    titles: list[tuple[str, Kind]] = [
        ("Lowest score", "number"),
        ("Rows", "count"),
        ("Rate", "share"),
        ("Lift", "number"),
        ("Gain", "share"),
        ("Lift so far", "number"),
    ]
    rows = [
        [
            str(band["band"]),
            band["low"],
            band["n"],
            Figure.of("", band["rate"], kind="share"),
            band["lift"],
            band["gain"],
            band["cumulative_lift"],
        ]
        for band in bands
    ]
    note = "Rate over the rate of all rows is the lift. Equal scores share a band."
    return Table("Lift by tenths of the rows, highest scores first", [Column("Band"), *columns_of(titles)], rows, note)


def calibrated(result: Mapping[str, Any]) -> Iterator[Part]:
    bins = result.get("calibration")
    if not bins:
        return
    answer = "The observed rate against the mean score, bin by bin; on the diagonal a score is a probability."
    titles: list[tuple[str, Kind]] = [("Rows", "count"), ("Mean score", "number"), ("Observed rate", "number")]
    rows = [
        [
            f"{row['low']:.3g} to {row['high']:.3g}",
            row["n"],
            row["mean_score"],
            Figure("", row["observed_rate"], row["observed_low"], row["observed_high"]),
        ]
        for row in bins
        if row["n"]
    ]
    table = Table("Bins of the score", [Column("Scores"), *columns_of(titles)], rows)
    yield Chart("Calibration", answer, specs.calibration(bins), table)
    if "recalibration" in result:
        yield Figures(list(fit(result)))
        parts = [[PARTS[name], value] for name, value in result["brier_decomposition"].items()]
        note = "Reliability − resolution + uncertainty + variance − covariance is the Brier score."
        yield Table("Parts of the Brier score", [Column("Part"), Column("Value", "number")], parts, note)


def fit(result: Mapping[str, Any]) -> Iterator[Figure]:
    line, tested = result["recalibration"], result["hosmer_lemeshow"]
    for name, label, hint in (
        ("slope", "Calibration slope", "1 if calibrated; below, the scores are too extreme"),
        ("intercept", "Calibration intercept", "0 if calibrated"),
        ("in_the_large", "Calibration in the large", "0 if calibrated; above, outcomes are more frequent than scored"),
    ):
        yield Figure.of(label, line[name] | {"reason": line.get("reason")}, hint=hint)
    rough = f"; {tested['thin']} groups expect fewer than 5 rows" if tested["thin"] else ""
    hint = f"{tested['groups']} groups, {tested['df']} degrees of freedom ({tested['sample']} sample){rough}"
    found = {"value": tested["p_value"], "reason": tested.get("reason")}
    yield Figure.of("Hosmer–Lemeshow p-value", found, hint=hint)


def cut(result: Mapping[str, Any]) -> Iterator[Part]:
    if rows := result.get("thresholds"):
        names = {"true_positive_rate": "true positive rate", "false_positive_rate": "false positive rate"}
        drawn = [
            {"threshold": row["threshold"], "rate": row[name], "of": said}
            for name, said in names.items()
            for row in rows
            if row["threshold"] is not None
        ]
        answer = "The share of each outcome that gets the favourable decision at each threshold."
        spec = specs.lines(drawn, x="threshold", y="rate", across="Threshold", up="Rate", series="of")
        titles: list[tuple[str, Kind]] = [
            ("Selected", "share"),
            ("True positive rate", "share"),
            ("False positive rate", "share"),
            ("Precision", "share"),
            ("Accuracy", "share"),
        ]
        keys = ("selection_rate", *names, "precision", "accuracy")
        table = Table(
            "Rates over thresholds",
            [Column("Threshold", "number"), *columns_of(titles)],
            [[above(row["threshold"]), *(row[key] for key in keys)] for row in rows],
        )
        yield Chart("Rates over thresholds", answer, spec, table)
    if priced := result.get("costs"):
        yield from costed(priced)


def costed(priced: Mapping[str, Any]) -> Iterator[Part]:
    best = priced["cheapest"]
    hint = "favourable for none" if best["threshold"] is None else f"at threshold {best['threshold']:g}"
    yield Figures(
        [
            Figure("Cost per row, as decided", priced["decided"]),
            Figure("Cheapest", best["cost"], hint=hint),
            Figure("Favourable for all", priced["all"]),
            Figure("Favourable for none", priced["none"]),
        ]
    )
    drawn = [row for row in priced["curve"] if row["threshold"] is not None]
    spec = specs.lines(drawn, x="threshold", y="cost", across="Threshold", up="Mean cost per row")
    answer = "What the errors of each threshold cost per row; the cheapest was chosen on these rows."
    columns_ = [Column("Threshold", "number"), Column("Mean cost per row", "number")]
    rows = [[above(row["threshold"]), row["cost"]] for row in priced["curve"]]
    yield Chart("Cost curve", answer, spec, Table("Cost over thresholds", columns_, rows))


def above(threshold: float | None) -> float | str:
    """No row reaches the first threshold."""
    return "above all" if threshold is None else threshold


def columns_of(titles: list[tuple[str, Kind]]) -> list[Column]:
    return [Column(title, kind) for title, kind in titles]
