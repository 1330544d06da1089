"""What every page of the signed-in product shows around its content."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from config.past import banner
from governance import waiting
from people import queries
from people.models import User
from people.roles import Duty, Role


def shell(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {}
    roles = sorted({Role(grant.role).label for grant in user.held_grants})
    return {
        "account_roles": roles,
        "past": banner(request),
        "inbox_count": SimpleLazyObject(lambda: waiting.signatures(user)),
        "may_administer": queries.may_anywhere(user, Duty.ADMINISTER),
        "visits": any(grant.role in {Role.AUDITOR, Role.ADMINISTRATOR} for grant in user.held_grants),
    }
