"""The parameters that each check asks beside those of all."""

from __future__ import annotations

from typing import Any

from django import forms

from audits.checks.columns import NUMERIC
from audits.forms.params import ParamsForm
from registry.models import ColumnRole, Dataset

OUTCOMES = {ColumnRole.TARGET.value, ColumnRole.PREDICTION.value, ColumnRole.SCORE.value}


class FairnessForm(ParamsForm):
    advanced = ("intersections", "edge_below", "confidence", "replicates", "seed", "min_group", "labels", "reason")

    def ask(self) -> None:
        self.ask_decisions(both=False)
        names = groupable(self.dataset)
        sensitive = [name for name in self.dataset.names(ColumnRole.SENSITIVE) if name in names]
        self.fields["sensitive"] = forms.MultipleChoiceField(
            label="Groups",
            choices=[(name, name) for name in names],
            initial=sensitive,
            widget=forms.CheckboxSelectMultiple,
            required=False,
            help_text="The columns whose values make the groups.",
        )
        chosen = (
            self.fields["sensitive"].widget.value_from_datadict(self.data, self.files, "sensitive")
            if self.is_bound
            else []
        )
        self.banded = [name for name in names if name in {*sensitive, *chosen} and needs_bands(self.dataset, name)]
        for name in self.banded:
            self.fields[f"bins.{name}"] = BandsField(label=f"Bands of {name}")
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

    def params(self) -> dict[str, Any]:
        given = super().params()
        right = given.pop("edge_below")
        bands = {name: given.pop(f"bins.{name}", None) for name in self.banded}
        chosen = given.get("sensitive", [])
        given["bins"] = {
            name: {"edges": edges, "right": right} for name, edges in bands.items() if edges and name in chosen
        }
        return given


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

    def __init__(self, *, label: str) -> None:
        hint = "It holds over 50 different numbers: give the edges between groups, with commas, such as 25, 60."
        super().__init__(label=label, help_text=hint, required=False)

    def clean(self, value: Any) -> list[float]:
        try:
            return [float(edge) for edge in super().clean(value).replace(";", ",").split(",") if edge.strip()]
        except ValueError as error:
            raise forms.ValidationError(f"“{str(value)[:60]}” is no list of numbers; write it like 25, 60.") from error


def groupable(dataset: Dataset) -> list[str]:
    """The columns that can make groups: few values, or numbers to cut; those marked sensitive first."""
    found = [
        column
        for column in dataset.columns
        if not OUTCOMES & set(column["roles"]) and (column["values"] or column["type"] in NUMERIC)
    ]
    found.sort(key=lambda column: ColumnRole.SENSITIVE.value not in column["roles"])
    return [column["name"] for column in found]


def needs_bands(dataset: Dataset, name: str) -> bool:
    column = dataset.column(name) or {}
    return not column.get("values") and column.get("type") in NUMERIC


FORMS: dict[str, type[ParamsForm]] = {
    "fairness": FairnessForm,
    "performance": PerformanceForm,
    "explainability": ExplainabilityForm,
}
