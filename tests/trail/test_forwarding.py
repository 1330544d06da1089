"""Entries reach a SIEM in order, at least once, whatever it does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from people import membership
from people.models import User
from tests.conftest import ROOT
from tests.journeys.conftest import free_port, own_database
from tests.personas import Bank
from tests.trail.receivers import certificate, syslog, told, webhook
from trail import delivery, forwarding, guard, ledger
from trail.actors import SYSTEM
from trail.delivery import Undelivered
from trail.errors import BadInput, Refused
from trail.models import Entry, ForwardCursor, Leaf

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PATIENCE", 2.0)


def target(settings: Any, url: str) -> delivery.Target:
    settings.FORWARD, settings.FORWARD_SECRET = [url], "a secret"
    return delivery.targets()[0]


def cursor() -> ForwardCursor:
    return ForwardCursor.objects.get()


def size() -> int:
    ledger.catch_up()
    return ledger.size_and_root()[0]


def test_everything_arrives_in_order_and_once(settings: Any, bank: Bank, owner: User) -> None:
    with syslog() as siem:
        to = target(settings, f"syslog+tcp://127.0.0.1:{siem.port}")
        assert forwarding.forward(to) == size()
        assert forwarding.forward(to) == 0
    assert siem.indexes == list(range(size()))
    first = siem.messages[0]
    leaf = Leaf.objects.select_related("entry").get(index=0)
    head = re.fullmatch(rb"<110>1 (\S+) (\S+) countersign - people\.unit\.opened - (\{.*\})", first)
    assert head is not None
    assert head[1].decode() == leaf.entry.at.isoformat(timespec="microseconds")
    assert told(first) == {
        "origin": settings.LOG_ORIGIN,
        "index": 0,
        "leaf_hash": bytes(leaf.hash).hex(),
        "event": json.loads(bytes(leaf.entry.body)),
    }


def test_a_refused_attempt_is_a_warning(settings: Any, bank: Bank, owner: User) -> None:
    with pytest.raises(Refused):
        membership.open_unit(name="Own", parent=bank.retail, actor=owner, reason="Mine")
    with syslog() as siem:
        size()
        forwarding.forward(target(settings, f"syslog+tcp://127.0.0.1:{siem.port}"))
    assert siem.messages[-1].startswith(b"<108>1 ")


def test_names_leave_only_if_the_settings_say_so(settings: Any, bank: Bank, owner: User) -> None:
    size()
    for clear in (False, True):
        settings.FORWARD_CLEAR = clear
        with syslog() as siem:
            forwarding.forward(target(settings, f"syslog+tcp://127.0.0.1:{siem.port}"))
        assert (b"Olga Owner" in b"".join(siem.connections)) is clear
        if clear:
            granted = next(told(each) for each in siem.messages if b"people.role.granted" in each)
            assert granted["sentence"] == "Countersign made Olga Owner Model owner in Retail"
            assert granted["event"]["subject"]["label"] == "Olga Owner"


def test_over_tls(settings: Any, bank: Bank, pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size()
    with syslog(pem=pem) as siem:
        to = target(settings, f"syslog+tls://127.0.0.1:{siem.port}")
        with pytest.raises(Undelivered, match="CERTIFICATE_VERIFY_FAILED"):
            forwarding.forward(to)
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        assert forwarding.forward(to) == size()
    assert siem.indexes == list(range(size()))


def test_over_udp_a_message_that_is_too_long_is_cut(settings: Any, bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    count = size()
    longest = max(len(bytes(body)) for body in Entry.objects.values_list("body", flat=True))
    monkeypatch.setattr(delivery, "LONGEST_DATAGRAM", longest)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as siem:
        siem.bind(("127.0.0.1", 0))
        siem.settimeout(10)
        forwarding.forward(target(settings, f"syslog+udp://127.0.0.1:{siem.getsockname()[1]}"))
        found = [told(siem.recv(70_000)) for _ in range(count)]
    assert [each["index"] for each in found] == list(range(count))
    cut = [each for each in found if each.get("cut")]
    assert cut
    assert set(cut[0]) == {"origin", "index", "leaf_hash", "type", "cut"}


def test_a_webhook_gets_signed_lines(settings: Any, bank: Bank, pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = size()
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with webhook(pem) as (port, taken):
        to = target(settings, f"https://siem:pass%20word@127.0.0.1:{port}/in?token=hidden")
        assert forwarding.forward(to) == count
    (request,) = taken
    assert [line["index"] for line in request.lines] == list(range(count))
    expected = hmac.new(b"a secret", request.body, hashlib.sha256).hexdigest()
    assert request.headers["countersign-signature"] == f"sha256={expected}"
    assert request.headers["idempotency-key"] == f"{settings.LOG_ORIGIN}:0-{count - 1}"
    assert request.headers["content-type"] == "application/x-ndjson"
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"siem:pass word"
    assert request.path == "/in?token=hidden"
    assert to.name == f"https://127.0.0.1:{port}/in"


@pytest.mark.parametrize("status", [301, 307, 400, 401, 413, 500, 503])
def test_what_a_webhook_refuses_is_sent_again_under_the_same_key(
    settings: Any, bank: Bank, owner: User, pem: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    count = size()
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with webhook(pem, status) as (port, taken):
        to = target(settings, f"https://127.0.0.1:{port}/in?token=hidden")
        with pytest.raises(Undelivered, match=str(status)):
            forwarding.forward(to)
        assert (cursor().next_index, cursor().held_until) == (0, None)
        assert "hidden" not in cursor().error
        membership.suspend(user=owner, actor=SYSTEM, reason="More comes in meanwhile")
        assert forwarding.forward(to) == count
        assert cursor().error == ""
        assert forwarding.forward(to) == size() - count
    first, again, rest = taken
    assert (first.headers["idempotency-key"], first.body) == (again.headers["idempotency-key"], again.body)
    assert [line["index"] for line in rest.lines] == list(range(count, size()))
    assert {request.path for request in taken} == {"/in?token=hidden"}  # nobody went /elsewhere


def test_a_webhook_nobody_can_trust_gets_nothing(settings: Any, bank: Bank, pem: Path) -> None:
    size()
    with webhook(pem) as (port, taken):
        with pytest.raises(Undelivered, match="CERTIFICATE_VERIFY_FAILED"):
            forwarding.forward(target(settings, f"https://127.0.0.1:{port}/?token=hidden"))
        assert not taken
    assert "hidden" not in cursor().error


def test_a_receiver_that_is_down_loses_nothing(
    settings: Any, bank: Bank, auditor: User, page: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    to = target(settings, f"syslog+tcp://127.0.0.1:{port}")
    for _ in range(2):
        with pytest.raises(Undelivered, match="ConnectionRefusedError"):
            forwarding.forward(to)
    (reach,) = forwarding.reached(size())
    assert (reach.lag, reach.next_index, reach.is_late) == (size(), 0, True)
    assert reach.failing_since is not None
    assert reach.failing_since < timezone.now()
    shown = page(auditor).get("/trail/").content.decode()
    assert f"lacks {size() - 1} entries: ConnectionRefusedError" in shown  # the read of the page came after it
    with pytest.raises(CommandError, match="not delivered"):
        call_command("forward_trail")
    with pytest.raises(SystemExit):
        call_command("doctor")
    assert f"✗ forwarding: syslog+tcp://127.0.0.1:{port} lacks" in capsys.readouterr().out
    with syslog(port=port) as siem:
        call_command("forward_trail")
    assert siem.indexes == list(range(size()))
    assert "has every entry" in page(auditor).get("/trail/").content.decode()
    assert cursor().failing_since is None


# over TLS a half-closed receiver may have read all before it is noticed, and is then rightly taken for served
@pytest.mark.parametrize(
    ("manner", "tls"), [("silent", False), ("half", False), ("deaf", False), ("silent", True), ("deaf", True)]
)
def test_what_was_perhaps_not_read_is_sent_again(
    settings: Any, bank: Bank, pem: Path, monkeypatch: pytest.MonkeyPatch, manner: str, tls: bool
) -> None:
    size()
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    monkeypatch.setattr(delivery, "PATIENCE", 0.5)
    scheme, files = ("syslog+tls", pem) if tls else ("syslog+tcp", None)
    look = delivery._refuse_early_end
    with syslog(manner, pem=files) as bad:
        to = target(settings, f"{scheme}://127.0.0.1:{bad.port}")
        if manner == "half":  # one that closes after the look had read all by then
            monkeypatch.setattr(delivery, "_refuse_early_end", lambda link: bad.closed.wait(10) and look(link))
        with pytest.raises(Undelivered):
            forwarding.forward(to)
        port = bad.port
    monkeypatch.setattr(delivery, "_refuse_early_end", look)
    assert (cursor().next_index, bool(cursor().error)) == (0, True)
    monkeypatch.setattr(delivery, "PATIENCE", 5.0)
    with syslog(pem=files, port=port) as good:
        assert forwarding.forward(to) == size()
    assert good.indexes == list(range(size()))


def test_a_slow_receiver_is_waited_for_and_one_without_an_end_given_up(
    settings: Any, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = size()
    with syslog("slow") as siem:
        to = target(settings, f"syslog+tcp://127.0.0.1:{siem.port}")
        assert forwarding.forward(to) == count
    monkeypatch.setattr(delivery, "LONGEST", 0.3)
    with syslog("silent") as siem, guard.opened():
        ForwardCursor.objects.all().delete()
        with pytest.raises(Undelivered, match="TimeoutError"):
            forwarding.forward(target(settings, f"syslog+tcp://127.0.0.1:{siem.port}"))


def test_a_batch_goes_out_in_chunks_and_stops_at_the_one_that_fails(
    settings: Any, bank: Bank, pem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = size()
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    monkeypatch.setattr(forwarding, "MOST_BYTES", 1)
    monkeypatch.setattr(forwarding, "AT_ONCE", 2)
    with webhook(pem, 200, 503) as (port, taken):
        to = target(settings, f"https://127.0.0.1:{port}")
        with pytest.raises(Undelivered):
            forwarding.forward(to)
        assert cursor().next_index == 1
        assert forwarding.forward(to) == count - 1
    assert [line["index"] for request in taken for line in request.lines] == [0, 1, *range(1, count)]


def test_one_sends_at_a_time_and_who_was_too_slow_moves_nothing(settings: Any, bank: Bank) -> None:
    count = size()
    to, slow, other = target(settings, "syslog+tcp://127.0.0.1:9"), uuid.uuid4(), uuid.uuid4()
    assert forwarding._hold(to, slow) == (0, count)
    assert forwarding._hold(to, other) is None
    assert forwarding.forward(to) == 0
    with guard.opened():
        ForwardCursor.objects.update(held_until=timezone.now() - timedelta(seconds=1))
    assert forwarding._hold(to, other) == (0, count)
    assert not forwarding._advance(to, slow, 0, count)
    assert forwarding._advance(to, other, 0, count)
    assert cursor().next_index == count


@pytest.mark.parametrize(
    ("url", "secret", "sentence"),
    [
        ("http://siem.example/", "x", "is none of syslog+tcp://host:port"),
        ("syslog+tcp://siem.example:99999", "x", "is none of"),
        ("siem.example", "x", "is none of"),
        ("syslog+udp://", "x", "names no host"),
        ("https://siem.example/in", "", "needs COUNTERSIGN_FORWARD_SECRET"),
    ],
)
def test_a_receiver_that_cannot_be_is_named(
    settings: Any, page: Any, bank: Bank, auditor: User, url: str, secret: str, sentence: str
) -> None:
    settings.FORWARD, settings.FORWARD_SECRET = [url], secret
    with pytest.raises(BadInput, match=re.escape(sentence)):
        delivery.targets()
    with pytest.raises(CommandError, match=re.escape(sentence)):
        call_command("forward_trail")
    shown = page(auditor).get("/trail/")
    assert shown.status_code == 200
    assert sentence in shown.content.decode()
    assert forwarding.start(threading.Event()) == []


def test_ports_and_names(settings: Any) -> None:
    settings.FORWARD = ["syslog+tls://siem.example", "syslog+udp://[::1]", "syslog+tcp://10.0.0.1:6000"]
    assert [each.name for each in delivery.targets()] == [
        "syslog+tls://siem.example:6514",
        "syslog+udp://[::1]:514",
        "syslog+tcp://10.0.0.1:6000",
    ]


def test_without_a_receiver_the_command_says_so(settings: Any) -> None:
    settings.FORWARD = []
    with pytest.raises(CommandError, match="names no receiver"):
        call_command("forward_trail")


@pytest.mark.django_db(transaction=True)
def test_beside_a_worker_one_that_is_down_delays_nobody(
    settings: Any, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    size()
    monkeypatch.setattr(forwarding, "PAUSE", 0.01)
    with syslog() as siem:
        settings.FORWARD = [f"syslog+tcp://127.0.0.1:{free_port()}", f"syslog+tcp://127.0.0.1:{siem.port}"]
        stopping = threading.Event()
        threads = forwarding.start(stopping)
        try:
            assert siem.arrived.wait(30)
        finally:
            stopping.set()
            for thread in threads:
                thread.join(30)
    assert siem.indexes == list(range(size()))
    assert not any(thread.is_alive() for thread in threads)


SETUP = """
from people import membership
from trail.actors import SYSTEM
for number in range(20):
    membership.open_unit(name=f"Unit {number}", parent=None, actor=SYSTEM, reason="set up for a test")
from trail import ledger
ledger.catch_up()
"""
FREE = """
from django.db import transaction
from trail import guard
from trail.models import ForwardCursor
with transaction.atomic(), guard.opened():
    print("NEXT", ForwardCursor.objects.get().next_index)
    ForwardCursor.objects.update(held_until=None)
"""


def test_killed_between_delivery_and_cursor_it_sends_the_same_again(tmp_path: Path) -> None:
    database = own_database("forwarding")
    environment = os.environ | {"COUNTERSIGN_DATA": str(tmp_path)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    environment["COUNTERSIGN_DATABASE_URL"] = database[1] if database else f"sqlite:///{tmp_path / 'db.sqlite3'}"

    def manage(*arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    manage("migrate", "-v0")
    manage("shell", "--no-imports", "-c", SETUP)
    with syslog("kept") as siem:
        environment["COUNTERSIGN_FORWARD"] = f"syslog+tcp://127.0.0.1:{siem.port}"
        sender = subprocess.Popen([sys.executable, "manage.py", "forward_trail"], cwd=ROOT, env=environment)
        assert siem.arrived.wait(60)  # it has everything, and has not said so by closing
        sender.send_signal(signal.SIGKILL)
        sender.wait()
        port, before = siem.port, siem.messages
    assert manage("shell", "--no-imports", "-c", FREE).strip().endswith("NEXT 0")
    with syslog(port=port) as siem:
        assert "has every entry" in manage("forward_trail")
        assert siem.messages == before
        assert siem.indexes == list(range(20))
