"""Who audits is audited: each page, file and answer that an auditor gets leaves one entry, before it is sent.

Recorded by default. What is exempt stands in a list here, by the name of its URL, so that nothing a request carries
can make a difference.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch

from people.events import Event
from people.models import User
from people.roles import Role
from trail import moments, things
from trail.actors import Subject
from trail.record import recording

EXEMPT = {
    "config.health.alive": "whether the process answers",
    "config.health.ready": "whether the database answers",
    "schema": "the API's own description",
    "api-docs": "the API's own description",
    "people:sign-in": "nobody's data",
    "people:account": "the reader's own account",
    "people:passkey-new": "the reader's own account",
    "people:passkey-remove": "the reader's own account",
    "people:authenticator-new": "the reader's own account",
    "people:authenticator-remove": "the reader's own account",
    "people:set-password": "the reader's own account; its address holds a secret",
    "governance:tiering-preview": "what answers that the reader gives would come to",
    "audits:run-progress": "polled by a page that is recorded: how far a run is",
    "reports:pack-status": "polled by a page that is recorded: how far a pack is",
    "trail-api:checkpoint": "says nothing of anything; each entry would make the next one necessary",
    "trail-api:key": "says nothing of anything",
    "trail-api:consistency": "says nothing of anything",
}
# what an address without an id shows
ALL = "all"


class ReadingMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        reader = getattr(request, "user", None)  # the API puts the token's person there
        match = _read(request, response)
        if match is not None and isinstance(reader, User) and audits(reader):
            how = "over the API" if _is_api(request) else "on a page"
            if moment := getattr(request, "as_of", None):
                how += f", as of {moments.spelled(moment)}"
            try:
                note(actor=reader, match=match, path=request.path, reason=f"Read {how}")
            except BaseException:
                response.close()
                raise
        return response


def audits(user: User) -> bool:
    return any(grant.role == Role.AUDITOR for grant in user.held_grants)


def note(*, actor: User, match: ResolverMatch, path: str, reason: str) -> None:
    """One entry: who read what. The query is left out, because it may hold anything."""
    about = _subject(match, path, actor.unit.path)
    with recording(Event.AUDITOR_READ, actor=actor, reason=reason, subject=about):
        pass


def _read(request: HttpRequest, response: HttpResponse) -> ResolverMatch | None:
    """What the answer shows, whatever the method; nothing if it shows nothing.

    304 says that what the reader has is still right; a page whose form was refused is shown again.
    """
    match, status = request.resolver_match, response.status_code
    if match is None or match.view_name in EXEMPT:
        return None
    again = status in {409, 422} and request.method == "POST" and not _is_api(request)
    return match if status < 300 or status == 304 or again else None


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _subject(match: ResolverMatch, path: str, unit: str) -> Subject:
    """What the address shows: the thing whose id stands in it, of the kind that its first word says."""
    word = match.route.removeprefix("api/v1/").partition("/")[0]
    named = next(iter(match.kwargs.values()), None)
    label = f"{path} ({match.view_name})"
    if (thing := things.BY_ADDRESS.get(word)) is None:
        return Subject(f"page.{match.url_name}", ALL if named is None else str(named)[:64], label, unit)
    return Subject(thing.type, ALL if named is None else thing.find(str(named))[:64], label, unit)
