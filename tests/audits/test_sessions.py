"""One child for many tables, forked from a clean process: what it answers, what it may use, and when it is gone."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audits.sandbox import forkserver, starting, usage
from audits.sandbox.folder import Folder
from audits.sandbox.parent import Cancelled, ChildFailed, Limits, opened, predict
from audits.sandbox.process import Child

HOUSE = Path(__file__).parents[2]
ARTIFACTS = HOUSE / "tests" / "data" / "artifacts"
DART = {"artifact": ARTIFACTS / "lg_dart_breast_cancer.model", "format": "lightgbm-text"}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return pd.read_csv(ARTIFACTS / "breast_cancer_test.tsv", sep="\t", header=None)


@pytest.fixture
def looping(tmp_path: Path) -> Path:
    """A model whose first tree never ends: its root is its own child."""
    text = DART["artifact"].read_text()
    for old, new in (("left_child=1 2 3", "left_child=0 2 3"), ("right_child=4 -3", "right_child=0 -3")):
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "looping.model"
    path.write_text(text)
    return path


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def server() -> int:
    assert starting._server.process is not None
    return starting._server.process.pid


def children() -> list[int]:
    found = Path(f"/proc/{server()}/task/{server()}/children").read_text()
    return [int(pid) for pid in found.split()]


def begun() -> int:
    """The one child there is, as soon as the server has forked it."""
    until = time.monotonic() + 60
    while not children():
        assert time.monotonic() < until
        time.sleep(0.01)
    (pid,) = children()
    return pid


def test_one_child_scores_many_tables_and_loads_its_model_once(rows: pd.DataFrame) -> None:
    stages: list[str] = []
    with opened(**DART) as model:
        first = begun()
        found = [model.predict(part, on_progress=lambda _, stage: stages.append(stage)) for part in (rows, rows[40:])]
        assert children() == [first]
    assert children() == []
    np.testing.assert_array_equal(found[0].score[40:], found[1].score)
    np.testing.assert_array_equal(found[0].score, predict(data=rows, **DART).score)
    assert stages.count("loading the model") == 1


def test_scores_and_explanations_come_from_the_same_child(rows: pd.DataFrame) -> None:
    with opened(**DART) as model:
        scored = model.predict(rows)
        parts = [model.explain(rows, rows=20, seed=seed) for seed in (1, 2)]
    for part in parts:
        logit = np.log(scored.score / (1 - scored.score))[part.rows]
        np.testing.assert_allclose(part.base + part.values.sum(axis=1), logit, atol=1e-9)
    assert (parts[0].rows != parts[1].rows).any()


def test_a_table_that_does_not_fit_leaves_the_child_for_the_next(rows: pd.DataFrame) -> None:
    with opened(**DART, data_name="rows") as model:
        for wrong, words in [(rows[[0, 1]], "needs 30 features"), (rows.head(0), "no rows")]:
            with pytest.raises(ChildFailed, match=words):
                model.predict(wrong)
        assert len(model.predict(rows).score) == len(rows)


def test_a_child_that_died_stays_dead(rows: pd.DataFrame) -> None:
    with opened(**DART) as model:
        model.predict(rows)
        os.kill(children()[0], signal.SIGSEGV)
        for _ in range(2):
            with pytest.raises(ChildFailed, match=r"crashed its reader \(signal 11\)"):
                model.predict(rows)
    assert len(predict(data=rows, **DART).score) == len(rows)


def test_the_time_and_the_computing_are_those_of_all_requests_together(rows: pd.DataFrame, looping: Path) -> None:
    with opened(**DART | {"artifact": looping}, timeout=1) as model:
        with pytest.raises(ChildFailed, match="longer than 1 seconds"):
            model.predict(rows)
        with pytest.raises(ChildFailed, match="longer than 1 seconds"):
            model.predict(rows)
    cpu = Limits(cpu=2)
    with (
        opened(**DART | {"artifact": looping}, limits=cpu) as model,
        pytest.raises(ChildFailed, match="more than 2 sec"),
    ):
        model.predict(rows)


def test_memory_is_limited_although_the_libraries_are_inherited(rows: pd.DataFrame) -> None:
    with opened(**DART, limits=Limits(memory=2 << 30)) as model:
        model.predict(rows)
        (pid,) = children()
        assert f"{2 << 30}" in Path(f"/proc/{pid}/limits").read_text()
        inherited = int(status(server())["VmSize"].split()[0]) << 10
        assert inherited < Limits().memory / 4, "what every child inherits must leave it most of its memory"


def test_a_cancelled_child_is_gone_before_its_work_is_done(rows: pd.DataFrame, looping: Path) -> None:
    """The model never ends, so only the cancellation can end this."""
    working: list[int] = []

    def progress(_: float, stage: str) -> None:
        if stage.startswith("scoring"):
            working.extend(children())

    with (
        pytest.raises(Cancelled),
        opened(**DART | {"artifact": looping}, timeout=600, cancelled=lambda: bool(working)) as model,
    ):
        model.predict(rows, on_progress=progress)
    assert len(working) == 1
    assert children() == []


def test_what_is_raised_between_two_requests_ends_the_child(rows: pd.DataFrame) -> None:
    with pytest.raises(KeyError), opened(**DART) as model:
        model.predict(rows)
        raise KeyError
    assert children() == []


def test_children_are_counted(rows: pd.DataFrame) -> None:
    with usage.counted() as used:
        for _ in range(2):
            predict(data=rows, **DART)
    assert used.cpu > 0
    assert used.peak > 10 << 20
    with usage.counted() as none:
        pass
    assert (none.cpu, none.peak) == (0, 0)


# The process that forks


def opened_by(pid: int) -> list[str]:
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            found.append(str(path.readlink()))
    return found


def strange(opens: list[str]) -> list[str]:
    return [name for name in opens if name != "/dev/null" and not name.startswith(("socket:", "anon_inode:"))]


def test_the_server_has_one_thread_no_secret_and_no_file_of_the_workers(
    rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COUNTERSIGN_SECRET_KEY", "k")
    secret = tmp_path / "secret"
    secret.write_text("k")
    starting._server.stop()
    with secret.open() as held:
        os.set_inheritable(held.fileno(), True)
        for name in ("lightgbm-text", "skops", "xgboost-ubj", "catboost-cbm"):
            with opened(**DART | {"format": name}):
                assert begun()
        assert status(server())["Threads"] == "1"
        until = time.monotonic() + 60
        while strange(opens := opened_by(server())) and time.monotonic() < until:
            time.sleep(0.05)  # the server may just be about to let go of a child's pipes
    assert str(secret) not in opens
    assert strange(opens) == []
    assert b"COUNTERSIGN_SECRET_KEY" not in Path(f"/proc/{server()}/environ").read_bytes()


def test_the_server_can_be_readied_before_a_child_is_needed(rows: pd.DataFrame) -> None:
    starting._server.stop()
    starting.ahead("lightgbm-text")
    readied = server()
    assert len(predict(data=rows, **DART).score) == len(rows)
    assert server() == readied


def test_whatever_is_forkable_has_a_reader() -> None:
    assert set(forkserver.FORKABLE) < set(forkserver.child.READERS)


def test_where_a_thread_forbids_forking_a_fresh_process_answers_alike(
    rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    forked = predict(data=rows, **DART)
    starting._server.stop()
    threaded = starting.environment() | {"OPENBLAS_NUM_THREADS": "2"}
    monkeypatch.setattr(starting, "environment", lambda: threaded)
    try:
        fresh = predict(data=rows, **DART)
        assert status(server())["Threads"] != "1"
    finally:
        starting._server.stop()
    np.testing.assert_array_equal(fresh.score, forked.score)
    assert fresh.confinement == forked.confinement


def test_a_server_that_was_killed_is_started_again(rows: pd.DataFrame) -> None:
    predict(data=rows, **DART)
    with opened(**DART) as model:
        model.predict(rows)
        os.kill(server(), signal.SIGKILL)
        starting._server.process.wait()
        with pytest.raises(ChildFailed):
            model.predict(rows)
    assert len(predict(data=rows, **DART).score) == len(rows)


WORKER = """
import os, sys
from pathlib import Path
from audits.sandbox import starting
from audits.sandbox.parent import opened
with opened(artifact=Path(sys.argv[1]), format="lightgbm-text"):
    print(starting._server.process.pid, flush=True)
    sys.stdin.read()
"""


def test_server_and_children_die_with_their_worker() -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(DART["artifact"])],
        cwd=HOUSE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with worker:
        assert worker.stdout is not None
        theirs = int(worker.stdout.readline())
        mine = [theirs]
        until = time.monotonic() + 60
        while len(mine) < 2 and time.monotonic() < until:
            mine = [theirs, *map(int, Path(f"/proc/{theirs}/task/{theirs}/children").read_text().split())]
        assert len(mine) == 2
        worker.kill()
    while any(alive(pid) for pid in mine):
        assert time.monotonic() < until
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return not status(pid)["State"].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return False


# A child that lies


@pytest.mark.parametrize("written", ["link to a file of the worker's", "pipe", "nothing", "short"])
def test_what_a_living_child_leaves_for_an_answer_is_never_followed(tmp_path: Path, written: str) -> None:
    """The child is alive while its answer is read, so the file may be anything at any moment."""
    target = tmp_path / "theirs.npy"
    np.save(target, np.ones(3))
    with Folder(DART["artifact"]) as folder:
        path = folder.path / "outputs.npy"
        if written.startswith("link"):
            path.symlink_to(target)
        elif written == "pipe":
            os.mkfifo(path)
        elif written == "short":
            path.write_bytes(target.read_bytes()[:-1])
        with pytest.raises(ChildFailed, match="no usable result"):
            folder.array("outputs", (3,))


def test_a_child_can_not_write_where_its_worker_writes() -> None:
    with Folder(DART["artifact"]) as folder:
        given = folder.model.parent.stat()
        assert folder.path.parent == folder.model.parent == folder.data.parent
        assert given.st_uid == os.geteuid()
        assert not given.st_mode & 0o022


def test_a_child_that_reads_nothing_does_not_stop_its_worker(rows: pd.DataFrame) -> None:
    """Requests to a child that is busy for ever fill the pipe; writing to it must not wait."""
    with Folder(DART["artifact"]) as folder:
        folder.give(rows)
        opening = {"format": "lightgbm-text", "data_name": "rows"}
        with Child(folder, opening, timeout=600, limits=None, cancelled=None) as child:
            os.kill(begun(), signal.SIGSTOP)
            for _ in range(2000):
                child._write({"task": "predict", "params": {"labels": ["x" * 100]}})
    assert children() == []


@pytest.mark.parametrize("reply", [{"ok": True}, {"ok": True, "classes": 3, "target": 9}, {"ok": False}])
def test_a_reply_without_its_parts_is_a_failure(
    rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, reply: dict[str, object]
) -> None:
    with opened(**DART) as model:
        monkeypatch.setattr(model.child, "_listen", lambda _: reply)
        with pytest.raises(ChildFailed):
            model.predict(rows)


def test_who_cancels_while_the_server_still_starts_waits_for_nothing(
    rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is stopped, so it answers nothing before this is over."""
    predict(data=rows, **DART)
    os.kill(server(), signal.SIGSTOP)
    try:
        with pytest.raises(Cancelled), opened(**DART, cancelled=lambda: True) as model:
            model.predict(rows)
    finally:
        os.kill(server(), signal.SIGCONT)
    assert len(predict(data=rows, **DART).score) == len(rows)
    assert children() == []
