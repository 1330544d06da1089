"""The published log is the whole log, in the files that tlog-tiles names, and verifies without us."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from people import membership
from people.events import Event
from tests.personas import WHY, Bank
from trail import keys, merkle, notes, publishing
from trail.actors import SYSTEM
from trail.models import Entry, Leaf
from trail.record import recording

pytestmark = pytest.mark.django_db


def grow(bank: Bank, count: int) -> None:
    for _ in range(count):
        with recording(Event.SIGNED_IN, actor=SYSTEM, reason=WHY, subject=bank.root):
            pass


def entries(folder: Path) -> list[bytes]:
    found = []
    for path in sorted((folder / "tile" / "entries").rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            while data:
                length = int.from_bytes(data[:2])
                found.append(data[2 : 2 + length])
                data = data[2 + length :]
    return found


def test_the_files_are_the_whole_log(bank: Bank, tmp_path: Path) -> None:
    grow(bank, 300)
    call_command("publish_log", tmp_path)
    text = notes.open_note((tmp_path / "checkpoint").read_text(), keys.verifier_key())
    _, size, root = notes.parse_checkpoint(text)
    assert size == Entry.objects.count() == Leaf.objects.count()
    bodies = entries(tmp_path)
    assert merkle.root([merkle.leaf_hash(body) for body in bodies]) == root
    assert (tmp_path / "tile/0/000").read_bytes() == b"".join(merkle.leaf_hash(body) for body in bodies[:256])
    rest = size - 256
    assert len((tmp_path / f"tile/0/001.p/{rest}").read_bytes()) == 32 * rest
    assert (tmp_path / "tile/1/000.p/1").read_bytes() == merkle.root([merkle.leaf_hash(body) for body in bodies[:256]])
    assert not any(b"Retail" in body for body in bodies)


def test_publishing_again_adds_and_rewrites_nothing_complete(bank: Bank, tmp_path: Path) -> None:
    grow(bank, 260)
    publishing.publish(tmp_path)
    complete = tmp_path / "tile/0/000"
    before = complete.stat().st_mtime_ns
    grow(bank, 5)
    publishing.publish(tmp_path)
    assert complete.stat().st_mtime_ns == before
    assert len({*entries(tmp_path)}) == Leaf.objects.count()


def test_a_folder_of_another_log_is_left_alone(bank: Bank, tmp_path: Path, settings: object) -> None:
    membership.open_unit(name="One", parent=bank.root, actor=SYSTEM, reason=WHY)
    publishing.publish(tmp_path)
    strange = notes.checkpoint_text("countersign.local/trail", 2, b"\1" * 32)
    note = notes.sign_note(strange, name="countersign.local/trail", private_key=keys.signing_key())
    (tmp_path / "checkpoint").write_text(note)
    with pytest.raises(CommandError, match="a log that ours does not continue; nothing was written"):
        call_command("publish_log", tmp_path)
    (tmp_path / "checkpoint").write_text(note.replace("2\n", "3\n", 1))
    with pytest.raises(CommandError, match="not signed with a key of ours"):
        call_command("publish_log", tmp_path)


@pytest.mark.parametrize(
    ("tile", "width", "name"),
    [(0, 256, "000"), (5, 17, "005.p/17"), (1000, 256, "x001/000"), (1_234_067, 256, "x001/x234/067")],
)
def test_tiles_have_the_names_of_the_specification(tile: int, width: int, name: str) -> None:
    assert publishing.path_of(tile, width) == name
