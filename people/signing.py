"""Electronic signatures: the signer proves who they are each time, and signs the exact bytes they were shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from people import passkeys, totp
from people.events import Event as People
from people.models import Authenticator, Meaning, Method, Passkey, Signature, User
from people.roles import Role
from trail.actors import HasSubject
from trail.canonical import canonical, digest
from trail.errors import BadInput, Objection, Refused
from trail.events import Event
from trail.models import Entry
from trail.record import Draft

MOST_WRONG_TRIES = 5
WINDOW = timedelta(minutes=15)
WRONG = {"wrong_password", "wrong_code", "wrong_passkey"}
LONGEST_LOOK = timedelta(minutes=10)
# how long nobody signs with an account whose passkeys an administrator took away: long enough for its person to notice
CLOSED_AFTER_RESET = timedelta(hours=24)


@dataclass(frozen=True)
class Password:
    text: str = field(repr=False)


@dataclass(frozen=True)
class Code:
    """Six digits of an authenticator app."""

    text: str = field(repr=False)


@dataclass(frozen=True)
class Assertion:
    """What `navigator.credentials.get` gave, as JSON; its challenge is the digest of the statement shown."""

    json: str = field(repr=False)


Credential = Password | Code | Assertion


@dataclass(frozen=True)
class Held:
    """What someone can prove themselves with."""

    has_password: bool
    passkeys: list[Passkey]
    authenticator: Authenticator | None

    @property
    def has_stronger(self) -> bool:
        """More than a password, which an administrator's link could have replaced."""
        return bool(self.passkeys or self.authenticator)

    @property
    def methods(self) -> list[Method]:
        """What they sign with."""
        stronger = [Method.PASSKEY] * bool(self.passkeys) + [Method.TOTP] * bool(self.authenticator)
        return stronger or [Method.PASSWORD] * self.has_password

    @property
    def has_none(self) -> bool:
        return not self.methods


@dataclass
class Proof:
    """What a credential proved: nothing, as long as something stands against it."""

    method: Method
    objections: list[Objection] = field(default_factory=list)
    evidence: dict[str, str] = field(default_factory=dict)
    used: Passkey | Authenticator | None = None

    def spend(self, entry: Draft) -> None:
        """Keep the counter or the time step, in the caller's recording, so that the proof is good once."""
        if self.used is not None:
            entry.save(self.used)


def credential_from(*, password: str = "", code: str = "", passkey: str = "") -> Credential:
    """The one credential that was given; an empty password if there is none."""
    if sum(map(bool, (password, code, passkey))) > 1:
        raise BadInput("Give one of password, code and passkey, not several.", where="password")
    if passkey:
        return Assertion(passkey)
    return Code(code) if code else Password(password)


def held(person: User) -> Held:
    authenticator = Authenticator.objects.filter(user=person, removed_at=None).first()
    kept = list(Passkey.objects.filter(user=person, removed_at=None))
    return Held(person.has_usable_password(), kept, authenticator)


@contextmanager
def one_try_at_a_time(signer: User) -> Iterator[None]:
    """Hold the signer's row from before a credential is tried until a refusal is on record, so that tries made side by
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


def prove(person: User, credential: Credential, statement: bytes) -> Proof:
    """Whether the credential is the person's own; a passkey's must answer this statement. Wrong tries are counted over
    all methods together, and whoever holds more than a password proves themselves with that."""
    if closed := _tries_objections(person) + _reset_objections(person):
        return Proof(Method.PASSWORD, closed)
    holds = held(person)
    if holds.has_none:
        sentence = f"{person.name} has no password, passkey or authenticator app here."
        return Proof(Method.PASSWORD, [Objection("no_credential", sentence, "Add one on your account page.")])
    match credential:
        case Assertion(json=assertion):
            return _by_passkey(holds, assertion, statement)
        case Code(text=code):
            return _by_code(person, holds, code)
        case Password(text=password):
            return _by_password(person, holds, password)


def _tries_objections(person: User) -> list[Objection]:
    recent = Entry.objects.filter(
        type=Event.ATTEMPT_REFUSED.value, actor_id=str(person.pk), at__gte=timezone.now() - WINDOW
    )
    wrong = sum(bool(WRONG.intersection(entry.content["facts"]["codes"])) for entry in recent)
    if wrong < MOST_WRONG_TRIES:
        return []
    minutes = int(WINDOW.total_seconds()) // 60
    sentence = f"{wrong} wrong tries in {minutes} minutes: signing is closed for now."
    return [Objection("too_many_tries", sentence, f"Try again in {minutes} minutes.")]


def _reset_objections(person: User) -> list[Objection]:
    since = timezone.now() - CLOSED_AFTER_RESET
    resets = Entry.objects.filter(type=People.METHODS_RESET.value, subject_id=str(person.pk), at__gte=since)
    if (reset := resets.order_by("-at").first()) is None:
        return []
    away, again = (f"{moment:%-d %b, %H:%M} UTC" for moment in (reset.at, reset.at + CLOSED_AFTER_RESET))
    sentence = f"The passkeys and the authenticator app of {person.name} were taken away on {away}."
    mend = f"Signing opens again on {again}. If you did not ask for it, say so to an administrator."
    return [Objection("methods_reset", sentence, mend)]


def _by_password(person: User, holds: Held, password: str) -> Proof:
    if holds.has_stronger:
        sentence = f"{person.name} holds a passkey or an authenticator app, so a password alone proves too little."
        mend = "Use your passkey, or a code of your authenticator app."
        return Proof(Method.PASSWORD, [Objection("stronger_credential", sentence, mend)])
    if not password or not person.check_password(password):
        said = Objection("wrong_password", "The password is not right; nothing was done.", "Type it again.")
        return Proof(Method.PASSWORD, [said])
    return Proof(Method.PASSWORD)


def _by_code(person: User, holds: Held, code: str) -> Proof:
    if holds.authenticator is None:
        sentence = f"{person.name} has no authenticator app here."
        return Proof(Method.TOTP, [Objection("no_authenticator", sentence, "Add one on your account page.")])
    try:
        secret = totp.unseal(holds.authenticator.secret, person)
    except totp.Unreadable:
        sentence = "The secret of this authenticator app can’t be opened with the key this installation has now."
        return Proof(Method.TOTP, [Objection("code_unreadable", sentence, "Use a passkey, or ask an administrator.")])
    step = totp.step_of(secret, code, after=holds.authenticator.last_step)
    if step is None:
        sentence = "The code is not right, or was used before; nothing was done."
        return Proof(Method.TOTP, [Objection("wrong_code", sentence, "Wait for the next one.")])
    holds.authenticator.last_step = step
    return Proof(Method.TOTP, used=holds.authenticator)


def _by_passkey(holds: Held, assertion: str, statement: bytes) -> Proof:
    try:
        passkey, evidence = passkeys.asserted(assertion, holds.passkeys)
    except passkeys.Unproven as unproven:
        return _not_the_passkey(str(unproven))
    if problem := passkeys.problem(evidence, statement):
        return _not_the_passkey(problem)
    count = passkeys.count_of(evidence)
    if (count or passkey.sign_count) and count <= passkey.sign_count:
        return _not_the_passkey("Its counter did not go up: the passkey may have been copied.")
    passkey.sign_count = count
    return Proof(Method.PASSKEY, evidence=evidence, used=passkey)


def _not_the_passkey(why: str) -> Proof:
    sentence = f"The passkey’s answer does not hold; nothing was done. {why}"
    return Proof(Method.PASSKEY, [Objection("wrong_passkey", sentence, "Look at it again, then use your passkey.")])


def shown_moment(given: str = "") -> datetime:
    """When the statement was shown, to the second: now, unless the one who shows it has said."""
    try:
        moment = datetime.fromisoformat(given) if given else timezone.now()
        if moment.tzinfo is None:
            raise ValueError("it has no time zone")
        return moment.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError) as error:
        raise BadInput(
            "shown_at must be a moment with its time zone, as it was given with the statement.", where="shown_at"
        ) from error


def shown_objections(shown_at: datetime) -> list[Objection]:
    """Nobody signs what they looked at long ago, or will look at."""
    now, minutes = timezone.now(), int(LONGEST_LOOK.total_seconds()) // 60
    if shown_at > now:
        return [Objection("shown_later", "The statement says that it was shown later than now.", "Look at it again.")]
    if now - shown_at > LONGEST_LOOK:
        sentence = f"The statement was shown more than {minutes} minutes ago, so nothing was signed."
        return [Objection("shown_stale", sentence, "Look at it again, then sign.")]
    return []


def statement(
    *, signer: User, role: Role, meaning: Meaning, comment: str, dossier: dict[str, Any], shown_at: datetime
) -> bytes:
    """The canonical bytes the signer is shown: what is signed, by whom, in which role, meaning what, and when."""
    return canonical(
        {
            "v": 2,
            "signer": {"id": str(signer.pk), "name": signer.name},
            "role": role.value,
            "meaning": meaning.value,
            "meaning_text": meaning.label,
            "comment": comment,
            "shown_at": shown_at.isoformat(),
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
    shown_at: datetime,
    proof: Proof,
) -> Signature:
    """Add a signature in the caller's recording. The caller has proven the credential and checked every rule."""
    shown = statement(signer=signer, role=role, meaning=meaning, comment=comment, dossier=dossier, shown_at=shown_at)
    subject = about.subject
    signature = Signature(
        signer=signer,
        signer_name=signer.name,
        role=role,
        meaning=meaning,
        method=proof.method,
        comment=comment,
        about_type=subject.type,
        about_id=subject.id,
        dossier_digest=digest(canonical(dossier)),
        statement=shown,
        digest=digest(shown),
        evidence=proof.evidence,
        unit=subject.unit,
        shown_at=shown_at,
        signed_at=timezone.now(),
    )
    entry.create(signature)
    proof.spend(entry)
    entry.facts |= {
        "signature": signature.pk,
        "digest": signature.digest,
        "dossier_digest": signature.dossier_digest,
        "role": role.label,
        "meaning": meaning.label,
        "method": proof.method,
    }
    return signature
