"""Signs checkpoints, and keeps what it last signed outside the database: it never signs a log that went back.

The state is one file beside the keys: the last tree signed, the keys with the sizes they are good for, and the forks
that somebody answered for. Whoever restores a backup of the database restores no backup of this.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone

from trail import cosigning, keys, merkle, notes, sealing, tiles
from trail.canonical import canonical
from trail.errors import Objection, Refused
from trail.events import Event

if TYPE_CHECKING:
    from trail.models import Entry

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeyRange:
    """A verifier key and the sizes of the log whose checkpoints it signs; the newest has no last size yet."""

    vkey: str
    first: int
    last: int | None = None


@dataclass(frozen=True)
class State:
    size: int = 0
    root: str = b64encode(merkle.EMPTY_ROOT).decode()
    note: str = ""
    keys: list[KeyRange] = field(default_factory=list)
    forks: list[dict[str, Any]] = field(default_factory=list)


class LogLost(Refused):
    """The log in the database does not continue what was signed: a restored backup, or somebody's rewriting."""


def _path() -> Path:
    return Path(settings.SIGNER_STATE)


def state() -> State:
    """What was last signed. Without the file, the newest checkpoint in the database is the best that is known."""
    try:
        return parsed(_path().read_text())
    except FileNotFoundError:
        return _of_newest_checkpoint()


def parsed(text: str) -> State:
    """The state that the file's `text` holds; one that can't be read is no reason to begin anew."""
    try:
        kept = json.loads(text)
        found = State(**{**kept, "keys": [KeyRange(**each) for each in kept["keys"]]})
        if type(found.size) is not int or len(b64decode(found.root, validate=True)) != merkle.HASH:
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError):
        sentence = f"The signer's state, {_path()}, can't be read, so nobody knows what was signed last."
        mend = "Put it back from its backup, or remove it: the newest checkpoint in the database then takes its place."
        raise LogLost(Objection("state_unreadable", sentence, mend)) from None
    return found


def _of_newest_checkpoint() -> State:
    from trail.models import Checkpoint

    newest = Checkpoint.every.order_by("-size", "-pk").first()
    if newest is None:
        return State()
    ours = keys.verifier_key()
    try:
        stated = notes.parse_checkpoint(notes.open_note(newest.note, ours))
        if stated != (settings.LOG_ORIGIN, newest.size, bytes(newest.root)):
            raise notes.InvalidNote("The note states another tree than its row.")
    except notes.InvalidNote as wrong:
        sentence = f"The signer's state, {_path()}, is gone, and the newest checkpoint can't take its place. {wrong}"
        raise LogLost(Objection("state_lost", sentence, "Put the state or the former key back.")) from None
    log.warning("The signer's state, %s, is gone; going on from the newest checkpoint in the database.", _path())
    root = b64encode(newest.root).decode()
    return State(size=newest.size, root=root, note=newest.note, keys=_ring_of_the_log(ours))


def _ring_of_the_log(ours: str) -> list[KeyRange]:
    """The keys as the rotations in the log name them, if they lead to ours."""
    from trail.models import Checkpoint, Entry

    ring: list[KeyRange] = []
    rotations = Entry.every.filter(type=Event.KEY_ROTATED.value, leaf__isnull=False)
    for entry in rotations.select_related("payload", "leaf").order_by("leaf__index"):
        old, new = _committed(entry, "facts.old_key"), _committed(entry, "facts.new_key")
        closing = Checkpoint.every.filter(size__gt=entry.leaf.index).order_by("size").first()
        if closing is None or (ring and ring[-1].vkey != old):
            continue  # it was begun and not ended
        if not _signed(closing.note, old):  # a lost key signed nothing over the entry that says so
            closing = Checkpoint.every.filter(size__lte=entry.leaf.index).order_by("-size").first()
        first, last = ring[-1].first if ring else 0, closing.size if closing else 0
        ring = [*ring[:-1], KeyRange(old, first, last), KeyRange(new, last + 1)]
    return ring if ring and ring[-1].vkey == ours else [KeyRange(ours, 0)]


def _signed(note: str, vkey: str) -> bool:
    try:
        notes.open_note(note, vkey)
    except notes.InvalidNote:
        return False
    return True


def _committed(entry: Entry, name: str) -> str:
    """What the entry says, if its bytes commit to it."""
    sealed = json.loads(bytes(entry.body))["sealed"].get(name)
    for disclosure in json.loads(bytes(entry.payload.disclosed)):
        if disclosure[1] == name and b64encode(sealing.commitment(canonical(disclosure))).decode() == sealed:
            return str(disclosure[2])
    return ""


def keep(changed: State) -> None:
    """Durable before anything that relies on it leaves this process."""
    path = _path()
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(changed), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def locked() -> Iterator[State]:
    """One signer at a time on this machine; the tree is read inside, so that nobody signs an older one by accident."""
    _path().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _path().with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield state()


def refuse_if_lost(size: int, read: tiles.Read) -> None:
    """Decisions wait while the log does not continue what was signed of it: nobody could prove them later.

    That it is long enough is not enough: a log that was cut may have grown again.
    """
    last, signed_root = _last_signed()
    if size < last:
        raise LogLost(lost(size, last))
    if last and not _reaches(last, signed_root, size, read):
        raise LogLost(rewritten(last))


def lost(size: int, last: int) -> Objection:
    return Objection(
        "log_went_back",
        f"The log holds {size:,} entries, but a checkpoint over {last:,} was signed: entries are lost.",
        "Restore the newest backup; if there is none, an operator answers for it with `manage.py accept_fork`.",
    )


def rewritten(last: int) -> Objection:
    return Objection(
        "log_rewritten",
        f"The log does not continue the {last:,} entries that were signed: some of them were changed.",
        "Run `manage.py fsck_trail`, restore the newest backup, or answer for it with `manage.py accept_fork`.",
    )


def _reaches(last: int, signed_root: bytes, size: int, read: tiles.Read) -> bool:
    try:
        return tiles.Nodes(size, read).root(0, last) == signed_root
    except (LookupError, ValueError, ObjectDoesNotExist):
        return False


_seen: dict[str, tuple[tuple[int, int], int, bytes]] = {}


def _last_signed() -> tuple[int, bytes]:
    path = _path()
    try:
        found = path.stat()
    except FileNotFoundError:
        last = state()
        return last.size, b64decode(last.root)
    known, file = _seen.get(str(path)), (found.st_ino, found.st_mtime_ns)
    if known is None or known[0] != file:
        last = state()
        known = _seen[str(path)] = (file, last.size, b64decode(last.root))
    return known[1], known[2]


def sign(last: State, size: int, root: bytes, read: tiles.Read) -> str:
    """The signed note over this tree, once it is seen to continue the last one signed. Call it `locked`."""
    refuse_discontinuity(last, size, root, read)
    ring = refuse_strange_key(last)
    text = notes.checkpoint_text(settings.LOG_ORIGIN, size, root)
    note = notes.sign_note(text, name=settings.LOG_ORIGIN, private_key=keys.signing_key())
    note = cosigning.cosign(note, name=keys.cosigner_name(), private_key=keys.cosigner_key(), at=timezone.now())
    keep(State(size=size, root=b64encode(root).decode(), note=note, keys=ring, forks=last.forks))
    return note


def refuse_discontinuity(last: State, size: int, root: bytes, read: tiles.Read) -> None:
    before = b64decode(last.root)
    if size < last.size:
        raise LogLost(lost(size, last.size))
    if last.size == 0:
        return
    nodes = tiles.Nodes(size, read)
    try:
        merkle.verify_consistency(last.size, size, before, root, tiles.consistency_proof(last.size, nodes))
        agrees = tiles.root(size, read) == root
    except (merkle.InvalidProof, LookupError, ValueError, ObjectDoesNotExist):
        agrees = False
    if not agrees:
        raise LogLost(rewritten(last.size))


def refuse_strange_key(last: State) -> list[KeyRange]:
    """The keys so far. A key that nobody introduced signs nothing; the first one needs no introduction."""
    ours = keys.verifier_key()
    if not last.keys:
        return [KeyRange(ours, 0)]
    if last.keys[-1].vkey != ours:
        sentence = "The signing key is not the one this log is signed with."
        raise LogLost(
            Objection("strange_key", sentence, "Put the former key back, or introduce it: `manage.py rotate_key`.")
        )
    return last.keys


def ring() -> list[KeyRange]:
    """Every key that signed this log, oldest first."""
    return state().keys or [KeyRange(keys.verifier_key(), 0)]
