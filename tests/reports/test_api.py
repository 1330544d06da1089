from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from audits import jobs
from people.models import User
from reports.models import Pack
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
    assert Entry.objects.filter(type__startswith="reports.").count() == 0


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
