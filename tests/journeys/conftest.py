"""The whole app as `make run` starts it, with the demo, for a real browser and for real pipelines."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Running:
    url: str
    environment: dict[str, str]
    process: subprocess.Popen[str]

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def token(self, login: str, *scopes: str) -> str:
        made = self.manage("create_token", f"{login}@demo.example", "--scope", ",".join(scopes))
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    def client(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One of the single-file programs, isolated from everything of ours."""
        return subprocess.run(
            [sys.executable, "-I", *arguments], cwd="/", capture_output=True, text=True, check=False, timeout=60
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def own_database(purpose: str = "journeys") -> tuple[str, str] | None:
    """A fresh PostgreSQL database beside the one the tests are pointed at; nothing for SQLite."""
    given = os.environ.get("COUNTERSIGN_DATABASE_URL", "")
    if not given.startswith("postgres"):
        return None
    import psycopg

    parts = urlsplit(given)
    name = f"countersign_{purpose}_{os.getpid()}"
    with psycopg.connect(given, autocommit=True) as link:
        link.execute(f'DROP DATABASE IF EXISTS "{name}"')
        link.execute(f'CREATE DATABASE "{name}"')
    return name, urlunsplit(parts._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("data")
    if loaded := os.environ.get("COUNTERSIGN_TEST_DEMO"):  # a data folder with the demo in it, to save loading it anew
        shutil.copytree(loaded, data, dirs_exist_ok=True)
    port = free_port()
    environment = os.environ | {"COUNTERSIGN_DATA": str(data), "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    if environment.get("COUNTERSIGN_BROKER_URL", "").startswith("redis:"):
        environment["COUNTERSIGN_BROKER_URL"] = environment["COUNTERSIGN_BROKER_URL"].rpartition("/")[0] + "/1"
    database = own_database()
    if database:
        environment["COUNTERSIGN_DATABASE_URL"] = database[1]
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "Ctrl-C stops it" in line:
            break
    else:
        pytest.fail("The app did not start:\n" + "".join(said))
    running = Running(f"http://localhost:{port}", environment, process)
    yield running
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0
    with pytest.raises((urllib.error.URLError, OSError)):
        urllib.request.urlopen(f"{running.url}/healthz", timeout=2)
    if database:
        import psycopg

        with psycopg.connect(os.environ["COUNTERSIGN_DATABASE_URL"], autocommit=True) as link:
            link.execute(f'DROP DATABASE IF EXISTS "{database[0]}" WITH (FORCE)')


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Any

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Http:
    """The API as a pipeline calls it: urllib and a token."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token

    def __call__(
        self, method: str, path: str, data: Any = None, files: dict[str, tuple[str, bytes]] | None = None
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"}
        body = None
        if files is not None:
            headers["Content-Type"], body = multipart(data or {}, files)
        elif data is not None:
            headers["Content-Type"], body = "application/json", json.dumps(data).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.read(), answer.headers)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read(), error.headers)

    def get(self, path: str) -> Answer:
        return self("GET", path)

    def post(self, path: str, data: Any = None, files: dict[str, tuple[str, bytes]] | None = None) -> Answer:
        return self("POST", path, data if data is not None or files is not None else {}, files)


def multipart(fields: dict[str, Any], files: dict[str, tuple[str, bytes]]) -> tuple[str, bytes]:
    boundary = "----countersign-journey"
    parts = []
    for name, value in fields.items():
        text = value if isinstance(value, str) else json.dumps(value)
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode())
    for name, (file_name, content) in files.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        parts.append(head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n")
    return f"multipart/form-data; boundary={boundary}", b"".join(parts) + f"--{boundary}--\r\n".encode()


@pytest.fixture(scope="session")
def http(running: Running) -> Any:
    """`http(login, *scopes)`: the API as one of the demo's people."""

    def caller(login: str, *scopes: str) -> Http:
        return Http(running.url, running.token(login, *(scopes or ("read", "write", "sign", "gate"))))

    return caller
