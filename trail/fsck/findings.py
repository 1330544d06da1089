"""What an examination found: one sentence for each damage, with the table, the row and the column it lies in."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

# so that a ledger that is damaged everywhere does not fill the memory
MOST = 1000


class CouldNotRun(Exception):
    """Why nothing could be examined."""


@dataclass(frozen=True)
class Finding:
    table: str
    row: str
    column: str
    sentence: str

    def __str__(self) -> str:
        place = [self.table, *([f"row {self.row}"] if self.row else []), *([self.column] if self.column else [])]
        return f"{', '.join(place)}: {self.sentence}"


@dataclass
class Report:
    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    read: dict[str, int] = field(default_factory=dict)
    # what was left out of this examination, and what no examination could see
    unchecked: list[str] = field(default_factory=list)
    undetectable: list[str] = field(default_factory=list)

    def say(self, table: str, row: object, column: str, sentence: str) -> None:
        if len(self.findings) < MOST:
            self.findings.append(Finding(table, str(row), column, sentence))
        else:
            self.more += 1

    def skip(self, sentence: str) -> None:
        if sentence not in self.unchecked:
            self.unchecked.append(sentence)

    def count(self, what: str) -> None:
        self.read[what] = self.read.get(what, 0) + 1

    @property
    def is_clean(self) -> bool:
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        return {"clean": self.is_clean, **asdict(self)}
