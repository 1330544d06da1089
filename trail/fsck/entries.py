"""An entry against its own bytes: the columns beside them, what its payload says, and the rows it shows."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from trail.canonical import LARGEST, canonical_result
from trail.events import Event
from trail.fsck.findings import Report
from trail.fsck.reading import Row
from trail.ledger import MAX_BYTES

MEMBERS = {"v", "id", "type", "at", "action", "actor", "subject", "unit", "rows", "sealed"}
ALWAYS = {"actor.name", "reason", "subject.label"}
NAME = re.compile(r"(?:facts|changes)\..+|actor\.name|reason|subject\.label", re.ASCII)
TYPE = re.compile(r"[a-z_]+(?:\.[a-z_]+)+", re.ASCII)
COLUMNS = {"actor_name": "actor.name", "subject_label": "subject.label", "reason": "reason"}


@dataclass
class Told:
    """What the log tells of itself: what is missing, which erasures explain it, and where entries were lost."""

    forks: list[dict[str, Any]] = field(default_factory=list)
    missing: dict[str, list[str]] = field(default_factory=dict)
    explained: dict[str, set[str]] = field(default_factory=dict)
    images: dict[int, str] = field(default_factory=dict)
    explained_images: set[int] = field(default_factory=set)

    def report(self, report: Report) -> None:
        for entry, names in self.missing.items():
            if without := sorted(set(names) - self.explained.get(entry, set())):
                listed = ", ".join(without)
                report.say("trail_payload", entry, "disclosed", f"{listed}: gone, and no erasure in the trail says so.")
        for image, entry in self.images.items():
            if image not in self.explained_images:
                sentence = f"the state it showed (entry {entry}) is gone, and no erasure in the trail says so."
                report.say("trail_image", image, "disclosed", sentence)


_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def canonical_json(data: bytes) -> Any:
    """What canonical bytes of the trail's profile spell; ValueError if they are none.

    The profile is refused while it is parsed, so that writing it again is all that is left to compare.
    """
    found = json.loads(
        data.decode(), object_pairs_hook=_ascii_once, parse_constant=_refuse, parse_float=_refuse, parse_int=_whole
    )
    if _encode(found).encode() != data:
        raise ValueError("it is not in its canonical form")
    return found


def canonical_result_json(data: bytes) -> Any:
    """The same, where floats and any names are allowed."""
    try:
        return canonical_json(data)
    except ValueError:
        found = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_refuse)
        if canonical_result(found) != data:
            raise ValueError("it is not in its canonical form") from None
        return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _ascii_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if not all(name.isascii() for name, _ in pairs):
        raise ValueError("a name is not ASCII")
    return _once(pairs)


def _refuse(number: str) -> Any:
    raise ValueError(f"{number:.40} is no number of the profile")


def _whole(number: str) -> int:
    found = int(number) if len(number) < 20 else LARGEST + 1
    if abs(found) > LARGEST:
        raise ValueError(f"{number:.40} is beyond 2^53 - 1")
    return found


def body_of(entry: Row, report: Report) -> dict[str, Any] | None:
    """The event that the entry's bytes spell, if they are of the profile; otherwise it is said what they lack."""
    name, data = entry["id"], entry["body"]
    if data is None:
        return None
    try:
        body = canonical_json(data)
        _require_profile(body)
    except (ValueError, RecursionError) as error:
        said = str(error).rstrip(".")
        report.say("trail_entry", name, "body", f"these bytes are no event of the trail: {said}.")
        return None
    if len(data) > MAX_BYTES:
        report.say("trail_entry", name, "body", f"{len(data):,} bytes are more than an entry holds.")
    found: dict[str, Any] = body
    return found


def _require_profile(body: Any) -> None:
    if not isinstance(body, dict) or set(body) != MEMBERS or body["v"] != 2 or type(body["v"]) is not int:
        raise ValueError("its members are not those of version 2")
    _require_heads(body)
    _require_sealed(body["sealed"], body["rows"])


def _require_heads(body: dict[str, Any]) -> None:
    for name in ("id", "action"):
        if str(UUID(body[name])) != body[name]:
            raise ValueError(f"{name} is no id")
    for name, members in (("actor", {"id", "kind"}), ("subject", {"id", "type"})):
        part = body[name]
        if (
            not isinstance(part, dict)
            or set(part) != members
            or not all(isinstance(each, str) for each in part.values())
        ):
            raise ValueError(f"{name} is not of the form it should have")
    if not all(isinstance(body[name], str) for name in ("type", "at", "unit", "rows")) or not TYPE.fullmatch(
        body["type"]
    ):
        raise ValueError("its type, time, unit or rows is not of the form it should have")
    if datetime.fromisoformat(body["at"]).utcoffset() is None:
        raise ValueError("its time has no zone")


def _require_sealed(sealed: Any, rows: str) -> None:
    if not isinstance(sealed, dict) or not set(sealed) >= ALWAYS or not all(map(NAME.fullmatch, sealed)):
        raise ValueError("what it seals is not of the form it should have")
    for commitment in [*sealed.values(), *([rows] if rows else [])]:
        if not isinstance(commitment, str) or len(b64decode(commitment, validate=True)) != 32:
            raise ValueError("a commitment is not of the form it should have")


def examine_columns(entry: Row, body: dict[str, Any], report: Report) -> None:
    stated = {
        "id": body["id"],
        "type": body["type"],
        "at": datetime.fromisoformat(body["at"]).astimezone(UTC),
        "action": body["action"],
        "actor_id": body["actor"]["id"],
        "subject_type": body["subject"]["type"],
        "subject_id": body["subject"]["id"],
        "unit": body["unit"],
    }
    unread = {column for column, _ in entry.wrong}
    for column, value in stated.items():
        if column not in unread and entry[column] != value:
            report.say("trail_entry", entry["id"], column, "does not equal what the entry’s bytes state.")


def examine_payload(entry: Row, body: dict[str, Any], payload: Row, told: Told, report: Report) -> dict[str, Any]:
    """What the payload discloses of the body's commitments."""
    name, sealed = body["id"], body["sealed"]
    if not payload.present:
        told.missing[name] = sorted(sealed)
        return {}
    payload.report(report, name)
    if payload["disclosed"] is None:
        return {}
    values: dict[str, Any] = {}
    for disclosure in _disclosures(payload, report, name):
        said = disclosure[1]
        if said not in sealed:
            report.say(
                "trail_payload", name, "disclosed", f"says {_plainly(said)}, of which the entry’s bytes know nothing."
            )
        elif b64encode(sha256(_encode(disclosure).encode()).digest()).decode() != sealed[said]:
            report.say("trail_payload", name, "disclosed", f"{said} is not what the entry’s bytes commit to.")
            values.setdefault(said, None)
        else:
            values[said] = disclosure[2]
    if missing := sorted(set(sealed) - set(values)):
        told.missing[name] = missing
    unread = {column for column, _ in payload.wrong}
    for column, said in COLUMNS.items():
        if column not in unread and payload[column] != values.get(said, ""):
            report.say("trail_payload", name, column, "does not equal what the payload discloses.")
    return values


def _disclosures(payload: Row, report: Report, name: str) -> Iterator[list[Any]]:
    try:
        found = canonical_json(payload["disclosed"])
        names = [each[1] for each in found if [type(part) for part in each[:2]] == [str, str] and len(each) == 3]
        if len(names) != len(found) or names != sorted(set(names)):
            raise ValueError("its parts are not salt, name and value, sorted by name")
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        report.say("trail_payload", name, "disclosed", f"can’t be read: {str(error).rstrip('.')}.")
        return
    yield from found


def _plainly(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text[:60])


def examine_images(body: dict[str, Any], images: Sequence[Row], told: Told, report: Report) -> None:
    """The rows an entry shows, in the order in which its bytes commit to them."""
    name, digests = body["id"], []
    for image in images:
        image.report(report, image["id"])
        digests.append(image["digest"])
        _examine_image(name, image, told, report)
    if not digests and not body["rows"]:
        return
    if None in digests:
        return  # said above
    if not body["rows"]:
        listed = _listed(images)
        report.say(
            "trail_image", listed, "entry_id", f"the entry {name} shows no rows, yet {len(images)} are kept for it."
        )
    elif not digests:
        report.say("trail_image", "", "entry_id", f"the rows that the entry {name} shows are gone.")
    elif b64encode(sha256(b"".join(digests)).digest()).decode() != body["rows"]:
        sentence = (
            f"these are not the rows that the entry {name} shows: one was changed, added, removed or put elsewhere."
        )
        report.say("trail_image", _listed(images), "digest", sentence)


def _listed(images: Sequence[Row]) -> str:
    shown = ", ".join(str(image["id"]) for image in images[:8])
    return f"{shown}, ..." if len(images) > 8 else shown


def _examine_image(entry: str, image: Row, told: Told, report: Report) -> None:
    name, data = image["id"], image["disclosed"]
    unread = {column for column, _ in image.wrong}
    if data is None:
        if "disclosed" not in unread and name is not None:
            told.images[name] = entry
        return
    if image["digest"] is not None and sha256(data).digest() != image["digest"]:
        report.say("trail_image", name, "disclosed", f"is not what its digest commits to (entry {entry}).")
    try:
        salt, label, values = canonical_result_json(data)
        if not isinstance(salt, str) or not isinstance(label, str) or not isinstance(values, dict):
            raise ValueError("it is no salt, label and values")
    except (ValueError, TypeError, RecursionError) as error:
        report.say("trail_image", name, "disclosed", f"can’t be read: {str(error).rstrip('.')} (entry {entry}).")
        return
    row_type, _, row_id = label.partition("/")
    for column, value in (("row_type", row_type), ("row_id", row_id)):
        if column not in unread and image[column] != value:
            report.say("trail_image", name, column, f"does not equal what the image discloses (entry {entry}).")


def note_erasure(body: dict[str, Any], values: dict[str, Any], told: Told) -> None:
    """An erasure's facts, committed to like any other, explain what is missing."""
    if body["type"] != Event.ERASED.value:
        return
    entries, images = values.get("facts.entries"), values.get("facts.images")
    for entry, names in entries.items() if isinstance(entries, dict) else ():
        told.explained.setdefault(entry, set()).update(names if isinstance(names, list) else ())
    if isinstance(images, list):
        told.explained_images.update(each for each in images if type(each) is int)


def note_fork(body: dict[str, Any], values: dict[str, Any], told: Told) -> None:
    if body["type"] != Event.FORKED.value:
        return
    found = {name: values.get(f"facts.{name}") for name in ("signed_size", "signed_root", "size", "root", "at")}
    try:
        found |= {name: b64decode(str(found[name])) for name in ("root", "signed_root")}
        found["at"] = datetime.fromisoformat(str(found["at"]))
    except (TypeError, ValueError):
        return
    if type(found["size"]) is int and type(found["signed_size"]) is int:
        told.forks.append(found)
