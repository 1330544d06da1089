"""What people fill in on the pages of reports."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet

from governance.forms import reason_field
from people.models import Unit, User
from people.queries import people, units_for
from people.roles import Duty
from registry.cards import LONGEST
from registry.forms.inventory import UnitField
from registry.models import RegisteredModel


def as_of_field() -> forms.DateTimeField:
    return forms.DateTimeField(
        label="As of",
        required=False,
        help_text="UTC. Empty: as it is when the pack is built.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )


class PackForm(forms.Form):
    reason = reason_field("What it is for")


class VersionPackForm(PackForm):
    as_of = as_of_field()


class UnitPackForm(forms.Form):
    unit = UnitField(
        Unit.objects.none(),
        label="Unit",
        empty_label=None,
        help_text="Of each model of this unit and those below: the newest version, and whichever is deployed.",
    )
    title = forms.CharField(label="Title", required=False, max_length=300)
    as_of = as_of_field()
    reason = reason_field("What it is for")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["unit"].queryset = units_for(user, Duty.EXPORT).order_by("path")  # type: ignore[attr-defined]


class SectionForm(forms.Form):
    text = forms.CharField(
        label="Text",
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 16}),
        help_text="Plain text; an empty line starts a paragraph.",
    )
    reason = reason_field("Reason for the change")


class EngagementForm(forms.Form):
    title = forms.CharField(label="Title", max_length=200, help_text="Such as “Annual audit 2026”.")
    unit = UnitField(Unit.objects.none(), label="Unit", empty_label=None)
    auditor = forms.ModelChoiceField(User.objects.none(), label="Auditor", empty_label=None)
    ends_at = forms.DateTimeField(
        label="Ends",
        help_text="UTC. The auditor’s role ends then by itself.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    reason = reason_field("Why they are let in")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["unit"].queryset = units_for(user, Duty.ADMINISTER).order_by("path")  # type: ignore[attr-defined]
        self.fields["auditor"].queryset = people(user).exclude(pk=user.pk)  # type: ignore[attr-defined]


class DrawForm(forms.Form):
    size = forms.IntegerField(label="How many models", min_value=1)
    seed = forms.CharField(
        label="Seed", max_length=100, help_text="Your own, such as dice rolls: who has it can draw the same."
    )
    reason = reason_field("What the sample is for")


class AskForm(forms.Form):
    text = forms.CharField(label="What you want to be shown", max_length=4000, widget=forms.Textarea(attrs={"rows": 3}))
    model = forms.ModelChoiceField(
        RegisteredModel.objects.none(), label="About the model", required=False, empty_label="No model in particular"
    )

    def __init__(self, *args: Any, models: QuerySet[RegisteredModel], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["model"].queryset = models  # type: ignore[attr-defined]


class AnswerForm(forms.Form):
    text = forms.CharField(label="Answer", max_length=4000, widget=forms.Textarea(attrs={"rows": 3}))
