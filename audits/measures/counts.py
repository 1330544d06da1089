"""Confusion counts per group, from one pass over the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.errors import Unmeasurable
from audits.measures.labels import levels

Codes = NDArray[np.int64]

MOST_GROUPS = 1000
DENSE = 10_000_000  # room for a lookup table; above it, sorting is the smaller evil


@dataclass(frozen=True)
class Table:
    """Counts (groups, 4) of tp, fp, tn, fn for the groups of some attributes, in sorted order."""

    attributes: tuple[str, ...]
    groups: list[dict[str, Any]]
    counts: Codes


@dataclass(frozen=True)
class Grouping:
    """The groups of some attributes in sorted order, and which of them each of the finest groups belongs to."""

    attributes: tuple[str, ...]
    groups: list[dict[str, Any]]
    place: Codes

    def summed(self, finest: NDArray[Any]) -> NDArray[Any]:
        """Sums (groups, ...) of what was counted for the finest groups (finest, ...)."""
        out = np.zeros((len(self.groups), *finest.shape[1:]), dtype=finest.dtype)
        np.add.at(out, self.place, finest)
        return out


def tabulate(
    *,
    actual: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    sensitive: Mapping[str, Any],
    attribute_sets: Sequence[tuple[str, ...]],
) -> list[Table]:
    """One table per attribute set, each a marginal of the one table over all attributes crossed."""
    codes, groupings = grouped(sensitive, attribute_sets)
    return tables(codes, groupings, actual=actual, predicted=predicted)


def tables(
    codes: Codes, groupings: Sequence[Grouping], *, actual: NDArray[np.bool_], predicted: NDArray[np.bool_]
) -> list[Table]:
    """The count table of each grouping, from one pass over the rows."""
    finest = confusion(codes, actual, predicted, groups=len(groupings[0].place))
    return [Table(each.attributes, each.groups, each.summed(finest)) for each in groupings]


def grouped(sensitive: Mapping[str, Any], attribute_sets: Sequence[tuple[str, ...]]) -> tuple[Codes, list[Grouping]]:
    """The group (n,) of each row where all attributes are crossed, and the groupings made of these groups."""
    names: dict[str, list[Any]] = {}
    codes = np.zeros(len(next(iter(sensitive.values()))), dtype=np.int64)
    keys = np.zeros((1, 0), dtype=np.int64)
    for name, values in sensitive.items():
        column, names[name] = levels(values)
        require_few((name,), len(names[name]))
        codes, keys = cross(codes, keys, column, len(names[name]))
    columns = list(sensitive)
    return codes, [
        grouping(attributes, keys[:, [columns.index(name) for name in attributes]], names)
        for attributes in attribute_sets
    ]


def cross(codes: Codes, keys: Codes, column: Codes, size: int) -> tuple[Codes, Codes]:
    """Refine groups (codes (n,), keys (groups, k)) by one more column; only groups that occur remain."""
    present, codes = compact(codes * size + column, len(keys) * size)
    return codes, np.column_stack([keys[present // size], present % size])


def compact(codes: Codes, size: int) -> tuple[Codes, Codes]:
    """The codes that occur, sorted, and each row's place among them."""
    if size > DENSE:
        present, places = np.unique(codes, return_inverse=True)
        return present, places
    present = np.flatnonzero(np.bincount(codes, minlength=size))
    place = np.empty(size, dtype=np.int64)
    place[present] = np.arange(len(present))
    return present, place[codes]


def confusion(codes: Codes, actual: NDArray[np.bool_], predicted: NDArray[np.bool_], *, groups: int) -> Codes:
    """Counts (groups, 4) of tp, fp, tn, fn."""
    cells = np.bincount(codes * 4 + 2 * actual + predicted, minlength=4 * groups)
    return cells.reshape(groups, 4)[:, [3, 1, 0, 2]]


def grouping(attributes: tuple[str, ...], keys: Codes, names: Mapping[str, list[Any]]) -> Grouping:
    """Which of these attributes' groups each finest group, of these keys (finest, attributes), falls into."""
    groups, place = np.unique(keys, axis=0, return_inverse=True)
    require_few(attributes, len(groups))
    labels = [{name: names[name][code] for name, code in zip(attributes, group, strict=True)} for group in groups]
    return Grouping(attributes, labels, np.asarray(place.ravel(), dtype=np.int64))


def require_few(attributes: tuple[str, ...], groups: int) -> None:
    """A disparity over thousands of groups says nothing; ask for bands instead."""
    if groups > MOST_GROUPS:
        sentence = (
            f"sensitive: {' and '.join(attributes)} makes {groups} groups, more than {MOST_GROUPS}; "
            "gather its values into bands or cross fewer attributes."
        )
        raise Unmeasurable(param="sensitive", sentence=sentence)
