"""Lists over HTTP: 50 a page, at most 500. A page that is asked for wrongly is refused, never guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request

from trail.errors import BadInput

WHOLE = re.compile(r"\d{1,9}", re.ASCII)


class Pages(LimitOffsetPagination):
    default_limit = 50
    max_limit = 500

    def get_limit(self, request: Request) -> int:
        return min(whole(request, "limit", least=1, default=self.default_limit), self.max_limit)

    def get_offset(self, request: Request) -> int:
        return whole(request, "offset", default=0)


def whole(request: Request, name: str, *, least: int = 0, default: int | None = None) -> int:
    """A whole number of the query, of at least `least`; without a default it must be given."""
    if name not in request.query_params and default is not None:
        return default
    return _whole(request.query_params.get(name), name, least)


def place(params: Mapping[str, str]) -> dict[str, int]:
    """Where a list by index begins: `before` an index, going back, or `after` one, going on."""
    found = {name: _whole(params[name], name, 0) for name in ("before", "after") if params.get(name)}
    if len(found) > 1:
        raise BadInput("Ask for what is before an index or for what is after one, not for both.", where="before")
    return found


def _whole(given: str | None, name: str, least: int) -> int:
    if given is None or not WHOLE.fullmatch(given) or int(given) < least:
        raise BadInput(f"{name} must be a whole number, such as ?{name}={least}.", where=name)
    return int(given)
