"""How a file's columns become inventory fields: read from a YAML file, or told from the headers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from django.utils.text import slugify

from people.models import Unit
from registry.fields import EDITED
from registry.models import CustomField
from registry.sheets import squashed
from trail.errors import BadInput

PARTS = {"source", "key", "rename", "unit", "fields", "custom", "normalise"}
SOURCE_PARTS = {"column", "columns", "values", "default"}
CUSTOM_PARTS = SOURCE_PARTS | {"kind", "label", "choices"}


@dataclass(frozen=True)
class Source:
    """Where one value comes from: columns joined by a blank line, values renamed, a default for a blank."""

    columns: list[str]
    values: dict[str, str] = field(default_factory=dict)
    default: str = ""

    def of(self, row: Mapping[str, str]) -> str:
        joined = "\n\n".join(row[column] for column in self.columns if row[column])
        return self.values.get(joined, joined) or self.default


@dataclass(frozen=True)
class Plan:
    source: str
    key: list[str]
    fields: dict[str, Source]
    custom: dict[str, Source] = field(default_factory=dict)
    customs: dict[str, CustomField] = field(default_factory=dict)  # not saved
    unit: Source | None = None
    unit_name: Source | None = None
    rename: dict[str, str] = field(default_factory=dict)
    normalise: dict[str, dict[str, str]] = field(default_factory=dict)

    def columns(self, given: Iterable[str]) -> list[str]:
        return [self.rename.get(column, column) for column in given]

    def used(self) -> set[str]:
        return {*self.key, *(column for source in self._sources() for column in source.columns)}

    def refuse_missing(self, columns: list[str], file: str) -> None:
        if missing := sorted((self.used() | set(self.normalise)) - set(columns)):
            raise BadInput(
                f"{file} has no column “{missing[0]}”, which the mapping names; it has {', '.join(columns)}.",
                where=f"{file}, column “{missing[0]}”",
            )

    def _sources(self) -> Iterator[Source]:
        yield from self.fields.values()
        yield from self.custom.values()
        yield from (source for source in (self.unit, self.unit_name) if source)


def load(path: Path) -> Plan:
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"The mapping {path.name} can’t be read: {_first_line(error)}.", where=path.name) from error
    _known(given, PARTS, path.name)
    for needed in ("source", "key", "fields"):
        if not given.get(needed):
            raise BadInput(f"The mapping {path.name} lacks “{needed}”; add it.", where=needed)
    fields, custom = _object(given["fields"], "fields"), _object(given.get("custom") or {}, "custom")
    _known(fields, set(EDITED), "fields")
    unit = _object(given.get("unit") or {}, "unit")
    _known(unit, {"column", "name"}, "unit")
    return Plan(
        source=slugify(str(given["source"]))[:60],
        key=[squashed(str(column)) for column in _list(given["key"])],
        fields={name: _source(value, f"fields.{name}") for name, value in fields.items()},
        custom={name: _source(value, f"custom.{name}", CUSTOM_PARTS) for name, value in custom.items()},
        customs={name: _custom(name, value) for name, value in custom.items()},
        unit=_source(unit["column"], "unit.column") if unit else None,
        unit_name=_source(unit["name"], "unit.name") if unit.get("name") else None,
        rename={squashed(str(old)): str(new) for old, new in _object(given.get("rename") or {}, "rename").items()},
        normalise={
            column: {str(old): str(new) for old, new in _object(values, f"normalise.{column}").items()}
            for column, values in _object(given.get("normalise") or {}, "normalise").items()
        },
    )


def guess(columns: list[str], file: str) -> Plan:
    """The columns whose headers are inventory fields, by name or by label."""
    named = {name.casefold(): name for name in EDITED} | {
        str(field.verbose_name).casefold(): name for name, field in EDITED.items()
    }
    fields = {
        name: Source([column])
        for column in reversed(columns)
        if (name := named.get(column.casefold()) or named.get(column.casefold().replace(" ", "_")))
    }
    if "name" not in fields:
        raise BadInput(
            f"{file} has no column “name”; rename the column that holds the models’ names, or give a mapping. It has "
            f"{', '.join(columns)}.",
            where=f"{file}, column “name”",
        )
    return Plan(source="import", key=fields["name"].columns, fields=fields)


def _source(given: Any, where: str, parts: set[str] = SOURCE_PARTS) -> Source:
    if isinstance(given, (str, list)):
        return Source([squashed(str(column)) for column in _list(given)])
    _known(given, parts, where)
    if not (columns := given.get("columns") or given.get("column")):
        raise BadInput(f"The mapping’s {where} names no column; add “column”.", where=where)
    values = {str(old): str(new) for old, new in _object(given.get("values") or {}, f"{where}.values").items()}
    default = given.get("default")
    return Source([squashed(str(column)) for column in _list(columns)], values, "" if default is None else str(default))


def _custom(name: str, given: Any) -> CustomField:
    given = given if isinstance(given, dict) else {}
    kind, label = given.get("kind") or CustomField.Kind.TEXT, given.get("label") or name.replace("_", " ").capitalize()
    choices = [str(choice) for choice in given.get("choices") or []]
    return CustomField(unit=Unit(), name=name, label=str(label), kind=str(kind), choices=choices)


def _known(given: Any, parts: set[str], where: str) -> None:
    for name in _object(given, where):
        if name not in parts:
            raise BadInput(
                f"The mapping’s {where} can’t hold “{name}”; it takes {', '.join(sorted(parts))}.",
                where=f"{where}.{name}",
            )


def _object(given: Any, where: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise BadInput(f"The mapping’s {where} must be names and values.", where=where)
    return given


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
