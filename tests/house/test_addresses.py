"""Every address of the app, walked: what an outsider, a reader and a stranger get there.

A new address needs nothing here unless it names a new kind of thing, or writes: then the test asks for it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from django.apps import apps
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from rest_framework.test import APIClient

from governance import scheme
from governance.forms import initial_answers
from people import credentials, tokens, totp
from people.models import Authenticator, RoleGrant, User
from people.signing import Password, shown_moment
from reports import engagements, packs
from tests.governance.conftest import story as a_story
from tests.governance.story import TIER_2, Story
from tests.passkeys import add as add_passkey
from tests.passkeys import row
from tests.personas import PASSWORD, WHY, Bank, person
from trail.models import Checkpoint, Entry, Governed, Leaf, Tree

story = a_story
pytestmark = pytest.mark.django_db

METHODS = ("get", "post", "put", "patch", "delete")
UNSAFE = METHODS[1:]
OPEN = {"healthz", "readyz", "api/schema/", "api/docs/", "sign-in/", "set-password/<uuid:pk>/<str:token>/"}


def addresses() -> list[str]:
    """Every pattern of the URL conf, such as `versions/<uuid:pk>/retire/`."""

    def below(resolver: URLResolver, prefix: str) -> Iterator[str]:
        for pattern in resolver.url_patterns:
            address = prefix + str(pattern.pattern)
            if isinstance(pattern, URLPattern):
                yield address
            else:
                yield from below(pattern, address)

    return list(below(get_resolver(), ""))


@pytest.fixture
def things(story: Story, outsider: User, auditor: User, administrator: User) -> dict[str, Any]:
    """One of each kind of thing of the bank, by the word that its addresses start with."""
    released = story.released()
    visitor = person("Vic Visitor", home=story.model.unit, at=story.model.unit)
    visit = engagements.open_engagement(
        title="Audit",
        unit=story.model.unit,
        auditor=visitor,
        ends_at=timezone.now() + timedelta(days=1),
        actor=administrator,
        reason=WHY,
    )
    token, _ = tokens.create(user=story.owner, name="ci", scopes=["read"], days=1, actor=story.owner, reason=WHY)
    return {
        "models": story.model.slug,
        "versions": story.version.pk,
        "datasets": story.holdout.pk,
        "runs": story.version.runs.first().pk,
        "promotions": released.pk,
        "policies": story.policy.pk,
        "packs": packs.request(versions=[story.version], actor=auditor, reason=WHY).pk,
        "engagements": visit.pk,
        "asked": engagements.ask(engagement=visit, text="The minutes", model=None, actor=visitor).pk,
        "people": story.owner.pk,
        "users": story.owner.pk,
        "set-password": story.owner.pk,
        "roles": RoleGrant.objects.get(user=story.owner).pk,
        "tokens": token.pk,
        "passkeys": row(add_passkey(story.owner)).pk,
        "authenticators": an_app_of(story.head).pk,
        "trail": Entry.objects.get(subject_id=str(story.version.pk), type="registry.version.registered").leaf.index,
    }


def an_app_of(person: User) -> Authenticator:
    secret = totp.new_secret()
    return credentials.add_authenticator(
        person=person,
        sealed=totp.seal(secret, person),
        code=pyotp.TOTP(secret).now(),
        credential=Password(PASSWORD),
        shown_at=shown_moment(),
    )


PARTS = {"section": "factors", "kind": "json", "token": "x"}


def filled(address: str, things: dict[str, Any]) -> str:
    """The address of the bank's thing."""
    kind = address.removeprefix("api/v1/").partition("/")[0]

    def value(match: re.Match[str]) -> str:
        name = match[1]
        return str(PARTS[name] if name in PARTS else things.get(name, things[kind]))

    return "/" + re.sub(r"<\w+:(\w+)>", value, address)


def sent(client: Client | APIClient, method: str, path: str, body: dict[str, Any]) -> Any:
    if path.startswith("/api/"):
        kind = "multipart" if "file" in body else "json"
        return getattr(client, method)(path, body if method != "get" else None, format=kind)
    return getattr(client, method)(path, body) if method in {"get", "post"} else getattr(client, method)(path)


def client_of(user: User, address: str, api: Any, page: Any) -> Client | APIClient:
    return api(user) if address.startswith("api/v1/") else page(user)


def test_what_has_an_id_does_not_exist_for_an_outsider(
    things: dict[str, Any],
    story: Story,
    bank: Bank,
    outsider: User,
    api: Callable[..., APIClient],
    page: Callable[..., Client],
) -> None:
    clients, inputs = {True: api(outsider), False: page(outsider)}, given(story, bank, things)
    before, wrong, walked = snapshot(), [], 0
    for address in [each for each in addresses() if "<" in each and each not in OPEN]:
        client, path = clients[address.startswith("api/v1/")], filled(address, things)
        body = inputs.get(address, {"reason": WHY})
        answers = {method: sent(client, method, path, body).status_code for method in METHODS}
        walked += 1
        if address == "versions/<uuid:pk>/card/edit/":  # sends on to the card, which does not exist
            answers["get"] = 404 if client.get(path, follow=True).status_code == 404 else answers["get"]
            answers["post"] = answers["put"] = answers["patch"] = answers["delete"] = 405
        if 404 not in answers.values() or not set(answers.values()) <= {404, 405}:
            wrong.append(f"{address}: {answers}")
    assert walked > 50
    assert not wrong, "\n".join(wrong)
    assert snapshot() == before


def test_what_lists_shows_an_outsider_nothing_of_the_bank(
    things: dict[str, Any],
    story: Story,
    outsider: User,
    api: Callable[..., APIClient],
    page: Callable[..., Client],
) -> None:
    clients = {True: api(outsider), False: page(outsider)}
    ids = {str(thing) for kind, thing in things.items() if kind != "trail"}
    asked = [{}, {"q": "Scorecard"}, {"subject": story.version.pk}, {"version": story.version.pk}, {"unit": "bank"}]
    asked += [
        {"dataset": story.holdout.pk},
        {"model": story.model.slug},
        {"from": story.policy.pk},
        {"owner": story.owner.email},
    ]
    asked += [{"index": things["trail"]}]
    secrets = {*ids, story.model.name, story.holdout.name, story.owner.email, story.owner.name, "bank/retail"}
    wrong = []
    for address in [each for each in addresses() if "<" not in each]:
        for query in asked:
            answer = clients[address.startswith("api/v1/")].get(f"/{address}", query)
            text = b"".join(answer).decode() if answer.streaming else answer.content.decode()
            for value in query.values():  # what was asked may be said again
                text = text.replace(str(value), "")
            if found := sorted(each for each in secrets if each in text):
                wrong.append(f"{address} {query}: {', '.join(found)}")
    assert not wrong, "\n".join(wrong)


def test_a_stranger_is_asked_who_they_are(things: dict[str, Any], client: Client, story: Story, page: Any) -> None:
    before, wrong = snapshot(), []
    signed_in = page(story.owner)
    for address in [each for each in addresses() if each not in OPEN]:
        path, is_api = filled(address, things), address.startswith("api/v1/")
        for method in METHODS:
            answer = sent(client, method, path, {"reason": WHY})
            is_asked = (
                answer.status_code == 401 if is_api else answer.headers.get("Location", "").startswith("/sign-in/")
            )
            if not is_asked:
                wrong.append(f"{method} {address}: {answer.status_code}")
            # a browser's session opens no API: no other site's page can call it
            if is_api and sent(signed_in, method, path, {"reason": WHY}).status_code != 401:
                wrong.append(f"{method} {address}: takes a session")
    assert not wrong, "\n".join(wrong)
    assert snapshot() == before


def csv() -> io.BytesIO:
    file = io.BytesIO(b"a,b\n1,2\n")
    file.name = "rows.csv"
    return file


def given(story: Story, bank: Bank, things: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """For each address that writes, input with nothing wrong but who sends it."""
    unit, root = bank.retail.path, bank.root.path
    policy = story.policy.text.replace("House policy", "Other policy")
    tiering = {"answers": TIER_2}
    signature = {"role": "validator", "meaning": "review", "password": PASSWORD, "comment": "", "dossier_digest": "x"}
    reason = {"reason": WHY}
    return {
        "api/v1/models/": {"name": "Newcomer", "unit": unit},
        "api/v1/datasets/": {"name": "New", "unit": unit, "file": csv()},
        "api/v1/models/<slug:slug>/": {"purpose": "Other"},
        "api/v1/models/<slug:slug>/versions/": {"label": "x"},
        "api/v1/models/<slug:slug>/tiering/": tiering,
        "api/v1/versions/<uuid:pk>/promotions/": {"target": "production"},
        "api/v1/versions/<uuid:pk>/runs/": {"check": "performance", "dataset": str(story.holdout.pk)},
        "api/v1/versions/<uuid:pk>/check-set/": {"dataset": str(story.holdout.pk)},
        "api/v1/versions/<uuid:pk>/card-sections/<str:section>/": {"text": "x"},
        "api/v1/promotions/<uuid:pk>/signatures/": signature,
        "api/v1/policies/": {"name": "other", "text": policy, "unit": root},
        "api/v1/lineage/": {"kind": "trained_on", "from": str(story.holdout.pk), "to": str(story.version.pk)},
        "api/v1/environments/": {"slug": "staging", "unit": unit},
        "api/v1/fields/": {"name": "x", "kind": "text", "unit": unit},
        "api/v1/units/": {"name": "New", "parent": unit},
        "api/v1/users/": {"email": "new@bank.example", "name": "New", "unit": unit},
        "api/v1/users/<uuid:pk>/roles/": {"role": "validator", "unit": unit},
        "api/v1/users/<uuid:pk>/erasure/": {"basis": "consent", **reason},
        "api/v1/engagements/": {
            "title": "New",
            "unit": unit,
            "auditor": story.owner.email,
            "ends_at": timezone.now() + timedelta(days=1),
        },
        "api/v1/engagements/<uuid:pk>/samples/": {"size": 1, "seed": "x"},
        "api/v1/engagements/<uuid:pk>/requests/": {"text": "x"},
        "api/v1/engagements/<uuid:pk>/requests/<uuid:asked>/answer/": {"text": "x"},
        "models/new/": {"unit": bank.retail.pk, "name": "New", **reason},
        "models/<slug:slug>/edit/": {"name": "Other", **reason},
        "models/<slug:slug>/versions/new/": {"label": "x", **reason},
        "models/<slug:slug>/tiering/": {
            **initial_answers(scheme.scheme(), TIER_2),
            **reason,
        },
        "policies/new/": {"unit": bank.root.pk, "name": "other", "text": policy, **reason},
        "datasets/new/": {"unit": bank.retail.pk, "name": "New", "file": csv(), **reason},
        "versions/<uuid:pk>/promotions/": {"target": story.production.pk},
        "versions/<uuid:version>/runs/set/": {"dataset": story.holdout.pk},
        "versions/<uuid:version>/runs/new/": {"check": "performance", "dataset": story.holdout.pk, **reason},
        "versions/<uuid:pk>/card/<slug:section>/edit/": {"text": "x", **reason},
        "promotions/<uuid:pk>/sign/": signature,
        "engagements/<uuid:pk>/draw/": {"size": 1, "seed": "x", **reason},
        "engagements/<uuid:pk>/ask/": {"text": "x"},
        "engagements/<uuid:pk>/answer/<uuid:asked>/": {"text": "x"},
        "people/new/": {"unit": bank.retail.pk, "email": "new@bank.example", "name": "New", **reason},
        "people/<uuid:pk>/roles/": {"unit": bank.retail.pk, "role": "validator", **reason},
    }


# Where whoever only reads may send something: it shows or asks, and decides nothing.
READING = {
    "api/v1/gates/evaluate/": "asks the gate; the answer is kept",
    "api/v1/versions/<uuid:pk>/packs/": "an auditor takes evidence away",
    "api/v1/packs/": "an auditor takes evidence away",
    "packs/": "an auditor takes evidence away",
    "engagements/<uuid:pk>/pack/": "an auditor takes evidence away",
    "api/v1/engagements/<uuid:pk>/packs/": "an auditor takes evidence away",
    "versions/<uuid:pk>/packs/new/": "an auditor takes evidence away",
    "promotions/<uuid:pk>/statement/": "shows what would be signed",
    "api/v1/promotions/<uuid:pk>/signatures/prepare/": "shows what would be signed",
    "models/<slug:slug>/tiering/preview/": "shows what answers would come to",
    "sign-out/": "one's own session",
    "past/": "one's own session",
    "past/leave/": "one's own session",
}


# Pages whose form offers only the units in which one may do it: shown again, with what stands against it.
OFFERED = {
    "models/new/": 200,
    "datasets/new/": 422,
    "policies/new/": 422,
    "people/new/": 422,
    "people/<uuid:pk>/roles/": 422,
    "people/<uuid:pk>/erasure/": 422,
    "engagements/new/": 422,
    # one's own account, and the proof is missing
    "account/passkeys/new/": 422,
    "account/authenticators/new/": 422,
    # back to the page, which says why
    "runs/<uuid:pk>/cancel/": 302,
    "runs/<uuid:pk>/retry/": 302,
}


def test_whoever_only_reads_writes_nothing(
    things: dict[str, Any],
    story: Story,
    bank: Bank,
    auditor: User,
    api: Callable[..., APIClient],
    page: Callable[..., Client],
) -> None:
    clients, inputs = {True: api(auditor), False: page(auditor)}, given(story, bank, things)
    before, wrong, refused = snapshot(), [], 0
    for address in [each for each in addresses() if each not in OPEN | set(READING)]:
        client, path = clients[address.startswith("api/v1/")], filled(address, things)
        for method in UNSAFE:
            answer = sent(client, method, path, inputs.get(address, {"reason": WHY}))
            if answer.status_code == 405 or (answer.status_code == 302 and "card/edit" in path):
                continue
            refused += 1
            if answer.status_code not in {404, 409, OFFERED.get(address)}:
                wrong.append(f"{method} {address}: {answer.status_code} {said(answer)}")
    assert not wrong, "\n".join(wrong)
    assert refused > 40
    after, answered = snapshot(), "governance.GateEvaluation"
    assert len(after.pop(answered)) == len(before.pop(answered)) + 2  # what the gate answers is kept, whoever asks
    assert after == before


def said(answer: Any) -> str:
    text = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return re.sub(r"\s+", " ", text)[-400:]


def snapshot() -> dict[str, list[Any]]:
    """Every row of every room, but the trail's own."""
    rooms = {"people", "registry", "audits", "governance", "reports"}
    kept: list[type[Model]] = [model for model in apps.get_models() if model._meta.app_label in rooms]
    assert {Governed, Entry, Leaf, Tree, Checkpoint}.isdisjoint(kept)
    return {model._meta.label: sorted(map(repr, model.objects.values())) for model in kept}  # type: ignore[attr-defined]
