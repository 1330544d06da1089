"""Checkpoints held outside, where whoever rewrites the trail can't reach them: in a folder on another host, by a
time-stamp authority (RFC 3161), by a witness (C2SP tlog-witness).

Each that was made is a row. A place that holds what our log does not continue is left as it is, and said aloud.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from trail import checkpoints, cosigning, guard, ledger, moments, notes, posting, signer, tiles, timestamps
from trail.errors import Refused
from trail.merkle import EMPTY_ROOT
from trail.models import Anchor, Checkpoint
from trail.notes import InvalidNote
from trail.timestamps import InvalidTimestamp, NotStamped

log = logging.getLogger(__name__)

TIMEOUT = 20.0
KEPT = re.compile(r"([0-9]{20})\.txt")  # a file in the folder, by its size
MOST_BYTES = 1 << 20
SIZE_TYPE = "text/x.tlog.size"


class NotAnchored(Exception):
    """Why a place outside did not get a checkpoint, in a sentence."""


@dataclass(frozen=True)
class Place:
    """Somewhere outside that the settings name."""

    kind: Anchor.Kind
    target: str
    anchor: Callable[[Checkpoint | None], Anchor]


@dataclass(frozen=True)
class Outcome:
    kind: Anchor.Kind
    target: str
    anchor: Anchor | None
    problem: str = ""

    @property
    def sentence(self) -> str:
        if self.anchor is None:
            return f"{self.kind.label} {self.target}: {self.problem}"
        held = f"{self.anchor.size:,} entries since {self.anchor.at:%Y-%m-%d %H:%M:%S} UTC"
        return f"{self.kind.label} {self.target} holds {held}."


def places() -> list[Place]:
    found = []
    if settings.ANCHOR_DIR:
        found.append(Place(Anchor.Kind.FILE, settings.ANCHOR_DIR, partial(anchor_file, Path(settings.ANCHOR_DIR))))
    if settings.TSA_URL:
        found.append(Place(Anchor.Kind.TSA, _without_secrets(settings.TSA_URL), partial(anchor_tsa, settings.TSA_URL)))
    for given in settings.WITNESSES:
        url, _, vkey = given.strip().partition("|")
        found.append(Place(Anchor.Kind.WITNESS, vkey.partition("+")[0] or url, partial(anchor_witness, url, vkey)))
    return found


def anchor_all(*, older_than: timedelta | None = None, checkpoint: Checkpoint | None = None) -> list[Outcome]:
    """Anchor a checkpoint, the current one unless another is given, in every place that the settings name; one that
    fails keeps no other from it.

    With `older_than`, only where the newest anchor is older than that.
    """
    since = timezone.now() - older_than if older_than else None
    waiting = [place for place in places() if since is None or not _was_anchored(place, since)]
    return [_outcome(place, checkpoint) for place in waiting]


def _was_anchored(place: Place, since: datetime) -> bool:
    return Anchor.every.filter(kind=place.kind, target=place.target, at__gt=since).exists()


def _outcome(place: Place, checkpoint: Checkpoint | None) -> Outcome:
    try:
        return Outcome(place.kind, place.target, place.anchor(checkpoint))
    except (NotAnchored, Refused) as problem:
        return Outcome(place.kind, place.target, None, str(problem))


def anchor_file(folder: Path, checkpoint: Checkpoint | None = None) -> Anchor:
    """Put the checkpoint into `folder` as a new file. Nothing there is ever overwritten.

    Refuses if the newest file there is not the beginning of our log.
    """
    checkpoint = checkpoint or checkpoints.current()
    if Path(settings.DATA) in (folder.resolve(), *folder.resolve().parents):
        raise NotAnchored("it lies in the data folder, where whoever rewrites the trail could rewrite it too.")
    try:
        newest = max((path for path in folder.iterdir() if KEPT.fullmatch(path.name)), default=None)
        path = folder / f"{checkpoint.size:020}.txt"
        if newest is not None:
            _refuse_other_history(newest)
        if path.exists():
            _refuse_other_history(path)
        else:
            _put(path, checkpoint.note)
    except FileNotFoundError:
        raise NotAnchored("there is no such folder; is the other host's disk mounted?") from None
    except OSError as error:
        raise NotAnchored(f"it can't be read or written: {error.strerror}.") from None
    return _held(Anchor.Kind.FILE, str(folder), checkpoint) or _kept(
        Anchor.Kind.FILE, str(folder), checkpoint, checkpoint.note.encode(), timezone.now()
    )


def _refuse_other_history(path: Path) -> None:
    with path.open("rb") as file:
        content = file.read(MOST_BYTES)
    try:
        origin, size, root = notes.parse_checkpoint(_opened(content.decode()))
    except ValueError as wrong:
        raise NotAnchored(f"{path.name} there is no checkpoint that a key of this log signed: {wrong}") from None
    if origin != settings.LOG_ORIGIN or f"{size:020}.txt" != path.name:
        raise NotAnchored(f"{path.name} there is a checkpoint of another log or size: {origin}, {size:,} entries.")
    ours, _ = ledger.size_and_root()
    if size > ours:
        raise NotAnchored(
            f"{path.name} there holds {size:,} entries and our log {ours:,}: entries are lost. "
            "Restore the newest backup; if there is none, answer for it with `manage.py accept_fork` and give "
            "COUNTERSIGN_ANCHOR_DIR a new folder."
        )
    if root != (ledger.nodes(ours).root(0, size) if size else EMPTY_ROOT):
        raise NotAnchored(
            f"{path.name} there holds another history of the first {size:,} entries: our log was rewritten, or "
            "two were shown. Keep that file and run `manage.py fsck_trail`."
        )


def _opened(note: str) -> str:
    for each in reversed(signer.ring()):
        try:
            return notes.open_note(note, each.vkey)
        except InvalidNote:
            continue
    raise InvalidNote("No key of this log has signed it.")


def _put(path: Path, note: str) -> None:
    """In one piece under its own name, as a disk that can only be added to allows it."""
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(opened, "wb", buffering=0) as file:
        file.write(note.encode())
        os.fsync(file.fileno())


def anchor_tsa(url: str, checkpoint: Checkpoint | None = None) -> Anchor:
    """Have the authority stamp the SHA-256 of the checkpoint's text. Its token must lead to COUNTERSIGN_TSA_ROOTS."""
    checkpoint = checkpoint or checkpoints.current()
    target = _without_secrets(url)
    if held := _held(Anchor.Kind.TSA, target, checkpoint):
        return held
    roots = tsa_roots()
    digest = sha256(notes.text_of(checkpoint.note).encode()).digest()
    try:
        token = timestamps.stamp(digest, url=url, timeout=TIMEOUT)
        at = timestamps.verify(token, digest, roots)
    except (NotStamped, InvalidTimestamp) as wrong:
        raise NotAnchored(str(wrong)) from None
    return _kept(Anchor.Kind.TSA, target, checkpoint, token, at)


def tsa_roots() -> list[bytes]:
    """The certificates in PEM to which every token must lead."""
    if not settings.TSA_ROOTS:
        raise NotAnchored("COUNTERSIGN_TSA_ROOTS must name a PEM file with the authority's root certificate.")
    try:
        return [Path(settings.TSA_ROOTS).read_bytes()]
    except OSError as error:
        raise NotAnchored(f"COUNTERSIGN_TSA_ROOTS, {settings.TSA_ROOTS}, can't be read: {error.strerror}.") from None


def anchor_witness(url: str, vkey: str, checkpoint: Checkpoint | None = None) -> Anchor:
    """Have the witness cosign the checkpoint. It does if it is shown that the log only grew since it last did."""
    try:
        name, _, _ = cosigning.parse_vkey(vkey)
    except InvalidNote as wrong:
        raise NotAnchored(f"COUNTERSIGN_WITNESSES holds `address|key` with commas between. {wrong}") from None
    checkpoint = checkpoint or checkpoints.current()
    if held := _held(Anchor.Kind.WITNESS, name, checkpoint):
        return held
    last = Anchor.every.filter(kind=Anchor.Kind.WITNESS, target=name).order_by("-at", "-pk").first()
    answer = _asked(url, last.size if last and last.size <= checkpoint.size else 0, checkpoint)
    if answer.status == 409:
        answer = _asked(url, _size_known(answer, checkpoint), checkpoint)
    if answer.status != 200:
        raise NotAnchored(_refusal(answer))
    try:
        note = _with_lines_of(name, answer.body.decode(), checkpoint.note)
        at = cosigning.verify(note, vkey)
    except ValueError as wrong:
        raise NotAnchored(f"it answered with no cosignature of the pinned key. {wrong}") from None
    return _kept(Anchor.Kind.WITNESS, name, checkpoint, note.encode(), at)


def _asked(url: str, old: int, checkpoint: Checkpoint) -> posting.Answer:
    proof = tiles.consistency_proof(old, ledger.nodes(checkpoint.size)) if old else []
    lines = [f"old {old}", *(b64encode(step).decode() for step in proof), "", ""]
    body = "\n".join(lines) + checkpoint.note
    try:
        return posting.post(f"{url.rstrip('/')}/add-checkpoint", body.encode(), timeout=TIMEOUT)
    except posting.NoAnswer as none:
        raise NotAnchored(str(none)) from None


def _size_known(answer: posting.Answer, checkpoint: Checkpoint) -> int:
    """The size that the witness cosigned last, as it says."""
    said = answer.body.removesuffix(b"\n")
    if answer.type != SIZE_TYPE or not re.fullmatch(b"0|[1-9][0-9]{0,18}", said):
        raise NotAnchored("it answered 409 and no size, as the protocol has it.")
    known, (ours, _) = int(said), ledger.size_and_root()
    if known > ours:
        raise NotAnchored(
            f"it has cosigned {known:,} entries and our log holds {ours:,}: entries are lost. "
            "Restore the newest backup."
        )
    if known > checkpoint.size:
        raise NotAnchored(f"it has cosigned {known:,} entries already, and cosigns no checkpoint of fewer.")
    return known


REFUSALS = {
    403: "it does not know the key that signed the checkpoint; give it the output of `manage.py export_key --bare`.",
    404: "it does not know this log; give it the output of `manage.py export_key --bare`.",
    409: "it cosigned another checkpoint meanwhile; try again.",
    422: "it has cosigned another history of this log: our log was rewritten, or two were shown. It keeps both "
    "checkpoints; run `manage.py fsck_trail`.",
}


def _refusal(answer: posting.Answer) -> str:
    return REFUSALS.get(answer.status, f"it answered {answer.status} {answer.reason}.")


def _with_lines_of(name: str, lines: str, note: str) -> str:
    """`note` with the lines of that name; what a witness says in other names is passed over."""
    for signer_name, identifier, signature in notes.signatures(f"{notes.text_of(note)}\n{lines}"):
        if signer_name == name:
            note = notes.add_signature(note, notes.signature_line(signer_name, identifier, signature))
    return note


def _held(kind: Anchor.Kind, target: str, checkpoint: Checkpoint) -> Anchor | None:
    """The newest anchor of this very checkpoint there."""
    same = Anchor.every.filter(kind=kind, target=target, size=checkpoint.size, root=checkpoint.root)
    return same.order_by("-at", "-pk").first()


def _kept(kind: Anchor.Kind, target: str, checkpoint: Checkpoint, token: bytes, at: datetime) -> Anchor:
    with transaction.atomic(), guard.opened():
        return Anchor.objects.create(
            kind=kind, target=target[:500], size=checkpoint.size, root=checkpoint.root, token=token, at=at
        )


def _without_secrets(url: str) -> str:
    """An address as it may be shown: a key may stand in its query or login."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def witnessed(checkpoint: Checkpoint) -> str:
    """The checkpoint's note with the cosignature of every witness that has cosigned it."""
    note = checkpoint.note
    cosigned = Anchor.objects.filter(kind=Anchor.Kind.WITNESS, size=checkpoint.size, root=checkpoint.root)
    for anchor in cosigned.order_by("pk"):
        note = _with_lines_of(anchor.target, bytes(anchor.token).decode().rpartition("\n\n")[2], note)
    return note


def newest() -> Anchor | None:
    """The newest anchor of any kind."""
    return Anchor.objects.order_by("-at", "-pk").first()


def age() -> timedelta | None:
    """How old it is: what was written since then, nobody outside vouches for."""
    last = newest()
    return moments.now() - last.at if last else None


def keep_anchoring(stopping: threading.Event) -> None:
    """Anchor every COUNTERSIGN_ANCHOR_MINUTES until `stopping` is set. Workers side by side share the work."""
    pause = timedelta(minutes=settings.ANCHOR_MINUTES)
    while not stopping.is_set():
        try:
            for outcome in anchor_all(older_than=pause / 2):
                if outcome.problem:
                    log.error("Not anchored. %s", outcome.sentence)
        except Exception:  # it must outlive whatever the database does
            log.exception("Anchoring was interrupted; trying again in %s.", pause)
        finally:
            connection.close()
        stopping.wait(pause.total_seconds())


def start(stopping: threading.Event) -> threading.Thread | None:
    """The thread that anchors beside a worker, if the settings name any place."""
    if not places() or settings.ANCHOR_MINUTES < 1:
        return None
    thread = threading.Thread(target=keep_anchoring, args=[stopping], name="anchoring", daemon=True)
    thread.start()
    return thread
