"""The form of an inventory entry: every field of the inventory, and those that units added."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django import forms
from django.db import models

from people.models import Unit, User
from people.queries import units_for
from people.roles import Duty
from registry import inventory, listing
from registry.fields import EDITED
from registry.forms.filters import indented
from registry.forms.groups import GROUPS
from registry.models import CustomField, RegisteredModel

UNKNOWN = [("", "Not stated"), ("yes", "Yes"), ("no", "No")]
LABELS = {
    "purpose": "Purpose and intended use",
    "functioning_as_of": "Functioning as of",
    "review_frequency_months": "Months between reviews",
}
HINTS = {
    "name": "As people in the business call it; the model ID is made from it.",
    "purpose": "What it decides or informs, for whom, and on which portfolio.",
    "approved_uses": "The uses it was approved for; anything else needs a new approval.",
    "observed_use": "What it is really used for, found by looking.",
    "lifecycle": "In the words of your organisation, such as in development or deployed.",
    "operating_boundaries": "Where it holds: populations, ranges, conditions.",
    "risks_not_captured": "What may go wrong that it does not see.",
    "adjustments": "Overlays and expert adjustments made to its results.",
}


class ModelForm(forms.Form):
    """An inventory entry. Given a model, it changes it; otherwise it asks for the unit and registers one."""

    def __init__(
        self, data: Any = None, *, user: User, unit: Unit | None, model: RegisteredModel | None = None
    ) -> None:
        self.model, self.unit_known = model, unit
        super().__init__(data, initial=stated(model) if model else {})
        if model is None:
            self.fields["unit"] = unit_field(user)
        people = listing.people_of(unit) if unit else User.objects.none()
        for name in (name for group in GROUPS.values() for name in group):
            self.fields[name] = inventory_field(name, people)
        self.customs = inventory.custom_fields(unit) if unit else []
        for custom in self.customs:
            self.fields[f"custom.{custom.name}"] = custom_field(custom)
        self.fields["reason"] = reason_field(required=model is not None)

    @property
    def groups(self) -> Iterator[tuple[str, list[forms.BoundField], list[forms.BoundField]]]:
        """Each group's title, its short fields and its texts."""
        for title, names in GROUPS.items():
            long = [name for name in names if isinstance(EDITED[name], models.TextField)]
            yield title, [self[name] for name in names if name not in long], [self[name] for name in long]

    @property
    def custom_group(self) -> list[forms.BoundField]:
        return [self[f"custom.{custom.name}"] for custom in self.customs]

    def inventory(self) -> dict[str, Any]:
        """The fields as inventory.register and inventory.update take them."""
        fields = {name: self.cleaned_data[name] for group in GROUPS.values() for name in group}
        if self.customs:
            fields["custom"] = {custom.name: self.cleaned_data[f"custom.{custom.name}"] for custom in self.customs}
        return fields


def stated(model: RegisteredModel) -> dict[str, Any]:
    """What the model says now, as the form's widgets show it."""
    values = {name: getattr(model, name) for name in EDITED}
    for name, value in [*values.items(), *((f"custom.{key}", value) for key, value in model.custom.items())]:
        values[name] = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
    return values


class UnitField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Unit) -> str:
        return indented(obj)


def unit_field(user: User) -> UnitField:
    """The units in which the user may register; the only one is chosen already."""
    offered = units_for(user, Duty.REGISTER).order_by("path")
    first = list(offered[:2])
    return UnitField(
        offered,
        label="Unit",
        initial=first[0].pk if len(first) == 1 else None,
        empty_label="Choose the unit it belongs to",
        help_text="The unit that answers for it. Whoever has a role there or above sees it.",
    )


def inventory_field(name: str, people: models.QuerySet[User]) -> forms.Field:
    column = EDITED[name]
    said: dict[str, Any] = {
        "label": LABELS.get(name, str(column.verbose_name).capitalize()),
        "help_text": HINTS.get(name, ""),
        "required": name == "name",
    }
    match column:
        case models.ForeignKey():
            return forms.ModelChoiceField(people, empty_label="Not stated", **said)
        case models.BooleanField():
            return forms.ChoiceField(choices=UNKNOWN, **said)
        case models.DateField():
            return forms.DateField(widget=date_input(), **said)
        case models.PositiveSmallIntegerField():
            return forms.IntegerField(min_value=0, **said)
        case models.TextField():
            return forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), **said)
    if column.choices:
        return forms.ChoiceField(choices=list(cast(Any, column.flatchoices)), **said)
    return forms.CharField(max_length=column.max_length, **said)


def custom_field(custom: CustomField) -> forms.Field:
    """One field per kind. The registry has the last word on the value."""
    match custom.kind:
        case CustomField.Kind.NUMBER:
            return forms.DecimalField(
                label=custom.label, required=False, widget=forms.NumberInput(attrs={"step": "any"})
            )
        case CustomField.Kind.DATE:
            return forms.DateField(label=custom.label, required=False, widget=date_input())
        case CustomField.Kind.BOOLEAN:
            return forms.ChoiceField(label=custom.label, required=False, choices=UNKNOWN)
        case CustomField.Kind.CHOICE:
            choices = [("", "Not stated"), *((choice, choice) for choice in custom.choices)]
            return forms.ChoiceField(label=custom.label, required=False, choices=choices)
        case CustomField.Kind.URL:
            return forms.URLField(label=custom.label, required=False, assume_scheme="https")
    return forms.CharField(label=custom.label, required=False, widget=forms.Textarea(attrs={"rows": 2}))


def reason_field(*, required: bool) -> forms.CharField:
    return forms.CharField(
        label="Reason",
        required=required,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Why. It stands in the trail beside what changed.",
    )


def date_input() -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
