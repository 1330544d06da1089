"""What entries are about, and the page of each: the rooms declare it where they declare their addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.urls import reverse

# ids of things -> their pages; an id that is nobody's has none
Links = Callable[[list[str]], dict[str, str]]


@dataclass(frozen=True)
class Thing:
    type: str
    links: Links
    find: Callable[[str], str]


BY_TYPE: dict[str, Thing] = {}
BY_ADDRESS: dict[str, Thing] = {}


def declare(
    type: str,
    *,
    under: Iterable[str] = (),
    page: str = "",
    links: Links | None = None,
    find: Callable[[str], str] = str,
) -> None:
    """Things of `type` have addresses that start with one of `under`.

    Their page is the URL named `page`, with the id as `pk`, unless `links` says where each one stands. `find` gives
    the id of what an address names otherwise, such as by a slug.
    """
    thing = BY_TYPE[type] = Thing(type, links or (_by_pk(page) if page else _nowhere), find)
    for word in under:
        BY_ADDRESS[word] = thing


def links(found: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The pages of (type, id) pairs, asked for type by type."""
    ids: dict[str, set[str]] = {}
    for type_, id_ in found:
        if type_ in BY_TYPE:
            ids.setdefault(type_, set()).add(id_)
    return {(type_, id_): url for type_, of in ids.items() for id_, url in BY_TYPE[type_].links(sorted(of)).items()}


def uuids(ids: Iterable[str]) -> list[str]:
    """Those that can be a row's id; a list of things has none."""
    return [each for each in ids if _is_uuid(each)]


def _by_pk(page: str) -> Links:
    return lambda ids: {each: reverse(page, kwargs={"pk": each}) for each in uuids(ids)}


def _nowhere(ids: list[str]) -> dict[str, str]:
    return {}


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
