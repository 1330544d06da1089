"""The witness as a process of its own on this machine: it cosigns growth alone, and forgets nothing when killed."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests import witnesses
from tests.witnesses import NAME, PROGRAM, init, run
from trail import cosigning, merkle, notes

ORIGIN = "countersign.test/trail"
LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
LEAVES = [merkle.leaf_hash(str(number).encode()) for number in range(300)]
# The same log until its seventh entry, and another history from there.
FORKED = [*LEAVES[:7], *(merkle.leaf_hash(f"forged {number}".encode()) for number in range(7, 300))]


def vkey(name: str = ORIGIN, key: Ed25519PrivateKey = LOG) -> str:
    return notes.vkey(name, key.public_key().public_bytes_raw())


def checkpoint(
    size: int,
    leaves: Sequence[bytes] = LEAVES,
    *,
    origin: str = ORIGIN,
    key: Ed25519PrivateKey = LOG,
    root: bytes | None = None,
) -> str:
    text = notes.checkpoint_text(origin, size, root or merkle.root(leaves[:size]))
    return notes.sign_note(text, name=origin, private_key=key)


def request(old: int | str, note: str, proof: Sequence[bytes] = ()) -> bytes:
    lines = [f"old {old}", *(b64encode(step).decode() for step in proof), "", ""]
    return ("\n".join(lines) + note).encode()


def growth(old: int, new: int, leaves: Sequence[bytes] = LEAVES) -> bytes:
    proof = merkle.consistency_proof(old, list(leaves[:new])) if old else []
    return request(old, checkpoint(new, leaves), proof)


@dataclass
class Answer:
    status: int
    type: str
    text: str


@dataclass
class Running:
    process: subprocess.Popen[str]
    vkey: str
    port: int
    directory: Path

    def ask(self, body: bytes, *, path: str = "/add-checkpoint", method: str = "POST") -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers["Content-Type"], answer.read().decode())
        finally:
            connection.close()

    def accept(self, old: int, new: int) -> datetime:
        """When the witness cosigned the log's growth."""
        answer = self.ask(growth(old, new))
        assert answer.status == 200, answer
        return cosigning.verify(notes.add_signature(checkpoint(new), answer.text), self.vkey)

    @property
    def size(self) -> int:
        """The size of the last checkpoint cosigned, as the protocol lets anyone ask for it."""
        answer = self.ask(growth(298, 299))  # a size that no test reaches before it asks
        assert (answer.status, answer.type) == (409, "text/x.tlog.size"), answer
        return int(answer.text.removesuffix("\n"))

    @property
    def evidence(self) -> list[str]:
        return [path.read_text() for path in sorted((self.directory / "evidence").glob("*/*.txt"))]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def serving(directory: Path) -> Iterator[Running]:
    with witnesses.serving(directory) as (process, key, port):
        yield Running(process, key, port, directory)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    init(tmp_path / "witness", "--log", vkey())
    return tmp_path / "witness"


@pytest.fixture
def witness(directory: Path) -> Iterator[Running]:
    with serving(directory) as running:
        yield running


def test_growth_is_cosigned(witness: Running) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)  # a cosignature has whole seconds
    for old, new in [(0, 1), (1, 2), (2, 7), (7, 8), (8, 8), (8, 200)]:
        assert before <= witness.accept(old, new) <= datetime.now(UTC)
    assert witness.evidence == []


def test_what_it_prints_is_the_key_to_pin(directory: Path, witness: Running) -> None:
    assert cosigning.parse_vkey(witness.vkey)[:2] == (NAME, cosigning.ED25519)
    assert (directory / "key.pem").stat().st_mode & 0o777 == 0o600


def test_an_ml_dsa_witness_cosigns(tmp_path: Path) -> None:
    key = init(tmp_path, "--log", vkey(), "--key-type", "ml-dsa-44")
    assert cosigning.parse_vkey(key)[:2] == (NAME, cosigning.ML_DSA_44)
    with serving(tmp_path) as running:
        assert running.vkey == key
        running.accept(0, 5)
        running.kill()
    with serving(tmp_path) as running:
        assert running.size == 5
        running.accept(5, 9)


def test_an_empty_log_is_cosigned_if_its_root_is_that_of_nothing(witness: Running) -> None:
    wrong = witness.ask(request(0, checkpoint(0, root=bytes(32))))
    assert (wrong.status, wrong.text) == (422, "the root is not that of an empty tree\n")
    witness.accept(0, 0)
    witness.accept(0, 3)


def test_a_split_view_is_refused_and_both_checkpoints_are_kept(witness: Running) -> None:
    witness.accept(0, 9)
    for _ in range(2):
        answer = witness.ask(request(9, checkpoint(9, FORKED)))
        assert answer.status == 422
        assert "both checkpoints are kept" in answer.text
    (kept,) = witness.evidence
    ours, theirs = kept.split("\n--- refused\n")
    ours = ours.split("--- cosigned before\n")[1]
    assert notes.parse_checkpoint(notes.open_note(ours, vkey())) == (ORIGIN, 9, merkle.root(LEAVES[:9]))
    assert notes.parse_checkpoint(notes.open_note(theirs, vkey())) == (ORIGIN, 9, merkle.root(FORKED[:9]))
    assert cosigning.verify(ours, witness.vkey)
    assert "two checkpoints of one size" in (witness.directory / "said").read_text()
    witness.accept(9, 12)


def test_a_split_view_is_kept_although_the_old_size_is_stale(witness: Running) -> None:
    witness.accept(0, 9)
    answer = witness.ask(growth(0, 9, FORKED))
    assert (answer.status, answer.text) == (409, "9\n")
    assert len(witness.evidence) == 1


def test_a_log_that_was_taken_back_and_went_another_way_is_refused_and_kept(witness: Running) -> None:
    """A restored backup: each checkpoint is signed by the right key, and none continues what was cosigned."""
    witness.accept(0, 9)
    assert witness.ask(growth(7, 8, FORKED)).text == "9\n"
    assert witness.ask(growth(9, 20, FORKED)).status == 422
    (kept,) = witness.evidence
    assert "not shown to continue" in kept
    assert checkpoint(20, FORKED) in kept
    assert witness.size == 9


def test_what_strangers_write_under_a_checkpoint_is_not_kept(witness: Running) -> None:
    witness.accept(0, 9)
    note = checkpoint(9, FORKED)
    for number in range(3):
        assert witness.ask(request(9, f"{note}— stranger{number} c2lnbmF0dXJl\n")).status == 422
    (kept,) = witness.evidence
    assert "stranger" not in kept


def test_a_rollback_is_refused_with_the_size_that_is_known(witness: Running) -> None:
    witness.accept(0, 9)
    for old, new in [(0, 9), (0, 5), (5, 5), (5, 9), (3, 200)]:
        answer = witness.ask(growth(old, new))
        assert (answer.status, answer.type, answer.text) == (409, "text/x.tlog.size", "9\n")
    assert witness.evidence == []
    assert witness.ask(growth(9, 9)).status == 200


def test_an_old_size_above_the_new_one_is_refused(witness: Running) -> None:
    witness.accept(0, 9)
    assert witness.ask(request(9, checkpoint(5))).status == 400


def test_bad_proofs_are_refused(witness: Running) -> None:
    witness.accept(0, 9)
    proof = merkle.consistency_proof(9, LEAVES[:200])
    bad = [[], proof[:-1], [*proof, proof[0]], proof[::-1], [bytes(32), *proof[1:]], [*proof[:-1], bytes(32)]]
    bad += [merkle.consistency_proof(8, LEAVES[:200]), merkle.consistency_proof(9, LEAVES[:201]), [bytes(32)] * 63]
    for steps in bad:
        assert witness.ask(request(9, checkpoint(200), steps)).status == 422
    assert witness.ask(request(9, checkpoint(9), [bytes(32)])).status == 422
    assert witness.size == 9
    witness.accept(9, 200)


def test_a_proof_from_nothing_is_refused(witness: Running) -> None:
    assert witness.ask(request(0, checkpoint(9), [bytes(32)])).status == 422


def test_an_unknown_log_is_refused(witness: Running) -> None:
    answer = witness.ask(request(0, checkpoint(9, origin="elsewhere.test/trail", key=STRANGER)))
    assert (answer.status, answer.text) == (404, "unknown log\n")


def test_a_checkpoint_that_the_log_did_not_sign_is_refused(witness: Running) -> None:
    text = notes.checkpoint_text(ORIGIN, 9, merkle.root(LEAVES[:9]))
    by_another = notes.sign_note(text, name=ORIGIN, private_key=STRANGER)
    in_another_name = notes.sign_note(text, name="other", private_key=LOG)
    false = checkpoint(9) + checkpoint(10).rpartition("\n\n")[2]
    altered = checkpoint(9).replace("\n9\n", "\n8\n")
    for note in (by_another, in_another_name, false, altered):
        assert witness.ask(request(0, note)).status == 403
    assert witness.ask(request(0, checkpoint(9) + by_another.rpartition("\n\n")[2])).status == 200
    assert witness.evidence == []


GOOD = growth(4, 9).decode()


MALFORMED = [
    b"",
    b"\n\n",
    b"old 0",
    b"\xff" + growth(0, 9),
    growth(0, 9).replace(b"old 0", b"old"),
    growth(0, 9).replace(b"old 0", b"old -1"),
    growth(0, 9).replace(b"old 0", b"old 00"),
    growth(0, 9).replace(b"old 0", b"old  0"),
    growth(0, 9).replace(b"old 0", b"old 0 "),
    growth(0, 9).replace(b"old 0", "old ٠".encode()),
    growth(0, 9).replace(b"old 0", b"old " + b"9" * 20),
    growth(0, 9).replace(b"\n", b"\r\n"),
    growth(0, 9).replace(b"\n\n", b"\n", 1),
    growth(0, 9)[:-1],
    growth(0, 9) + b"\n",
    growth(0, 9).replace("—".encode(), b"-"),
    growth(0, 9).replace(b"\n9\n", b"\n09\n"),
    growth(0, 9).replace(b"\n9\n", b"\nnine\n"),
    growth(0, 9).replace(b"\n9\n", b"\n"),
    request(4, checkpoint(9), [b"short"]),
    request(4, checkpoint(9), [bytes(32)] * 64),
    GOOD.replace("old 4\n", "old 4\n!!\n").encode(),
    request(0, "a note\n\n— " + ORIGIN + " c2lnbmF0dXJl\n"),
    request(0, checkpoint(9) + "— other c2lnbmF0dXJl\n" * 100),
]


def test_a_malformed_request_is_refused(witness: Running) -> None:
    for body in MALFORMED:
        answer = witness.ask(body)
        assert answer.status == 400, (body, answer)
    assert witness.ask(b"", path=f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint", method="GET").status == 404


def test_only_what_the_protocol_has_is_answered(witness: Running) -> None:
    assert witness.ask(growth(0, 9), path="/elsewhere").status == 404
    assert witness.ask(b"", method="PUT").status == 501
    assert witness.ask(b"", path="/", method="GET").status == 404


def test_a_request_without_a_length_or_cut_off_is_refused(witness: Running) -> None:
    start = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n"
    for head, status in [
        (b"", b"411"),
        (b"Content-Length: -1\r\n", b"411"),
        (b"Content-Length: x\r\n", b"411"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"411"),
        (b"Content-Length: " + b"9" * 30 + b"\r\n", b"413"),
        (b"Content-Length: 100\r\n", b"400"),
    ]:
        with socket.create_connection(("127.0.0.1", witness.port), timeout=60) as connection:
            connection.sendall(start + head + b"\r\nold")
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1 << 16).split(b" ")[1] == status
    witness.accept(0, 1)


def test_a_connection_is_kept_open_between_requests(witness: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", witness.port, timeout=60)
    connection.request("POST", "/elsewhere", growth(0, 1))
    assert connection.getresponse().read()
    socket_used = connection.sock
    for old in range(3):
        connection.request("POST", "/add-checkpoint", growth(old, old + 1))
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
    assert connection.sock is socket_used
    connection.close()


def test_the_last_checkpoint_is_there_for_monitors(witness: Running) -> None:
    address = f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    assert witness.ask(b"", path=address, method="GET").status == 404
    witness.accept(0, 9)
    told = witness.ask(b"", path=address, method="GET")
    assert told.status == 200
    assert notes.open_note(told.text, vkey()) == notes.open_note(checkpoint(9), vkey())
    assert cosigning.verify(told.text, witness.vkey)


def test_logs_are_kept_apart_and_a_log_may_have_several_keys(tmp_path: Path) -> None:
    init(tmp_path, "--log", vkey(), "--log", vkey(key=STRANGER), "--log", vkey("second.test/trail"))
    with serving(tmp_path) as running:
        running.accept(0, 9)
        second = running.ask(request(0, checkpoint(4, FORKED, origin="second.test/trail")))
        assert second.status == 200
        proof = merkle.consistency_proof(9, LEAVES[:12])
        assert running.ask(request(9, checkpoint(12, key=STRANGER), proof)).status == 200
        assert running.size == 12
    assert len(list((tmp_path / "state").iterdir())) == 2


def test_a_kill_between_requests_loses_nothing(directory: Path) -> None:
    for old, new in [(0, 3), (3, 9), (9, 9), (9, 200)]:
        with serving(directory) as running:
            running.accept(old, new)
            running.kill()
    with serving(directory) as running:
        assert running.size == 200
        assert running.ask(request(200, checkpoint(200, FORKED))).status == 422


def test_a_kill_amid_requests_loses_nothing_that_was_answered(directory: Path) -> None:
    chance, answered = random.Random(7), 0
    for _ in range(6):
        with serving(directory) as running:
            killer = threading.Timer(chance.uniform(0.0, 0.05), os.kill, (running.process.pid, signal.SIGKILL))
            try:
                size = running.size
                assert size >= answered
                killer.start()
                while size < 290:
                    running.accept(size, size + 1)
                    answered = size = size + 1
            except (OSError, http.client.HTTPException):
                pass  # killed
            finally:
                killer.join()
    with serving(directory) as running:
        size = running.size
        assert answered <= size <= answered + 6
        running.accept(size, 299)


def test_of_many_at_once_only_a_line_of_growth_is_cosigned(witness: Running) -> None:
    witness.accept(0, 10)
    answers: list[tuple[int, Answer]] = []
    threads = [
        threading.Thread(target=lambda new=new: answers.append((new, witness.ask(growth(10, new)))))
        for new in range(11, 27)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cosigned = [new for new, answer in answers if answer.status == 200]
    assert len(cosigned) == 1
    assert witness.size == cosigned[0]
    assert {answer.text for _, answer in answers if answer.status == 409} == {f"{cosigned[0]}\n"}


def test_what_cannot_be_kept_is_not_cosigned(witness: Running) -> None:
    witness.accept(0, 5)
    state = witness.directory / "state"
    (state / f".{sha256(ORIGIN.encode()).hexdigest()}").mkdir()  # where the next state would be written
    answer = witness.ask(growth(5, 9))
    assert answer.status == 500
    assert "can't be kept" in answer.text
    assert witness.size == 5


def test_two_processes_never_serve_one_directory(witness: Running) -> None:
    second = run("serve", "--directory", witness.directory, "--port", "0")
    assert second.returncode == 2
    assert "Another process serves" in second.stderr


@pytest.mark.parametrize("damage", ["", "garbage", "cut", "another root", "another log"])
def test_a_damaged_state_stops_the_witness(directory: Path, damage: str) -> None:
    with serving(directory) as running:
        running.accept(0, 9)
        running.kill()
    (state,) = (directory / "state").iterdir()
    whole = state.read_text()
    root = b64encode(merkle.root(LEAVES[:9])).decode()
    damaged = {
        "cut": whole[:-20],
        "another root": whole.replace(root, b64encode(merkle.root(FORKED[:9])).decode()),
        "another log": whole.replace(ORIGIN, "other.test/trail"),
    }
    state.write_text(damaged.get(damage, damage))
    served = run("serve", "--directory", directory, "--port", "0")
    assert served.returncode == 2
    assert "is damaged" in served.stderr


def test_a_witness_is_made_once(directory: Path) -> None:
    before = (directory / "key.pem").read_bytes()
    again = run("init", "--directory", directory, "--name", NAME)
    assert again.returncode == 2
    assert "already holds a witness" in again.stderr
    assert (directory / "key.pem").read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [["--name", "a+b"], ["--name", "a b"], ["--name", ""], ["--name", "n" * 256], ["--name", "n", "--log", "x"]],
)
def test_a_witness_is_not_made_of_what_it_could_not_use(tmp_path: Path, arguments: list[str]) -> None:
    made = run("init", "--directory", tmp_path / "w", *arguments)
    assert made.returncode == 2
    assert made.stderr.startswith("error: ")
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("line", ["log", "log x", f"witness {vkey()}", f"log {vkey()} more", f"log {vkey()[:-4]}AAA="])
def test_a_list_of_logs_that_can_t_be_read_stops_the_witness(directory: Path, line: str) -> None:
    (directory / "logs").write_text(f"# ours\n\nlog {vkey()}\n{line}\n")
    served = run("serve", "--directory", directory, "--port", "0")
    assert served.returncode == 2
    assert "logs, line 4" in served.stderr


def test_without_a_witness_nothing_is_served(tmp_path: Path) -> None:
    served = run("serve", "--directory", tmp_path, "--port", "0")
    assert served.returncode == 2
    assert "There is no witness in" in served.stderr


def test_the_program_imports_nothing_of_the_house() -> None:
    for room in ("trail", "people", "registry", "audits", "governance", "reports", "config", "django"):
        assert f"import {room}" not in PROGRAM.read_text()
        assert f"from {room}" not in PROGRAM.read_text()
