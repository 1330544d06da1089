"""The rows of a CSV file or of a workbook's first sheet, every cell as text."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from registry import csv_rows, tabular
from trail.errors import BadInput

WORKBOOK = b"PK\x03\x04"


@dataclass(frozen=True)
class Sheet:
    """`rows` are (line, cells); a row can be shorter or longer than the columns."""

    name: str
    columns: list[str]
    rows: list[tuple[int, list[str]]]


def read(path: Path) -> Sheet:
    if not path.is_file():
        raise BadInput(f"There is no file {path}; check the path.", where=str(path))
    with path.open("rb") as file:
        head = file.read(4)
    if head != WORKBOOK:
        tabular.refuse_stranger(head, name=path.name)
    rows = list(_workbook(path) if head == WORKBOOK else _csv(path))
    if not rows:
        raise BadInput(f"{path.name} is empty; give a file with a header and rows.", where=path.name)
    if len(rows) == 1:
        raise BadInput(f"{path.name} has a header and no rows under it; give a file with rows.", where=path.name)
    columns = [squashed(cell) for cell in rows[0][1]]
    while columns and not columns[-1]:
        columns.pop()
    if len(columns) == 1:
        csv_rows.refuse_delimiter(columns[0], path.name)
    twins = [column for column, count in Counter(columns).items() if column and count > 1]
    if twins:
        raise BadInput(
            f"{path.name}: the name “{twins[0]}” heads several columns; rename all but one.", where=path.name
        )
    return Sheet(path.name, columns, rows[1:])


def squashed(text: str) -> str:
    """A header on one line: long questions are broken over several in real sheets."""
    return " ".join(text.split())


def _csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open("rb") as file:
        for line, cells in csv_rows.rows(file, name=path.name):
            if any(cells):
                yield line, cells


def _workbook(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each cell's value as it was last computed; the formula itself where it never was, so that its row is refused."""
    try:
        with path.open("rb") as file, path.open("rb") as again:
            _refuse_macros(file, path.name)
            values, formulas = (_first_sheet(file, data_only=True), _first_sheet(again, data_only=False))
            for line, (computed, written) in enumerate(zip(values, formulas, strict=True), 1):
                pairs = zip(computed, written, strict=True)
                cells = [_text(formula if value is None else value) for value, formula in pairs]
                if any(cells):
                    yield line, cells
    except BadInput:
        raise
    except Exception as error:  # a damaged workbook fails in as many ways as it has parts
        raise BadInput(
            f"{path.name} can’t be read as a workbook; save it again as XLSX or CSV.", where=path.name
        ) from error


def _first_sheet(file: BinaryIO, *, data_only: bool) -> Iterator[tuple[Any, ...]]:
    import openpyxl

    rows: Iterator[tuple[Any, ...]] = (
        openpyxl.load_workbook(file, read_only=True, data_only=data_only).worksheets[0].iter_rows(values_only=True)
    )
    return rows


def _refuse_macros(file: BinaryIO, name: str) -> None:
    with zipfile.ZipFile(file) as parts:
        if any(part.lower().endswith("vbaproject.bin") for part in parts.namelist()):
            raise BadInput(f"{name} holds macros; save it as XLSX without them, or as CSV.", where=name)
    file.seek(0)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
