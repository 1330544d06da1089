"""API tokens: scoped, expiring, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.utils import timezone

from people.access import require
from people.events import Event
from people.membership import By
from people.models import ApiToken, User
from people.roles import Duty
from trail.errors import BadInput, Objection, Refused
from trail.record import recording

SCOPES = {
    "read": "see what its person may see",
    "write": "register, describe, upload, run checks, tier, request promotions, packs and erasures, hold audits",
    "sign": "sign (with a credential of the person's each time), reject, withdraw, release, retire, approve erasures",
    "gate": "ask the gate whether a digest may be deployed",
}
LONGEST_DAYS = 366
LONGEST_NAME = 100


def create(*, user: User, name: str, scopes: list[str], days: int, actor: By, reason: str) -> tuple[ApiToken, str]:
    """A new token and its secret, which is not kept and can't be shown again."""
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise BadInput(f"There is no scope {', '.join(unknown)}; choose from {', '.join(SCOPES)}.", where="scope")
    if not scopes:
        raise BadInput(f"A token needs at least one scope: {', '.join(SCOPES)}.", where="scope")
    if not 1 <= days <= LONGEST_DAYS:
        raise BadInput(f"A token lives for 1 to {LONGEST_DAYS} days, not {days}.", where="days")
    if not 1 <= len(name) <= LONGEST_NAME:
        raise BadInput(f"A token's name has 1 to {LONGEST_NAME} characters, not {len(name)}.", where="name")
    secret = f"cs_{secrets.token_urlsafe(32)}"
    with recording(Event.TOKEN_CREATED, actor=actor, reason=reason, subject=user) as entry:
        _refuse_another(actor, user)
        entry.facts = {"name": name, "scopes": sorted(set(scopes)), "days": days}
        token = ApiToken(
            user=user,
            name=name,
            prefix=secret[:8],
            sha256=hashlib.sha256(secret.encode()).hexdigest(),
            scopes=sorted(set(scopes)),
            expires_at=timezone.now() + timedelta(days=days),
        )
        entry.create(token)
    return token, secret


def revoke(*, token: ApiToken, actor: By, reason: str) -> None:
    with recording(Event.TOKEN_REVOKED, actor=actor, reason=reason, subject=token.user) as entry:
        if isinstance(actor, User) and actor.pk != token.user.pk:
            require(actor, Duty.ADMINISTER, token.user.unit.path)
        entry.facts = {"name": token.name}
        entry.change(token, revoked_at=timezone.now())


def _refuse_another(actor: By, user: User) -> None:
    """A token acts in its person's name, so nobody else makes it; the system does, from the command line."""
    if isinstance(actor, User) and actor.pk != user.pk:
        raise Refused(Objection("another_s_token", f"This would be a token of {user.name}, who alone may do this."))
