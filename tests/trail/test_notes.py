"""Signed notes and checkpoints: the specification's own example, a Go key, and what must not open."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trail import merkle, notes
from trail.notes import InvalidNote

# The example of c2sp.org/signed-note.
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# The verifier key used throughout the documentation of golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

NAME = "countersign.test/log"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
KEY = notes.vkey(NAME, PUBLIC)
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
NOTE = notes.sign_note("one\n\ntwo\n", name=NAME, private_key=PRIVATE)


def cosigned(note: str, name: str, key: Ed25519PrivateKey) -> str:
    text = notes.open_note(note, KEY)
    return note + notes.sign_note(text, name=name, private_key=key).removeprefix(text + "\n")


def test_the_specification_s_example_opens() -> None:
    assert notes.open_note(EXAMPLE, EXAMPLE_KEY) == "This is an example message.\n"


@pytest.mark.parametrize("key", [EXAMPLE_KEY, GO_KEY, KEY])
def test_a_verifier_key_is_written_as_it_is_read(key: str) -> None:
    assert notes.vkey(*notes.parse_vkey(key)) == key


@pytest.mark.parametrize("place", range(len(KEY)))
def test_no_mangled_verifier_key_is_read(place: int) -> None:
    altered = chr(ord(KEY[place]) ^ 1)
    for mangled in (KEY[:place], KEY[:place] + KEY[place + 1 :], KEY[:place] + altered + KEY[place + 1 :]):
        with pytest.raises(InvalidNote):
            notes.parse_vkey(mangled)


def test_a_signed_note_opens_to_its_text() -> None:
    assert notes.open_note(NOTE, KEY) == "one\n\ntwo\n"


@pytest.mark.parametrize("place", range(len(NOTE)))
def test_no_altered_character_opens(place: int) -> None:
    altered = chr(ord(NOTE[place]) ^ 1)
    with pytest.raises(InvalidNote):
        notes.open_note(NOTE[:place] + altered + NOTE[place + 1 :], KEY)


def test_signatures_of_other_keys_are_passed_over() -> None:
    assert notes.open_note(cosigned(NOTE, "witness.test", OTHER), KEY) == "one\n\ntwo\n"
    assert notes.open_note(cosigned(NOTE, NAME, OTHER), KEY) == "one\n\ntwo\n"


def test_a_note_signed_by_others_alone_does_not_open() -> None:
    for name in ("witness.test", NAME):
        with pytest.raises(InvalidNote, match=r"not signed by .* with the pinned key"):
            notes.open_note(notes.sign_note("one\n", name=name, private_key=OTHER), KEY)


def test_one_false_signature_of_a_known_key_spoils_the_note() -> None:
    false = notes.sign_note("another\n", name=NAME, private_key=PRIVATE).removeprefix("another\n\n")
    with pytest.raises(InvalidNote, match="does not fit"):
        notes.open_note(NOTE + false, KEY)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        "text\n",
        "text\n\n",
        NOTE[:-1],
        NOTE + "\n",
        NOTE.replace("—", "-"),
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("two", "t\two"),
        NOTE.replace("two", "\ud800"),
        "text\n\n— name\n",
        "text\n\n—  c2lnbg==\n",
        "text\n\n— a+b c2lnbmF0dXJl\n",
        "text\n\n— name c2ln\n",
        NOTE + "— other c2lnbmF0dXJl\n" * 100,
    ],
)
def test_malformed_notes_do_not_open(note: str) -> None:
    with pytest.raises(InvalidNote):
        notes.open_note(note, KEY)


@pytest.mark.parametrize(("text", "name"), [("no end", NAME), ("bell\a\n", NAME), ("text\n", "a b"), ("text\n", "a+b")])
def test_what_would_not_open_is_not_signed(text: str, name: str) -> None:
    with pytest.raises(InvalidNote):
        notes.sign_note(text, name=name, private_key=PRIVATE)


LINE = cosigned(NOTE, "witness.test", OTHER).removeprefix(NOTE)


def test_a_signature_is_added_below_the_others_and_never_twice() -> None:
    for line in (LINE, LINE.rstrip("\n")):
        assert notes.add_signature(NOTE, line) == NOTE + LINE
        assert notes.add_signature(NOTE + LINE, line) == NOTE + LINE
    assert notes.open_note(NOTE + LINE, KEY) == "one\n\ntwo\n"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n",
        "— name",
        "— name c2ln",
        "- name c2lnbmF0dXJl",
        LINE + "\n",
        LINE + LINE,
        "\n" + LINE,
        "text\n\n" + LINE,
    ],
)
def test_what_is_no_signature_line_is_not_added(line: str) -> None:
    with pytest.raises(InvalidNote):
        notes.add_signature(NOTE, line)


def test_no_signature_is_added_to_a_note_that_is_full_or_none() -> None:
    full = NOTE + "".join(f"— other{number} c2lnbmF0dXJl\n" for number in range(99))
    assert notes.add_signature(full, "— other5 c2lnbmF0dXJl") == full
    for note in (full, "no note"):
        with pytest.raises(InvalidNote):
            notes.add_signature(note, LINE)


def test_the_signatures_of_a_note_are_told_in_their_order() -> None:
    ours, theirs = notes.signatures(NOTE + LINE)
    assert ours[:2] == (NAME, notes.key_id(NAME, PUBLIC))
    assert theirs[0] == "witness.test"
    PRIVATE.public_key().verify(ours[2], b"one\n\ntwo\n")
    OTHER.public_key().verify(theirs[2], b"one\n\ntwo\n")
    assert notes.text_of(NOTE + LINE) == "one\n\ntwo\n"


def test_keys_of_other_types_are_read_but_open_nothing() -> None:
    """The type is part of the key's id, so that one key under two types has two ids."""
    other = notes.vkey(NAME, PUBLIC, b"\x04")
    assert other != KEY
    assert notes.parse_vkey_of_any_kind(other) == (NAME, b"\x04", PUBLIC)
    with pytest.raises(InvalidNote, match="not an Ed25519 key"):
        notes.open_note(NOTE, other)


def test_a_checkpoint_reads_back() -> None:
    for size in (0, 1, 20852163):
        text = notes.checkpoint_text(NAME, size, merkle.EMPTY_ROOT)
        assert notes.parse_checkpoint(text) == (NAME, size, merkle.EMPTY_ROOT)


def test_the_specification_s_checkpoint_reads() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    origin, size, root = notes.parse_checkpoint(text)
    assert notes.checkpoint_text(origin, size, root) == text
    assert notes.parse_checkpoint(text + "an extension\n") == (origin, size, root)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n1\n",
        "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "log\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "log\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "log\n1²\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
        "log\n1\nCsUYapGG\n",
        "log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
        "log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(InvalidNote):
        notes.parse_checkpoint(text)
