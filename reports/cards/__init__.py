"""The model card of a version: what is known of it, where each statement comes from, and what is missing."""

from __future__ import annotations

from registry.models import Version
from registry.stages import Stage
from reports import queries
from reports.cards import described, measured
from reports.cards.renderings import as_html, as_json, as_markdown, as_pdf
from reports.cards.sections import Known, sections
from reports.cards.shape import Card

__all__ = ["Card", "as_html", "as_json", "as_markdown", "as_pdf", "card"]


def card(version: Version) -> Card:
    """The card as of the last entry of the trail about anything it states. Nothing in it is invented."""
    known, last = Known(version), queries.entries_about(version).last()
    return Card(
        version_id=str(version.pk),
        model=version.model.name,
        model_id=version.model.slug,
        version=version.name,
        stage=Stage(version.stage).label,
        tier=version.model.tier,
        digest=version.digest,
        as_of=last.entry.at if last else version.created_at,
        trail_entry=last.index if last else None,
        sections=sections(known),
        artifact_format=version.artifact.format if version.artifact else "",
        licence=described.licence(version),
        training_datasets=[dataset.name for dataset in described.trained_on(version)],
        evaluations=[measured.evaluation(known.performance)] if known.performance else [],
    )
