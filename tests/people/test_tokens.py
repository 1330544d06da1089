"""API tokens: scoped, expiring, hashed, revocable."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from people import membership, tokens
from people.models import ApiToken, User
from trail.errors import BadInput
from trail.models import Entry

pytestmark = pytest.mark.django_db


def bearer(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def made(user: User, **more: Any) -> tuple[ApiToken, str]:
    given = {"name": "ci", "scopes": ["read"], "days": 30, "actor": user, "reason": "A pipeline"} | more
    return tokens.create(user=user, **given)


def test_only_a_hash_is_kept(owner: User) -> None:
    token, secret = made(owner)
    assert token.sha256 == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in str(ApiToken.objects.values().get())
    assert all(secret.encode() not in bytes(entry.body) for entry in Entry.objects.all())


def test_the_command_prints_the_secret_once_and_alone(auditor: User) -> None:
    out, err = StringIO(), StringIO()
    call_command("create_token", auditor.email, "--scope", "read,gate", "--scope", "write", stdout=out, stderr=err)
    secret = out.getvalue().strip()
    assert bearer(secret).get("/api/v1/trail/").status_code == 200
    assert secret not in err.getvalue()
    assert ApiToken.objects.get().scopes == ["gate", "read", "write"]


@pytest.mark.parametrize(
    ("email", "scope", "sentence"),
    [
        ("nobody@bank.example", "read", "Nobody has"),
        ("ada.auditor@bank.example", "root", "There is no scope root; choose from"),
    ],
)
def test_the_command_says_what_is_wrong(auditor: User, email: str, scope: str, sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("create_token", email, "--scope", scope)


def test_a_token_outside_its_days_is_refused(owner: User) -> None:
    _, secret = made(owner, days=1)
    assert bearer(secret).get("/api/v1/trail/").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(days=2), tick=False):
        answer = bearer(secret).get("/api/v1/trail/")
    assert answer.status_code == 401
    assert "expired" in answer.json()["detail"]


@pytest.mark.parametrize("days", [0, 367])
def test_a_token_never_lives_for_ever(owner: User, days: int) -> None:
    with pytest.raises(BadInput, match="1 to 366 days"):
        made(owner, days=days)


def test_a_revoked_token_and_a_suspended_person_are_shut_out(owner: User, administrator: User) -> None:
    token, secret = made(owner)
    tokens.revoke(token=token, actor=owner, reason="Leaked")
    assert bearer(secret).get("/api/v1/trail/").status_code == 401
    _, another = made(owner)
    membership.suspend(user=owner, actor=administrator, reason="Left")
    assert bearer(another).get("/api/v1/trail/").status_code == 401


def test_a_missing_scope_is_named(owner: User) -> None:
    _, secret = made(owner, scopes=["gate"])
    answer = bearer(secret).get("/api/v1/trail/")
    assert answer.status_code == 403
    assert answer.json()["detail"].startswith("This token lacks the scope “read”")


def test_a_wrong_token_is_refused(db: None) -> None:
    assert bearer("cs_wrong").get("/api/v1/trail/").status_code == 401
