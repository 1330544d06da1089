"""What entries say of a person can be erased; what was proven stays proven."""

from __future__ import annotations

from typing import Any

import pytest

from people import membership
from people.models import User
from tests.personas import WHY, Bank
from trail import checkpoints, erasure, merkle
from trail.actors import SYSTEM
from trail.events import Event
from trail.models import ERASED, Entry, Image, Payload
from trail.record import recording

pytestmark = pytest.mark.django_db


def says(person: User) -> erasure.Chooses:
    def chooses(entry: Entry, name: str, value: Any) -> bool:
        return person.name in str(value) or person.email in str(value)

    return chooses


def erase(person: User) -> Entry:
    found = list(erasure.mentions([person.name, person.email]))
    with recording(Event.ERASED, actor=SYSTEM, reason="Asked for by the person", subject=person) as draft:
        erasure.erase(draft, found, says(person), rows=[person])
        draft.about = person.subject.__class__("people.user", str(person.pk), "Erased person", person.unit.path)
    return Entry.objects.get(type=Event.ERASED.value)


def test_nothing_that_is_left_holds_the_name(bank: Bank, owner: User, administrator: User) -> None:
    membership.suspend(user=owner, actor=administrator, reason="Olga Owner has left")
    erase(owner)
    for payload in Payload.objects.all():
        assert owner.name.encode() not in bytes(payload.disclosed)
        assert owner.email.encode() not in bytes(payload.disclosed)
        assert owner.name not in payload.reason + payload.subject_label + payload.actor_name
    assert not Image.objects.filter(row_id=str(owner.pk)).exclude(disclosed=None).exists()
    suspended = Entry.objects.get(type="people.user.suspended")
    assert (suspended.reason, suspended.subject_label, suspended.actor_name) == (ERASED, ERASED, "Adam Administrator")


def test_every_proof_from_before_holds_after(bank: Bank, owner: User) -> None:
    before = checkpoints.current()
    proven = checkpoints.inclusions(list(range(before.size)), size=before.size)
    erase(owner)
    after = checkpoints.inclusions(list(range(before.size)), size=before.size)
    assert [each.proof for each in proven] == [each.proof for each in after]
    for each in after:
        merkle.verify_inclusion(each.index, each.size, merkle.leaf_hash(each.body), each.proof, bytes(before.root))


def test_the_erasure_is_an_entry_that_lists_what_went(bank: Bank, owner: User) -> None:
    entry = erase(owner)
    facts = entry.content["facts"]
    added = Entry.objects.get(type="people.user.added", subject_id=str(owner.pk))
    assert set(facts["entries"][str(added.pk)]) == {"subject.label", "changes.email", "changes.name"}
    assert entry.sentence == f"Countersign erased what {facts['count']} entries said of Erased person"
    assert facts["images"]


def test_what_says_nothing_of_the_person_stays(bank: Bank, owner: User, developer: User) -> None:
    erase(owner)
    added = Entry.objects.get(type="people.user.added", subject_id=str(developer.pk))
    assert added.subject_label == developer.name
    assert added.reason == WHY
