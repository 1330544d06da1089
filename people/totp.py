"""Authenticator apps (RFC 6238): six digits every thirty seconds, each good once."""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode

import pyotp
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from pyotp.utils import strings_equal

from people.models import User

STEP = 30
# one step back and one ahead: clocks differ, and people type slowly
WINDOW = (0, -1, 1)
LONGEST_SETUP = 10 * 60


class Unreadable(ValueError):
    """A secret that this installation's key does not open, or that waited too long to be confirmed."""


def new_secret() -> str:
    return pyotp.random_base32()


def seal(secret: str, person: User) -> str:
    """The secret, encrypted for this person alone: moved to another's row it can't be opened."""
    return _box(person).encrypt(secret.encode()).decode()


def unseal(sealed: str, person: User, *, longest: int | None = None) -> str:
    """The secret again; with `longest`, only if it was sealed at most that many seconds ago."""
    try:
        return _box(person).decrypt(sealed, ttl=longest).decode()
    except (InvalidToken, ValueError) as error:
        raise Unreadable("The secret can’t be opened.") from error


def address(secret: str, person: User) -> str:
    """What the app reads from the QR code."""
    return pyotp.TOTP(secret, interval=STEP).provisioning_uri(name=person.email, issuer_name="Countersign")


def picture(secret: str, person: User) -> str:
    """The QR code as the address of an SVG image; dark on light in every theme, as cameras want it."""
    import segno

    made: str = segno.make(address(secret, person), error="m").svg_data_uri(scale=5, border=4, light="#fff")
    return made


def step_of(secret: str, code: str, *, after: int) -> int | None:
    """The time step that a code belongs to, if it is one of now and later than `after`, the last one used."""
    code, now = code.replace(" ", ""), int(time.time()) // STEP
    if not (code.isascii() and code.isdigit()):
        return None
    made = pyotp.TOTP(secret, interval=STEP)
    fits = [now + each for each in WINDOW if strings_equal(code, made.generate_otp(now + each))]
    return next((step for step in fits if step > after), None)


def _box(person: User) -> Fernet:
    derived = HKDF(SHA256(), length=32, salt=None, info=b"countersign authenticator app " + person.pk.bytes)
    return Fernet(urlsafe_b64encode(derived.derive(settings.SECRET_KEY.encode())))
