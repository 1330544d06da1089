"""One neutral form for the trees of every library."""

from dataclasses import dataclass

import numpy as np

from audits.sandbox.models import Array

LEAF = -1


class Unreadable(ValueError):
    """Trees this form can't hold (categorical splits, linear leaves) or that are no trees at all."""


@dataclass(frozen=True)
class Ensemble:
    """Trees whose output is `offset` plus, for each tree, the value of the leaf a row falls into.

    All arrays have one place a node, trees one after the other; `roots` is where each begins, and
    `left` and `right` are places in the same arrays. A row goes left where `x <= threshold`, compared
    as float64, or where x is missing and `missing_left`. `single`: x is rounded to float32 first.
    `cover` is the training weight that passed the node. A leaf has the feature -1.
    """

    roots: Array
    feature: Array
    threshold: Array
    left: Array
    right: Array
    missing_left: Array
    value: Array
    cover: Array
    offset: float
    width: int
    single: bool = False

    def __post_init__(self) -> None:
        inner = self.feature != LEAF
        for children in (self.left[inner], self.right[inner]):
            if ((children < 0) | (children >= len(self.feature))).any():
                raise Unreadable("a child that is not there")
        if ((self.feature < LEAF) | (self.feature >= self.width)).any():
            raise Unreadable("a feature that is not there")
        if not (np.isfinite(self.value[~inner]).all() and np.isfinite(self.offset)):
            raise Unreadable("a leaf without a finite value")

    @property
    def leaves(self) -> int:
        return int((self.feature == LEAF).sum())

    def read(self, rows: Array) -> Array:
        """Rows as the trees compare them."""
        return rows.astype(np.float32).astype(np.float64) if self.single else np.asarray(rows, dtype=np.float64)

    def scaled(self, factor: float) -> "Ensemble":
        return Ensemble(**(vars(self) | {"value": factor * self.value, "offset": factor * self.offset}))


@dataclass
class Grove:
    """Trees being gathered, each given with its own node numbers."""

    parts: list[tuple[Array, ...]]

    def add(
        self,
        *,
        feature: Array,
        threshold: Array,
        left: Array,
        right: Array,
        missing_left: Array,
        value: Array,
        cover: Array,
    ) -> None:
        self.parts.append((feature, threshold, left, right, missing_left, value, cover))

    def ensemble(self, *, offset: float, width: int, single: bool = False) -> Ensemble:
        sizes = [len(part[0]) for part in self.parts]
        roots = np.concatenate([[0], np.cumsum(sizes)])[:-1].astype(np.int64)
        if not sizes:
            raise Unreadable("no trees")
        shift = np.repeat(roots, sizes)
        feature, threshold, left, right, missing, value, cover = (
            np.concatenate(column) for column in zip(*self.parts, strict=True)
        )
        return Ensemble(
            roots=roots,
            feature=feature.astype(np.int64),
            threshold=threshold.astype(np.float64),
            left=left.astype(np.int64) + shift,
            right=right.astype(np.int64) + shift,
            missing_left=missing.astype(np.bool_),
            value=value.astype(np.float64),
            cover=cover.astype(np.float64),
            offset=offset,
            width=width,
            single=single,
        )
