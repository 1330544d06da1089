"""API tokens: scoped, expiring, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from people.events import Event
from people.membership import By
from people.models import ApiToken, User
from trail.errors import BadInput
from trail.record import recording

SCOPES = {
    "read": "see what its person may see",
    "write": "register, describe, upload, run checks, tier, request promotions, build packs",
    "sign": "sign, reject, withdraw and release, with the person's password at each signing",
    "gate": "ask the gate whether a digest may be deployed",
}
LONGEST_DAYS = 366


def create(
    *, user: User, name: str, scopes: list[str], days: int, actor: By, reason: str
) -> tuple[ApiToken, str]:
    """A new token and its secret, which is not kept and can't be shown again."""
    if not scopes or (unknown := sorted(set(scopes) - set(SCOPES))):
        named = f"{', '.join(unknown)} is no scope" if scopes else "a token needs at least one scope"
        raise BadInput(f"{named[0].upper()}{named[1:]}; choose from {', '.join(SCOPES)}.", where="scope")
    if not 1 <= days <= LONGEST_DAYS:
        raise BadInput(f"A token lives for 1 to {LONGEST_DAYS} days, not {days}.", where="days")
    secret = f"cs_{secrets.token_urlsafe(32)}"
    with recording(Event.TOKEN_CREATED, actor=actor, reason=reason, subject=user) as entry:
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
        entry.facts = {"name": token.name}
        entry.change(token, revoked_at=timezone.now())


class BearerAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        kind, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if kind.lower() != "bearer" or not secret:
            return None
        sha256 = hashlib.sha256(secret.strip().encode()).hexdigest()
        token = ApiToken.objects.filter(sha256=sha256).select_related("user__unit").first()
        if token is None or token.revoked_at or not token.user.is_active:
            raise AuthenticationFailed("This token is unknown or was revoked; ask for a new one.")
        if token.expires_at <= timezone.now():
            raise AuthenticationFailed(f"This token expired on {token.expires_at:%d %B %Y}; ask for a new one.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="countersign"'


class HasScope(BasePermission):
    """The token must carry the view's scope: `view.scope` if set, else `read` to read and `write` to write."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, ApiToken):
            return False
        needed = getattr(view, "scope", None) or ("read" if request.method in {"GET", "HEAD", "OPTIONS"} else "write")
        self.message = f"This token lacks the scope “{needed}” ({SCOPES[needed]})."
        return needed in request.auth.scopes


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "people.tokens.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A token of `manage.py create_token`."}
