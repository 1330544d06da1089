"""Proofs that stand alone (c2sp.org/tlog-proof): an entry's index, its inclusion proof and the signed checkpoint."""

from __future__ import annotations

import re
from base64 import b64encode

from trail import notes
from trail.merkle import HASH, InvalidProof
from trail.notes import InvalidNote

HEADER = "c2sp.org/tlog-proof@v1"
INDEX = re.compile("index (0|[1-9][0-9]{0,18})")
MOST_HASHES = 63


def write(index: int, proof: list[bytes], checkpoint_note: str) -> str:
    """The proof as text. It shows something once the note is opened and the steps lead to its root."""
    lines = [HEADER, f"index {index}", *(b64encode(step).decode() for step in proof), "", ""]
    text = "\n".join(lines) + checkpoint_note
    parse(text)
    return text


def parse(text: str) -> tuple[int, list[bytes], str]:
    """Index, steps and checkpoint note of a proof's text. Nothing is verified; an `extra` line is passed over."""
    head, gap, note = text.partition("\n\n")
    header, *lines = head.split("\n")
    if header != HEADER or not gap:
        raise InvalidProof(f"A proof starts with the line {HEADER} and holds an empty line before its checkpoint.")
    if lines and lines[0].startswith("extra "):
        _unbase64(lines.pop(0).removeprefix("extra "), "extra data")
    found = INDEX.fullmatch(lines[0]) if lines else None
    if found is None:
        raise InvalidProof("A proof states its index as a plain decimal number after its first line.")
    if len(lines) - 1 > MOST_HASHES:
        raise InvalidProof(f"A proof holds at most {MOST_HASHES} hashes.")
    proof = [_unbase64(line, "hash") for line in lines[1:]]
    if any(len(step) != HASH for step in proof):
        raise InvalidProof(f"A hash of a proof is {HASH} bytes.")
    try:
        notes.parse_checkpoint(notes.text_of(note))
    except InvalidNote as wrong:
        raise InvalidProof(f"The proof's checkpoint can't be read. {wrong}") from None
    return int(found[1]), proof, note


def _unbase64(line: str, what: str) -> bytes:
    try:
        return notes.unbase64(line, f"the proof's {what}")
    except InvalidNote as wrong:
        raise InvalidProof(str(wrong)) from None
