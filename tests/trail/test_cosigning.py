"""Cosignatures: bytes put together here by hand from the specification, both kinds of key, and what must not verify."""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from trail import cosigning, merkle, notes
from trail.cosigning import PrivateKey
from trail.notes import InvalidNote

ORIGIN, NAME = "countersign.test/trail", "countersign.test/trail/cosigner"
LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LOG_KEY = notes.vkey(ORIGIN, LOG.public_key().public_bytes_raw())
ROOT = merkle.root([merkle.leaf_hash(b"one"), merkle.leaf_hash(b"two")])
TEXT = notes.checkpoint_text(ORIGIN, 2, ROOT)
NOTE = notes.sign_note(TEXT, name=ORIGIN, private_key=LOG)
AT = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
SECONDS = 1772368215

ED25519 = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
ML_DSA = MLDSA44PrivateKey.from_seed_bytes(b"w" * 32)
BOTH = pytest.mark.parametrize("key", [ED25519, ML_DSA], ids=["Ed25519", "ML-DSA-44"])


def pinned(key: PrivateKey, name: str = NAME) -> str:
    return cosigning.vkey(name, key.public_key())


def cosigned(key: PrivateKey, note: str = NOTE, at: datetime = AT) -> str:
    return cosigning.cosign(note, name=NAME, private_key=key, at=at)


def by_hand(key: PrivateKey, text: str, *, seconds: int = SECONDS, name: str = NAME) -> bytes:
    """What the specification says is signed."""
    if isinstance(key, Ed25519PrivateKey):
        return b"cosignature/v1\ntime " + str(seconds).encode() + b"\n" + text.encode()
    origin, size, root = text.split("\n")[:3]
    stated = struct.pack(f">12sB{len(name)}sQ", b"subtree/v1\n\0", len(name), name.encode(), seconds)
    stated += struct.pack(f">B{len(origin)}sQQ", len(origin), origin.encode(), 0, int(size))
    return stated + b64decode(root)


def with_line(key: PrivateKey, payload: bytes, note: str = NOTE) -> str:
    kind = b"\x04" if isinstance(key, Ed25519PrivateKey) else b"\x06"
    identifier = sha256(NAME.encode() + b"\n" + kind + key.public_key().public_bytes_raw()).digest()[:4]
    return f"{note}— {NAME} {b64encode(identifier + payload).decode()}\n"


@BOTH
def test_a_cosigned_checkpoint_verifies_and_states_its_time(key: PrivateKey) -> None:
    note = cosigned(key)
    assert cosigning.verify(note, pinned(key)) == AT
    assert note.startswith(NOTE)
    assert note.count("\n") == NOTE.count("\n") + 1


@BOTH
def test_the_log_s_own_signature_still_opens_the_note(key: PrivateKey) -> None:
    assert notes.open_note(cosigned(key), LOG_KEY) == TEXT


@BOTH
def test_a_signature_over_bytes_put_together_by_hand_verifies(key: PrivateKey) -> None:
    signed = struct.pack(">Q", SECONDS) + key.sign(by_hand(key, TEXT))
    assert cosigning.verify(with_line(key, signed), pinned(key)) == AT


@BOTH
def test_what_is_written_verifies_against_bytes_put_together_by_hand(key: PrivateKey) -> None:
    name, identifier, signed = notes.signatures(cosigned(key))[-1]
    kind = b"\x04" if key is ED25519 else b"\x06"
    public_key = key.public_key()
    assert name == NAME
    assert identifier == sha256(NAME.encode() + b"\n" + kind + public_key.public_bytes_raw()).digest()[:4]
    assert int.from_bytes(signed[:8]) == SECONDS
    public_key.verify(signed[8:], by_hand(key, TEXT))


@BOTH
def test_a_pinned_key_is_written_as_it_is_read(key: PrivateKey) -> None:
    name, kind, raw = cosigning.parse_vkey(pinned(key))
    assert (name, raw) == (NAME, key.public_key().public_bytes_raw())
    assert kind == (b"\x04" if key is ED25519 else b"\x06")
    assert cosigning.vkey(name, raw) == pinned(key)


def test_two_cosigners_stand_beside_each_other_in_any_order() -> None:
    for first, second in ((ED25519, ML_DSA), (ML_DSA, ED25519)):
        note = cosigned(second, cosigned(first), AT + timedelta(hours=1))
        assert cosigning.verify(note, pinned(first)) == AT
        assert cosigning.verify(note, pinned(second)) == AT + timedelta(hours=1)


@BOTH
def test_of_several_times_the_earliest_counts(key: PrivateKey) -> None:
    note = cosigned(key, cosigned(key), AT - timedelta(days=2))
    assert cosigning.verify(note, pinned(key)) == AT - timedelta(days=2)


def test_a_time_is_the_same_moment_in_every_zone() -> None:
    there = AT.astimezone(timezone(timedelta(hours=-7)))
    assert cosigning.verify(cosigned(ED25519, at=there), pinned(ED25519)) == AT


def test_ed25519_signs_extension_lines_and_ml_dsa_signs_none() -> None:
    """As the specification has it: no statement is made of an extension line, so a log should write none."""
    extended, other = TEXT + "an extension\n", TEXT + "another\n"
    for key in (ED25519, ML_DSA):
        note = cosigned(key, notes.sign_note(extended, name=ORIGIN, private_key=LOG))
        assert cosigning.verify(note, pinned(key)) == AT
        swapped = note.replace(extended, other)
        if key is ML_DSA:
            assert cosigning.verify(swapped, pinned(key)) == AT
        else:
            with pytest.raises(InvalidNote, match="does not fit"):
                cosigning.verify(swapped, pinned(key))


@pytest.mark.parametrize("place", range(len(NOTE.split("\n\n")[0]) + 1))
@BOTH
def test_no_altered_character_of_the_checkpoint_verifies(key: PrivateKey, place: int) -> None:
    note = cosigned(key)
    with pytest.raises(InvalidNote):
        cosigning.verify(note[:place] + chr(ord(note[place]) ^ 1) + note[place + 1 :], pinned(key))


@BOTH
def test_no_altered_bit_of_a_cosignature_verifies(key: PrivateKey) -> None:
    signed = notes.signatures(cosigned(key))[-1][2]
    for place in range(0, len(signed), 1 if key is ED25519 else 37):
        altered = bytearray(signed)
        altered[place] ^= 0x10
        with pytest.raises(InvalidNote):
            cosigning.verify(with_line(key, bytes(altered)), pinned(key))


@BOTH
def test_one_false_cosignature_of_a_known_key_spoils_the_note(key: PrivateKey) -> None:
    false = struct.pack(">Q", SECONDS) + key.sign(by_hand(key, notes.checkpoint_text(ORIGIN, 3, ROOT)))
    with pytest.raises(InvalidNote, match="does not fit"):
        cosigning.verify(with_line(key, false, cosigned(key)), pinned(key))


@BOTH
def test_a_cosignature_of_a_wrong_length_is_refused(key: PrivateKey) -> None:
    signed = notes.signatures(cosigned(key))[-1][2]
    for wrong in (signed[:-1], signed + b"\0", signed[:8], b"\0"):
        with pytest.raises(InvalidNote, match="wrong length"):
            cosigning.verify(with_line(key, wrong), pinned(key))


@BOTH
@pytest.mark.parametrize("seconds", [0, 2**62, 2**63])
def test_a_cosignature_without_a_time_or_beyond_all_times_is_refused(key: PrivateKey, seconds: int) -> None:
    signed = struct.pack(">Q", seconds) + key.sign(by_hand(key, TEXT, seconds=seconds))
    with pytest.raises(InvalidNote, match="states"):
        cosigning.verify(with_line(key, signed), pinned(key))


def test_an_ml_dsa_cosignature_is_bound_to_its_name() -> None:
    """Another name with the same key has another key id, and the name is signed as well."""
    signed = struct.pack(">Q", SECONDS) + ML_DSA.sign(by_hand(ML_DSA, TEXT, name="other"))
    with pytest.raises(InvalidNote, match="does not fit"):
        cosigning.verify(with_line(ML_DSA, signed), pinned(ML_DSA))


@BOTH
def test_a_checkpoint_that_others_cosigned_is_refused(key: PrivateKey) -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32) if key is ED25519 else MLDSA44PrivateKey.generate()
    for note in (NOTE, cosigned(other), cosigning.cosign(NOTE, name="other", private_key=key, at=AT)):
        with pytest.raises(InvalidNote, match="not cosigned"):
            cosigning.verify(note, pinned(key))


def test_a_log_s_key_pins_no_cosigner_and_a_cosigner_s_no_log() -> None:
    """One Ed25519 key under both types has two key ids: a log's signature can't pass for a cosignature."""
    with pytest.raises(InvalidNote, match="not a cosigner"):
        cosigning.verify(NOTE, LOG_KEY)
    with pytest.raises(InvalidNote, match="not an Ed25519 key"):
        notes.open_note(NOTE, pinned(ED25519))
    with pytest.raises(InvalidNote, match="not cosigned"):
        cosigning.verify(NOTE, cosigning.vkey(ORIGIN, LOG.public_key()))


@pytest.mark.parametrize("place", range(0, len(pinned(ML_DSA)), 7))
def test_no_mangled_pinned_key_is_read(place: int) -> None:
    whole = pinned(ML_DSA)
    for mangled in (whole[:place], whole[:place] + whole[place + 1 :], whole[:place] + "!" + whole[place + 1 :]):
        with pytest.raises(InvalidNote):
            cosigning.parse_vkey(mangled)


def test_keys_of_other_lengths_and_types_are_refused() -> None:
    with pytest.raises(InvalidNote, match="32 bytes"):
        cosigning.vkey(NAME, b"short")
    for kind, length in ((b"\x04", 1312), (b"\x06", 32), (b"\x02", 32), (b"\x01", 32)):
        with pytest.raises(InvalidNote, match="not a cosigner"):
            cosigning.parse_vkey(notes.vkey(NAME, bytes(length), kind))


@BOTH
def test_only_checkpoints_are_cosigned_and_only_at_a_time_of_a_known_zone(key: PrivateKey) -> None:
    with pytest.raises(InvalidNote, match="checkpoint"):
        cosigned(key, notes.sign_note("a text\n", name=ORIGIN, private_key=LOG))
    with pytest.raises(ValueError, match="time zone"):
        cosigned(key, at=AT.replace(tzinfo=None))
    with pytest.raises(InvalidNote, match="1970"):
        cosigned(key, at=datetime(1970, 1, 1, tzinfo=UTC))
    with pytest.raises(InvalidNote, match="key name"):
        cosigning.cosign(NOTE, name="a+b", private_key=key, at=AT)


def test_a_name_longer_than_the_message_has_room_for_is_refused() -> None:
    with pytest.raises(InvalidNote, match="255 bytes"):
        cosigning.cosign(NOTE, name="n" * 256, private_key=ML_DSA, at=AT)
    long = notes.sign_note(notes.checkpoint_text("o" * 256, 2, ROOT), name="o", private_key=LOG)
    with pytest.raises(InvalidNote, match="255 bytes"):
        cosigned(ML_DSA, long)
