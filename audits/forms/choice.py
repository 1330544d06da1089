"""Which check, on which dataset: the first half of asking for a run."""

from __future__ import annotations

from typing import Any

from django import forms

from audits import checks
from people.models import User
from registry import queries
from registry.models import Dataset

CHECKS = [(check.NAME, check.TITLE) for check in checks.ALL.values()]


class ChoiceForm(forms.Form):
    """Kept in the URL, so that the parameters below it can be drawn anew when it changes."""

    use_required_attribute = False
    check = forms.ChoiceField(label="Check", choices=[("", "Choose a check"), *CHECKS])

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data, auto_id="choice-%s")
        self.fields["dataset"] = forms.ModelChoiceField(
            queries.datasets(user).order_by("name"), label="Dataset", empty_label="Choose a dataset"
        )
        self.full_clean()
        self.errors.clear()  # half a choice is no mistake: the check is explained before there is a dataset

    @property
    def offered(self) -> list[checks.Check]:
        return list(checks.ALL.values())

    @property
    def chosen(self) -> checks.Check | None:
        return checks.ALL.get(self.cleaned_data.get("check", ""))

    @property
    def check_name(self) -> str:
        return self.chosen.NAME if self.chosen else ""

    @property
    def chosen_dataset(self) -> Dataset | None:
        found: Dataset | None = self.cleaned_data.get("dataset")
        return found
