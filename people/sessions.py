"""Signing in and out of the pages, on the record."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth import login
from django.http import HttpRequest
from django.utils import timezone

from people.events import Event
from people.models import User
from trail.actors import Actor
from trail.record import recording

OPENED_AT = "opened_at"


def open_session(request: HttpRequest, *, user: User) -> None:
    with recording(Event.SIGNED_IN, actor=user, subject=user, reason="Signed in with a password"):
        login(request, user)
        request.session[OPENED_AT] = timezone.now().isoformat()


def opened_at(request: HttpRequest) -> datetime | None:
    """When the session's person signed in."""
    given = request.session.get(OPENED_AT)
    return datetime.fromisoformat(given) if given else None


def note_failure(*, email: str) -> None:
    """A refused sign-in is an entry when the address is somebody's; a stranger's guess leaves a log line only."""
    if "\0" in email:  # PostgreSQL could not even look for it
        return
    user = User.objects.filter(email__iexact=email).select_related("unit").first()
    if user is not None:
        unknown = Actor(id="unknown", name="Someone", kind="unknown")
        with recording(Event.SIGN_IN_FAILED, actor=unknown, subject=user, reason="Wrong password or suspended"):
            pass
