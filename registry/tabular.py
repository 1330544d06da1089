"""Reading an uploaded table once, start to end, and refusing what would be read wrongly. Never a guess."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

from registry import csv_rows, parquet
from registry.columns import Chunk, Column, Place
from trail.errors import BadInput

CHUNK_ROWS = 2000

STRANGERS = {
    b"PK\x03\x04": ("a spreadsheet or a ZIP archive", "save the sheet as CSV UTF-8, or unpack it, and upload that"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the sheet as CSV UTF-8 and upload that"),
    b"\x1f\x8b": ("compressed with gzip", "unpack it first"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "unpack it first"),
    b"BZh": ("compressed with bzip2", "unpack it first"),
    b"%PDF": ("a PDF document", "upload the table as CSV or Parquet"),
    b"\xff\xfe": ("written in UTF-16", "save it as CSV UTF-8"),
    b"\xfe\xff": ("written in UTF-16", "save it as CSV UTF-8"),
}


@dataclass(frozen=True)
class Table:
    format: str
    row_count: int
    columns: list[dict[str, Any]]


def read(file: BinaryIO, *, name: str) -> Table:
    """The summary of a CSV or Parquet file, or a refusal that names the place and the mend."""
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    if not head:
        raise BadInput(f"{name} is empty; upload the file itself.", where=name)
    refuse_stranger(head, name=name)
    if head == parquet.MAGIC:
        return Table("parquet", *parquet.read(file, name=name))
    if name.lower().endswith((".parquet", ".pq")):
        raise BadInput(f"{name} is no Parquet file: it doesn’t start with PAR1. Export it again.", where=name)
    return Table("csv", *_csv(file, name))


def refuse_stranger(head: bytes, *, name: str) -> None:
    """Refuse a file that is known, by its first bytes, to be something else."""
    for magic, (what, mend) in STRANGERS.items():
        if head.startswith(magic):
            raise BadInput(f"{name} is {what}; {mend}.", where=name)


def _csv(file: BinaryIO, name: str) -> tuple[int, list[dict[str, Any]]]:
    rows = csv_rows.rows(file, name=name)
    columns = [Column(name, header) for header in csv_rows.header(rows, name=name)]
    count = 0
    chunk: list[list[str]] = []
    lines: list[int] = []
    for line, row in rows:
        if len(row) != len(columns):
            place = Place(count + len(chunk) + 1, line)
            csv_rows.refuse_ragged(row, len(columns), name=name, place=place, is_last=next(rows, None) is None)
        chunk.append(row)
        lines.append(line)
        if len(chunk) == CHUNK_ROWS:
            count = _add(columns, chunk, lines, count)
            chunk, lines = [], []
    count = _add(columns, chunk, lines, count)
    if not count:
        raise BadInput(f"{name} has a header and no rows under it; upload the file with its data.", where=name)
    return count, [column.summary() for column in columns]


def _add(columns: list[Column], chunk: list[list[str]], lines: list[int], count: int) -> int:
    for column, given in zip(columns, zip(*chunk, strict=True), strict=False):
        column.add(Chunk(given, count + 1, lines))
    return count + len(chunk)
