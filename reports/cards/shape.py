"""The shape of a model card: sections of items, each with its value and where that came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

NOT_STATED = "not stated"
LEAST_FIXED, MOST_FIXED = 0.001, 10_000


@dataclass(frozen=True)
class Measured:
    """A measure with its interval; each part is None where it is undefined. `kind` says how people read it."""

    value: float | None
    low: float | None = None
    high: float | None = None
    kind: Literal["number", "signed", "share", "count"] = "number"

    @property
    def interval(self) -> str:
        """The limits, to as many places as the value."""
        if self.low is None or self.high is None:
            return ""
        if self.kind != "number":
            return f"{self.printed(self.low)} to {self.printed(self.high)}"
        fixed = self.value is not None and is_fixed(self.value)
        low, high = (f"{limit:.3f}" if fixed else printed(limit) for limit in (self.low, self.high))
        return f"{low} to {high}"

    def printed(self, number: float | None) -> str:
        """One of its numbers, as its kind is read."""
        if number is None or self.kind == "number":
            return printed(number)
        return {"signed": f"{number:+.3f}", "share": f"{100 * number:.1f}\u00a0%", "count": f"{number:,.0f}"}[self.kind]

    def __str__(self) -> str:
        text = self.printed(self.value)
        return f"{text} ({self.interval})" if self.interval else text


Cell = str | int | float | Measured | None


def is_fixed(number: float) -> bool:
    return number == 0 or LEAST_FIXED <= abs(number) < MOST_FIXED


def printed(cell: Cell) -> str:
    """A cell as a reader sees it: three decimals, and a dash for what is undefined."""
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.3f}" if is_fixed(cell) else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


@dataclass(frozen=True)
class Printed:
    """A cell as the renderings need it: its text, and the interval that goes below it."""

    text: str
    interval: str = ""
    is_number: bool = False

    @property
    def is_digest(self) -> bool:
        return self.text.startswith("sha256:")

    @classmethod
    def of(cls, cell: Cell) -> Printed:
        if isinstance(cell, Measured):
            return cls(cell.printed(cell.value), cell.interval, is_number=True)
        return cls(printed(cell), is_number=not isinstance(cell, str))


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells under columns; `note` says what a reader must know to read them."""

    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    note: str = ""

    @property
    def printed_rows(self) -> list[list[Printed]]:
        return [[Printed.of(cell) for cell in row] for row in self.rows]

    @property
    def heads(self) -> list[Printed]:
        """Each column's name, a number's where only numbers stand below it."""
        under = zip(*self.rows, strict=True) if self.rows else ((),) * len(self.columns)
        numeric = [bool(cells) and not any(isinstance(cell, str) for cell in cells) for cells in under]
        return [Printed(name, is_number=number) for name, number in zip(self.columns, numeric, strict=True)]


Value = str | list[str] | Table | None


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing a card says. An item with a `mend` belongs to every complete card: it is missing without a value."""

    label: str
    value: Value = None
    source: str = ""
    mend: str = ""
    # what charts of the table are drawn from: a check and its result; and the drawings, where a rendering shows them
    chart: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    drawings: tuple[str, ...] = ()

    @property
    def is_stated(self) -> bool:
        return bool(self.value) if not isinstance(self.value, Table) else bool(self.value.rows)

    @property
    def is_expected(self) -> bool:
        return bool(self.mend)

    @property
    def table(self) -> Table | None:
        return self.value if isinstance(self.value, Table) and self.value.rows else None

    @property
    def bullets(self) -> list[str] | None:
        return self.value if isinstance(self.value, list) else None

    @property
    def digest(self) -> str:
        return self.value if isinstance(self.value, str) and self.value.startswith("sha256:") else ""

    @property
    def stated_source(self) -> str:
        return self.source if self.is_stated else NOT_STATED


@dataclass(frozen=True, kw_only=True)
class Section:
    key: str
    title: str
    items: list[Item]

    @property
    def facts(self) -> list[Item]:
        return [item for item in self.items if item.table is None]

    @property
    def tables(self) -> list[Item]:
        return [item for item in self.items if item.table is not None]


@dataclass(frozen=True)
class Missing:
    section: str
    item: str
    mend: str


@dataclass(frozen=True, kw_only=True)
class Completeness:
    filled: int
    of: int
    missing: list[Missing] = field(default_factory=list)

    @property
    def percent(self) -> int:
        """Rounded down, so that only a card that lacks nothing is complete."""
        return 100 * self.filled // self.of if self.of else 100


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A version's measures on one dataset, for machines: type, name and value of each."""

    run_id: str
    result_digest: str
    dataset: str
    dataset_digest: str
    measures: list[tuple[str, str, float]]


@dataclass(frozen=True, kw_only=True)
class Card:
    """A model card of one version, as of the last entry of the trail about anything it states."""

    version_id: str
    model: str
    model_id: str
    version: str
    stage: str
    tier: int | None
    digest: str
    as_of: datetime
    trail_entry: int | None
    sections: list[Section]
    artifact_format: str = ""
    licence: str = ""
    training_datasets: list[str] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"{self.model} {self.version}"

    @property
    def completeness(self) -> Completeness:
        expected = [(section, item) for section in self.sections for item in section.items if item.is_expected]
        missing = [Missing(section.title, item.label, item.mend) for section, item in expected if not item.is_stated]
        return Completeness(filled=len(expected) - len(missing), of=len(expected), missing=missing)
