"""What an event says in clear and what its body says of it: a salted commitment for each value (GDPR, Art. 17).

Whoever has the salt and the value can check the commitment; without the salt a guess can't be confirmed.
"""

from __future__ import annotations

import os
from base64 import b64encode
from binascii import b2a_base64
from dataclasses import dataclass, field
from hashlib import sha256
from json.encoder import encode_basestring
from typing import Any

from trail.canonical import Uncanonical, canonical, canonical_result

SALT = 16


@dataclass(frozen=True)
class RowImage:
    row_type: str
    row_id: str
    digest: bytes
    disclosed: bytes


@dataclass(frozen=True)
class Sealed:
    """An event ready for the ledger."""

    body: bytes
    disclosed: bytes
    content: dict[str, Any]
    images: list[RowImage] = field(default_factory=list)


def commitment(disclosure: bytes) -> bytes:
    return sha256(disclosure).digest()


def seal(content: dict[str, Any], images: list[RowImage]) -> Sealed:
    """`content` holds everything in clear; the body holds ids, times and commitments alone."""
    values = {
        "actor.name": content["actor"]["name"],
        "reason": content["reason"],
        "subject.label": content["subject"]["label"],
        **{f"facts.{name}": value for name, value in content["facts"].items()},
        **{f"changes.{name}": value for name, value in content["changes"].items()},
    }
    salts, disclosures, sealed = os.urandom(SALT * len(values)), [], {}
    for place, name in enumerate(sorted(values)):
        salt = b2a_base64(salts[SALT * place : SALT * (place + 1)], newline=False).decode()
        disclosure = _disclosure(salt, name, values[name])
        disclosures.append(disclosure)
        sealed[name] = b2a_base64(sha256(disclosure).digest(), newline=False).decode()
    body = canonical(
        {
            "v": 2,
            **{name: content[name] for name in ("id", "type", "at", "action", "unit")},
            "actor": {"id": content["actor"]["id"], "kind": content["actor"]["kind"]},
            "subject": {"id": content["subject"]["id"], "type": content["subject"]["type"]},
            "rows": rows_commitment(image.digest for image in images) if images else "",
            "sealed": sealed,
        }
    )
    return Sealed(body, b"[" + b",".join(disclosures) + b"]", content, images)


def _disclosure(salt: str, name: str, value: Any) -> bytes:
    if type(value) is str and value.isascii() and name.isascii():  # most are, and need no look at each part
        return f'["{salt}",{encode_basestring(name)},{encode_basestring(value)}]'.encode()
    return canonical([salt, name, value])


def rows_commitment(digests: Any) -> str:
    return b64encode(sha256(b"".join(digests)).digest()).decode()


def image(row_type: str, row_id: str, values: dict[str, Any]) -> RowImage:
    disclosure = [b64encode(os.urandom(SALT)).decode(), f"{row_type}/{row_id}", values]
    try:
        disclosed = canonical(disclosure)
    except Uncanonical:  # a JSON field may hold floats
        disclosed = canonical_result(disclosure)
    return RowImage(row_type, row_id, sha256(disclosed).digest(), disclosed)
