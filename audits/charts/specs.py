"""Vega-Lite specifications. Colours are roles here; drawing.py gives each its colour in a theme."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audits.charts.drawing import GRID, INK, MARK, MARK_2, QUIET

Spec = dict[str, Any]

MOST_GROUPS = 40
LONGEST_LABEL = 40
ABREAST = 3
SHARE: Spec = {"scale": {"domain": [0, 1]}, "axis": {"values": [0, 0.25, 0.5, 0.75, 1], "format": ".2~f"}}
DIAGONAL: Spec = {
    "data": {"values": [{"a": 0, "b": 0}, {"a": 1, "b": 1}]},
    "mark": {"type": "line", "color": QUIET, "strokeDash": [4, 3], "strokeWidth": 1},
    "encoding": {"x": {"field": "a", "type": "quantitative"}, "y": {"field": "b", "type": "quantitative"}},
}


def words(metric: str) -> str:
    return metric.replace("_", " ")


def labelled(group: dict[str, Any]) -> str:
    """A group in words: its values, as the table beside the chart has them."""
    return short(" · ".join("missing" if value is None else str(value) for value in group.values()))


def short(text: Any) -> str:
    text = str(text)
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def written(value: Any) -> str:
    if value is None:
        return "missing"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def rates(groups: Sequence[dict[str, Any]], overall: dict[str, Any], metrics: Sequence[str]) -> Spec:
    """One panel per metric, three abreast; the groups are named on the left of each line of panels."""
    panels = [
        panel(groups, overall[metric]["value"], metric, named=place % ABREAST == 0)
        for place, metric in enumerate(metrics)
    ]
    if len(panels) == 1:
        return panels[0] | {"width": 420}
    return {"concat": [drawn | {"width": 180} for drawn in panels], "columns": ABREAST, "spacing": 14}


def panel(groups: Sequence[dict[str, Any]], overall: float | None, metric: str, *, named: bool) -> Spec:
    """One metric: a dot per group with its interval, and a dashed line at the value over all rows."""
    order = [labelled(row["group"]) for row in groups]
    rows = [{"group": labelled(row["group"])} | row[metric] for row in groups if row[metric]["value"] is not None]
    axis: dict[str, Any] = {"title": None} if named else {"title": None, "labels": False, "ticks": False}
    groups_axis = {"field": "group", "type": "nominal", "scale": {"domain": order}, "axis": axis}
    values_axis = SHARE | {"type": "quantitative", "title": words(metric).capitalize()}
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "color": MARK, "strokeWidth": 2, "opacity": 0.55},
            "encoding": {"y": groups_axis, "x": values_axis | {"field": "low"}, "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "color": MARK, "size": 70, "opacity": 1},
            "encoding": {"y": groups_axis, "x": values_axis | {"field": "value"}},
        },
    ]
    if overall is not None:
        layers.insert(
            0,
            {
                "data": {"values": [{"overall": overall}]},
                "mark": {"type": "rule", "color": QUIET, "strokeDash": [4, 3], "strokeWidth": 1},
                "encoding": {"x": {"field": "overall", "type": "quantitative"}},
            },
        )
    return {"data": {"values": rows}, "height": {"step": 24}, "layer": layers}


def calibration(bins: Sequence[dict[str, Any]]) -> Spec:
    rows = [row for row in bins if row["n"]]
    x = SHARE | {"field": "mean_score", "type": "quantitative", "title": "Mean score"}
    y = SHARE | {"type": "quantitative", "title": "Observed rate"}
    return square(
        {
            "data": {"values": rows},
            "mark": {"type": "rule", "color": MARK, "strokeWidth": 2, "opacity": 0.55},
            "encoding": {"x": x, "y": y | {"field": "observed_low"}, "y2": {"field": "observed_high"}},
        },
        {
            "data": {"values": rows},
            "mark": {"type": "line", "color": MARK, "strokeWidth": 1, "opacity": 0.55},
            "encoding": {"x": x, "y": y | {"field": "observed_rate"}},
        },
        {
            "data": {"values": rows},
            "mark": {"type": "point", "filled": True, "color": MARK, "size": 60, "opacity": 1},
            "encoding": {"x": x, "y": y | {"field": "observed_rate"}},
        },
    )


def roc(points: Sequence[dict[str, Any]]) -> Spec:
    return square(
        {
            "data": {
                "values": [{"fpr": point["fpr"], "tpr": point["tpr"], "at": at} for at, point in enumerate(points)]
            },
            "mark": {"type": "line", "color": MARK, "strokeWidth": 2},
            "encoding": {
                "x": SHARE | {"field": "fpr", "type": "quantitative", "title": "False positive rate"},
                "y": SHARE | {"field": "tpr", "type": "quantitative", "title": "True positive rate"},
                "order": {"field": "at"},
            },
        },
    )


def square(*layers: Spec) -> Spec:
    return {"width": 300, "height": 300, "layer": [DIAGONAL, *layers]}


def importance(rows: Sequence[dict[str, Any]]) -> Spec:
    values = [{"feature": short(row["feature"]), "size": row["mean_abs"]} for row in rows]
    return bars(values, field="size", title="Mean size of the contribution", colour=MARK)


def reasons(reason: dict[str, Any]) -> Spec:
    """Bars to the right raise the output, bars to the left lower it."""
    values = [
        {
            "feature": short(f"{part['feature']} = {written(part['value'])}"),
            "size": part["contribution"],
        }
        for part in reason["contributions"]
    ]
    values.append({"feature": "all other inputs", "size": reason["rest"]})
    colour = {"condition": {"test": "datum.size < 0", "value": MARK_2}, "value": MARK}
    return bars(values, field="size", title="Contribution to the output", colour=colour)


def bars(values: list[dict[str, Any]], *, field: str, title: str, colour: Any) -> Spec:
    order = [row["feature"] for row in values]
    y = {"field": "feature", "type": "nominal", "scale": {"domain": order}, "axis": {"title": None}}
    x = {"field": field, "type": "quantitative", "title": title}
    return {
        "data": {"values": values},
        "width": 420,
        "height": {"step": 22},
        "layer": [
            {
                "mark": {"type": "bar", "height": 12},
                "encoding": {"y": y, "x": x, "color": colour if isinstance(colour, dict) else {"value": colour}},
            },
            {
                "data": {"values": [{"zero": 0}]},
                "mark": {"type": "rule", "color": INK},
                "encoding": {"x": {"datum": 0}},
            },
        ],
        "config": {"axisY": {"grid": False, "domainColor": GRID}},
    }


def lines(
    rows: Sequence[dict[str, Any]],
    *,
    x: str,
    y: str,
    across: str,
    up: str,
    series: str = "",
    diagonal: bool = False,
    band: tuple[str, str] | None = None,
) -> Spec:
    """Points of rows joined in their order, `across` and `up` naming the axes; two `series` at most, named by a field.

    `band`: fields with the lower and the upper limit. `diagonal` for two shares.
    """
    share = SHARE if diagonal else {}
    values = [{"at": at} | row for at, row in enumerate(rows)]
    axis_x = share | {"field": x, "type": "quantitative", "title": across}
    axis_y = share | {"type": "quantitative", "title": up}
    colour: Spec = {"value": MARK}
    if series:
        names = list(dict.fromkeys(row[series] for row in rows))
        scale = {"domain": names, "range": [MARK, MARK_2, QUIET][: len(names)]}
        colour = {"field": series, "type": "nominal", "scale": scale, "legend": {"title": None, "orient": "top"}}
    layers: list[Spec] = [DIAGONAL] if diagonal else []
    if band is not None:
        drawn = {"x": axis_x, "y": axis_y | {"field": band[0]}, "y2": {"field": band[1]}, "color": colour}
        layers.append({"mark": {"type": "area", "opacity": 0.2}, "encoding": drawn})
    encoding = {"x": axis_x, "y": axis_y | {"field": y}, "color": colour, "order": {"field": "at"}}
    layers.append({"mark": {"type": "line", "strokeWidth": 2}, "encoding": encoding})
    return {"data": {"values": values}, "width": 420, "height": 260, "layer": layers}


def dots(rows: Sequence[dict[str, Any]], *, title: str, reference: float | None = None) -> Spec:
    """A dot for each row (label, value, low, high) with its interval, and a dashed line at the reference."""
    shown = [row | {"label": short(row["label"])} for row in rows if row["value"] is not None]
    up = {
        "field": "label",
        "type": "nominal",
        "scale": {"domain": [row["label"] for row in shown]},
        "axis": {"title": None},
    }
    across: Spec = {"type": "quantitative", "title": title, "scale": {"zero": False}}
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "color": MARK, "strokeWidth": 2, "opacity": 0.55},
            "encoding": {"y": up, "x": across | {"field": "low"}, "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "color": MARK, "size": 70, "opacity": 1},
            "encoding": {"y": up, "x": across | {"field": "value"}},
        },
    ]
    if reference is not None:
        rule = {"type": "rule", "color": QUIET, "strokeDash": [4, 3], "strokeWidth": 1}
        at = {"data": {"values": [{"at": reference}]}, "mark": rule}
        layers.insert(0, at | {"encoding": {"x": {"field": "at", "type": "quantitative"}}})
    return {"data": {"values": shown}, "width": 420, "height": {"step": 24}, "layer": layers}


def ranked(rows: Sequence[dict[str, Any]], *, title: str) -> Spec:
    """A bar for each row (label, value), in their order; bars to the left are negative."""
    values = [{"feature": short(row["label"]), "size": row["value"]} for row in rows]
    colour = {"condition": {"test": "datum.size < 0", "value": MARK_2}, "value": MARK}
    return bars(values, field="size", title=title, colour=colour)


def histogram(rows: Sequence[dict[str, Any]], *, across: str, up: str, series: str = "series") -> Spec:
    """Bars side by side for each label (label, value and the series' name), labels in their order."""
    names = list(dict.fromkeys(row[series] for row in rows))
    order = list(dict.fromkeys(short(row["label"]) for row in rows))
    values = [row | {"label": short(row["label"])} for row in rows]
    x = {"field": "label", "type": "nominal", "scale": {"domain": order}, "axis": {"title": across, "labelAngle": -40}}
    encoding: Spec = {
        "x": x,
        "y": {"field": "value", "type": "quantitative", "title": up},
        "xOffset": {"field": series, "type": "nominal", "scale": {"domain": names}},
        "color": {
            "field": series,
            "type": "nominal",
            "scale": {"domain": names, "range": [MARK, MARK_2, QUIET][: len(names)]},
            "legend": {"title": None, "orient": "top"},
        },
    }
    return {"data": {"values": values}, "width": 420, "height": 240, "mark": {"type": "bar"}, "encoding": encoding}
