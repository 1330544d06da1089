"""One card, four renderings: a page, a PDF, Markdown for model hubs, and JSON for machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.template.loader import render_to_string

from reports import documents, drawings
from reports.cards.markdown import as_markdown
from reports.cards.shape import Card, Cell, Item, Measured, Section, Table, Value
from trail.canonical import canonical_result

__all__ = ["as_html", "as_json", "as_markdown", "as_pdf"]


def as_html(card: Card) -> str:
    """The card as a document of its own, with its style inside. (Pages include `reports/card.html` instead.)"""
    shown = drawings.illustrated(card)
    return render_to_string("reports/card.html", {"card": shown, "standalone": True, **documents.style()})


def as_pdf(card: Card) -> bytes:
    """For archives and for everyone, with the JSON inside."""
    content = as_json(card)
    said = "The same model card for machines"
    attached = documents.Attached("card.json", "application/json", content, said, "Alternative")
    return documents.pdf(as_html(card), identity=content, attachments=[attached])


def as_json(card: Card) -> bytes:
    """Canonical bytes, as `card.schema.json` describes them."""
    return canonical_result(
        {
            "v": 1,
            "type": "model-card",
            "model": {"id": card.model_id, "name": card.model, "tier": card.tier},
            "version": {
                "id": card.version_id,
                "name": card.version,
                "stage": card.stage,
                "artifact_digest": card.digest,
            },
            "as_of": card.as_of.isoformat(timespec="microseconds"),
            "trail_entry": card.trail_entry,
            "completeness": asdict(card.completeness) | {"percent": card.completeness.percent},
            "sections": [_section(section) for section in card.sections],
        }
    )


def _section(section: Section) -> dict[str, Any]:
    return {"key": section.key, "title": section.title, "items": [_item(item) for item in section.items]}


def _item(item: Item) -> dict[str, Any]:
    value = _value(item.value) if item.is_stated else None
    return {"label": item.label, "value": value, "source": item.stated_source}


def _value(value: Value) -> Any:
    if not isinstance(value, Table):
        return value
    rows = [[_cell(cell) for cell in row] for row in value.rows]
    return {"columns": list(value.columns), "rows": rows, "note": value.note}


def _cell(cell: Cell) -> Any:
    return {"value": cell.value, "low": cell.low, "high": cell.high} if isinstance(cell, Measured) else cell
