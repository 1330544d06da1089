"""What a column holds, gathered chunk by chunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from registry import cells
from registry.cells import Kind
from trail.errors import BadInput

MOST_VALUES = 50
LONGEST_VALUE = 200
MOST_COLUMNS = 5_000
# as many as a CSV file of the largest size could hold; Parquet says the same in a few bytes
MOST_CELLS = 50_000_000


class Place(NamedTuple):
    """Where a cell stands: its row, counted from 1 under the header, and its line, where a file has lines."""

    row: int
    line: int = 0


@dataclass(frozen=True)
class Chunk:
    """A run of cells of one column; the first stands in `row`."""

    cells: Sequence[str]
    row: int
    lines: Sequence[int] = ()

    def first(self, text: str) -> Place:
        index = self.cells.index(text)
        return Place(self.row + index, self.lines[index] if self.lines else 0)


def at(name: str, *, column: str = "", place: Place | None = None) -> str:
    """Where in a file: its name, the column, the row and the line."""
    said = f"{name}, column “{column}”" if column else name
    if place:
        said += f", row {place.row}" + (f" (line {place.line})" if place.line else "")
    return said


def refuse_size(columns: int, rows: int, name: str) -> None:
    """A table too wide or too long to be read while someone waits."""
    if columns > MOST_COLUMNS:
        sentence = f"{name} has {columns:,} columns; at most {MOST_COLUMNS:,} are taken, so leave some out."
        raise BadInput(sentence, where=name, status=413)
    if rows * columns > MOST_CELLS:
        sentence = f"{name} has {rows:,} rows of {columns:,} columns; at most {MOST_CELLS:,} cells are taken"
        raise BadInput(f"{sentence}, so take a sample, or fewer columns.", where=name, status=413)


class Column:
    """One column being read. Its type is told from its cells, unless the file declares it."""

    def __init__(self, file: str, name: str, declared: Kind | None = None) -> None:
        self.file, self.name, self.declared = file, name, declared
        self.missing = 0
        self.values: dict[str, list[int]] | None = {}
        self.kinds: dict[Kind, Place] = {}

    def add(self, chunk: Chunk) -> None:
        for text, count in Counter(chunk.cells).items():
            bare = text.strip()
            kind = cells.kind(bare)
            if cells.is_formula(text):
                self._refuse_formula(text, chunk.first(text))
            if "\0" in text:
                place = at(self.file, column=self.name, place=chunk.first(text))
                raise BadInput(f"{place}: a NUL character can’t be stored; take it away.", where=place)
            if kind not in self.kinds:
                self.kinds[kind] = chunk.first(text)
            if kind is Kind.MISSING:
                self.missing += count
            elif self.values is not None:
                self.values = _counted(self.values, bare, count, chunk, text)

    def summary(self) -> dict[str, Any]:
        type_ = self.declared or cells.together(set(self.kinds))
        if type_ is Kind.NUMBER and Kind.INFINITE in self.kinds:
            place = at(self.file, column=self.name, place=self.kinds[Kind.INFINITE])
            raise BadInput(f"{place}: an infinite number can’t be measured; leave the cell empty.", where=place)
        values = None if self.values is None else _merged(self.values, type_)
        missing = self.kinds.get(Kind.MISSING)
        return {
            "name": self.name,
            "roles": [],
            "type": type_.value,
            "missing": self.missing,
            "first_missing": missing and (missing.line or missing.row),
            "distinct": None if values is None else len(values),
            "values": values if values is not None and all(len(value) <= LONGEST_VALUE for value in values) else None,
        }

    def _refuse_formula(self, text: str, found: Place) -> None:
        place = at(self.file, column=self.name, place=found)
        first = {"\t": "tab", "\r": "carriage return"}.get(text[0], f"“{text[0]}”")
        raise BadInput(
            f"{place}: “{text.strip()[:40]}” would run as a formula in a spreadsheet; take away the leading {first}, "
            "or put an apostrophe before it.",
            where=place,
        )


def _counted(
    values: dict[str, list[int]], bare: str, count: int, chunk: Chunk, text: str
) -> dict[str, list[int]] | None:
    """The counts with these cells added; nothing once there are too many different values."""
    if bare in values:
        values[bare][0] += count
    elif len(values) == MOST_VALUES:
        return None
    else:
        place = chunk.first(text)
        values[bare] = [count, place.line or place.row]
    return values


def _merged(values: dict[str, list[int]], type_: Kind) -> dict[str, list[int]]:
    """Counts by value, one spelling each."""
    merged: dict[str, list[int]] = {}
    for text, (count, first) in values.items():
        kept = merged.setdefault(cells.spelled(text, type_), [0, first])
        kept[0] += count
        kept[1] = min(kept[1], first)
    return merged
