"""Leave to act, asked for once per function. A thing outside someone's units does not exist for them."""

from __future__ import annotations

from people.models import User
from people.queries import may, roles_at
from people.roles import Duty
from trail.errors import Objection, Refused


def objections_to(user: User, duty: Duty, path: str) -> list[Objection]:
    if not user.is_active:
        return [Objection("suspended", f"{user.name} is suspended.")]
    if may(user, duty, path):
        return []
    held = ", ".join(sorted(role.label for role in roles_at(user, path))) or "no role"
    return [
        Objection(
            f"may_not_{duty.value}",
            f"{user.name} ({held} here) may not {duty.label} in this unit.",
            "An administrator can grant a role that may.",
        )
    ]


def require(user: User, duty: Duty, path: str) -> None:
    if standing := objections_to(user, duty, path):
        raise Refused(standing)
