"""What a request brings: an object of JSON, or a form with a file and the same object in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from rest_framework.request import Request

from people.models import User
from registry import words
from registry.api import strict
from trail.errors import BadInput

if TYPE_CHECKING:
    Upload = UploadedFile[Any]

REASON = "Over the API"
JSON_PARTS = ("metadata", "data", "json")


def actor(request: Request) -> User:
    return cast(User, request.user)


def body(request: Request) -> dict[str, Any]:
    """The JSON object of a request, form fields included."""
    return form(request)[1] if isinstance(request.data, QueryDict) else _object(request.data, "the body")


def form(request: Request, *names: str) -> tuple[Upload | None, dict[str, Any]]:
    """The file, under one of these names or the only one there is, and every other part as one object."""
    if not isinstance(request.data, QueryDict):
        return None, _object(request.data, "the body")
    files = {name: file for name, file in request.FILES.items() if name not in JSON_PARTS}
    data: dict[str, Any] = {}
    for name in request.data:
        values = request.data.getlist(name)
        if name in files:
            continue
        if name in names:
            raise BadInput(f"{name} came as text; send it as a file, a part with a file name.", where=name)
        given = {name: values[0]} if name not in JSON_PARTS else _object(values[0], name)
        if len(values) > 1 or not data.keys().isdisjoint(given):
            twice = next((field for field in given if field in data), name)
            raise BadInput(f"{twice} came twice; send it once.", where=twice)
        strict.refuse_unsound(given, "")
        data |= given
    return _only(files, names), data


def reason(data: dict[str, Any]) -> str:
    """Take the reason out of the object."""
    return words.text(data.pop("reason", ""), where="reason", most=2000) or REASON


def parsed(value: Any, where: str) -> Any:
    """A part that is JSON: as it is, or as the text of a form field."""
    if isinstance(value, UploadedFile):
        value = value.read()
    if not isinstance(value, (str, bytes)):
        return value
    try:
        return strict.loads(value)
    except BadInput:
        raise
    except ValueError as error:
        raise BadInput(f"{where} is not JSON: {error}.", where=where) from error


def _object(value: Any, where: str) -> dict[str, Any]:
    found = value if where == "the body" else parsed(value, where)
    if not isinstance(found, dict):
        raise BadInput(f"{where} must be a JSON object, such as {{}}.", where=where)
    return dict(found)


def _only(files: dict[str, Upload], names: tuple[str, ...]) -> Upload | None:
    for name in names:
        if name in files:
            return files[name]
    if len(files) > 1:
        raise BadInput(f"Several files came ({', '.join(files)}); name the one part {names[0]}.", where=names[0])
    return next(iter(files.values()), None)
