"""Erasing a person’s data: an administrator asks, a compliance officer approves, and it is done (GDPR, Art. 17).

Signatures keep their printed name: records that a law asks for are not erased (Art. 17 (3) b).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.db.models import QuerySet
from django.utils import timezone

from people.access import require
from people.events import Event
from people.membership import require_over
from people.models import Erasure, Passkey, User
from people.roles import Duty
from trail import erasure
from trail.actors import Subject
from trail.errors import BadInput, Objection, Refused
from trail.events import Event as Trail
from trail.models import Entry
from trail.record import recording, together

ERASED_NAME = "Erased person"
ERASED_PASSKEY = "Erased passkey"
# words which somebody chose for what is theirs alone: the entries that hold them, and under which name
OWN_WORDS = {
    Event.PASSKEY_ADDED.value: "facts.name",
    Event.PASSKEY_REMOVED.value: "facts.name",
    Event.METHODS_RESET.value: "facts.names",
}


def ask(*, person: User, basis: str, actor: User, reason: str) -> Erasure:
    """Ask that somebody's data be erased. They are suspended first: nobody acts without a name."""
    if basis not in Erasure.Basis.values:
        raise BadInput(f"“{basis[:40]}” is no ground; choose from {', '.join(Erasure.Basis.values)}.", where="basis")
    with recording(Event.ERASURE_ASKED, actor=actor, reason=reason, subject=person) as entry:
        require_over(actor, person)
        if standing := _objections(person):
            raise Refused(standing)
        entry.facts = {"basis": Erasure.Basis(basis).label}
        asked = Erasure(person=person, basis=basis, asked_by=actor)
        return entry.create(asked, "basis")


def approve(*, asked: Erasure, actor: User, reason: str) -> None:
    """Erase: out of the account, out of every payload that says the name or the address, out of the row's images."""
    with together():
        _erase(asked, actor, reason)


def _erase(asked: Erasure, actor: User, reason: str) -> None:
    person, email = asked.person, asked.person.email
    nobody = Subject("people.user", str(person.pk), ERASED_NAME, person.unit.path)
    rows: list[User | Passkey] = [person, *person.passkeys.all()]
    batches = _batches({entry.pk: entry for entry in [*erasure.mentions([person.name, email]), *_own(person)]})
    for batch in batches:
        with recording(Trail.ERASED, actor=actor, reason=reason, subject=nobody) as entry:
            require(actor, Duty.ERASE, person.unit.path)
            _refuse_alone(asked, actor)
            erasure.erase(entry, batch, _says(person), rows=rows)
            entry.facts |= {"basis": asked.get_basis_display(), "asked_by": asked.asked_by_id}
            if batch is batches[-1]:
                for row in rows:
                    _empty(row)
                    entry.save(row)
                asked.approved_by, asked.done_at = actor, timezone.now()
                entry.save(asked)
    for table in (AccessAttempt, AccessLog, AccessFailureLog):
        table.objects.filter(username=email).delete()


def _own(person: User) -> QuerySet[Entry]:
    return Entry.objects.filter(type__in=OWN_WORDS, subject_id=str(person.pk))


def _batches(entries: dict[UUID, Entry]) -> list[list[Entry]]:
    found = list(entries.values())
    return [found[at : at + erasure.MOST] for at in range(0, len(found), erasure.MOST)] or [found]


def _says(person: User) -> erasure.Chooses:
    name, email = person.name, person.email

    def chooses(entry: Entry, field: str, value: Any) -> bool:
        own = entry.subject_id == str(person.pk) and OWN_WORDS.get(entry.type) == field
        return own or name in str(value) or email in str(value)

    return chooses


def _empty(row: User | Passkey) -> None:
    if isinstance(row, Passkey):
        row.name, row.removed_at = ERASED_PASSKEY, row.removed_at or timezone.now()
        return
    row.name, row.email, row.is_active = ERASED_NAME, f"erased-{row.pk}@invalid", False
    row.set_unusable_password()


def _objections(person: User) -> list[Objection]:
    if person.name == ERASED_NAME:
        return [Objection("erased", "This person’s data is erased already.")]
    if person.is_active:
        return [Objection("still_active", f"{person.name} still has access.", "Suspend them first.")]
    if person.erasures.filter(done_at=None).exists():
        return [Objection("asked_already", "The erasure has been asked for.", "A compliance officer approves it.")]
    return []


def _refuse_alone(asked: Erasure, actor: User) -> None:
    if asked.done_at is not None:
        raise Refused(Objection("erased", "This person’s data is erased already."))
    if actor.pk == asked.asked_by_id:
        sentence = f"{actor.name} asked for this erasure, and whoever asks does not approve."
        raise Refused(Objection("own_erasure", sentence, "Ask another compliance officer."))
