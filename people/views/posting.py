"""A form whose act the domain may refuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django import forms

from trail.errors import BadInput, Refused


@contextmanager
def refusals_in(form: forms.Form) -> Iterator[None]:
    """What the domain refuses stands in the form."""
    try:
        yield
    except Refused as refused:
        for objection in refused.objections:
            form.add_error(None, str(objection))
    except BadInput as bad:
        form.add_error(bad.where if bad.where in form.fields else None, bad.sentence)
