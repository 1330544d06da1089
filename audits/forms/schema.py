"""The fields of a check as its schema states them. What no field can hold is written as JSON."""

from __future__ import annotations

import json
from typing import Any

from django import forms

from audits.checks import Check
from audits.checks.columns import FAVOURABLE as LIKELY
from audits.checks.columns import NUMERIC
from people.models import User
from registry import queries
from registry.forms.inventory import reason_field
from registry.models import ColumnRole, Dataset, Version

LONGEST_CHOICE = 60
BY_ITSELF = "The check finds it"
EMPTY: tuple[Any, ...] = (None, "", [], {})
ROLES = {"target": ColumnRole.TARGET, "prediction": ColumnRole.PREDICTION, "score": ColumnRole.SCORE}


class SchemaForm(forms.Form):
    """Every parameter of a check. Choosing another target draws the form anew from `url`."""

    def __init__(
        self,
        data: Any = None,
        *,
        check: Check,
        version: Version,
        dataset: Dataset,
        user: User,
        target: str = "",
        url: str = "",
    ) -> None:
        super().__init__(data, auto_id="params-%s")
        self.version, self.dataset, self.user = version, dataset, user
        self.stated = check.SCHEMA["properties"]
        known = target if dataset.column(target) else ""
        self.target = known or (data or {}).get("target", "") or only(dataset, ColumnRole.TARGET)
        self.ask()
        if "target" in self.fields and "favourable" in self.fields:
            self.fields["target"].widget.attrs |= redraws(url)
        self.fields["reason"] = reason_field(required=False)

    def ask(self) -> None:
        """A field for each parameter."""
        for name, stated in self.stated.items():
            self.fields[name] = self.field(name, stated)

    def field(self, name: str, stated: dict[str, Any]) -> forms.Field:
        label = stated.get("title") or name.replace("_", " ").capitalize()
        hint, default = stated.get("description", ""), stated.get("default")
        if name == "favourable":
            return favourable(self.dataset, self.target)
        if name == "labels":
            return Words(label="Classes of the artifact", help_text=hint, required=False)
        if name in ROLES or stated.get("x-column"):
            initial = self.target if name == "target" else only(self.dataset, ROLES[name]) if name in ROLES else ""
            return column(self.dataset, label, hint, initial=initial)
        if stated.get("x-columns"):
            return self.columns(label, hint, stated["x-columns"])
        if stated.get("x-dataset"):
            return other(queries.datasets(self.user).order_by("name"), label, hint)
        if stated.get("x-version"):
            own = queries.versions(self.user).filter(model=self.version.model).exclude(pk=self.version.pk)
            return other(own.order_by("number"), label, hint)
        return plain(label, hint, stated, default)

    def columns(self, label: str, hint: str, kind: str) -> forms.Field:
        fits = [
            found["name"]
            for found in self.dataset.columns
            if kind == "any" or (found["type"] in NUMERIC if kind == "number" else bool(found["values"]))
        ]
        return forms.MultipleChoiceField(
            label=label,
            choices=[(name, name) for name in fits],
            widget=forms.CheckboxSelectMultiple,
            required=False,
            help_text=f"{hint} None ticked: as the roles say.",
        )

    @property
    def usual_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if not self.is_advanced(name)]

    @property
    def advanced_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if self.is_advanced(name)]

    def is_advanced(self, name: str) -> bool:
        if name not in self.stated:
            return True
        return bool(self.stated[name].get("x-advanced"))

    def params(self) -> dict[str, Any]:
        """As the check takes them; what was left empty the check decides."""
        given = {name: value for name, value in self.cleaned_data.items() if name in self.stated}
        return {name: value for name, value in given.items() if not (value in EMPTY and value is not False)}


def plain(label: str, hint: str, stated: dict[str, Any], default: Any) -> forms.Field:
    """A field for a number, a truth value, one of several words or a list of words; JSON for all else."""
    kind = stated.get("type")
    common: dict[str, Any] = {"label": label, "help_text": hint, "required": False}
    if "enum" in stated:
        listed = [str(each) for each in stated["enum"]]
        choices = [(each, each.replace("_", " ").capitalize()) for each in listed]
        nothing = [] if default is not None else [("", "As the check finds")]
        return forms.ChoiceField(choices=[*nothing, *choices], initial=default, **common)
    if kind == "boolean":
        return forms.BooleanField(initial=default, **common)
    if kind == "integer":
        return forms.IntegerField(initial=default, **common)
    if kind == "number":
        low, high = (stated.get(f"exclusive{end}", stated.get(end.lower())) for end in ("Minimum", "Maximum"))
        if (low, high) == (0, 1):
            return forms.FloatField(initial=default, widget=fraction(), **common)
        return forms.FloatField(initial=default, **common)
    if kind == "string":
        return forms.CharField(initial=default, **common)
    if kind == "array" and stated.get("items", {}).get("type") == "string":
        return Words(initial=", ".join(default or []), **common)
    shown = json.dumps(default, ensure_ascii=False) if default not in EMPTY else ""
    return Written(initial=shown, widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}), **common)


class Words(forms.CharField):
    """Several words with commas."""

    def to_python(self, value: Any) -> Any:
        return [word.strip() for word in (super().to_python(value) or "").split(",") if word.strip()]


class Written(forms.CharField):
    """A value written as JSON."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            return json.loads(text)
        except ValueError as error:
            at = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
            raise forms.ValidationError(
                f"This is not JSON{at}; write it like {{“name”: 1}} with straight quotes."
            ) from error


class Other(forms.ModelChoiceField):  # type: ignore[type-arg] # not subscriptable at run time
    """Another dataset or version, as the check names it: by its id."""

    def clean(self, value: Any) -> Any:
        found = super().clean(value)
        return str(found.pk) if found is not None else None

    def label_from_instance(self, found: Any) -> str:
        return str(found)[:LONGEST_CHOICE]


def other(found: Any, label: str, hint: str) -> Other:
    return Other(found, label=label, help_text=hint, required=False, empty_label="None stated")


def only(dataset: Dataset, role: ColumnRole) -> str:
    """The one column with a role, or nothing."""
    names = dataset.names(role)
    return names[0] if len(names) == 1 else ""


def column(dataset: Dataset, label: str, hint: str, *, initial: str) -> forms.ChoiceField:
    names = [(found["name"], found["name"]) for found in dataset.columns]
    return forms.ChoiceField(
        label=label, choices=[("", "None stated"), *names], initial=initial, required=False, help_text=hint
    )


def favourable(dataset: Dataset, target: str) -> forms.ChoiceField:
    """The values of the target, of which good, yes or 1 is chosen."""
    values = list((dataset.column(target) or {}).get("values") or {})
    likely = [value for value in values if value.lower() in LIKELY]
    return forms.ChoiceField(
        label="Favourable value",
        required=False,
        choices=[("", BY_ITSELF), *((value, value) for value in values)],
        initial=likely[0] if len(likely) == 1 else "",
        help_text="The outcome a person hopes for, such as good for a credit.",
    )


def redraws(url: str) -> dict[str, str]:
    """A change of this control fetches the parameters anew."""
    place = {"hx-target": "#params", "hx-select": "#params", "hx-swap": "outerHTML"}
    return {"hx-get": url, "hx-trigger": "change", "hx-include": "#choice", **place}


def fraction() -> forms.NumberInput:
    return forms.NumberInput(attrs={"min": 0, "max": 1, "step": "any"})
