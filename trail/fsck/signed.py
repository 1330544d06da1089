"""What was signed or put elsewhere, and claims a root of the tree: checkpoints, anchors, the signer's own memory."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from trail import cosigning, keys, notes, signer, timestamps
from trail.errors import Refused
from trail.fsck import reading
from trail.fsck.findings import CouldNotRun, Report
from trail.fsck.reading import Row
from trail.merkle import HASH
from trail.models import Anchor
from trail.notes import InvalidNote
from trail.signer import KeyRange, State

SKEW = timedelta(minutes=5)
MOST_BYTES = 1 << 20  # of a checkpoint's file


@dataclass(frozen=True)
class Claim:
    """Somebody says: the tree of `size` leaves had this root. `at` is when, where a fork may explain it."""

    size: int
    root: bytes
    table: str
    row: str
    column: str
    at: datetime | None = None


@dataclass(frozen=True)
class Pins:
    """The keys by which signatures are checked; those that are not known here are None or missing."""

    ring: list[KeyRange]
    cosigner: str | None
    witnesses: dict[str, str]
    roots: list[bytes]


def read_state(report: Report) -> State | None:
    """The signer's memory, which lies outside the database. Read before the database, which must continue it."""
    path = Path(settings.SIGNER_STATE)
    try:
        return signer.parsed(path.read_text())
    except FileNotFoundError:
        return None
    except Refused as refused:
        report.say(str(path), "", "", str(refused))
    except (OSError, UnicodeDecodeError) as error:
        report.say(str(path), "", "", f"the signer’s state can’t be read: {error}.")
    return State()


def ring(state: State | None, report: Report) -> list[KeyRange]:
    """Every key that may have signed this log. No key is made here."""
    if state is not None and state.keys:
        return state.keys
    try:
        return signer.state().keys if _has(settings.SIGNING_KEY, settings.SIGNING_KEY_PATH) else []
    except (Refused, ValueError, OSError) as error:
        report.skip(f"No key is known by which checkpoints could be checked: {error}")
        return []


def pins(state: State | None, report: Report) -> Pins:
    given = [each.strip().partition("|")[2] for each in settings.WITNESSES]
    return Pins(
        ring(state, report),
        _cosigner(report),
        {vkey.partition("+")[0]: vkey for vkey in given},
        _roots(report),
    )


def _cosigner(report: Report) -> str | None:
    if not _has(settings.COSIGNER_KEY, settings.COSIGNER_KEY_PATH):
        report.skip("The cosigner’s key is not on this machine, so cosignatures and their times were not checked.")
        return None
    try:
        return keys.cosigner_verifier_key()
    except (ValueError, OSError) as error:
        report.skip(f"The cosigner’s key can’t be read, so cosignatures and their times were not checked: {error}")
        return None


def _roots(report: Report) -> list[bytes]:
    try:
        return [Path(settings.TSA_ROOTS).read_bytes()] if settings.TSA_ROOTS else []
    except OSError as error:
        report.skip(f"COUNTERSIGN_TSA_ROOTS can’t be read: {error.strerror}.")
        return []


def _has(given: str, path: Path) -> bool:
    return bool(given) or path.exists()


def opened(note: str, size: int, known: list[KeyRange]) -> tuple[str, int, bytes]:
    """Origin, size and root of a note that a key of the log signed, for a size that it was good for."""
    for each in reversed(known):
        if each.first <= size and (each.last is None or size <= each.last):
            try:
                return notes.parse_checkpoint(notes.open_note(note, each.vkey))
            except InvalidNote:
                continue
    raise InvalidNote("no key of this log that was good for this size has signed the note")


def state_claims(state: State | None, known: list[KeyRange], report: Report) -> list[Claim]:
    """What the signer remembers to have signed, and where it was told that entries were lost."""
    place = str(settings.SIGNER_STATE)
    if state is None:
        if next(reading.stream("SELECT 1 FROM trail_checkpoint LIMIT 1"), None):
            sentence = "the signer’s state is gone, though checkpoints were signed: put it back from its backup."
            report.say(place, "", "", sentence)
        return []
    claims = [Claim(state.size, b64decode(state.root), place, "", "root")]
    if state.note:
        try:
            if opened(state.note, state.size, known) != (settings.LOG_ORIGIN, state.size, b64decode(state.root)):
                raise InvalidNote("it states another tree than stands beside it")
        except InvalidNote as wrong:
            report.say(place, "", "note", f"is no note of this tree: {str(wrong).rstrip('.')}.")
    for fork in state.forks:
        try:
            claims.append(Claim(fork["size"], b64decode(fork["root"]), place, "", "forks"))
        except (KeyError, TypeError, ValueError):
            report.say(place, "", "forks", "a fork there can’t be read.")
    return claims


def moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def checkpoints(pins: Pins, report: Report) -> Iterator[Claim]:
    for row in reading.rows("trail_checkpoint", '"size", "id"'):
        report.count("checkpoints")
        name = f"size {row['size']}"
        row.report(report, name)
        if row.wrong:
            continue
        try:
            stated = opened(row["note"], row["size"], pins.ring)
            signed_at = cosigning.verify(row["note"], pins.cosigner) if pins.cosigner else row["signed_at"]
            if strange := {name for name, _, _ in notes.signatures(row["note"])} - _ours():
                raise InvalidNote(f"it bears a signature of {', '.join(sorted(strange))}")
        except InvalidNote as wrong:
            report.say("trail_checkpoint", name, "note", f"does not verify: {str(wrong).rstrip('.')}.")
            continue
        for column, value in zip(("origin", "size", "root"), stated, strict=True):
            if value != (settings.LOG_ORIGIN if column == "origin" else row[column]):
                report.say("trail_checkpoint", name, column, "does not equal what the note states.")
        _examine_time(row, signed_at, name, report)
        yield Claim(row["size"], row["root"], "trail_checkpoint", name, "root", row["signed_at"])


def _examine_time(row: Row, signed_at: datetime, name: str, report: Report) -> None:
    if row["signed_at"] != signed_at:
        report.say("trail_checkpoint", name, "signed_at", "does not equal the time that the cosigner signed.")
    elif row["signed_at"] > timezone.now() + SKEW:
        report.say("trail_checkpoint", name, "signed_at", "lies in the future.")


def _ours() -> set[str]:
    return {settings.LOG_ORIGIN, keys.cosigner_name()}


def anchors(pins: Pins, report: Report) -> Iterator[Claim]:
    for row in reading.rows("trail_anchor", '"size", "id"'):
        report.count("anchors")
        name = f"id {row['id']}"
        row.report(report, name)
        if row.wrong:
            continue
        if row["kind"] not in TOKENS or len(row["root"]) != HASH:
            column = "root" if row["kind"] in TOKENS else "kind"
            report.say("trail_anchor", name, column, "holds nothing that an anchor could have.")
            continue
        try:
            TOKENS[row["kind"]](row, pins, report)
        except ValueError as wrong:  # InvalidNote and InvalidTimestamp
            report.say("trail_anchor", name, "token", f"does not show this size and root: {str(wrong).rstrip('.')}.")
        yield Claim(row["size"], row["root"], "trail_anchor", name, "root", row["at"])


def _examine_file(row: Row, pins: Pins, report: Report) -> None:
    if _signers(row, pins):
        raise InvalidNote("somebody else signed it, too")


def _examine_witnessed(row: Row, pins: Pins, report: Report) -> None:
    if _signers(row, pins) != {row["target"]}:
        raise InvalidNote("the witness did not sign it, or others did, too")
    pinned = pins.witnesses.get(row["target"])
    if pinned is None:
        report.skip(f"COUNTERSIGN_WITNESSES does not name {row['target']}, so its cosignatures were not checked.")
    elif cosigning.verify(row["token"].decode(), pinned) != row["at"]:
        report.say("trail_anchor", f"id {row['id']}", "at", "is not the time that the witness signed.")


def _signers(row: Row, pins: Pins) -> set[str]:
    """Who signed the note beside us, once it is seen that it is ours and of this size and root."""
    note = row["token"].decode()
    if opened(note, row["size"], pins.ring) != (settings.LOG_ORIGIN, row["size"], row["root"]):
        raise InvalidNote("it states another tree")
    if pins.cosigner:
        cosigning.verify(note, pins.cosigner)
    return {name for name, _, _ in notes.signatures(note)} - _ours()


def _examine_stamp(row: Row, pins: Pins, report: Report) -> None:
    text = notes.checkpoint_text(settings.LOG_ORIGIN, row["size"], row["root"])
    digest = sha256(text.encode()).digest()
    stated = timestamps.stated(row["token"], digest)
    if pins.roots:
        timestamps.verify(row["token"], digest, pins.roots)
    else:
        report.skip("COUNTERSIGN_TSA_ROOTS gives no root, so time stamps were not traced to their authority.")
    if stated != row["at"]:
        report.say("trail_anchor", f"id {row['id']}", "at", "is not the time that the authority stamped.")


TOKENS: dict[str, Callable[[Row, Pins, Report], None]] = {
    Anchor.Kind.FILE.value: _examine_file,
    Anchor.Kind.WITNESS.value: _examine_witnessed,
    Anchor.Kind.TSA.value: _examine_stamp,
}


def anchor_folder(report: Report) -> list[Path]:
    """Where this installation puts its checkpoints outside, if it can be read from here."""
    folder = Path(settings.ANCHOR_DIR)
    if not settings.ANCHOR_DIR:
        return []
    try:
        return [folder] if any(folder.iterdir()) else []
    except OSError as error:
        report.skip(f"COUNTERSIGN_ANCHOR_DIR, {folder}, can’t be read from here: {error.strerror}.")
        return []


def outside(paths: list[Path], known: list[KeyRange]) -> list[Claim]:
    """Checkpoints that somebody kept: a file each, or those in a folder."""
    claims = []
    for path in paths:
        found = [claim for file in _files(path) for claim in _claim(file, known, must=not path.is_dir())]
        if not found:
            raise CouldNotRun(f"{path} holds no checkpoint of the log {settings.LOG_ORIGIN}.")
        claims += found
    return claims


def _files(path: Path) -> list[Path]:
    try:
        return sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    except OSError as error:
        raise CouldNotRun(f"{path} can’t be read: {error}.") from None


def _claim(path: Path, known: list[KeyRange], *, must: bool) -> Iterator[Claim]:
    try:
        with path.open("rb") as file:
            note = file.read(MOST_BYTES).decode()
        origin, size, root = notes.parse_checkpoint(notes.text_of(note))
    except OSError as error:
        raise CouldNotRun(f"{path} can’t be read: {error}.") from None
    except ValueError as wrong:
        if must:
            raise CouldNotRun(f"{path} holds no checkpoint: {wrong}") from None
        return
    if origin != settings.LOG_ORIGIN:
        if must:
            raise CouldNotRun(f"{path} holds a checkpoint of another log, {origin}.")
        return
    yield Claim(size, root, str(path), "", "" if _is_ours(note, size, known) else "signature")


def _is_ours(note: str, size: int, known: list[KeyRange]) -> bool:
    try:
        opened(note, size, known)
    except InvalidNote:
        return False
    return True
