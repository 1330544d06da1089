"""Domain errors become responses here, once: problem+json for the API, a page with the same sentences for people."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.shortcuts import render
from rest_framework.exceptions import APIException, ErrorDetail
from rest_framework.response import Response

from registry.stages import IllegalMove
from trail.errors import BadInput, Refused

PROBLEM = "application/problem+json"


def body(status: int, detail: str, **more: Any) -> dict[str, Any]:
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail} | more


def domain_problem(error: Exception) -> dict[str, Any] | None:
    """The problem body of a domain error; nothing for any other error."""
    match error:
        case Refused():
            return body(409, str(error), objections=[objection.as_json() for objection in error.objections])
        case IllegalMove():
            sentence = str(error)
            return body(
                409, sentence, objections=[{"code": "illegal_move", "sentence": sentence, "mend": "", "link": ""}]
            )
        case BadInput():
            return body(error.status, error.sentence, errors=[{"where": error.where, "sentence": error.sentence}])
    return None


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """Django REST framework's exception handler."""
    if (answer := domain_problem(error)) is None:
        answer = _framework_problem(error)
    if answer is None:
        return None
    headers = {}
    if isinstance(error, APIException) and (header := getattr(error, "auth_header", "")):
        headers["WWW-Authenticate"] = header
    return Response(answer, status=answer["status"], content_type=PROBLEM, headers=headers)


def _framework_problem(error: Exception) -> dict[str, Any] | None:
    match error:
        case Http404():
            return body(404, "There is nothing here that you may see.")
        case PermissionDenied():
            return body(403, str(error) or "You may not do this.")
        case UnreadablePostError():
            return body(400, str(error))
        case RequestDataTooBig():
            return body(413, "The fields of this form hold too much text; shorten it, or send it as a file.")
        case SuspiciousOperation():
            return body(400, f"This request can't be read: {error}")
        case APIException():
            errors = list(_flat(error.detail))
            detail = " ".join(f"{where}: {sentence}" if where else sentence for where, sentence in errors)
            status = 422 if error.status_code == 400 and error.default_code == "invalid" else error.status_code
            return body(status, detail, errors=[{"where": where, "sentence": sentence} for where, sentence in errors])
    return None


def _flat(detail: Any, where: str = "") -> Any:
    """(place, sentence) pairs of a framework error, however deeply it is nested."""
    if isinstance(detail, dict):
        for name, item in detail.items():
            yield from _flat(item, f"{where}.{name}".strip(".") if name != "non_field_errors" else where)
    elif isinstance(detail, list):
        for index, item in enumerate(detail):
            yield from _flat(item, where if isinstance(item, ErrorDetail) else f"{where}[{index}]")
    else:
        yield where, str(detail)


class DomainErrorMiddleware:
    """A domain error that a page did not handle becomes a page with its sentences (a view that has a form shows them
    there instead)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        answer = domain_problem(error)
        return None if answer is None else shown(request, answer)


def shown(request: HttpRequest, answer: dict[str, Any]) -> HttpResponse:
    """A problem as its reader wants it: problem+json under /api/, a page elsewhere."""
    if request.path.startswith("/api/"):
        return JsonResponse(answer, status=answer["status"], content_type=PROBLEM)
    template = "409.html" if answer["status"] == 409 else "413.html" if answer["status"] == 413 else "400.html"
    return render(request, template, {"problem": answer}, status=answer["status"])


def page(status: int) -> Callable[..., HttpResponse]:
    """Django's error handler for `status`: a page for people, problem+json under /api/."""
    sentences = {
        400: "The request could not be understood.",
        403: "You may not do this.",
        404: "There is nothing here that you may see.",
        500: "Something went wrong on our side. Nothing was changed.",
    }

    def handler(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
        answer = body(status, sentences[status])
        if request.path.startswith("/api/"):
            return JsonResponse(answer, status=status, content_type=PROBLEM)
        return render(request, f"{status}.html", {"problem": answer}, status=status)

    return handler
