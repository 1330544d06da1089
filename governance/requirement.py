"""What the promotion page shows: each thing that is asked, whether it is there, and what shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from trail.errors import Objection


class Verdict(StrEnum):
    MET = "met"
    UNMET = "unmet"
    WAITING = "waiting"
    STALE = "stale"


@dataclass(frozen=True)
class Evidence:
    """What shows it: a thing of some kind (`run`, `signature`, `policy`, …), its digest and its time."""

    label: str
    kind: str
    id: str
    digest: str = ""
    at: str = ""


@dataclass(frozen=True)
class Requirement:
    """Anything but `met` has at least one objection, so that what is not shown to be there blocks."""

    key: str
    title: str
    verdict: Verdict
    sentence: str
    evidence: list[Evidence] = field(default_factory=list)
    objections: list[Objection] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Requirement:
        return cls(
            kept["key"],
            kept["title"],
            Verdict(kept["verdict"]),
            kept["sentence"],
            [Evidence(**evidence) for evidence in kept["evidence"]],
            [Objection(**objection) for objection in kept["objections"]],
        )


def met(key: str, title: str, sentence: str, *evidence: Evidence) -> Requirement:
    return Requirement(key, title, Verdict.MET, sentence, list(evidence))


def missing(
    key: str,
    title: str,
    objections: Objection | Sequence[Objection],
    *evidence: Evidence,
    verdict: Verdict = Verdict.UNMET,
) -> Requirement:
    found = [objections] if isinstance(objections, Objection) else list(objections)
    if not found:
        raise ValueError(f"{key} is {verdict} without an objection.")
    return Requirement(key, title, verdict, " ".join(each.sentence for each in found), list(evidence), found)


def months_after(moment: datetime, months: int) -> datetime:
    """The same day `months` later, or the last day of that month."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    for day in range(moment.day, 27, -1):
        try:
            return moment.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    return moment.replace(year=year, month=month + 1)
