"""Charts in documents: drawn for print from a run's result, each beside its table."""

from __future__ import annotations

from dataclasses import replace

from audits import charts, results
from reports.cards.shape import Card, Item


def illustrated(card: Card) -> Card:
    """The card with its charts, for the renderings that stand alone."""
    sections = [replace(section, items=[drawn(item) for item in section.items]) for section in card.sections]
    return replace(card, sections=sections)


def drawn(item: Item) -> Item:
    """The item with the charts of its table. What the result leaves undefined is not drawn."""
    found = item.result
    match item.chart:
        case "fairness":
            names = list(found["groups"][0]["group"])
            return replace(item, drawings=(charts.rates(found, attributes=names, theme=charts.PRINT),))
        case "performance":
            curves = [charts.roc(found, theme=charts.PRINT)] if found.get("roc") else []
            curves += [charts.calibration(found, theme=charts.PRINT)] if found.get("calibration") else []
            return replace(item, drawings=tuple(curves))
        case "explainability":
            return replace(item, drawings=(charts.importance(found, theme=charts.PRINT),))
        case "section":
            drawings = tuple(results.drawn(chart, theme=charts.PRINT) for chart in found["charts"])
            return replace(item, drawings=drawings)
    return item
