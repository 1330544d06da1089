"""Looking back: `?as_of=` on any page or GET of the API, or a moment chosen for the whole session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import Resolver404, resolve
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from config.errors import domain_problem, shown
from people.models import User
from trail import moments, past
from trail.errors import BadInput
from trail.past import ThePastIsReadOnly

SAFE = {"GET", "HEAD", "OPTIONS"}
# what may be done while looking back
ALLOWED = {"look-back", "look-at-now", "people:sign-out"}
# where a session keeps the moment it looks at
CHOSEN = "as_of"


class PastMiddleware:
    """Who asks, and what they may see, is always as it is now; what they see is as it was."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            moment = past.asked(given) if (given := _given(request)) is not None else None
        except BadInput as bad:
            return shown(request, cast(dict[str, Any], domain_problem(bad)))
        if moment is None or _is_allowed(request):
            return self.get_response(request)
        request.as_of = moment  # type: ignore[attr-defined]  # what an auditor read says as of when
        with past.as_of(moment):
            if request.method not in SAFE:
                return shown(request, cast(dict[str, Any], domain_problem(ThePastIsReadOnly())))
            response = self.get_response(request)
            _read_then(response)
            return response


def _given(request: HttpRequest) -> str | None:
    """The moment asked for. The API authenticates later, and knows no session."""
    given = request.GET.get("as_of")
    if request.path.startswith("/api/"):
        return given
    if given is None:
        given = request.session.get(CHOSEN)
    if given is None or not isinstance(request.user, User):
        return None
    _ = request.user.held_grants  # read now, once
    return given


def _is_allowed(request: HttpRequest) -> bool:
    if request.method in SAFE:
        return False
    try:
        return resolve(request.path_info).view_name in ALLOWED
    except Resolver404:
        return False


def _read_then(response: HttpResponseBase) -> None:
    """What a response makes later, it makes as of the moment, too."""
    look = moments.current.get()
    if look and isinstance(response, StreamingHttpResponse) and not isinstance(response, FileResponse):
        response.streaming_content = past.each(look, cast(Any, response.streaming_content))


@require_POST
def look_back(request: HttpRequest) -> HttpResponse:
    """Show every page as of a moment, until the reader returns to now."""
    request.session[CHOSEN] = past.asked(request.POST.get("moment", "")).isoformat()
    return redirect(_next(request))


@require_POST
def look_at_now(request: HttpRequest) -> HttpResponse:
    request.session.pop(CHOSEN, None)
    return redirect(_next(request))


def _next(request: HttpRequest) -> str:
    given = request.POST.get("next", "")
    return given if url_has_allowed_host_and_scheme(given, None) else "/"


def banner(request: HttpRequest) -> dict[str, Any] | None:
    """What stands above a page of the past."""
    if (look := moments.current.get()) is None:
        return None
    rest = request.GET.copy()
    rest.pop("as_of", None)
    return {
        "at": look.at,
        "spelled": moments.spelled(look.at),
        "moment": look.at.isoformat(),
        "lost": len(look.lost),
        "stays": request.session.get(CHOSEN) == look.at.isoformat(),
        "page": f"{request.path}?{rest.urlencode()}" if rest else request.path,
    }
