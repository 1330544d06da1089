"""The parameters of a check as fields, named as the parameters are. The dataset's roles give the defaults, and what is
left empty is decided by the check itself."""

from __future__ import annotations

from typing import Any

from django import forms

from audits.checks.columns import FAVOURABLE as LIKELY
from registry.forms.inventory import reason_field
from registry.models import ColumnRole, Dataset

BY_ITSELF = "The check finds it"
EMPTY: tuple[Any, ...] = (None, "", [], {})


class ParamsForm(forms.Form):
    """What every check asks. Choosing another target draws the form anew from `url`."""

    advanced: tuple[str, ...] = ("labels", "reason")

    def __init__(self, data: Any = None, *, dataset: Dataset, target: str, url: str) -> None:
        super().__init__(data, auto_id="params-%s")
        self.dataset = dataset
        known = target if dataset.column(target) else ""
        self.target = known or (data or {}).get("target", "") or only(dataset, ColumnRole.TARGET)
        self.fields["target"] = column(dataset, "Target", "What really happened.", initial=self.target)
        self.fields["target"].widget.attrs |= redraws(url)
        self.fields["favourable"] = favourable(dataset, self.target)
        self.ask()
        self.fields["labels"] = forms.CharField(
            label="Classes of the artifact",
            required=False,
            help_text="Only if it numbers its classes: their names in its order, with commas, such as bad, good.",
        )
        self.fields["reason"] = reason_field(required=False)

    def ask(self) -> None:
        """Add the fields of this check."""

    @property
    def usual_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name not in self.advanced]

    @property
    def advanced_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name in self.advanced]

    def params(self) -> dict[str, Any]:
        """As the check takes them."""
        given = {name: value for name, value in self.cleaned_data.items() if name != "reason"}
        if given["labels"]:
            given["labels"] = [label.strip() for label in given["labels"].split(",")]
        return {name: value for name, value in given.items() if value not in EMPTY}

    def ask_decisions(self, *, both: bool) -> None:
        """Decisions, or scores with their threshold; a check that measures both takes both."""
        prediction, score = (only(self.dataset, role) for role in (ColumnRole.PREDICTION, ColumnRole.SCORE))
        self.fields["prediction"] = column(
            self.dataset,
            "Decisions",
            "A column with the decisions. With neither decisions nor scores, the artifact scores the rows.",
            initial=prediction,
        )
        self.fields["score"] = column(
            self.dataset,
            "Scores",
            "A column with scores, higher for the favourable outcome.",
            initial=score if both or not prediction else "",
        )
        self.fields["threshold"] = forms.FloatField(
            label="Threshold", required=False, help_text="A score of this or more is favourable; 0.5 unless stated."
        )

    def ask_confidence(self) -> None:
        self.fields["confidence"] = forms.FloatField(
            label="Confidence", initial=0.95, required=False, help_text="Of every interval.", widget=fraction()
        )

    def ask_whole(self, name: str, label: str, hint: str, initial: int) -> None:
        self.fields[name] = forms.IntegerField(label=label, initial=initial, required=False, help_text=hint)


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
