"""The log as a folder of static files (c2sp.org/tlog-tiles), for any web server, object store or auditor's disk.

Entries name nobody, so the folder may be public. It only grows: complete tiles are written once, and a folder whose
checkpoint our log does not continue is left as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from trail import checkpoints, keys, ledger, notes, signer, tiles
from trail.errors import BadInput
from trail.models import Anchor, Checkpoint, Leaf


def publish(folder: Path) -> Checkpoint:
    """Bring `folder` up to the current checkpoint, which is written last."""
    checkpoint = checkpoints.current()
    before = _published(folder)
    _refuse_other_log(folder, before, checkpoint)
    for level, tile, width in _tiles(before, checkpoint.size):
        hashes = ledger.read_tile(level, tile, width)
        _put(folder / "tile" / str(level) / path_of(tile, width), b"".join(hashes))
    for _, tile, width in _at_level(0, before, checkpoint.size):
        _put(folder / "tile" / "entries" / path_of(tile, width), _bundle(tile, width))
    _put_time_stamp(folder / "checkpoint.tst", checkpoint)
    _put(folder / "checkpoint", checkpoint.note.encode())
    return checkpoint


def _put_time_stamp(path: Path, checkpoint: Checkpoint) -> None:
    """The authority's token over this very checkpoint, if it was asked for one; an older one would be of another."""
    of_it = Anchor.objects.filter(kind=Anchor.Kind.TSA, size=checkpoint.size, root=checkpoint.root)
    if (stamp := of_it.order_by("-pk").first()) is None:
        path.unlink(missing_ok=True)
    else:
        _put(path, bytes(stamp.token))


def _published(folder: Path) -> int:
    try:
        return notes.parse_checkpoint((folder / "checkpoint").read_text().partition("\n\n")[0] + "\n")[1]
    except FileNotFoundError:
        return 0


def _refuse_other_log(folder: Path, before: int, checkpoint: Checkpoint) -> None:
    if not before:
        return
    note = (folder / "checkpoint").read_text()
    text = _opened(note)
    origin, size, root = notes.parse_checkpoint(text)
    ours = notes.parse_checkpoint(checkpoint.note.partition("\n\n")[0] + "\n")[0]
    if origin != ours or size > checkpoint.size or ledger.nodes(checkpoint.size).root(0, size) != root:
        sentence = f"{folder} holds {size:,} entries of a log that ours does not continue; nothing was written."
        raise BadInput(sentence, where=str(folder), status=409)


def _opened(note: str) -> str:
    for each in reversed(signer.ring()):
        try:
            return notes.open_note(note, each.vkey)
        except notes.InvalidNote:
            continue
    raise BadInput(
        f"The checkpoint there is not signed with a key of ours ({keys.verifier_key()}).", where="checkpoint"
    )


def _tiles(before: int, size: int) -> Iterator[tuple[int, int, int]]:
    level = 0
    while size >> (tiles.HEIGHT * level):
        yield from _at_level(level, before, size)
        level += 1


def _at_level(level: int, before: int, size: int) -> Iterator[tuple[int, int, int]]:
    """The tiles of a level that grew since the tree of `before` leaves, and their widths."""
    entries = size >> (tiles.HEIGHT * level)
    first = (before >> (tiles.HEIGHT * level)) // tiles.WIDTH
    for tile in range(first, -(-entries // tiles.WIDTH)):
        yield level, tile, min(tiles.WIDTH, entries - tile * tiles.WIDTH)


def path_of(tile: int, width: int) -> str:
    """Three digits a folder, all but the last behind an x: 1234067 is x001/x234/067."""
    digits = f"{tile:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return path if width == tiles.WIDTH else f"{path}.p/{width}"


def _bundle(tile: int, width: int) -> bytes:
    """Entries one after another, each behind its length in 16 bits."""
    start = tile * tiles.WIDTH
    found = Leaf.objects.filter(index__gte=start, index__lt=start + width).order_by("index")
    bodies = [bytes(body) for body in found.values_list("entry__body", flat=True)]
    if len(bodies) != width:
        raise BadInput(f"Entries of the tile {tile} are missing: run `manage.py fsck_trail`.", where="log", status=409)
    return b"".join(len(body).to_bytes(2) + body for body in bodies)


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
