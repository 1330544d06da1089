"""A person's data is erased by two people; what was proven stays proven, and signatures keep their name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from people import credentials, erasing, membership
from people.models import Erasure, Passkey, User
from people.roles import Role
from tests import personas
from tests.passkeys import add
from tests.personas import PASSWORD, WHY, Bank
from trail import checkpoints, merkle
from trail.errors import BadInput, Refused
from trail.models import Entry, Image, Payload

pytestmark = pytest.mark.django_db


@pytest.fixture
def leaver(bank: Bank, administrator: User) -> User:
    """Somebody who acted, was written about, and left."""
    left = personas.person("Lena Leaver", Role.ADMINISTRATOR, home=bank.retail, at=bank.retail)
    membership.open_unit(name="Leasing", parent=bank.retail, actor=left, reason="Lena Leaver wants a desk of her own")
    membership.suspend(user=left, actor=administrator, reason="Lena Leaver has left the bank")
    return left


def asked(leaver: User, administrator: User) -> Erasure:
    return erasing.ask(person=leaver, basis="not_needed", actor=administrator, reason="She wrote to us")


def test_nothing_that_can_be_read_names_them(leaver: User, administrator: User, compliance_officer: User) -> None:
    erasing.approve(asked=asked(leaver, administrator), actor=compliance_officer, reason="Retention is over")
    for payload in Payload.objects.all():
        for said in ("Lena Leaver", "lena.leaver@bank.example"):
            assert said.encode() not in bytes(payload.disclosed)
            assert said not in f"{payload.actor_name} {payload.subject_label} {payload.reason}"
    kept = Image.objects.filter(row_type="people.user", row_id=str(leaver.pk)).exclude(disclosed=None)
    assert [image.values["name"] for image in kept if image.values] == ["Erased person"]
    account = User.objects.get(pk=leaver.pk)
    assert (account.name, account.is_active, account.has_usable_password()) == ("Erased person", False, False)
    assert account.email == f"erased-{leaver.pk}@invalid"
    opened = Entry.objects.get(type="people.unit.opened", actor_id=str(leaver.pk))
    assert opened.sentence == "[erased] opened the unit Leasing"


def test_what_they_called_their_passkeys_goes_too(bank: Bank, administrator: User, compliance_officer: User) -> None:
    leaver = personas.person("Pat Passkey", home=bank.retail, at=bank.retail)
    add(leaver, name="My daughter’s phone")
    credentials.reset(person=leaver, actor=administrator, reason="Left at home")
    membership.suspend(user=leaver, actor=administrator, reason=WHY)
    erasing.approve(asked=asked(leaver, administrator), actor=compliance_officer, reason=WHY)
    for kept in (*Payload.objects.all(), *Image.objects.all()):
        assert b"daughter" not in bytes(kept.disclosed or b"")
    assert set(Passkey.objects.values_list("name", flat=True)) == {"Erased passkey"}
    assert not Passkey.objects.filter(removed_at=None).exists()
    assert all(Passkey.objects.values_list("public_key", flat=True))  # what they signed stays verifiable


def test_every_proof_from_before_holds(leaver: User, administrator: User, compliance_officer: User) -> None:
    before = checkpoints.current()
    erasing.approve(asked=asked(leaver, administrator), actor=compliance_officer, reason=WHY)
    for each in checkpoints.inclusions(list(range(before.size)), size=before.size):
        merkle.verify_inclusion(each.index, each.size, merkle.leaf_hash(each.body), each.proof, bytes(before.root))


def test_the_erasure_itself_is_on_record_without_the_name(
    leaver: User, administrator: User, compliance_officer: User
) -> None:
    erasing.approve(asked=asked(leaver, administrator), actor=compliance_officer, reason="Retention is over")
    assert Entry.objects.get(type="people.erasure.asked").actor_name == administrator.name
    entry = Entry.objects.get(type="trail.payload.erased")
    assert entry.actor_name == compliance_officer.name
    assert entry.content["facts"]["basis"] == "No longer needed (Art. 17 (1) a)"
    assert entry.content["facts"]["asked_by"] == str(administrator.pk)
    assert entry.subject_label == "Erased person"


class TestRefusals:
    def test_somebody_active_is_suspended_first(self, owner: User, administrator: User) -> None:
        with pytest.raises(Refused, match="still has access"):
            erasing.ask(person=owner, basis="consent", actor=administrator, reason=WHY)

    def test_only_an_administrator_asks(self, leaver: User, owner: User, compliance_officer: User) -> None:
        for person in (owner, compliance_officer):
            with pytest.raises(Refused, match="may not administer"):
                erasing.ask(person=leaver, basis="consent", actor=person, reason=WHY)

    def test_only_a_compliance_officer_approves(self, leaver: User, administrator: User, owner: User) -> None:
        request = asked(leaver, administrator)
        for person in (administrator, owner):
            with pytest.raises(Refused, match="may not approve that a person’s data is erased"):
                erasing.approve(asked=request, actor=person, reason=WHY)
        assert User.objects.get(pk=leaver.pk).name == "Lena Leaver"
        tried = Entry.objects.filter(type="trail.attempt.refused")
        assert [each.content["facts"]["attempted"] for each in tried] == ["trail.payload.erased"] * 2

    def test_whoever_asks_does_not_approve(self, bank: Bank, leaver: User) -> None:
        both = personas.person("Bo Both", Role.ADMINISTRATOR, Role.COMPLIANCE_OFFICER, home=bank.root, at=bank.root)
        with pytest.raises(Refused, match="whoever asks does not approve"):
            erasing.approve(asked=asked(leaver, both), actor=both, reason=WHY)

    def test_once_is_enough(self, leaver: User, administrator: User, compliance_officer: User) -> None:
        request = asked(leaver, administrator)
        with pytest.raises(Refused, match="has been asked for"):
            asked(leaver, administrator)
        erasing.approve(asked=request, actor=compliance_officer, reason=WHY)
        with pytest.raises(Refused, match="erased already"):
            erasing.approve(asked=request, actor=compliance_officer, reason=WHY)
        with pytest.raises(Refused, match="erased already"):
            asked(User.objects.get(pk=leaver.pk), administrator)

    def test_an_unknown_ground_is_named(self, leaver: User, administrator: User) -> None:
        with pytest.raises(BadInput, match="“whim” is no ground"):
            erasing.ask(person=leaver, basis="whim", actor=administrator, reason=WHY)


def test_on_the_page(
    leaver: User, administrator: User, compliance_officer: User, page: Callable[[User], Client]
) -> None:
    home, form = f"/people/{leaver.pk}/", {"basis": "not_needed", "reason": "She wrote to us"}
    assert page(administrator).post(f"{home}erasure/", form).status_code == 302
    refused = page(administrator).post(f"{home}erasure/approve/", {"reason": "Quickly"})
    assert refused.status_code == 422
    assert "may not approve" in refused.content.decode()
    assert page(compliance_officer).post(f"{home}erasure/approve/", {"reason": "Right"}).status_code == 302
    text = page(compliance_officer).get(home).content.decode()
    assert "Erased person" in text
    assert "Lena" not in text
    assert not Client().login(username=leaver.email, password=PASSWORD)
