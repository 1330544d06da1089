"""A new signing key, and a log that goes on after entries were lost: both on the record, and never in silence."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.utils import timezone

from trail import checkpoints, keys, ledger, notes, signer
from trail.actors import Acts, Subject
from trail.errors import BadInput
from trail.events import Event
from trail.record import recording
from trail.signer import KeyRange, State

LOG = Subject(type="trail.log", id="log", label="the log")


def rotate(*, actor: Acts, reason: str, given: Ed25519PrivateKey | None = None) -> KeyRange:
    """Replace the signing key. The last checkpoint of the old key holds the entry that names the new one.

    `given` is the new key where the environment gives keys; without it one is made and kept in the old one's place.
    If the old key is lost and a strange one stands in its place already, that one is introduced.
    """
    if given is None and (last := signer.state()).keys and last.keys[-1].vkey != keys.verifier_key():
        return _introduce(last.keys[-1].vkey, actor=actor, reason=reason)
    if settings.SIGNING_KEY and given is None:
        sentence = "COUNTERSIGN_SIGNING_KEY gives the key: name a file with the new one, then set the variable to it."
        raise BadInput(sentence, where="new")
    fresh = given or Ed25519PrivateKey.generate()
    old, new = keys.verifier_key(), notes.vkey(settings.LOG_ORIGIN, fresh.public_key().public_bytes_raw())
    _state(old, new, actor=actor, reason=reason)
    checkpoints.current()
    with signer.locked() as last:  # others may have signed more by now
        if not settings.SIGNING_KEY:
            _put(fresh, settings.SIGNING_KEY_PATH, kept_as=f"until-{last.size}")
        made = _begin(last, new)
    keys.signing_key.cache_clear()
    return made


def _introduce(old: str, *, actor: Acts, reason: str) -> KeyRange:
    """The key in place signs from here on, though the old one signed no last checkpoint over the entry that says so."""
    new = keys.verifier_key()
    _state(old, new, actor=actor, reason=reason)
    with signer.locked() as last:
        made = _begin(last, new)
    checkpoints.current()
    return made


def _state(old: str, new: str, *, actor: Acts, reason: str) -> None:
    if any(each.vkey == new for each in signer.ring()):
        raise BadInput("This key has signed the log already; a rotation needs a new one.", where="new")
    with recording(Event.KEY_ROTATED, actor=actor, reason=reason, subject=LOG) as entry:
        entry.facts = {"old_key": old, "new_key": new}


def _begin(last: State, new: str) -> KeyRange:
    ring = [*last.keys[:-1], replace(last.keys[-1], last=last.size), KeyRange(new, last.size + 1)]
    signer.keep(replace(last, keys=ring))
    return ring[-1]


def _put(key: Ed25519PrivateKey, path: Path, *, kept_as: str) -> None:
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(keys.pem(key))
        file.flush()
        os.fsync(file.fileno())
    os.link(path, path.with_suffix(f".{kept_as}.pem"))
    fresh.replace(path)


def accept_fork(*, actor: Acts, reason: str) -> dict[str, int]:
    """Let a log go on that no longer continues what was signed, in the operator's name: a restored backup, say.

    The entry holds what was signed before and what the log holds now; whoever kept an earlier checkpoint finds both.
    It is there before the signer forgets, so that nothing of this happens in silence.
    """
    with signer.locked() as last:
        ledger.catch_up()
        size, root = ledger.size_and_root()
        _refuse_without_fork(last, size, root)
        fork: dict[str, Any] = {
            "signed_size": last.size,
            "signed_root": last.root,
            "signed_note": last.note,
            "size": size,
            "root": b64encode(root).decode(),
            "at": timezone.now().isoformat(),
        }
        counted = {"size": size, "lost": max(0, last.size - size)}
        with recording(Event.FORKED, actor=actor, reason=reason, subject=LOG) as entry:
            entry.facts = {**fork, "lost": counted["lost"]}
        # the newest key is good from here on, whatever it signed of what is lost
        ring = [*last.keys[:-1], *(replace(each, first=min(each.first, size)) for each in last.keys[-1:])]
        signer.keep(replace(last, size=size, root=fork["root"], note="", keys=ring, forks=[*last.forks, fork]))
    checkpoints.current()
    return counted


def _refuse_without_fork(last: State, size: int, root: bytes) -> None:
    try:
        signer.refuse_discontinuity(last, size, root, ledger.read_tile)
    except signer.LogLost:
        return
    sentence = "The log continues what was signed: there is no fork to answer for."
    raise BadInput(sentence, where="log", status=409)
