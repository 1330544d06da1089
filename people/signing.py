"""Electronic signatures: the signer proves who they are each time, and signs the exact bytes they were shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from people.models import Meaning, Signature, User
from people.roles import Role
from trail.actors import HasSubject
from trail.canonical import canonical, digest
from trail.errors import Objection, Refused
from trail.events import Event
from trail.models import Entry
from trail.record import Draft

MOST_WRONG_TRIES = 5
WINDOW = timedelta(minutes=15)


@contextmanager
def one_try_at_a_time(signer: User) -> Iterator[None]:
    """Hold the signer's row from before a password is tried until a refusal is on record, so that tries made side by
    side can't outrun the count. Open it around the recording."""
    refused: Refused | None = None
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=signer.pk)
        try:
            yield
        except Refused as standing:
            refused = standing  # its entry commits with this transaction
    if refused:
        raise refused


def credential_objections(signer: User, password: str) -> list[Objection]:
    """A password at every signing; too many wrong ones close signing for a while."""
    recent = Entry.objects.filter(
        type=Event.ATTEMPT_REFUSED.value, actor_id=str(signer.pk), at__gte=timezone.now() - WINDOW
    )
    wrong = sum("wrong_password" in entry.content["facts"]["codes"] for entry in recent)
    if wrong >= MOST_WRONG_TRIES:
        return [
            Objection(
                "too_many_tries",
                f"{wrong} wrong passwords in {WINDOW.seconds // 60} minutes: signing is closed for now.",
                f"Try again in {WINDOW.seconds // 60} minutes.",
            )
        ]
    if not password or not signer.check_password(password):
        return [Objection("wrong_password", "The password is not right; nothing was signed.", "Type it again.")]
    return []


def statement(*, signer: User, role: Role, meaning: Meaning, comment: str, dossier: dict[str, Any]) -> bytes:
    """The canonical bytes the signer is shown: what is signed, by whom, in which role, meaning what."""
    return canonical(
        {
            "v": 1,
            "signer": {"id": str(signer.pk), "name": signer.name},
            "role": role.value,
            "meaning": meaning.value,
            "meaning_text": meaning.label,
            "comment": comment,
            "dossier": dossier,
            "dossier_digest": digest(canonical(dossier)),
        }
    )


def sign(
    entry: Draft,
    *,
    signer: User,
    role: Role,
    meaning: Meaning,
    comment: str,
    dossier: dict[str, Any],
    about: HasSubject,
) -> Signature:
    """Add a signature in the caller's recording. The caller has checked the credential and every rule."""
    shown = statement(signer=signer, role=role, meaning=meaning, comment=comment, dossier=dossier)
    subject = about.subject
    signature = Signature(
        signer=signer,
        signer_name=signer.name,
        role=role,
        meaning=meaning,
        comment=comment,
        about_type=subject.type,
        about_id=subject.id,
        dossier_digest=digest(canonical(dossier)),
        statement=shown,
        digest=digest(shown),
        unit=subject.unit,
        signed_at=timezone.now(),
    )
    entry.create(signature)
    entry.facts |= {
        "signature": signature.pk,
        "digest": signature.digest,
        "dossier_digest": signature.dossier_digest,
        "role": role.label,
        "meaning": meaning.label,
    }
    return signature
