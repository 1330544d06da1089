"""A model card as a file: each that leaves the house is on the record, like a pack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from people.models import User
from registry.models import Version
from reports import cards
from reports.events import Event
from trail import moments
from trail.canonical import digest
from trail.record import recording

FORMATS: dict[str, tuple[str, Callable[[cards.Card], bytes | str]]] = {
    "pdf": ("application/pdf", cards.as_pdf),
    "html": ("text/html; charset=utf-8", cards.as_html),
    "md": ("text/markdown; charset=utf-8", cards.as_markdown),
    "json": ("application/json", cards.as_json),
}


@dataclass(frozen=True)
class CardFile:
    name: str
    media_type: str
    content: bytes


def download(*, version: Version, kind: str, actor: User, reason: str) -> CardFile:
    """The card in one of `FORMATS`, once the download is recorded. Whoever sees the version may have it."""
    media_type, rendered = FORMATS[kind]
    made = rendered(cards.card(version))
    content = made.encode() if isinstance(made, str) else made
    with recording(Event.CARD_DOWNLOADED, actor=actor, reason=reason, subject=version) as entry:
        entry.facts = {"format": kind, "digest": digest(content), "size": len(content)}
        if moment := moments.asked():
            entry.facts["as_of"] = moment
    return CardFile(f"{version.model.slug}-v{version.number}-card.{kind}", media_type, content)
