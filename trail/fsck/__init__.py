"""Reads the whole ledger and names what is damaged: the table, the row, the column. Nothing is written or mended.

It trusts nothing that it can compute: hashes, roots and columns are made again from the entries' bytes. What it can't
see, docs/decisions/0016-what-the-ledger-detects.md lists, and so does every report.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import Error
from django.utils import timezone

from trail import guards, ledger, merkle
from trail.fsck import entries, reading, rows, signed, tree
from trail.fsck.claims import Claims
from trail.fsck.entries import Told
from trail.fsck.findings import CouldNotRun, Finding, Report
from trail.fsck.reading import Row
from trail.signer import State

__all__ = ["CouldNotRun", "Finding", "Report", "examine"]

LAG = timedelta(minutes=1)
WIDEST_GAP = 1 << 17  # that is walked through, where no tile tells of it
UNDETECTABLE = [
    "On PostgreSQL: an entry that was deleted together with its payload, its images and its waiting mark before it had "
    "its place in the tree. Decisions never wait.",
    "A log cut at its end together with its checkpoints and the signer’s state, as when everything is restored from "
    "one backup, unless a checkpoint that somebody else kept is given with --anchor.",
    "A log rewritten and signed with the stolen key, unless a checkpoint that somebody else kept is given.",
    "A false statement that came through the app, by somebody who was allowed to make it.",
    "Columns that nothing commits to: the target and time of an anchor, the type and id beside an erased image, and "
    "the numbers that only tell rows apart.",
]


def examine(*, anchors: Sequence[Path] = (), with_rows: bool = False) -> Report:
    """Read everything in one snapshot. Raises CouldNotRun if there is nothing to read."""
    report = Report(undetectable=list(UNDETECTABLE))
    state = signed.read_state(report)
    try:
        with reading.snapshot():
            if reading.examine_schema(report):
                _examine(report, state, anchors)
                if with_rows:
                    rows.examine(report)
            else:
                report.skip("The rows were not read, because tables or columns are not what they were.")
    except Error as error:
        raise CouldNotRun(f"The database did not answer as it should: {str(error).strip()}") from error
    if not with_rows:
        report.skip("The tables that the trail tells of were not compared with it: ask with --rows.")
    return report


def _examine(report: Report, state: State | None, anchors: Sequence[Path]) -> None:
    pins = signed.pins(state, report)
    kept = [*anchors, *signed.anchor_folder(report)]
    outside = signed.outside(kept, pins.ring)
    for each in outside:
        if each.column == "signature":
            report.say(each.table, "", "", f"no key of this log has signed this checkpoint over {each.size:,} entries.")
    for table, sentence in guards.lacking():
        report.say(table, "", "", sentence)
    reading.examine_keys(report)
    claims = Claims(
        [*outside, *signed.state_claims(state, pins.ring, report)],
        signed.checkpoints(pins, report),
        signed.anchors(pins, report),
    )
    told = Told()
    growing = tree.Growing(report)
    _examine_leaves(growing, claims, told, report)
    _examine_waiting(told, report)
    growing.finish()
    _examine_size(growing, report)
    _examine_orphans(report)
    claims.settle_beyond(growing)
    claims.report(told, report)
    _examine_forks(state, told, report)
    told.report(report)
    if not kept:
        report.skip("No checkpoint that somebody else kept was given with --anchor.")


def _examine_leaves(growing: tree.Growing, claims: Claims, told: Told, report: Report) -> None:
    images = tree.Images('l."index", l.entry_id', placed=True)
    claims.settle(growing)
    for leaf, entry, payload in tree.leaves():
        report.count("leaves")
        index = leaf["index"]
        leaf.report(report, index)
        _examine_entry(entry, payload, images.of(leaf["entry_id"]), told, report)
        if not entry.present:
            report.say("trail_leaf", index, "entry_id", "the entry of this leaf is gone, or is not the one it names.")
        if index is None:
            continue
        if index < growing.size:
            report.say("trail_leaf", index, "index", "this place in the tree is taken, or is none.")
        elif _passed_over(growing, claims, index, report):
            growing.add(_hash(leaf, entry, growing.slot(), report))
            claims.settle(growing)


def _passed_over(growing: tree.Growing, claims: Claims, index: int, report: Report) -> bool:
    """Whether the tree now ends before `index`. Of leaves that are missing there, a complete tile still tells."""
    if growing.size < index:
        gone = f"{growing.size}" if index - growing.size == 1 else f"{growing.size} to {index - 1}"
        report.say("trail_leaf", gone, "index", "missing: there is a gap before the next leaf.")
    while growing.size < index:
        hash_ = growing.slot()
        if hash_ is None and index - growing.size > WIDEST_GAP:
            report.say("trail_leaf", index, "index", "lies far beyond the leaves before it.")
            return False
        growing.add(hash_)
        claims.settle(growing)
    return True


def _hash(leaf: Row, entry: Row, slot: bytes | None, report: Report) -> bytes | None:
    """The leaf's hash by the most witnesses: its own row, its entry's bytes, the tile over it."""
    stored: bytes | None = leaf["hash"]
    computed = None if entry["body"] is None else merkle.leaf_hash(entry["body"])
    if stored is not None and computed is not None and stored != computed:
        index = leaf["index"]
        if slot != computed:
            sentence = f"are not the bytes that leaf {index} was made of, unless the leaf itself was changed."
            report.say("trail_entry", entry["id"], "body", sentence)
        column = "entry_id" if slot == stored else "hash"
        report.say("trail_leaf", index, column, "the leaf’s hash is not that of the bytes of the entry it names.")
    return next((each for each in (slot, stored, computed) if each is not None and len(each) == merkle.HASH), None)


def _examine_entry(entry: Row, payload: Row, images: list[Row], told: Told, report: Report) -> dict[str, Any] | None:
    if not entry.present:
        return None
    report.count("entries")
    entry.report(report, entry["id"])
    body = entries.body_of(entry, report)
    if body is None:
        return None
    entries.examine_columns(entry, body, report)
    values = entries.examine_payload(entry, body, payload, told, report)
    entries.examine_images(body, images, told, report)
    entries.note_erasure(body, values, told)
    entries.note_fork(body, values, told)
    return body


def _examine_waiting(told: Told, report: Report) -> None:
    images = tree.Images("e.id", placed=False)
    late, oldest = 0, timezone.now() - LAG
    for mark, entry, payload in tree.waiting():
        shown = images.of(entry["id"])
        body = _examine_entry(entry, payload, shown, told, report)
        name = entry["id"]
        mark.report(report, name)
        if not mark.present:
            report.say("trail_entry", name, "", "has no place in the tree, and does not wait for one.")
        elif not ledger.waits():
            report.say("trail_pending", name, "", "waits, and on this database nothing ever does.")
        elif entry["body"] is not None and mark["hash"] != merkle.leaf_hash(entry["body"]):
            report.say("trail_pending", name, "hash", "is not the hash of its entry’s bytes.")
        elif body is not None and entry["at"] is not None and entry["at"] < oldest:
            late += 1
    if late:
        sentence = f"{late:,} entries wait for their places in the tree for more than a minute: does a worker run?"
        report.say("trail_pending", "", "", sentence)


def _examine_size(growing: tree.Growing, report: Report) -> None:
    """The one row that says how large the tree is."""
    found = list(reading.rows("trail_tree", "id"))
    for row in found:
        row.report(report, row["id"])
        if row["id"] != 1:
            report.say("trail_tree", row["id"], "id", "there is one tree, and its row is 1.")
    one = next((row for row in found if row["id"] == 1), None)
    if one is None:
        if growing.size:
            report.say("trail_tree", 1, "", "the row is gone.")
        return
    if one["size"] is not None and one["size"] != growing.size:
        sentence = f"says {one['size']:,} leaves, and the last of them is the {growing.size:,}th."
        report.say("trail_tree", 1, "size", sentence)
    elif one["frontier"] is not None and growing.is_whole and one["frontier"] != b"".join(growing.frontier):
        report.say("trail_tree", 1, "frontier", "does not hold the roots of the subtrees that the leaves make.")


def _examine_orphans(report: Report) -> None:
    for table, key in (("trail_payload", "entry_id"), ("trail_image", "id"), ("trail_pending", "entry_id")):
        found = reading.rows(table, f'"{key}"', "NOT EXISTS (SELECT 1 FROM trail_entry e WHERE e.id = t.entry_id)")
        for row in found:
            row.report(report, row[key])
            report.say(table, row[key], "entry_id", "the entry it belongs to is gone.")
    placed = "EXISTS (SELECT 1 FROM trail_leaf l WHERE l.entry_id = t.entry_id)"
    for row in reading.rows("trail_pending", "entry_id", placed):
        report.say("trail_pending", row["entry_id"], "", "waits for a place that its entry has already.")


def _examine_forks(state: State | None, told: Told, report: Report) -> None:
    """A fork that somebody answered for stands in the log, or it was hidden."""
    known = {(each["signed_size"], each["size"], each["at"]) for each in told.forks}
    for fork in state.forks if state is not None else ():
        if (fork.get("signed_size"), fork.get("size"), signed.moment(fork.get("at"))) not in known:
            sentence = f"the fork at {fork.get('size')} entries stands in no entry of the log."
            report.say(str(settings.SIGNER_STATE), "", "forks", sentence)
