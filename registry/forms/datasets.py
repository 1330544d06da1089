from __future__ import annotations

from typing import Any

from django import forms

from people.models import User
from registry.forms.inventory import reason_field, unit_field
from registry.models import ColumnRole

ROLES = ", ".join(ColumnRole.values)


class DatasetForm(forms.Form):
    """A dataset to keep. The roles are lines “column = role, role”; a script writes them from the file's own header."""

    file = forms.FileField(
        label="File",
        allow_empty_file=True,
        help_text="CSV (UTF-8, commas, with a header) or Parquet. It is kept as it is.",
    )
    name = forms.CharField(label="Name", max_length=200)
    licence = forms.CharField(
        label="Licence and attribution", required=False, max_length=300, help_text="Under which terms you may use it."
    )
    description = forms.CharField(label="Description", required=False, widget=forms.Textarea(attrs={"rows": 3}))
    roles = forms.CharField(
        label="Roles of the columns",
        required=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "data-column-roles": "id_file"}),
        help_text=f"One line a column: “age = feature, sensitive”. A column without a line is ignored. Roles: {ROLES}.",
    )
    digest = forms.CharField(
        label="SHA-256 of the file",
        required=False,
        max_length=71,
        help_text="If you know it: a file that arrives with another digest is refused.",
    )

    def __init__(self, data: Any = None, files: Any = None, *, user: User) -> None:
        super().__init__(data, files)
        self.fields["unit"] = unit_field(user)
        self.fields["reason"] = reason_field(required=False)
        self.order_fields(["file", "roles", "name", "unit", "licence", "description", "digest", "reason"])

    def clean_roles(self) -> dict[str, list[str]]:
        """The roles by column. A column's name may hold an equals sign, a role holds none."""
        found: dict[str, list[str]] = {}
        for number, line in enumerate(self.cleaned_data["roles"].splitlines(), 1):
            if not line.strip():
                continue
            column, equals, roles = line.rpartition("=")
            if not equals or not column.strip():
                raise forms.ValidationError(f"Line {number}, “{line[:60]}”: write a column, “=” and its roles.")
            if column.strip() in found:
                raise forms.ValidationError(
                    f"Line {number}: “{column.strip()}” has roles already; join them in one line."
                )
            found[column.strip()] = [role.strip().lower() for role in roles.split(",") if role.strip()]
        return found

    def arguments(self) -> dict[str, Any]:
        """What datasets.upload takes, besides the actor and the reason."""
        given = self.cleaned_data
        names = ("unit", "name", "file", "roles", "description", "licence", "digest")
        return {name: given[name] for name in names} | {"file_name": given["file"].name}
