"""Datasets: read once, refused with a reason or kept for good."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from people.access import require
from people.models import Unit, User
from people.roles import Duty
from registry import storage, tabular, words
from registry.columns import at
from registry.events import Event
from registry.models import ColumnRole, Dataset
from trail.canonical import digest as digest_of
from trail.errors import BadInput
from trail.record import Draft, recording

FOLDER = "datasets"
Roles = Mapping[str, str | list[str]]


def upload(
    *,
    unit: Unit,
    name: str,
    file: storage.Source,
    file_name: str,
    roles: Roles,
    description: str = "",
    licence: str = "",
    digest: str = "",
    default_role: str = ColumnRole.IGNORED.value,
    actor: User,
    reason: str,
) -> Dataset:
    """Keep a table with a role for each column; a column that `roles` does not name gets the default role."""
    content = storage.measure(file, name=file_name, digest=digest)
    table = tabular.read(content.file, name=content.name)
    dataset = Dataset(
        unit=unit,
        name=words.line(name, where="name", most=200, needed=True),
        description=words.text(description, where="description"),
        licence=words.line(licence, where="licence", most=300),
        file_name=content.name,
        format=table.format,
        sha256=content.sha256,
        size=content.size,
        row_count=table.row_count,
        columns=with_roles(table.columns, roles, default_role, content.name),
        uploaded_by=actor,
    )
    with recording(Event.DATASET_UPLOADED, actor=actor, reason=reason, subject=unit) as entry:
        require(actor, Duty.REGISTER, unit.path)
        Unit.objects.select_for_update().get(pk=unit.pk)
        _refuse_twin(dataset)
        dataset.path = storage.keep(content, folder=FOLDER)
        _state(entry, entry.create(dataset, "name", "sha256", "licence"))
    return dataset


def with_roles(columns: list[dict[str, Any]], roles: Roles, default: str, file: str) -> list[dict[str, Any]]:
    """The columns with their roles, or a refusal that names the column or the role that does not exist."""
    names = [column["name"] for column in columns]
    for name in roles:
        if name not in names:
            raise BadInput(f"{file} has no column “{name}”; it has {', '.join(names)}.", where=at(file, column=name))
    return [column | {"roles": _known(roles.get(column["name"], default), column["name"], file)} for column in columns]


def _known(given: Any, column: str, file: str) -> list[str]:
    wanted = [given] if isinstance(given, str) else given
    if not isinstance(wanted, list) or not wanted:
        raise BadInput(f"{at(file, column=column)}: give a role or a list of roles.", where=at(file, column=column))
    for role in wanted:
        if role not in ColumnRole.values:
            raise BadInput(
                f"{at(file, column=column)}: “{role}” is no role; choose from {', '.join(ColumnRole.values)}.",
                where=at(file, column=column),
            )
    return list(dict.fromkeys(wanted))


def _refuse_twin(dataset: Dataset) -> None:
    known = Dataset.objects.filter(unit=dataset.unit, name=dataset.name).first()
    if known is None:
        return
    if known.sha256 == dataset.sha256 and known.columns == dataset.columns:
        sentence = f"This file is the dataset “{known.name}” already, with the same roles ({known.pk}); use that one."
    else:
        sentence = (
            f"{dataset.unit.name} has a dataset “{known.name}” already, with other content or roles ({known.pk}); a "
            "dataset never changes, so choose another name."
        )
    raise BadInput(sentence, where="name", status=409)


def _state(entry: Draft, dataset: Dataset) -> None:
    entry.about = dataset
    entry.facts = {
        "rows": dataset.row_count,
        "file": dataset.file_name,
        "size": dataset.size,
        "digest": dataset.digest,
        "columns": len(dataset.columns),
        "columns_digest": digest_of(json.dumps(dataset.columns, sort_keys=True).encode()),
    }
