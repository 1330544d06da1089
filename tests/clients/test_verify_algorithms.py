"""The verifier's own cryptography: published vectors, and another implementation's word on what it signed."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import authority, packs

verifier = packs.program()
HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
MESSAGE = b"message"

# --- Ed25519

RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
            "3dca179c138ac17ad9bef1177331a704"
        ),
    ),
]


@pytest.mark.parametrize("vector", RFC_8032)
def test_the_vectors_of_rfc_8032(vector: tuple[str, str, str]) -> None:
    public, message, signature = map(bytes.fromhex, vector)
    assert verifier.ed25519_verifies(public, message, signature)
    assert not verifier.ed25519_verifies(public, message + b"!", signature)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=64))
def test_ed25519_accepts_what_another_implementation_signs(seed: bytes, message: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    assert verifier.ed25519_verifies(key.public_key().public_bytes_raw(), message, key.sign(message))


@given(st.integers(0, 767), st.booleans())
def test_ed25519_agrees_with_another_implementation_on_mutations(bit: int, swap: bool) -> None:
    key = bytearray(packs.PUBLIC + packs.PRIVATE.sign(MESSAGE))
    key[bit // 8] ^= 1 << bit % 8
    public, signature = bytes(key[:32]), bytes(key[32:])
    if swap:
        signature = signature[32:] + signature[:32]
    assert verifier.ed25519_verifies(public, MESSAGE, signature) is accepted_elsewhere(public, signature) is False


def accepted_elsewhere(public: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, MESSAGE)
    except (InvalidSignature, ValueError):
        return False
    return True


def test_a_signature_has_no_second_spelling() -> None:
    signature = packs.PRIVATE.sign(MESSAGE)
    s = int.from_bytes(signature[32:], "little") + verifier.ORDER
    assert not verifier.ed25519_verifies(packs.PUBLIC, MESSAGE, signature[:32] + s.to_bytes(32, "little"))
    for wrong in (b"", signature[:63], signature + b"\0"):
        assert not verifier.ed25519_verifies(packs.PUBLIC, MESSAGE, wrong)


def test_a_key_of_small_order_verifies_nothing() -> None:
    """Under the neutral point as key, R = [S]B would verify for every message."""
    neutral = (1).to_bytes(32, "little")
    assert not verifier.ed25519_verifies(neutral, b"anything", neutral + bytes(32))


# --- ML-DSA-44


@settings(max_examples=20)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300))
def test_ml_dsa_accepts_what_another_implementation_signs(seed: bytes, message: bytes) -> None:
    key = MLDSA44PrivateKey.from_seed_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert verifier.ml_dsa_verifies(public, message, signature)
    assert not verifier.ml_dsa_verifies(public, message + b"!", signature)


ML_DSA = MLDSA44PrivateKey.from_seed_bytes(bytes(32))
ML_DSA_PUBLIC, ML_DSA_SIGNED = ML_DSA.public_key().public_bytes_raw(), ML_DSA.sign(MESSAGE)


@given(st.integers(0, len(ML_DSA_PUBLIC + ML_DSA_SIGNED) * 8 - 1))
def test_ml_dsa_refuses_every_altered_bit_of_key_and_signature(bit: int) -> None:
    both = bytearray(ML_DSA_PUBLIC + ML_DSA_SIGNED)
    both[bit // 8] ^= 1 << bit % 8
    public, signature = bytes(both[: len(ML_DSA_PUBLIC)]), bytes(both[len(ML_DSA_PUBLIC) :])
    assert not verifier.ml_dsa_verifies(public, MESSAGE, signature)
    with pytest.raises(InvalidSignature):
        MLDSA44PublicKey.from_public_bytes(public).verify(signature, MESSAGE)


@given(st.data())
def test_ml_dsa_agrees_with_another_implementation_on_odd_hints(data: st.DataObject) -> None:
    """The hints at a signature's end are where one signature could be spelled in two ways."""
    signature = bytearray(ML_DSA_SIGNED)
    for _ in range(data.draw(st.integers(1, 3))):
        signature[-data.draw(st.integers(1, 84))] = data.draw(st.integers(0, 255))
    odd = bytes(signature)
    try:
        ML_DSA.public_key().verify(odd, MESSAGE)
        accepted = True
    except InvalidSignature:
        accepted = False
    assert verifier.ml_dsa_verifies(ML_DSA_PUBLIC, MESSAGE, odd) is accepted is (odd == ML_DSA_SIGNED)


@pytest.mark.parametrize("length", [0, 1, 2419, 2421, 5000])
def test_an_ml_dsa_signature_of_another_length_is_refused(length: int) -> None:
    signature = (ML_DSA_SIGNED * 3)[:length]
    assert not verifier.ml_dsa_verifies(ML_DSA_PUBLIC, MESSAGE, signature)
    assert not verifier.ml_dsa_verifies(ML_DSA_PUBLIC[:-1], MESSAGE, ML_DSA_SIGNED)


def test_what_was_signed_in_a_context_is_refused() -> None:
    assert not verifier.ml_dsa_verifies(ML_DSA_PUBLIC, MESSAGE, ML_DSA.sign(MESSAGE, b"context"))


# --- ECDSA and RSA, as in certificates, time stamps and passkeys


def spki(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def verifies(key: Any, algorithm: Any, signature: bytes, message: bytes = MESSAGE) -> bool:
    try:
        held: bool = verifier.key_verifies(verifier.public_key(spki(key)), algorithm, message, signature)
    except verifier.Malformed:
        return False
    return held


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()])
@settings(max_examples=6)
@given(number=st.integers(1, 2**250), digest=st.sampled_from(sorted(HASHES)))
def test_ecdsa_accepts_what_another_implementation_signs(curve: Any, number: int, digest: str) -> None:
    key, algorithm = ec.derive_private_key(number, curve), verifier.Algorithm("ecdsa", digest)
    signature = key.sign(MESSAGE, ec.ECDSA(HASHES[digest]))
    assert verifies(key, algorithm, signature)
    assert not verifies(key, algorithm, signature, b"else")
    r, s = decode_dss_signature(signature)
    for wrong in ((r, s + 1), (0, s), (r, 0), (s, r)):
        assert not verifies(key, algorithm, encode_dss_signature(*wrong))
    for wrong in (b"", signature + b"\0", signature[:-1], signature[:1] + b"\x81" + signature[1:], b"\x30\x00"):
        assert not verifies(key, algorithm, wrong)


def test_an_ecdsa_signature_has_no_second_spelling() -> None:
    key, algorithm = ec.derive_private_key(5, ec.SECP256R1()), verifier.Algorithm("ecdsa", "sha256")
    r, s = decode_dss_signature(key.sign(MESSAGE, ec.ECDSA(hashes.SHA256())))
    assert not verifies(key, algorithm, encode_dss_signature(r + verifier.P256.n, s))
    assert not verifies(key, algorithm, encode_dss_signature(r, s + verifier.P256.n))


def padded(digest: str, salt: int | None) -> Any:
    if salt is None:
        return padding.PKCS1v15(), verifier.Algorithm("rsa", digest)
    return padding.PSS(padding.MGF1(HASHES[digest]), salt), verifier.Algorithm("pss", digest, digest, salt)


@pytest.mark.parametrize("bits", [2048, 2049, 3072])
@pytest.mark.parametrize("salt", [None, 0, 20, 32])
@pytest.mark.parametrize("digest", sorted(HASHES))
def test_rsa_accepts_what_another_implementation_signs_and_nothing_else(
    bits: int, salt: int | None, digest: str
) -> None:
    key, (padding_, algorithm) = authority.rsa_key(bits), padded(digest, salt)
    signature = key.sign(MESSAGE, padding_, HASHES[digest])
    assert verifies(key, algorithm, signature)
    assert not verifies(key, algorithm, signature, b"else")
    for place in range(0, len(signature), 37):
        altered = bytearray(signature)
        altered[place] ^= 4
        assert not verifies(key, algorithm, bytes(altered))
    n = key.public_key().public_numbers().n
    larger = int.from_bytes(signature, "big") + n
    for wrong in (b"", signature[1:], b"\0" + signature, larger.to_bytes(len(signature) + 1, "big")):
        assert not verifies(key, algorithm, wrong)
    other = "sha384" if digest != "sha384" else "sha256"
    assert not verifies(key, algorithm._replace(digest=other), signature)
    if salt is not None:
        assert not verifies(key, algorithm._replace(salt=salt + 1), signature)
        assert not verifies(key, algorithm._replace(mask=other), signature)
        assert not verifies(key, verifier.Algorithm("rsa", digest), signature)
        assert not verifies(key, algorithm._replace(salt=10_000), signature)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(authority.rsa_key(1024), id="RSA too short"),
        pytest.param(ec.derive_private_key(5, ec.SECP521R1()), id="P-521"),
        pytest.param(ec.derive_private_key(5, ec.SECP256K1()), id="secp256k1"),
    ],
)
def test_a_key_of_another_kind_is_not_read(key: Any) -> None:
    with pytest.raises(verifier.Malformed):
        verifier.public_key(spki(key))


def test_a_point_beside_its_curve_is_no_key() -> None:
    der = bytearray(spki(ec.derive_private_key(5, ec.SECP256R1())))
    der[-1] ^= 1
    with pytest.raises(verifier.Malformed):
        verifier.public_key(bytes(der))
    ed25519 = spki(packs.PRIVATE)
    with pytest.raises(verifier.Malformed):
        verifier.public_key(ed25519[:-32] + bytes(32))


def test_a_key_verifies_nothing_of_another_kind() -> None:
    signature = packs.DEVICE.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))
    assert not verifies(packs.DEVICE, verifier.Algorithm("rsa", "sha256"), signature)
    assert not verifies(authority.rsa_key(), verifier.Algorithm("ecdsa", "sha256"), signature)
    assert not verifies(packs.PRIVATE, verifier.Algorithm("ecdsa", "sha256"), signature)
    assert not verifies(packs.DEVICE, verifier.Algorithm("pss", "sha256", "sha256", 32), signature)
