"""The parameters that each check asks beside those of all."""

from __future__ import annotations

from typing import Any

from django import forms

from audits.checks.columns import BINARY, NUMERIC
from audits.forms.params import ParamsForm
from registry.models import ColumnRole, Dataset

OUTCOMES = {ColumnRole.TARGET.value, ColumnRole.PREDICTION.value, ColumnRole.SCORE.value}


class FairnessForm(ParamsForm):
    advanced: tuple[str, ...] = (
        "intersections",
        "edge_below",
        "confidence",
        "replicates",
        "seed",
        "min_group",
        "labels",
        "reason",
    )

    def ask(self) -> None:
        self.ask_decisions(both=False)
        self.ask_groups()
        self.fields["intersections"] = forms.BooleanField(label="Cross all groups", initial=True, required=False)
        self.fields["edge_below"] = forms.BooleanField(
            label="An edge belongs to the band below it (≤ 25 and > 25, not < 25 and ≥ 25)",
            initial=True,
            required=False,
        )
        self.ask_confidence()
        self.ask_whole("replicates", "Replicates", "Redrawn tables for the intervals of gaps; 0 for formulas.", 0)
        self.ask_whole("seed", "Seed", "The same seed gives the same intervals.", 0)
        self.ask_whole("min_group", "Smallest group", "Smaller groups are reported, but not compared.", 2)

    def ask_groups(self) -> None:
        """The columns marked sensitive first; the others with the advanced fields, unless there is nothing else."""
        marked, others = groupable(self.dataset)
        if marked:
            self.fields["sensitive"] = tick("Groups", marked, "The columns whose values make the groups.", on=True)
            self.advanced = ("also", *self.advanced)
        self.fields["also"] = tick("Other columns that make groups", others, "Not marked sensitive in the dataset.")
        self.banded = [name for name in marked + self.ticked("also") if is_numeric(self.dataset, name)]
        for name in self.banded:
            self.fields[f"bins.{name}"] = BandsField(label=f"Bands of {name}", many=not values_of(self.dataset, name))

    def ticked(self, name: str) -> list[str]:
        read = forms.CheckboxSelectMultiple().value_from_datadict
        return list(read(self.data, self.files, name) or []) if self.is_bound else []

    def params(self) -> dict[str, Any]:
        given = super().params()
        right = given.pop("edge_below")
        bands = {name: given.pop(f"bins.{name}", None) for name in self.banded}
        chosen = [*given.pop("sensitive", []), *given.pop("also", [])]
        cut = {name: {"edges": edges, "right": right} for name, edges in bands.items() if edges and name in chosen}
        return given | {"bins": cut} | ({"sensitive": chosen} if chosen else {})


class PerformanceForm(ParamsForm):
    advanced = ("bins", "confidence", "labels", "reason")

    def ask(self) -> None:
        self.ask_decisions(both=True)
        self.ask_whole("bins", "Bins", "Of the calibration curve, equally wide.", 10)
        self.ask_confidence()


class ExplainabilityForm(ParamsForm):
    def ask(self) -> None:
        self.ask_whole("rows", "Rows to explain", "Drawn by the seed; at most 10,000.", 200)
        self.ask_whole("background", "Background rows", "How many stand for the usual case; at most 1,000.", 100)
        self.ask_whole("top", "Reasons a row", "How many inputs are listed; the others are summed.", 5)
        self.ask_whole("seed", "Seed", "The same seed draws the same rows.", 0)


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


FORMS: dict[str, type[ParamsForm]] = {
    "fairness": FairnessForm,
    "performance": PerformanceForm,
    "explainability": ExplainabilityForm,
}
