"""Administering people: on pages, over the API, and never for oneself."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from people import membership, queries, tokens
from people.models import RoleGrant, User
from people.roles import MAY, Duty, Role
from tests.personas import PASSWORD, WHY, Bank
from trail.actors import SYSTEM
from trail.errors import BadInput, Refused
from trail.models import Entry

pytestmark = pytest.mark.django_db


def test_an_administrator_never_signs_or_releases() -> None:
    assert MAY[Role.ADMINISTRATOR] == {Duty.ADMINISTER}
    assert not MAY[Role.AUDITOR] & {Duty.SIGN, Duty.RELEASE, Duty.REGISTER, Duty.REQUEST}


def test_a_role_holds_in_its_unit_and_below_and_nowhere_else(bank: Bank, owner: User, validator: User) -> None:
    assert queries.roles_at(owner, "bank/retail") == {Role.OWNER}
    assert queries.roles_at(owner, "bank") == set()
    assert queries.roles_at(owner, "bank/retail-two") == set()
    assert queries.roles_at(validator, "bank/retail") == {Role.VALIDATOR}


def test_a_person_is_added_granted_revoked_and_suspended_over_the_api(
    api: Any, bank: Bank, administrator: User
) -> None:
    client = api(administrator)
    added = client.post("/api/v1/users/", {"email": "New.One@bank.example", "name": "New One", "unit": "bank/retail"})
    assert added.status_code == 201, added.json()
    user = added.json()["user"]
    assert user["email"] == "new.one@bank.example"
    assert Entry.objects.filter(type="people.user.added").latest("at").sentence == "Adam Administrator added New One"

    granted = client.post(f"/api/v1/users/{user['id']}/roles/", {"role": "developer", "unit": "bank/retail"})
    assert granted.status_code == 201, granted.json()
    again = client.post(f"/api/v1/users/{user['id']}/roles/", {"role": "developer", "unit": "bank/retail"})
    assert (again.status_code, "already" in again.json()["detail"]) == (409, True)
    revoked = client.post(f"/api/v1/roles/{granted.json()['id']}/revoke/", {"reason": "Moved"})
    assert revoked.json()["revoked_at"]
    assert Entry.objects.get(type="people.role.revoked").content["reason"] == "Moved"
    assert client.post(f"/api/v1/users/{user['id']}/suspend/").json()["is_active"] is False


@pytest.mark.parametrize("who", ["owner", "validator", "auditor", "risk_officer"])
def test_only_an_administrator_looks_after_people(
    api: Any, bank: Bank, request: Any, developer: User, who: str
) -> None:
    client = api(request.getfixturevalue(who))
    before = (User.objects.count(), RoleGrant.objects.count())
    unit = "bank/retail"
    answers = [
        client.post("/api/v1/users/", {"email": "x@bank.example", "name": "X", "unit": unit}),
        client.post(f"/api/v1/users/{developer.pk}/roles/", {"role": "validator", "unit": unit}),
    ]
    for answer in answers:
        assert answer.status_code in {404, 409}, answer.json()
    assert (User.objects.count(), RoleGrant.objects.count()) == before


def test_nobody_outside_sees_the_people_of_the_bank(api: Any, page: Any, owner: User, outsider: User) -> None:
    names = {row["name"] for row in api(outsider).get("/api/v1/users/").json()["results"]}
    assert names == {"Otto Outsider"}
    assert api(outsider).post(f"/api/v1/users/{owner.pk}/suspend/").status_code == 404
    assert page(outsider).get(f"/people/{owner.pk}/").status_code == 404


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"email": "not an address", "name": "X", "unit": "bank"}, "email"),
        ({"email": "ada.auditor@bank.example", "name": "X", "unit": "bank"}, "email"),
        ({"email": "x@bank.example", "name": "X", "unit": "elsewhere"}, "unit"),
        ({"email": "x@bank.example", "unit": "bank"}, "name"),
    ],
)
def test_bad_input_names_the_field(api: Any, auditor: User, administrator: User, given: Any, where: str) -> None:
    answer = api(administrator).post("/api/v1/users/", given)
    assert answer.status_code in {409, 422}
    assert answer.json()["errors"][0]["where"].startswith(where)


def link_for(page: Any, administrator: User, person: User) -> str:
    answer = page(administrator).post(f"/people/{person.pk}/password-link/", {"reason": "Forgot it"})
    found = re.search(r"http://testserver(/set-password/[^\"<]+)", answer.content.decode())
    assert found
    return found.group(1)


def test_a_person_sets_their_own_password_once_with_a_link(
    page: Any, client: Client, owner: User, administrator: User
) -> None:
    path = link_for(page, administrator, owner)
    assert Entry.objects.get(type="people.password.offered").actor_name == "Adam Administrator"
    given = {"password": "a new and long secret", "again": "a new and long secret"}
    assert client.post(path, given).status_code == 302
    assert Entry.objects.get(type="people.password.set").actor_name == "Olga Owner"
    assert User.objects.get(pk=owner.pk).check_password("a new and long secret")
    spent = client.post(path, given)
    assert (spent.status_code, "was used" in spent.content.decode()) == (422, True)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"password": "short", "again": "short"}, "too short"),
        ({"password": "a new and long secret", "again": "another long secret"}, "The two differ"),
    ],
)
def test_a_password_that_will_not_do(
    page: Any, client: Client, owner: User, administrator: User, given: Any, sentence: str
) -> None:
    answer = client.post(link_for(page, administrator, owner), given)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert User.objects.get(pk=owner.pk).check_password(PASSWORD)


def test_a_link_is_good_for_a_day(page: Any, client: Client, owner: User, administrator: User) -> None:
    path = link_for(page, administrator, owner)
    with time_machine.travel(timezone.now() + timedelta(hours=25), tick=False):
        given = {"password": "a new and long secret", "again": "a new and long secret"}
        assert client.post(path, given).status_code == 422


def test_the_pages_add_grant_and_end(page: Any, bank: Bank, administrator: User) -> None:
    client = page(administrator)
    given = {"email": "p@bank.example", "name": "Paula Page", "unit": str(bank.retail.pk), "reason": "Joined"}
    assert client.post("/people/new/", given).status_code == 302
    paula = User.objects.get(email="p@bank.example")
    role = {"role": "owner", "unit": str(bank.retail.pk), "reason": "Takes over"}
    assert client.post(f"/people/{paula.pk}/roles/", role).status_code == 302
    grant = RoleGrant.objects.get(user=paula)
    assert "Model owner" in client.get("/people/").content.decode()
    assert client.post(f"/roles/{grant.pk}/revoke/", {"reason": "Left again"}).status_code == 302
    assert client.post(f"/people/{paula.pk}/suspend/", {"reason": "Left"}).status_code == 302
    assert not User.objects.get(pk=paula.pk).is_active


def test_an_administrators_own_role_is_refused_on_the_page(page: Any, bank: Bank, administrator: User) -> None:
    role = {"role": "validator", "unit": str(bank.root.pk), "reason": "Why not"}
    answer = page(administrator).post(f"/people/{administrator.pk}/roles/", role)
    assert answer.status_code == 422
    assert "Nobody grants a role to themselves" in answer.content.decode()


def test_a_unit_of_the_same_path_is_refused(bank: Bank) -> None:
    with pytest.raises(BadInput, match="bank/retail already"):
        membership.open_unit(name="Retail", parent=bank.root, actor=SYSTEM, reason=WHY)


def test_a_suspended_person_gets_no_link(bank: Bank, owner: User, administrator: User) -> None:
    membership.suspend(user=owner, actor=administrator, reason="Left")
    with pytest.raises(Refused, match="suspended"):
        membership.issue_password_link(user=owner, actor=administrator, reason="Back?")


def test_creating_and_revoking_a_token_is_recorded(api: Any, owner: User) -> None:
    token, _ = tokens.create(user=owner, name="ci", scopes=["read"], days=1, actor=owner, reason="A pipeline")
    assert Entry.objects.get(type="people.token.created").content["facts"]["scopes"] == ["read"]
    assert api(owner).post(f"/api/v1/tokens/{token.pk}/revoke/").status_code == 204
    assert Entry.objects.get(type="people.token.revoked").content["facts"]["name"] == "ci"


def test_the_first_administrator_comes_from_the_command_line(db: None, client: Client) -> None:
    out = StringIO()
    call_command("add_administrator", "first@new.example", "--name", "First One", "--unit", "New Bank", stdout=out)
    given = {"password": "a new and long secret", "again": "a new and long secret"}
    assert client.post(out.getvalue().strip(), given).status_code == 302
    first = User.objects.get(email="first@new.example")
    assert queries.roles_at(first, "new-bank") == {Role.ADMINISTRATOR}
    with pytest.raises(CommandError, match="has an account already"):
        call_command("add_administrator", "first@new.example", "--name", "Again", "--unit", "New Bank")
