"""What a form does when the domain refuses: the sentences stand beside the fields they name; it answers 409 or 422."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django import forms

from trail.errors import BadInput, Refused

CONFLICT, UNPROCESSABLE = 409, 422


@contextmanager
def shown_in(form: forms.Form) -> Iterator[None]:
    """Run the one domain call of a view; what stands against it becomes errors of the form."""
    try:
        yield
    except Refused as refused:
        form.refused_with = CONFLICT  # type: ignore[attr-defined]
        for objection in refused.objections:
            form.add_error(None, str(objection))
    except BadInput as bad:
        form.refused_with = bad.status  # type: ignore[attr-defined]
        form.add_error(field_of(form, bad.where), bad.sentence)


def field_of(form: forms.Form, where: str) -> str | None:
    """The field that a place names: by its own name, as a parameter, or as a place in an uploaded file."""
    for name in (where, where.removeprefix("params."), where.removeprefix("params.").split(".")[0]):
        if name in form.fields:
            return name
    for name, file in form.files.items():
        if where.startswith(getattr(file, "name", None) or "\0"):
            return str(name)
    return None


def status(form: forms.Form) -> int:
    """200 for a form that was not sent, otherwise how it was refused."""
    if not form.errors:
        return 200
    return getattr(form, "refused_with", UNPROCESSABLE)
