"""Anchors in a real folder, by a real authority and a real witness: made once each, and refused where our log does not
continue what stands outside."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command

from people.events import Event
from tests import witnesses
from tests.personas import WHY, Bank
from tests.trail.tsa import Authority, serving
from trail import anchors, checkpoints, cosigning, keys, ledger, merkle, notes, posting, signer, timestamps
from trail.actors import SYSTEM
from trail.anchors import NotAnchored
from trail.models import Anchor, Checkpoint
from trail.record import recording

pytestmark = pytest.mark.django_db
ORIGIN = "countersign.local/trail"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "elsewhere"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def stamping(authority: Authority, settings: Any) -> Iterator[Callable[[], Anchor]]:
    settings.TSA_ROOTS = str(authority.folder / "chain.pem")
    with serving(authority.answer) as url:
        yield lambda: anchors.anchor_tsa(url)


@contextmanager
def witnessing(directory: Path, *logs: str) -> Iterator[tuple[str, str]]:
    """The address and the key of a witness that knows these logs."""
    key = witnesses.init(directory, *(word for log in logs for word in ("--log", log)))
    with witnesses.serving(directory) as (_, _, port):
        yield f"http://127.0.0.1:{port}", key


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[tuple[str, str]]:
    with witnessing(tmp_path / "witness", keys.verifier_key()) as found:
        yield found


def grow(bank: Bank, count: int = 1) -> None:
    for _ in range(count):
        with recording(Event.SIGNED_IN, actor=SYSTEM, reason=WHY, subject=bank.root):
            pass


def forged(size: int, root: bytes = b"r" * 32, *, origin: str = ORIGIN, key: Ed25519PrivateKey | None = None) -> str:
    """A checkpoint as whoever holds our key could sign it."""
    text = notes.checkpoint_text(origin, size, root)
    return notes.sign_note(text, name=origin, private_key=key or keys.signing_key())


# --- a folder elsewhere


def test_a_checkpoint_is_put_into_the_folder_once(bank: Bank, folder: Path) -> None:
    first = anchors.anchor_file(folder)
    (path,) = folder.iterdir()
    assert path.name == f"{first.size:020}.txt"
    stated = notes.parse_checkpoint(notes.open_note(path.read_text(), keys.verifier_key()))
    assert stated == (ORIGIN, *ledger.size_and_root())
    assert (first.kind, first.target, bytes(first.token)) == ("file", str(folder), path.read_bytes())
    assert anchors.anchor_file(folder) == first
    assert Anchor.objects.count() == 1


def test_growth_is_another_file_and_the_former_stays_as_it_was(bank: Bank, folder: Path) -> None:
    anchors.anchor_file(folder)
    (first,) = folder.iterdir()
    before = first.read_bytes(), first.stat().st_mtime_ns
    for _ in range(3):
        grow(bank, 7)
        anchors.anchor_file(folder)
    assert (first.read_bytes(), first.stat().st_mtime_ns) == before
    assert len(list(folder.iterdir())) == Anchor.objects.count() == 4


def test_what_is_there_already_without_a_row_gets_one(bank: Bank, folder: Path) -> None:
    checkpoint = checkpoints.current()
    (folder / f"{checkpoint.size:020}.txt").write_text(checkpoint.note)
    assert anchors.anchor_file(folder).size == checkpoint.size
    assert len(list(folder.iterdir())) == 1


def test_other_files_in_the_folder_are_left_alone(bank: Bank, folder: Path) -> None:
    (folder / "README.txt").write_text("ours")
    (folder / "999.txt").write_text("no checkpoint")
    anchors.anchor_file(folder)
    assert len(list(folder.iterdir())) == 3


def refused(folder: Path, sentence: str) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(NotAnchored, match=sentence):
        anchors.anchor_file(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not Anchor.objects.exists()


def test_a_log_that_went_back_is_refused(bank: Bank, folder: Path) -> None:
    """A restored backup: the folder remembers more than the database, even if the signer forgot it too."""
    size = checkpoints.current().size
    (folder / f"{size + 1:020}.txt").write_text(forged(size + 1))
    refused(folder, f"holds {size + 1:,} entries and our log {size:,}: entries are lost")


@pytest.mark.parametrize("back", [0, 1, 3])
def test_another_history_is_refused(bank: Bank, folder: Path, back: int) -> None:
    grow(bank, 5)
    size = checkpoints.current().size - back
    (folder / f"{size:020}.txt").write_text(forged(size))
    refused(folder, "another history")


def test_a_file_that_is_not_ours_is_refused(bank: Bank, folder: Path) -> None:
    root = ledger.nodes(checkpoints.current().size).root(0, 1)
    path = folder / f"{1:020}.txt"
    for content, sentence in [
        (forged(1, root, key=Ed25519PrivateKey.generate()), "no checkpoint that a key of this log signed"),
        (forged(1, root, origin="other.test/trail"), "no checkpoint that a key of this log signed"),
        (forged(2, root), "another log or size"),
        ("", "no checkpoint"),
        ("garbage", "no checkpoint"),
        (forged(1, root)[:-9], "no checkpoint"),
    ]:
        path.write_text(content)
        refused(folder, sentence)
    path.write_bytes(b"\xff" * 100)
    refused(folder, "no checkpoint")
    path.write_text(forged(1, root))
    assert anchors.anchor_file(folder)


def test_the_empty_log_is_the_beginning_of_every_log(bank: Bank, folder: Path) -> None:
    (folder / f"{0:020}.txt").write_text(forged(0, merkle.EMPTY_ROOT))
    assert anchors.anchor_file(folder).size > 0


def test_a_folder_that_is_not_there_is_told_and_never_made(bank: Bank, tmp_path: Path) -> None:
    with pytest.raises(NotAnchored, match="no such folder; is the other host's disk mounted"):
        anchors.anchor_file(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(NotAnchored, match="can't be read or written"):
        anchors.anchor_file(tmp_path / "file")


def test_a_folder_beside_the_database_is_no_place_outside(bank: Bank, settings: Any) -> None:
    inside = settings.DATA / "anchors"
    inside.mkdir(exist_ok=True)
    for path in (inside, settings.DATA, inside / ".." / "anchors"):
        with pytest.raises(NotAnchored, match="lies in the data folder"):
            anchors.anchor_file(path)


# --- a time-stamp authority


def test_an_authority_dates_the_checkpoint(bank: Bank, authority: Authority, stamping: Callable[[], Anchor]) -> None:
    anchor = stamping()
    digest = sha256(notes.text_of(checkpoints.current().note).encode()).digest()
    assert timestamps.verify(bytes(anchor.token), digest, authority.roots) == anchor.at
    assert (anchor.kind, anchor.size, bytes(anchor.root)) == ("tsa", *ledger.size_and_root())
    assert stamping() == anchor
    grow(bank)
    assert stamping().size == anchor.size + 1
    assert Anchor.objects.count() == 2


def test_no_secret_of_an_address_is_kept(bank: Bank, authority: Authority, settings: Any) -> None:
    settings.TSA_ROOTS = str(authority.folder / "chain.pem")
    with serving(authority.answer) as url:
        assert anchors.anchor_tsa(f"{url}?key=secret").target == url


def test_a_token_that_leads_to_no_pinned_root_is_not_kept(
    bank: Bank, stamping: Callable[[], Anchor], settings: Any, tmp_path: Path
) -> None:
    settings.TSA_ROOTS = str(Authority(tmp_path / "other").folder / "chain.pem")
    with pytest.raises(NotAnchored, match="lead to a pinned root"):
        stamping()
    settings.TSA_ROOTS = ""
    with pytest.raises(NotAnchored, match="COUNTERSIGN_TSA_ROOTS must name"):
        stamping()
    settings.TSA_ROOTS = str(tmp_path / "missing.pem")
    with pytest.raises(NotAnchored, match="can't be read"):
        stamping()
    settings.TSA_ROOTS = str(tmp_path / "other" / "config")
    with pytest.raises(NotAnchored, match="pinned"):
        stamping()
    assert not Anchor.objects.exists()


def test_an_authority_that_fails_is_told(bank: Bank, authority: Authority, settings: Any) -> None:
    settings.TSA_ROOTS = str(authority.folder / "chain.pem")
    with serving(lambda query: 500) as url, pytest.raises(NotAnchored, match="answered 500"):
        anchors.anchor_tsa(url)
    with serving(lambda query: b"garbage") as url, pytest.raises(NotAnchored, match="did not answer with a time stamp"):
        anchors.anchor_tsa(url)
    assert not Anchor.objects.exists()


# --- a witness


def test_a_witness_cosigns_growth(bank: Bank, witness: tuple[str, str]) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    for count in (0, 1, 300):
        grow(bank, count)
        anchor = anchors.anchor_witness(*witness)
        assert before <= anchor.at == cosigning.verify(bytes(anchor.token).decode(), witness[1])
        assert (anchor.kind, anchor.target) == ("witness", witnesses.NAME)
        assert (anchor.size, bytes(anchor.root)) == ledger.size_and_root()
        assert anchors.anchor_witness(*witness) == anchor
    assert Anchor.objects.count() == 3


def test_a_witness_s_line_stands_under_the_checkpoint(bank: Bank, witness: tuple[str, str]) -> None:
    checkpoint = checkpoints.current()
    assert anchors.witnessed(checkpoint) == checkpoint.note
    anchors.anchor_witness(*witness)
    note = anchors.witnessed(checkpoint)
    assert cosigning.verify(note, witness[1])
    assert cosigning.verify(note, keys.cosigner_verifier_key())
    assert notes.open_note(note, keys.verifier_key()) == notes.text_of(checkpoint.note)
    grow(bank)
    assert anchors.witnessed(checkpoints.current()) == checkpoints.current().note


def tell(url: str, note: str) -> None:
    """The witness hears of a checkpoint from somebody else."""
    assert posting.post(f"{url}/add-checkpoint", f"old 0\n\n{note}".encode(), timeout=60).status == 200


def test_a_witness_that_knows_more_than_our_rows_is_asked_again(bank: Bank, witness: tuple[str, str]) -> None:
    tell(witness[0], checkpoints.current().note)
    grow(bank, 3)
    assert anchors.anchor_witness(*witness).size == ledger.size_and_root()[0]


def test_a_witness_that_knows_more_than_our_log_says_that_entries_are_lost(
    bank: Bank, witness: tuple[str, str]
) -> None:
    size = checkpoints.current().size
    tell(witness[0], forged(size + 4))
    with pytest.raises(
        NotAnchored, match=f"has cosigned {size + 4} entries and our log holds {size}: entries are lost"
    ):
        anchors.anchor_witness(*witness)


@pytest.mark.parametrize("back", [0, 2])
def test_a_witness_that_knows_another_history_says_so(
    bank: Bank, witness: tuple[str, str], tmp_path: Path, back: int
) -> None:
    grow(bank, 5)
    tell(witness[0], forged(checkpoints.current().size - back))
    with pytest.raises(NotAnchored, match="another history of this log"):
        anchors.anchor_witness(*witness)
    assert not Anchor.objects.exists()
    (kept,) = (tmp_path / "witness" / "evidence").glob("*/*.txt")
    assert checkpoints.current().note.split("\n\n")[0] in kept.read_text()


def test_a_witness_that_does_not_know_us_says_so(bank: Bank, tmp_path: Path) -> None:
    strange = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with witnessing(tmp_path / "none") as witness, pytest.raises(NotAnchored, match="does not know this log"):
        anchors.anchor_witness(*witness)
    with (
        witnessing(tmp_path / "other", notes.vkey(ORIGIN, strange)) as witness,
        pytest.raises(NotAnchored, match="does not know the key"),
    ):
        anchors.anchor_witness(*witness)


def test_a_cosignature_of_another_key_is_not_taken(bank: Bank, witness: tuple[str, str]) -> None:
    for name in (witnesses.NAME, "other.test"):
        pinned = cosigning.vkey(name, Ed25519PrivateKey.generate().public_key())
        with pytest.raises(NotAnchored, match="no cosignature of the pinned key"):
            anchors.anchor_witness(witness[0], pinned)
    assert not Anchor.objects.exists()


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (500, "answered 500"),
        (409, "answered 409 and no size"),
        (b"", "no cosignature"),
        (b"garbage", "no cosignature"),
        (b"\xff", "no cosignature"),
    ],
)
def test_a_witness_that_answers_nonsense_is_told(bank: Bank, answer: bytes | int, sentence: str) -> None:
    pinned = cosigning.vkey(witnesses.NAME, Ed25519PrivateKey.generate().public_key())
    with serving(lambda query: answer, asked_as=None) as url, pytest.raises(NotAnchored, match=sentence):
        anchors.anchor_witness(url, pinned)


def test_a_witness_that_is_not_there_or_not_named_in_full_is_told(bank: Bank) -> None:
    pinned = cosigning.vkey(witnesses.NAME, Ed25519PrivateKey.generate().public_key())
    with pytest.raises(NotAnchored, match="must be one of http or https"):
        anchors.anchor_witness("witness.test", pinned)
    for wrong in ("", "name", keys.verifier_key()):
        with pytest.raises(NotAnchored, match="COUNTERSIGN_WITNESSES holds"):
            anchors.anchor_witness("http://127.0.0.1:9", wrong)


# --- all of them


@pytest.fixture
def everywhere(
    bank: Bank, settings: Any, folder: Path, authority: Authority, witness: tuple[str, str]
) -> Iterator[None]:
    settings.ANCHOR_DIR, settings.WITNESSES = str(folder), ["|".join(witness)]
    settings.TSA_ROOTS = str(authority.folder / "chain.pem")
    with serving(authority.answer) as settings.TSA_URL:
        yield


def anchored() -> tuple[str, str]:
    out, wrong = io.StringIO(), io.StringIO()
    call_command("anchor", stdout=out, stderr=wrong)
    return out.getvalue(), wrong.getvalue()


def test_every_place_gets_the_checkpoint(everywhere: None, folder: Path) -> None:
    out, _ = anchored()
    size = ledger.size_and_root()[0]
    assert out.count(f"holds {size:,} entries since") == 3
    assert {anchor.kind for anchor in Anchor.objects.all()} == set(Anchor.Kind.values)
    assert {bytes(anchor.root) for anchor in Anchor.objects.all()} == {ledger.size_and_root()[1]}
    assert anchors.newest() in Anchor.objects.all()
    assert anchors.age() < timedelta(hours=1)
    assert anchored()[0] == out


def test_a_place_that_fails_keeps_no_other_from_it(everywhere: None, settings: Any, bank: Bank) -> None:
    for name, wrong in (("TSA_URL", "http://"), ("ANCHOR_DIR", "/not/there"), ("WITNESSES", ["nonsense"])):
        kept = getattr(settings, name)
        setattr(settings, name, wrong)
        grow(bank)
        with pytest.raises(CommandError, match="1 of 3 places did not get the checkpoint"):
            anchored()
        setattr(settings, name, kept)
    assert Anchor.objects.count() == 6


def test_a_log_that_does_not_continue_what_was_signed_is_anchored_nowhere(everywhere: None) -> None:
    checkpoints.current()
    with signer.locked() as last:
        signer.keep(replace(last, size=last.size + 1))
    outcomes = anchors.anchor_all()
    assert [outcome.anchor for outcome in outcomes] == [None, None, None]
    assert all("entries are lost" in outcome.sentence for outcome in outcomes)


def test_without_a_place_the_command_says_what_to_name(bank: Bank) -> None:
    with pytest.raises(CommandError, match="COUNTERSIGN_ANCHOR_DIR, COUNTERSIGN_TSA_URL or COUNTERSIGN_WITNESSES"):
        anchored()
    assert anchors.newest() is None
    assert anchors.age() is None


def test_what_was_anchored_lately_waits(everywhere: None, bank: Bank, settings: Any) -> None:
    assert len(anchors.anchor_all(older_than=timedelta(hours=1))) == 3
    grow(bank)
    assert anchors.anchor_all(older_than=timedelta(hours=1)) == []
    settings.ANCHOR_DIR += "/../elsewhere"  # another place, as far as anyone knows
    assert [outcome.kind for outcome in anchors.anchor_all(older_than=timedelta(hours=1))] == ["file"]


class Once(threading.Event):
    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


@pytest.mark.django_db(transaction=True)
def test_a_worker_anchors_and_stops(bank: Bank, settings: Any, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings.ANCHOR_DIR, settings.WITNESSES = str(folder), ["nonsense"]
    thread = anchors.start(Once())
    assert thread is not None
    thread.join()
    assert [anchor.kind for anchor in Anchor.objects.all()] == ["file"]
    assert "Not anchored. Witness nonsense: COUNTERSIGN_WITNESSES holds" in caplog.text


def test_a_worker_without_a_place_or_a_time_does_nothing(bank: Bank, settings: Any, folder: Path) -> None:
    assert anchors.start(threading.Event()) is None
    settings.ANCHOR_DIR, settings.ANCHOR_MINUTES = str(folder), 0
    assert anchors.start(threading.Event()) is None


def test_an_earlier_checkpoint_can_be_anchored_after_a_later_one(
    bank: Bank, folder: Path, witness: tuple[str, str], stamping: Callable[[], Anchor]
) -> None:
    """Such as that of a pack, while a worker goes on: that is no log that went back."""
    earlier: Checkpoint = checkpoints.current()
    grow(bank, 2)
    later = anchors.anchor_file(folder)
    stamping()
    anchors.anchor_witness(*witness)
    for _ in range(2):
        assert anchors.anchor_file(folder, earlier).size == earlier.size < later.size
    assert len(list(folder.iterdir())) == 2
    sentence = f"has cosigned {later.size} entries already, and cosigns no checkpoint of fewer"
    with pytest.raises(NotAnchored, match=sentence):
        anchors.anchor_witness(*witness, earlier)
    assert anchors.anchor_file(folder) == later


def test_an_earlier_file_of_another_history_is_refused_too(bank: Bank, folder: Path) -> None:
    earlier: Checkpoint = checkpoints.current()
    (folder / f"{earlier.size:020}.txt").write_text(forged(earlier.size))
    grow(bank)
    later = checkpoints.current()
    (folder / f"{later.size:020}.txt").write_text(later.note)
    with pytest.raises(NotAnchored, match="another history"):
        anchors.anchor_file(folder, earlier)
