"""The filters in a list's address, as chips that take one of them away."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import QueryDict


def active(query: QueryDict, words: Mapping[str, Mapping[str, str]]) -> list[dict[str, str]]:
    """A chip for each filter that is set; `words` spells each filter's values."""
    return [
        {"label": name.capitalize(), "value": spelt.get(value, value), "remove_url": _without(query, name)}
        for name, spelt in words.items()
        if (value := query.get(name, ""))
    ]


def _without(query: QueryDict, name: str) -> str:
    rest = query.copy()
    for gone in (name, "page"):
        rest.pop(gone, None)
    return f"?{rest.urlencode()}"
