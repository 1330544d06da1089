"""The model card and the evidence packs as pages."""

from __future__ import annotations

import html
import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audits import jobs
from people.models import User
from registry.cards import SECTIONS
from registry.models import CardSection
from reports.models import Pack
from tests.personas import WHY
from trail.models import Entry

pytestmark = pytest.mark.django_db

Page = Callable[[User], Client]


def text(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def url(name: str, *args: Any) -> str:
    return reverse(f"reports:{name}", args=args)


def test_everyone_of_the_bank_reads_the_card(
    version: Any, owner: User, auditor: User, administrator: User, page: Page
) -> None:
    for user in (owner, auditor, administrator):
        answer = page(user).get(url("card", version.pk))
        assert answer.status_code == 200
        assert "% complete" in text(answer)
        assert "Decides consumer credit applications." in text(answer)


def test_an_outsider_finds_nothing(version: Any, owner: User, outsider: User, built: Any, page: Page) -> None:
    pack, client = built(version, owner), page(outsider)
    seen = [
        url("card", version.pk),
        url("card-download", version.pk, "json"),
        url("card-edit", version.pk, "factors"),
        url("version-documents", version.pk),
        url("pack-list", version.pk),
        url("pack-status", pack.pk),
        url("pack-download", pack.pk),
    ]
    for address in seen:
        assert client.get(address).status_code == 404, address
    for address in (url("pack-request", version.pk), url("card-edit", version.pk, "factors")):
        assert client.post(address, {"reason": WHY, "text": "Mine"}).status_code == 404, address


@pytest.mark.parametrize(
    ("kind", "start"), [("json", b"{"), ("md", b"---"), ("html", b"<!doctype html>"), ("pdf", b"%PDF-")]
)
def test_the_card_downloads_in_each_form(version: Any, owner: User, page: Page, kind: str, start: bytes) -> None:
    answer = page(owner).get(url("card-download", version.pk, kind))
    assert answer.status_code == 200
    assert answer.content.lstrip().startswith(start)
    assert answer["Content-Disposition"] == f'attachment; filename="credit-scorecard-v1-card.{kind}"'
    assert Entry.objects.get(type="reports.card.downloaded").reason == "Downloaded from the page"


def test_there_is_no_other_form(version: Any, owner: User, page: Page) -> None:
    assert page(owner).get(url("card-download", version.pk, "docx")).status_code == 404


def test_a_section_is_written(version: Any, developer: User, page: Page) -> None:
    client, address = page(developer), url("card-edit", version.pk, "intended_use")
    assert "What it is for" in text(client.get(address))
    sent = {"text": "For loans.\n\nNot for <cards>.", "reason": "Documentation"}
    answer = client.post(address, sent, follow=True)
    assert answer.redirect_chain == [(url("card", version.pk), 302)]
    assert "Not for <cards>." in text(answer)
    assert "<cards>" not in answer.content.decode()
    assert "For loans." in client.get(address).content.decode()


def test_every_section_can_be_opened(version: Any, developer: User, page: Page) -> None:
    source = page(developer).get(url("card", version.pk)).content.decode()
    for section in SECTIONS:
        assert url("card-edit", version.pk, section.key) in source
        assert page(developer).get(url("card-edit", version.pk, section.key)).status_code == 200
    assert page(developer).get(url("card-edit", version.pk, "odd")).status_code == 404


def test_a_section_without_text_or_reason_is_not_taken(version: Any, developer: User, page: Page) -> None:
    answer = page(developer).post(url("card-edit", version.pk, "factors"), {"text": "", "reason": ""})
    assert answer.status_code == 422
    assert "2 things need mending" in text(answer)
    assert not CardSection.objects.exists()


def test_who_may_not_write_sees_why_and_is_refused(version: Any, auditor: User, page: Page) -> None:
    client, address = page(auditor), url("card-edit", version.pk, "factors")
    assert 'aria-disabled="true"' in client.get(address).content.decode()
    answer = client.post(address, {"text": "By the auditor", "reason": WHY})
    assert answer.status_code == 409
    assert "Ada Auditor (Auditor here) may not register" in text(answer)
    assert "By the auditor" in text(answer)
    assert Entry.objects.filter(type="trail.attempt.refused", payload__actor_name="Ada Auditor").exists()


def test_where_an_objection_sends_people_there_is_a_page(version: Any, owner: User, page: Page) -> None:
    answer = page(owner).get(f"/versions/{version.pk}/card/edit/", follow=True)
    assert answer.redirect_chain[-1][0] == url("card", version.pk)


def test_the_dossier_learns_of_card_and_packs(version: Any, owner: User, page: Page) -> None:
    shown = page(owner).get(url("version-documents", version.pk))
    assert "<html" not in shown.content.decode()
    assert "items stated" in text(shown)
    assert "Ask for an evidence pack" in text(shown)


def test_a_pack_is_asked_for_built_and_downloaded(version: Any, owner: User, page: Page) -> None:
    client = page(owner)
    answer = client.post(url("pack-request", version.pk), {"reason": "For the auditor"}, follow=True)
    pack = Pack.objects.get()
    status = url("pack-status", pack.pk)
    assert f'hx-get="{status}"' in answer.content.decode()
    waiting = client.get(status)
    assert f'hx-get="{status}"' in waiting.content.decode()
    assert "HX-Refresh" not in waiting
    assert client.get(url("pack-download", pack.pk)).status_code == 409
    assert jobs.work(pack.job_id)
    done = client.get(status)
    assert "hx-get" not in done.content.decode()
    assert done["HX-Refresh"] == "true"
    sent = client.get(url("pack-download", pack.pk))
    names = zipfile.ZipFile(io.BytesIO(b"".join(sent.streaming_content))).namelist()  # type: ignore[attr-defined]
    assert {"README.txt", "manifest.json", "manifest.sig"} <= {name.rpartition("/")[2] for name in names}
    assert Entry.objects.filter(type="reports.pack.downloaded", payload__actor_name="Olga Owner").exists()


def test_a_pack_without_its_purpose_is_not_asked_for(version: Any, owner: User, page: Page) -> None:
    answer = page(owner).post(url("pack-request", version.pk), {"reason": ""})
    assert answer.status_code == 422
    assert "What it is for" in text(answer)
    assert not Pack.objects.exists()


def test_who_may_not_export_sees_why_and_is_refused(version: Any, administrator: User, page: Page) -> None:
    client = page(administrator)
    assert 'aria-disabled="true"' in client.get(url("pack-list", version.pk)).content.decode()
    answer = client.post(url("pack-request", version.pk), {"reason": WHY})
    assert answer.status_code == 409
    assert "may not export evidence" in text(answer)
    assert not Pack.objects.exists()


def test_a_built_pack_downloads_from_the_card(version: Any, owner: User, built: Any, page: Page) -> None:
    pack = built(version, owner)
    assert url("pack-download", pack.pk) in page(owner).get(url("card", version.pk)).content.decode()


def test_a_pack_of_a_unit_is_asked_for_and_listed(version: Any, bank: Any, owner: User, page: Page) -> None:
    client = page(owner)
    assert "No packs yet" in text(client.get(url("unit-packs")))
    sent = {"unit": str(bank.retail.pk), "title": "Third quarter", "as_of": "", "reason": "Review"}
    answer = client.post(url("unit-packs"), sent, follow=True)
    assert answer.redirect_chain == [(url("unit-packs"), 302)]
    pack = Pack.objects.get()
    assert (pack.title, pack.scope, pack.unit) == ("Third quarter", "Every model of Retail", "bank/retail")
    assert "Third quarter" in text(answer)
    assert url("pack-status", pack.pk) in answer.content.decode()
    assert jobs.work(pack.job_id)
    assert url("pack-download", pack.pk) in client.get(url("unit-packs")).content.decode()
    assert url("unit-packs") in client.get("/models/").content.decode()


def test_a_pack_of_a_unit_as_of_a_moment_to_come_is_not_asked_for(
    version: Any, bank: Any, owner: User, page: Page
) -> None:
    sent = {"unit": str(bank.retail.pk), "as_of": "2100-01-01T00:00", "reason": "Review"}
    answer = page(owner).post(url("unit-packs"), sent)
    assert answer.status_code == 422
    assert not Pack.objects.exists()


def test_another_units_packs_are_not_offered_nor_seen(
    version: Any, bank: Any, auditor: User, outsider: User, built: Any, page: Page
) -> None:
    built(version, auditor)
    client = page(outsider)
    shown = client.get(url("unit-packs"))
    assert "No packs yet" in text(shown)
    assert "Retail" not in text(shown)
    answer = client.post(url("unit-packs"), {"unit": str(bank.retail.pk), "reason": "Mine"})
    assert answer.status_code == 422
    assert Pack.objects.count() == 1


def test_who_may_export_nowhere_is_told(version: Any, administrator: User, page: Page) -> None:
    assert "None of your roles may export evidence." in text(page(administrator).get(url("unit-packs")))
