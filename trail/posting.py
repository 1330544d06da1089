"""Questions to servers outside: one POST, one answer, within a time and a size. Redirects are not followed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

MOST_BYTES = 1 << 20


class NoAnswer(Exception):
    """Why there is no answer, in a sentence."""


@dataclass(frozen=True)
class Answer:
    status: int
    reason: str
    type: str
    body: bytes


class FollowNoRedirect(HTTPRedirectHandler):
    def redirect_request(  # noqa: PLR0917 - the signature is urllib's
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def post(url: str, body: bytes, *, timeout: float, **headers: str) -> Answer:
    """What the server at `url` answers to `body`, whatever its status. Raises NoAnswer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(_address(url), data=body, headers=named, method="POST")  # noqa: S310 - of http or https alone
    deadline = time.monotonic() + timeout
    try:
        with build_opener(FollowNoRedirect).open(request, timeout=timeout) as response:
            return _read(response, url, deadline)
    except HTTPError as error:
        with error:
            return Answer(error.code, error.reason, error.headers.get("Content-Type", ""), error.read(MOST_BYTES))
    except (TimeoutError, URLError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise NoAnswer(f"{url} did not answer within {timeout:g} seconds.") from None
        raise NoAnswer(f"{url} can't be reached: {reason}.") from None
    except (OSError, HTTPException) as error:
        raise NoAnswer(f"The answer of {url} can't be read: {type(error).__name__}: {error}.") from None


def _read(response: HTTPResponse, url: str, deadline: float) -> Answer:
    body = b""
    while chunk := response.read1(1 << 16):
        body += chunk
        if len(body) > MOST_BYTES:
            raise NoAnswer(f"The answer of {url} is longer than {MOST_BYTES >> 20} MiB.")
        if time.monotonic() > deadline:
            raise TimeoutError
    return Answer(response.status, response.reason, response.headers.get("Content-Type", ""), body)


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise NoAnswer(f"An address must be one of http or https, not {url!r}.")
    return url
