from __future__ import annotations

from typing import Any

from django import forms

from people.models import User
from registry import queries
from registry.forms.inventory import reason_field
from registry.models import Dataset, RegisteredModel, Version

ACCEPTED = "skops, XGBoost (json, ubj), LightGBM (text), CatBoost (cbm) or ONNX: formats without code in them."


class VersionForm(forms.Form):
    """A new version of a model, with its artifact or without one."""

    artifact = forms.FileField(
        label="Artifact",
        required=False,
        allow_empty_file=True,
        help_text=f"{ACCEPTED} Without one, checks measure the predictions that a dataset brings.",
    )
    digest = forms.CharField(
        label="SHA-256 of the artifact",
        required=False,
        max_length=71,
        help_text="If you know it: a file that arrives with another digest is refused.",
    )
    label = forms.CharField(label="Label", required=False, max_length=60, help_text="Your own number, such as 2.1.0.")
    notes = forms.CharField(label="What changed", required=False, widget=forms.Textarea(attrs={"rows": 4}))

    def __init__(self, data: Any = None, files: Any = None, *, user: User, model: RegisteredModel) -> None:
        super().__init__(data, files)
        self.fields["trained_on"] = forms.ModelMultipleChoiceField(
            queries.datasets(user).order_by("name"),
            label="Trained on",
            required=False,
            widget=forms.CheckboxSelectMultiple,
        )
        self.fields["derived_from"] = forms.ModelChoiceField(
            model.versions.order_by("-number"), label="Derived from", required=False, empty_label="No earlier version"
        )
        self.fields["reason"] = reason_field(required=False)

    def arguments(self) -> dict[str, Any]:
        """What versions.register takes, besides the model, the actor and the reason."""
        given = self.cleaned_data
        file = given["artifact"]
        trained_on: list[Dataset] = list(given["trained_on"])
        derived_from: Version | None = given["derived_from"]
        return {
            "artifact": file or None,
            "file_name": file.name if file else "",
            "digest": given["digest"],
            "label": given["label"],
            "notes": given["notes"],
            "trained_on": trained_on,
            "derived_from": derived_from,
        }
