"""The installation's Ed25519 signing key: from the environment, or made once and kept in the data folder."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from trail import notes


@cache
def signing_key() -> Ed25519PrivateKey:
    pem = settings.SIGNING_KEY.encode() or _kept_pem(settings.SIGNING_KEY_PATH)
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("COUNTERSIGN_SIGNING_KEY must be an Ed25519 private key in PEM.")
    return key


def public_bytes() -> bytes:
    return signing_key().public_key().public_bytes_raw()


def verifier_key() -> str:
    """The public key as auditors pin it: `origin+key id+base64`."""
    return notes.vkey(settings.LOG_ORIGIN, public_bytes())


def _kept_pem(path: Path) -> bytes:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(pem)
        except FileExistsError:  # web and worker start together
            pass
    return path.read_bytes()
