"""The append-only ledger: entries in, each at its place in one Merkle tree.

SQLite has one writer, so an entry is integrated where it is written. On PostgreSQL an entry waits in `Pending` and a
sequencer integrates many at once, because a lock held to commit would let one writer at a time through; what must not
be seen without a receipt (`trail.events.INLINE`) is integrated before its transaction commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import connection, transaction

from trail import events, guard, inserting, merkle, signer, tiles
from trail.errors import BadInput
from trail.models import Leaf, Pending, Tile, Tree
from trail.sealing import Sealed

HASH = 32
MAX_BYTES = 65_535  # a tlog-tiles bundle holds an entry's length in 16 bits
MOST_SAID = 1024 * 1024  # bytes of what one entry says in clear
BATCH = 1000


def append(sealed: Sealed) -> None:
    """Append one event in the caller's transaction. The tree's row is locked last, so it is held only to commit."""
    if len(sealed.body) > MAX_BYTES:
        size = f"{len(sealed.body):,}"
        raise BadInput(f"This would make an entry of {size} bytes in the trail; at most {MAX_BYTES:,} fit: shorten it.")
    if len(sealed.disclosed) > MOST_SAID:
        said = f"{len(sealed.disclosed):,}"
        raise BadInput(f"This would say {said} bytes in one entry of the trail; at most {MOST_SAID:,} fit: shorten it.")
    kind, hash_ = sealed.content["type"], merkle.leaf_hash(sealed.body)
    if waits():
        place = inserting.insert_waiting(sealed, hash_)
        if kind in events.INLINE:
            integrate(own=place, refuse_lost=_is_decision(kind))
    else:
        inserting.insert(sealed)
        _add([(UUID(sealed.content["id"]), hash_)], refuse_lost=_is_decision(kind))


def _is_decision(kind: str) -> bool:
    """Whether it waits until a log that does not continue what was signed is answered for; the answer itself can't."""
    return kind in events.INLINE and kind != events.Event.FORKED.value


def waits() -> bool:
    """Whether entries are integrated in batches."""
    return connection.vendor == "postgresql"


def integrate(most: int = BATCH, *, own: int = 0, refuse_lost: bool = False) -> int:
    """Give up to `most` waiting entries, oldest first, their places in the tree; the number integrated.

    Several may run side by side: whoever holds the tree's row takes what no open transaction holds. `own` is what
    waits for the caller's transaction, and is integrated whatever else waits, with all that came before it: entries
    about one row stand in the tree as they happened.
    """
    with transaction.atomic(), guard.opened():
        Tree.objects.select_for_update().get_or_create(pk=1)
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM trail_pending WHERE id <= %s OR id IN "
                "(SELECT id FROM trail_pending ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED) "
                "RETURNING id, entry_id, hash",
                [own, most],
            )
            taken = sorted(cursor.fetchall())
        _add([(entry, bytes(hash_)) for _, entry, hash_ in taken], refuse_lost=refuse_lost)
    return len(taken)


def catch_up() -> None:
    """Integrate what waits, so that a reader sees every entry at its place."""
    if waits() and Pending.objects.exists():
        while integrate() == BATCH:
            pass


def _add(entries: Sequence[tuple[UUID, bytes]], *, refuse_lost: bool) -> None:
    """Leaves, the tiles they complete, and the tree's new size, in the caller's transaction."""
    tree, _ = Tree.objects.select_for_update().get_or_create(pk=1)
    if refuse_lost:
        signer.refuse_if_lost(tree.size, read_tile)
    if not entries:
        return
    first, frontier = tree.size, split(tree.frontier)
    for place, (_, hash_) in enumerate(entries):
        frontier = merkle.frontier_append(frontier, first + place, hash_)
    Leaf.objects.bulk_create(
        [Leaf(index=first + place, entry_id=entry, hash=hash_) for place, (entry, hash_) in enumerate(entries)]
    )
    tree.size, tree.frontier = first + len(entries), b"".join(frontier)
    if made := list(_completed(first, tree.size)):
        Tile.objects.bulk_create(made)
    Tree.objects.filter(pk=1).update(size=tree.size, frontier=tree.frontier)


def _completed(before: int, after: int) -> Iterable[Tile]:
    """The tiles that the leaves from `before` to `after` complete, level by level."""
    level, fresh = 0, dict[int, bytes]()
    while (after := after >> tiles.HEIGHT) > (before := before >> tiles.HEIGHT):
        roots = {}
        for index in range(before, after):
            start = index * tiles.WIDTH
            known = _stored(level, start, tiles.WIDTH)
            hashes = [known.get(at) or fresh[at] for at in range(start, start + tiles.WIDTH)]
            roots[index] = merkle.root(hashes)
            yield Tile(level=level, index=index, data=b"".join(hashes), root=roots[index])
        level, fresh = level + 1, roots


def _stored(level: int, start: int, width: int) -> dict[int, bytes]:
    """Hashes of a level by their index: leaves, or the roots of the tiles below."""
    if level == 0:
        sql, values = (
            'SELECT "index", hash FROM trail_leaf WHERE "index" >= %s AND "index" < %s',
            [start, start + width],
        )
    else:
        sql = 'SELECT "index", root FROM trail_tile WHERE level = %s AND "index" >= %s AND "index" < %s'
        values = [level - 1, start, start + width]
    return {index: bytes(hash_) for index, hash_ in _read(sql, values)}


def _read(sql: str, values: list[int]) -> list[tuple[int, bytes]]:
    """A proof makes a handful of these, and the query builder would cost more than the proof."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        found: list[tuple[int, bytes]] = cursor.fetchall()
        return found


def read_tile(level: int, tile: int, width: int) -> list[bytes]:
    """The first `width` hashes of a tile: of a complete one in one row, of the right edge from what lies below."""
    start = tile * tiles.WIDTH
    if width == tiles.WIDTH:
        found = _read('SELECT "index", data FROM trail_tile WHERE level = %s AND "index" = %s', [level, tile])
        return split(found[0][1])
    known = _stored(level, start, width)
    return [known[at] for at in range(start, start + width)]


def nodes(size: int) -> tiles.Nodes:
    return tiles.Nodes(size, read_tile)


def size_and_root() -> tuple[int, bytes]:
    tree = Tree.objects.filter(pk=1).first() or Tree()
    return tree.size, merkle.frontier_root(split(tree.frontier), tree.size)


def split(hashes: bytes | memoryview) -> list[bytes]:
    whole = bytes(hashes)
    return [whole[start : start + HASH] for start in range(0, len(whole), HASH)]
