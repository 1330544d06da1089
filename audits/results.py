"""A result as a page and a document print it: the check says what to show, here it gets its words and drawings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from django.core.paginator import Page, Paginator
from django.utils.safestring import SafeString

from audits import charts, checks
from audits.checks.presenting import Cell, Chart, Column, Figure, Figures, Note, Part, Table
from audits.guests import results as guest_results
from audits.models import Run
from audits.templatetags import figures as written

ROWS_A_PAGE = 20
MOST_OPEN = 30
MOST_FOLDED = 100
NOTHING = "–"


@dataclass(frozen=True)
class Printed:
    """A cell or a figure in words: its text, and what goes below it."""

    text: str
    sub: str = ""
    hint: str = ""
    label: str = ""
    is_number: bool = False


def shown(run: Run, *, page: str | None = None) -> dict[str, Any] | None:
    """The record of a run that succeeded, its sections printed; the first long table shows one page."""
    if not run.record:
        return None
    record: dict[str, Any] = json.loads(bytes(run.record))
    return {
        "evidence": record["run"],
        "result": record["result"],
        "sections": list(sections(run.check_name, record["result"], page=page)),
    }


def sections(check: str, result: dict[str, Any], *, page: str | None = None) -> Iterator[dict[str, Any]]:
    known = checks.ALL.get(check)
    # a package that is gone left a result that describes itself
    gone = guest_results.sections(result) if known is None and "package" in result else ()
    for section in known.sections(result) if known else gone:
        parts = [part(each, page) for each in section.parts]
        yield {"title": section.title, "lead": section.lead, "parts": list(abreast(parts))}


def abreast(parts: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Charts that follow each other stand side by side."""
    for kind, found in groupby(parts, key=lambda each: each["kind"]):
        if kind == "chart":
            yield {"kind": "charts", "charts": list(found)}
        else:
            yield from found


def part(found: Part, page: str | None) -> dict[str, Any]:
    match found:
        case Figures():
            return {"kind": "figures", "figures": [figure(each) for each in found.figures]}
        case Table():
            return {"kind": "table", **table(found, page)}
        case Chart():
            below = table(replace(found.table, paged=False), None) if found.table else None
            return {"kind": "chart", "chart": found, "svg": drawn(found), "table": below}
        case Note():
            return {"kind": "note", "note": found}


def drawn(chart: Chart, *, theme: str = charts.PAGE) -> SafeString:
    return charts.drawn(chart.spec, label=f"{chart.title}. {chart.answer}", theme=theme)


def table(found: Table, page: str | None) -> dict[str, Any]:
    rows: Sequence[Sequence[Cell]] = found.rows
    pages: Page[Sequence[Cell]] | None = None
    if found.paged and len(rows) > MOST_FOLDED:
        pages = Paginator(rows, ROWS_A_PAGE).get_page(page)
        rows = list(pages)
    printed = [[cell(value, column) for value, column in zip(row, found.columns, strict=True)] for row in rows]
    return {
        "caption": found.caption,
        "columns": found.columns,
        "rows": printed,
        "note": found.note,
        "page": pages,
        "folded": len(printed) > MOST_OPEN,
    }


def figure(found: Figure) -> Printed:
    sub = "" if found.low is None and found.high is None else limits(found)
    if found.value is None:
        return Printed(written.NOT_DEFINED, found.reason, found.hint, found.label)
    return Printed(number(found.value, found.kind), sub, found.hint, found.label)


def cell(value: Cell, column: Column) -> Printed:
    if isinstance(value, Figure):
        printed = figure(value)
        return Printed(printed.text, printed.sub, is_number=column.kind != "text")
    is_number = column.kind != "text"
    if value is None:
        return Printed(written.NOT_DEFINED if is_number else NOTHING, is_number=is_number)
    return Printed(number(value, column.kind), is_number=is_number)


def limits(found: Figure) -> str:
    low, high = (None if limit is None else number(limit, found.kind) for limit in (found.low, found.high))
    return f"{low or 'unbounded'}{written.NBSP}to{written.NBSP}{high or 'unbounded'}"


def number(value: float | int | str, kind: str) -> str:
    if isinstance(value, str):
        return value
    match kind:
        case "share":
            return written.share(value)
        case "signed":
            return written.signed(value)
        case "count":
            return f"{round(value):,}"
        case "text" if not isinstance(value, float):
            return str(value)
    return written.figure(value)
