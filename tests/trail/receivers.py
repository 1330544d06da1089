"""Receivers of forwarded entries on loopback, as they are and as they should not be."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(folder: Path) -> Path:
    """A key and a certificate of its own for 127.0.0.1, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "receiver.pem"
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def frames(data: bytes) -> list[bytes]:
    """Octet counting (RFC 6587): each message behind its length and a space."""
    found = []
    while data:
        length, _, data = data.partition(b" ")
        found.append(data[: int(length)])
        assert len(found[-1]) == int(length)
        data = data[int(length) :]
    return found


def told(message: bytes) -> dict[str, Any]:
    """The JSON of an RFC 5424 message."""
    said: dict[str, Any] = json.loads(message.split(b" ", 7)[7])
    return said


@dataclass
class Receiver:
    """What came in over each connection; `closed` says that its own side is closed before the sender is done."""

    port: int = 0
    connections: list[bytes] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)

    @property
    def messages(self) -> list[bytes]:
        return [message for data in self.connections for message in frames(data)]

    @property
    def indexes(self) -> list[int]:
        return [told(message)["index"] for message in self.messages]


@contextmanager
def syslog(manner: str = "good", *, pem: Path | None = None, port: int = 0) -> Iterator[Receiver]:
    """A receiver over TCP or TLS. Its manner: good, silent (never closes), half (closes its side at once), deaf (reads
    a little and resets), slow (reads a byte at first), kept (reads all and keeps the connection until the end)."""
    listener = socket.create_server(("127.0.0.1", port))
    receiver, stop = Receiver(listener.getsockname()[1]), threading.Event()
    context = None
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)

    def serve() -> None:
        while not stop.is_set():
            try:
                link, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), link:
                wrapped = context.wrap_socket(link, server_side=True) if context else link
                with wrapped:
                    receiver.connections.append(_received(wrapped, manner, receiver))
                    receiver.arrived.set()
                    if manner in {"silent", "kept"}:
                        stop.wait(30)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        stop.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def _received(link: socket.socket, manner: str, receiver: Receiver) -> bytes:
    if manner == "half":
        link.shutdown(socket.SHUT_WR)
        receiver.closed.set()
    if manner == "deaf":
        data = link.recv(10)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return b""
    data = b""
    while chunk := link.recv(1 if manner == "slow" and len(data) < 50 else 65_536):
        data += chunk
    return data


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines()]


@contextmanager
def webhook(pem: Path, *statuses: int) -> Iterator[tuple[int, list[Request]]]:
    """An HTTPS server that answers with these statuses, then with 204. A redirect leads to itself."""
    taken: list[Request] = []
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append(Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(left.pop(0) if left else 204)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a sender that does not trust the certificate

    server = Quiet(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port, taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
