"""The container of a pack: the same bytes each time, ZIP64 exactly where plain ZIP ends, never held in memory."""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
import tracemalloc
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from trail import notes, packing
from trail.canonical import canonical

ORIGIN = "countersign.test/log"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PACK: dict[str, Any] = {
    "id": "99999999-ffff",
    "origin": ORIGIN,
    "created_at": "2026-01-02T03:04:05+00:00",
    "as_of": None,
    "requested_by": "Vera Váldez",
    "size": 7,
    "versions": [],
}
SEAL = {"pack": PACK, "name": ORIGIN, "private_key": PRIVATE}
LOW = packing.Limits(entries=4, size=50)


def packed(entries: Any, limits: packing.Limits | None = None) -> bytes:
    file = io.BytesIO()
    packing.write_pack(file, entries, **SEAL, limits=limits)
    return file.getvalue()


def opened(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.flag_bits for info in archive.infolist()} == {0}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_pack_is_its_entries_their_manifest_and_its_signature(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(b"0123456789" * 300_000)
    found = opened(packed(iter([("README.txt", b"Read me.\n"), ("a/empty", b""), ("big.bin", big)])))
    assert list(found) == ["README.txt", "a/empty", "big.bin", "manifest.json", "manifest.sig"]
    assert found["big.bin"] == big.read_bytes()
    listed = json.loads(found["manifest.json"])
    assert found["manifest.json"] == canonical(listed)
    assert (listed["v"], listed["pack"]) == (2, PACK)
    assert listed["files"] == [
        {"path": path, "sha256": sha256(found[path]).hexdigest(), "size": len(found[path])} for path in list(found)[:3]
    ]
    text = notes.open_note(found["manifest.sig"].decode(), notes.vkey(ORIGIN, PRIVATE.public_key().public_bytes_raw()))
    assert text == packing.manifest_text(PACK["id"], found["manifest.json"])


def test_what_a_file_holds_and_the_same_bytes_make_the_same_pack(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000
    (tmp_path / "file").write_bytes(data)
    assert packed([("a", tmp_path / "file")]) == packed([("a", data)])


def test_plain_zip_is_what_pythons_zipfile_writes_byte_for_byte() -> None:
    entries = [("one.txt", b"1"), ("folder/two.txt", b"22")]
    ours, theirs = io.BytesIO(), io.BytesIO()
    packing.write_zip(ours, entries)
    with zipfile.ZipFile(theirs, "w") as archive:
        for name, data in entries:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            archive.writestr(info, data)
    assert ours.getvalue() == theirs.getvalue()


@given(st.lists(st.binary(max_size=120), max_size=6))
def test_lowered_limits_make_zip64_that_others_read(contents: list[bytes]) -> None:
    entries = {f"f/{index}": data for index, data in enumerate(contents)}
    found = opened(packed(entries.items(), LOW))
    assert {path: found[path] for path in entries} == entries


def test_each_number_that_does_not_fit_stands_in_a_zip64_record() -> None:
    data = packed([("small", b"s"), ("large", b"l" * 50)], LOW)
    offset = 0
    needed = {}
    for _ in range(4):
        fields = packing.LOCAL.unpack_from(data, offset)
        name = data[offset + 30 : offset + 30 + fields[9]].decode()
        needed[name] = fields[1]
        extra = data[offset + 30 + fields[9] : offset + 30 + fields[9] + fields[10]]
        size = fields[8]
        if fields[1] == packing.ZIP64:
            assert (fields[7], fields[8]) == (0xFFFFFFFF, 0xFFFFFFFF)
            kind, length, size, same = struct.unpack("<2H2Q", extra)
            assert (kind, length, same) == (1, 16, size)
        else:
            assert extra == b""
        offset += 30 + len(name) + len(extra) + size
    assert needed == {"small": 20, "large": 45, "manifest.json": 45, "manifest.sig": 45}
    assert data[offset : offset + 4] == b"PK\1\2"
    assert packing.END.unpack_from(data, len(data) - 22)[3:7] == (0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    at = packing.LOCATOR.unpack_from(data, len(data) - 42)[2]
    assert packing.END64.unpack_from(data, at)[6:8] == (4, 4)


def test_below_the_limits_nothing_of_zip64_is_there() -> None:
    data = packed([("a", b"x")], packing.Limits(entries=4, size=1 << 20))
    assert b"PK\6\6" not in data
    assert b"PK\6\7" not in data
    assert opened(data)["a"] == b"x"


class Sink:
    """Counts what is written, and keeps the end of it: what a pack of over 4 GiB is written to here."""

    def __init__(self) -> None:
        self.size, self.end = 0, b""

    def write(self, data: bytes) -> int:
        self.size += len(data)
        self.end = (self.end + data)[-1000:]
        return len(data)


def test_an_entry_of_over_4_gib_has_its_size_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (1 << 32) + 5
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(size)
    # reading 8 GiB of zeros takes long; what a reader sees is decided by these numbers alone
    monkeypatch.setattr(packing, "_measured", lambda source: (7, "0" * 64, size))
    monkeypatch.setattr(packing, "_chunks", lambda source: iter([b"x" * 9]))
    container = packing.Container(cast(BinaryIO, Sink()))
    monkeypatch.setattr(
        container, "_copy", lambda path, source, crc, size: setattr(container, "offset", 30 + 20 + size)
    )
    container.add("huge", tmp_path / "sparse")
    monkeypatch.undo()
    container.add("after", b"here")
    container.close()
    directory = bytes(container.directory)
    first = packing.CENTRAL.unpack_from(directory)
    assert first[8:12] == (0xFFFFFFFF, 0xFFFFFFFF, 4, 20)
    assert struct.unpack_from("<2H2Q", directory, 46 + 4) == (1, 16, size, size)
    second = packing.CENTRAL.unpack_from(directory, 46 + 4 + 20)
    assert (second[2], second[8], second[16]) == (45, 4, 0xFFFFFFFF)
    assert struct.unpack_from("<2HQ", directory, 46 + 4 + 20 + 46 + 5) == (1, 8, 50 + size)
    end = cast(Sink, container.file).end
    assert end[-22:-18] == b"PK\5\6"
    start = packing.END64.unpack_from(end, len(end) - 22 - 20 - 56)[9]
    assert start == 50 + size + 30 + 5 + 4


def test_more_entries_than_plain_zip_counts(tmp_path: Path) -> None:
    count = 65_600
    path = tmp_path / "pack.zip"
    with path.open("wb") as file:
        written = packing.write_pack(file, ((f"e/{index:06d}", b"%d" % index) for index in range(count)), **SEAL)
    assert written == count + 2
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == count + 2
        assert archive.read("e/065599") == b"65599"
        assert len(json.loads(archive.read("manifest.json"))["files"]) == count
    if unzip := shutil.which("unzip"):
        tested = subprocess.run([unzip, "-tqq", str(path)], capture_output=True, text=True, check=False)
        assert tested.returncode == 0, tested.stdout[-500:]


@pytest.mark.parametrize(("count", "is_zip64"), [(65_534, False), (65_535, True)])
def test_zip64_begins_at_the_first_count_plain_zip_cannot_state(count: int, is_zip64: bool) -> None:
    file = io.BytesIO()
    packing.write_zip(file, ((f"{index}", b"") for index in range(count)))
    assert (b"PK\6\6" in file.getvalue()) == is_zip64


def test_a_pack_does_not_hold_itself_in_memory() -> None:
    sink = Sink()
    tracemalloc.start()
    packing.write_pack(cast(BinaryIO, sink), ((f"e/{index}", b"x" * 1_000_000) for index in range(60)), **SEAL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sink.size > 60_000_000
    assert peak < 6_000_000


@pytest.mark.parametrize("path", ["../up", "/root", "a//b", "a b", "ä", "", "x\n", "n" * 201, "a/.hidden"])
def test_no_entry_gets_a_dangerous_name(path: str) -> None:
    with pytest.raises(ValueError, match="can't hold"):
        packed([(path, b"")])


@pytest.mark.parametrize("path", ["a", "manifest.json"])
def test_no_entry_stands_twice(path: str) -> None:
    with pytest.raises(ValueError, match="twice"):
        packed([(path, b"1"), (path, b"2")])


def test_a_pack_is_described_in_full() -> None:
    described = {key: value for key, value in PACK.items() if key != "as_of"}
    with pytest.raises(ValueError, match="lacks as_of"):
        packing.write_pack(io.BytesIO(), [], pack=described, name=ORIGIN, private_key=PRIVATE)


def test_a_file_that_changes_meanwhile_makes_no_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    measured = packing._measured

    def then_change(source: packing.Source) -> tuple[int, str, int]:
        found = measured(source)
        path.write_bytes(b"after it")
        return found

    monkeypatch.setattr(packing, "_measured", then_change)
    with pytest.raises(ValueError, match="changed while it was packed"):
        packed([("a", path)])
