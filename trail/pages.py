"""Lists over HTTP: 50 a page, at most 500. A page that is asked for wrongly is refused, never guessed."""

from __future__ import annotations

import re

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
    given = request.query_params.get(name)
    if given is None and default is not None:
        return default
    if given is None or not WHOLE.fullmatch(given) or int(given) < least:
        raise BadInput(f"{name} must be a whole number, such as ?{name}={least}.", where=name)
    return int(given)
