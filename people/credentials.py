"""Passkeys and authenticator apps of one's own: added and removed with a proof, and taken away by an administrator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from people import passkeys, totp
from people.events import Event
from people.membership import By, require_over
from people.models import Authenticator, Method, Passkey, User
from people.signing import Credential, Proof, held, one_try_at_a_time, prove, shown_objections
from trail.canonical import canonical, digest
from trail.errors import BadInput, Objection, Refused
from trail.events import Vocabulary
from trail.record import recording

MOST_PASSKEYS = 10
LONGEST_NAME = 100
FRESH = timedelta(minutes=5)
SIGN_IN = "sign-in"


@dataclass(frozen=True)
class FreshSignIn:
    """The proof of someone who has nothing else yet: they came by single sign-on a moment ago."""

    at: datetime | None


def act(event: Vocabulary, person: User, about: str, shown_at: datetime) -> bytes:
    """The bytes that a passkey answers to when it proves an act on one's own account."""
    said = {"id": str(person.pk), "name": person.name}
    return canonical({"v": 1, "act": event.value, "person": said, "about": about, "shown_at": shown_at.isoformat()})


def add_passkey(
    *,
    person: User,
    name: str,
    registration: str,
    challenge: bytes,
    credential: Credential | FreshSignIn,
    shown_at: datetime,
) -> Passkey:
    """Add a passkey that the browser made for `challenge`, which is also what the proof is about."""
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise BadInput(f"A passkey needs a name of 1 to {LONGEST_NAME} characters.", where="name")
    try:
        made = passkeys.made(registration, challenge)
    except passkeys.Unproven as unproven:
        raise BadInput(str(unproven), where="registration") from unproven
    with (
        one_try_at_a_time(person),
        recording(Event.PASSKEY_ADDED, actor=person, reason="Added on the account page", subject=person) as entry,
    ):
        proof = _proven(Event.PASSKEY_ADDED, person, credential, digest(challenge), shown_at)
        if len(held(person).passkeys) >= MOST_PASSKEYS:
            raise Refused(Objection("too_many_passkeys", f"One person holds at most {MOST_PASSKEYS} passkeys."))
        if Passkey.objects.filter(credential_id=made.credential_id).exists():
            raise BadInput("This passkey was added before; make a new one.", where="registration", status=409)
        passkey = Passkey(
            user=person,
            name=name,
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
        )
        entry.facts = _stated(passkey) | {"proof": _said(credential, proof)}
        proof.spend(entry)
        return entry.create(passkey)


def remove_passkey(*, passkey: Passkey, credential: Credential, shown_at: datetime) -> None:
    person = passkey.user
    with (
        one_try_at_a_time(person),
        recording(Event.PASSKEY_REMOVED, actor=person, reason="Removed on the account page", subject=person) as entry,
    ):
        proof = _proven(Event.PASSKEY_REMOVED, person, credential, str(passkey.pk), shown_at)
        proof.spend(entry)
        passkey.refresh_from_db()
        if passkey.removed_at:
            raise BadInput("This passkey was removed already.", status=409)
        entry.facts = _stated(passkey) | {"proof": _said(credential, proof)}
        entry.change(passkey, removed_at=timezone.now())


def add_authenticator(
    *, person: User, sealed: str, code: str, credential: Credential | FreshSignIn, shown_at: datetime
) -> Authenticator:
    """Add an authenticator app that shows a right code for the secret on the page (`sealed`)."""
    try:
        secret = totp.unseal(sealed, person, longest=totp.LONGEST_SETUP)
    except totp.Unreadable:
        raise BadInput("This QR code is older than ten minutes; scan the new one.", where="confirmation") from None
    with (
        one_try_at_a_time(person),
        recording(Event.TOTP_ADDED, actor=person, reason="Added on the account page", subject=person) as entry,
    ):
        proof = _proven(Event.TOTP_ADDED, person, credential, digest(sealed.encode()), shown_at)
        if held(person).authenticator:
            sentence = f"{person.name} has an authenticator app already."
            raise Refused(Objection("one_authenticator", sentence, "Remove it first."))
        step = totp.step_of(secret, code, after=0)
        if step is None:
            raise BadInput("The app shows another code; check the clock of the device.", where="confirmation")
        entry.facts = {"proof": _said(credential, proof)}
        proof.spend(entry)
        return entry.create(Authenticator(user=person, secret=totp.seal(secret, person), last_step=step))


def remove_authenticator(*, authenticator: Authenticator, credential: Credential, shown_at: datetime) -> None:
    person = authenticator.user
    with (
        one_try_at_a_time(person),
        recording(Event.TOTP_REMOVED, actor=person, reason="Removed on the account page", subject=person) as entry,
    ):
        proof = _proven(Event.TOTP_REMOVED, person, credential, str(authenticator.pk), shown_at)
        proof.spend(entry)
        authenticator.refresh_from_db()
        if authenticator.removed_at:
            raise BadInput("This authenticator app was removed already.", status=409)
        entry.facts = {"proof": _said(credential, proof)}
        entry.change(authenticator, removed_at=timezone.now())


def reset(*, person: User, actor: By, reason: str) -> None:
    """Take away what someone lost. For a day nobody then signs with the account, so that a theft is noticed."""
    with (
        one_try_at_a_time(person),
        recording(Event.METHODS_RESET, actor=actor, reason=reason, subject=person) as entry,
    ):
        require_over(actor, person)
        if isinstance(actor, User) and actor.pk == person.pk:
            raise Refused(Objection("own_methods", "Nobody takes away their own without a proof.", "Use your account."))
        holds, now = held(person), timezone.now()
        if not holds.has_stronger:
            raise BadInput(f"{person.name} has no passkey and no authenticator app.", status=409)
        entry.facts = {
            "passkeys": [{"public_key": digest(bytes(passkey.public_key))} for passkey in holds.passkeys],
            "names": [passkey.name for passkey in holds.passkeys],
            "authenticator": bool(holds.authenticator),
        }
        for passkey in holds.passkeys:
            passkey.removed_at = now
            entry.save(passkey)
        if holds.authenticator:
            holds.authenticator.removed_at = now
            entry.save(holds.authenticator)


def _proven(
    event: Vocabulary, person: User, credential: Credential | FreshSignIn, about: str, shown_at: datetime
) -> Proof:
    standing, proof = shown_objections(shown_at), Proof(Method.PASSWORD)
    if isinstance(credential, FreshSignIn):
        standing += _first_objections(person, credential)
    elif not standing:
        proof = prove(person, credential, act(event, person, about, shown_at))
    if standing := standing + proof.objections:
        raise Refused(standing)
    return proof


def _first_objections(person: User, credential: FreshSignIn) -> list[Objection]:
    if not held(person).has_none:
        sentence = f"{person.name} has a way to prove who they are, so signing in is not enough."
        return [Objection("proof_needed", sentence, "Give it here.")]
    if credential.at is None or not timedelta(0) <= timezone.now() - credential.at <= FRESH:
        minutes = int(FRESH.total_seconds()) // 60
        sentence = f"The first one is added within {minutes} minutes of signing in."
        return [Objection("sign_in_again", sentence, "Sign out, sign in, and add it then.")]
    return []


def _stated(passkey: Passkey) -> dict[str, str]:
    return {"name": passkey.name, "public_key": digest(bytes(passkey.public_key)), "rp_id": settings.RP_ID}


def _said(credential: Credential | FreshSignIn, proof: Proof) -> str:
    return SIGN_IN if isinstance(credential, FreshSignIn) else proof.method.value
