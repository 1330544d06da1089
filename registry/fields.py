"""What the inventory fields take: one place, for pages, API, import and command."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import models

from people.models import Unit, User
from people.queries import sees
from registry import words
from registry.models import CustomField, RegisteredModel
from trail.errors import BadInput

# Set when a model is registered, or written by another room.
NOT_EDITED = {"id", "unit", "slug", "tier", "custom", "source", "source_key", "registered_at"}
EDITED: dict[str, models.Field[Any, Any]] = {
    field.name: field for field in RegisteredModel._meta.concrete_fields if field.name not in NOT_EDITED
}
YES, NO = {"yes", "true", "y", "1"}, {"no", "false", "n", "0"}
LARGEST = 32_767
NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,15})?(?:e[+-]?\d{1,2})?", re.IGNORECASE)


def clean(given: Mapping[str, Any], *, unit: Unit, customs: Iterable[CustomField]) -> dict[str, Any]:
    """The given inventory fields as they are stored; `custom` holds those that the units added."""
    cleaned: dict[str, Any] = {}
    for name, value in given.items():
        if name == "custom":
            cleaned["custom"] = clean_custom(value, customs)
        elif name in EDITED:
            cleaned[name] = _clean(EDITED[name], value, unit)
        else:
            raise BadInput(f"There is no inventory field “{name}”{_close(name, EDITED)}.", where=name)
    return cleaned


def clean_custom(given: Any, customs: Iterable[CustomField]) -> dict[str, Any]:
    """Values of custom fields by name; an empty one is None, which takes the value away."""
    known = {field.name: field for field in customs}
    if not isinstance(given, Mapping):
        raise BadInput("custom must be an object of field names and values.", where="custom")
    for name in given:
        if name not in known:
            there = f"; there are {', '.join(known)}" if known else ""
            raise BadInput(f"This unit has no custom field “{name}”{there}.", where=f"custom.{name}")
    return {name: custom_value(known[name], value) for name, value in given.items()}


def custom_value(field: CustomField, value: Any) -> Any:
    where = f"custom.{field.name}"
    if _is_blank(value):
        return None
    match field.kind:
        case CustomField.Kind.NUMBER:
            return _number(value, where)
        case CustomField.Kind.DATE:
            found = _date(value, where)
            return found and found.isoformat()
        case CustomField.Kind.BOOLEAN:
            return _truth(value, where)
        case CustomField.Kind.CHOICE:
            return _choice(value, {choice: choice for choice in field.choices}, where)
        case CustomField.Kind.URL:
            return _url(value, where)
    return words.text(value, where=where)


def _clean(field: models.Field[Any, Any], value: Any, unit: Unit) -> Any:
    name = field.name
    match field:
        case models.ForeignKey():
            return _person(value, unit, name)
        case models.BooleanField():
            return _truth(value, name)
        case models.DateField():
            return _date(value, name)
        case models.PositiveSmallIntegerField():
            return _whole(value, name)
        case models.TextField():
            return words.text(value, where=name)
    if field.choices:
        choices = {str(key): str(label) for key, label in field.flatchoices}
        return field.get_default() if _is_blank(value) else _choice(value, choices, name)
    return words.line(value, where=name, most=field.max_length or words.LONGEST, needed=name == "name")


def _person(value: Any, unit: Unit, where: str) -> User | None:
    if _is_blank(value):
        return None
    user = value if isinstance(value, User) else User.objects.filter(email__iexact=str(value).strip()).first()
    if user is None or not user.is_active or not sees(user, unit.path):
        raise BadInput(f"Nobody with a role in {unit.path} has the e-mail address {value}.", where=where)
    return user


def _truth(value: Any, where: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    said = str(value).strip().lower()
    if said in YES | NO:
        return said in YES
    if said:
        raise BadInput(f"{where} is yes or no, not “{said[:60]}”.", where=where)
    return None


def _date(value: Any, where: str) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if value is None or isinstance(value, date):
        return value
    said = str(value).strip()
    try:
        return date.fromisoformat(said.removesuffix(" 00:00:00")) if said else None
    except ValueError as error:
        raise BadInput(f"{where} is a date such as 2026-03-31, not “{said[:60]}”.", where=where) from error


def _whole(value: Any, where: str) -> int | None:
    number = None if _is_blank(value) else _number(value, where)
    if number is not None and (number != int(number) or not 0 <= number <= LARGEST):
        raise BadInput(f"{where} is a whole number from 0 to {LARGEST:,}, not {value}.", where=where)
    return None if number is None else int(number)


def _number(value: Any, where: str) -> int | float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 2**53:
        return value
    said = str(value).strip()
    try:
        found = Decimal(said if NUMBER.fullmatch(said) else "")
    except InvalidOperation as error:
        raise BadInput(f"{where} is a number such as 12.5, not “{said[:60]}”.", where=where) from error
    return int(found) if found == found.to_integral_value() and abs(found) < 2**53 else float(found)


def _choice(value: Any, choices: Mapping[str, str], where: str) -> str:
    """A choice by its value or by its label, whatever the case."""
    said = " ".join(str(value).split()).casefold()
    for key, label in choices.items():
        if said in {key.casefold(), label.casefold()}:
            return key
    raise BadInput(f"{where} can’t be “{str(value)[:60]}”; choose from {', '.join(choices)}.", where=where)


def _url(value: Any, where: str) -> str:
    said = words.line(value, where=where, most=2000)
    try:
        URLValidator(schemes=["http", "https"])(said)
    except ValidationError as error:
        sentence = f"{where} is a web address such as https://example.org, not “{said[:60]}”."
        raise BadInput(sentence, where=where) from error
    return said


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _close(name: str, names: Iterable[str]) -> str:
    close = get_close_matches(name, names, n=1)
    return f"; did you mean “{close[0]}”?" if close else f"; there are {', '.join(names)}"
