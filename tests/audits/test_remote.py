"""Scores from an endpoint, asked over a real socket; and the addresses that may not be asked."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from audits.endpoints import tokens
from audits.sandbox import addresses, remote
from audits.sandbox.addresses import Allowed
from audits.sandbox.failures import Cancelled, ChildFailed
from registry.models import Dataset, Version

TOKEN = "s3cret-token"
ROWS = pd.DataFrame({"age": [20, 40, 60], "income": [1.5, 2.5, np.nan]})
LOOPBACK = ("127.0.0.0/8",)


class Server(ThreadingHTTPServer):
    """Answers with what `answers` gives for a request's number and body; keeps what it was asked."""

    daemon_threads = True
    answers: Callable[[int, Any], tuple[int, bytes]]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.answers = lambda _, body: (200, scored(body))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        status, content = self.server.answers(len(self.server.asked), body)
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


def scored(body: Any) -> bytes:
    """A third of the age, capped, as MLflow answers for two classes."""
    columns = body["dataframe_split"]["columns"]
    ages = [row[columns.index("age")] for row in body["dataframe_split"]["data"]]
    return json.dumps({"predictions": [[1 - age / 100, age / 100] for age in ages]}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts of a thousandth."""
    monkeypatch.setattr(remote, "_FIRST_PAUSE", 0.001)


def asked(server: Server, data: pd.DataFrame = ROWS, *, protocol: str = "mlflow", model: str = "", **more: Any) -> Any:
    allowed = Allowed([server.url], LOOPBACK, {server.url: TOKEN, "https://other.example": "other"})
    endpoint = addresses.read({"url": server.url, "protocol": protocol, "model": model}, allowed)
    return remote.predict(endpoint, data, allowed=allowed, **({"timeout": 20} | more))


def test_mlflow_is_asked_in_its_form_and_batches(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "ROWS_A_REQUEST", 2)
    stages: list[str] = []
    found = asked(server, on_progress=lambda _, stage: stages.append(stage), labels=["bad", "good"], favourable="good")
    np.testing.assert_array_equal(found.score, [0.2, 0.4, 0.6])
    assert (found.classes, found.labels, found.scale) == (["bad", "good"], ["bad", "bad", "good"], "probability")
    path, headers, body = server.asked[1]
    assert path == "/invocations"
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Host"] == f"127.0.0.1:{server.server_port}"
    assert body == {"dataframe_split": {"columns": ["age", "income"], "data": [[60, None]]}}
    assert stages == ["scored 2 of 3 rows", "scored 3 of 3 rows"]
    assert "can’t be tied to a digest" in found.notes[0]


def test_kserve_is_asked_in_its_form(server: Server) -> None:
    probabilities = {
        "name": "probabilities",
        "datatype": "FP32",
        "shape": [3, 2],
        "data": [0.8, 0.2, 0.6, 0.4, 0.5, 0.5],
    }
    label = {"name": "label", "datatype": "INT64", "shape": [3], "data": [0, 0, 1]}
    server.answers = lambda *_: (200, json.dumps({"outputs": [label, probabilities]}).encode())
    data = pd.DataFrame({"age": [20, 40, 60], "home": ["own", "rent", "own"], "new": [True, False, True]})
    found = asked(server, data, protocol="kserve-v2", model="credit-7", favourable=0)
    np.testing.assert_array_equal(found.score, [0.8, 0.6, 0.5])
    path, _, body = server.asked[0]
    assert path == "/v2/models/credit-7/infer"
    assert body["inputs"] == [
        {"name": "age", "shape": [3, 1], "datatype": "INT64", "data": [20, 40, 60]},
        {"name": "home", "shape": [3, 1], "datatype": "BYTES", "data": ["own", "rent", "own"]},
        {"name": "new", "shape": [3, 1], "datatype": "BOOL", "data": [True, False, True]},
    ]
    with pytest.raises(ChildFailed, match="Column 'income' has empty cells"):
        asked(server, protocol="kserve-v2", model="credit-7")


def test_what_fails_for_a_moment_is_tried_again_with_the_same_request(server: Server) -> None:
    server.answers = lambda number, body: (503, b"") if number < 3 else (200, scored(body))
    assert asked(server).score.tolist() == [0.2, 0.4, 0.6]
    assert len(server.asked) == 3
    assert server.asked[0][2] == server.asked[2][2]


def test_attempts_are_bounded(server: Server) -> None:
    server.answers = lambda *_: (503, b"inner secrets")
    with pytest.raises(ChildFailed) as caught:
        asked(server)
    assert str(caught.value) == f"The endpoint at {server.url} gave no scores: it answered with the status 503."
    assert len(server.asked) == remote.ATTEMPTS


@pytest.mark.parametrize(
    ("status", "words"), [(404, "status 404"), (401, "status 401"), (302, "a redirect is not followed")]
)
def test_what_would_fail_again_is_not_tried_again(server: Server, status: int, words: str) -> None:
    server.answers = lambda *_: (status, b"a body that belongs to somebody else")
    with pytest.raises(ChildFailed) as caught:
        asked(server)
    assert words in str(caught.value)
    assert "body" not in str(caught.value)
    assert [path for path, *_ in server.asked] == ["/invocations"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"scores": [1]}', "is not one of its protocol"),
        (b'{"predictions": 7}', "is not one of its protocol"),
        (b'{"predictions": [0.1]}', "was given 3 rows and answered with the shape (1,)"),
        (b'{"predictions": ["good", "bad", "good"]}', "returns labels, not numbers"),
        (b'{"predictions": [[1, 2], [1], [2]]}', "can’t be used"),
        (b'{"predictions": [NaN, 1, 2]}', "no number for some rows"),
        (b'{"predictions": [[0.1, 0.9], [0.1, 0.9], [0.1, 0.9]]}', "'good' is none of them"),
    ],
)
def test_an_answer_that_is_none_is_refused(server: Server, answer: bytes, words: str) -> None:
    server.answers = lambda *_: (200, answer)
    with pytest.raises(ChildFailed) as caught:
        asked(server, favourable="good")
    assert words in str(caught.value)


def test_decisions_are_told_from_scores(server: Server) -> None:
    server.answers = lambda *_: (200, b'{"predictions": [0, 1, 1]}')
    assert "decisions, not scores" in asked(server).notes[1]


def test_an_answer_without_end_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "LARGEST_ANSWER", 1 << 20)
    server.answers = lambda *_: (200, b"[" + b"1," * (1 << 20))
    with pytest.raises(ChildFailed, match="more than 1 MiB"):
        asked(server)
    assert len(server.asked) == 1


@pytest.fixture
def dripping() -> Iterator[str]:
    """A server that sends a byte of a header now and then, for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=send, args=(line,), daemon=True).start()

        def send(line: socket.socket) -> None:
            try:
                line.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while True:
                    line.sendall(b"a")
                    time.sleep(0.05)
            except OSError:
                line.close()

        threading.Thread(target=drip, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def slow(url: str, **more: Any) -> Any:
    allowed = Allowed([url], LOOPBACK)
    return remote.predict(addresses.read({"url": url, "protocol": "mlflow"}, allowed), ROWS, allowed=allowed, **more)


def test_an_endpoint_that_drips_is_given_up_on_time(dripping: str) -> None:
    begun = time.monotonic()
    with pytest.raises(ChildFailed, match="took too long") as caught:
        slow(dripping, timeout=1)
    assert caught.value.kind == "timeout"
    assert time.monotonic() - begun < 10


def test_cancelling_takes_less_than_two_seconds(dripping: str) -> None:
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        slow(dripping, timeout=60, cancelled=lambda: time.monotonic() - begun > 0.3)
    assert time.monotonic() - begun < 2.3


def test_a_certificate_must_be_the_hosts(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, accepted in [("127.0.0.1", True), ("127.0.0.2", False)]:
        certificate = self_signed(tmp_path / f"{name}.pem", name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        plain = server.socket
        server.socket = context.wrap_socket(plain, server_side=True)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        url = server.url.replace("http:", "https:")
        if accepted:
            assert slow(url, timeout=20).score.tolist() == [0.2, 0.4, 0.6]
        else:
            with pytest.raises(ChildFailed, match="its certificate is not valid"):
                slow(url, timeout=20)
        server.socket = socket.socket(fileno=server.socket.detach())


def self_signed(path: Path, address: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


# What may not be asked


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://evil.example/", "No endpoint may be called at https://evil.example:443"),
        ("http://models.example/", "No endpoint may be called at http://models.example:80"),
        ("https://models.example:8443/", "No endpoint may be called"),
        ("https://models.example.evil.example/", "No endpoint may be called"),
        ("https://user:pass@models.example/", "without user, query or fragment"),
        ("https://models.example@evil.example/", "without user"),
        ("https://models.example/?to=x", "without user, query"),
        ("file:///etc/passwd", "must be https://host/path"),
        ("https://models.example/a/../../admin", "may hold letters"),
        ("https://models.example/a/%2e%2e/admin", "may hold letters"),
        ("https://models.example/a b", "may hold letters"),
        ("https://models.example/a\r\nX: y", "may hold letters"),
        ("https://models.example:99999/", "can’t be read"),
    ],
)
def test_only_listed_origins_and_plain_paths_may_be_named(url: str, words: str) -> None:
    with pytest.raises(ValueError, match="ndpoint") as caught:
        addresses.read({"url": url, "protocol": "mlflow"}, Allowed(["models.example"]))
    assert words in str(caught.value)


def test_no_origin_is_listed_by_default() -> None:
    with pytest.raises(ValueError, match="No endpoint may be called"):
        addresses.read({"url": "https://models.example", "protocol": "mlflow"}, Allowed())
    for said in (None, "https://models.example", {"url": "https://models.example"}, {"url": 1, "protocol": "mlflow"}):
        with pytest.raises(ValueError, match="with one of the protocols mlflow, kserve-v2"):
            addresses.read(said, Allowed(["models.example"]))


def test_the_path_is_always_one_that_scores() -> None:
    allowed = Allowed(["models.example"])
    for url, path in [
        ("", "/invocations"),
        ("/a/invocations", "/a/invocations"),
        ("/api/users", "/api/users/invocations"),
    ]:
        assert addresses.read({"url": f"https://models.example{url}", "protocol": "mlflow"}, allowed).path == path
    for model in ("", "..", "a/b", None):
        with pytest.raises(ValueError, match="needs the name of its “model”"):
            addresses.read({"url": "https://models.example", "protocol": "kserve-v2", "model": model}, allowed)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.0.0.5",
            "192.168.1.1",
            "172.16.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("::1", "fe80::1", "fd00::1", "::ffff:10.0.0.5", "64:ff9b::a9fe:a9fe", "2002:a00:5::", "ff02::1"),
    ],
)
def test_addresses_that_are_not_public_are_refused_whatever_their_name(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve(monkeypatch, "93.184.216.34", address)
    with pytest.raises(ChildFailed, match="which is not public"):
        addresses.pinned("models.example", 443, Allowed())


def resolve(monkeypatch: pytest.MonkeyPatch, *found: str) -> list[str]:
    looked_up: list[str] = []
    real = socket.getaddrinfo

    def answer(host: str, port: int, *rest: Any, **more: Any) -> Any:
        if host[0].isdigit():
            return real(host, port, *rest, **more)
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", answer)
    return looked_up


def test_a_listed_network_may_be_reached_and_a_name_is_looked_up_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = resolve(monkeypatch, "127.0.0.1")
    url = f"http://models.example:{server.server_port}"
    monkeypatch.setattr(remote, "ROWS_A_REQUEST", 1)
    assert slow(url, timeout=20).score.tolist() == [0.2, 0.4, 0.6]
    assert looked_up == ["models.example"], "a name server that changes its answer changes nothing"
    assert server.asked[0][1]["Host"] == f"models.example:{server.server_port}"
    with pytest.raises(ChildFailed, match="SCORING_NETWORKS can’t be read"):
        addresses.pinned("models.example", 80, Allowed([], ["10.0.0.1/8"]))


def test_a_token_goes_to_its_own_origin_and_into_no_text(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    assert tokens("https://a.example=x=y  b.example=z") == {"https://a.example": "x=y", "b.example": "z"}
    caplog.set_level(logging.DEBUG)
    server.answers = lambda *_: (500, b"")
    with pytest.raises(ChildFailed) as caught:
        asked(server)
    assert TOKEN not in str(caught.value) + caplog.text + repr(Allowed([], [], {server.url: TOKEN}))
    assert "other" not in {headers["Authorization"] for _, headers, _ in server.asked}


# In a run


def test_a_version_is_scored_where_it_is_served(
    server: Server, settings: Any, register: Any, upload: Any, check: Any, api: Any, developer: Any
) -> None:
    settings.SCORING_HOSTS, settings.SCORING_NETWORKS = [server.url], list(LOOPBACK)
    settings.ENDPOINT_TOKENS = f"{server.url}={TOKEN}"
    said = {"url": server.url, "protocol": "mlflow"}
    version: Version = register(facts={"endpoint": said, "labels": ["bad", "good"]})
    table = "age,outcome\n" + "".join(f"{age},{'good' if age > 40 else 'bad'}\n" for age in range(10, 90))
    dataset: Dataset = upload(table, feature="age", target="outcome")
    run = check(version, "performance", dataset)
    result = run["result"]
    assert result["auc"]["value"] == 1
    assert result["source"]["kind"] == "endpoint"
    assert result["source"]["url"] == server.url
    assert any("can’t be tied to a digest" in sentence for sentence in result["limitations"])
    assert TOKEN not in json.dumps(run)
    settings.SCORING_HOSTS = []
    body = {"check": "performance", "dataset": str(dataset.pk), "params": {}}
    refused = api(developer).post(f"/api/v1/versions/{version.pk}/runs/", body)
    assert refused.status_code == 422
    assert "COUNTERSIGN_SCORING_HOSTS" in refused.json()["detail"]
