"""Importing a file into the inventory: all or nothing per row, and repeatable, for each row is known by its key."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from people import membership
from people.membership import By
from people.models import Unit
from people.roles import Duty
from registry import cells, inventory, sheets, words
from registry import fields as inventory_fields
from registry import mapping as mappings
from registry.events import Event
from registry.mapping import Plan
from registry.models import RegisteredModel
from registry.permission import require
from trail.canonical import canonical
from trail.errors import BadInput, Refused
from trail.record import recording

BATCH = 200  # rows a transaction: their locks are held for about a second
BASE_SLUG = 80


@dataclass(frozen=True)
class RefusedRow:
    line: int
    row: str
    reason: str


@dataclass
class Report:
    file: str
    dry_run: bool
    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[RefusedRow] = field(default_factory=list)
    not_mapped: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def import_models(
    *,
    path: Path,
    mapping: Plan | None,
    unit: Unit,
    dry_run: bool,
    actor: By,
    reason: str,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Register what is new, update what differs, leave the rest. A dry run writes nothing and reports the same."""
    sheet = sheets.read(path)
    plan = mapping or mappings.guess(sheet.columns, sheet.name)
    columns = plan.columns(sheet.columns)
    plan.refuse_missing(columns, sheet.name)
    report = Report(sheet.name, dry_run, rows=len(sheet.rows))
    report.not_mapped = [column for column in columns if column and column not in plan.used()]
    run = Import(plan=plan, columns=columns, unit=unit, actor=actor, reason=reason, report=report)
    if dry_run:
        require(actor, Duty.REGISTER, unit.path)
    else:
        run.add_fields()
    for start in range(0, len(sheet.rows), BATCH):
        run.take(sheet.rows[start : start + BATCH])
        if on_progress:
            on_progress(min(start + BATCH, report.rows), report.rows)
    return report


@dataclass(frozen=True)
class Row:
    """A row that could be read: what it says, where it goes, and the model it made before."""

    line: int
    key: str
    unit: Unit
    cleaned: Mapping[str, Any]
    known: RegisteredModel | None


@dataclass(kw_only=True)
class Import:
    """One run over one file."""

    plan: Plan
    columns: list[str]
    unit: Unit
    actor: By
    reason: str
    report: Report
    occurrences: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        known = RegisteredModel.objects.filter(source=self.plan.source).select_related("unit", "owner", "developer")
        self.known = {model.source_key: model for model in known}
        self.slugs = set(RegisteredModel.objects.values_list("slug", flat=True))
        below = Unit.objects.filter(path__startswith=f"{self.unit.path}/")
        self.units = {self.unit.path: self.unit} | {one.path: one for one in below}
        self.customs = {one.name: one for one in [*self.plan.customs.values(), *inventory.custom_fields(self.unit)]}

    def add_fields(self) -> None:
        """Add the custom fields that the mapping brings and the unit lacks."""
        for name, wanted in self.plan.customs.items():
            if self.customs[name] is wanted:
                self.customs[name] = inventory.add_field(
                    unit=self.unit,
                    name=name,
                    label=wanted.label,
                    kind=wanted.kind,
                    choices=wanted.choices,
                    actor=self.actor,
                    reason=self.reason,
                )

    def take(self, rows: list[tuple[int, list[str]]]) -> None:
        """Take rows in one transaction. A row that is bad input is reported; a refusal of leave ends the run."""
        refused = None
        with transaction.atomic():
            for line, given in rows:
                try:
                    self._take(line, given)
                except BadInput as bad:
                    shown = " · ".join(cell for cell in given if cell)[:120]
                    self.report.refused.append(RefusedRow(line, shown, bad.sentence))
                except Refused as standing:
                    refused = standing
                    break
        if refused:
            raise refused

    def _take(self, line: int, given: list[str]) -> None:
        row = self._read(line, given)
        if row.known and not inventory.differs(row.known, row.cleaned):
            self.report.unchanged += 1
            return
        if not self.report.dry_run:
            self._write(row)
        if row.known:
            self.report.updated += 1
        else:
            self.report.created += 1

    def _read(self, line: int, given: list[str]) -> Row:
        row = self._named(given)
        unit = self._unit(row)
        key = self._key(unit.path, row)
        return Row(line, key, unit, self._cleaned(row, unit), self.known.get(key))

    def _named(self, given: list[str]) -> dict[str, str]:
        width = len(self.columns)
        if len(given) < width or any(given[width:]):
            raise BadInput(f"The row has {len(given)} cells where the header has {width}; mend it.")
        row = dict(zip(self.columns, given, strict=False))
        for column, text in row.items():
            if cells.is_formula(text):
                raise BadInput(f"{column}: “{text[:40]}” would run as a formula in a spreadsheet; take its start away.")
            row[column] = self.plan.normalise.get(column, {}).get(text.strip(), text.strip())
        return row

    def _unit(self, row: Mapping[str, str]) -> Unit:
        """The unit the row belongs to; not saved yet, if it is new."""
        if self.plan.unit is None:
            return self.unit
        slug = slugify(self.plan.unit.of(row))[:80]
        if not slug:
            raise BadInput(f"{self.plan.unit.columns[0]} is blank, so the row belongs to no unit; fill it in.")
        path = f"{self.unit.path}/{slug}"
        name = (self.plan.unit_name or self.plan.unit).of(row)
        new = Unit(slug=slug, path=path, parent=self.unit, name=words.line(name, where="unit", most=200, needed=True))
        return self.units.get(path, new)

    def _key(self, path: str, row: Mapping[str, str]) -> str:
        """The row's identity: its unit, its key columns, and which of those that share them it is."""
        values = (path, *(row[column] for column in self.plan.key))
        self.occurrences[values] += 1
        return hashlib.sha256(canonical([*values, self.occurrences[values]])).hexdigest()

    def _cleaned(self, row: Mapping[str, str], unit: Unit) -> dict[str, Any]:
        given: dict[str, Any] = {name: source.of(row) for name, source in self.plan.fields.items()}
        given["custom"] = {name: source.of(row) for name, source in self.plan.custom.items()}
        return inventory_fields.clean(given, unit=unit, customs=self.customs.values())

    def _write(self, row: Row) -> None:
        unit = self._opened(row.unit)
        event = Event.MODEL_UPDATED if row.known else Event.MODEL_IMPORTED
        with recording(event, actor=self.actor, reason=self.reason, subject=row.known or unit) as entry:
            require(self.actor, Duty.REGISTER, unit.path)
            entry.facts = {"file": self.report.file, "line": row.line, "source": self.plan.source}
            if row.known:
                inventory.change(entry, row.known, row.cleaned)
                return
            slug = self._slug(row.cleaned["name"], unit)
            model = RegisteredModel(unit=unit, slug=slug, source=self.plan.source, source_key=row.key)
            inventory.create(entry, model, row.cleaned)
        self.slugs.add(slug)

    def _opened(self, unit: Unit) -> Unit:
        if unit.path not in self.units:
            self.units[unit.path] = membership.open_unit(
                name=unit.name, parent=self.unit, slug=unit.slug, actor=self.actor, reason=self.reason
            )
        return self.units[unit.path]

    def _slug(self, name: str, unit: Unit) -> str:
        """A free model id: from the name, then with the unit's, then with a number."""
        base = slugify(name)[:BASE_SLUG].strip("-_") or inventory.slug_of(name)
        candidates = [base, f"{base}-{unit.slug[:30]}"]
        number = 2
        while (slug := candidates[0]) in self.slugs | inventory.RESERVED:
            candidates.pop(0)
            if not candidates:
                candidates.append(f"{base}-{unit.slug[:30]}-{number}")
                number += 1
        return slug
