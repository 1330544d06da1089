"""What people fill in on the pages of governance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from governance.scheme import HIGHEST, LOWEST, Question, Scheme
from people.forms import ProofForm
from people.models import Meaning, Unit, User
from people.queries import units_for
from people.roles import Duty, Role
from registry.models import Environment, Version
from registry.queries import environments_for
from trail.errors import BadInput

LONGEST_REASON = 1000
UNANSWERED = "Choose an answer."


def reason_field(label: str = "Reason", help_text: str = "Stands in the trail beside your name.") -> forms.CharField:
    return forms.CharField(
        label=label, help_text=help_text, max_length=LONGEST_REASON, widget=forms.Textarea(attrs={"rows": 2})
    )


def blame(form: forms.Form, bad: BadInput) -> None:
    """Put what the domain says of the input beside the field it names."""
    name = bad.where.replace(".", "_")
    form.add_error(name if name in form.fields else None, bad.sentence)


class ReasonForm(forms.Form):
    reason = reason_field()


class RequestForm(forms.Form):
    target = forms.ModelChoiceField(Environment.objects.none(), label="Target", empty_label=None)
    comment = forms.CharField(
        label="Comment",
        required=False,
        max_length=5000,
        help_text="Why now, and what is different. Whoever signs reads it beside the evidence.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, version: Version, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["target"].queryset = environments_for(version)  # type: ignore[attr-defined]


class SignForm(ProofForm):
    """What is signed, as it was shown, and who signs: asked for at every signing."""

    role = forms.ChoiceField(choices=Role.choices, widget=forms.HiddenInput)
    meaning = forms.ChoiceField(choices=Meaning.choices, widget=forms.HiddenInput)
    dossier_digest = forms.CharField(max_length=71, widget=forms.HiddenInput)
    comment = forms.CharField(
        label="Comment",
        required=False,
        max_length=5000,
        help_text="Part of what you sign; stands beside your signature in the trail and in every pack.",
        widget=forms.Textarea(attrs={"rows": 2, "form": "sign-form"}),
    )

    @property
    def signed_as(self) -> dict[str, Any]:
        """What `signoff.sign` is told."""
        told = ("role", "meaning", "dossier_digest", "shown_at", "comment")
        return {name: self.cleaned_data[name] for name in told} | {"credential": self.credential}


class Answers(forms.Form):
    """The questionnaire of a scheme, one field a question, with an override for those who may."""

    override_tier = forms.TypedChoiceField(
        label="Override to",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "No override"), *((tier, f"Tier {tier}") for tier in range(LOWEST, HIGHEST + 1))],
    )
    override_reason = forms.CharField(
        label="Why the answers don’t tell the whole", required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    reason = reason_field("Reason for this assessment")

    def __init__(self, scheme: Scheme, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scheme = scheme
        asked = {question.id: _field(question) for question in scheme.questions}
        self.fields = {**asked, **self.fields}

    @property
    def answers(self) -> dict[str, Any]:
        """What is answered so far, whether the rest of the form is filled or not."""
        source: Mapping[str, Any] = self.data if self.is_bound else self.initial
        return {
            question.id: given
            for question in self.scheme.questions
            if (given := source.get(question.id)) not in (None, "")
        }

    @property
    def override(self) -> dict[str, Any] | None:
        tier, why = self.cleaned_data.get("override_tier"), self.cleaned_data.get("override_reason", "")
        return {"tier": tier, "reason": why} if tier or why else None


def _field(question: Question) -> forms.ChoiceField:
    """`choices` as (value, words) pairs; answered by radio buttons in both kinds of question."""
    scored = [(str(value), f"{value}. {words}") for value, words in question.choices.items()]
    return forms.ChoiceField(
        label=question.text,
        help_text=question.help,
        choices=[("no", "No"), ("yes", "Yes")] if question.floor else scored,
        widget=forms.RadioSelect,
        error_messages={"required": UNANSWERED},
    )


def initial_answers(scheme: Scheme, answers: Mapping[str, Any]) -> dict[str, str]:
    """Kept answers as the form spells them."""
    spelt = {True: "yes", False: "no"}
    return {
        question.id: spelt[bool(answers[question.id])] if question.floor else str(answers[question.id])
        for question in scheme.questions
        if question.id in answers
    }


class PolicyForm(forms.Form):
    unit = forms.ModelChoiceField(Unit.objects.none(), label="Unit", help_text="It holds here and in every unit below.")
    name = forms.SlugField(label="Name", max_length=60, help_text="A name that exists gets its next version.")
    text = forms.CharField(
        label="Policy",
        strip=False,
        help_text="YAML. What a policy does not name is not allowed.",
        widget=forms.Textarea(attrs={"rows": 28, "spellcheck": "false", "class": "code"}),
    )
    reason = reason_field("Reason for the new version")

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["unit"].queryset = units_for(user, Duty.PUBLISH_POLICY)  # type: ignore[attr-defined]

    def clean_text(self) -> str:
        """A browser sends CRLF; the text that is published and hashed has plain line ends."""
        return str(self.cleaned_data["text"]).replace("\r\n", "\n")
