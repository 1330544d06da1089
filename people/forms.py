from __future__ import annotations

from typing import Any

from django import forms

from people import passkeys, queries
from people.credentials import LONGEST_NAME
from people.models import Erasure, User
from people.roles import Role
from people.signing import Credential, Held, credential_from


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


class ErasureForm(forms.Form):
    basis = forms.ChoiceField(label="Ground", choices=Erasure.Basis)
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


class Unwritten(forms.TextInput):
    """What was typed is not written back into the page."""

    def format_value(self, value: Any) -> None:
        return None


class ProofForm(forms.Form):
    """How someone proves who they are, with what they hold. Nothing of it is ever written back into the page."""

    shown_at = forms.CharField(max_length=40, required=False, widget=forms.HiddenInput)
    password = forms.CharField(
        label="Your password",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    code = forms.CharField(
        label="Code of your authenticator app",
        required=False,
        max_length=12,
        help_text="Six digits; each is good once.",
        widget=Unwritten(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )
    passkey = forms.CharField(required=False, max_length=passkeys.LONGEST, widget=forms.HiddenInput)

    def __init__(self, *args: Any, held: Held, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.held = held
        if held.passkeys and "code" in self.asked:
            self.fields["code"].help_text = "Six digits; each is good once. Not needed with your passkey."

    @property
    def asked(self) -> list[str]:
        """The fields that someone fills in by hand."""
        if self.held.authenticator:
            return ["code"]
        return ["password"] if self.held.has_password and not self.held.has_stronger else []

    @property
    def proof_fields(self) -> list[forms.BoundField]:
        for name in self.asked:  # so that its label doesn't say it is optional, and the page's HTML asks for it
            self.fields[name].required = not self.held.passkeys
        return [self[name] for name in self.asked]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if not self.held.has_none and not any(given.get(name) for name in ("password", "code", "passkey")):
            if self.held.passkeys:
                self.add_error(None, "Use your passkey.")
            else:
                self.add_error(self.asked[0], "This field is required.")
        return given

    @property
    def credential(self) -> Credential:
        return credential_from(**{name: self.cleaned_data.get(name, "") for name in ("password", "code", "passkey")})


class PasskeyForm(ProofForm):
    name = forms.CharField(max_length=LONGEST_NAME, help_text="Such as “Work laptop”, so that you know it later.")
    registration = forms.CharField(
        max_length=passkeys.LONGEST,
        widget=forms.HiddenInput,
        error_messages={"required": "The browser made no passkey. It needs JavaScript and the site’s own address."},
    )


class AuthenticatorForm(ProofForm):
    sealed = forms.CharField(max_length=1000, widget=forms.HiddenInput)
    confirmation = forms.CharField(
        label="The code it shows now",
        max_length=12,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )
