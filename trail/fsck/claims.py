"""The claims on the tree's roots, in the order of their sizes, settled as the tree grows past them."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import merge
from typing import Any

from trail.fsck.entries import Told
from trail.fsck.findings import MOST, Report
from trail.fsck.signed import Claim
from trail.fsck.tree import Growing


def _size(claim: Claim) -> int:
    return claim.size


class Claims:
    def __init__(self, known: Iterable[Claim], *stored: Iterable[Claim]) -> None:
        self._claims = merge(sorted(known, key=_size), *stored, key=_size)
        self._next = next(self._claims, None)
        self.false: list[tuple[Claim, str]] = []
        self.unsettled = 0

    def settle(self, growing: Growing) -> None:
        """Those about the tree as large as it is now."""
        while self._next is not None and self._next.size <= growing.size:
            root = growing.root()
            if root is None:
                self.unsettled += 1
            elif self._next.size < 0:
                self._refuse("there is no such tree.")
            elif self._next.root != root:
                self._refuse(f"this is not the root of the first {growing.size:,} leaves.")
            self._next = next(self._claims, None)

    def settle_beyond(self, growing: Growing) -> None:
        while self._next is not None:
            self._refuse(f"the log went back: only {growing.size:,} leaves are left of {self._next.size:,}.")
            self._next = next(self._claims, None)

    def _refuse(self, sentence: str) -> None:
        if self._next is not None and len(self.false) <= MOST:
            self.false.append((self._next, sentence))

    def report(self, told: Told, report: Report) -> None:
        for claim, sentence in self.false:
            fork = next((each for each in told.forks if _explains(each, claim)), None)
            if fork is not None and claim.at is not None:
                size = f"{fork['size']:,}"
                report.skip(
                    f"Checkpoints from before the fork at {size} entries, which the log tells of, prove nothing."
                )
                continue
            because = f" The log tells of a fork at {fork['size']:,} entries." if fork else ""
            report.say(claim.table, claim.row, claim.column, sentence + because)
        if self.unsettled:
            report.skip(f"{self.unsettled:,} roots could not be compared, because leaves before them are missing.")


def _explains(fork: dict[str, Any], claim: Claim) -> bool:
    return fork["size"] < claim.size <= fork["signed_size"] and (claim.at is None or claim.at <= fork["at"])
