"""The rows of a CSV file with the line each starts on: UTF-8, commas, every row as wide as the header."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from registry import cells
from registry.cells import Kind
from registry.columns import Place, at, refuse_size
from trail.errors import BadInput

DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
Row = tuple[int, list[str]]


def rows(file: BinaryIO, *, name: str) -> Iterator[Row]:
    """(line, cells) of every row that is not blank."""
    reader = csv.reader(_lines(file, name), strict=True, skipinitialspace=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _malformed(error, name, line) from error
        if row:
            yield line, row


def header(given: Iterator[Row], *, name: str) -> list[str]:
    """The first row, as names of columns."""
    line, first = next(given, (0, []))
    if not line:
        raise BadInput(f"{name} holds nothing but blank lines; upload the file with its data.", where=name)
    if len(first) == 1:
        refuse_delimiter(first[0], name)
    refuse_size(len(first), 0, name)
    names = [cell.strip() for cell in first]
    for position, column in enumerate(names, 1):
        if not column:
            raise BadInput(f"{name}, line {line}: column {position} has no name; write one in the header.", where=name)
        if not column.isprintable() or cells.is_formula(column):
            shown = column[:40].encode("unicode_escape").decode()
            raise BadInput(f"{name}, line {line}: “{shown}” can’t name a column; write a plain name.", where=name)
    _refuse_twins(names, line, name)
    if all(cells.kind(column) in {Kind.INTEGER, Kind.NUMBER} for column in names):
        raise BadInput(
            f"{name}, line {line}: the first row holds only numbers, so the columns have no names; add a header row.",
            where=name,
        )
    return names


def refuse_ragged(row: list[str], width: int, *, name: str, place: Place, is_last: bool) -> None:
    """A row that is wider or narrower than the header; a short last one means a cut-off upload."""
    where = at(name, place=place)
    sentence = f"{where} has {len(row)} field{'s' * (len(row) != 1)} where the header has {width}"
    if len(row) < width and is_last:
        raise BadInput(f"{sentence}, and the file ends there: it looks cut off, so upload the whole file.", where=where)
    raise BadInput(f"{sentence}; put a cell that holds a comma in double quotes, or mend the row.", where=where)


def _lines(file: BinaryIO, name: str) -> Iterator[str]:
    file.seek(0)
    for number, raw in enumerate(file, 1):
        if number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)  # noqa: PLW2901
        if b"\0" in raw:
            raise BadInput(
                f"{name}, line {number}: a NUL byte, so this is no text file, or it is UTF-16; save it as CSV UTF-8.",
                where=f"{name}, line {number}",
            )
        try:
            yield raw.decode()
        except UnicodeDecodeError as error:
            raise BadInput(
                f"{name}, line {number}: byte {error.start + 1} (0x{raw[error.start]:02x}) is not UTF-8; save it as "
                "CSV UTF-8.",
                where=f"{name}, line {number}",
            ) from error


def _malformed(error: csv.Error, name: str, line: int) -> BadInput:
    place = f"{name}, line {line}"
    said = str(error)
    if "unexpected end" in said:
        return BadInput(
            f"{place}: a double quote opens there and is never closed; close it, or upload the whole file if "
            "it was cut off.",
            where=place,
        )
    if "field limit" in said:
        return BadInput(
            f"{place}: a cell holds more than {csv.field_size_limit():,} characters, as happens when a double quote is "
            "never closed; close it.",
            where=place,
        )
    if "new-line" in said:
        return BadInput(f"{place}: a bare carriage return; save the file with Unix or Windows line ends.", where=place)
    return BadInput(
        f'{place}: a double quote stands inside a quoted cell; double it ("") or take it away.', where=place
    )


def refuse_delimiter(cell: str, name: str) -> None:
    for delimiter, word in DELIMITERS.items():
        if delimiter in cell:
            raise BadInput(
                f"{name}, line 1: the header is one column, “{cell[:60]}”; the file is separated by {word} "
                f"({_shown(delimiter)}). Save it with commas.",
                where=f"{name}, line 1",
            )


def _shown(delimiter: str) -> str:
    return "tab" if delimiter == "\t" else f"“{delimiter}”"


def _refuse_twins(names: list[str], line: int, name: str) -> None:
    twins = [column for column, count in Counter(names).items() if count > 1]
    if twins:
        raise BadInput(
            f"{name}, line {line}: the name “{twins[0]}” heads {names.count(twins[0])} columns; rename all but one, "
            "or add a header if this is a row of data.",
            where=f"{name}, column “{twins[0]}”",
        )
