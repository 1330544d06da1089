"""A governed row as plain values: what the trail keeps of its state, and how the row is made of it again."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import models


@cache
def kept_fields(model: type[models.Model]) -> tuple[models.Field[Any, Any], ...]:
    never = getattr(model, "never_recorded", ())
    return tuple(each for each in model._meta.concrete_fields if each.name not in never)


@cache
def governed_models() -> dict[str, type[models.Model]]:
    """Every table whose rows the trail keeps, by its label."""
    from trail.models import Governed

    return {
        model._meta.label_lower: model
        for model in apps.get_models()
        if issubclass(model, Governed) or getattr(model, "governed", False)
    }


def values(row: models.Model) -> dict[str, Any]:
    """The row's state in JSON. Binary fields stand as their digest: they are big, and set once."""
    return {each.attname: plain_value(each, getattr(row, each.attname)) for each in kept_fields(type(row))}


def plain_value(field: models.Field[Any, Any], value: Any) -> Any:
    if type(value) in {str, bool, int, type(None)}:
        return value
    match value:
        case bytes() | bytearray() | memoryview():
            return {"sha256": sha256(bytes(value)).hexdigest()}
        case UUID():
            return str(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case date():
            return value.isoformat()
        case Decimal():
            places = getattr(field, "decimal_places", None)
            return str(value if places is None else round(value, places))
        case str():  # a choice
            return str(value)
    return value if isinstance(value, (dict, list, float, int)) else str(value)
