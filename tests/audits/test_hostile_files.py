"""Files and code that mean harm: nothing of them is executed, nothing hangs, and the run says why."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import pickle
import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper

from audits.guests import results
from audits.sandbox import guest_child
from audits.sandbox.confinement import Limits
from audits.sandbox.failures import Cancelled, ChildFailed
from audits.sandbox.parent import predict
from registry.formats import Format, Refusal, identify

ARTIFACTS = Path(__file__).parents[1] / "data" / "artifacts"
DART = ARTIFACTS / "lg_dart_breast_cancer.model"
READ = [each.value for each in Format]
SMALL = Limits(memory=2 << 30, cpu=20, file=64 << 20)
NUMBERS = pd.DataFrame(np.linspace(0, 1, 40).reshape(10, 4), columns=list("abcd"))


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file that only executed code makes, where anybody could make it."""
    tmp_path.chmod(0o777)
    path = tmp_path / "executed"
    yield path
    assert not path.exists(), "something was executed"


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """A port and a socket in the file system, open to everybody, at which nobody may arrive."""
    place = str(tmp_path / "database.sock")
    with socket.create_server(("127.0.0.1", 0)) as network, socket.socket(socket.AF_UNIX) as local:
        local.bind(place)
        Path(place).chmod(0o777)
        local.listen()
        for each in (network, local):
            each.setblocking(False)
        yield network.getsockname()[1], place
        for each in (network, local):
            with pytest.raises(BlockingIOError):
                each.accept()


class Touch:
    """Makes the canary when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def dumped(write: Callable[[Any], Any]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    def write(buffer: Any) -> None:
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return dumped(write)


def node(module: str, kind: str, loader: str, **rest: Any) -> dict[str, Any]:
    return {"__module__": module, "__class__": kind, "__loader__": loader, **rest}


def skops_file(root: dict[str, Any], members: dict[str, bytes] | None = None) -> bytes:
    return zipped({"schema.json": json.dumps({"protocol": 2, **root}).encode(), **(members or {})})


def calling_skops(canary: Path) -> bytes:
    text = node("builtins", "str", "JsonNode", content=json.dumps(f"touch {canary}"))
    arguments = node("builtins", "tuple", "TupleNode", content=[text])
    return skops_file(node("os", "system", "ConstructorFromReduceNode", content=arguments))


PICKLES: dict[str, Callable[[Path], bytes]] = {
    **{f"protocol {at}": lambda path, at=at: pickle.dumps(Touch(path), at) for at in range(6)},  # type: ignore[misc]
    "joblib": lambda path: dumped(lambda to: joblib.dump({"m": Touch(path), "w": np.arange(9)}, to)),
    "joblib, compressed": lambda path: dumped(lambda to: joblib.dump(Touch(path), to, compress=("zlib", 3))),
    "npy": lambda path: dumped(lambda to: np.save(to, np.array([Touch(path)], dtype=object), allow_pickle=True)),
    "npz": lambda path: dumped(lambda to: np.savez(to, a=np.array([Touch(path)], dtype=object))),
    "archive": lambda path: zipped({"net/data.PKL": pickle.dumps(Touch(path))}),
    "gzip": lambda path: gzip.compress(pickle.dumps(Touch(path))),
    "bzip2": lambda path: bz2.compress(pickle.dumps(Touch(path))),
    "skops with an array of objects": lambda path: skops_file(
        node("builtins", "dict", "DictNode", content={}), {"1.npy": PICKLES["npy"](path)}
    ),
}
HOSTILE = PICKLES | {"skops that calls": calling_skops}


@pytest.mark.parametrize("kind", PICKLES)
def test_a_pickle_is_refused_by_what_it_would_import(kind: str, canary: Path) -> None:
    content = PICKLES[kind](canary)
    for name in ("model.onnx", "model.skops", "m.txt", "../../x.cbm"):
        with pytest.raises(Refusal) as caught:
            identify(io.BytesIO(content), name=name)
        assert "which can run any code when it is opened and would import posix.system" in str(caught.value)


def test_a_scan_ends_whatever_it_is_given(canary: Path) -> None:
    """Strings that are remembered and never used, names in pieces, and a pickle behind another library's bytes."""
    endless = b"\x80\x04" + b"\x8c\x01a\x94" * 400_000 + b"."
    begun = time.process_time()
    with pytest.raises(Refusal, match="Python pickle"):
        identify(io.BytesIO(endless), name="m")
    assert time.process_time() - begun < 20
    built = b"\x80\x04\x8c\x05posix\x94h\x00\x8c\x06system\x93\x8c\x04true\x85R."
    with pytest.raises(Refusal, match=r"would import posix\.system"):
        identify(io.BytesIO(built), name="m")
    evil = "\x1b[31m\u202eevil"
    hidden = b"\x80\x04\x8c" + bytes([len(evil.encode())]) + evil.encode() + b"\x8c\x01x\x93."
    with pytest.raises(Refusal) as caught:
        identify(io.BytesIO(hidden), name="m")
    assert str(caught.value).isascii() or "\u202e" not in str(caught.value)


@pytest.mark.parametrize("format", READ)
def test_even_a_reader_that_is_handed_a_hostile_file_executes_nothing(format: str, canary: Path) -> None:
    """As if a file had been recognised as what it is not."""
    for kind, made in HOSTILE.items() if format == "skops" else list(HOSTILE.items())[4:]:
        path = canary.parent / "model"
        path.write_bytes(made(canary))
        with pytest.raises(ChildFailed) as caught:
            predict(artifact=path, format=format, data=NUMBERS, limits=SMALL, timeout=60)
        assert caught.value.kind in ("refused", "crash"), kind
        assert str(caught.value).endswith("."), kind
        path.unlink()


# Bombs, and files that are not whole


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: zipped({"schema.json": b"0" * (100 << 20)}), "as a ZIP bomb does"),
        (lambda: zipped({f"{at}.npy": b"\0" * (16 << 20) for at in range(8)}), "as a ZIP bomb does"),
        (lambda: zipped({"schema.json": b'{"a":' * 50_000}), "damaged schema.json"),
        (lambda: zipped({f"{at}": b"" for at in range(10_001)}), "more than 10,000 members"),
        (lambda: zipped({"a.zip": zipped({"b.zip": b"\0" * 1000})}), "not a skops model"),
        (lambda: lying(zipped({"schema.json": b"[" * 1000})), "damaged"),
    ],
)
def test_bombs_are_refused_unopened(made: Callable[[], bytes], words: str) -> None:
    with pytest.raises(Refusal) as caught:
        identify(io.BytesIO(made()), name="m")
    assert words in str(caught.value)


def lying(archive: bytes) -> bytes:
    """An archive whose directory says that its member is ten bytes long."""
    at = archive.index(b"PK\x01\x02") + 24
    return archive[:at] + (10).to_bytes(4, "little") + archive[at + 4 :]


def test_a_reader_that_unpacks_a_bomb_ends_at_its_memory(tmp_path: Path) -> None:
    header = dumped(
        lambda to: np.lib.format.write_array_header_1_0(
            to, {"descr": "<f8", "fortran_order": False, "shape": (1 << 28,)}
        )
    )
    array = node("numpy", "ndarray", "NdArrayNode", type="numpy", file="1.npy")
    (tmp_path / "m").write_bytes(skops_file(array, {"1.npy": header + b"\0" * (256 << 20)}))
    with pytest.raises(ChildFailed) as caught:
        predict(
            artifact=tmp_path / "m", format="skops", data=NUMBERS, limits=Limits(memory=1 << 30, cpu=60), timeout=120
        )
    assert caught.value.kind in ("refused", "crash")


FILES = {
    "german_credit.skops": "skops",
    "german_credit.ubj": "xgboost-ubj",
    "lg_dart_breast_cancer.model": "lightgbm-text",
    "treecl3.onnx": "onnx",
}


@pytest.mark.parametrize("file", FILES)
def test_a_file_is_whole_or_refused(file: str) -> None:
    content = (ARTIFACTS / file).read_bytes()
    cuts = np.linspace(1, len(content) * 0.97, 40).astype(int)
    # what may lie between LightGBM's trees and its parameters can't be told from the end of a file
    optional = (
        range(content.find(b"end of trees"), content.find(b"\nparameters:")) if b"end of trees" in content else ()
    )
    for cut in (cut for cut in cuts if cut not in optional):
        with pytest.raises(Refusal):
            identify(io.BytesIO(content[:cut]), name="m")


@pytest.mark.parametrize("file", FILES)
def test_changed_bytes_never_break_recognition(file: str) -> None:
    content = (ARTIFACTS / file).read_bytes()
    for seed in range(60):
        changed = mutated(content, seed)
        try:
            assert identify(io.BytesIO(changed), name="m") in set(Format)
        except Refusal as refusal:
            assert str(refusal).startswith("m ")  # noqa: PT017 -- either is right


@pytest.mark.parametrize(("file", "format"), [*FILES.items()])
def test_a_mislabelled_file_is_refused_by_its_reader(file: str, format: str) -> None:
    for other in {*READ} - {format, "xgboost-json", "xgboost-ubj"}:
        with pytest.raises(ChildFailed) as caught:
            predict(artifact=ARTIFACTS / file, format=other, data=NUMBERS, limits=SMALL, timeout=60)
        assert caught.value.kind in ("refused", "crash")


# Damaged on purpose: formats without code are not memory-safe either


def mutated(content: bytes, seed: int) -> bytes:
    """A few bytes changed, runs doubled or cut: the same for the same seed."""
    random = np.random.default_rng(seed)
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 8))):
        at = int(random.integers(0, len(changed)))
        match random.integers(0, 4):
            case 0:
                changed[at] = int(random.integers(0, 256))
            case 1:
                changed[at : at + 1] = bytes(random.integers(48, 58, 3).astype(np.uint8))
            case 2:
                del changed[at : at + int(random.integers(1, 40))]
            case _:
                changed[at:at] = changed[at : at + int(random.integers(1, 40))]
    return bytes(changed)


def numbers_mutated(text: str, seed: int) -> bytes:
    """Some of a LightGBM tree's numbers replaced by others, which its parser takes."""
    random = np.random.default_rng(seed)
    lines = text.splitlines()
    kinds = ("split_feature", "left_child", "right_child", "decision_type", "num_leaves", "threshold", "leaf_value")
    chosen = [at for at, line in enumerate(lines) if line.startswith(kinds)]
    for at in random.choice(chosen, size=3, replace=False):
        key, _, values = lines[at].partition("=")
        numbers = values.split(" ")
        numbers[int(random.integers(len(numbers)))] = str(random.choice([-1, 0, 7, 99, 2**20, 2**31 - 1, -(2**31)]))
        lines[at] = f"{key}={' '.join(numbers)}"
    return "\n".join([*lines, ""]).encode()


def outcomes(folder: Path, files: Iterator[bytes], format: str, data: pd.DataFrame) -> list[str]:
    """What became of each: "scored", or the kind of failure, of which each has its sentence."""
    predict(artifact=next(ARTIFACTS / name for name, kind in FILES.items() if kind == format), format=format, data=data)
    found, sentences = [], []
    for content in files:
        (folder / "m").write_bytes(content)
        try:
            scored = predict(artifact=folder / "m", format=format, data=data, timeout=60, limits=Limits(2 << 30, cpu=2))
        except ChildFailed as failure:
            sentences.append(str(failure))
            found.append(failure.kind)
        else:
            assert np.isfinite(scored.score).all()
            found.append("scored")
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in sentences), sentences
    return found


def test_seventy_damaged_lightgbm_files_end_in_a_score_or_a_sentence(tmp_path: Path) -> None:
    text = DART.read_text()
    rows = pd.read_csv(ARTIFACTS / "breast_cancer_test.tsv", sep="\t", header=None)
    files = (numbers_mutated(text, at) if at % 2 else mutated(text.encode(), at) for at in range(70))
    found = outcomes(tmp_path, files, "lightgbm-text", rows)
    assert len(found) == 70
    assert set(found) <= {"scored", "refused", "mismatch", "crash", "timeout"}
    assert found.count("crash") >= 10, "these files are meant to crash their reader"


def test_thirty_damaged_xgboost_files_end_in_a_score_or_a_sentence(tmp_path: Path) -> None:
    content = (ARTIFACTS / "german_credit.ubj").read_bytes()
    import xgboost

    names = xgboost.Booster(model_file=ARTIFACTS / "german_credit.ubj").feature_names
    width = xgboost.Booster(model_file=ARTIFACTS / "german_credit.ubj").num_features()
    columns = names or [f"f{at}" for at in range(width)]
    rows = pd.DataFrame(np.random.default_rng(0).uniform(0, 9, (20, width)), columns=columns)
    found = outcomes(tmp_path, (mutated(content, at) for at in range(30)), "xgboost-ubj", rows)
    assert len(found) == 30
    assert "refused" in found


# A model that is well-formed and means harm


def onnx_file(path: Path, nodes: list[Any], initializers: list[Any]) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def constant(name: str, kind: int, values: list[Any], shape: list[int]) -> Any:
    return helper.make_tensor(name, kind, shape, values)


def test_a_model_that_never_ends_is_stopped(tmp_path: Path) -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["again"]), helper.make_node("Add", ["old", "old"], ["new"])],
        "body",
        [
            helper.make_tensor_value_info("at", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("old", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("new", TensorProto.FLOAT, None),
        ],
    )
    loop = helper.make_node("Loop", ["most", "yes", "x"], ["y"], body=body)
    constants = [constant("most", TensorProto.INT64, [2**62], []), constant("yes", TensorProto.BOOL, [True], [])]
    path = onnx_file(tmp_path / "m", [loop], constants)
    with path.open("rb") as file:
        assert identify(file, name="m") is Format.ONNX
    with pytest.raises(ChildFailed, match="used more than 3 seconds of computing") as caught:
        predict(artifact=path, format="onnx", data=NUMBERS, timeout=120, limits=Limits(cpu=3))
    assert caught.value.kind == "crash"


def test_a_model_that_eats_memory_is_stopped(tmp_path: Path) -> None:
    grow = helper.make_node("ConstantOfShape", ["size"], ["big"])
    use = helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0)
    nodes = [grow, use, helper.make_node("Add", ["x", "sum"], ["y"])]
    path = onnx_file(tmp_path / "m", nodes, [constant("size", TensorProto.INT64, [1 << 40], [1])])
    with pytest.raises(ChildFailed) as caught:
        predict(artifact=path, format="onnx", data=NUMBERS, timeout=120, limits=SMALL)
    assert str(caught.value).endswith(".")


def test_a_model_that_reads_another_file_is_refused_twice(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\0\0\x80\x3f" * 4)
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": str(secret), "offset": "0", "length": "16"}.items():
        weights.external_data.add(key=key, value=value)
    path = onnx_file(tmp_path / "m", [helper.make_node("Add", ["x", "w"], ["y"])], [weights])
    with path.open("rb") as file, pytest.raises(Refusal, match="keeps tensors in other files"):
        identify(file, name="m")
    with pytest.raises(ChildFailed) as caught:
        predict(artifact=path, format="onnx", data=NUMBERS, timeout=60, limits=SMALL)
    assert caught.value.kind == "refused"


# Code that means harm, where code may run: a team's check


def measured(tmp_path: Path, body: str, *, params: dict[str, Any] | None = None, **more: Any) -> Any:
    path = tmp_path / "package.zip"
    code = "def run(frame, scores, params, progress):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    path.write_bytes(zipped({"hostile.py": code.encode()}))
    given: dict[str, Any] = {"timeout": 60, "limits": SMALL} | more
    return guest_child.measure(package=path, module="hostile", data=NUMBERS, params=params or {}, **given).result


TRIED = """
import ctypes, os, socket, subprocess, threading
from pathlib import Path
def tried(action):
    try:
        return "done: " + repr(action())[:60]
    except BaseException as error:
        return type(error).__name__
def tcp():
    return socket.create_connection(("127.0.0.1", params["port"]), timeout=5)
def local():
    line = socket.socket(socket.AF_UNIX)
    line.connect(params["local"])
def raw():
    # past Python: the system calls themselves, socket and fork as x86-64 numbers them
    libc = ctypes.CDLL(None, use_errno=True)
    if min(libc.syscall(41, 1, 1, 0), libc.syscall(57)) < 0 and os.uname().machine == "x86_64":
        raise PermissionError
    return "made"
return {
    "tcp": tried(tcp),
    "udp": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
    "local": tried(local),
    "raw": tried(raw),
    "fork": tried(os.fork),
    "program": tried(lambda: subprocess.run(["/usr/bin/touch", params["canary"]])),
    "exec": tried(lambda: os.execv("/usr/bin/touch", ["touch", params["canary"]])),
    "shell": tried(lambda: [] if os.system("touch " + params["canary"]) == 0 else 1 / 0),
    "touch": tried(lambda: Path(params["canary"]).touch()),
    "passwd": tried(lambda: Path("/etc/passwd").read_text()),
    "secret": tried(lambda: Path(params["secret"]).read_text()),
    "link": tried(lambda: (os.symlink(params["secret"], "link"), Path("link").read_text())),
    "folder": tried(lambda: os.listdir("/root")),
    "settings": tried(lambda: Path(params["house"], "config", "settings.py").read_text()),
    "parent": tried(lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes()),
    "memory": tried(lambda: open(f"/proc/{os.getppid()}/mem", "rb")),
    "kill": tried(lambda: os.kill(os.getppid(), 9)),
    "artifact": tried(lambda: open(params["package"], "a")),
    "environment": sorted(name for name in os.environ if "SECRET" in name or "COUNTERSIGN" in name),
    "thread": tried(lambda: threading.Thread(target=print).start()),
    "own": tried(lambda: Path("note").write_text("x")),
}
"""


@pytest.mark.enable_socket
def test_hostile_code_reaches_nothing(
    canary: Path, listening: tuple[int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_SECRET_KEY", "k")
    secret = tmp_path / "secret"
    secret.write_text("the app's key")
    secret.chmod(0o666)
    port, local = listening
    params = {"port": port, "local": local, "canary": str(canary), "secret": str(secret)}
    params |= {"house": str(Path(__file__).parents[2]), "package": str(tmp_path / "package.zip")}
    found = measured(tmp_path, TRIED, params=params)
    assert found.pop("environment") == []
    assert {name for name in found if found[name].startswith("done")} == {"thread", "own"}, found
    assert secret.read_text() == "the app's key"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("while True: pass", "The check used more than 2 seconds of computing and was stopped."),
        ("bytearray(8 << 30)", "The check needs more memory than its limit of 2 GiB."),
        ("kept = []\nwhile True: kept.append(' ' * (1 << 26) + str(len(kept)))", "more memory"),
        ("open('big', 'wb').write(bytes(1 << 28))", "The check "),
        ("import os\nwhile True: os.fork()", "The check raised PermissionError"),
        (
            "import threading\nwhile True: threading.Thread(target=threading.Event().wait, daemon=True).start()",
            "The check",
        ),
        ("import sys\nsys.setrecursionlimit(1 << 30)\ndef f(): f()\nf()", "The check "),
        ("import os\nos.abort()", "The check crashed (signal 6)."),
        ("raise SystemExit('x')", "The check ended without an answer."),
        ("raise Exception('line\\nline' * 9999)", "The check raised Exception: line."),
        ("import os\nos.write(1, b'x' * (8 << 20))\nreturn []", "The check’s result"),
        ("return {'a': 1j}", "which JSON can't hold"),
        ("a = []\na.append(a)\nreturn {'a': a}", "The check raised ValueError: Circular reference"),
    ],
)
def test_hostile_code_ends_in_a_sentence(tmp_path: Path, body: str, words: str) -> None:
    limits = Limits(memory=2 << 30, cpu=2, file=16 << 20)
    with pytest.raises(ChildFailed) as caught:
        results.sound(measured(tmp_path, body, limits=limits))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 5000


def test_a_sleeper_is_stopped_on_time(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(ChildFailed, match="The check took longer than 3 seconds and was stopped"):
        measured(tmp_path, "import signal\nsignal.pause()", timeout=3)
    assert time.monotonic() - begun < 8


def test_a_sleeper_is_cancelled_within_two_seconds(tmp_path: Path) -> None:
    asked: list[float] = []
    body = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprogress(0.1, 'Asleep')\ntime.sleep(600)"
    with pytest.raises(Cancelled):
        measured(
            tmp_path,
            body,
            on_progress=lambda _, stage: asked.append(time.monotonic()) if stage == "Asleep" else None,
            cancelled=lambda: bool(asked),
        )
    assert time.monotonic() - asked[0] < 2


@pytest.mark.parametrize(
    "body",
    [
        "for at in range(99999):\n    open(f'{at}', 'w').close()\nimport time\ntime.sleep(60)",
        "for at in range(99):\n    open(f'{at}', 'wb').write(bytes(8 << 20))\nimport time\ntime.sleep(60)",
    ],
)
def test_code_that_fills_the_disk_is_stopped(tmp_path: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_child, "MOST_WRITTEN", 64 << 20)
    monkeypatch.setattr(guest_child, "MOST_FILES", 500)
    with pytest.raises(ChildFailed, match="The check wrote more than"):
        measured(tmp_path, body)


def test_a_forged_answer_is_judged_like_any(tmp_path: Path) -> None:
    forged = 'import os\nfor fd in range(1, 64):\n    try:\n        os.write(fd, b\'{"ok": true, "result": %s}\\n\')\n'
    forged += "    except OSError:\n        pass\nimport time\ntime.sleep(1)\nreturn {}"
    with pytest.raises(ChildFailed, match="no usable result"):
        measured(tmp_path, forged.replace("%s", '{"auc": 1}'))
