"""The filters above a list. They live in the URL, so that a list can be kept, shared and paged."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms

from people.models import Unit, User
from people.queries import units_for

Choices = list[tuple[str, str]]


class FilterForm(forms.Form):
    """A value that no filter offers counts as not given."""

    def __init__(self, data: Any, filters: dict[str, forms.Field]) -> None:
        super().__init__(data, auto_id="filter-%s")
        self.fields.update(filters)
        self.full_clean()
        self.kept = {name: str(value) for name, value in self.cleaned_data.items() if value}

    @property
    def sort(self) -> str:
        return str(self.data.get("sort", ""))

    @property
    def chips(self) -> list[dict[str, str]]:
        """The filters in force, each with the URL of the same list without it."""
        return [
            {"label": str(self.fields[name].label), "value": self._shown(name), "remove_url": self._without(name)}
            for name in self.kept
        ]

    def _shown(self, name: str) -> str:
        labels = {str(value): str(label) for value, label in getattr(self.fields[name], "choices", [])}
        return labels.get(self.kept[name], self.kept[name])

    def _without(self, name: str) -> str:
        rest = {key: value for key, value in self.kept.items() if key != name}
        if self.sort:
            rest["sort"] = self.sort
        return f"?{urlencode(rest)}"


def any_of(label: str, choices: Choices, *, none: str = "") -> forms.ChoiceField:
    """A choice that may be left open; `none` offers the rows that have no such thing."""
    offered = [("", f"Any {label.lower()}"), *choices, *([("none", none)] if none else [])]
    return forms.ChoiceField(
        label=label, choices=offered, required=False, widget=forms.Select(attrs={"data-submit-on-change": ""})
    )


def text(placeholder: str) -> forms.CharField:
    attrs = {"placeholder": placeholder, "type": "search"}
    return forms.CharField(label="Search", max_length=200, required=False, widget=forms.TextInput(attrs=attrs))


def units(user: User) -> Choices:
    """The units the user sees, named by their place in the reporting line."""
    return [(unit.path, indented(unit)) for unit in units_for(user).order_by("path")]


def indented(unit: Unit) -> str:
    return "\u2003" * unit.path.count("/") + unit.name
