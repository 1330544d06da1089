"""Leave to act, for people and for set-up: the system acts from the command line and needs no role."""

from __future__ import annotations

from people import access
from people.membership import By
from people.models import User
from people.roles import Duty


def require(actor: By, duty: Duty, path: str) -> None:
    if isinstance(actor, User):
        access.require(actor, duty, path)
