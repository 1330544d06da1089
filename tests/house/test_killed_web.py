"""Killing the web process in the middle of its writes leaves no state without its event, and loses nothing that it
had acknowledged."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.journeys.conftest import free_port, multipart, own_database

ROUNDS = 6
SETUP = """
from people import membership, tokens
from people.roles import Role
from trail.actors import SYSTEM
why = "set up for a test"
unit = membership.open_unit(name="Bank", parent=None, actor=SYSTEM, reason=why)
user = membership.add_user(email="dev@bank.example", name="Dev", unit=unit, password=None, actor=SYSTEM, reason=why)
membership.grant(user=user, role=Role.DEVELOPER, unit=unit, actor=SYSTEM, reason=why)
_, secret = tokens.create(user=user, name="t", scopes=["read", "write"], days=1, actor=SYSTEM, reason=why)
print("TOKEN", secret)
"""
# What there is, told by a process of its own: rows, their events, the tree, and the files.
INSPECT = """
import hashlib, json
from collections import Counter
from pathlib import Path
from django.apps import apps
from django.conf import settings
from registry.models import Artifact, Dataset, RegisteredModel, Version
from trail import ledger, merkle
from trail.models import Entry, Leaf, Pending
waiting = set(Pending.objects.values_list("entry_id", flat=True))
lost = Entry.objects.filter(leaf=None).exclude(pk__in=waiting).count()
ledger.catch_up()  # no sequencer outlived the kill
size, frontier_root = ledger.size_and_root()
leaves = list(Leaf.objects.order_by("index").select_related("entry"))
events = Counter((entry.type, entry.subject_id) for entry in Entry.objects.all())
root = Path(settings.EVIDENCE_ROOT)
kept = {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*") if path.is_file() and "incoming" not in path.relative_to(root).parts}
rows = [("registry.model.registered", row.pk) for row in RegisteredModel.objects.all()]
rows += [("registry.version.registered", row.pk) for row in Version.objects.all()]
rows += [("registry.dataset.uploaded", row.pk) for row in Dataset.objects.all()]
print("FOUND", json.dumps({
    "ids": [str(pk) for _, pk in rows],
    "rows_without_one_event": [str(pk) for type_, pk in rows if events[type_, str(pk)] != 1],
    "events_without_row": [list(key) for key in events
        if key[0].startswith("registry.") and key not in {(type_, str(pk)) for type_, pk in rows}],
    "neither_waiting_nor_integrated": lost,
    "indexes": [leaf.index for leaf in leaves] == list(range(size)),
    "entries": Entry.objects.count(), "leaves": len(leaves), "size": size,
    "leaf_hashes": all(bytes(leaf.hash) == merkle.leaf_hash(bytes(leaf.entry.body)) for leaf in leaves),
    "roots": [merkle.root([bytes(leaf.hash) for leaf in leaves]).hex(), frontier_root.hex()],
    "stray_artifacts": Artifact.objects.filter(versions=None).count(),
    "missing": [row.path for row in [*Artifact.objects.all(), *Dataset.objects.all()]
                if kept.get(row.path) != row.sha256],
    "damaged": [path for path, digest in kept.items() if not path.endswith(digest)],
}))
"""


class House:
    """The app on a data folder of its own."""

    def __init__(self, data: Path) -> None:
        self.port = free_port()
        self.environment = os.environ | {"COUNTERSIGN_DATA": str(data), "TMPDIR": str(data)}
        self.environment.pop("DJANGO_SETTINGS_MODULE", None)
        self.database = own_database("killed")
        self.environment["COUNTERSIGN_DATABASE_URL"] = (
            self.database[1] if self.database else f"sqlite:///{data / 'countersign.sqlite3'}"
        )
        self.web: subprocess.Popen[bytes] | None = None

    def manage(self, *arguments: str, input: str | None = None) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, input=input, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def said(self, script: str, word: str) -> str:
        out = self.manage("shell", "--no-imports", "-c", script)
        return next(line for line in out.splitlines() if line.startswith(word)).removeprefix(word).strip()

    def start(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--worker-class=gthread", "--workers=2"]
        self.web = subprocess.Popen(
            [*command, "--threads=4", "--log-level=critical", f"--bind=127.0.0.1:{self.port}"],
            cwd=ROOT,
            env=self.environment,
            start_new_session=True,
        )
        for _ in range(300):
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1).close()
            except OSError:
                time.sleep(0.05)
        pytest.fail("The web server did not start.")

    def kill(self) -> None:
        if self.web:
            os.killpg(self.web.pid, signal.SIGKILL)
            self.web.wait()
            self.web = None

    def post(self, path: str, content_type: str, body: bytes) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1/{path}", body, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    @property
    def token(self) -> str:
        self._token = getattr(self, "_token", None) or self.said(SETUP, "TOKEN")
        return self._token


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.manage("migrate", "--verbosity=0")
    assert made.token
    yield made
    made.kill()
    if made.database:
        import psycopg

        with psycopg.connect(os.environ["COUNTERSIGN_DATABASE_URL"], autocommit=True) as link:
            link.execute(f'DROP DATABASE IF EXISTS "{made.database[0]}" WITH (FORCE)')


class Hammer(threading.Thread):
    """Registers models, versions with files and datasets without end, and notes what was acknowledged."""

    def __init__(self, house: House, number: int, artifact: bytes) -> None:
        super().__init__(daemon=True)
        self.house, self.number, self.artifact = house, number, artifact
        self.acknowledged: list[str] = []
        self.refused: list[str] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        count = 0
        while not self.stopped.is_set():
            count += 1
            try:
                self.write(f"{self.number}-{count}")
            except urllib.error.HTTPError as error:
                self.refused.append(f"{error.code} {error.read()[:300]!r}")
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)  # dead just now

    def write(self, name: str) -> None:
        model = self.house.post("models/", "application/json", json.dumps({"name": f"Model {name}"}).encode())
        self.acknowledged.append(model["id"])
        # a distinct file each time: a whole table, some megabytes, so that kills hit the middle of it
        rows = f"name,number\n{name},1\n" + "x,2\n" * 200_000
        form = multipart({"name": f"Data {name}"}, {"file": ("t.csv", rows.encode())})
        self.acknowledged.append(self.house.post("datasets/", *form)["id"])
        form = multipart({"label": name}, {"artifact": ("m.skops", self.artifact)})
        self.acknowledged.append(self.house.post(f"models/{model['slug']}/versions/", *form)["id"])


def test_a_kill_in_the_middle_of_writes_leaves_no_state_without_its_event(house: House, scorecard_file: bytes) -> None:
    dice = random.Random(7)
    house.start()
    hammers = [Hammer(house, number, scorecard_file) for number in range(3)]
    for hammer in hammers:
        hammer.start()
    for _ in range(ROUNDS):
        time.sleep(dice.uniform(0.7, 2.5))
        house.kill()
        house.start()
    time.sleep(1)
    for hammer in hammers:
        hammer.stopped.set()
        hammer.join(timeout=20)
    house.kill()
    found = json.loads(house.said(INSPECT, "FOUND"))
    acknowledged = {one for hammer in hammers for one in hammer.acknowledged}
    assert len(acknowledged) > ROUNDS, "The kills came before anything was written."
    assert acknowledged <= set(found["ids"])
    assert [refusal for hammer in hammers for refusal in hammer.refused] == []
    assert (found["rows_without_one_event"], found["events_without_row"]) == ([], [])
    assert found["neither_waiting_nor_integrated"] == 0
    assert found["indexes"]
    assert found["leaf_hashes"]
    assert found["entries"] == found["leaves"] == found["size"]
    assert found["roots"][0] == found["roots"][1]
    assert (found["missing"], found["damaged"], found["stray_artifacts"]) == ([], [], 0)


def test_200_mb_are_refused_over_the_wire_while_they_are_still_to_come(house: House) -> None:
    house.start()
    head = "POST /api/v1/datasets/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=B\r\n"
    for length, status in (("Content-Length: 209715200", "413"), ("Transfer-Encoding: chunked", "411")):
        with socket.create_connection(("127.0.0.1", house.port), timeout=10) as link:
            link.sendall(f"{head}{length}\r\nAuthorization: Bearer {house.token}\r\n\r\n".encode())
            answer = link.recv(65536).decode()
        assert answer.splitlines()[0].split()[1] == status, answer
        assert "application/problem+json" in answer
