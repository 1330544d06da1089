"""Back-test: did events happen as often as they were forecast to?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audits.charts import specs
from audits.checks import columns, params
from audits.checks.context import Context, Measured
from audits.checks.presenting import Chart, Column, Figure, Figures, Part, Section, Table
from registry import reading
from registry.models import ColumnRole, Dataset, Version

NAME = "backtest"
VERSION = "1"
TITLE = "Back-test"
ANSWERS = (
    "Holds events against their forecast. With one expected chance for every row (a value-at-risk at 99 % expects 1 % "
    "of days beyond it): the binomial test, the Basel traffic light, Kupiec's test of the number and Christoffersen's "
    "of the order. With a forecast chance in each row (a probability of default): the same by grade, with Jeffreys' "
    "test, and Spiegelhalter's over all rows. Not for rows the model was fitted to, and not for rows that depend on "
    "each other, such as one borrower counted every month."
)
FEW = 5
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "target": params.TARGET,
        "favourable": {
            **params.FAVOURABLE,
            "title": "Event",
            "description": "The value of the target that is forecast: the exceedance, the default.",
        },
        "expected": {
            "type": "number",
            "exclusiveMinimum": 0,
            "exclusiveMaximum": 1,
            "description": "The chance of the event in every row, such as 0.01 for a value-at-risk at 99 %.",
        },
        "score": {
            **params.SCORE,
            "x-column": "number",
            "description": "The column with the event's forecast chance in each row, instead of “expected”.",
        },
        "grade": {
            "type": "string",
            "x-column": "few",
            "description": "The column with each row's grade; tested one by one beside all rows.",
        },
        "time": {
            "type": "string",
            "x-column": "any",
            "description": "The column that orders the rows, by default the one with that role, else the file's order.",
        },
        "confidence": params.CONFIDENCE,
    },
}


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    target = event_column(dataset, stated.get("target"))
    kept = {"target": target, "confidence": stated["confidence"]}
    kept["favourable"] = event(dataset, target, stated.get("favourable"))
    if "expected" in stated:
        return kept | ordered(dataset, stated)
    name = stated.get("score") or columns.with_role(dataset, ColumnRole.SCORE, "score")
    if name is None:
        raise columns.bad(
            "expected", "Give the chance of every row in “expected”, or the column of chances in “score”."
        )
    columns.numeric(dataset, name, "score")
    if "time" in stated:
        raise columns.bad("time", "The order of the rows is tested with one “expected” chance only.")
    if (grade := stated.get("grade")) is not None and not columns.values(columns.complete(dataset, grade, "grade")):
        raise columns.bad("grade", f"{dataset.file_name}, column “{grade}” holds more than 50 different values.")
    return kept | {"score": name} | ({"grade": grade} if grade else {})


def event_column(dataset: Dataset, given: str | None) -> str:
    """The target; unlike elsewhere it may hold one value only, as days without any exceedance do."""
    name = given or columns.with_role(dataset, ColumnRole.TARGET, "target")
    if name is None:
        return columns.target(dataset, None)
    column = columns.complete(dataset, name, "target")
    found = columns.values(column)
    return name if len(found) == 1 else columns.target(dataset, name)


def event(dataset: Dataset, target: str, given: Any) -> Any:
    found = list(columns.values(columns.named(dataset, target, "target")))
    if len(found) > 1:
        return columns.favourable(dataset, target, given)
    if given is None and columns.spelled(found[0]) not in {"0", "1"}:
        raise columns.bad("favourable", f"Every row of “{target}” holds “{found[0]}”: say which value is the event.")
    return 1 if given is None else given


def ordered(dataset: Dataset, stated: Mapping[str, Any]) -> dict[str, Any]:
    for other in ("score", "grade"):
        if other in stated:
            raise columns.bad(other, f"Give “expected” or “{other}”, not both.")
    name = stated.get("time") or columns.with_role(dataset, ColumnRole.TIME, "time")
    if name is not None:
        columns.complete(dataset, name, "time")
    return {"expected": stated["expected"]} | ({"time": name} if name else {})


def run(context: Context) -> Measured:
    from audits.measures import backtests, labels

    stated = context.params
    context.progress(0.1, "Reading the data")
    wanted = [stated[name] for name in ("target", "score", "grade", "time") if name in stated]
    frame = reading.frame(context.dataset, wanted)
    if "time" in stated:
        frame = frame.sort_values(stated["time"], kind="stable")
    happened, _ = labels.holds(frame[stated["target"]], labels.canonical(stated["favourable"]))
    context.progress(0.6, "Testing")
    if "expected" in stated:
        result = backtests.exceptions(events=happened, expected=stated["expected"], confidence=stated["confidence"]) | {
            "ordered_by": stated.get("time")
        }
    else:
        names: list[Any] = [None]
        grade = happened * 0
        if "grade" in stated:
            grade, names = labels.levels(frame[stated["grade"]])
        result = backtests.grades(
            events=happened,
            chance=frame[stated["score"]],
            grade=grade,
            names=names,
            confidence=stated["confidence"],
        )
        if "grade" not in stated:
            result["grades"] = []
    limitations = []
    if result["expected_events"] < FEW:
        limitations.append(
            f"Only {result['expected_events']:.3g} events were expected, so few that the tests find large errors only."
        )
    result |= {"favourable": stated["favourable"], "confidence": stated["confidence"], "limitations": limitations}
    return Measured(result)


def figures(result: Mapping[str, Any]) -> list[Figure]:
    found = [
        Figure("Events", result["events"], hint=f"{result['expected_events']:.4g} expected", kind="count"),
        Figure.of("Rate of events", result["rate"], kind="share"),
    ]
    if "traffic_light" in result:
        light = result["traffic_light"]
        hint = "" if light["multiplier"] is None else f"multiplier {light['multiplier']:.2f}"
        found.append(Figure("Basel zone", light["zone"], hint=hint))
        found.append(Figure.of("Kupiec p-value", result["kupiec"]["p_value"]))
        return found
    overall = result["overall"]
    found.append(Figure("Jeffreys p-value", overall["p_jeffreys"], hint="small if events were under-forecast"))
    tested = result["spiegelhalter"]
    value = {"value": tested["p_value"], "reason": tested.get("reason")}
    return [*found, Figure.of("Spiegelhalter p-value", value, hint="small if the chances don't fit")]


def sections(result: Mapping[str, Any]) -> list[Section]:
    lead = (
        f"Event: {result['favourable']}. {result['n']:,} rows. Intervals hold with a confidence of "
        f"{result['confidence']:.0%}."
    )
    parts: list[Part] = [Figures(figures(result))]
    if "kupiec" in result:
        return [Section("", lead, [*parts, tests(result), zones(result)])]
    found = [Section("", lead, parts)]
    if result["grades"]:
        found.append(Section("By grade", "In each grade the mean chance stands for every row.", list(graded(result))))
    return found


def tests(result: Mapping[str, Any]) -> Table:
    titles = [Column("Test"), Column("Statistic", "number"), Column("p-value", "number"), Column("Of", "text")]
    exact, order = result["binomial"], "the file" if result["ordered_by"] is None else f"“{result['ordered_by']}”"
    rows = [
        ["Binomial, as many or more", "–", exact["p_upper"], "too many events"],
        ["Binomial, two-sided", "–", exact["p_two_sided"], "too many or too few"],
        ["Kupiec", result["kupiec"]["statistic"], result["kupiec"]["p_value"], "too many or too few"],
    ]
    for name, label, of in (
        ("christoffersen", "Christoffersen", "events that follow each other"),
        ("conditional_coverage", "Conditional coverage", "both together"),
    ):
        found = result[name]
        rows.append([label, found["statistic"], found["p_value"], found.get("reason", of)])
    return Table("Tests of the events", titles, rows, f"Rows in the order of {order}.")


def zones(result: Mapping[str, Any]) -> Table:
    light = result["traffic_light"]
    titles = [Column("Zone"), Column("From", "count"), Column("This sample", "text")]
    starts = {"green": 0, "yellow": light["yellow_from"], "red": light["red_from"]}
    rows = [
        [zone.capitalize(), start, f"{result['events']} events" if zone == light["zone"] else ""]
        for zone, start in starts.items()
    ]
    note = f"So many events or fewer come up in {light['cumulative']:.4%} of samples whose chance is as expected."
    return Table("Zones by number of events", titles, rows, note)


def graded(result: Mapping[str, Any]) -> list[Part]:
    rows = [
        [
            "not stated" if row["grade"] is None else str(row["grade"]),
            row["n"],
            row["events"],
            row["chance"],
            Figure.of("", row["rate"], kind="share"),
            row["p_jeffreys"],
            row["p_holm"],
            row["p_binomial"],
            row["zone"] or "not tested",
        ]
        for row in result["grades"]
    ]
    titles = [
        Column("Grade"),
        Column("Rows", "count"),
        Column("Events", "count"),
        Column("Forecast", "share"),
        Column("Observed", "share"),
        Column("Jeffreys p", "number", "chance that the true rate is the forecast or less"),
        Column("adjusted", "number", "Jeffreys' p-value adjusted for the number of grades (Holm)"),
        Column("Binomial p", "number", "chance of as many events or more"),
        Column("Zone"),
    ]
    bars = [
        {"label": str(row["grade"]), "value": value, "series": said}
        for row in result["grades"]
        for said, value in (("forecast", row["chance"]), ("observed", row["rate"]["value"]))
    ]
    table = Table("Grades", titles, rows)
    spec = specs.histogram(bars, across="Grade", up="Rate")
    return [table, Chart("Forecast and observed rate", "Side by side for each grade.", spec)]
