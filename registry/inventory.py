"""The model inventory: registering, updating, and adding fields to it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.text import slugify

from people.membership import By
from people.models import Unit, User
from people.queries import roles_at, sees
from people.roles import Duty, Role
from registry import fields as inventory_fields
from registry import words
from registry.events import Event
from registry.models import CustomField, RegisteredModel
from registry.permission import require
from registry.queries import line
from trail.canonical import canonical
from trail.errors import BadInput
from trail.record import Draft, plain, recording

LONGEST_SLUG = 120
RESERVED = {"new"}  # has a page of its own
MOST_CHANGED = 50_000  # bytes of old and new values that one entry of the trail takes


def register(
    *, unit: Unit, name: str, fields: Mapping[str, Any], actor: By, reason: str, slug: str = ""
) -> RegisteredModel:
    """Add a model to the inventory. Its id is made from its name, unless one is given."""
    cleaned = inventory_fields.clean({**fields, "name": name}, unit=unit, customs=custom_fields(unit))
    model = RegisteredModel(unit=unit, slug=slug_of(cleaned["name"], slug))
    with recording(Event.MODEL_REGISTERED, actor=actor, reason=reason, subject=unit) as entry:
        require(actor, Duty.REGISTER, unit.path)
        Unit.objects.select_for_update().get(pk=unit.pk)
        _refuse_taken(model.slug, actor)
        create(entry, model, cleaned)
    return model


def update(*, model: RegisteredModel, fields: Mapping[str, Any], actor: By, reason: str) -> RegisteredModel:
    """Change the fields given; the others stay. Custom fields that are not named stay, too."""
    with recording(Event.MODEL_UPDATED, actor=actor, reason=reason, subject=model) as entry:
        require(actor, Duty.REGISTER, model.unit_path)
        locked = RegisteredModel.objects.select_for_update(of=("self",)).select_related("unit").get(pk=model.pk)
        cleaned = inventory_fields.clean(fields, unit=locked.unit, customs=custom_fields(locked.unit))
        change(entry, locked, cleaned)
    return locked


def create(entry: Draft, model: RegisteredModel, cleaned: Mapping[str, Any]) -> None:
    """Insert the model in the caller's recording, and state every field that says something."""
    for field in inventory_fields.EDITED:
        if field in cleaned:
            setattr(model, field, cleaned[field])
    model.custom = {name: value for name, value in cleaned.get("custom", {}).items() if value is not None}
    said = [field for field in inventory_fields.EDITED if getattr(model, field) not in {None, ""}]
    entry.about = entry.create(model, "slug", "unit", *said)
    _state_custom(entry, {}, model.custom)
    _refuse_too_much(entry)


def change(entry: Draft, model: RegisteredModel, cleaned: Mapping[str, Any]) -> None:
    """Save what differs in the caller's recording, old → new."""
    custom = changed_custom(model, cleaned)
    _state_custom(entry, model.custom, custom)
    model.custom = custom
    entry.change(model, **{name: value for name, value in cleaned.items() if name != "custom"})
    _refuse_too_much(entry)


def differs(model: RegisteredModel, cleaned: Mapping[str, Any]) -> bool:
    same = all(getattr(model, name) == value for name, value in cleaned.items() if name != "custom")
    return not same or model.custom != changed_custom(model, cleaned)


def changed_custom(model: RegisteredModel, cleaned: Mapping[str, Any]) -> dict[str, Any]:
    custom = {**model.custom, **cleaned.get("custom", {})}
    return {name: value for name, value in custom.items() if value is not None}


def add_field(
    *, unit: Unit, name: str, label: str, kind: str, choices: Sequence[str] = (), actor: By, reason: str
) -> CustomField:
    """Add a typed field to the inventory of a unit and those below it."""
    name = words.line(name, where="name", most=200)
    label = words.line(label or name, where="label", most=120, needed=True)
    name = slugify(name or label).replace("-", "_")[:60]
    if not name or name in inventory_fields.EDITED or name in inventory_fields.NOT_EDITED:
        raise BadInput(f"“{name or label}” can’t name a custom field; choose another name.", where="name")
    if kind not in CustomField.Kind.values:
        raise BadInput(f"“{kind}” is no kind of field; choose from {', '.join(CustomField.Kind.values)}.", where="kind")
    field = CustomField(unit=unit, name=name, label=label, kind=kind, choices=_sound_choices(kind, choices))
    with recording(Event.FIELD_ADDED, actor=actor, reason=reason, subject=unit) as entry:
        require(actor, Duty.REGISTER, unit.path)
        Unit.objects.select_for_update().get(pk=unit.pk)
        _refuse_twin(field)
        entry.about = entry.create(field, "name", "kind", "choices")
    return field


def custom_fields(unit: Unit) -> list[CustomField]:
    """The fields that the unit and those above it added."""
    return list(CustomField.objects.filter(unit__path__in=line(unit.path)).select_related("unit"))


def own_roles(user: User, unit: Unit) -> dict[str, User]:
    """Owner and developer, as far as the user is one there: what a model gets when nobody else is named."""
    held = roles_at(user, unit.path)
    return {role.value: user for role in (Role.OWNER, Role.DEVELOPER) if role in held}


def slug_of(name: str, given: str = "") -> str:
    """The id made from a name; or the given one, if it is well formed."""
    given = words.line(given, where="slug", most=1000)
    slug = slugify(given or name)[:LONGEST_SLUG].strip("-_")
    if given and slug != given:
        raise BadInput(f"“{given[:150]}” is no model ID; write it like {slug or 'credit-scorecard'}.", where="slug")
    if slug in RESERVED:
        raise BadInput(f"“{slug}” is reserved; choose another model ID.", where="slug")
    return slug or f"model-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _refuse_taken(slug: str, actor: By) -> None:
    taken = RegisteredModel.objects.filter(slug=slug).select_related("unit").first()
    if taken is None:
        return
    seen = not isinstance(actor, User) or sees(actor, taken.unit.path)
    whose = f"“{taken.name}” in {taken.unit.name} has" if seen else "Another unit’s model has"
    raise BadInput(f"{whose} the model ID {slug} already; choose another slug or name.", where="slug", status=409)


def _refuse_twin(field: CustomField) -> None:
    path = field.unit.path
    same = CustomField.objects.filter(name=field.name).select_related("unit")
    for known in same:
        other = known.unit.path
        if other in line(path) or other.startswith(f"{path}/"):
            raise BadInput(
                f"{known.unit.name} has a field “{known.name}” ({known.label}) already; choose another name.",
                where="name",
                status=409,
            )


def _sound_choices(kind: str, choices: Sequence[str]) -> list[str]:
    if not isinstance(choices, (list, tuple)) or not all(isinstance(choice, str) for choice in choices):
        raise BadInput("choices must be a list of texts.", where="choices")
    sound = list(dict.fromkeys(words.line(choice, where="choices", most=200, needed=True) for choice in choices))
    if (kind == CustomField.Kind.CHOICE) != bool(sound):
        raise BadInput("A field of kind choice lists its choices, and no other kind does.", where="choices")
    return sound


def _state_custom(entry: Draft, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            entry.changes[f"custom.{name}"] = [plain(old.get(name)), plain(new.get(name))]


def _refuse_too_much(entry: Draft) -> None:
    size = len(canonical(entry.changes))
    if size > MOST_CHANGED:
        raise BadInput(
            f"These changes hold {size:,} bytes of old and new text; at most {MOST_CHANGED:,} fit into one entry of "
            "the trail, so save them in several steps.",
            where="fields",
        )
