"""What may come in at all: requests that are too large, cut off or malformed are refused before a view sees them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from config.errors import body, shown

BOUNDARY = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)
EPILOGUE = 1000  # bytes that may follow the end of a multipart body
WITHOUT_LENGTH = "The body came in chunks, without its length; send it with a Content-Length."


class IntakeMiddleware:
    """413 by the length a request states, before anything of its body is read; 411 if it states none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        for objection in (_length(request), _address(request)):
            if objection:
                return shown(request, objection)
        try:
            return self.get_response(request)
        finally:
            if (request.content_type or "").startswith("multipart/"):
                _sweep(request)


def _sweep(request: HttpRequest) -> None:
    """Close, and so remove, temporary files at once; Django forgets the one that was being received at an error."""
    for handler in request.upload_handlers:
        if (file := getattr(handler, "file", None)) is not None:
            file.close()


def _length(request: HttpRequest) -> dict[str, Any] | None:
    stated = request.META.get("CONTENT_LENGTH") or ""
    if not stated and "HTTP_TRANSFER_ENCODING" in request.META:
        return body(411, WITHOUT_LENGTH)
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if (request.content_type or "").startswith("multipart/"):
        most += settings.MAX_UPLOAD_BYTES
    if stated.isdigit() and int(stated) > most:
        sentence = f"The request holds {int(stated):,} bytes; at most {most:,} are taken here. Make it smaller"
        return body(413, sentence + (", or raise COUNTERSIGN_MAX_UPLOAD_MB." if most > 1 << 23 else "."))
    return None


def _address(request: HttpRequest) -> dict[str, Any] | None:
    if "%00" in request.META.get("QUERY_STRING", ""):
        return body(400, "The address holds a NUL character (%00), which nothing here has; take it away.")
    return None


def whole_bodies(application: WSGIApplication) -> WSGIApplication:
    """A body that ends before its stated length, or a form that ends before its last boundary, can't be read.

    Without this a connection that breaks in the middle of an upload would leave a shorter file, taken for the whole.
    """

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        stated = environ.get("CONTENT_LENGTH") or ""
        if stated.isdigit() and int(stated):
            ending = BOUNDARY.search(environ.get("CONTENT_TYPE") or "")
            closing = f"--{ending[1]}--".encode("latin-1") if ending else b""
            environ["wsgi.input"] = WholeBody(environ["wsgi.input"], int(stated), closing)
        return application(environ, start_response)

    return guarded


class WholeBody:
    """A request's body as the server hands it over; OSError, as for a broken connection, if it isn't whole."""

    def __init__(self, stream: BinaryIO, length: int, closing: bytes) -> None:
        self.stream, self.length, self.closing = stream, length, closing
        self.seen, self.tail = 0, b""

    def read(self, size: int = -1) -> bytes:
        wanted = self.length - self.seen if size is None or size < 0 else min(size, self.length - self.seen)
        found = self.stream.read(wanted)
        while len(found) < wanted and (more := self.stream.read(wanted - len(found))):
            found += more
        return self._counted(found, cut=len(found) < wanted)

    def readline(self, size: int = -1) -> bytes:
        left = self.length - self.seen
        found = self.stream.readline(left if size is None or size < 0 else min(size, left))
        return self._counted(found, cut=not found and left > 0 and size != 0)

    def _counted(self, found: bytes, *, cut: bool) -> bytes:
        self.seen += len(found)
        if cut:
            raise OSError(f"The body was cut off after {self.seen:,} of {self.length:,} bytes; send it again.")
        if self.closing:
            self.tail = (self.tail + found)[-EPILOGUE - len(self.closing) :]
            if self.seen == self.length and self.closing not in self.tail:
                raise OSError(f"The form ends after {self.seen:,} bytes without its last boundary; send it again.")
        return found
