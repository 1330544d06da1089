"""The tree, grown again leaf by leaf in flat memory, and everything that claims to be a part or a state of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db import connection

from trail import merkle
from trail.fsck import reading
from trail.fsck.findings import Report
from trail.fsck.reading import Row
from trail.tiles import WIDTH


def hashes_of(data: bytes) -> list[bytes]:
    return [data[start : start + merkle.HASH] for start in range(0, len(data), merkle.HASH)]


class Tiles:
    """The stored tiles of one level, in their order."""

    def __init__(self, level: int, report: Report) -> None:
        self.level, self.report = level, report
        self._rows = reading.rows("trail_tile", '"index", "id"', f'"level" = {level}')
        self._next: Row | None = next(self._rows, None)

    def at(self, index: int) -> Row | None:
        """The tile at `index`, if it is there; those before it are passed."""
        while self._next is not None and (self._next["index"] is None or self._next["index"] < index):
            self.refuse(self._next)
            self._next = next(self._rows, None)
        found = self._next
        return found if found is not None and found["index"] == index else None

    def pass_by(self) -> None:
        self._next = next(self._rows, None)

    def refuse_the_rest(self) -> None:
        while self._next is not None:
            self.refuse(self._next)
            self.pass_by()

    def refuse(self, row: Row) -> None:
        row.report(self.report, name(self.level, row["index"]))
        sentence = "the tree has no complete tile in this place."
        self.report.say("trail_tile", name(self.level, row["index"]), "index", sentence)


def name(level: int, index: int | None) -> str:
    return f"{level}/{'?' if index is None else index}"


@dataclass
class Growing:
    """The tree so far. A hash that nothing tells is None, and so is every root over it."""

    report: Report
    size: int = 0
    is_whole: bool = True
    frontier: list[bytes] = field(default_factory=list)
    rows: list[list[bytes | None]] = field(default_factory=list)
    tiles: list[Tiles] = field(default_factory=list)

    def slot(self) -> bytes | None:
        """What a complete tile says of the next leaf."""
        tile = self._tiles(0).at(self.size // WIDTH)
        data = tile["data"] if tile is not None else None
        if data is None or len(data) != WIDTH * merkle.HASH:
            return None
        start = self.size % WIDTH * merkle.HASH
        return bytes(data[start : start + merkle.HASH])

    def add(self, hash_: bytes | None) -> None:
        if hash_ is None:
            self.is_whole = False
        if self.is_whole and hash_ is not None:
            self.frontier = merkle.frontier_append(self.frontier, self.size, hash_)
        self.size += 1
        self._fill(0, hash_)

    def root(self) -> bytes | None:
        return merkle.frontier_root(self.frontier, self.size) if self.is_whole else None

    def finish(self) -> None:
        for each in self.tiles or [self._tiles(0)]:
            each.refuse_the_rest()
        # the levels above the highest that the tree reaches, and those that are none
        levels = f'"level" < 0 OR "level" >= {len(self.tiles)} OR "level" IS NULL'
        if connection.vendor == "sqlite":
            levels += " OR typeof(\"level\") <> 'integer'"
        for row in reading.rows("trail_tile", '"id"', levels):
            row.report(self.report, f"id {row['id']}")
            self.report.say("trail_tile", f"id {row['id']}", "level", "the tree has no tiles of this level.")

    def _tiles(self, level: int) -> Tiles:
        while len(self.tiles) <= level:
            self.tiles.append(Tiles(len(self.tiles), self.report))
        return self.tiles[level]

    def _fill(self, level: int, hash_: bytes | None) -> None:
        if len(self.rows) <= level:
            self.rows.append([])
        row = self.rows[level]
        row.append(hash_)
        if len(row) < WIDTH:
            return
        self.rows[level] = []
        index = (self.size >> 8 * (level + 1)) - 1
        known = [each for each in row if each is not None]
        root = merkle.root(known) if len(known) == WIDTH else None
        self._compare(level, index, row, root)
        self._fill(level + 1, root)

    def _compare(self, level: int, index: int, hashes: list[bytes | None], root: bytes | None) -> None:
        at = name(level, index)
        stored = self._tiles(level).at(index)
        if stored is None:
            self.report.say("trail_tile", at, "", "the tile is missing.")
            return
        self._tiles(level).pass_by()
        stored.report(self.report, at)
        if stored["data"] is not None:
            self._compare_data(level, index, stored["data"], hashes)
        if stored["root"] is not None and root is not None and stored["root"] != root:
            self.report.say("trail_tile", at, "root", "is not the root over the hashes below it.")

    def _compare_data(self, level: int, index: int, data: bytes, hashes: list[bytes | None]) -> None:
        at = name(level, index)
        if len(data) != WIDTH * merkle.HASH:
            self.report.say("trail_tile", at, "data", f"holds {len(data)} bytes, and not {WIDTH * merkle.HASH}.")
            return
        differ = [
            index * WIDTH + place
            for place, (have, should) in enumerate(zip(hashes_of(data), hashes, strict=True))
            if should is not None and have != should
        ]
        if differ:
            below = f"leaf {differ[0]}" if level == 0 else f"the tile {level - 1}/{differ[0]}"
            sentence = f"{len(differ)} of its hashes are not those below it, the first that of {below}."
            self.report.say("trail_tile", at, "data", sentence)


def leaves() -> Iterator[tuple[Row, Row, Row]]:
    """Every leaf in its order, with its entry and its payload."""
    selected = ", ".join(
        reading.columns(table, alias)
        for table, alias in (("trail_leaf", "l"), ("trail_entry", "e"), ("trail_payload", "p"))
    )
    sql = (
        f"SELECT {selected} FROM trail_leaf l LEFT JOIN trail_entry e ON e.id = l.entry_id "  # noqa: S608 - our names
        'LEFT JOIN trail_payload p ON p.entry_id = l.entry_id ORDER BY l."index", l.entry_id'
    )
    for row in reading.stream(sql):
        leaf, entry, payload = reading.split(row, "trail_leaf", "trail_entry", "trail_payload")
        yield leaf, entry, payload


def waiting() -> Iterator[tuple[Row, Row, Row]]:
    """Entries that have no leaf, with what marks them as waiting."""
    selected = ", ".join(
        reading.columns(table, alias)
        for table, alias in (("trail_pending", "q"), ("trail_entry", "e"), ("trail_payload", "p"))
    )
    sql = (
        f"SELECT {selected} FROM trail_entry e LEFT JOIN trail_leaf l ON l.entry_id = e.id "  # noqa: S608 - our names
        "LEFT JOIN trail_pending q ON q.entry_id = e.id LEFT JOIN trail_payload p ON p.entry_id = e.id "
        "WHERE l.entry_id IS NULL ORDER BY e.id"
    )
    for row in reading.stream(sql):
        mark, entry, payload = reading.split(row, "trail_pending", "trail_entry", "trail_payload")
        yield mark, entry, payload


class Images:
    """The images of the entries, in the entries' order."""

    def __init__(self, order: str, *, placed: bool) -> None:
        condition = "IS NOT NULL" if placed else "IS NULL"
        sql = (
            f"SELECT {reading.columns('trail_image', 'i')} FROM trail_image i "  # noqa: S608 - our names
            f"LEFT JOIN trail_leaf l ON l.entry_id = i.entry_id JOIN trail_entry e ON e.id = i.entry_id "
            f"WHERE l.entry_id {condition} ORDER BY {order}, i.id"
        )
        self._rows = (reading.taken("trail_image", row) for row in reading.stream(sql))
        self._next: Row | None = next(self._rows, None)

    def of(self, entry: str) -> list[Row]:
        found = []
        while self._next is not None and self._next["entry_id"] == entry:
            found.append(self._next)
            self._next = next(self._rows, None)
        return found
