"""How the API knows who calls and what their token may do."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from people.models import ApiToken, User
from people.tokens import SCOPES
from trail import moments

if TYPE_CHECKING:  # rest_framework.views itself loads this module
    from rest_framework.views import APIView


class BearerAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        kind, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if kind.lower() != "bearer" or not secret:
            return None
        sha256 = hashlib.sha256(secret.strip().encode()).hexdigest()
        with moments.present():  # whatever moment is asked about: who asks, and what they may see, is as it is now
            token = ApiToken.objects.filter(sha256=sha256).select_related("user__unit").first()
            if token is not None:
                _ = token.user.held_grants
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
