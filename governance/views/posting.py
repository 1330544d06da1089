"""A form that was sent: taken, or shown again with what stands against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django import forms

from governance.forms import blame
from registry.stages import IllegalMove
from trail.errors import BadInput, Objection, Refused


@dataclass
class Attempt:
    """`status` is what to answer with when the page is shown again; 303 when there is nothing to show."""

    status: int
    made: Any = None
    objections: list[Objection] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        return self.status == 303


def attempt(form: forms.Form, act: Callable[[dict[str, Any]], Any]) -> Attempt:
    """Call `act` with the form's data. Refusals and bad input come back as sentences, never as an exception."""
    if not form.is_valid():
        return Attempt(422)
    try:
        return Attempt(303, made=act(form.cleaned_data))
    except Refused as refused:
        return Attempt(409, objections=refused.objections)
    except IllegalMove as illegal:
        return Attempt(409, objections=[Objection("illegal_move", str(illegal))])
    except BadInput as bad:
        blame(form, bad)
        return Attempt(bad.status)
