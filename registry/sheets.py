"""The rows of a CSV file or of a workbook's first sheet, every cell as text."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry import csv_rows
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
    rows = list(_workbook(path) if head == WORKBOOK else _csv(path))
    if not rows:
        raise BadInput(f"{path.name} is empty; give a file with a header and rows.", where=path.name)
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
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with path.open("rb") as file:
            sheet = openpyxl.load_workbook(file, read_only=True, data_only=True).worksheets[0]
            for line, values in enumerate(sheet.iter_rows(values_only=True), 1):
                cells = [_text(value) for value in values]
                if any(cells):
                    yield line, cells
    except (InvalidFileException, zipfile.BadZipFile, KeyError, IndexError, ValueError, EOFError) as error:
        raise BadInput(
            f"{path.name} can’t be read as a workbook; save it again as XLSX or CSV.", where=path.name
        ) from error


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
