"""Signing in and out of the pages."""

from __future__ import annotations

import pytest
from django.test import Client

from people import membership
from people.models import User
from tests.personas import PASSWORD
from trail.models import Entry

pytestmark = pytest.mark.django_db


def sign_in(client: Client, email: str, password: str):
    return client.post("/sign-in/", {"username": email, "password": password})


def test_a_page_sends_a_stranger_to_sign_in(client: Client) -> None:
    answer = client.get("/trail/")
    assert answer.status_code == 302
    assert answer.url == "/sign-in/?next=/trail/"


@pytest.mark.parametrize("email", ["ada.auditor@bank.example", "ADA.Auditor@bank.example"])
def test_e_mail_and_password_open_a_session_on_the_record(client: Client, auditor: User, email: str) -> None:
    assert sign_in(client, email, PASSWORD).status_code == 302
    assert client.get("/trail/").status_code == 200
    assert Entry.objects.get(type="people.session.opened").sentence == "Ada Auditor signed in"


def test_a_wrong_password_is_refused_and_recorded(client: Client, auditor: User) -> None:
    answer = sign_in(client, auditor.email, "wrong")
    assert answer.status_code == 422
    assert "not right" in answer.content.decode()
    assert Entry.objects.get(type="people.session.refused").subject_id == str(auditor.pk)
    assert client.get("/trail/").status_code == 302


def test_a_suspended_person_cannot_sign_in(client: Client, auditor: User, administrator: User) -> None:
    membership.suspend(user=auditor, actor=administrator, reason="Left")
    assert sign_in(client, auditor.email, PASSWORD).status_code == 422


def test_suspension_ends_an_open_session(client: Client, auditor: User, administrator: User) -> None:
    sign_in(client, auditor.email, PASSWORD)
    membership.suspend(user=auditor, actor=administrator, reason="Left")
    assert client.get("/trail/").status_code == 302


def test_signing_out_needs_a_post(client: Client, auditor: User) -> None:
    sign_in(client, auditor.email, PASSWORD)
    assert client.get("/sign-out/").status_code == 405
    client.post("/sign-out/")
    assert client.get("/trail/").status_code == 302


def test_the_password_never_reaches_the_trail(client: Client, auditor: User) -> None:
    sign_in(client, auditor.email, "a-secret-mistyped")
    assert all(b"a-secret-mistyped" not in bytes(entry.body) for entry in Entry.objects.all())


def test_the_headers_are_strict(client: Client, db: None) -> None:
    headers = client.get("/sign-in/").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_an_address_that_no_database_stores_is_a_wrong_one(client: Client, auditor: User) -> None:
    answer = client.post("/sign-in/", {"username": f"{auditor.email}\0", "password": PASSWORD})
    assert answer.status_code == 422


def test_after_signing_in_nobody_is_sent_to_another_site(client: Client, auditor: User) -> None:
    given = {"username": auditor.email, "password": PASSWORD, "next": "https://elsewhere.example/"}
    answer = client.post("/sign-in/?next=https://elsewhere.example/", given)
    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_too_many_wrong_tries_close_the_door_for_a_while(client: Client, auditor: User, settings) -> None:
    settings.AXES_ENABLED = True
    for number in range(settings.AXES_FAILURE_LIMIT):
        answer = sign_in(client, auditor.email[:number].upper() + auditor.email[number:], "wrong")
    assert "too many wrong tries" in answer.content.decode()
    assert sign_in(client, auditor.email, PASSWORD).status_code != 302
    assert client.get("/trail/").status_code == 302
