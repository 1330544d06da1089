"""What a reader asks of the trail: actor, type, subject, words, from when to when. Bad input is named, not guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import QuerySet

from trail import queries
from trail.errors import BadInput
from trail.models import Entry

NAMES = ("actor", "type", "subject", "from", "to", "q")
LONGEST = 200


@dataclass(frozen=True)
class Asked:
    said: dict[str, str]
    since: datetime | None
    until: datetime | None

    def of(self, found: QuerySet[Entry]) -> QuerySet[Entry]:
        """Those of `found` that were asked for."""
        said = {name: self.said.get(name, "") for name in ("actor", "type", "subject")}
        return queries.matching(found, search=self.said.get("q", ""), since=self.since, until=self.until, **said)


def said(params: Mapping[str, str]) -> dict[str, str]:
    """What was filled in, word for word."""
    given = {name: params.get(name, "").strip() for name in NAMES}
    return {name: value for name, value in given.items() if value}


def asked(params: Mapping[str, str]) -> Asked:
    given = said(params)
    for name, value in given.items():
        if len(value) > LONGEST:
            raise BadInput(f"{name} holds {len(value):,} characters; at most {LONGEST} fit.", where=name)
    since, until = _moment(given, "from"), _moment(given, "to")
    if since and until and since >= until:
        raise BadInput("from is later than to: nothing can lie between them.", where="from")
    return Asked(given, since, until)


def _moment(given: dict[str, str], name: str) -> datetime | None:
    """A date is its whole day, so `to` reaches to the next midnight; a moment is itself. Without a zone it is UTC."""
    if name not in given:
        return None
    try:
        moment = datetime.fromisoformat(given[name])
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if name == "to":
            moment += timedelta(days=1) if _is_date(given[name]) else timedelta(microseconds=1)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        sentence = f"{name} must be a date or a moment, such as 2026-03-31 or 2026-03-31T14:00:00Z."
        raise BadInput(sentence, where=name) from None


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
