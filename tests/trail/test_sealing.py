"""A leaf names nobody: what could is committed to, and can be erased without harm to any proof."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from people import membership
from people.models import Unit, User
from tests.personas import WHY, Bank
from trail import images, sealing
from trail.actors import SYSTEM
from trail.canonical import canonical
from trail.models import ERASED, Entry, Image, Payload

pytestmark = pytest.mark.django_db


def of(entry: Entry) -> Entry:
    return Entry.objects.select_related("payload").get(pk=entry.pk)


def test_the_body_holds_no_name_no_reason_and_no_value(bank: Bank, owner: User, administrator: User) -> None:
    membership.suspend(user=owner, actor=administrator, reason="Left under a cloud")
    entry = Entry.objects.get(type="people.user.suspended")
    body = bytes(entry.body).decode()
    for said in ("Olga", "Adam", "cloud", owner.email):
        assert said not in body
    assert str(owner.pk) in body
    assert entry.content["reason"] == "Left under a cloud"


def test_every_value_said_is_committed_to_with_a_salt_of_its_own(bank: Bank, owner: User) -> None:
    salts = set()
    for entry in Entry.objects.select_related("payload"):
        sealed = json.loads(bytes(entry.body))["sealed"]
        said = json.loads(bytes(entry.payload.disclosed))
        assert {name for _, name, _ in said} == set(sealed)
        for salt, name, value in said:
            disclosure = json.dumps([salt, name, value], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            assert b64encode(sha256(disclosure.encode()).digest()).decode() == sealed[name]
            salts.add(salt)
    assert len(salts) == sum(len(json.loads(bytes(each.disclosed))) for each in Payload.objects.all())


def test_an_erased_value_reads_erased_and_a_guess_can_not_be_confirmed(bank: Bank, owner: User) -> None:
    entry = Entry.objects.filter(type="people.user.added", subject_id=str(owner.pk)).get()
    sealed = json.loads(bytes(entry.body))["sealed"]
    guess = json.dumps(["", "subject.label", owner.name], separators=(",", ":")).encode()
    assert b64encode(sha256(guess).digest()).decode() not in sealed.values()
    assert b64encode(sha256(owner.name.encode()).digest()).decode() not in sealed.values()
    from trail import guard

    with guard.opened():
        Payload.objects.filter(pk=entry.pk).update(subject_label="", disclosed=b"[]")
    content = of(entry).content
    assert content["subject"] == {"id": str(owner.pk), "type": "people.user", "label": ERASED}
    assert content["changes"]["email"] == [ERASED, ERASED]


def test_the_state_of_each_row_written_is_kept_without_its_secrets(bank: Bank, owner: User) -> None:
    image = Image.objects.filter(row_type="people.user", row_id=str(owner.pk)).latest("id")
    assert image.values is not None
    assert image.values["email"] == owner.email
    assert "password" not in image.values
    assert sealing.rows_commitment([bytes(image.digest)]) == json.loads(bytes(image.entry.body))["rows"]


def test_every_governed_row_equals_its_newest_image(bank: Bank, owner: User, administrator: User) -> None:
    membership.suspend(user=owner, actor=administrator, reason="Left")
    for model in (Unit, User):
        for row in model.objects.all():
            newest = Image.objects.filter(row_type=row._meta.label_lower, row_id=str(row.pk)).latest("id")
            assert newest.values == images.values(row)


def test_entries_of_one_action_are_known_by_it(bank: Bank) -> None:
    from trail.record import one_action

    with one_action():
        for name in ("North", "South"):
            membership.open_unit(name=name, parent=bank.root, actor=SYSTEM, reason=WHY)
    membership.open_unit(name="West", parent=bank.root, actor=SYSTEM, reason=WHY)
    north, south, west = (Entry.objects.get(payload__subject_label=name) for name in ("North", "South", "West"))
    assert north.action == south.action != west.action


@given(st.text(), st.text(alphabet=st.characters(codec="ascii")))
def test_a_disclosure_is_canonical_however_it_was_made(value: str, name: str) -> None:
    made = sealing._disclosure("c2FsdA==", name or "n", value)
    assert made == canonical(json.loads(made))
