"""The people of the tests: a small bank in three lines of defence, and someone who must see nothing of it."""

from __future__ import annotations

from dataclasses import dataclass

from people import membership
from people.models import Unit, User
from people.roles import Role
from trail.actors import SYSTEM

PASSWORD = "correct horse battery staple"
WHY = "set up for a test"


@dataclass(frozen=True)
class Bank:
    root: Unit
    retail: Unit
    risk: Unit


def open_bank() -> Bank:
    root = membership.open_unit(name="Bank", parent=None, actor=SYSTEM, reason=WHY)
    return Bank(
        root=root,
        retail=membership.open_unit(name="Retail", parent=root, actor=SYSTEM, reason=WHY),
        risk=membership.open_unit(name="Risk", parent=root, actor=SYSTEM, reason=WHY),
    )


def person(name: str, *roles: Role, home: Unit, at: Unit) -> User:
    """Someone who sits in `home` and holds `roles` in `at` and below."""
    email = f"{name.lower().replace(' ', '.')}@bank.example"
    user = membership.add_user(email=email, name=name, unit=home, password=PASSWORD, actor=SYSTEM, reason=WHY)
    for role in roles:
        membership.grant(user=user, role=role, unit=at, actor=SYSTEM, reason=WHY)
    return user
