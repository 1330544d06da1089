"""The forms of checks whose parameters need more than a field each."""

from __future__ import annotations

from typing import Any

from django import forms

from audits.checks.columns import BINARY, NUMERIC
from audits.forms.schema import SchemaForm
from registry.models import ColumnRole, Dataset

OUTCOMES = {ColumnRole.TARGET.value, ColumnRole.PREDICTION.value, ColumnRole.SCORE.value}


class FairnessForm(SchemaForm):
    """Groups are ticked, and numbers among them cut into bands."""

    advanced = {"edge_below", "intersections"}

    def ask(self) -> None:
        for name, stated in self.stated.items():
            match name:
                case "sensitive":
                    self.ask_groups()
                case "bins":
                    self.fields["edge_below"] = forms.BooleanField(
                        label="An edge belongs to the band below it (≤ 25 and > 25, not < 25 and ≥ 25)",
                        initial=True,
                        required=False,
                    )
                case "intersections":
                    self.fields[name] = forms.BooleanField(label="Cross all groups", initial=True, required=False)
                case _:
                    self.fields[name] = self.field(name, stated)
        if self.fields["prediction"].initial:
            self.fields["score"].initial = ""  # decisions or scores, not both

    def ask_groups(self) -> None:
        """The columns marked sensitive first; the others with the advanced fields, unless there is nothing else."""
        marked, others = groupable(self.dataset)
        if marked:
            self.fields["sensitive"] = tick("Groups", marked, "The columns whose values make the groups.", on=True)
            self.advanced = {"also", *self.advanced}
        self.fields["also"] = tick("Other columns that make groups", others, "Not marked sensitive in the dataset.")
        self.banded = [name for name in marked + self.ticked("also") if is_numeric(self.dataset, name)]
        for name in self.banded:
            self.fields[f"bins.{name}"] = BandsField(label=f"Bands of {name}", many=not values_of(self.dataset, name))

    def is_advanced(self, name: str) -> bool:
        if name in {"sensitive", "also"} or name.startswith("bins."):
            return name in self.advanced
        return name in self.advanced or super().is_advanced(name)

    def ticked(self, name: str) -> list[str]:
        read = forms.CheckboxSelectMultiple().value_from_datadict
        return list(read(self.data, self.files, name) or []) if self.is_bound else []

    def params(self) -> dict[str, Any]:
        given = super().params()
        asked = self.cleaned_data
        chosen = [*given.pop("sensitive", []), *asked.get("also", [])]
        bands = {name: asked.get(f"bins.{name}") for name in self.banded}
        cut = {name: {"edges": edges, "right": asked["edge_below"]} for name, edges in bands.items() if edges}
        kept = {name: band for name, band in cut.items() if name in chosen}
        return given | {"bins": kept} | ({"sensitive": chosen} if chosen else {})


class BandsField(forms.CharField):
    """Edges that cut numbers into groups."""

    def __init__(self, *, label: str, many: bool) -> None:
        empty = "It holds too many different numbers to leave them uncut." if many else "Empty: each number is a group."
        hint = f"Edges between the groups, with commas, such as 25, 60. {empty}"
        super().__init__(label=label, help_text=hint, required=False)

    def clean(self, value: Any) -> list[float]:
        try:
            return [float(edge) for edge in super().clean(value).replace(";", ",").split(",") if edge.strip()]
        except ValueError as error:
            raise forms.ValidationError(f"“{str(value)[:60]}” is no list of numbers; write it like 25, 60.") from error


def groupable(dataset: Dataset) -> tuple[list[str], list[str]]:
    """The columns that can make groups (few values, or numbers to cut): those marked sensitive, and the others."""
    marked: list[str] = []
    others: list[str] = []
    for column in dataset.columns:
        if not OUTCOMES & set(column["roles"]) and (column["values"] or column["type"] in NUMERIC):
            (marked if ColumnRole.SENSITIVE.value in column["roles"] else others).append(column["name"])
    return marked, others


def values_of(dataset: Dataset, name: str) -> dict[str, Any]:
    return (dataset.column(name) or {}).get("values") or {}


def is_numeric(dataset: Dataset, name: str) -> bool:
    """Whether cutting the column into bands makes sense."""
    return (dataset.column(name) or {}).get("type") in NUMERIC and len(values_of(dataset, name)) != BINARY


def tick(label: str, names: list[str], hint: str, *, on: bool = False) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        choices=[(name, name) for name in names],
        initial=names if on else [],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=hint,
    )


FORMS: dict[str, type[SchemaForm]] = {"fairness": FairnessForm}
