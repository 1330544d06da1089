"""Erasing over the API: an administrator asks, a compliance officer approves, by the functions of the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from people import membership
from people.models import Erasure, User
from people.roles import Role
from tests import personas
from tests.personas import Bank
from trail.actors import SYSTEM
from trail.models import Entry

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]
ASKED = {"basis": "not_needed", "reason": "She wrote to us"}
APPROVED = {"reason": "Retention is over"}


@pytest.fixture
def leaver(bank: Bank, administrator: User) -> User:
    """Somebody who left."""
    left = personas.person("Lena Leaver", Role.DEVELOPER, home=bank.retail, at=bank.retail)
    membership.suspend(user=left, actor=administrator, reason="Lena Leaver has left the bank")
    return left


@pytest.fixture
def home(leaver: User) -> str:
    return f"/api/v1/users/{leaver.pk}/erasure/"


def codes(answer: Any) -> list[str]:
    """What stands against it, in the shape of every refusal."""
    problem = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (409, "application/problem+json")
    assert problem["detail"]
    assert all(set(each) == {"code", "sentence", "mend", "link"} for each in problem["objections"])
    return [each["code"] for each in problem["objections"]]


def entries(type: str) -> list[Entry]:
    return list(Entry.objects.filter(type=type))


def test_one_asks_and_another_approves(
    home: str, leaver: User, administrator: User, compliance_officer: User, api: Api
) -> None:
    asked = api(administrator).post(home, ASKED)
    assert asked.status_code == 201
    row = Erasure.objects.get()
    assert asked.json()["id"] == str(row.pk)
    assert asked.json()["person"] == str(leaver.pk)
    assert asked.json()["basis"] == "not_needed"
    assert asked.json()["asked_by"] == str(administrator.pk)
    assert asked.json()["approved_by"] is asked.json()["done_at"] is None
    (entry,) = entries("people.erasure.asked")
    assert (entry.actor_name, entry.reason) == (administrator.name, "She wrote to us")

    officer = api(compliance_officer)
    assert officer.get(home).json() == asked.json()
    done = officer.post(f"{home}approve/", APPROVED)
    assert done.status_code == 200
    assert done.json()["approved_by"] == str(compliance_officer.pk)
    assert done.json()["done_at"]
    assert officer.get(home).json() == done.json()
    (entry,) = entries("trail.payload.erased")
    assert (entry.actor_name, entry.reason) == (compliance_officer.name, "Retention is over")
    said = officer.get("/api/v1/users/").content.decode()
    assert "Erased person" in said
    assert "Lena" not in said


class TestAsking:
    @pytest.mark.parametrize("who", ["owner", "compliance_officer", "auditor"])
    def test_only_an_administrator_asks(self, home: str, who: str, request: Any, api: Api) -> None:
        assert codes(api(request.getfixturevalue(who)).post(home, ASKED)) == ["may_not_administer"]
        assert not Erasure.objects.exists()
        (tried,) = entries("trail.attempt.refused")
        assert tried.content["facts"]["attempted"] == "people.erasure.asked"
        assert tried.reason == "She wrote to us"

    def test_somebody_active_is_suspended_first(self, owner: User, administrator: User, api: Api) -> None:
        assert codes(api(administrator).post(f"/api/v1/users/{owner.pk}/erasure/", ASKED)) == ["still_active"]
        assert not Erasure.objects.exists()

    def test_once_is_enough(self, home: str, administrator: User, compliance_officer: User, api: Api) -> None:
        admin = api(administrator)
        assert admin.post(home, ASKED).status_code == 201
        assert codes(admin.post(home, ASKED)) == ["asked_already"]
        assert api(compliance_officer).post(f"{home}approve/", APPROVED).status_code == 200
        assert codes(admin.post(home, ASKED)) == ["erased"]
        assert Erasure.objects.count() == 1

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            ({"basis": "whim"}, "basis"),
            ({"basis": None}, "basis"),
            ({"reason": " "}, "reason"),
            ({"reason": "x" * 1001}, "reason"),
            ({"why": "x"}, "why"),
        ],
    )
    def test_bad_input_names_the_field(
        self, home: str, change: dict[str, Any], where: str, administrator: User, api: Api
    ) -> None:
        answer = api(administrator).post(home, ASKED | change)
        assert answer.status_code == 422
        assert [each["where"] for each in answer.json()["errors"]] == [where]
        assert not Erasure.objects.exists()

    def test_nothing_at_all_names_what_is_needed(self, home: str, administrator: User, api: Api) -> None:
        answer = api(administrator).post(home, {})
        assert {each["where"] for each in answer.json()["errors"]} == {"basis", "reason"}
        assert api(administrator).post(home, [1]).status_code == 422


class TestApproving:
    @pytest.fixture(autouse=True)
    def asked(self, home: str, administrator: User, api: Api) -> None:
        assert api(administrator).post(home, ASKED).status_code == 201

    @pytest.mark.parametrize("who", ["administrator", "owner", "auditor"])
    def test_only_a_compliance_officer_approves(
        self, home: str, who: str, leaver: User, request: Any, api: Api
    ) -> None:
        assert codes(api(request.getfixturevalue(who)).post(f"{home}approve/", APPROVED)) == ["may_not_erase"]
        (tried,) = entries("trail.attempt.refused")
        assert tried.content["facts"]["attempted"] == "trail.payload.erased"
        self.stands(leaver)

    def test_whoever_asks_does_not_approve(
        self, bank: Bank, home: str, leaver: User, administrator: User, api: Api
    ) -> None:
        membership.grant(
            user=administrator,
            role=Role.COMPLIANCE_OFFICER,
            unit=bank.root,
            actor=SYSTEM,
            reason="Holds both",
        )
        assert codes(api(administrator).post(f"{home}approve/", APPROVED)) == ["own_erasure"]
        self.stands(leaver)

    @pytest.mark.parametrize(
        ("given", "where"),
        [
            ({}, "reason"),
            ({"reason": ""}, "reason"),
            ({"reason": ["x"]}, "reason"),
            (APPROVED | {"basis": "consent"}, "basis"),
        ],
    )
    def test_bad_input_names_the_field(
        self, home: str, given: dict[str, Any], where: str, leaver: User, compliance_officer: User, api: Api
    ) -> None:
        answer = api(compliance_officer).post(f"{home}approve/", given)
        assert answer.status_code == 422
        assert [each["where"] for each in answer.json()["errors"]] == [where]
        self.stands(leaver)

    def test_a_token_decides_only_with_the_scope_for_it(
        self, home: str, leaver: User, compliance_officer: User, api: Api
    ) -> None:
        assert api(compliance_officer, scopes=("read", "write")).post(f"{home}approve/", APPROVED).status_code == 403
        self.stands(leaver)
        assert api(compliance_officer, scopes=("sign",)).post(f"{home}approve/", APPROVED).status_code == 200

    def test_what_is_done_is_not_there_to_approve(self, home: str, compliance_officer: User, api: Api) -> None:
        officer = api(compliance_officer)
        assert officer.post(f"{home}approve/", APPROVED).status_code == 200
        assert officer.post(f"{home}approve/", APPROVED).status_code == 404
        assert len(entries("trail.payload.erased")) == 1

    @staticmethod
    def stands(leaver: User) -> None:
        """Nothing was erased, and the erasure still waits."""
        kept = User.objects.get(pk=leaver.pk)
        assert (kept.name, kept.email) == (leaver.name, leaver.email)
        waiting = Erasure.objects.get()
        assert waiting.approved_by is waiting.done_at is None
        assert not entries("trail.payload.erased")


def test_nobody_outside_finds_the_person(home: str, administrator: User, outsider: User, api: Api) -> None:
    assert api(administrator).post(home, ASKED).status_code == 201
    stranger = api(outsider)
    answers = [stranger.get(home), stranger.post(home, ASKED), stranger.post(f"{home}approve/", APPROVED)]
    answers += [stranger.post(home, {}), stranger.post(f"{home}approve/", {})]
    assert [each.status_code for each in answers] == [404] * 5
    assert not entries("trail.attempt.refused")


def test_without_a_request_there_is_nothing_to_read_or_approve(home: str, compliance_officer: User, api: Api) -> None:
    officer = api(compliance_officer)
    assert officer.get(home).status_code == 404
    assert officer.post(f"{home}approve/", APPROVED).status_code == 404


def test_a_token_that_only_reads_asks_for_nothing(home: str, administrator: User, api: Api) -> None:
    assert api(administrator, scopes=("read",)).post(home, ASKED).status_code == 403
    assert not Erasure.objects.exists()


def test_what_an_auditor_reads_of_it_is_on_record(
    home: str, leaver: User, administrator: User, auditor: User, api: Api
) -> None:
    assert api(administrator).post(home, ASKED).status_code == 201
    assert api(auditor).get(home).status_code == 200
    (read,) = entries("people.auditor.read")
    assert (read.actor_name, read.subject_id) == (auditor.name, str(leaver.pk))


def test_an_unknown_field_is_refused_in_every_request_about_people(leaver: User, administrator: User, api: Api) -> None:
    answer = api(administrator).post(f"/api/v1/users/{leaver.pk}/suspend/", {"raeson": "x"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "raeson"
