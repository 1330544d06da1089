#!/usr/bin/env python3
"""Check a Countersign evidence pack or an exported log: one file, Python 3.9 or later, no server, nothing to install.

    python3 verify.py PACK --key KEY [--json]
    python3 verify.py --log DIR [--since CHECKPOINT] --key KEY [--json]

KEY is what you trust, and must come to you by another way than the pack. It is the issuer's verifier key
(`name+key id+base64`), or a file that holds one, or a file that holds an Ed25519 public key in PEM, hex or base64, or
a file of lines, each of which then has to have signed:

    log VKEY [sizes A-B]     a key of the log, and the sizes of the log it is good for (B may be left out)
    cosigner VKEY            a second key of the issuer, ML-DSA-44
    witness VKEY             somebody else who saw the log only grow
    tsa FILE                 certificates in PEM of a time-stamp authority, beside this file

No key and no code from the pack is ever trusted.

Exit status: 0 everything holds, 1 something does not hold, 2 the check could not run.

The parts, in their order: signatures (Ed25519, ECDSA, RSA, ML-DSA-44), DER and time stamps, what is pinned, signed
notes, the Merkle tree, the container, the pack, the checks, the log, the answer.
"""

from __future__ import annotations

import argparse
import binascii
import hashlib
import json
import re
import struct
import sys
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from functools import cached_property
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Optional, TypeVar
from zlib import crc32

MOST_JSON, MOST_FILE, MOST_NOTES, CHUNK = 1 << 28, 1 << 20, 100, 1 << 20
HASH, SALT, KEY_ID, TIME = 32, 16, 4, 8
UTC = timezone.utc  # noqa: UP017 - for Python 3.9


class Broken(Exception):
    """Something that does not hold, and where."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.sentences = [str(self)]


class SeveralBroken(Broken):
    def __init__(self, all_of_them: list[Broken]) -> None:
        self.sentences = [sentence for one in all_of_them for sentence in one.sentences]


class CouldNotRun(Exception):
    """There is nothing to check, or nothing to check it with."""


# --- Ed25519 (RFC 8032), verifying only -------------------------------------------------------------------------------

Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
NEUTRAL: Point = (0, 1, 1, 0)
BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
BASE_Y = 4 * pow(5, P - 2, P) % P
BASE: Point = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)
ED25519_KEY, ED25519_SIGNATURE = 32, 64


def add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def same(one: Point, other: Point) -> bool:
    return (one[0] * other[2] - other[0] * one[2]) % P == 0 == (one[1] * other[2] - other[1] * one[2]) % P


def decode_point(encoded: bytes) -> Point | None:
    """The point, or None: the one encoding of each point is accepted and no other."""
    number = int.from_bytes(encoded, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    if len(encoded) != ED25519_KEY or y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def encode_point(point: Point) -> bytes:
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def has_small_order(point: Point) -> bool:
    for _ in range(3):
        point = add(point, point)
    return same(point, NEUTRAL)


def ed25519_verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether [S]B = R + [k]A, with every part in its one permitted encoding."""
    key, s = decode_point(public_key), int.from_bytes(signature[32:], "little")
    if key is None or has_small_order(key) or len(signature) != ED25519_SIGNATURE or s >= ORDER:
        return False
    k = int.from_bytes(sha512(signature[:32] + public_key + message).digest(), "little") % ORDER
    minus_key = (P - key[0], key[1], key[2], P - key[3])
    summands = (NEUTRAL, BASE, minus_key, add(BASE, minus_key))
    total = NEUTRAL
    for bit in range(max(s.bit_length(), k.bit_length()) - 1, -1, -1):
        total = add(total, total)
        if chosen := (s >> bit & 1) | (k >> bit & 1) << 1:
            total = add(total, summands[chosen])
    return encode_point(total) == signature[:32]


# --- ECDSA over P-256 and P-384 (FIPS 186-5), verifying only ----------------------------------------------------------

Affine = Optional[tuple[int, int]]  # noqa: UP045 - for Python 3.9; None is the point at infinity


class Curve(NamedTuple):
    """y² = x³ - 3x + b over the prime p, with a base point of prime order n."""

    p: int
    b: int
    n: int
    base: Affine


P256 = Curve(
    0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
    0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    (
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
)
P384 = Curve(
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFF0000000000000000FFFFFFFF,
    0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    (
        0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
        0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
    ),
)


def curve_add(curve: Curve, one: Affine, other: Affine) -> Affine:
    if one is None or other is None:
        return other if one is None else one
    (x1, y1), (x2, y2), p = one, other, curve.p
    if x1 == x2:
        if (y1 + y2) % p == 0:
            return None
        slope = 3 * (x1 * x1 - 1) * pow(2 * y1, -1, p) % p
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, p) % p
    x = (slope * slope - x1 - x2) % p
    return x, (slope * (x1 - x) - y1) % p


def curve_point(curve: Curve, encoded: bytes) -> Affine:
    """The uncompressed point, or None if it is not one of the curve."""
    length = (curve.p.bit_length() + 7) // 8
    x, y = int.from_bytes(encoded[1 : 1 + length], "big"), int.from_bytes(encoded[1 + length :], "big")
    if encoded[:1] != b"\4" or len(encoded) != 1 + 2 * length or max(x, y) >= curve.p:
        return None
    return (x, y) if (y * y - x * x * x + 3 * x - curve.b) % curve.p == 0 else None


def ecdsa_verifies(curve: Curve, public_key: Affine, digest: bytes, r: int, s: int) -> bool:
    if public_key is None or not (0 < r < curve.n and 0 < s < curve.n):
        return False
    e = int.from_bytes(digest, "big") >> max(0, 8 * len(digest) - curve.n.bit_length())
    inverse = pow(s, -1, curve.n)
    u, v = e * inverse % curve.n, r * inverse % curve.n
    summands = (None, curve.base, public_key, curve_add(curve, curve.base, public_key))
    total: Affine = None
    for bit in range(max(u.bit_length(), v.bit_length()) - 1, -1, -1):
        total = curve_add(curve, total, total)
        total = curve_add(curve, total, summands[(u >> bit & 1) | (v >> bit & 1) << 1])
    return total is not None and total[0] % curve.n == r


# --- RSA (RFC 8017), verifying only -----------------------------------------------------------------------------------

FEWEST_BITS, MOST_BITS = 2048, 8192
DIGEST_INFO = {  # the DER that stands before a digest in a PKCS #1 v1.5 signature
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


class RsaKey(NamedTuple):
    n: int
    e: int


def rsa_encoded(key: RsaKey, signature: bytes) -> bytes | None:
    """What was signed, padding and all, or None."""
    length = (key.n.bit_length() + 7) // 8
    number = int.from_bytes(signature, "big")
    if len(signature) != length or number >= key.n:
        return None
    return pow(number, key.e, key.n).to_bytes(length, "big")


def rsa_pkcs1_verifies(key: RsaKey, algorithm: str, digest: bytes, signature: bytes) -> bool:
    info = DIGEST_INFO[algorithm] + digest
    padding = b"\xff" * ((key.n.bit_length() + 7) // 8 - 3 - len(info))
    return rsa_encoded(key, signature) == b"\0\1" + padding + b"\0" + info


def rsa_pss_verifies(key: RsaKey, digest: bytes, signature: bytes, *, algorithm: str, mask: str, salt: int) -> bool:
    """EMSA-PSS-VERIFY (§9.1.2) with MGF1; `mask` names its hash, `salt` is the salt's length."""
    encoded, bits = rsa_encoded(key, signature), key.n.bit_length() - 1
    length, size = (bits + 7) // 8, len(digest)
    if encoded is None or any(encoded[:-length]) or length < size + salt + 2 or encoded[-1] != 0xBC:
        return False
    encoded = encoded[-length:]
    masked, expected = encoded[: -size - 1], encoded[-size - 1 : -1]
    if masked[0] >> (8 - (8 * length - bits)):
        return False
    stream = b"".join(hashlib.new(mask, expected + struct.pack(">I", n)).digest() for n in range(len(masked) // 32 + 1))
    block = bytearray(each ^ stream[place] for place, each in enumerate(masked))
    block[0] &= 0xFF >> (8 * length - bits)
    if any(block[: -salt - 1]) or block[-salt - 1] != 1:
        return False
    return hashlib.new(algorithm, bytes(8) + digest + bytes(block[len(block) - salt :])).digest() == expected


# --- ML-DSA-44 (FIPS 204), verifying only -----------------------------------------------------------------------------

Q, ROWS, COLUMNS, DROPPED = 8380417, 4, 4, 13  # the modulus, the matrix, and how many bits of t are not in the key
TAU, BETA, GAMMA1, GAMMA2, OMEGA = 39, 78, 1 << 17, (8380417 - 1) // 88, 80
ML_DSA_KEY, ML_DSA_SIGNATURE = 32 + ROWS * 320, 32 + COLUMNS * 576 + OMEGA + ROWS
ZETAS = [pow(1753, int(f"{place:08b}"[::-1], 2), Q) for place in range(256)]

Polynomial = list[int]  # 256 coefficients


def ntt(polynomial: Polynomial) -> Polynomial:
    """Algorithm 41."""
    w, m, length = list(polynomial), 0, 128
    while length:
        for start in range(0, 256, 2 * length):
            m += 1
            zeta = ZETAS[m]
            for j in range(start, start + length):
                t = zeta * w[j + length] % Q
                w[j], w[j + length] = (w[j] + t) % Q, (w[j] - t) % Q
        length //= 2
    return w


def inverse_ntt(polynomial: Polynomial) -> Polynomial:
    """Algorithm 42."""
    w, m, length = list(polynomial), 256, 1
    while length < 256:
        for start in range(0, 256, 2 * length):
            m -= 1
            zeta = -ZETAS[m]
            for j in range(start, start + length):
                w[j], w[j + length] = (w[j] + w[j + length]) % Q, zeta * (w[j] - w[j + length]) % Q
        length *= 2
    return [8347681 * each % Q for each in w]


def unpacked_bits(data: bytes, bits: int) -> list[int]:
    """Numbers of so many bits each, the lowest first (algorithm 18)."""
    number, mask = int.from_bytes(data, "little"), (1 << bits) - 1
    return [number >> at & mask for at in range(0, 8 * len(data), bits)]


def uniform(seed: bytes) -> Polynomial:
    """A polynomial drawn from the seed, in the transformed domain (algorithm 30)."""
    length = 1008
    while True:
        drawn = hashlib.shake_128(seed).digest(length)
        found = [
            number
            for at in range(0, length, 3)
            if (number := drawn[at] | drawn[at + 1] << 8 | (drawn[at + 2] & 127) << 16) < Q
        ]
        if len(found) >= 256:
            return found[:256]
        length *= 2


def challenge(seed: bytes) -> Polynomial:
    """A polynomial with TAU coefficients of 1 or -1 and no other (algorithm 29)."""
    drawn = iter(hashlib.shake_256(seed).digest(8192))  # far more than are ever needed
    signs = int.from_bytes(bytes(next(drawn) for _ in range(8)), "little")
    c = [0] * 256
    for i in range(256 - TAU, 256):
        j = next(each for each in drawn if each <= i)
        c[i], c[j] = c[j], 1 - 2 * (signs & 1)
        signs >>= 1
    return c


def unpacked_hints(data: bytes) -> list[set[int]] | None:
    """For each row, which coefficients round the other way (algorithm 21); None if they are not in their one form."""
    hints, index = [], 0
    for end in data[OMEGA:]:
        places = data[index:end]
        if not index <= end <= OMEGA or list(places) != sorted(set(places)):
            return None
        hints.append(set(places))
        index = end
    return None if any(data[index:OMEGA]) else hints


def use_hint(hinted: bool, r: int) -> int:
    """The high part of r, one step aside if a hint says so (algorithms 36 and 40)."""
    low = r % (2 * GAMMA2)
    low = low - 2 * GAMMA2 if low > GAMMA2 else low
    high, low = (0, low - 1) if r - low == Q - 1 else ((r - low) // (2 * GAMMA2), low)
    return (high + (1 if low > 0 else -1)) % 44 if hinted else high


def ml_dsa_verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """ML-DSA.Verify with an empty context (algorithms 3 and 8)."""
    if len(public_key) != ML_DSA_KEY or len(signature) != ML_DSA_SIGNATURE:
        return False
    rho, seed, hints = public_key[:32], signature[:32], unpacked_hints(signature[-OMEGA - ROWS :])
    z = [[GAMMA1 - each for each in unpacked_bits(signature[at : at + 576], 18)] for at in range(32, 32 + 4 * 576, 576)]
    if hints is None or max(abs(each) for polynomial in z for each in polynomial) >= GAMMA1 - BETA:
        return False
    mu = hashlib.shake_256(hashlib.shake_256(public_key).digest(64) + b"\0\0" + message).digest(64)
    c, z = ntt(challenge(seed)), [ntt(polynomial) for polynomial in z]
    commitment = b""
    for row in range(ROWS):
        t = ntt([each << DROPPED for each in unpacked_bits(public_key[32 + 320 * row : 352 + 320 * row], 10)])
        matrix = [uniform(rho + bytes([column, row])) for column in range(COLUMNS)]
        product = [(sum(matrix[at][i] * z[at][i] for at in range(COLUMNS)) - c[i] * t[i]) % Q for i in range(256)]
        high = [use_hint(place in hints[row], r) for place, r in enumerate(inverse_ntt(product))]
        commitment += sum(each << 6 * place for place, each in enumerate(high)).to_bytes(192, "little")
    return hashlib.shake_256(mu + commitment).digest(32) == seed


# --- DER, and the public keys and signatures written in it ------------------------------------------------------------

INTEGER, BIT_STRING, OCTET_STRING, OID, SEQUENCE, SET, BOOLEAN = 0x02, 0x03, 0x04, 0x06, 0x30, 0x31, 0x01
UTC_TIME, GENERAL_TIME = 0x17, 0x18
LONGEST_OID = 64


class Malformed(Exception):
    """Bytes that are not the DER they should be."""


class Der(NamedTuple):
    """One element: its tag, its content, and both with the length between as they stand."""

    tag: int
    content: bytes
    raw: bytes


def der(data: bytes) -> Der:
    """The one element that the bytes are."""
    found = elements(data)
    if len(found) != 1:
        raise Malformed
    return found[0]


def elements(data: bytes) -> list[Der]:
    """The elements side by side, each with its length in the one form DER allows."""
    found, at = [], 0
    while at < len(data):
        start, tag = at, data[at]
        length, at = der_length(data, at + 1)
        if tag & 0x1F == 0x1F or at + length > len(data):
            raise Malformed
        found.append(Der(tag, data[at : at + length], data[start : at + length]))
        at += length
    return found


def der_length(data: bytes, at: int) -> tuple[int, int]:
    """The length that begins here, and where the content begins."""
    first = data[at] if at < len(data) else 0x80
    if first < 0x80:
        return first, at + 1
    octets = data[at + 1 : at + 1 + (first & 0x7F)]
    length = int.from_bytes(octets, "big")
    if not 0 < len(octets) == first & 0x7F <= 4 or octets[0] == 0 or length < 0x80:
        raise Malformed
    return length, at + 1 + len(octets)


class Fields:
    """The members of a SEQUENCE, taken one after another."""

    def __init__(self, element: Der, tag: int = SEQUENCE) -> None:
        if element.tag != tag:
            raise Malformed
        self.rest = elements(element.content)

    def take(self, tag: int | None = None) -> Der:
        if not self.rest or tag not in (None, self.rest[0].tag):
            raise Malformed
        return self.rest.pop(0)

    def maybe(self, tag: int) -> Der | None:
        return self.rest.pop(0) if self.rest and self.rest[0].tag == tag else None

    def end(self) -> None:
        if self.rest:
            raise Malformed


def integer(element: Der) -> int:
    content = element.content
    if element.tag != INTEGER or not content or (len(content) > 1 and content[0] == 0 and content[1] < 0x80):
        raise Malformed
    if len(content) > 1 and content[0] == 0xFF and content[1] >= 0x80:
        raise Malformed
    return int.from_bytes(content, "big", signed=True)


def boolean(element: Der) -> bool:
    if element.tag != BOOLEAN or element.content not in (b"\0", b"\xff"):
        raise Malformed
    return element.content == b"\xff"


def bits(element: Der) -> bytes:
    if element.tag != BIT_STRING or element.content[:1] != b"\0":
        raise Malformed
    return element.content[1:]


def oid(element: Der) -> str:
    content = element.content
    if element.tag != OID or not 0 < len(content) <= LONGEST_OID or content[-1] & 0x80:
        raise Malformed
    arcs, number = [], 0
    for octet in content:
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(number)
            number = 0
    top = min(arcs[0] // 40, 2)
    return ".".join(map(str, [top, arcs[0] - 40 * top, *arcs[1:]]))


def moment(element: Der) -> datetime:
    """A time of a certificate or a time stamp, to the second or finer, always in UTC."""
    text = element.content.decode("ascii", "replace")
    form = {UTC_TIME: r"()(\d{12})()Z", GENERAL_TIME: r"(\d\d)(\d{12})(\.\d{0,8}[1-9])?Z"}.get(element.tag)
    found = re.fullmatch(form, text, re.ASCII) if form else None
    if not found:
        raise Malformed
    century = found[1] or ("20" if found[2] < "5" else "19")
    try:
        whole = datetime.strptime(f"{century}{found[2]}+0000", "%Y%m%d%H%M%S%z")
    except ValueError:
        raise Malformed from None
    return whole + timedelta(seconds=float(found[3] or 0))


class PublicKey(NamedTuple):
    """An RSA key, a point with its curve, or the 32 bytes of an Ed25519 key."""

    kind: str  # "rsa", "ec" or "ed25519"
    rsa: RsaKey | None = None
    curve: Curve | None = None
    point: Affine = None
    raw: bytes = b""


EC_CURVES = {"1.2.840.10045.3.1.7": P256, "1.3.132.0.34": P384}
DIGESTS = {"2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512"}
RSA, RSA_PSS, MGF1 = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", "1.2.840.113549.1.1.8"
RSA_WITH = {"1.2.840.113549.1.1.11": "sha256", "1.2.840.113549.1.1.12": "sha384", "1.2.840.113549.1.1.13": "sha512"}
ECDSA_WITH = {"1.2.840.10045.4.3.2": "sha256", "1.2.840.10045.4.3.3": "sha384", "1.2.840.10045.4.3.4": "sha512"}
NULL = (b"", b"\5\0")


class Algorithm(NamedTuple):
    """Which signature: "rsa", "pss" or "ecdsa", over which hash (empty if named elsewhere), PSS's mask and salt."""

    kind: str
    digest: str
    mask: str = ""
    salt: int = 0


def named(element: Der) -> tuple[str, bytes]:
    """An AlgorithmIdentifier: its name, and its parameters as they stand."""
    fields = Fields(element)
    name = oid(fields.take(OID))
    parameters = fields.take().raw if fields.rest else b""
    fields.end()
    return name, parameters


def digest_named(element: Der) -> str:
    name, parameters = named(element)
    if name not in DIGESTS or parameters not in NULL:
        raise Malformed
    return DIGESTS[name]


def signature_algorithm(element: Der) -> Algorithm:
    name, parameters = named(element)
    if name == RSA_PSS:
        return pss_algorithm(der(parameters))
    if name in ECDSA_WITH and not parameters:
        return Algorithm("ecdsa", ECDSA_WITH[name])
    if (name == RSA or name in RSA_WITH) and parameters in NULL:
        return Algorithm("rsa", RSA_WITH.get(name, ""))
    raise Malformed


def pss_algorithm(element: Der) -> Algorithm:
    fields = Fields(element)
    digest, mask, salt, trailer = (fields.maybe(tag) for tag in (0xA0, 0xA1, 0xA2, 0xA3))
    fields.end()
    if not digest or not mask or not salt or (trailer and integer(der(trailer.content)) != 1):
        raise Malformed  # what is left out would be SHA-1
    generator, hashed = named(der(mask.content))
    if generator != MGF1:
        raise Malformed
    return Algorithm("pss", digest_named(der(digest.content)), digest_named(der(hashed)), integer(der(salt.content)))


def public_key(spki: bytes) -> PublicKey:
    """The key in a SubjectPublicKeyInfo: RSA of a fair length, P-256, P-384 or Ed25519."""
    fields = Fields(der(spki))
    (name, parameters), material = named(fields.take()), bits(fields.take())
    fields.end()
    if name == RSA and parameters == b"\5\0":
        inner = Fields(der(material))
        key = RsaKey(integer(inner.take()), integer(inner.take()))
        inner.end()
        if FEWEST_BITS <= key.n.bit_length() <= MOST_BITS and key.n & 1 and 2 < key.e < 1 << 33 and key.e & 1:
            return PublicKey("rsa", rsa=key)
    if name == "1.2.840.10045.2.1":
        curve = EC_CURVES.get(oid(der(parameters)))
        if curve and (point := curve_point(curve, material)):
            return PublicKey("ec", curve=curve, point=point)
    if name == "1.3.101.112" and not parameters and sound_ed25519_key(material):
        return PublicKey("ed25519", raw=material)
    raise Malformed


def sound_ed25519_key(material: bytes) -> bool:
    point = decode_point(material)
    return point is not None and not has_small_order(point)


def key_verifies(key: PublicKey, algorithm: Algorithm, message: bytes, signature: bytes) -> bool:
    digest = hashlib.new(algorithm.digest, message).digest()
    if algorithm.kind == "ecdsa" and key.curve:
        fields = Fields(der(signature))
        r, s = integer(fields.take()), integer(fields.take())
        fields.end()
        return ecdsa_verifies(key.curve, key.point, digest, r, s)
    if algorithm.kind == "rsa" and key.rsa:
        return rsa_pkcs1_verifies(key.rsa, algorithm.digest, digest, signature)
    if algorithm.kind == "pss" and key.rsa and 0 <= algorithm.salt <= MOST_BITS // 8:
        salt, mask = algorithm.salt, algorithm.mask
        return rsa_pss_verifies(key.rsa, digest, signature, algorithm=algorithm.digest, mask=mask, salt=salt)
    return False


# --- Certificates (RFC 5280) and time stamps (RFC 3161) ---------------------------------------------------------------

SIGNED_DATA, STAMP_INFO = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"
BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_USAGE, SUBJECT_KEY_ID = "2.5.29.19", "2.5.29.15", "2.5.29.37", "2.5.29.14"
UNDERSTOOD = {BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_USAGE, "2.5.29.32", "2.5.29.17"}  # and policies, other names
TIME_STAMPING, ANY_USAGE = "1.3.6.1.5.5.7.3.8", "2.5.29.37.0"
MAY_SIGN, MAY_SIGN_CERTIFICATES = 0xC0, 0x04  # digitalSignature or nonRepudiation; keyCertSign
MOST_CERTIFICATES = 16


class Certificate(NamedTuple):
    raw: bytes
    signed: bytes
    serial: int
    issuer: bytes
    subject: bytes
    since: datetime
    until: datetime
    key: bytes
    extensions: dict[str, tuple[bool, bytes]]  # critical, value
    algorithm: Der
    signature: bytes


def certificate(element: Der) -> Certificate:
    outer = Fields(element)
    signed, algorithm, signature = outer.take(SEQUENCE), outer.take(SEQUENCE), bits(outer.take())
    outer.end()
    fields = Fields(signed)
    if version := fields.maybe(0xA0):
        integer(der(version.content))
    serial, inner_algorithm, issuer = integer(fields.take()), fields.take(), fields.take(SEQUENCE)
    validity, subject, key = Fields(fields.take()), fields.take(SEQUENCE), fields.take(SEQUENCE)
    since, until = moment(validity.take()), moment(validity.take())
    validity.end()
    fields.maybe(0x81)
    fields.maybe(0x82)
    found = fields.maybe(0xA3)
    fields.end()
    if inner_algorithm.raw != algorithm.raw:
        raise Malformed
    extensions = extensions_of(der(found.content)) if found else {}
    names = issuer.raw, subject.raw
    return Certificate(element.raw, signed.raw, serial, *names, since, until, key.raw, extensions, algorithm, signature)


def extensions_of(element: Der) -> dict[str, tuple[bool, bytes]]:
    found: dict[str, tuple[bool, bytes]] = {}
    for each in Fields(element).rest:
        fields = Fields(each)
        name = oid(fields.take())
        critical = fields.maybe(BOOLEAN)
        value = fields.take(OCTET_STRING).content
        fields.end()
        if name in found:
            raise Malformed
        found[name] = bool(critical and boolean(critical)), value
    return found


def certificates_in_pem(text: str) -> list[Certificate]:
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----", text)
    return [certificate(der(unbase64("".join(block.split())) or b"")) for block in blocks]


def usages(one: Certificate) -> list[str]:
    return [oid(each) for each in Fields(der(one.extensions[EXTENDED_USAGE][1])).rest]


def key_usage(one: Certificate) -> int:
    """The first octet of the key usage; all bits where a certificate does not state any."""
    if KEY_USAGE not in one.extensions:
        return 0xFF
    content = der(one.extensions[KEY_USAGE][1]).content
    return content[1] if len(content) > 1 else 0


def issues(one: Certificate, depth: int) -> bool:
    """Whether this certificate may issue others, with so many issuers below it."""
    if BASIC_CONSTRAINTS not in one.extensions or not key_usage(one) & MAY_SIGN_CERTIFICATES:
        return False
    fields = Fields(der(one.extensions[BASIC_CONSTRAINTS][1]))
    authority, most = fields.maybe(BOOLEAN), fields.maybe(INTEGER)
    fits = EXTENDED_USAGE not in one.extensions or bool({TIME_STAMPING, ANY_USAGE} & set(usages(one)))
    return bool(authority and boolean(authority)) and (most is None or depth <= integer(most)) and fits


def stamps(one: Certificate) -> bool:
    """Whether this is the certificate of a time-stamp authority: critically for that, and for nothing else."""
    critical, _ = one.extensions.get(EXTENDED_USAGE, (False, b""))
    return critical and usages(one) == [TIME_STAMPING] and bool(key_usage(one) & MAY_SIGN)


def signed_by(one: Certificate, issuer: Certificate) -> bool:
    algorithm = signature_algorithm(one.algorithm)
    if not algorithm.digest or one.issuer != issuer.subject:
        return False
    return key_verifies(public_key(issuer.key), algorithm, one.signed, one.signature)


def unknown_demands(one: Certificate) -> bool:
    return any(critical and name not in UNDERSTOOD for name, (critical, _) in one.extensions.items())


def chain(one: Certificate, pinned: list[Certificate], sent: list[Certificate]) -> list[Certificate] | None:
    """From this certificate, issuer by issuer, to one that is pinned; None if there is no way there."""
    reached, seen = [[one]], {one.raw}
    while reached:  # the shortest first, and each certificate once
        path = reached.pop(0)
        if any(path[-1].raw == each.raw for each in pinned):
            return path
        for issuer in [*pinned, *sent]:
            if issuer.raw not in seen and may_have_issued(issuer, path[-1], len(path) - 1):
                seen.add(issuer.raw)
                reached.append([*path, issuer])
    return None


def may_have_issued(issuer: Certificate, one: Certificate, depth: int) -> bool:
    try:
        return issues(issuer, depth) and signed_by(one, issuer)
    except Malformed:  # of another kind than this program reads: no way leads over it
        return False


class Stamp(NamedTuple):
    """What a time-stamp token says, and what it is signed with. Nothing of it is verified yet."""

    at: datetime
    imprint: tuple[str, bytes]
    info: bytes
    attributes: dict[str, Der]
    signed: bytes
    digest: str
    algorithm: Algorithm
    signature: bytes
    signer: Der
    certificates: list[Certificate]


def stamp(token: bytes) -> Stamp:
    """A TimeStampToken: CMS SignedData by one signer around a TSTInfo."""
    outer = Fields(der(token))
    if oid(outer.take()) != SIGNED_DATA:
        raise Malformed
    fields = Fields(der(outer.take(0xA0).content))
    outer.end()
    integer(fields.take())
    fields.take(SET)
    inside = Fields(fields.take())
    if oid(inside.take()) != STAMP_INFO:
        raise Malformed
    info = der(inside.take(0xA0).content)
    inside.end()
    sent, _ = fields.maybe(0xA0), fields.maybe(0xA1)
    signer = der(fields.take(SET).content)
    fields.end()
    certificates = [certificate(each) for each in elements(sent.content) if each.tag == SEQUENCE] if sent else []
    if info.tag != OCTET_STRING or len(certificates) > MOST_CERTIFICATES:
        raise Malformed
    at, imprint = stamp_info(der(info.content))
    return Stamp(at, imprint, info.content, *signer_info(Fields(signer)), certificates)


def stamp_info(element: Der) -> tuple[datetime, tuple[str, bytes]]:
    fields = Fields(element)
    version, _, imprint = integer(fields.take()), oid(fields.take()), Fields(fields.take())
    hashed = digest_named(imprint.take()), imprint.take(OCTET_STRING).content
    imprint.end()
    integer(fields.take())
    at = moment(fields.take(GENERAL_TIME))
    for tag in (SEQUENCE, BOOLEAN, INTEGER, 0xA0):  # accuracy, ordering, nonce, the authority's name
        fields.maybe(tag)
    extensions = fields.maybe(0xA1)
    fields.end()
    demands = extensions_of(Der(SEQUENCE, extensions.content, extensions.raw)) if extensions else {}
    if version != 1 or any(critical for critical, _ in demands.values()):
        raise Malformed
    return at, hashed


def signer_info(fields: Fields) -> tuple[dict[str, Der], bytes, str, Algorithm, bytes, Der]:
    integer(fields.take())
    signer, digest = fields.take(), digest_named(fields.take())
    attributes, algorithm = fields.take(0xA0), signature_algorithm(fields.take())
    signature = fields.take(OCTET_STRING).content
    fields.maybe(0xA1)
    fields.end()
    found: dict[str, Der] = {}
    for each in elements(attributes.content):
        pair = Fields(each)
        name, values = oid(pair.take()), pair.take(SET)
        pair.end()
        if name in found:
            raise Malformed
        found[name] = der(values.content)
    if algorithm.digest not in ("", digest):
        raise Malformed
    signed = bytes([SET]) + attributes.raw[1:]  # what is signed has the tag of a SET
    return found, signed, digest, algorithm._replace(digest=digest), signature, signer


def is_signer(one: Certificate, stamp: Stamp) -> bool:
    """Whether this is the certificate that the token names, by its place and by its hash."""
    if stamp.signer.tag == 0x80:
        _, key_id = one.extensions.get(SUBJECT_KEY_ID, (False, b""))
        named_so = bool(key_id) and der(key_id).content == stamp.signer.content
    else:
        fields = Fields(stamp.signer)
        named_so = (fields.take().raw, integer(fields.take())) == (one.issuer, one.serial)
        fields.end()
    return named_so and has_hash_in(stamp, one)


def has_hash_in(stamp: Stamp, one: Certificate) -> bool:
    """Whether the signing-certificate attribute holds this certificate's hash (RFC 2634, RFC 5035)."""
    fits = []
    for name in (SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2):
        if name in stamp.attributes:
            first = Fields(Fields(Fields(stamp.attributes[name]).take()).take())
            algorithm = "sha1"
            if name == SIGNING_CERTIFICATE_V2:
                algorithm = digest_named(first.take()) if first.rest and first.rest[0].tag == SEQUENCE else "sha256"
            fits.append(
                hashlib.new(algorithm, one.raw, usedforsecurity=False).digest() == first.take(OCTET_STRING).content
            )
    return bool(fits) and all(fits)


def stamp_problem(stamp: Stamp, message: bytes, pinned: list[Certificate]) -> str:
    """Why the token does not show that a pinned authority saw the message at its time; empty if it does."""
    algorithm, imprint = stamp.imprint
    if hashlib.new(algorithm, message).digest() != imprint:
        return "is a time stamp of something else than this checkpoint."
    content_type, digest = stamp.attributes.get(CONTENT_TYPE), stamp.attributes.get(MESSAGE_DIGEST)
    hashed = hashlib.new(stamp.digest, stamp.info).digest()
    if not content_type or oid(content_type) != STAMP_INFO or not digest or digest.content != hashed:
        return "its signed attributes are not about its content."
    signers = [one for one in [*stamp.certificates, *pinned] if is_signer(one, stamp)]
    if not signers:
        return "the certificate it names is neither in it nor pinned."
    if not key_verifies(public_key(signers[0].key), stamp.algorithm, stamp.signed, stamp.signature):
        return "its signature does not fit."
    if not stamps(signers[0]):
        return "its certificate is not one for time stamps and nothing else."
    path = chain(signers[0], pinned, stamp.certificates)
    if path is None:
        return "its certificate does not lead to one that is pinned."
    if any(map(unknown_demands, path)):
        return "could not check: a certificate demands what this program does not know."
    outside = [one for one in path if not one.since <= stamp.at <= one.until]
    if outside:
        return f"a certificate it rests on was not valid at {in_utc(stamp.at)} ({common_name(outside[0].subject)})."
    return ""


def common_name(name: bytes) -> str:
    """The name of a certificate's holder, for people."""
    for part in Fields(der(name)).rest:
        for each in elements(part.content):
            fields = Fields(each)
            if oid(fields.take()) == "2.5.4.3":
                return fields.take().content.decode("utf-8", "replace")
    return "without a name"


def in_utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


# --- What is pinned ---------------------------------------------------------------------------------------------------

NOTE_ED25519, COSIGNED_ED25519, COSIGNED_ML_DSA = 1, 4, 6  # the types of note signatures this program knows
KEY_LENGTHS = {NOTE_ED25519: ED25519_KEY, COSIGNED_ED25519: ED25519_KEY, COSIGNED_ML_DSA: ML_DSA_KEY}
ALGORITHMS = {NOTE_ED25519: "Ed25519", COSIGNED_ED25519: "Ed25519", COSIGNED_ML_DSA: "ML-DSA-44"}
ROLES = {
    "log": [NOTE_ED25519],
    "cosigner": [COSIGNED_ML_DSA],
    "witness": [COSIGNED_ED25519, COSIGNED_ML_DSA],
}
UNFIT_KEY = (
    "does not hold an Ed25519 public key. Give a verifier key (name+key id+base64), "
    "or a file with one, or a file with the public key in PEM, hex or base64, or a file of lines with log, cosigner, "
    "witness and tsa."
)


class Key(NamedTuple):
    """A pinned public key; `name` is empty when only the raw key was given. `last` is None while it is in use."""

    name: str
    public: bytes
    kind: int = NOTE_ED25519
    role: str = "log"
    first: int = 0
    last: int | None = None

    def id(self, name: str) -> bytes:
        return sha256(name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:KEY_ID]

    def covers(self, size: int) -> bool:
        return self.first <= size and (self.last is None or size <= self.last)

    @property
    def sizes(self) -> str:
        return f"{self.first} and more" if self.last is None else f"{self.first} to {self.last}"


class Pins(NamedTuple):
    """Everything the caller trusts."""

    logs: list[Key]
    seconds: list[Key]  # cosigners and witnesses
    authorities: list[tuple[str, list[Certificate]]]  # time-stamp authorities, each by its file


def read_pins(given: str) -> Pins:
    """The keys in what was given for --key: a key, or the name of a file."""
    key = parse_key(given, raw=False)
    if key:
        return Pins([sound(key)], [], [])
    text = key_file(given)
    lines = [(number, re.sub(r"(^|\s)#.*", "", line).split()) for number, line in enumerate(text.splitlines(), 1)]
    stated = [(number, words) for number, words in lines if words]
    if stated and stated[0][1][0] in [*ROLES, "tsa"]:
        return pinned_lines(stated, Path(given).parent)
    key = parse_key(" ".join(stated[0][1]), raw=False) if len(stated) == 1 else None
    key = key or parse_key(text, raw=True)
    if key is None:
        raise CouldNotRun(f"--key: {given} {UNFIT_KEY}")
    return Pins([sound(key)], [], [])


def pinned_lines(lines: list[tuple[int, list[str]]], folder: Path) -> Pins:
    pins = Pins([], [], [])
    for number, words in lines:
        role, rest = words[0], words[1:]
        if role == "tsa" and len(rest) == 1:
            pins.authorities.append((rest[0], authority(folder / rest[0])))
        elif key := parse_line(role, rest):
            (pins.logs if role == "log" else pins.seconds).append(sound(key))
        else:
            raise CouldNotRun(f"--key: line {number} can't be read: {' '.join(words)[:200]}")
    if not pins.logs:
        raise CouldNotRun("--key: no line names a key of the log, so nothing can be checked.")
    return pins


def parse_line(role: str, rest: list[str]) -> Key | None:
    """`VKEY`, and for a log's key perhaps `sizes A-B`."""
    key = parse_key(rest[0], raw=False, role=role) if rest and role in ROLES else None
    if not key or len(rest) == 1:
        return key
    sizes = re.fullmatch(r"(\d{1,19})-(\d{1,19})?", rest[2], re.ASCII) if len(rest) == 3 else None
    if role != "log" or rest[1] != "sizes" or not sizes:
        return None
    return key._replace(first=int(sizes[1]), last=int(sizes[2]) if sizes[2] else None)


def authority(path: Path) -> list[Certificate]:
    try:
        certificates = certificates_in_pem(key_file(str(path)))
    except Malformed:
        certificates = []
    if not certificates:
        raise CouldNotRun(f"--key: {path} holds no certificates in PEM that this program can read.")
    return certificates


def sound(key: Key) -> Key:
    if key.kind != COSIGNED_ML_DSA and not sound_ed25519_key(key.public):
        raise CouldNotRun("--key: these 32 bytes are not an Ed25519 public key.")
    return key


def key_file(given: str) -> str:
    try:
        with Path(given).open("rb") as file:
            text = file.read(MOST_FILE).decode()
    except (OSError, ValueError) as error:
        raise CouldNotRun(f"--key: {given} is neither a verifier key nor a file that can be read ({error}).") from None
    if "PRIVATE KEY" in text:
        raise CouldNotRun(f"--key: {given} holds a private key. Give the public key.")
    return text


def parse_key(text: str, *, raw: bool, role: str = "log") -> Key | None:
    """A verifier key; if `raw`, the bare public key of a log will do."""
    text = text.strip()
    name, _, rest = text.partition("+")
    identifier, _, encoded = rest.partition("+")
    material = unbase64(encoded) or b"\0"
    kind, public = material[0], material[1:]
    if name and not set(name) & set(" \t\n") and kind in ROLES[role] and len(public) == KEY_LENGTHS[kind]:
        key = Key(name, public, kind, role)
        return key if key.id(name).hex() == identifier else None
    return parse_raw_key(text) if raw else None


def parse_raw_key(text: str) -> Key | None:
    pem = re.fullmatch(r"-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----", text)
    if pem:
        encoded = unbase64("".join(pem[1].split())) or b""
        material = encoded[12:] if encoded[:12].hex() == "302a300506032b6570032100" else None
    elif re.fullmatch("[0-9A-Fa-f]{64}", text):
        material = bytes.fromhex(text)
    else:
        material = unbase64(text)
    return Key("", material) if material and len(material) == ED25519_KEY else None


def unbase64(text: Any) -> bytes | None:
    """The bytes, or None: base64 with stray trailing bits is a second spelling of the same bytes, and refused."""
    try:
        data = b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error):
        return None
    return data if b64encode(data).decode() == text else None


# --- Signed notes and cosignatures (c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature) --------------------------


class Note(NamedTuple):
    where: str
    text: str
    signatures: list[tuple[str, bytes, bytes]]  # name, key id, what was signed with

    def by(self, key: Key) -> list[bytes]:
        """The signatures that say they are this key's."""
        return [
            signature
            for name, key_id, signature in self.signatures
            if name == (key.name or name) and key_id == key.id(name)
        ]


class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes
    note: Note
    key: Key


def read_note(data: bytes, where: str) -> Note:
    try:
        text, gap, block = data.decode().rpartition("\n\n")
    except UnicodeDecodeError:
        raise Broken(where, "is not UTF-8 text.") from None
    lines = block[:-1].split("\n")
    if not gap or not block.endswith("\n") or any(letter < " " and letter != "\n" for letter in text + block):
        raise Broken(where, "is not a signed note.")
    if len(lines) > MOST_NOTES:
        raise Broken(where, f"carries more than {MOST_NOTES} signatures.")
    return Note(where, text + "\n", [read_signature(line, where) for line in lines])


def read_signature(line: str, where: str) -> tuple[str, bytes, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    signature = unbase64(encoded) or b""
    if dash != "—" or not name or "+" in name or len(signature) <= KEY_ID:
        raise Broken(where, "has a line among its signatures that is none.")
    return name, signature[:KEY_ID], signature[KEY_ID:]


def signer_of(note: Note, keys: list[Key], size: int) -> Key:
    """The pinned key of the log that signed the note, and may sign at this size."""
    signers = [key for key in keys if note.by(key)]
    if not signers:
        raise Broken(note.where, "is not signed with the pinned key.")
    for key in signers:
        if not all(ed25519_verifies(key.public, note.text.encode(), signature) for signature in note.by(key)):
            raise Broken(note.where, "the signature does not fit the text: one of them was altered.")
    for key in signers:
        if key.covers(size):
            return key
    sizes = f"the key that signed it is pinned for sizes {signers[0].sizes}, and this is size {size}."
    raise Broken(note.where, sizes)


def read_checkpoint(data: bytes, where: str, keys: list[Key]) -> Checkpoint:
    note = read_note(data, where)
    lines = re.fullmatch("([^\n]+)\n(0|[1-9][0-9]{0,18})\n([^\n]+)\n", note.text)
    size = int(lines[2]) if lines else 0
    key = signer_of(note, keys, size)
    root = unbase64(lines[3]) if lines else None
    if not lines or root is None or len(root) != HASH:
        raise Broken(where, "could not check: it is not an origin, a size and a root alone.")
    return Checkpoint(lines[1], size, root, note, key)


def cosigned_at(checkpoint: Checkpoint, key: Key) -> datetime:
    """When the pinned cosigner or witness signed the checkpoint, as it says."""
    where, found = checkpoint.note.where, checkpoint.note.by(key)
    if not found:
        raise Broken(where, f"is not signed by the pinned {key.role} {key.name}.")
    times = []
    for signature in found:
        time = int.from_bytes(signature[:TIME], "big")
        verifies = ml_dsa_verifies if key.kind == COSIGNED_ML_DSA else ed25519_verifies
        if not verifies(key.public, cosigned_message(checkpoint, key, time), signature[TIME:]):
            raise Broken(where, f"the signature of the {key.role} {key.name} does not fit: one of them was altered.")
        times.append(time)
    try:
        return datetime.fromtimestamp(min(times) or 1 << 63, UTC)
    except (ValueError, OverflowError, OSError):
        raise Broken(where, f"the signature of the {key.role} {key.name} states a time that is none.") from None


def cosigned_message(checkpoint: Checkpoint, key: Key, time: int) -> bytes:
    if key.kind == COSIGNED_ED25519:
        return f"cosignature/v1\ntime {time}\n{checkpoint.note.text}".encode()
    name, origin = key.name.encode(), checkpoint.origin.encode()
    if max(len(name), len(origin)) > 255:
        raise Broken(checkpoint.note.where, "names a log or a cosigner too long for its signature.")
    counted = b"%c%b%b%c%b" % (len(name), name, time.to_bytes(TIME, "big"), len(origin), origin)
    return b"subtree/v1\n\0" + counted + struct.pack(">QQ", 0, checkpoint.size) + checkpoint.root


# --- The Merkle tree (RFC 9162) ---------------------------------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def root_over(index: int, size: int, leaf: bytes, proof: list[bytes]) -> bytes | None:
    """The root to which an inclusion proof leads, or None if it has the wrong length for its place (§2.1.3.2)."""
    node, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    return None if last else computed


# --- The container ----------------------------------------------------------------------------------------------------

LOCAL, CENTRAL, END = struct.Struct("<4s5H3I2H"), struct.Struct("<4s6H3I5H2I"), struct.Struct("<4s4H2IH")
END_64, LOCATOR_64 = struct.Struct("<4sQ2H2I4Q"), struct.Struct("<4sIQI")
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
LONGEST_NAME = 200
FULL_COUNT, FULL_SIZE = 0xFFFF, 0xFFFFFFFF  # from these on, plain ZIP states all ones, and a ZIP64 record the number
MANY, LARGE = FULL_COUNT, FULL_SIZE


class Stored(NamedTuple):
    """One file in the container: where its header and its bytes begin, and what these are."""

    header: int
    begin: int
    size: int
    crc: int
    sha256: str


class Container:
    """The pack's file, read from one header to the next. Nothing is decompressed, so nothing can swell."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.length = file, file.seek(0, 2)
        self.files: dict[str, Stored] = {}
        self.odd: str | None = None  # the first file whose header or bytes are not as they should be
        at, last = 0, "the beginning"
        while self.read(at, 4) not in (b"PK\1\2", b"PK\5\6", b"PK\6\6"):
            last = self.next_file(at, last)
            at = self.files[last].begin + self.files[last].size
        self.end = at

    def read(self, at: int, size: int) -> bytes:
        self.file.seek(at)
        return self.file.read(size)

    def next_file(self, at: int, last: str) -> str:
        head = self.read(at, LOCAL.size + LONGEST_NAME + 20)
        if head[:4] != b"PK\3\4" or len(head) < LOCAL.size:
            raise Broken("container", f"is damaged at byte {at}, after {last}: no file begins there.")
        fields = LOCAL.unpack_from(head)
        crc, size, begin = fields[6], fields[8], LOCAL.size + fields[9] + fields[10]
        name, extra = head[LOCAL.size : begin - fields[10]].decode("ascii", "replace"), head[begin - fields[10] : begin]
        if size == FULL_SIZE and len(extra) >= 12:
            (size,) = struct.unpack_from("<Q", extra, 4)
        if not NAME.fullmatch(name) or len(name) > LONGEST_NAME or at + begin + size > self.length:
            raise Broken("container", f"is damaged: the header of {name!r}, after {last}, cannot be right.")
        if name in self.files:
            raise Broken(name, "stands in the pack twice.")
        found, digest = self.hashed(at + begin, size)
        if self.odd is None and (found != crc or head[:begin] != local_header(name, crc, size)):
            self.odd = name
        self.files[name] = Stored(at, at + begin, size, crc, digest)
        return name

    def hashed(self, begin: int, size: int) -> tuple[int, str]:
        crc, digest = 0, sha256()
        for chunk in self.chunks(begin, size):
            crc = crc32(chunk, crc)
            digest.update(chunk)
        return crc, digest.hexdigest()

    def chunks(self, begin: int, size: int) -> Iterator[bytes]:
        self.file.seek(begin)
        while size > 0 and (chunk := self.file.read(min(CHUNK, size))):
            size -= len(chunk)
            yield chunk


def local_header(name: str, crc: int, size: int) -> bytes:
    version, extra = zip64_extra(size, size)
    fields = version, 0, 0, 0, 0x21, crc, short(size), short(size), len(name), len(extra)
    return LOCAL.pack(b"PK\3\4", *fields) + name.encode() + extra


def central_header(name: str, stored: Stored) -> bytes:
    version, extra = zip64_extra(stored.size, stored.size, stored.header)
    common = 0, 0, 0, 0x21, stored.crc, short(stored.size), short(stored.size), len(name), len(extra)
    where = 0, 0, 0, 0o100644 << 16, short(stored.header)
    return CENTRAL.pack(b"PK\1\2", 3 << 8 | version, version, *common, *where) + name.encode() + extra


def end_records(count: int, length: int, start: int) -> bytes:
    records = b""
    if count >= MANY or max(length, start) >= LARGE:
        made = 3 << 8 | 45, 45
        records = END_64.pack(b"PK\6\6", END_64.size - 12, *made, 0, 0, count, count, length, start)
        records += LOCATOR_64.pack(b"PK\6\7", 0, start + length, 1)
    counted = count if count < MANY else FULL_COUNT
    return records + END.pack(b"PK\5\6", 0, 0, counted, counted, short(length), short(start), 0)


def zip64_extra(*values: int) -> tuple[int, bytes]:
    """The version needed to read the file, and the extra field with the values too large for theirs."""
    large = [value for value in values if value >= LARGE]
    return (45, struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large)) if large else (20, b"")


def short(value: int) -> int:
    return value if value < LARGE else FULL_SIZE


# --- JSON -------------------------------------------------------------------------------------------------------------

LONGEST_NUMBER = 20


def parse_json(data: bytes, where: str, kind: type = dict, *, exact: bool = False, skim: bool = False) -> Any:
    """A JSON object (or array) in which every key stands once and every number is a number.

    If `exact`, it holds no fractions and its bytes are the canonical ones. If `skim`, nothing of it is kept.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) != len(pairs):
            raise Broken(where, "has a key twice, so it can be read in two ways.")
        return {} if skim else content

    def refuse(number: str) -> Any:
        raise ValueError(number)

    def whole(digits: str) -> int:
        return int(digits) if len(digits) <= LONGEST_NUMBER else refuse(digits)

    if len(data) > MOST_JSON:
        raise Broken(where, f"could not check: it is larger than the {MOST_JSON >> 20} MiB that are read as JSON.")
    hooks: dict[str, Any] = {"object_pairs_hook": unique, "parse_constant": refuse, "parse_int": whole}
    try:
        content = json.loads(data.decode(), parse_float=refuse if exact else float, **hooks)
        canonical = encoded(content) if exact else data
    except (ValueError, RecursionError):
        raise Broken(where, "is not valid JSON, or holds a number out of range.") from None
    if type(content) is not kind:
        raise Broken(where, f"is not a JSON {'object' if kind is dict else 'array'}.")
    if canonical != data:
        raise Broken(where, "is not in canonical form.")
    return content


def encoded(content: Any) -> bytes:
    """Canonical JSON (RFC 8785, for values without fractions)."""
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def part(content: Any, key: str, kind: type, where: str) -> Any:
    """One member of an object, of exactly the type it should have."""
    value = content.get(key) if isinstance(content, dict) else None
    if type(value) is not kind:
        raise Broken(where, f"{key} is missing or of the wrong type.")
    return value


def date(text: str, where: str) -> datetime:
    try:
        at = datetime.fromisoformat(re.sub("Z$", "+00:00", text))
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Broken(where, f"{text[:40]!r} is no moment.") from None


# --- The pack ---------------------------------------------------------------------------------------------------------

SEAL = ["manifest.json", "manifest.sig"]
REQUIRED = ["README.txt", "evidence.pdf", "oscal.json", "checkpoint.txt", "anchors.json", *SEAL]
STAMP = "checkpoint.tst"
ATTESTATION = "attestation.dsse.json"
OF_A_VERSION = ["card.json", "card.md", "card.html", "gate.json", "policy.yaml"]
IN_WORDS = ["README.txt", "evidence.pdf", "oscal.json", "card.json", "card.md", "card.html"]
FOLDER = re.compile(r"versions/[A-Za-z0-9_-][A-Za-z0-9._-]*")
OPTIONAL = re.compile(
    rf"checkpoint\.tst|{FOLDER.pattern}/({'|'.join(map(re.escape, [*OF_A_VERSION, ATTESTATION]))}"
    r"|(runs|signatures)/[A-Za-z0-9][A-Za-z0-9-]{0,63}\.json)|events/[0-9]{12}\.(json|disclosed\.json|tlog-proof)"
)
EVENT = re.compile(r"events/[0-9]{12}\.json")

SIGNED, RELEASED, MEASURED = "governance.signature.signed", "governance.promotion.released", "audits.run.succeeded"
PASSKEY_ADDED, PASSKEY_REMOVED, METHODS_RESET = "people.passkey.added", "people.passkey.removed", "people.methods.reset"
ERASED = "trail.payload.erased"
OF_INTEREST = {SIGNED, RELEASED, MEASURED, PASSKEY_ADDED, PASSKEY_REMOVED, METHODS_RESET, ERASED}
EVENT_PARTS = {
    "v": int, "id": str, "type": str, "at": str, "action": str, "unit": str, "rows": str, "actor": dict,
    "subject": dict, "sealed": dict,
}  # fmt: skip


class Version(NamedTuple):
    """One version the pack is about, as the manifest states it."""

    path: str
    id: str
    artifact: str


class Recorded(NamedTuple):
    """An event of the log, with the facts that were disclosed and fit what the event sealed."""

    place: int
    path: str
    id: str
    type: str
    actor: str
    subject: str
    facts: dict[str, Any]


class Pack:
    def __init__(self, file: BinaryIO, pins: Pins) -> None:
        self.container, self.pins = Container(file), pins
        self.files = self.container.files
        self.unchecked: list[str] = []
        self.report: dict[str, Any] = {}
        self.folders: dict[str, list[str]] = {}
        for path in sorted(self.files):
            self.folders.setdefault(path.rpartition("/")[0], []).append(path)

    def bytes(self, path: str) -> bytes:
        if path not in self.files:
            raise Broken(path, "is missing.")
        stored = self.files[path]
        if stored.size > MOST_JSON:
            raise Broken(path, f"could not check: it is larger than the {MOST_JSON >> 20} MiB that are read at once.")
        data = self.container.read(stored.begin, stored.size)
        if sha256(data).hexdigest() != stored.sha256:
            raise Broken(path, "changed while it was read.")
        return data

    def json(self, path: str) -> dict[str, Any]:
        content: dict[str, Any] = parse_json(self.bytes(path), path)
        return content

    def digest(self, path: str) -> str:
        if path not in self.files:
            raise Broken(path, "is missing.")
        return f"sha256:{self.files[path].sha256}"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = parse_json(self.bytes("manifest.json"), "manifest.json")
        return manifest

    @cached_property
    def stated(self) -> dict[str, Any]:
        """What the manifest says of the pack."""
        pack: dict[str, Any] = part(self.manifest, "pack", dict, "manifest.json")
        return pack

    @cached_property
    def versions(self) -> list[Version]:
        listed = part(self.stated, "versions", list, "manifest.json")
        keys = "path", "version_id", "artifact_digest"
        versions = [Version(*(part(each, key, str, "manifest.json") for key in keys)) for each in listed]
        folders = {each.path for each in versions}
        if len(folders) < len(versions) or not all(map(FOLDER.fullmatch, folders)):
            raise Broken("manifest.json", "names a version's folder twice, or in a form it cannot have.")
        return versions

    @cached_property
    def checkpoint(self) -> Checkpoint:
        return read_checkpoint(self.bytes("checkpoint.txt"), "checkpoint.txt", self.pins.logs)

    @cached_property
    def event_paths(self) -> list[str]:
        return [path for path in self.folders.get("events", []) if EVENT.fullmatch(path)]

    @cached_property
    def events(self) -> Events:
        return Events(self)

    def recorded(self, *kinds: str) -> list[Recorded]:
        """The events of these types that can be read, in the order of the log."""
        return sorted(event for kind in kinds for event in self.events.kept.get(kind, []))

    def stored_in(self, folder: str) -> list[tuple[str, Version]]:
        """The files in every version's folder of this name."""
        found = [(version, self.folders.get(f"{version.path}/{folder}", [])) for version in self.versions]
        return [(path, version) for version, paths in found for path in paths]


class Events:
    """Every event of the pack read once; what other checks need of some is kept, the rest is let go."""

    def __init__(self, pack: Pack) -> None:
        self.kept: dict[str, list[Recorded]] = {}  # by type
        self.broken: list[Broken] = []
        self.broken_disclosures: list[Broken] = []
        self.disclosed = 0
        self.missing: list[tuple[str, str, list[str]]] = []  # path and id of an event, and the names not disclosed
        for path in pack.event_paths:
            try:
                event = read_event(pack.bytes(path), path)
            except Broken as broken:
                self.broken.append(broken)
                continue
            self.read_disclosed(pack, path, event)

    def read_disclosed(self, pack: Pack, path: str, event: dict[str, Any]) -> None:
        beside = f"{path.removesuffix('.json')}.disclosed.json"
        values: dict[str, Any] = {}
        try:
            values = disclosed(pack.bytes(beside), beside, event["sealed"])
        except Broken as broken:
            self.broken_disclosures.append(broken)
        else:
            self.disclosed += len(values)
            if missing := sorted(set(event["sealed"]) - set(values)):
                self.missing.append((path, event["id"], missing))
        if event["type"] in OF_INTEREST:
            facts = {name[len("facts.") :]: value for name, value in values.items() if name.startswith("facts.")}
            about = event["actor"]["id"], event["subject"]["id"]
            kept = Recorded(int(own_id(path)), path, event["id"], event["type"], *about, facts)
            self.kept.setdefault(event["type"], []).append(kept)


def read_event(data: bytes, path: str) -> dict[str, Any]:
    event: dict[str, Any] = parse_json(data, path, exact=True)
    if part(event, "v", int, path) != 2:
        raise Broken(path, "could not check: it is of a version this program does not know.")
    for key, kind in EVENT_PARTS.items():
        part(event, key, kind, path)
    for holder, key in (("actor", "id"), ("actor", "kind"), ("subject", "id"), ("subject", "type")):
        part(event[holder], key, str, path)
    unknown = {*event, *event["actor"], *event["subject"]} - {*EVENT_PARTS, "kind"}
    if unknown:
        raise Broken(path, f"could not check: no event of its version holds {', '.join(sorted(unknown))[:100]}.")
    commitments = [*event["sealed"].values(), *filter(None, [event["rows"]])]
    if any(len(unbase64(commitment) or b"") != HASH for commitment in commitments):
        raise Broken(path, "seals something that is no commitment.")
    return event


def disclosed(data: bytes, where: str, sealed: dict[str, str]) -> dict[str, Any]:
    """The values by name, once each with its salt is seen to hash to the commitment under its name."""
    values: dict[str, Any] = {}
    for triple in parse_json(data, where, list, exact=True):
        if type(triple) is not list or len(triple) != 3 or type(triple[1]) is not str:
            raise Broken(where, "holds something that is no salt, name and value.")
        salt, name, value = triple
        if len(unbase64(salt) or b"") != SALT:
            raise Broken(where, f"the salt of {name} is not {SALT} bytes.")
        if name in values:
            raise Broken(where, f"discloses {name} twice.")
        if name not in sealed:
            raise Broken(where, f"discloses {name}, which its event did not seal.")
        if b64encode(sha256(encoded(triple)).digest()).decode() != sealed[name]:
            raise Broken(where, f"{name} is not what its event sealed.")
        values[name] = value
    if list(values) != sorted(values):
        raise Broken(where, "is not in the order of its names.")
    return values


def own_id(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".json")


# --- The checks: each returns a sentence that holds, or None if there was nothing to check, or raises Broken ----------

Checked = TypeVar("Checked")
Item = TypeVar("Item")


def each(check: Callable[[Item], Checked], items: Iterable[Item]) -> list[Checked]:
    """Check every item, so that everything broken is named and not just the first."""
    done, broken = [], []
    for item in items:
        try:
            done.append(check(item))
        except Broken as one:
            broken.append(one)
    if broken:
        raise SeveralBroken(broken)
    return done


def check_container(pack: Pack) -> str:
    container, at = pack.container, pack.container.end
    if container.odd:
        raise Broken("container", f"is not byte for byte what the files make: it differs at or after {container.odd}.")
    directory = 0
    for name, stored in pack.files.items():
        header = central_header(name, stored)
        if container.read(at + directory, len(header)) != header:
            raise Broken("container", f"is not byte for byte what the files make: it lists {name} otherwise.")
        directory += len(header)
    records = end_records(len(pack.files), directory, at)
    if container.read(at + directory, len(records)) != records:
        raise Broken("container", "is not byte for byte what the files make: it differs at its end record.")
    length = at + directory + len(records)
    if length != container.length:
        raise Broken("container", f"has {container.length - length} bytes after its end.")
    if list(pack.files) != in_listed_order(pack):
        raise Broken("container", "is not byte for byte what the files make: it has them in another order.")
    return f"container: all {length} bytes are what the files make, and nothing is hidden between them."


def in_listed_order(pack: Pack) -> list[str]:
    try:
        return [*(file["path"] for file in pack.manifest["files"]), *SEAL]
    except (Broken, KeyError, TypeError):
        return list(pack.files)  # said by check_manifest; here each byte was compared


def check_files(pack: Pack) -> str:
    folders = {version.path for version in pack.versions}
    required = [f"{folder}/{name}" for folder in sorted(folders) for name in OF_A_VERSION]
    proofs = [
        path.removesuffix(".json") + end for path in pack.event_paths for end in (".disclosed.json", ".tlog-proof")
    ]
    each(pack.digest, [*REQUIRED, *required, *proofs])
    each(lambda path: check_known(path, pack, folders), pack.files)
    return f"files: {len(pack.files)} files, every one of them known."


def check_known(path: str, pack: Pack, folders: set[str]) -> None:
    of_event = re.match(r"events/[0-9]{12}", path)
    if path not in REQUIRED and not OPTIONAL.fullmatch(path):
        raise Broken(path, "could not check: an evidence pack has no such file.")
    if path.startswith("versions/") and "/".join(path.split("/")[:2]) not in folders:
        raise Broken(path, "could not check: the manifest names no such version.")
    if of_event and f"{of_event[0]}.json" not in pack.files:
        raise Broken(path, "could not check: it belongs to an event that is not there.")


def check_manifest(pack: Pack) -> str:
    if part(pack.manifest, "v", int, "manifest.json") != 2:
        raise Broken("manifest.json", "could not check: it is of a version this program does not know.")
    files = part(pack.manifest, "files", list, "manifest.json")
    listed = {part(file, "path", str, "manifest.json") for file in files}
    if len(listed) != len(files):
        raise Broken("manifest.json", "lists a file twice.")
    if unlisted := [path for path in pack.files if path not in listed and path not in SEAL]:
        raise SeveralBroken([Broken(path, "is not in the manifest.") for path in unlisted])
    each(lambda file: check_listed(pack, file), files)
    if encoded(pack.manifest) != pack.bytes("manifest.json"):
        raise Broken("manifest.json", "is not in canonical form.")
    return f"manifest.json: {len(files)} files have the SHA-256 and the size it lists, and there is no other."


def check_listed(pack: Pack, file: dict[str, Any]) -> None:
    path, size = file["path"], part(file, "size", int, "manifest.json")
    if path not in pack.files:
        raise Broken(path, "is missing.")
    if size != pack.files[path].size:
        raise Broken(path, f"has {pack.files[path].size} bytes, not the {size} the manifest lists.")
    if part(file, "sha256", str, "manifest.json") != pack.files[path].sha256:
        raise Broken(path, "was altered: its SHA-256 is not the one in the manifest.")


def check_seal(pack: Pack) -> str:
    note = read_note(pack.bytes("manifest.sig"), "manifest.sig")
    if len(note.signatures) != 1:
        raise Broken("manifest.sig", "carries more than the one signature it should.")
    signer_of(note, pack.pins.logs, part(pack.stated, "size", int, "manifest.json"))
    digest = b64encode(sha256(pack.bytes("manifest.json")).digest()).decode()
    if not note.text.endswith(f"\n{digest}\n"):
        raise Broken("manifest.json", "is not the manifest that was signed.")
    if note.text != f"countersign evidence pack\n{part(pack.stated, 'id', str, 'manifest.json')}\n{digest}\n":
        raise Broken("manifest.sig", "was signed for another purpose or another pack.")
    return "manifest.sig: the manifest is signed with the pinned key."


def check_checkpoint(pack: Pack) -> str:
    checkpoint = pack.checkpoint
    if checkpoint.origin != part(pack.stated, "origin", str, "manifest.json"):
        raise Broken("checkpoint.txt", f"is of the log {checkpoint.origin}, not of the one the manifest names.")
    if checkpoint.size != part(pack.stated, "size", int, "manifest.json"):
        raise Broken("checkpoint.txt", f"is of {checkpoint.size} events, not of as many as the manifest states.")
    pack.report["checkpoint"] = described(checkpoint)
    pack.unchecked += strangers(checkpoint, pack.pins)
    return f"checkpoint.txt: {checkpoint.origin} had {checkpoint.size} events; signed with the pinned key."


def described(checkpoint: Checkpoint) -> dict[str, Any]:
    root = b64encode(checkpoint.root).decode()
    signer = {"role": "log", "name": checkpoint.key.name, "algorithm": "Ed25519", "at": None}
    return {"origin": checkpoint.origin, "size": checkpoint.size, "root": root, "signed": [signer], "stamped": []}


def strangers(checkpoint: Checkpoint, pins: Pins) -> Iterator[str]:
    """The signatures under the checkpoint that nobody pinned a key for."""
    known = [signature for key in [*pins.logs, *pins.seconds] for signature in checkpoint.note.by(key)]
    names = [name for name, _, signature in checkpoint.note.signatures if signature not in known]
    if names:
        where = checkpoint.note.where
        yield f"{where}: {counted(len(names), 'signature')} by {', '.join(names)[:300]}, whose keys are not pinned."


def check_cosignatures(pack: Pack) -> str | None:
    return cosigned(pack.checkpoint, pack.pins, pack.report) if pack.pins.seconds else None


def cosigned(checkpoint: Checkpoint, pins: Pins, report: dict[str, Any]) -> str:
    times = each(lambda key: (key, cosigned_at(checkpoint, key)), pins.seconds)
    said = []
    for key, at in times:
        said.append(f"{key.role} {key.name} ({ALGORITHMS[key.kind]}), which states {in_utc(at)}")
        signer = {"role": key.role, "name": key.name, "algorithm": ALGORITHMS[key.kind], "at": at.isoformat()}
        report.setdefault("checkpoint", described(checkpoint))["signed"].append(signer)
    return f"{checkpoint.note.where}: signed as well by the pinned {', and by the pinned '.join(said)}."


def check_time_stamp(pack: Pack) -> str | None:
    if not pack.pins.authorities:
        if STAMP in pack.files:
            pack.unchecked.append(f"{STAMP}: a time stamp, but no authority is pinned that could have given it.")
        return None
    return stamped(pack.bytes(STAMP), STAMP, pack.checkpoint, pack.pins, pack.report)


def stamped(token: bytes, where: str, checkpoint: Checkpoint, pins: Pins, report: dict[str, Any]) -> str:
    try:
        found = stamp(token[:MOST_FILE])
        problems = [
            stamp_problem(found, checkpoint.note.text.encode(), certificates) for _, certificates in pins.authorities
        ]
    except (Malformed, IndexError):
        raise Broken(where, "could not check: it is no time-stamp token this program can read.") from None
    if len(pins.authorities) > 1 and "" in problems:
        problems = [""]  # a pack carries one time stamp; one of several authorities gave it
    if any(problems):
        raise Broken(where, next(filter(None, problems)))
    report.setdefault("checkpoint", described(checkpoint))["stamped"].append({"at": found.at.isoformat()})
    return f"{where}: the pinned time-stamp authority states that the checkpoint was there at {in_utc(found.at)}."


def check_anchors(pack: Pack) -> str:
    anchors = parse_json(pack.bytes("anchors.json"), "anchors.json", list, exact=True)
    dated = each(lambda anchor: check_anchor(anchor, pack.checkpoint), anchors)
    pack.unchecked.append(anchor_age(pack, dated))
    return f"anchors.json: {counted(len(anchors), 'outside anchor')} listed, and none contradicts the checkpoint."


def check_anchor(anchor: Any, checkpoint: Checkpoint) -> tuple[datetime, int, str]:
    kind, target, at = (part(anchor, key, str, "anchors.json") for key in ("kind", "target", "at"))
    size, root = part(anchor, "size", int, "anchors.json"), unbase64(part(anchor, "root", str, "anchors.json"))
    if root is None or len(root) != HASH or size < 0:
        raise Broken("anchors.json", "holds an anchor that is not of a tree.")
    if size == checkpoint.size and root != checkpoint.root:
        raise Broken("anchors.json", f"{kind} {target[:200]} holds another tree of the same size: the log was split.")
    return date(at, "anchors.json"), size, f"{kind} {target[:200]}"


def anchor_age(pack: Pack, dated: list[tuple[datetime, int, str]]) -> str:
    """How old the newest outside anchor is: up to there, a rewritten log would be noticed."""
    if not dated:
        return "anchors: as the issuer states, nobody outside holds any checkpoint of this log."
    at, size, name = max(dated)
    made = date(part(pack.stated, "created_at", str, "manifest.json"), "manifest.json")
    age = f"{in_words(made - at)} before" if at < made else f"{in_words(at - made)} after"
    newer = max(0, pack.checkpoint.size - size)
    return (
        f"anchors: as the issuer states, the newest outside anchor ({name}) holds size {size} since {in_utc(at)}, "
        f"{age} this checkpoint; {counted(newer, 'event')} came after it. Ask its keeper."
    )


def in_words(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            return counted(seconds // length, unit)
    return counted(seconds, "second")


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


PROOF = b"c2sp.org/tlog-proof@v1\nindex %d\n"


def check_proofs(pack: Pack) -> str:
    checkpoint, note = pack.checkpoint, pack.bytes("checkpoint.txt")
    each(lambda path: check_proof(pack, path, checkpoint, note), pack.event_paths)
    count = len(pack.event_paths)
    return f"proofs: {counted(count, 'event')} stand in the log that the checkpoint closes, each at its place."


def check_proof(pack: Pack, path: str, checkpoint: Checkpoint, note: bytes) -> None:
    index, where = int(own_id(path)), f"{path.removesuffix('.json')}.tlog-proof"
    proof, head = pack.bytes(where), PROOF % index
    if not proof.startswith(head):
        raise Broken(where, f"is not the proof of event {index}, in the form it has to have.")
    if not proof.endswith(b"\n" + note) or len(proof) < len(head) + len(note) + 1:
        raise Broken(where, "carries another checkpoint than checkpoint.txt.")
    lines = proof[len(head) : -len(note) - 1].decode("ascii", "replace").split("\n")
    siblings = [unbase64(line) or b"" for line in lines[:-1]]
    if lines[-1] or any(len(sibling) != HASH for sibling in siblings):
        raise Broken(where, "holds a line that is no hash.")
    leaf = leaf_hash(pack.bytes(path))
    if index >= checkpoint.size or root_over(index, checkpoint.size, leaf, siblings) != checkpoint.root:
        raise Broken(path, "its inclusion proof does not lead to the root of the checkpoint.")


def check_events(pack: Pack) -> str:
    if pack.events.broken:
        raise SeveralBroken(pack.events.broken)
    return f"events ({len(pack.event_paths)}): each can be read, and in one way only."


def check_disclosures(pack: Pack) -> str:
    events = pack.events
    if events.broken_disclosures:
        raise SeveralBroken(events.broken_disclosures)
    erased, gone = erased_names(pack), 0
    silent: dict[str, list[str]] = {}
    for path, event, names in events.missing:
        if left := [name for name in names if name not in erased.get(event, [])]:
            silent[path] = left
            pack.unchecked.append(f"{path}: not disclosed, and no event says it was erased: {', '.join(left)[:300]}.")
        gone += len(names) - len(left)
    pack.report["disclosed"] = {"values": events.disclosed, "erased": gone, "not_disclosed": silent}
    also = f"; {counted(gone, 'value')} were erased, as an event of the log says" if gone else ""
    return f"disclosures: {counted(events.disclosed, 'value')} are what their events sealed{also}."


def erased_names(pack: Pack) -> dict[str, list[str]]:
    """By the id of an event, the names of its values that were erased, as other events of the log say."""
    found: dict[str, list[str]] = {}
    for event in pack.recorded(ERASED):
        listed = event.facts.get("entries")
        for erased, names in listed.items() if isinstance(listed, dict) else ():
            found.setdefault(erased, []).extend(names if isinstance(names, list) else [])
    return found


def check_json(pack: Pack) -> str:
    paths = [path for path in pack.files if path.endswith(".json") and not path.startswith("events/")]
    each(lambda path: parse_json(pack.bytes(path), path, list if path == "anchors.json" else dict, skim=True), paths)
    return f"JSON ({len(paths)} files beside the events): each can be read, and in one way only."


# --- The checks: signatures, runs, releases ---------------------------------------------------------------------------

SERVER_SAYS = {"password": "a password", "totp": "a code of an authenticator app"}
PRESENT, VERIFIED, WITH_MORE = 0x01, 0x04, 0xC0  # flags of an authenticator
ORIGIN = re.compile(r"(?:https://([a-z0-9.-]+)|http://(localhost))(?::\d{1,5})?", re.ASCII)


def check_signatures(pack: Pack) -> str:
    recorded: dict[str, list[Recorded]] = {}
    for event in pack.recorded(SIGNED):
        recorded.setdefault(str(event.facts.get("signature")), []).append(event)
    found = each(
        lambda stored: check_signature(pack, *stored, recorded.get(own_id(stored[0]), [])), pack.stored_in("signatures")
    )
    pack.report["signatures"] = found
    by_passkey = sum(each["method"] == "passkey" for each in found)
    if by_server := len(found) - by_passkey:
        ways = " or ".join(sorted({SERVER_SAYS[each["method"]] for each in found if each["method"] in SERVER_SAYS}))
        pack.unchecked.append(
            f"signatures: that the signer gave {ways} is the server's word for {by_server} of {len(found)} of them."
        )
    if by_passkey:
        pack.unchecked.append(
            "passkeys: each is the signer's own if the event that added it is true: ask them, or the issuer."
        )
    shown = "each fits what was shown to the signer and an event of the log"
    return f"signatures ({len(found)}): {shown}; {by_passkey} made with a passkey, which was verified."


def check_signature(pack: Pack, path: str, version: Version, recorded: list[Recorded]) -> dict[str, Any]:
    content = pack.json(path)
    signature = part(content, "signature", dict, path)
    statement = unbase64(part(content, "statement", str, path))
    digest, method = part(signature, "digest", str, path), part(signature, "method", str, path)
    if part(signature, "id", str, path) != own_id(path):
        raise Broken(path, "holds a signature with another id.")
    if statement is None or "sha256:" + sha256(statement).hexdigest() != digest:
        raise Broken(path, "the statement is not the one whose digest was signed.")
    check_statement(parse_json(statement, path), signature, version, path)
    events = [event for event in recorded if event.facts.get("digest") == digest]
    if not events:
        raise Broken(path, "no event of the log records this signature with this digest.")
    if any(event.actor != part(signature, "signer", str, path) for event in events):
        raise Broken(path, "the event that records it names another person as the signer.")
    if any(event.subject != part(part(signature, "about", dict, path), "id", str, path) for event in events):
        raise Broken(path, "the event that records it is about something else.")
    if any(event.facts.get("method") != method for event in events):
        raise Broken(path, f"the event that records it does not say that it was made by {method}.")
    check_method(pack, path, content, statement, events[0])
    stated = {key: signature.get(key) for key in ("id", "signer", "signer_name", "role", "meaning", "method")}
    return {"path": path, **stated, "event": events[0].place, "verified": method == "passkey"}


def check_statement(shown: dict[str, Any], signature: dict[str, Any], version: Version, path: str) -> None:
    for key in ("role", "meaning", "comment", "dossier_digest"):
        if part(shown, key, str, path) != signature.get(key):
            raise Broken(path, f"states another {key} than was shown to the signer.")
    dossier = part(shown, "dossier", dict, path)
    if "sha256:" + sha256(encoded(dossier)).hexdigest() != shown["dossier_digest"]:
        raise Broken(path, "the dossier that was shown has another digest than was shown with it.")
    if part(part(dossier, "version", dict, path), "id", str, path) != version.id:
        raise Broken(path, "is about another version than the one in whose folder it is.")
    if part(dossier, "artifact_digest", str, path) not in ("", version.artifact):
        raise Broken(path, "is about another artifact than its version's.")
    if part(part(shown, "signer", dict, path), "id", str, path) != signature.get("signer"):
        raise Broken(path, "states another signer than was shown.")
    if date(part(shown, "shown_at", str, path), path) > date(part(signature, "at", str, path), path):
        raise Broken(path, "was signed before it was shown.")


def check_method(pack: Pack, path: str, content: dict[str, Any], statement: bytes, event: Recorded) -> None:
    method = content["signature"]["method"]
    if method != "passkey":
        if method not in SERVER_SAYS:
            raise Broken(path, f"could not check: this program knows no signing by {method[:40]!r}.")
        if content.get("passkey"):
            raise Broken(path, f"says it was made by {method}, and yet holds what a passkey signed.")
        return
    passkey = part(content, "passkey", dict, path)
    key = check_assertion(passkey, statement, path)
    if not held_key(pack, event, key):
        raise Broken(path, "no event before it records this passkey as the signer's.")


def check_assertion(passkey: dict[str, Any], statement: bytes, path: str) -> str:
    """The digest of the key that made a WebAuthn assertion over the statement (WebAuthn, §7.2)."""
    names = "public_key", "authenticator_data", "client_data_json", "signature"
    given = [unbase64(part(passkey, name, str, path)) for name in names]
    rp_id, origin = part(passkey, "rp_id", str, path), part(passkey, "origin", str, path)
    spki, authenticator, client, signature = (data or b"" for data in given)
    said = parse_json(client, path)
    if said.get("type") != "webauthn.get":
        raise Broken(path, "the passkey was not asked to sign.")
    if said.get("challenge") != urlsafe_b64encode(sha256(statement).digest()).rstrip(b"=").decode():
        raise Broken(path, "the passkey signed another statement.")
    host = ORIGIN.fullmatch(origin)
    inside = host and f".{host[1] or host[2]}".endswith(f".{rp_id}")
    if said.get("origin") != origin or said.get("crossOrigin") not in (None, False) or not inside or not rp_id:
        raise Broken(path, "the passkey was used on the page of another site.")
    if len(authenticator) < 37 or authenticator[:32] != sha256(rp_id.encode()).digest():
        raise Broken(path, "the passkey signed for another site.")
    flags = authenticator[32]
    if not flags & PRESENT or not flags & VERIFIED:
        raise Broken(path, "the authenticator did not verify who used the passkey.")
    if not flags & WITH_MORE and len(authenticator) != 37:
        raise Broken(path, "the passkey signed something this program cannot read.")
    try:
        fits = assertion_verifies(public_key(spki), authenticator + sha256(client).digest(), signature)
    except Malformed:
        raise Broken(path, "could not check: the passkey's key or signature cannot be read.") from None
    if not fits:
        raise Broken(path, "the passkey's signature does not fit.")
    return "sha256:" + sha256(spki).hexdigest()


def assertion_verifies(key: PublicKey, message: bytes, signature: bytes) -> bool:
    """ES256, EdDSA or RS256, as the key has it."""
    if key.kind == "ed25519":
        return ed25519_verifies(key.raw, message, signature)
    if key.kind == "ec" and key.curve != P256:
        return False
    return key_verifies(key, Algorithm("ecdsa" if key.kind == "ec" else "rsa", "sha256"), message, signature)


def held_key(pack: Pack, signed: Recorded, key: str) -> bool:
    """Whether the log says, up to the signing, that the signer held this passkey."""
    held = False
    for event in pack.recorded(PASSKEY_ADDED, PASSKEY_REMOVED, METHODS_RESET):
        if event.place < signed.place and event.subject == signed.actor:
            of_key = event.facts.get("public_key") == key
            held = held or of_key if event.type == PASSKEY_ADDED else held and not (of_key or ends_all(event, key))
    return held


def ends_all(event: Recorded, key: str) -> bool:
    """Whether the event took this passkey away with others; one that does not tell which took them all."""
    listed = event.facts.get("passkeys")
    listed = listed if isinstance(listed, list) else [key]
    if event.type != METHODS_RESET:
        return "public_key" not in event.facts
    keys = [one.get("public_key", key) if isinstance(one, dict) else key for one in listed]
    return key in keys


def check_order(pack: Pack) -> str:
    """A release comes after the signatures it counts, and none is added to it later."""
    signed: dict[str, list[Recorded]] = {}
    for event in pack.recorded(SIGNED):
        signed.setdefault(event.subject, []).append(event)
    releases = pack.recorded(RELEASED)
    each(lambda release: check_release(pack, release, signed.get(release.subject, [])), releases)
    return f"order: {counted(len(releases), 'release')}, each after the signatures it counts."


def check_release(pack: Pack, release: Recorded, signed: list[Recorded]) -> None:
    late = [event for event in signed if event.place > release.place]
    if late:
        raise Broken(late[0].path, f"records a signature after the release it is for ({release.path}).")
    if "signatures" not in release.facts:
        pack.unchecked.append(f"{release.path}: which signatures this release counts is not disclosed.")
        return
    known = {str(event.facts.get("digest")) for event in signed}
    for digest in part(release.facts, "signatures", list, release.path):
        if digest not in known:
            raise Broken(release.path, "releases by a signature that no event before it records.")


def check_runs(pack: Pack) -> str:
    recorded = {(event.subject, str(event.facts.get("result_digest"))) for event in pack.recorded(MEASURED)}
    found = each(lambda stored: check_run(pack, *stored, recorded), pack.stored_in("runs"))
    return f"runs ({len(found)}): each result is the one the log recorded."


def check_run(pack: Pack, path: str, version: Version, recorded: set[tuple[str, str]]) -> None:
    run = part(pack.json(path), "run", dict, path)
    if part(run, "id", str, path) != own_id(path):
        raise Broken(path, "holds a run with another id.")
    if part(part(run, "version", dict, path), "id", str, path) != version.id:
        raise Broken(path, "is a run of another version than the one in whose folder it is.")
    if run.get("artifact_digest") and run["artifact_digest"] != version.artifact:
        raise Broken(path, "is a run of another artifact than its version's.")
    if (run["id"], pack.digest(path)) not in recorded:
        raise Broken(path, "no event of the log records this run with this result.")


def check_attestations(pack: Pack) -> str:
    released: dict[str, list[Recorded]] = {}
    for event in pack.recorded(RELEASED):
        released.setdefault(str(event.facts.get("version")), []).append(event)
    attested = each(lambda version: check_attestation(pack, version, released.get(version.id, [])), pack.versions)
    return (
        f"attestations ({sum(attested)}): what was released is attested with the pinned key, and no release lacks one."
    )


def check_attestation(pack: Pack, version: Version, released: list[Recorded]) -> bool:
    where = f"{version.path}/{ATTESTATION}"
    if where not in pack.files:
        if released:
            raise Broken(where, "is missing, although an event records the release it attests.")
        return False
    digest = pack.digest(where)
    recorded = [event for event in released if event.facts.get("attestation") == digest]
    if not recorded:
        raise Broken(where, "no event of the log records a release of this version with this attestation.")
    keys = [key for key in pack.pins.logs if any(key.covers(event.place + 1) for event in recorded)]
    statement = parse_json(attested_payload(pack.json(where), where, keys), where)
    if statement.get("_type") != "https://in-toto.io/Statement/v1":
        raise Broken(where, "could not check: it holds no in-toto statement of version 1.")
    subjects = part(statement, "subject", list, where)
    digests = [part(part(subject, "digest", dict, where), "sha256", str, where) for subject in subjects]
    if not digests or digests != names_of(version.artifact)[: len(digests)]:
        raise Broken(where, "is about another artifact than its version's.")
    if part(statement, "predicate", dict, where).get("verificationResult") != "PASSED":
        raise Broken(where, "does not say that its version passed.")
    return True


def names_of(artifact: str) -> list[str]:
    """The SHA-256 of the artifact, and the one by which OpenSSF Model Signing calls a model of that one file."""
    digest = artifact.removeprefix("sha256:")
    sound = re.fullmatch("[0-9a-f]{64}", digest)
    return [digest, sha256(bytes.fromhex(digest)).hexdigest()] if sound else []


def attested_payload(envelope: dict[str, Any], where: str, keys: list[Key]) -> bytes:
    """What a DSSE envelope holds, once a pinned key of the log is seen to have signed it."""
    kind = part(envelope, "payloadType", str, where)
    payload = unbase64(part(envelope, "payload", str, where))
    if kind != "application/vnd.in-toto+json" or payload is None:
        raise Broken(where, "is not an envelope around an in-toto statement.")
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
    listed = part(envelope, "signatures", list, where)[:MOST_NOTES]
    signatures = [unbase64(part(signature, "sig", str, where)) or b"" for signature in listed]
    if not any(ed25519_verifies(key.public, message, signature) for key in keys for signature in signatures):
        raise Broken(where, "is not signed with the pinned key.")
    return payload


def check_policies(pack: Pack) -> str:
    each(lambda version: check_policy(pack, version.path), pack.versions)
    return f"policies ({len(pack.versions)}): each is the one by which the gate of its version was evaluated."


def check_policy(pack: Pack, folder: str) -> None:
    gate, policy = f"{folder}/gate.json", f"{folder}/policy.yaml"
    if part(part(pack.json(gate), "policy", dict, gate), "digest", str, gate) != pack.digest(policy):
        raise Broken(policy, "is not the policy by which the gate was evaluated.")


CHECKS: tuple[Callable[[Pack], str | None], ...] = (
    check_container,
    check_files,
    check_manifest,
    check_seal,
    check_checkpoint,
    check_cosignatures,
    check_time_stamp,
    check_anchors,
    check_proofs,
    check_events,
    check_disclosures,
    check_json,
    check_signatures,
    check_order,
    check_runs,
    check_attestations,
    check_policies,
)


def not_checked(pack: Pack) -> Iterator[str]:
    yield from pack.unchecked
    stamps = pack.report.get("checkpoint", {}).get("stamped")
    yield (
        "time: the moments in events are those of the issuer's clock"
        + (f"; an outsider states only that all of it was there at {stamps[0]['at']}." if stamps else ".")
    )
    if stamps:
        yield f"{STAMP}: whether the authority's certificates were revoked takes asking the authority."
    yield (
        "the rest of the log: the pack proves the events it carries; that the log was never rewritten shows only "
        "when this checkpoint agrees with one you kept earlier."
    )
    yield (
        f"{', '.join(IN_WORDS)}: as the issuer made them, but their words were not compared with the data; a PDF "
        "reader checks the signature inside evidence.pdf."
    )
    kept = {own_id(path) for path, _ in pack.stored_in("signatures") + pack.stored_in("runs")}
    for event in pack.recorded(SIGNED):
        if event.facts.get("signature") not in kept:
            yield f"{event.path}: records a signature the pack does not carry."
    for event in pack.recorded(MEASURED):
        if event.subject not in kept:
            yield f"{event.path}: records a run the pack does not carry."


# --- The log: every event of an exported directory (c2sp.org/tlog-tiles) ----------------------------------------------

WIDTH, TILE = 256, 256 * HASH
MOST_NAMED = 20


class Log:
    """An exported log, and what is known of it once its entries were hashed."""

    def __init__(self, folder: Path, pins: Pins, since: Path | None) -> None:
        self.folder, self.pins, self.since = folder, pins, since
        self.unchecked: list[str] = []
        self.report: dict[str, Any] = {}
        self.bytes = 0
        # rows[0] is not kept: rows[level] holds the roots of the complete tiles of the level below, side by side
        self.rows: list[bytes] = []
        self.edges: dict[int, bytes] = {}  # by size: the leaf hashes after the last complete tile

    @cached_property
    def checkpoint(self) -> Checkpoint:
        return read_checkpoint(read_limited(self.folder / "checkpoint"), "checkpoint", self.pins.logs)

    @cached_property
    def older(self) -> Checkpoint | None:
        return read_checkpoint(read_limited(self.since), str(self.since), self.pins.logs) if self.since else None

    def tile(self, kind: str, number: int, width: int) -> bytes:
        """A tile or bundle of so many entries; a wider one will do where the log has grown since."""
        path = f"tile/{kind}/{tile_path(number)}"
        tried = [path] if width == WIDTH else [f"{path}.p/{width}", path]
        for name in tried:
            try:
                return (self.folder / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise Broken(name, f"can't be read ({error.strerror}).") from None
        raise Broken(tried[0], "is missing.")


def read_limited(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_FILE)
    except OSError as error:
        raise CouldNotRun(f"{path} cannot be read: {error}.") from None


def tile_path(number: int) -> str:
    """1234067 is x001/x234/067."""
    path = f"{number % 1000:03d}"
    while number := number // 1000:
        path = f"x{number % 1000:03d}/{path}"
    return path


def entry_hashes(bundle: bytes) -> list[bytes]:
    """The leaf hashes of the entries, each behind its length in two bytes. This is where the time goes."""
    hashes: list[bytes] = []
    add_hash, hashed, at, end = hashes.append, sha256, 0, len(bundle)
    while at < end:
        begin = at + 2
        at = begin + (bundle[at] << 8 | bundle[at + 1])
        add_hash(hashed(b"\0" + bundle[begin:at]).digest())
    if at != end:
        raise IndexError
    return hashes


def tile_root(row: bytes) -> bytes:
    """The root over a complete tile."""
    hashed = sha256
    while len(row) > HASH:
        row = b"".join([hashed(b"\1" + row[at : at + 64]).digest() for at in range(0, len(row), 64)])
    return row


def edge_root(hashes: list[bytes]) -> bytes:
    """The root over hashes of one level, the last of which may stand for fewer leaves."""
    while len(hashes) > 1:
        above = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes) - 1, 2)]
        hashes = above + hashes[len(above) * 2 :]
    return hashes[0]


def tree_root(log: Log, size: int) -> bytes:
    """The root over the first so many events, from what was hashed."""
    if size == 0:
        return sha256(b"").digest()
    rest: list[bytes] = []
    for level, row in enumerate([log.edges[size], *log.rows[1:]]):
        width = size >> 8 * level
        begin = 0 if level == 0 else width // WIDTH * TILE
        edge = row[begin : begin + width % WIDTH * HASH]
        hashes = [edge[at : at + HASH] for at in range(0, len(edge), HASH)] + rest
        rest = [edge_root(hashes)] if hashes else []
    return rest[0]


def check_log_checkpoint(log: Log) -> str:
    checkpoint = log.checkpoint
    log.report["checkpoint"] = described(checkpoint)
    log.unchecked += strangers(checkpoint, log.pins)
    return f"checkpoint: {checkpoint.origin} has {checkpoint.size} events; signed with the pinned key."


def check_log_cosignatures(log: Log) -> str | None:
    return cosigned(log.checkpoint, log.pins, log.report) if log.pins.seconds else None


def check_log_time_stamp(log: Log) -> str | None:
    path = log.folder / STAMP
    if not log.pins.authorities:
        return None
    if not path.exists():
        raise Broken(STAMP, "is missing, although a time-stamp authority is pinned.")
    return stamped(read_limited(path), STAMP, log.checkpoint, log.pins, log.report)


def check_entries(log: Log) -> str:
    size = log.checkpoint.size
    wanted = {size, *([log.older.size] if log.older and log.older.size <= size else [])}
    roots, broken = [], []
    for number in range((size + WIDTH - 1) // WIDTH):
        width = min(WIDTH, size - number * WIDTH)
        try:
            row = check_bundle(log, number, width)
        except Broken as one:
            broken.append(one)
            if len(broken) == MOST_NAMED:
                raise SeveralBroken([*broken, Broken("tile", "and perhaps more: the check stopped here.")]) from None
            continue
        if width == WIDTH:
            roots.append(tile_root(row))
        log.edges.update({each: row[: each % WIDTH * HASH] for each in wanted if each // WIDTH == number})
    if broken:
        raise SeveralBroken(broken)
    for each in wanted:
        log.edges.setdefault(each, b"")
    log.rows = [b"", b"".join(roots)]
    check_upper_tiles(log, size)
    if tree_root(log, size) != log.checkpoint.root:
        raise Broken("tile/entries", "the events do not lead to the root of the checkpoint.")
    return f"events: all {size} ({log.bytes} bytes) were hashed anew, and lead to the root of the checkpoint."


def check_bundle(log: Log, number: int, width: int) -> bytes:
    """The leaf hashes of a bundle, once they are seen to be those in the tile over it."""
    where = f"tile/entries/{tile_path(number)}"
    bundle = log.tile("entries", number, width)
    try:
        hashes = entry_hashes(bundle)
    except IndexError:
        raise Broken(where, "does not end where its last event does.") from None
    if len(hashes) < width:
        raise Broken(where, f"holds {len(hashes)} events, not {width}.")
    row, tile = b"".join(hashes[:width]), log.tile("0", number, width)[: width * HASH]
    if row != tile:
        at = next(at for at in range(width) if row[at * HASH : (at + 1) * HASH] != tile[at * HASH : (at + 1) * HASH])
        raise Broken(where, f"event {number * WIDTH + at} is not the one whose hash tile/0/{tile_path(number)} holds.")
    log.bytes += len(bundle) - 2 * len(hashes)
    return row


def check_upper_tiles(log: Log, size: int) -> None:
    """The tiles above the leaves hold the roots of those below; the top row has less than a whole tile."""
    level = 1
    while width := size >> 8 * level:
        row, roots = log.rows[level], []
        for number in range((width + WIDTH - 1) // WIDTH):
            expected = row[number * TILE : (number + 1) * TILE]
            if log.tile(str(level), number, len(expected) // HASH)[: len(expected)] != expected:
                raise Broken(f"tile/{level}/{tile_path(number)}", "does not hold the roots of the tiles below it.")
            if len(expected) == TILE:
                roots.append(tile_root(expected))
        log.rows.append(b"".join(roots))
        level += 1


def check_since(log: Log) -> str | None:
    older = log.older
    if older is None:
        return None
    where, newer = str(log.since), log.checkpoint
    if older.origin != newer.origin:
        raise Broken(where, f"is of the log {older.origin}, not of {newer.origin}.")
    if older.size > newer.size:
        raise Broken(where, f"holds {older.size} events, more than the {newer.size} of this log: it was cut.")
    if older.size not in log.edges:
        raise Broken(where, "could not check: the events of this log do not hold.")
    if tree_root(log, older.size) != older.root:
        raise Broken(where, f"the first {older.size} events are not those of then: the log was rewritten.")
    return f"{where}: the log still begins with the {older.size} events it had then."


LOG_CHECKS: tuple[Callable[[Log], str | None], ...] = (
    check_log_checkpoint,
    check_log_cosignatures,
    check_log_time_stamp,
    check_entries,
    check_since,
)


def not_checked_of_log(log: Log) -> Iterator[str]:
    yield from log.unchecked
    yield "what the events say: they were hashed, not read; their values stand in evidence packs."
    if log.since is None:
        yield "whether the log was ever rewritten: give a checkpoint you kept earlier with --since."


# --- The answer -------------------------------------------------------------------------------------------------------

Subject = TypeVar("Subject", Pack, Log)


def new_answer() -> dict[str, Any]:
    answer: dict[str, Any] = {"v": 2, "verdict": "does not hold", "pack": None}
    return {**answer, "checks": [], "holds": [], "broken": [], "unchecked": []}


def verify(file: BinaryIO, pins: Pins) -> dict[str, Any]:
    """Every check of a pack. The verdict is `holds` only if not one of them failed."""
    answer = new_answer()
    try:
        pack = Pack(file, pins)
    except Broken as broken:
        answer["broken"] += broken.sentences
        answer["unchecked"].append("everything else: the files could not be taken out of the container.")
        return answer
    run_checks(CHECKS, pack, answer, not_checked)
    if answer["verdict"] == "holds":
        answer["pack"] = pack.stated
    return answer


def verify_log(folder: Path, pins: Pins, since: Path | None) -> dict[str, Any]:
    """Every check of an exported log."""
    answer = new_answer()
    run_checks(LOG_CHECKS, Log(folder, pins, since), answer, not_checked_of_log)
    return answer


def run_checks(
    checks: Iterable[Callable[[Subject], str | None]],
    subject: Subject,
    answer: dict[str, Any],
    left: Callable[[Subject], Iterable[str]],
) -> None:
    for check in checks:
        run_check(check, subject, answer)
    answer["verdict"] = "does not hold" if answer["broken"] else "holds"
    answer.update(subject.report)
    try:
        answer["unchecked"] += left(subject)
    except (Broken, KeyError, TypeError) as error:
        answer["unchecked"].append(f"what is left to check could not be told ({error}).")


def run_check(check: Callable[[Subject], str | None], subject: Subject, answer: dict[str, Any]) -> None:
    name = re.sub("^check_(log_)?", "", check.__name__)
    said: list[str] = []
    try:
        holds = check(subject)
    except Broken as broken:
        said = broken.sentences
    except CouldNotRun:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a damaged pack brings about, it must not pass nor crash
        said = [f"{name}: could not check: {type(error).__name__}: {error}"]
    else:
        answer["holds"] += [holds] if holds else []
        answer["checks"].append({"name": name, "holds": True if holds else None, "said": [holds] if holds else []})
        return
    answer["checks"].append({"name": name, "holds": False, "said": said})
    answer["broken"] += [sentence for sentence in said if sentence not in answer["broken"]]


def lines_of(answer: dict[str, Any], what: str) -> Iterator[str]:
    if answer["pack"]:
        stated, versions = answer["pack"], answer["pack"]["versions"]
        named = [f"{each.get('model')} {each.get('version')}" for each in versions[:3]]
        more = f" and {len(versions) - 3} more" if len(versions) > 3 else ""
        as_of = f", as of {stated['as_of']}" if stated.get("as_of") else ""
        yield f"Evidence pack {stated.get('id')} of {', '.join(named)}{more}, {stated.get('created_at')}{as_of}"
    for key, label in (("holds", "holds"), ("broken", "DOES NOT HOLD"), ("unchecked", "not checked")):
        yield from (f"{label:>13}  {sentence}" for sentence in answer[key])
    yield {
        "holds": f"This {what} holds.",
        "does not hold": f"This {what} DOES NOT HOLD. Do not rely on it.",
    }.get(answer["verdict"], "The check could not run.")


def show(answer: dict[str, Any], what: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer, indent=2))
        return
    for line in lines_of(answer, what):
        # Names in a damaged pack could hold codes that a terminal obeys.
        print("".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line))


def run(options: argparse.Namespace) -> dict[str, Any]:
    pins = read_pins(options.key)
    if options.log:
        if not Path(options.log).is_dir():
            raise CouldNotRun(f"{options.log} is no directory.")
        return verify_log(Path(options.log), pins, Path(options.since) if options.since else None)
    try:
        with Path(options.pack).open("rb") as file:
            return verify(file, pins)
    except (OSError, ValueError) as error:
        raise CouldNotRun(f"{options.pack} cannot be read: {error}.") from None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check a Countersign evidence pack or log against pinned public keys.")
    parser.add_argument("pack", metavar="PACK", nargs="?", help="the evidence pack, a .zip file")
    parser.add_argument("--log", metavar="DIR", help="instead of a pack: a log exported as tiles")
    parser.add_argument("--since", metavar="CHECKPOINT", help="with --log: a checkpoint kept earlier, to begin with")
    parser.add_argument("--key", required=True, help="the issuer's verifier key, or a file with what is pinned")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    options = parser.parse_args(arguments)
    if bool(options.pack) == bool(options.log) or (options.since and not options.log):
        parser.error("give a PACK, or --log DIR and perhaps --since CHECKPOINT.")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        answer = run(options)
    except CouldNotRun as problem:
        answer = {**new_answer(), "verdict": "could not run", "unchecked": [str(problem)]}
    show(answer, "log" if options.log else "pack", as_json=options.json)
    return {"holds": 0, "does not hold": 1}.get(answer["verdict"], 2)


if __name__ == "__main__":
    sys.exit(main())
