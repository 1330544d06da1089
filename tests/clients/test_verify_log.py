"""An exported log: every event hashed anew; a cut, altered, swapped or rewritten one is named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import authority, packs
from trail import merkle

verifier = packs.program()
PINS = verifier.read_pins(packs.VKEY)
BODIES = [b"event %d of a log" % number * (number % 7) for number in range(66_000)]
HASHES = [merkle.leaf_hash(body) for body in BODIES]


def check(folder: Path, since: Path | None = None, pins: Any = PINS) -> dict[str, Any]:
    answer: dict[str, Any] = verifier.verify_log(folder, pins, since)
    return answer


def broken(folder: Path, since: Path | None = None, pins: Any = PINS) -> str:
    answer = check(folder, since, pins)
    assert answer["verdict"] == "does not hold"
    assert not any("Error" in sentence for sentence in answer["broken"]), answer["broken"]
    return "\n".join(answer["broken"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three levels of tiles, all with a partial one at their edge."""
    return packs.exported(tmp_path_factory.mktemp("log"), BODIES)


@pytest.fixture
def log(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "log"))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return packs.exported(tmp_path / "log", BODIES[:600])


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513, 1000, 65_535, 65_536, 65_537])
def test_logs_of_every_shape_hold(size: int, tmp_path: Path) -> None:
    folder = packs.exported(tmp_path / "log", BODIES[:size])
    answer = check(folder)
    assert answer["broken"] == []
    assert answer["checkpoint"]["size"] == size
    assert any(f"all {size} " in sentence for sentence in answer["holds"])


def test_a_log_still_begins_with_every_older_checkpoint(made: Path, tmp_path: Path) -> None:
    for size in (0, 1, 2, 3, 255, 256, 257, 300, 512, 40_000, 65_536, 65_999, 66_000):
        (tmp_path / "older").write_text(packs.checkpoint(BODIES[:size]))
        answer = check(made, tmp_path / "older")
        assert answer["broken"] == [], size
        assert f"the log still begins with the {size} events it had then" in answer["holds"][-1]


@given(st.integers(1, 700), st.data())
def test_roots_are_those_of_another_implementation(size: int, data: st.DataObject) -> None:
    older = data.draw(st.integers(0, size))
    log = verifier.Log(Path(), PINS, None)
    complete = [verifier.tile_root(b"".join(HASHES[at : at + 256])) for at in range(0, size // 256 * 256, 256)]
    log.rows = [b"", b"".join(complete)]
    log.edges = {each: b"".join(HASHES[each // 256 * 256 : each]) for each in (size, older)}
    assert verifier.tree_root(log, size) == merkle.root(HASHES[:size])
    assert verifier.tree_root(log, older) == merkle.root(HASHES[:older])


@given(st.integers(0, 10**12))
def test_tiles_are_named_as_the_specification_has_it(number: int) -> None:
    assert verifier.tile_path(number) == packs.bundle_path(number)
    assert verifier.tile_path(1234067) == "x001/x234/067"


def test_a_log_that_has_grown_since_its_checkpoint_still_holds(log: Path) -> None:
    """A log may drop a partial tile once the tile is complete."""
    packs.exported(log, [*BODIES, *[b"more"] * 300], note=packs.checkpoint(BODIES))
    for partial in ("0/257.p", "entries/257.p"):
        shutil.rmtree(log / "tile" / partial)
    assert check(log)["broken"] == []


# --- damage


def alter(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def flip_last(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("tile/entries/000", "event 255 is not the one whose hash tile/0/000 holds"),
        ("tile/entries/257.p/208", "event 65999 is not the one whose hash tile/0/257 holds"),
        ("tile/0/100", "tile/entries/100: event 25855 is not the one whose hash tile/0/100 holds"),
        ("tile/0/257.p/208", "event 65999 is not the one whose hash tile/0/257 holds"),
        ("tile/1/000", "tile/1/000: does not hold the roots of the tiles below it"),
        ("tile/1/001.p/1", "tile/1/001: does not hold the roots of the tiles below it"),
        ("tile/2/000.p/1", "tile/2/000: does not hold the roots of the tiles below it"),
        ("checkpoint", "checkpoint: "),
    ],
)
def test_an_altered_file_is_named(path: str, said: str, log: Path) -> None:
    alter(log / path, flip_last)
    assert said in broken(log)
    (log / path).unlink()
    if path == "checkpoint":
        with pytest.raises(verifier.CouldNotRun, match="cannot be read"):
            check(log)
    else:
        assert f"{path}: is missing" in broken(log)


def test_every_altered_byte_of_a_small_log_is_refused(tmp_path: Path) -> None:
    folder = packs.exported(tmp_path / "log", [b"one", b"two", b"three"])
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        honest = path.read_bytes()
        for place in range(len(honest)):
            for mask in (0x01, 0x20, 0x80):
                path.write_bytes(honest[:place] + bytes([honest[place] ^ mask]) + honest[place + 1 :])
                assert broken(folder), (path, place)
        path.write_bytes(honest)
    assert check(folder)["verdict"] == "holds"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:-1], "does not end where its last event does"),
        (lambda data: data + b"\0", "does not end where its last event does"),
        (lambda data: b"\xff\xff" + data[2:], "does not end where its last event does"),
        (lambda data: b"", "holds 0 events, not 256"),
        (lambda data: data[2:], "event 0 is not the one whose hash tile/0/001 holds"),
    ],
)
def test_a_bundle_of_another_form_is_refused(change: Callable[[bytes], bytes], said: str, small: Path) -> None:
    bundle = [b"x%d" % number for number in range(256)]
    if said.startswith("event 0"):
        bundle = BODIES[257:513]
        change = lambda data: b"".join(len(body).to_bytes(2, "big") + body for body in bundle)  # noqa: E731
        said = f"event 256 {said[8:]}"
    alter(small / "tile/entries/001", change)
    assert said in broken(small)


def test_swapped_and_exchanged_events_are_refused(small: Path) -> None:
    """Even where whoever holds the folder makes tiles to match: the checkpoint is signed."""
    note = (small / "checkpoint").read_text()
    swapped = [BODIES[1], BODIES[0], *BODIES[2:600]]
    shutil.rmtree(small / "tile")
    packs.exported(small, swapped, note=note)
    assert "tile/entries: the events do not lead to the root of the checkpoint" in broken(small)
    packs.exported(small, [*BODIES[:599], b"another"], note=note)
    assert "tile/entries: the events do not lead to the root of the checkpoint" in broken(small)


def test_damage_everywhere_is_named_up_to_a_limit(log: Path) -> None:
    for bundle in (log / "tile" / "entries").glob("0*"):
        alter(bundle, flip_last)
    answer = check(log)
    assert len(answer["broken"]) == verifier.MOST_NAMED + 1
    assert "and perhaps more" in answer["broken"][-1]


def test_a_file_where_a_folder_should_be_is_missing_what_it_held(log: Path) -> None:
    shutil.rmtree(log / "tile" / "entries")
    (log / "tile" / "entries").write_text("")
    assert "tile/entries/000: is missing" in broken(log)


# --- an older checkpoint


def test_a_rewritten_log_is_found_by_an_older_checkpoint(small: Path, tmp_path: Path) -> None:
    (tmp_path / "older").write_text(packs.checkpoint([*BODIES[:299], b"as it was"]))
    said = broken(small, tmp_path / "older")
    assert f"{tmp_path}/older: the first 300 events are not those of then: the log was rewritten" in said


def test_a_log_that_was_cut_is_found_by_an_older_checkpoint(small: Path, tmp_path: Path) -> None:
    (tmp_path / "older").write_text(packs.checkpoint(BODIES[:601]))
    assert "holds 601 events, more than the 600 of this log: it was cut" in broken(small, tmp_path / "older")


def test_an_older_checkpoint_has_to_be_of_this_log_and_signed(small: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    older.write_text(packs.checkpoint(BODIES[:5], private_key=packs.NEXT))
    assert f"{older}: is not signed with the pinned key" in broken(small, older)
    pins = verifier.Pins([verifier.Key("", packs.PUBLIC)], [], [])
    older.write_text(packs.checkpoint(BODIES[:5], origin="elsewhere.test"))
    assert f"{older}: is of the log elsewhere.test" in broken(small, older, pins)
    with pytest.raises(verifier.CouldNotRun, match="cannot be read"):
        check(small, tmp_path / "none")


def test_an_older_checkpoint_of_a_damaged_log_could_not_be_checked(small: Path, tmp_path: Path) -> None:
    (tmp_path / "older").write_text(packs.checkpoint(BODIES[:599]))
    alter(small / "tile/entries/002.p/88", flip_last)
    assert "could not check: the events of this log do not hold" in broken(small, tmp_path / "older")


# --- what is pinned


def test_every_pin_counts_for_a_log_too(small: Path, tmp_path: Path) -> None:
    pins = verifier.read_pins(str(packs.all_pins(tmp_path)))
    said = broken(small, pins=pins)
    assert f"checkpoint: is not signed by the pinned cosigner {packs.COSIGNER_NAME}" in said
    assert "checkpoint.tst: is missing, although a time-stamp authority is pinned" in said
    note = packs.cosigned((small / "checkpoint").read_text())
    (small / "checkpoint").write_text(note)
    (small / "checkpoint.tst").write_bytes(authority.token(packs.text_of(note)))
    answer = check(small, pins=pins)
    assert answer["broken"] == []
    assert len(answer["checkpoint"]["signed"]) == 3
    (small / "checkpoint.tst").write_bytes(authority.token(b"else"))
    assert "checkpoint.tst: is a time stamp of something else" in broken(small, pins=pins)


def test_a_key_out_of_its_sizes_vouches_for_no_log(small: Path, tmp_path: Path) -> None:
    pins = verifier.read_pins(str(packs.written_pins(tmp_path, f"log {packs.VKEY} sizes 0-599")))
    assert "checkpoint: the key that signed it is pinned for sizes 0 to 599, and this is size 600" in broken(
        small, pins=pins
    )


# --- the command


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", str(packs.PROGRAM), *arguments, "--key", packs.VKEY]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_checks_a_log(small: Path, tmp_path: Path) -> None:
    done = run("--log", str(small))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("This log holds.\n")
    assert "give a checkpoint you kept earlier with --since" in done.stdout
    (tmp_path / "older").write_text(packs.checkpoint(BODIES[:5]))
    done = run("--log", str(small), "--since", str(tmp_path / "older"), "--json")
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "holds")
    alter(small / "tile/entries/000", flip_last)
    done = run("--log", str(small))
    assert (done.returncode, done.stderr) == (1, "")
    assert "This log DOES NOT HOLD. Do not rely on it." in done.stdout
