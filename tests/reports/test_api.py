from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from audits import jobs
from people import membership
from people.models import User
from people.roles import Role
from reports.models import Pack
from tests import personas
from tests.personas import WHY
from trail.actors import SYSTEM
from trail.models import Entry

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]
FORMS = {"html": "text/html", "md": "text/markdown", "json": "application/json", "pdf": "application/pdf"}


@pytest.mark.parametrize("kind", FORMS)
def test_the_card_in_each_form(kind: str, version: Any, auditor: User, api: Api) -> None:
    response = api(auditor).get(f"/api/v1/versions/{version.pk}/card.{kind}", HTTP_ACCEPT=FORMS[kind])
    assert response.status_code == 200
    assert response["Content-Type"].startswith(FORMS[kind])
    content = response.content
    assert content.startswith(b"%PDF-") if kind == "pdf" else b"Credit scorecard" in content
    entry = Entry.objects.get(type="reports.card.downloaded")
    assert (entry.subject_id, entry.actor_name) == (str(version.pk), "Ada Auditor")
    assert entry.content["facts"] == {
        "format": kind,
        "digest": "sha256:" + hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }


def test_the_html_card_may_use_its_own_style_in_a_browser(version: Any, auditor: User, api: Api) -> None:
    response = api(auditor).get(f"/api/v1/versions/{version.pk}/card.html")
    assert response["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")


def test_there_is_no_other_form(version: Any, auditor: User, api: Api) -> None:
    response = api(auditor).get(f"/api/v1/versions/{version.pk}/card.docx")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


def test_a_pack_is_asked_for_followed_and_downloaded(version: Any, auditor: User, api: Api) -> None:
    client = api(auditor)
    asked = client.post(f"/api/v1/versions/{version.pk}/packs/", {})
    assert asked.status_code == 202
    assert asked["Location"] == asked.data["url"]
    assert (asked.data["status"], asked.data["download"]) == ("queued", None)
    early = client.get(f"/api/v1/packs/{asked.data['id']}/download/")
    assert early.status_code == 409
    assert "nothing to download yet" in json.loads(early.content)["detail"]

    assert jobs.work(Pack.objects.get().job_id)
    followed = client.get(asked["Location"])
    assert (followed.data["status"], followed.data["progress"]) == ("succeeded", 1)
    downloaded = client.get(followed.data["download"], HTTP_ACCEPT="application/zip")
    assert downloaded.status_code == 200
    assert downloaded["Content-Type"] == "application/zip"
    assert downloaded["Content-Disposition"].startswith('attachment; filename="credit-scorecard-v1-')
    data = b"".join(downloaded.streaming_content)
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (followed.data["sha256"], followed.data["size"])


@pytest.fixture
def second(bank: Any, owner: User, developer: User) -> Any:
    """A version of another model of the same unit."""
    from registry import inventory, versions

    other = inventory.register(unit=bank.retail, name="Collections", fields={}, actor=owner, reason=WHY)
    return versions.register(model=other, artifact=None, actor=developer, reason=WHY)


def test_a_pack_of_several_versions_is_asked_for(version: Any, second: Any, auditor: User, api: Api) -> None:
    client = api(auditor)
    ids = [str(second.pk), str(version.pk)]
    asked = client.post("/api/v1/packs/", {"versions": ids, "title": "Two  of them", "reason": "Review"})
    assert asked.status_code == 202
    assert [str(each) for each in asked.data["versions"]] == ids
    assert (asked.data["title"], asked.data["scope"], asked.data["as_of"]) == ("Two of them", "", None)
    assert jobs.work(Pack.objects.get().job_id)
    followed = client.get(asked["Location"]).data
    assert (followed["status"], followed["error"]) == ("succeeded", "")
    downloaded = client.get(followed["download"])
    assert downloaded["Content-Disposition"].startswith('attachment; filename="two-of-them-')
    assert b"".join(downloaded.streaming_content)
    listed = client.get("/api/v1/packs/").data
    assert (listed["count"], listed["results"][0]["id"]) == (1, followed["id"])
    assert "versions" not in listed["results"][0]
    facts = Entry.objects.get(type="reports.pack.requested").content["facts"]
    assert facts["versions"] == 2


def test_a_pack_of_a_unit_holds_every_model_below_it(version: Any, second: Any, auditor: User, api: Api) -> None:
    asked = api(auditor).post("/api/v1/packs/", {"unit": "bank"})
    assert asked.status_code == 202
    assert {str(each) for each in asked.data["versions"]} == {str(version.pk), str(second.pk)}
    assert asked.data["scope"] == asked.data["title"] == "Every model of Bank"
    assert Pack.objects.get().unit == "bank/retail"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "either versions, or a unit"),
        ({"versions": [], "unit": "bank"}, "either versions, or a unit"),
        ({"versions": []}, "one version at least"),
        ({"versions": [str(uuid.UUID(int=7))]}, "no version 00000000"),
        ({"versions": ["seven"]}, "versions.0: Must be a valid UUID"),
        ({"versions": "all"}, "list"),
        ({"unit": "elsewhere"}, "no unit elsewhere"),
        ({"unit": "bank/risk"}, "has no version"),
        ({"unit": "bank", "as_of": "2100-01-01T00:00:00Z"}, "is to come"),
        ({"unit": "bank", "as_of": "2001-01-01T00:00:00Z"}, "has no version"),
        ({"unit": "bank", "as_of": "yesterday"}, "as_of"),
        ({"unit": "bank", "title": "x" * 301}, "title"),
        ({"unit": "bank", "titel": "x"}, "did you mean “title”"),
    ],
)
def test_an_odd_request_is_no_pack(body: dict[str, Any], says: str, version: Any, auditor: User, api: Api) -> None:
    response = api(auditor).post("/api/v1/packs/", body)
    assert response.status_code == 422
    assert says in response.content.decode()
    assert not Pack.objects.exists()


def test_a_version_is_not_packed_as_of_before_it_was_there(version: Any, auditor: User, api: Api) -> None:
    body = {"versions": [str(version.pk)], "as_of": "2001-01-01T00:00:00Z"}
    response = api(auditor).post("/api/v1/packs/", body)
    assert response.status_code == 422
    assert "was registered after 1 January 2001" in response.content.decode()


def test_a_pack_takes_leave_in_the_unit_of_every_version(
    version: Any, bank: Any, second: Any, api: Api, administrator: User
) -> None:
    """Someone who may export in one unit, and sees the other as its administrator only."""
    from registry import inventory, versions

    both = personas.person("Bea Both", Role.OWNER, home=bank.risk, at=bank.risk)
    membership.grant(user=both, role=Role.ADMINISTRATOR, unit=bank.retail, actor=SYSTEM, reason=WHY)
    theirs = inventory.register(unit=bank.risk, name="Stress", fields={}, actor=both, reason=WHY)
    own = versions.register(model=theirs, artifact=None, actor=both, reason=WHY)
    client = api(both)
    refused = client.post("/api/v1/packs/", {"versions": [str(own.pk), str(version.pk)]})
    assert refused.status_code == 409
    assert json.loads(refused.content)["objections"][0]["code"] == "may_not_export"
    assert client.post("/api/v1/packs/", {"versions": [str(own.pk)]}).status_code == 202


def test_a_pack_is_seen_by_who_sees_its_every_version(
    version: Any, bank: Any, auditor: User, owner: User, api: Api
) -> None:
    from registry import inventory, versions

    author = personas.person("Rolf Risk", Role.OWNER, home=bank.risk, at=bank.risk)
    stress = inventory.register(unit=bank.risk, name="Stress", fields={}, actor=author, reason=WHY)
    theirs = versions.register(model=stress, artifact=None, actor=author, reason=WHY)
    body = {"versions": [str(version.pk), str(theirs.pk)]}
    pack = api(auditor).post("/api/v1/packs/", body).data["id"]
    assert Pack.objects.get().unit == "bank"
    for user in (owner, author):
        assert api(user).get(f"/api/v1/packs/{pack}/").status_code == 404
        assert api(user).get("/api/v1/packs/").data["count"] == 0
    assert api(auditor).get("/api/v1/packs/").data["count"] == 1


def test_nothing_of_it_exists_for_an_outsider(version: Any, auditor: User, outsider: User, api: Api) -> None:
    pack = api(auditor).post(f"/api/v1/versions/{version.pk}/packs/", {}).data["id"]
    client = api(outsider)
    assert client.get(f"/api/v1/versions/{version.pk}/card.json").status_code == 404
    assert client.post(f"/api/v1/versions/{version.pk}/packs/", {}).status_code == 404
    assert client.get(f"/api/v1/packs/{pack}/").status_code == 404
    assert client.get(f"/api/v1/packs/{pack}/download/").status_code == 404
    assert client.get(f"/api/v1/packs/{uuid.uuid4()}/").status_code == 404


def test_an_administrator_is_told_why_not(version: Any, administrator: User, api: Api) -> None:
    response = api(administrator).post(f"/api/v1/versions/{version.pk}/packs/", {})
    assert response.status_code == 409
    assert json.loads(response.content)["objections"][0]["code"] == "may_not_export"


def test_a_token_that_only_reads_asks_for_no_pack(version: Any, auditor: User, api: Api) -> None:
    response = api(auditor, scopes=("read",)).post(f"/api/v1/versions/{version.pk}/packs/", {})
    assert response.status_code == 403


def test_two_downloads_are_two_entries(version: Any, auditor: User, api: Api) -> None:
    client = api(auditor)
    pack = client.post(f"/api/v1/versions/{version.pk}/packs/", {"reason": "Annual review"}).data["id"]
    assert jobs.work(Pack.objects.get().job_id)
    for _ in range(2):
        assert b"".join(client.get(f"/api/v1/packs/{pack}/download/").streaming_content)
    found = Entry.objects.filter(subject_id=pack)
    assert found.filter(type="reports.pack.downloaded").count() == 2
    assert found.get(type="reports.pack.requested").reason == "Annual review"
