"""What a check says of its result: the figures a reader looks for first, then sections of text, tables and charts.

The page, the model card and the evidence pack all show the same description. Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

# How a number is printed: three decimals, the same with its sign, a percentage, a whole number.
Kind = Literal["number", "signed", "share", "count"]


@dataclass(frozen=True)
class Figure:
    """A measure with its limits; without a value, `reason` says why. `kind` says how the numbers are printed."""

    label: str
    value: float | int | str | None
    low: float | None = None
    high: float | None = None
    hint: str = ""
    kind: Kind = "number"
    reason: str = ""

    @classmethod
    def of(cls, label: str, found: Any, *, hint: str = "", kind: Kind = "number") -> Figure:
        """From an estimate of a result, {"value", "low", "high", "reason"}, or from a plain value."""
        if not isinstance(found, Mapping):
            return cls(label, found, hint=hint, kind=kind)
        reason = str(found.get("reason") or "")
        return cls(label, found.get("value"), found.get("low"), found.get("high"), hint, kind, reason)


Cell = str | int | float | None | Figure


@dataclass(frozen=True)
class Column:
    """`hint` says in full what a short title means."""

    title: str
    kind: Kind | Literal["text"] = "text"
    hint: str = ""


@dataclass(frozen=True)
class Table:
    """The first cell of a row names it. A page folds a long table, and turns the pages of a very long one that is
    `paged`; documents print its first rows and say so."""

    part: ClassVar[str] = "table"

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    paged: bool = False


@dataclass(frozen=True)
class Chart:
    """`spec` is Vega-Lite as audits.charts.specs makes it; `answer` says in a sentence what the chart shows.

    The numbers drawn stand in a table of the same section, or in `table`, folded under the chart.
    """

    part: ClassVar[str] = "chart"

    title: str
    answer: str
    spec: dict[str, Any]
    table: Table | None = None


@dataclass(frozen=True)
class Note:
    """A sentence that stands out."""

    part: ClassVar[str] = "note"

    level: Literal["info", "success", "warning", "error"]
    title: str
    body: str


@dataclass(frozen=True)
class Figures:
    """Figures side by side."""

    part: ClassVar[str] = "figures"
    figures: Sequence[Figure]


Part = Figures | Table | Chart | Note


@dataclass(frozen=True)
class Section:
    """One question of the check, and what answers it. Without a title its parts stand alone."""

    title: str = ""
    lead: str = ""
    parts: Sequence[Part] = field(default_factory=tuple)


def group(values: Mapping[str, Any] | None) -> str:
    """A group by its values: female, ≤25."""
    if not values:
        return "–"
    return ", ".join("not stated" if value is None else str(value) for value in values.values())


def words(name: str) -> str:
    """A metric's name as words: true_positive_rate → True positive rate."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]
