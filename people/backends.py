from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from people.models import User


class EmailBackend(BaseBackend):
    """E-mail and password. An unknown address takes as long as a wrong password."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        email, password = credentials.get("username") or "", credentials.get("password") or ""
        user = User.objects.filter(email__iexact=email).select_related("unit").first()
        if user is None:
            User().set_password(password)
            return None
        return user if user.check_password(password) and user.is_active else None

    def get_user(self, user_id: Any) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).select_related("unit").first()
