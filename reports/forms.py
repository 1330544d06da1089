"""What people fill in on the pages of reports."""

from __future__ import annotations

from django import forms

from governance.forms import reason_field
from registry.cards import LONGEST


class PackForm(forms.Form):
    reason = reason_field("What it is for")


class SectionForm(forms.Form):
    text = forms.CharField(
        label="Text",
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 16}),
        help_text="Plain text; an empty line starts a paragraph.",
    )
    reason = reason_field("Reason for the change")
