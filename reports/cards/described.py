"""What the registry knows of a version: its inventory entry, its artifact, its lineage and what people wrote."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import Any

from django.db import models
from django.template.defaultfilters import filesizeformat

from registry.cards import TITLES
from registry.formats import Format
from registry.models import CardSection, Dataset, Lineage, RegisteredModel, Version
from reports.cards.shape import Item, Table

UNSTATED = {RegisteredModel.Origin.UNKNOWN.value, RegisteredModel.Functioning.UNKNOWN.value}
IN_WORDS = "In words"
EDIT = "State it in the inventory entry."


def day(moment: date | datetime) -> str:
    return f"{moment:%-d %B %Y}"


def moment(at: datetime) -> str:
    return f"{at:%-d %B %Y, %H:%M} UTC"


class Writing:
    """The sections of a version's card that people wrote, by their key."""

    def __init__(self, version: Version) -> None:
        found = CardSection.objects.filter(version=version).select_related("written_by")
        self.by_key = {section.section: section for section in found}

    def item(self, key: str) -> Item:
        """What a person wrote in a section of the card, in their words."""
        mend = f"Write the card section “{TITLES[key]}”."
        section = self.by_key.get(key)
        if section is None:
            return Item(label=IN_WORDS, mend=mend)
        source = f"written by {section.written_by.name} on {day(section.written_at)}"
        return Item(label=IN_WORDS, value=section.text.strip(), source=source, mend=mend)


def field(model: RegisteredModel, name: str, *, label: str = "", mend: str = EDIT) -> Item:
    """A field of the inventory entry, as a reader would say it."""
    heading = label or str(getattr(model._meta.get_field(name), "verbose_name", name))
    return Item(label=sentence_case(heading), value=shown(model, name), source="inventory", mend=mend)


def sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def shown(model: RegisteredModel, name: str) -> str | None:
    value: Any = getattr(model, name)
    if value is None or value == "" or (isinstance(value, str) and value in UNSTATED):
        return None
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, date):
        return day(value)
    if isinstance(value, models.Model):
        return str(value)
    if name in {"origin", "functioning"}:
        return str(getattr(model, f"get_{name}_display")())
    return str(value.value if isinstance(value, Enum) else value).strip()


def details(version: Version) -> list[Item]:
    model = version.model
    return [
        Item(label="Name", value=model.name, source="inventory", mend=EDIT),
        Item(label="Model ID", value=model.slug, source="inventory", mend=EDIT),
        Item(label="Version", value=version.name, source="version record", mend="Register a version."),
        Item(label="Registered", value=registered(version), source="version record"),
        *known(Item(label="What changed", value=version.notes, source="version record")),
        Item(label="Unit", value=model.unit.path, source="inventory"),
        field(model, "owner"),
        field(model, "developer"),
        field(model, "origin"),
        *known(field(model, "vendor", mend="")),
        field(model, "technique", label="Type of model"),
        field(model, "lifecycle"),
        *artifact(version),
        *known(Item(label="Derived from", value=derived_from(version), source="lineage")),
        *known(Item(label="Licence", value=licence(version), source="version record")),
        *known(Item(label="Facts of this version", value=facts(version), source="version record")),
    ]


def known(*items: Item) -> list[Item]:
    """Items that a card only has where there is something to say."""
    return [item for item in items if item.is_stated]


def registered(version: Version) -> str:
    return f"{day(version.created_at)} by {version.created_by.name}"


def artifact(version: Version) -> list[Item]:
    mend = "Register a version with its artifact; without one, only the predictions can be checked."
    kept = version.artifact
    if kept is None:
        return [Item(label="Artifact", mend=mend)]
    label = Format(kept.format).label if kept.format in set(Format) else kept.format
    described = f"{kept.file_name}, {label}, {filesizeformat(kept.size)}".replace("\xa0", " ")
    return [
        Item(label="Artifact", value=described, source="version record", mend=mend),
        Item(label="Artifact digest", value=kept.digest, source="version record"),
    ]


def edges(version: Version, kind: Lineage.Kind) -> list[Lineage]:
    found = Lineage.objects.filter(to_version=version, kind=kind)
    return list(found.select_related("from_dataset", "from_version__model"))


def derived_from(version: Version) -> list[str]:
    return [str(edge.from_version) for edge in edges(version, Lineage.Kind.DERIVED_FROM)]


def trained_on(version: Version) -> list[Dataset]:
    return [edge.from_dataset for edge in edges(version, Lineage.Kind.TRAINED_ON) if edge.from_dataset]


def licence(version: Version) -> str:
    return str(version.facts.get("licence") or version.facts.get("license") or "")


def facts(version: Version) -> Table:
    rows = [(str(name), str(value)) for name, value in sorted(version.facts.items()) if value not in (None, "")]
    return Table(columns=("Fact", "Value"), rows=list(rows))


def datasets(found: list[Dataset]) -> Table:
    columns = ("Dataset", "File", "Rows", "Columns", "Licence and attribution", "Digest")
    return Table(
        columns=columns,
        rows=[
            (each.name, each.file_name, each.row_count, len(each.columns), each.licence or "Not stated", each.digest)
            for each in found
        ],
    )
