"""Proofs that stand alone: the form of the specification to the letter, real trees of many sizes, malformed ones."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trail import merkle, notes, proofs
from trail.merkle import InvalidProof

NAME = "countersign.test/trail"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VKEY = notes.vkey(NAME, KEY.public_key().public_bytes_raw())
LEAVES = [merkle.leaf_hash(str(number).encode()) for number in range(70)]


def checkpoint(size: int) -> str:
    text = notes.checkpoint_text(NAME, size, merkle.root(LEAVES[:size]))
    return notes.sign_note(text, name=NAME, private_key=KEY)


PROOF = merkle.inclusion_proof(5, LEAVES[:9])
TEXT = proofs.write(5, PROOF, checkpoint(9))
FIRST, SECOND = (b64encode(sha256(word).digest()).decode() for word in (b"one", b"two"))


def test_a_proof_is_written_as_the_specification_has_it() -> None:
    note = checkpoint(9)
    steps = [sha256(b"one").digest(), sha256(b"two").digest()]
    assert proofs.write(5, steps, note) == f"c2sp.org/tlog-proof@v1\nindex 5\n{FIRST}\n{SECOND}\n\n{note}"
    assert proofs.write(0, [], note) == f"c2sp.org/tlog-proof@v1\nindex 0\n\n{note}"


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9, 70])
def test_what_is_written_reads_back_and_proves(size: int) -> None:
    note = checkpoint(size)
    for index in {0, size // 2, size - 1}:
        steps = merkle.inclusion_proof(index, LEAVES[:size])
        read = proofs.parse(proofs.write(index, steps, note))
        assert read == (index, steps, note)
        _, stated, root = notes.parse_checkpoint(notes.open_note(read[2], VKEY))
        merkle.verify_inclusion(read[0], stated, LEAVES[index], read[1], root)


def test_extra_data_is_passed_over() -> None:
    extra = TEXT.replace("index 5", f"extra {b64encode(b'anything').decode()}\nindex 5")
    assert proofs.parse(extra) == proofs.parse(TEXT)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "starts with the line"),
        (TEXT.replace("@v1", "@v2"), "starts with the line"),
        ("\n" + TEXT, "starts with the line"),
        (TEXT.replace("\n\n", "\n"), "empty line"),
        (TEXT.replace("\n", "\r\n"), "empty line"),
        (TEXT.replace("index 5", "extra !!\nindex 5"), "extra data is not base64"),
        (TEXT.replace("index 5", "extra \nindex 5"), "extra data is not base64"),
        (TEXT.replace("index 5", "extra YQ==\nextra YQ==\nindex 5"), "states its index"),
        (TEXT.replace("index 5", "index 5\nindex 5"), "hash is not base64"),
        (TEXT.replace("index 5\n", ""), "states its index"),
        ("c2sp.org/tlog-proof@v1\n\n" + checkpoint(9), "states its index"),
        (TEXT.replace("index 5", "index -5"), "states its index"),
        (TEXT.replace("index 5", "index 05"), "states its index"),
        (TEXT.replace("index 5", "index ٥"), "states its index"),
        (TEXT.replace("index 5", "index  5"), "states its index"),
        (TEXT.replace("index 5", "index 5 "), "states its index"),
        (TEXT.replace("index 5", "index " + "9" * 20), "states its index"),
        (TEXT.replace("index 5", "index five"), "states its index"),
        (TEXT.replace("index 5\n", "index 5\n" + b64encode(bytes(64)).decode() + "\n"), "32 bytes"),
        (TEXT.replace("index 5\n", "index 5\n!!notbase64!!\n"), "hash is not base64"),
        (TEXT.replace("index 5\n", "index 5\n" + (FIRST + "\n") * 63), "at most 63"),
        (TEXT.replace("\n\n" + NAME, "\n\n\n" + NAME), "checkpoint can't be read"),
        (TEXT[:-1], "checkpoint can't be read"),
        (TEXT + "\n", "checkpoint can't be read"),
        (TEXT.split("—")[0], "checkpoint can't be read"),
        (TEXT.replace("\n9\n", "\n09\n"), "checkpoint can't be read"),
        ("c2sp.org/tlog-proof@v1\nindex 0\n\ncheckpoint\n", "checkpoint can't be read"),
    ],
)
def test_malformed_proofs_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(InvalidProof, match=sentence):
        proofs.parse(text)


@pytest.mark.parametrize("place", range(TEXT.index(NAME)))
def test_no_altered_character_before_the_checkpoint_proves_the_same(place: int) -> None:
    altered = TEXT[:place] + chr(ord(TEXT[place]) ^ 1) + TEXT[place + 1 :]
    with pytest.raises(InvalidProof):
        index, steps, note = proofs.parse(altered)
        _, size, root = notes.parse_checkpoint(notes.open_note(note, VKEY))
        merkle.verify_inclusion(index, size, LEAVES[5], steps, root)


@pytest.mark.parametrize(("index", "steps"), [(-1, PROOF), (5, [b"short"]), (5, [bytes(32)] * 64)])
def test_what_could_not_be_read_is_not_written(index: int, steps: list[bytes]) -> None:
    with pytest.raises(InvalidProof):
        proofs.write(index, steps, checkpoint(9))
    with pytest.raises(InvalidProof, match="checkpoint can't be read"):
        proofs.write(5, PROOF, "no note\n")
