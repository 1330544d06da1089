"""The sections of a model card that a person writes (Mitchell et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from people.access import require
from people.models import User
from people.roles import Duty
from registry import words
from registry.events import Event
from registry.models import CardSection, Version
from trail.errors import BadInput
from trail.record import recording

# An entry of the trail holds the whole text, however many bytes its characters take.
LONGEST = 15_000


@dataclass(frozen=True)
class Section:
    key: str
    title: str
    hint: str


SECTIONS = [
    Section("model_details", "Model details", "Who built it, when, how it works, and where to ask about it."),
    Section("intended_use", "Intended use", "What it is for, who uses it, and which uses are out of scope."),
    Section("factors", "Factors", "Groups, instruments and conditions across which it may behave differently."),
    Section("metrics", "Metrics", "Which measures were chosen, why, and which thresholds decide."),
    Section("evaluation_data", "Evaluation data", "Which data it was judged on, why, and how they were prepared."),
    Section("training_data", "Training data", "Which data it learned from, and what is known to be wrong with them."),
    Section("quantitative_analyses", "Quantitative analyses", "What the results say, by group and by intersection."),
    Section("ethical_considerations", "Ethical considerations", "Sensitive data, risks, harms and mitigations."),
    Section("caveats_and_recommendations", "Caveats and recommendations", "What is left open; what users should do."),
]
TITLES = {section.key: section.title for section in SECTIONS}


def write_section(*, version: Version, section: str, text: str, actor: User, reason: str) -> CardSection:
    """Write or replace one section. The entry holds the whole text, so that no earlier one is lost."""
    refuse_unknown(section)
    text = words.text(text, where="text", most=LONGEST)
    with recording(Event.CARD_WRITTEN, actor=actor, reason=reason, subject=version) as entry:
        require(actor, Duty.REGISTER, version.unit_path)
        entry.facts = {"section": TITLES[section], "text": text}
        Version.objects.select_for_update().get(pk=version.pk)
        written = CardSection.objects.filter(version=version, section=section).first()
        written = written or CardSection(version=version, section=section)
        written.text, written.written_by, written.written_at = text, actor, timezone.now()
        entry.save(written)
    return written


def refuse_unknown(section: str) -> None:
    if section not in TITLES:
        raise BadInput(
            f"A model card has no section “{section}”; it has {', '.join(TITLES)}.", where="section", status=404
        )
