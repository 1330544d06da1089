"""What is different about a version from the one that is live in the target."""

from __future__ import annotations

from dataclasses import dataclass

from governance import figures
from governance.models import Promotion
from registry.cards import TITLES
from registry.models import Deployment, Version


@dataclass(frozen=True)
class Change:
    field: str
    old: str
    new: str


def live(promotion: Promotion) -> Version | None:
    """The version of the same model that is deployed in the promotion's target now."""
    here = Deployment.objects.filter(environment=promotion.target_id, ended_at=None)
    found = here.filter(version__model=promotion.version.model_id).exclude(version=promotion.version_id)
    deployment = found.select_related("version__artifact", "version__model__unit").first()
    return deployment.version if deployment else None


def changes(old: Version, new: Version) -> list[Change]:
    """Artifact, figures and card, each where it differs."""
    pairs = [*_artifact(old, new), *_figures(old, new), *_card(old, new)]
    return [pair for pair in pairs if pair.old != pair.new]


def _artifact(old: Version, new: Version) -> list[Change]:
    formats = [version.artifact.format if version.artifact else "" for version in (old, new)]
    return [Change("Artifact", _short(old.digest), _short(new.digest)), Change("Format", *formats)]


def _short(digest: str) -> str:
    return f"{digest[:19]}…" if digest else ""


def _figures(old: Version, new: Version) -> list[Change]:
    before, after = _by_label(old), _by_label(new)
    return [Change(label, before.get(label, ""), after.get(label, "")) for label in {**before, **after}]


def _by_label(version: Version) -> dict[str, str]:
    measured = [found for found in figures.of_version(version) if found.check != "explainability"]
    return {figure.label: figure.value for found in measured for figure in found.figures}


def _card(old: Version, new: Version) -> list[Change]:
    before, after = (dict(version.card_sections.values_list("section", "text")) for version in (old, new))
    sections = [key for key in TITLES if before.get(key) != after.get(key)]
    return [
        Change(f"Card: {TITLES[key].lower()}", _size(before.get(key)), _size(after.get(key), "rewritten"))
        for key in sections
    ]


def _size(text: str | None, word: str = "written") -> str:
    return f"{word}, {len(text.split())} words" if text else ""
