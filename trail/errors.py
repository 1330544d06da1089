"""What can stand against a write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any


@dataclass(frozen=True)
class Objection:
    """One reason why something may not happen: a stable code, a sentence, and what would mend it."""

    code: str
    sentence: str
    mend: str = ""
    link: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.sentence} {self.mend}".strip()


class Unrecorded(RuntimeError):
    """A governed table was about to be written outside a recording."""


class VagueRecord(ValueError):
    """An entry without its actor, its subject or its reason."""


class Refused(Exception):
    """A rule stands against the attempt. Carries every objection, not just the first."""

    def __init__(self, objections: Sequence[Objection] | Objection) -> None:
        self.objections = [objections] if isinstance(objections, Objection) else list(objections)
        super().__init__(" ".join(str(objection) for objection in self.objections))


class BadInput(ValueError):
    """What was given can't be taken. `where` names the place (a field, a file, a column, a row)."""

    status = 422

    def __init__(self, sentence: str, *, where: str = "", status: int = 422) -> None:
        self.sentence, self.where, self.status = sentence, where, status
        super().__init__(sentence)


def refuse_unknown(data: Mapping[str, Any], known: set[str]) -> None:
    """Name the first field that nothing would read, and what was probably meant."""
    for name in data:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            meant = f"; did you mean “{close[0]}”?" if close else f"; there are {', '.join(sorted(known))}."
            raise BadInput(f"There is no field “{name[:60]}” here{meant}", where=name)
