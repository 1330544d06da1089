"""The pipeline gate against a real server on this machine: allowed, blocked, and every way of getting no answer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / "clients" / "gate.py"
DIGEST = "sha256:" + "ab" * 32
ALLOWED: dict[str, Any] = {
    "decision": "allowed",
    "reasons": [],
    "policy_version": "tier-1 v3",
    "attestation": {"payload": "e30=", "payloadType": "application/vnd.in-toto+json", "signatures": []},
}
REASONS = [
    {"code": "missing-signature", "sentence": "No validator has signed.", "mend": "Ask a validator."},
    {"code": "stale", "sentence": "The fairness run is 200 days old."},
]
BLOCKED: dict[str, Any] = {**ALLOWED, "decision": "blocked", "reasons": REASONS, "attestation": None}

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """Answers as the test says and keeps what it was asked."""

    daemon_threads = True
    answer: Answer

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, dict(self.headers), body))
        self.server.answer(self)

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers), b""))
        self.server.answer(self)

    def log_message(self, *arguments: object) -> None:
        """Nothing to the test's output."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def answering(body: object, *, status: int = 200, length: int | None = None, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content) if length is None else length))
        request.end_headers()
        request.wfile.write(content)

    return answer


def gate(url: str, *arguments: str, token: str = "t0ken") -> subprocess.CompletedProcess[str]:
    """The program alone, with nothing but the standard library. The last of two equal options counts."""
    command = [sys.executable, "-I", "-S", str(PROGRAM), "--url", url, "--target", "production"]
    if "--file" not in arguments:
        command += ["--digest", DIGEST]
    environment = {**os.environ, "COUNTERSIGN_TOKEN": token, "no_proxy": "*"}
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=False, timeout=60, env=environment
    )


def test_allowed(server: Server) -> None:
    server.answer = answering(ALLOWED)
    done = gate(server.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "allowed (policy version tier-1 v3)\n", "")
    [(path, headers, body)] = server.asked
    assert path == "/api/v1/gates/evaluate/"
    assert headers["Authorization"] == "Bearer t0ken"
    assert json.loads(body) == {"digest": DIGEST, "target": "production"}


def test_blocked_prints_one_reason_a_line(server: Server) -> None:
    server.answer = answering(BLOCKED)
    done = gate(server.url)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        "blocked (policy version tier-1 v3)",
        "- No validator has signed. Ask a validator. [missing-signature]",
        "- The fairness run is 200 days old. [stale]",
    ]


@pytest.mark.parametrize(("answer", "status"), [(ALLOWED, 0), (BLOCKED, 1)])
def test_json_prints_the_answer_as_it_came(server: Server, answer: dict[str, Any], status: int) -> None:
    server.answer = answering(answer)
    done = gate(server.url, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (status, answer)


@pytest.mark.parametrize("ending", ["/", "/api/v1", "/api/v1/"])
def test_the_url_may_end_in_any_way(server: Server, ending: str) -> None:
    server.answer = answering(ALLOWED)
    assert gate(server.url + ending).returncode == 0
    assert server.asked[0][0] == "/api/v1/gates/evaluate/"


def test_countersign_may_live_below_a_path(server: Server) -> None:
    server.answer = answering(ALLOWED)
    assert gate(server.url + "/governance/").returncode == 0
    assert server.asked[0][0] == "/governance/api/v1/gates/evaluate/"


def test_a_file_is_named_by_its_digest(server: Server, tmp_path: Path) -> None:
    server.answer = answering(ALLOWED)
    artifact = tmp_path / "model.skops"
    artifact.write_bytes(b"model" * 500_000)
    assert gate(server.url, "--file", str(artifact)).returncode == 0
    assert json.loads(server.asked[0][2])["digest"] == "sha256:" + sha256(artifact.read_bytes()).hexdigest()


def test_the_token_may_be_an_option(server: Server) -> None:
    server.answer = answering(ALLOWED)
    assert gate(server.url, "--token", "other").returncode == 0
    assert server.asked[0][1]["Authorization"] == "Bearer other"


def test_the_attestation_is_kept(server: Server, tmp_path: Path) -> None:
    server.answer = answering(ALLOWED)
    path = tmp_path / "attestation.json"
    assert gate(server.url, "--attestation", str(path)).returncode == 0
    assert json.loads(path.read_text()) == ALLOWED["attestation"]


def test_an_attestation_that_is_missing_or_cannot_be_kept_is_an_error(server: Server, tmp_path: Path) -> None:
    server.answer = answering(ALLOWED)
    assert refused(gate(server.url, "--attestation", str(tmp_path)), "can't be written")
    server.answer = answering({**ALLOWED, "attestation": None})
    assert refused(gate(server.url, "--attestation", str(tmp_path / "a")), "gave no attestation")
    server.answer = answering(BLOCKED)
    assert gate(server.url, "--attestation", str(tmp_path / "a")).returncode == 1
    assert not (tmp_path / "a").exists()


def refused(done: subprocess.CompletedProcess[str], said: str) -> bool:
    """An error in one line, nothing that looks like an answer."""
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    return True


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not valid JSON"),
        (b"<html>welcome</html>", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        pytest.param(b"[" * 100_000, "not valid JSON", id="deep"),
        (b'{"decision":"blocked","decision":"allowed"}', "not valid JSON"),
        ([], "no decision"),
        ("allowed", "no decision"),
        ({}, "no decision"),
        ({"decision": True}, "no decision"),
        ({"decision": "Allowed"}, "no decision"),
        ({"decision": "allowed with conditions"}, "no decision"),
        ({"decision": ["allowed"]}, "no decision"),
        ({"decision": "allowed", "reasons": "none"}, "not a list"),
        pytest.param(b" " * (9 << 20), "longer than 8 MiB", id="long"),
    ],
)
def test_an_answer_that_is_none_is_an_error(server: Server, body: object, said: str) -> None:
    server.answer = answering(body)
    assert refused(gate(server.url), said)


@pytest.mark.parametrize("status", [201, 204, 400, 401, 403, 404, 409, 500, 503])
def test_any_other_status_is_an_error_whatever_it_says(server: Server, status: int) -> None:
    server.answer = answering(ALLOWED, status=status)
    assert refused(gate(server.url), f"The server answered {status}")


def test_the_server_s_problem_is_passed_on(server: Server) -> None:
    server.answer = answering({"title": "Forbidden", "detail": "The token has expired."}, status=403)
    assert refused(gate(server.url), "The server answered 403 Forbidden: The token has expired.")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(server: Server, status: int) -> None:
    with Server() as elsewhere:
        server.answer = answering(b"", status=status, Location=elsewhere.url + "/api/v1/gates/evaluate/")
        assert refused(gate(server.url), f"redirects to {elsewhere.url}")
        assert len(server.asked) == 1
        elsewhere.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            elsewhere.socket.accept()  # nobody ever knocked, so no token was shown


def test_an_answer_that_is_cut_off_is_an_error(server: Server) -> None:
    body = json.dumps(ALLOWED).encode()
    server.answer = answering(body, length=len(body) + 1)
    assert refused(gate(server.url), "cut off")


def test_a_server_that_says_nothing_is_not_waited_for(server: Server) -> None:
    server.answer = lambda request: server.released.wait(30) and None
    assert refused(gate(server.url, "--timeout", "0.3"), "did not answer within 0.3 seconds")


def test_a_server_that_drips_is_not_waited_for(server: Server) -> None:
    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        while not server.released.wait(0.05):
            request.wfile.write(b" ")

    server.answer = drip
    assert refused(gate(server.url, "--timeout", "0.4"), "did not answer within 0.4 seconds")


def test_what_does_not_speak_http_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def mumble() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"allowed\r\n\r\n")

        thread = threading.Thread(target=mumble)
        thread.start()
        assert refused(gate(f"http://127.0.0.1:{listener.getsockname()[1]}"), "can't be read")
        thread.join()


def test_nobody_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert refused(gate(f"http://127.0.0.1:{port}"), "can't be reached")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "countersign.example",
        "ftp://localhost",
        "file:///etc/passwd",
        "http://",
        "http://u:p@h",
        "http://h:x",
        "http://h/?q",
        "http://h h",
    ],
)
def test_a_url_that_is_none_is_an_error(url: str) -> None:
    assert refused(gate(url), "--url must be an address")


@pytest.mark.parametrize(
    "digest", ["", "ab" * 32, "sha256:" + "AB" * 32, "sha256:ab", DIGEST + "\n", "md5:" + "ab" * 16]
)
def test_a_digest_that_is_none_is_an_error(digest: str) -> None:
    assert refused(gate("http://127.0.0.1:9", "--digest", digest), "--digest must be")


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "schlüssel"])
def test_a_token_that_is_none_is_an_error_and_not_printed(token: str) -> None:
    done = gate("http://127.0.0.1:9", token=token)
    assert refused(done, "No usable token")
    assert not token or token not in done.stderr


@pytest.mark.parametrize("timeout", ["-1", "0", "nan", "inf", "1e300"])
def test_a_timeout_that_is_none_is_an_error(timeout: str) -> None:
    assert gate("http://127.0.0.1:9", "--timeout", timeout).returncode == 2


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    assert refused(gate("http://127.0.0.1:9", "--file", str(tmp_path / "none")), "can't be read")
    assert refused(gate("http://127.0.0.1:9", "--file", str(tmp_path)), "can't be read")


def test_reasons_do_not_command_the_terminal_or_forge_lines(server: Server) -> None:
    server.answer = answering({**BLOCKED, "reasons": [{"code": "x", "sentence": "a\x1b[2J\nallowed"}, "plain", {}, 7]})
    done = gate(server.url)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1:] == ["- a\\x1b[2J\\nallowed [x]", "- plain", "- {}", "- 7"]
