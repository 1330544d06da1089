"""A package's result, judged as a stranger's: JSON that can be kept, with figures and sections as pages print them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from audits.charts import specs
from audits.checks.presenting import Cell, Chart, Column, Figure, Figures, Note, Part, Section, Table
from audits.sandbox.failures import ChildFailed
from trail.canonical import canonical_result

LONGEST = 1 << 20
OURS = ("source", "package")


def _text(most: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": most}


def _object(required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required.split(),
        "properties": properties,
    }


def _list(items: Any, most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": most}


_NUMBER = {"type": ["number", "null"]}
_KINDS = ["number", "signed", "share", "count"]
_MEASURED = {"value": {"type": ["number", "string", "null"], "maxLength": 200}, "low": _NUMBER, "high": _NUMBER}
_HOW = {"hint": _text(300), "kind": {"enum": _KINDS}, "reason": _text(300)}
_FIGURE = _object("label value", label=_text(120), **_MEASURED, **_HOW)
_CELL = {"anyOf": [{"type": ["string", "number", "null"], "maxLength": 500}, _object("value", **_MEASURED, **_HOW)]}
_COLUMN = _object("title", title=_text(80), kind={"enum": [*_KINDS, "text"]}, hint=_text(300))
_DRAWN = _object("label value", label=_text(120), value=_NUMBER, low=_NUMBER, high=_NUMBER)
_PARTS: dict[str, dict[str, Any]] = {
    "figures": _object("part figures", part={}, figures=_list(_FIGURE, 50)),
    "table": _object(
        "part caption columns rows",
        part={},
        caption=_text(200),
        columns=_list(_COLUMN, 30),
        rows=_list(_list(_CELL, 30), 10_000),
        note=_text(1000),
    ),
    "chart": _object(
        "part title answer kind axis rows",
        part={},
        title=_text(120),
        answer=_text(500),
        kind={"enum": ["dots", "bars"]},
        axis=_text(80),
        rows=_list(_DRAWN, 60),
        reference=_NUMBER,
    ),
    "note": _object(
        "part level title body",
        part={},
        level={"enum": ["info", "success", "warning", "error"]},
        title=_text(120),
        body=_text(2000),
    ),
}
_SECTION = _object(
    "parts",
    title=_text(120),
    lead=_text(1000),
    parts=_list({"type": "object", "required": ["part"], "properties": {"part": {"enum": list(_PARTS)}}}, 20),
)
_RESULT = Draft202012Validator(
    {
        "type": "object",
        "properties": {
            "figures": _list(_FIGURE, 20),
            "sections": _list(_SECTION, 20),
            "limitations": _list(_text(500), 50),
        },
    }
)
_JUDGES = {name: Draft202012Validator(schema) for name, schema in _PARTS.items()}


def sound(found: Any) -> dict[str, Any]:
    """The result, if it can be kept and shown; else ChildFailed names the first place that is wrong."""
    _refuse_unkept(found)
    _refuse_first(_RESULT, found, "")
    for at, section in enumerate(found.get("sections", [])):
        for place, part in enumerate(section["parts"]):
            where = f".sections[{at}].parts[{place}]"
            _refuse_first(_JUDGES[part["part"]], part, where)
            if part["part"] == "table" and any(len(row) != len(part["columns"]) for row in part["rows"]):
                raise _bad(f"${where}: a row has not as many cells as there are columns")
    for name in OURS:
        if name in found:
            raise _bad(f"$.{name} is stated by the app, not by the check")
    return {"figures": [], "sections": [], "limitations": []} | dict(found)


def _refuse_unkept(found: Any) -> None:
    try:
        size = len(canonical_result(found))
    except (ValueError, RecursionError) as error:
        raise _bad(str(error)[:300] or "it is nested too deeply") from error
    if size > LONGEST:
        raise _bad(f"it holds {size:,} bytes, and {LONGEST:,} fit")


def _refuse_first(judge: Draft202012Validator, found: Any, where: str) -> None:
    for error in judge.iter_errors(found):
        raise _bad(f"{error.json_path.replace('$', f'${where}', 1)}: {error.message[:300]}")


def _bad(what: str) -> ChildFailed:
    return ChildFailed(f"The check’s result can’t be kept: {what.rstrip('.')}.", kind="refused")


def figures(result: Mapping[str, Any]) -> list[Figure]:
    return [Figure(**each) for each in result["figures"]]


def sections(result: Mapping[str, Any]) -> list[Section]:
    shown = [
        Section(each.get("title", ""), each.get("lead", ""), [_part(part) for part in each["parts"]])
        for each in result["sections"]
    ]
    return [Section(parts=[Figures(figures(result))]), *shown] if result["figures"] else shown


def _part(said: Mapping[str, Any]) -> Part:
    rest = {name: value for name, value in said.items() if name != "part"}
    match said["part"]:
        case "figures":
            return Figures([Figure(**each) for each in said["figures"]])
        case "table":
            columns = [Column(**each) for each in said["columns"]]
            rows = [[_cell(value) for value in row] for row in said["rows"]]
            return Table(said["caption"], columns, rows, said.get("note", ""), paged=True)
        case "chart":
            return _chart(said)
    return Note(**rest)


def _cell(said: Any) -> Cell:
    return Figure(label="", **said) if isinstance(said, Mapping) else said


def _chart(said: Mapping[str, Any]) -> Chart:
    """Drawn by us: a drawing that a package brings could fetch addresses and files."""
    rows = [{"low": None, "high": None} | row for row in said["rows"] if row["value"] is not None]
    if said["kind"] == "dots":
        spec = specs.dots(rows, title=said["axis"], reference=said.get("reference"))
    else:
        spec = specs.ranked(rows, title=said["axis"])
    below = [[row["label"], Figure("", row["value"], row.get("low"), row.get("high"))] for row in said["rows"]]
    table = Table(said["title"], [Column(""), Column(said["axis"], "number")], below)
    return Chart(said["title"], said["answer"], spec, table)
