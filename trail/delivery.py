"""How entries reach a SIEM: syslog (RFC 5424) over TCP, TLS or UDP, or a signed HTTPS webhook.

Delivered means that the other side read everything: a syslog receiver has no answer, so its end of the connection must
close after ours did; a webhook answers 2xx. UDP knows of no delivery.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import SplitResult, unquote, urlsplit

from django.conf import settings

from trail import posting
from trail.errors import BadInput

PATIENCE = 10.0  # seconds for one step of a conversation
LONGEST = 30.0  # and for all of it: a receiver that takes its time byte by byte is given up
FACILITY = 13  # log audit
INFO, WARNING = 6, 4
LONGEST_DATAGRAM = 60_000
PORTS = {"syslog+tcp": 514, "syslog+udp": 514, "syslog+tls": 6514, "https": 443}
SETTING = "COUNTERSIGN_FORWARD"


class Undelivered(Exception):
    """A receiver did not take what was sent; it is sent again."""


@dataclass(frozen=True)
class Message:
    index: int
    at: datetime
    type: str
    is_refused: bool
    body: bytes  # JSON, ASCII, in one line
    short: bytes  # what fits into a datagram whatever the entry holds


@dataclass(frozen=True)
class Target:
    scheme: str
    host: str
    port: int
    path: str
    query: str
    login: str

    @property
    def name(self) -> str:
        """Who it is, without its secrets: those belong into the login or the query."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def targets() -> list[Target]:
    """The receivers that the settings name."""
    return [_target(given) for given in settings.FORWARD]


def _target(given: str) -> Target:
    parts = urlsplit(given.strip())
    shown = f"{parts.scheme}://{parts.hostname or ''}"
    try:
        port = parts.port or PORTS[parts.scheme]
    except (KeyError, ValueError):
        sentence = f"{SETTING}: {shown} is none of {', '.join(f'{each}://host:port' for each in PORTS)}."
        raise BadInput(sentence, where=SETTING) from None
    if not parts.hostname:
        raise BadInput(f"{SETTING}: {shown} names no host.", where=SETTING)
    if parts.scheme == "https" and not settings.FORWARD_SECRET:
        sentence = f"{SETTING}: {shown} needs {SETTING}_SECRET, with which its requests are signed."
        raise BadInput(sentence, where=f"{SETTING}_SECRET")
    return Target(parts.scheme, parts.hostname, port, parts.path, parts.query, _login(parts))


def _login(parts: SplitResult) -> str:
    return f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""


def deliver(target: Target, messages: Sequence[Message]) -> None:
    """Returns once the receiver has read every message; raises Undelivered otherwise."""
    try:
        if target.scheme == "https":
            _post(target, messages)
        elif target.scheme == "syslog+udp":
            _throw(target, messages)
        else:
            _stream(target, messages)
    except OSError as error:
        raise Undelivered(f"{type(error).__name__}: {error}") from error


def framed(message: Message, *, body: bytes | None = None) -> bytes:
    """One RFC 5424 message."""
    priority = FACILITY * 8 + (WARNING if message.is_refused else INFO)
    host = socket.gethostname()
    host = host if host.isascii() and host.isprintable() and " " not in host and 0 < len(host) <= 255 else "-"
    head = f"<{priority}>1 {message.at.isoformat(timespec='microseconds')} {host} countersign - {message.type[:32]} - "
    return head.encode("ascii", "replace") + (message.body if body is None else body)


def _stream(target: Target, messages: Sequence[Message]) -> None:
    """Octet counting (RFC 6587, RFC 5425); then our end is closed, and theirs must follow."""
    frames = [framed(message) for message in messages]
    with _connected(target) as link, _given_up_after(LONGEST, link):
        link.sendall(b"".join(b"%d %s" % (len(frame), frame) for frame in frames))
        _refuse_early_end(link)
        if isinstance(link, ssl.SSLSocket):
            _finish_tls(link)
        else:
            link.shutdown(socket.SHUT_WR)
            while link.recv(4096):
                pass


@contextmanager
def _connected(target: Target) -> Iterator[socket.socket]:
    with socket.create_connection((target.host, target.port), timeout=PATIENCE) as link:
        if target.scheme == "syslog+tls":
            with ssl.create_default_context().wrap_socket(link, server_hostname=target.host) as wrapped:
                yield wrapped
        else:
            yield link


@contextmanager
def _given_up_after(seconds: float, link: socket.socket) -> Iterator[None]:
    ended = threading.Event()

    def end() -> None:
        ended.set()
        with suppress(OSError):
            # not the method of SSLSocket, which would go on in plain text
            socket.socket.shutdown(link, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except OSError:
        if not ended.is_set():
            raise
    finally:
        timer.cancel()
    if ended.is_set():
        raise TimeoutError(f"not done after {seconds:.0f} seconds")


def _refuse_early_end(link: socket.socket) -> None:
    """A receiver that closed before we did may not have read the last of it."""
    link.setblocking(False)
    try:
        while link.recv(4096):
            pass
    except (BlockingIOError, ssl.SSLWantReadError):
        link.settimeout(PATIENCE)
    else:
        raise ConnectionError("the receiver closed the connection before everything was sent")


def _finish_tls(link: ssl.SSLSocket) -> None:
    try:
        link.unwrap()
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return  # closed without a word, as many do
    except OSError as error:
        if error.errno != 0:  # 0: the same, as older versions of OpenSSL tell it
            raise


def _throw(target: Target, messages: Sequence[Message]) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as link:
        link.settimeout(PATIENCE)
        link.connect(address)
        for message in messages:
            frame = framed(message)
            link.send(frame if len(frame) <= LONGEST_DATAGRAM else framed(message, body=message.short))


def _post(target: Target, messages: Sequence[Message]) -> None:
    """JSON Lines. The key of a batch is the same whenever it is sent again."""
    body = b"".join(message.body + b"\n" for message in messages)
    headers = {
        "content_type": "application/x-ndjson",
        "user_agent": "countersign",
        "idempotency_key": f"{settings.LOG_ORIGIN}:{messages[0].index}-{messages[-1].index}",
        "countersign_signature": f"sha256={hmac.new(_secret(), body, hashlib.sha256).hexdigest()}",
    }
    if target.login:
        headers["authorization"] = f"Basic {b64encode(target.login.encode()).decode()}"
    url = target.name + (f"?{target.query}" if target.query else "")
    try:
        answer = posting.post(url, body, timeout=PATIENCE, **headers)
    except posting.NoAnswer as error:
        raise Undelivered(str(error).replace(url, target.name)) from None  # the query may hold a secret
    if not 200 <= answer.status < 300:
        raise Undelivered(f"{target.name} answered {answer.status} {answer.reason}")


def _secret() -> bytes:
    return str(settings.FORWARD_SECRET).encode()
