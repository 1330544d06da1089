"""What the answers mean: the few distinct cells that an engine counted, as labels, groups and tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audits.engines import queries
from audits.engines.errors import NotCounted
from audits.engines.queries import INFINITE, MOST_KEYS, Bands, Decisions, Query, Spread
from audits.measures import binned_auc
from audits.measures.counts import Table, require_few
from audits.measures.errors import Unmeasurable
from audits.measures.labels import canonical, plain, positives, rank
from registry.cells import MISSING

MOST_CELLS = 1 << 24  # of a histogram: 128 MB
PLACES = np.array([[2, 1], [3, 0]])  # of actual and predicted among tp, fp, tn, fn

Row = tuple[Any, ...]
Key = tuple[Any, ...]
Sets = Sequence[tuple[str, ...]]


class Source(Protocol):
    """A table somewhere, and who counts it."""

    def relation(self, numbers: set[str]) -> str:
        """What SQL selects from; the columns in `numbers` can be cast to a double there."""

    def ask(self, query: Query) -> Iterator[Row]:
        """The rows of the answer."""

    def type_of(self, column: str) -> str:
        """integer, number, boolean, date or text, as kept datasets record it; nothing if the cells say it."""

    def confirm(self, rows: int) -> None:
        """Refuse an answer over another number of rows than the table has."""


@dataclass(frozen=True)
class Counted:
    """Count tables of one set of decisions, and every label of target and prediction in one spelling."""

    tables: list[Table]
    labels: list[str]
    rows: int


@dataclass(frozen=True)
class Histogram:
    """Rows (groups, 2, bins) by score, first those of the unfavourable outcome; the bins reach from low to high."""

    attributes: tuple[str, ...]
    groups: list[dict[str, Any]]
    counts: NDArray[np.int64]
    low: float
    high: float

    def areas(self) -> list[binned_auc.Area]:
        """The AUC within each group, with its error bound."""
        return [binned_auc.of_counts(positives=held[1], negatives=held[0]) for held in self.counts]


def count(source: Source, asked: Decisions, *, favourable: Any, attribute_sets: Sets | None = None) -> Counted:
    """Confusion counts per group, as `audits.measures.counts.tabulate` makes them of the same rows in memory.

    attribute_sets: which groups; by default each sensitive column alone, then all crossed. A missing cell is the group
    None. Raises Unmeasurable for a missing or infinite target or decision, and for too many groups; NotCounted where
    the engine can't be trusted with the table.
    """
    found = few(source, queries.cells(asked, source.relation(asked.numbers)))
    if not found:
        raise Unmeasurable(param="target", sentence="target has no rows; pass at least one.")
    sizes = [row[-1] for row in found]
    source.confirm(sum(sizes))
    target = objects(label(row[0], source.type_of(asked.target)) for row in found)
    require_none("target", "missing", held_by(None, target, sizes))
    given = present(source, asked, [row[1] for row in found], sizes)
    if asked.prediction is not None:
        actual, predicted, labels = positives(target=target, prediction=given, favourable=favourable)
    else:
        actual, _, labels = positives(target=target, prediction=target, favourable=favourable)
        predicted = given == 1
    keys = grouped(source, asked, [row[2:-1] for row in found])
    cells = np.zeros((len(found), 4), dtype=np.int64)
    cells[np.arange(len(found)), PLACES[actual.astype(int), predicted.astype(int)]] = sizes
    tables = [Table(*summed(asked.sensitive, chosen, keys, cells)) for chosen in sets(asked.sensitive, attribute_sets)]
    return Counted(tables, labels, sum(sizes))


def histograms(
    source: Source,
    asked: Spread,
    *,
    favourable: Any,
    bins: int = binned_auc.BINS,
    attribute_sets: Sets | None = None,
) -> list[Histogram]:
    """Scores per group and outcome in bins of equal width; without sensitive columns, one histogram of all rows.

    Raises Unmeasurable for a missing or infinite score and a missing target.
    """
    rows, low, high = extent(source, asked)
    scale = binned_auc.scale(low, high, bins)
    query = queries.histogram(asked, source.relation(asked.numbers), low=low, scale=scale, most=MOST_CELLS)
    held: dict[Key, NDArray[np.int64]] = {}
    kind, wanted = source.type_of(asked.target), canonical(favourable)
    outcomes: dict[Any, int] = {}
    groups: dict[Row, Key] = {}
    for cell, at, *rest, size in source.ask(query):
        if cell not in outcomes:
            known = label(cell, kind)
            require_none("target", "missing", size * (known is None))
            outcomes[cell] = int(canonical(known) == wanted)
        raw = tuple(rest)
        if raw not in groups:
            (groups[raw],) = grouped(source, asked, [raw])
            if (len(held) + 1) * 2 * bins > MOST_CELLS:
                sentence = f"sensitive makes too many groups for {bins} bins each; ask for fewer of either."
                raise Unmeasurable(param="sensitive", sentence=sentence)
            held.setdefault(groups[raw], np.zeros((2, bins), dtype=np.int64))
        held[groups[raw]][outcomes[cell], min(at, bins - 1)] += size
    counts = np.stack(list(held.values()))
    if counts.sum() != rows:
        sentence = "The rows changed while they were counted, or hold too many combinations; count fewer columns."
        raise NotCounted(param="data", sentence=sentence)
    return [
        Histogram(*summed(asked.sensitive, chosen, list(held), counts), low, high)
        for chosen in sets(asked.sensitive, attribute_sets)
    ]


def tally(source: Source, columns: Sequence[str]) -> dict[Key, int]:
    """How many rows hold each combination of labels of these columns."""
    found = few(source, queries.tally(columns, source.relation(set())))
    source.confirm(sum(row[-1] for row in found))
    counts: dict[Key, int] = {}
    for row in found:
        key = tuple(label(cell, source.type_of(name)) for name, cell in zip(columns, row, strict=False))
        counts[key] = counts.get(key, 0) + row[-1]
    return dict(sorted(counts.items(), key=lambda item: order(item[0])))


def few(source: Source, query: Query) -> list[Row]:
    """The answer, unless it is too long to be one."""
    found = list(source.ask(query))
    if len(found) > MOST_KEYS:
        sentence = f"The columns hold more than {MOST_KEYS:,} combinations; gather their values into bands."
        raise Unmeasurable(param="sensitive", sentence=sentence)
    return found


def extent(source: Source, asked: Spread) -> tuple[int, float, float]:
    """How many rows there are, and their least and largest score."""
    ((rows, known, infinite, low, high),) = source.ask(queries.extent(asked, source.relation(asked.numbers)))
    source.confirm(rows)
    if not rows:
        raise Unmeasurable(param="score", sentence="score has no rows; pass at least one.")
    require_none("score", "infinite", infinite)
    require_none("score", "missing", rows - known)
    return rows, float(low), float(high)


def present(source: Source, asked: Decisions, given: list[Any], sizes: list[int]) -> NDArray[Any]:
    """The predictions' labels, or whether the score is favourable as 1 and 0; none of them missing."""
    if asked.prediction is not None:
        said = objects(label(cell, source.type_of(asked.prediction)) for cell in given)
        require_none("prediction", "missing", held_by(None, said, sizes))
        return said
    require_none("score", "missing", held_by(None, given, sizes))
    require_none("score", "infinite", held_by(INFINITE, given, sizes))
    return np.array(given)


def objects(values: Iterable[Any]) -> NDArray[Any]:
    listed = list(values)
    made = np.empty(len(listed), dtype=object)
    made[:] = listed
    return made


def require_none(name: str, word: str, count: int) -> None:
    """Refuse cells that can't be counted."""
    if count:
        sentence = f"{name} is {word} in {count} row{'s' * (count > 1)}; fill or drop those rows."
        raise Unmeasurable(param=name, sentence=sentence)


def held_by(value: Any, values: Iterable[Any], sizes: list[int]) -> int:
    """The rows whose value is this one."""
    return sum(size for found, size in zip(values, sizes, strict=True) if found is value or found == value)


def grouped(source: Source, asked: Decisions | Spread, rows: Iterable[Row]) -> list[Key]:
    """Each row's groups: labels of the sensitive columns, or names of their bands."""
    types = [source.type_of(name) for name in asked.sensitive]
    return [
        tuple(
            banded(name, cell, asked.bands[name]) if name in asked.bands else label(cell, type_)
            for name, cell, type_ in zip(asked.sensitive, row, types, strict=True)
        )
        for row in rows
    ]


def banded(name: str, code: int | None, bands: Bands) -> str | None:
    if code == INFINITE:
        sentence = f"sensitive attribute {name!r} holds an infinite number; mend or drop those rows."
        raise Unmeasurable(param="sensitive", sentence=sentence)
    return None if code is None else bands.labels[code]


def sets(sensitive: tuple[str, ...], given: Sets | None) -> Sets:
    """Which groups: those asked for, or each column alone and all of them crossed."""
    if given is not None:
        return given
    return list(dict.fromkeys([*((name,) for name in sensitive), sensitive]))


def summed(
    sensitive: tuple[str, ...], chosen: tuple[str, ...], keys: list[Key], counts: NDArray[np.int64]
) -> tuple[tuple[str, ...], list[dict[str, Any]], NDArray[np.int64]]:
    """Counts (keys, ...) summed over everything but the chosen columns, the groups in order."""
    columns = [sensitive.index(name) for name in chosen]
    own = [tuple(key[column] for column in columns) for key in keys]
    groups = sorted(set(own), key=order)
    require_few(chosen, len(groups))
    places = {group: place for place, group in enumerate(groups)}
    table = np.zeros((len(groups), *counts.shape[1:]), dtype=np.int64)
    np.add.at(table, [places[group] for group in own], counts)
    return chosen, [dict(zip(chosen, group, strict=True)) for group in groups], table


def order(group: Key) -> tuple[Any, ...]:
    """Labels as `labels.levels` sorts them, a missing one last."""
    return tuple((value is None, rank("" if value is None else value)) for value in group)


def label(cell: Any, type_: str = "") -> Any:
    """A cell as the reader of kept datasets has it: of its column's type, without blanks, None where it is missing."""
    if cell is None:
        return None
    text = (str(cell).lower() if isinstance(cell, bool) else spelled(cell)).strip()
    if text.lower() in MISSING:
        return None
    try:
        return typed(text, type_ or native(cell))
    except (ValueError, OverflowError) as error:
        sentence = f"A cell holds {text[:40]!r}, which is no {type_}; the rows must be read one by one."
        raise NotCounted(param="data", sentence=sentence) from error


def typed(text: str, type_: str) -> Any:
    match type_:
        case "integer":
            return int(text)
        case "number":
            return plain(float(text))
        case "boolean":
            return text.lower() == "true"
    return text


def spelled(cell: Any) -> str:
    """The cell as a CSV file would spell it."""
    return str(cell.isoformat()) if hasattr(cell, "isoformat") else str(cell)


def native(cell: Any) -> str:
    """The type that a value from an engine has by itself."""
    if isinstance(cell, bool):
        return "boolean"
    if isinstance(cell, int):
        return "integer"
    return "text" if isinstance(cell, str) or hasattr(cell, "isoformat") else "number"
