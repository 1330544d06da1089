from __future__ import annotations

from typing import Any

from django import forms

from people import queries
from people.models import User
from people.roles import Role


def reason_field() -> forms.CharField:
    return forms.CharField(max_length=1000, widget=forms.Textarea(attrs={"rows": 2}), help_text="Stands in the trail.")


class InUnits(forms.Form):
    """A form that chooses among the units its user administers."""

    def __init__(self, data: Any = None, *, user: User) -> None:
        super().__init__(data)
        self.fields["unit"] = forms.ModelChoiceField(queries.administered(user), empty_label=None)
        self.order_fields(["email", "name", "role", "unit", "reason"])


class UserForm(InUnits):
    email = forms.EmailField(label="E-mail")
    name = forms.CharField(max_length=200, label="Printed name", help_text="As it stands beside signatures.")
    reason = reason_field()


class GrantForm(InUnits):
    role = forms.ChoiceField(choices=Role.choices)
    reason = reason_field()


class ReasonForm(forms.Form):
    reason = reason_field()


class PasswordForm(forms.Form):
    password = forms.CharField(
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters.",
    )
    again = forms.CharField(
        label="The same again", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def clean_again(self) -> str:
        again: str = self.cleaned_data["again"]
        if again != self.cleaned_data.get("password"):
            raise forms.ValidationError("The two differ; type both again.")
        return again
