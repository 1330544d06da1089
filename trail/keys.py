"""The installation's keys: Ed25519 signs, ML-DSA-44 cosigns. From the environment, or made once and kept as files."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from django.conf import settings

from trail import cosigning, notes

Key = Ed25519PrivateKey | MLDSA44PrivateKey


@cache
def signing_key() -> Ed25519PrivateKey:
    kept = settings.SIGNING_KEY.encode() or _kept_pem(settings.SIGNING_KEY_PATH, Ed25519PrivateKey.generate)
    key = serialization.load_pem_private_key(kept, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("COUNTERSIGN_SIGNING_KEY must be an Ed25519 private key in PEM.")
    return key


@cache
def cosigner_key() -> MLDSA44PrivateKey:
    """Signs each checkpoint beside the log's key, with an algorithm that a quantum computer does not break."""
    kept = settings.COSIGNER_KEY.encode() or _kept_pem(settings.COSIGNER_KEY_PATH, MLDSA44PrivateKey.generate)
    key = serialization.load_pem_private_key(kept, password=None)
    if not isinstance(key, MLDSA44PrivateKey):
        raise ValueError("COUNTERSIGN_COSIGNER_KEY must be an ML-DSA-44 private key in PEM.")
    return key


def public_bytes() -> bytes:
    return signing_key().public_key().public_bytes_raw()


def public_keys() -> list[bytes]:
    """Every key that signed for this log, the newest first: a retired key's signatures still stand."""
    from trail import signer

    known = [notes.parse_vkey(each.vkey)[1] for each in reversed(signer.state().keys)]
    return known or [public_bytes()]


def verifier_key() -> str:
    """The public key as auditors pin it: `origin+key id+base64`."""
    return notes.vkey(settings.LOG_ORIGIN, public_bytes())


def cosigner_name() -> str:
    return f"{settings.LOG_ORIGIN}/cosigner"


def cosigner_verifier_key() -> str:
    return cosigning.vkey(cosigner_name(), cosigner_key().public_key())


def pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _kept_pem(path: Path, generate: Callable[[], Key]) -> bytes:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # written whole before it has its name, so that nobody reads half a key
        fresh = path.with_suffix(f".{os.getpid()}.{os.urandom(4).hex()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem(generate()))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:  # web and worker start together
            pass
        finally:
            fresh.unlink()
    return path.read_bytes()
