"""Regression: how far are predicted amounts from what happened?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from audits.charts import specs
from audits.checks import amounts, columns, params
from audits.checks.context import Context, Measured
from audits.checks.presenting import Chart, Column, Figure, Figures, Section, Table
from registry import reading
from registry.models import Dataset, Version

NAME = "regression"
VERSION = "1"
TITLE = "Errors of predicted amounts"
ANSWERS = (
    "Says how far predicted amounts are from what happened: mean absolute error, root mean square error, bias, mean "
    "absolute percentage error, R², the quantiles of the error, and the mean outcome by bands of the prediction, with "
    "intervals. Not for data the model was trained on, for outcomes that are classes, or, as to the percentage error, "
    "for amounts near 0."
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "target": {**params.TARGET, "x-column": "number"},
        "prediction": {
            "type": "string",
            "x-column": "number",
            "description": "The column with predicted amounts; by default the one with the role prediction or score, "
            "else the artifact predicts.",
        },
        "quantiles": {
            "type": "array",
            "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "minItems": 1,
            "maxItems": 20,
            "uniqueItems": True,
            "default": [0.05, 0.25, 0.5, 0.75, 0.95],
            "description": "Which quantiles of the error to give.",
            "x-advanced": True,
        },
        "bands": {
            "type": "integer",
            "minimum": 1,
            "maximum": 100,
            "default": 10,
            "description": "Equally full bands of the prediction.",
            "x-advanced": True,
        },
        "confidence": params.CONFIDENCE,
    },
}


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    target = amounts.target(dataset, stated.get("target"))
    source = amounts.prediction(version, dataset, stated.get("prediction"), param="prediction")
    if source.get("prediction") == target:
        raise columns.bad("prediction", f"“{target}” is the target itself.")
    return source | {"target": target, **{name: stated[name] for name in ("quantiles", "bands", "confidence")}}


def run(context: Context) -> Measured:
    from audits.measures import regression

    stated = context.params
    context.progress(0.05, "Reading the data")
    frame = reading.frame(context.dataset, [stated["target"]])
    # the same column, under the name that `scoring` reads
    named = {"score": stated["prediction"]} if "prediction" in stated else {}
    scored = amounts.predicted(dataclasses.replace(context, params=named))
    context.progress(0.85, "Measuring")
    result = regression.assess(
        target=frame[stated["target"]],
        prediction=scored.values,
        **{name: stated[name] for name in ("quantiles", "bands", "confidence")},
    )
    result["source"] = scored.source
    result["limitations"] += scored.limitations
    return Measured(result, scored.libraries)


KEY = {
    "mae": ("MAE", "mean absolute error, in the target's unit"),
    "rmse": ("RMSE", "root mean square error, in the target's unit"),
    "bias": ("Bias", "mean of prediction less outcome"),
    "r2": ("R²", "share of the target's variance that is predicted"),
}


def figures(result: Mapping[str, Any]) -> list[Figure]:
    return [Figure.of(label, result[name], hint=hint) for name, (label, hint) in KEY.items()]


def sections(result: Mapping[str, Any]) -> list[Section]:
    lead = f"{result['n']:,} rows. Intervals hold with a confidence of {result['confidence']:.0%}."
    left_out = f"{result['mape']['zeros']} rows with a target of 0 left out"
    percentage = Figure.of("MAPE", result["mape"], hint=left_out, kind="share")
    return [
        Section("", lead, [Figures([*figures(result), percentage])]),
        Section("Errors", "The error is the prediction less the outcome.", [spread(result)]),
        Section("By size of the prediction", "", [banded(result)]),
    ]


def spread(result: Mapping[str, Any]) -> Chart:
    rows = [{"label": f"{row['quantile']:g}", **row} for row in result["quantiles"]]
    cells = [[row["label"], Figure("", row["value"], row["low"], row["high"])] for row in rows]
    note = "Limits are order statistics, which need no law of the errors; unbounded where the rows are too few."
    table = Table("Quantiles of the error", [Column("Quantile"), Column("Error", "number")], cells, note)
    answer = "Below which errors that share of the rows lies, with limits."
    return Chart("Quantiles of the error", answer, specs.dots(rows, title="Error", reference=0.0), table)


def banded(result: Mapping[str, Any]) -> Chart:
    rows = [
        [f"{row['low']:.6g} to {row['high']:.6g}", row["n"], row["mean_prediction"], Figure.of("", row["mean_target"])]
        for row in result["bands"]
    ]
    titles = [Column("Predictions"), Column("Rows", "count"), Column("Mean prediction", "number")]
    table = Table("Bands of the prediction", [*titles, Column("Mean outcome", "number")], rows)
    drawn = [
        {"at": row["mean_prediction"], "mean": value, "of": said}
        for said in ("outcome", "prediction")
        for row in result["bands"]
        for value in [row["mean_target"]["value"] if said == "outcome" else row["mean_prediction"]]
    ]
    spec = specs.lines(drawn, x="at", y="mean", across="Mean prediction", up="Mean outcome", series="of")
    answer = "The mean outcome against the mean prediction, band by band; together they are unbiased."
    return Chart("Outcome by size of the prediction", answer, spec, table)
