"""What an auditor reads is on the record, however they ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from people import membership, reading
from people.events import Event
from people.models import User
from people.roles import Role
from tests.governance.conftest import story as a_story
from tests.house.test_addresses import filled, things  # noqa: F401  (a fixture)
from tests.personas import WHY, Bank
from trail.actors import SYSTEM
from trail.models import Entry

story = a_story
pytestmark = pytest.mark.django_db
Page = Callable[[User], Client]
Api = Callable[..., APIClient]


def reads() -> list[Entry]:
    found = Entry.objects.filter(type=Event.AUDITOR_READ.value).order_by("pk")
    return list(found.select_related("payload"))


def named(resolver: URLResolver, space: str = "", before: str = "") -> Iterator[tuple[str, str]]:
    """(name, address) of every URL."""
    for each in resolver.url_patterns:
        address = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from named(each, f"{each.namespace}:" if each.namespace else space, address)
        elif isinstance(each, URLPattern):
            function = each.callback
            yield f"{space}{each.name}" if each.name else f"{function.__module__}.{function.__name__}", address


def test_a_page_is_one_entry_that_says_what_was_read(page: Page, auditor: User, model: Any, version: Any) -> None:
    page(auditor).get(f"/versions/{version.pk}/?tab=secret")
    page(auditor).get(f"/models/{model.slug}/")
    first, second = reads()
    assert (first.subject_type, first.subject_id) == ("registry.version", str(version.pk))
    assert first.subject_label == f"/versions/{version.pk}/ (governance:version-detail)"
    assert first.sentence == f"Ada Auditor read /versions/{version.pk}/ (governance:version-detail)"
    assert (first.actor_id, first.unit, first.reason) == (str(auditor.pk), "bank", "Read on a page")
    assert (second.subject_type, second.subject_id) == ("registry.registeredmodel", str(model.pk))
    assert "secret" not in str([entry.content for entry in reads()])


def test_the_api_is_read_too(api: Api, auditor: User, version: Any) -> None:
    client = api(auditor)
    assert b"".join(client.get(f"/api/v1/versions/{version.pk}/artifact/"))
    assert client.get("/api/v1/models/", {"q": "x"}).status_code == 200
    file, listed = reads()
    assert (file.subject_type, file.subject_id) == ("registry.version", str(version.pk))
    assert file.subject_label.endswith("(registry-api:artifact)")
    assert (listed.subject_type, listed.subject_id, listed.reason) == (
        "registry.registeredmodel",
        "all",
        "Read over the API",
    )


def test_nobody_else_is_recorded(page: Page, api: Api, owner: User, version: Any) -> None:
    page(owner).get(f"/versions/{version.pk}/")
    api(owner).get(f"/api/v1/versions/{version.pk}/")
    assert not reads()


def test_whoever_was_an_auditor_is_none(page: Page, auditor: User, version: Any) -> None:
    membership.revoke(grant=auditor.grants.get(), actor=SYSTEM, reason=WHY)
    assert page(auditor).get(f"/versions/{version.pk}/").status_code == 404
    assert not reads()


def test_whoever_audits_beside_another_role_is_recorded(page: Page, bank: Bank, owner: User, version: Any) -> None:
    membership.grant(user=owner, role=Role.AUDITOR, unit=bank.root, actor=SYSTEM, reason=WHY)
    page(owner).get(f"/versions/{version.pk}/")
    assert len(reads()) == 1


def test_what_was_not_shown_was_not_read(page: Page, api: Api, auditor: User, client: Client) -> None:
    assert page(auditor).get("/models/none/").status_code == 404
    assert api(auditor).get("/api/v1/models/none/").status_code == 404
    assert api(auditor, scopes=("gate",)).get("/api/v1/models/").status_code == 403
    assert client.get("/models/").status_code == 302
    assert not reads()


@pytest.mark.parametrize(
    "headers",
    [
        {"HX-Request": "true"},
        {"X-Requested-With": "XMLHttpRequest"},
        {"Sec-Purpose": "prefetch", "Purpose": "prefetch"},
        {"X-HTTP-Method-Override": "OPTIONS"},
        {"Range": "bytes=0-10"},
        {"If-None-Match": "*", "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
        {"Accept": "text/plain"},
        {"User-Agent": "kube-probe/1.0"},
        {"X-Forwarded-For": "127.0.0.1", "Host": "localhost"},
    ],
)
def test_no_header_escapes_it(page: Page, auditor: User, version: Any, headers: dict[str, str]) -> None:
    assert page(auditor).get(f"/versions/{version.pk}/", headers=headers).status_code == 200
    assert len(reads()) == 1


def test_neither_does_another_method(page: Page, auditor: User, version: Any) -> None:
    client = page(auditor)
    client.head(f"/versions/{version.pk}/")
    assert len(reads()) == 1
    shown = client.post(f"/versions/{version.pk}/retire/", {})  # refused, and the page is shown again
    assert shown.status_code in {409, 422}
    assert str(version.model).encode() in shown.content
    assert len(reads()) == 2


def test_a_session_beside_a_token_does_not_hide_whose_token_it_is(
    page: Page, api: Api, auditor: User, owner: User, version: Any
) -> None:
    client = api(auditor)
    client.cookies = page(owner).cookies
    client.get(f"/api/v1/versions/{version.pk}/")
    assert [entry.actor_id for entry in reads()] == [str(auditor.pk)]


def test_what_cannot_be_recorded_is_not_shown(
    page: Page, auditor: User, version: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any, **kwargs: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("trail.record.ledger.append", fails)
    client = page(auditor)
    client.raise_request_exception = False
    answer = client.get(f"/versions/{version.pk}/")
    assert answer.status_code == 500
    assert str(version.model).encode() not in answer.content


def test_a_read_and_what_it_leaves_are_one_action(page: Page, auditor: User) -> None:
    b"".join(page(auditor).get("/trail/export/?format=csv"))
    (read,) = reads()
    taken = Entry.objects.get(type="trail.export.taken")
    assert read.action == taken.action
    assert (read.subject_type, read.subject_id) == ("trail.entry", "all")


def test_every_url_is_recorded_or_exempt_by_name(
    things: dict[str, Any],  # noqa: F811
    page: Page,
    api: Api,
    auditor: User,
) -> None:
    """A new URL is walked here by itself: what it shows an auditor must leave an entry, or stand in the list."""
    names = dict(named(get_resolver()))
    assert set(reading.EXEMPT) <= set(names), "The list of exempt URLs names some that there are not."
    clients = {True: api(auditor), False: page(auditor)}
    for client in clients.values():  # a card of the story's made-up results can't be drawn
        client.raise_request_exception = False
    wrong, recorded = [], set()
    for name, address in named(get_resolver()):
        if "set-password" in address or (
            "<" in address and address.removeprefix("api/v1/").split("/")[0] not in things
        ):
            continue  # test_addresses asks for the thing
        path = filled(address, things)
        before = len(reads())
        answer = clients[path.startswith("/api/v1/")].get(path, {"size1": 1, "index": 1, "format": "csv"})
        if answer.streaming:
            b"".join(answer)
        left = len(reads()) - before
        expected = 0 if name in reading.EXEMPT or answer.status_code >= 300 else 1
        recorded |= {name} if left else set()
        if left != expected and answer.status_code != 422:
            wrong.append(f"{name} ({answer.status_code}) left {left} entries, not {expected}.")
    assert not wrong, "\n".join(wrong)
    assert len(recorded) > 30
