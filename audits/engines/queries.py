"""The questions as SQL: one text, in DuckDB's dialect, of what every SQL engine knows.

Names are quoted, numbers are doubles written out in full, and no row is filtered: an engine that trusts a file's
statistics may take NaN for a number in a comparison, but x - x = 0 holds for finite numbers alone, everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MOST_KEYS = 200_000  # distinct combinations of raw cells that may come back
INFINITE = -1  # the code of an infinite number, where bands and bins count from 0


@dataclass(frozen=True)
class Bands:
    """Edges, rising, that cut a number into len(edges) + 1 labelled groups; `right` puts an edge in the band below."""

    edges: tuple[float, ...]
    right: bool
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """Columns to count confusion cells of: `prediction`, or `score` and `threshold`; `bands` cut sensitive ones."""

    target: str
    sensitive: tuple[str, ...]
    prediction: str | None = None
    score: str | None = None
    threshold: float = 0.5
    bands: Mapping[str, Bands] = field(default_factory=dict)

    @property
    def numbers(self) -> set[str]:
        """The columns that are compared as numbers."""
        return set(self.bands) | ({self.score} if self.score is not None else set())


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Columns of a histogram: of a score, by target and groups."""

    target: str
    score: str
    sensitive: tuple[str, ...] = ()
    bands: Mapping[str, Bands] = field(default_factory=dict)

    @property
    def numbers(self) -> set[str]:
        return {*self.bands, self.score}


@dataclass(frozen=True)
class Value:
    """One value of an answer's rows: its SQL, and its type, which is that of `column` unless stated."""

    sql: str
    column: str = ""
    type: str = ""


@dataclass(frozen=True)
class Query:
    """A SQL text, and by alias what each row of its answer holds."""

    text: str
    values: Mapping[str, Value]


COUNT = Value("COUNT(*)", type="int64")


def cells(asked: Decisions, relation: str) -> Query:
    """How often each combination of target, decision and groups occurs."""
    if asked.prediction is not None:
        decision = raw(asked.prediction)
    else:
        x = number(str(asked.score))
        decision = coded(x, f"CASE WHEN {x} >= {double(asked.threshold)} THEN 1 ELSE 0 END")
    return grouped([raw(asked.target), decision, *groups(asked)], relation)


def tally(columns: Sequence[str], relation: str) -> Query:
    """How often each combination of these columns' cells occurs."""
    return grouped([raw(name) for name in columns], relation)


def extent(asked: Spread, relation: str) -> Query:
    """Rows, finite and infinite scores, the least and the largest finite score."""
    x = number(asked.score)
    finite = f"CASE WHEN {x} - {x} = 0 THEN {x} END"
    infinite = f"CASE WHEN {x} - {x} = 0 THEN NULL WHEN {double(1)} / {x} = 0 THEN 1 END"
    values = {
        "n": COUNT,
        "finite": Value(f"COUNT({finite})", type="int64"),
        "infinite": Value(f"COUNT({infinite})", type="int64"),
        "low": Value(f"MIN({finite})", type="float64"),
        "high": Value(f"MAX({finite})", type="float64"),
    }
    return Query(f"SELECT {aliased(values)} FROM {relation}", values)  # noqa: S608 (names are quoted)


def histogram(asked: Spread, relation: str, *, low: float, scale: float, most: int) -> Query:
    """How many rows of each target and group have their score in each bin that holds any."""
    x = number(asked.score)
    place = coded(x, f"CAST(FLOOR(({x} - {double(low)}) * {double(scale)}) AS BIGINT)")
    return grouped([raw(asked.target), place, *groups(asked)], relation, most=most)


def groups(asked: Decisions | Spread) -> list[Value]:
    return [banded(name, asked.bands[name]) if name in asked.bands else raw(name) for name in asked.sensitive]


def banded(name: str, bands: Bands) -> Value:
    """The number of the band, from 0."""
    x, below = number(name), "<=" if bands.right else "<"
    cases = "".join(f"WHEN {x} {below} {double(edge)} THEN {place} " for place, edge in enumerate(bands.edges))
    return coded(x, f"CASE {cases}ELSE {len(bands.edges)} END")


def coded(x: str, finite: str) -> Value:
    """A code of the number x: `finite` where it is that; a missing one and NaN stay missing."""
    codes = f"CASE WHEN {x} - {x} = 0 THEN {finite} WHEN {double(1)} / {x} = 0 THEN {INFINITE} END"
    return Value(codes, type="int64")


def grouped(keys: Sequence[Value], relation: str, most: int = MOST_KEYS) -> Query:
    """Distinct keys with how many rows have them; one more than `most` says that there are too many."""
    named = {f"k{place}": key for place, key in enumerate(keys)}
    names = ", ".join(quoted(alias) for alias in named)
    text = (
        f'SELECT {names}, COUNT(*) AS "n" FROM (SELECT {aliased(named)} FROM {relation}) AS "keyed" '  # noqa: S608
        f"GROUP BY {names} LIMIT {most + 1}"
    )
    return Query(text, named | {"n": COUNT})


def aliased(values: Mapping[str, Value]) -> str:
    return ", ".join(f"{value.sql} AS {quoted(alias)}" for alias, value in values.items())


def raw(name: str) -> Value:
    return Value(quoted(name), column=name)


def number(name: str) -> str:
    return f"CAST({quoted(name)} AS DOUBLE)"


def double(value: float) -> str:
    """The shortest spelling that reads back as the same double."""
    return f"CAST('{float(value)!r}' AS DOUBLE)"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
