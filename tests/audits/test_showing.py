"""What a check says of its result becomes words, tables and drawings, the same on a page and in a document."""

from __future__ import annotations

from typing import Any

import pytest

from audits import results
from audits.charts import specs
from audits.checks.presenting import Chart, Column, Figure, Figures, Note, Section, Table
from audits.templatetags.figures import figure as number
from reports.cards import measured

PLAIN, RATE, SIZE = Column("Measure"), Column("Value", "number"), Column("Rows", "count")


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (0.1234, "0.123"),
        (-2.5, "−2.500"),
        (0.00042, "0.00042"),
        (3e-7, "3e−07"),
        (1e-17, "0.000"),
        (1234.5, "1,234.500"),
    ],
)
def test_a_small_number_is_not_rounded_away(value: float, printed: str) -> None:
    assert number(value) == printed


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (0.5, Column("", "share"), "50.0\u00a0%"),
        (0.25, Column("", "signed"), "+0.250"),
        (12345, SIZE, "12,345"),
        (None, RATE, "not defined"),
        (None, PLAIN, "–"),
        ("female", PLAIN, "female"),
    ],
)
def test_a_cell_is_printed_as_its_column_says(value: Any, column: Column, text: str) -> None:
    assert results.cell(value, column).text == text


def test_a_figure_keeps_its_limits_and_an_open_one_says_so() -> None:
    shown = results.figure(Figure("Ratio", 0.8, 0.7, None))
    assert (shown.label, shown.text, shown.sub) == ("Ratio", "0.800", "0.700\u00a0to\u00a0unbounded")


def test_a_figure_without_a_value_says_why() -> None:
    shown = results.figure(Figure.of("AUC", {"value": None, "low": None, "high": None, "reason": "one outcome only"}))
    assert (shown.text, shown.sub) == ("not defined", "one outcome only")


def test_a_long_table_shows_a_page_at_a_time() -> None:
    whole = Table("Rows", (PLAIN, RATE), [(f"row {n}", n / 10) for n in range(105)], paged=True)
    first, last = results.table(whole, None), results.table(whole, "6")
    assert [row[0].text for row in first["rows"]] == [f"row {n}" for n in range(20)]
    assert [row[0].text for row in last["rows"]] == [f"row {n}" for n in range(100, 105)]
    assert last["page"].paginator.count == 105


def test_a_table_of_a_page_or_two_is_folded() -> None:
    rows = [(f"row {n}", n / 10) for n in range(45)]
    folded, open_ = (results.table(Table("Rows", (PLAIN, RATE), found), None) for found in (rows, rows[:20]))
    assert (folded["folded"], len(folded["rows"]), folded["page"]) == (True, 45, None)
    assert not open_["folded"]


def test_a_chart_is_drawn_with_its_answer_as_its_name() -> None:
    spec = specs.dots([{"label": "age", "value": 0.3, "low": 0.2, "high": 0.4}], title="PSI", reference=0.25)
    part = results.part(Chart("Drift", "How far each column moved.", spec), None)
    assert 'aria-label="Drift. How far each column moved."' in part["svg"]
    assert "<script" not in part["svg"]
    assert "style=" not in part["svg"]


@pytest.mark.parametrize(
    "spec",
    [
        specs.lines([{"x": 0, "y": 1}, {"x": 1, "y": 2}], x="x", y="y", across="Week", up="PSI"),
        specs.lines(
            [{"x": 0.0, "y": 0.1, "s": s, "l": 0.0, "h": 0.3} for s in ("old", "new")],
            x="x",
            y="y",
            across="a",
            up="b",
            series="s",
            band=("l", "h"),
            diagonal=True,
        ),
        specs.ranked([{"label": "age", "value": -0.2}, {"label": "sex", "value": 0.1}], title="Change"),
        specs.histogram(
            [{"label": "≤ 1", "value": 0.5, "series": "reference"}, {"label": "≤ 1", "value": 0.4, "series": "now"}],
            across="Bins",
            up="Share",
        ),
    ],
    ids=["lines", "bands", "ranked", "histogram"],
)
def test_every_kind_of_chart_draws(spec: dict[str, Any]) -> None:
    assert "<path" in results.drawn(Chart("Chart", "An answer.", spec))


def test_a_document_prints_the_first_rows_and_says_so() -> None:
    table = measured.tabled(Table("Rows", (PLAIN, SIZE), [(f"row {n}", n) for n in range(80)], note="All seen."))
    assert len(table.rows) == measured.MOST_ROWS
    assert table.note == f"All seen. The first {measured.MOST_ROWS} of 80 rows; the run holds all."


def test_every_part_has_its_place_on_a_page() -> None:
    section = Section("Title", parts=[Note("info", "Said", "so"), Figures([Figure("A", 1)]), Table("T", (PLAIN,), [])])
    assert [results.part(part, None)["kind"] for part in section.parts] == ["note", "figures", "table"]


def test_charts_that_follow_each_other_stand_side_by_side() -> None:
    spec = specs.ranked([{"label": "age", "value": 1}], title="Size")
    chart, table = Chart("One", "An answer.", spec), Table("T", (PLAIN,), [])
    parts = [results.part(each, None) for each in (chart, chart, table, chart)]
    shown = list(results.abreast(parts))
    assert [(each["kind"], len(each.get("charts", []))) for each in shown] == [
        ("charts", 2),
        ("table", 0),
        ("charts", 1),
    ]


def test_a_document_reads_a_share_as_people_do_and_a_machine_reads_its_number() -> None:
    cell = measured.printed(Figure("Turned", 0.25, 0.2, 0.3, kind="share"))
    assert str(cell) == "25.0\u00a0% (20.0\u00a0% to 30.0\u00a0%)"
    assert (cell.value, cell.low, cell.high) == (0.25, 0.2, 0.3)
    assert measured.printed(Figure("Scored again", "the same")) == "the same"
    assert str(measured.printed(0.25, "signed")) == "+0.250"
