"""A PostgreSQL cluster of this test's own, which may be stopped in the middle of anything and run out of disk."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType

NOBODY = "nobody"  # PostgreSQL does not run as root


def programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = found[-1] if found else shutil.which("initdb")
    return Path(initdb).parent if initdb else None


class Cluster:
    def __init__(self, place: Path, *, room_mb: int = 0) -> None:
        self.bin, self.data, self.room = programs(), place / "cluster", room_mb
        self.port = _free_port()
        self.is_mounted = False

    @property
    def url(self) -> str:
        return f"postgres://torture@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Cluster:
        self.data.mkdir(parents=True)
        if self.room:
            mount = ["mount", "-t", "tmpfs", "-o", f"size={self.room}m", "torture", self.data]
            subprocess.run(mount, check=True, capture_output=True)
            self.is_mounted = True
        if os.geteuid() == 0:
            shutil.chown(self.data, NOBODY)
            for folder in self.data.parents:  # so that it can be reached
                if folder.stat().st_uid == 0 and folder != Path("/") and not folder.stat().st_mode & 0o001:
                    folder.chmod(folder.stat().st_mode | 0o011)
        self.data.chmod(0o700)
        self._run("initdb", "-D", self.data, "-U", "torture", "-A", "trust", "--encoding=UTF8", "--locale=C", "-k")
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
                "shared_buffers = 32MB\nmax_wal_size = 64MB\nmin_wal_size = 32MB\nwal_keep_size = 0\n"
                "restart_after_crash = on\nlog_min_messages = fatal\n"
            )
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop("immediate")
        if self.is_mounted:
            subprocess.run(["umount", "-l", self.data], check=False)

    def start(self) -> None:
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "120", "-l", self.data / "log", "start")

    def stop(self, mode: str) -> None:
        """`immediate`: as if the machine had lost its power, but for what the system still has in its cache."""
        self._run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop", must=False)

    def is_up(self) -> bool:
        return self._run("pg_ctl", "-D", self.data, "status", must=False) == 0

    def _run(self, program: str, *arguments: str | Path, must: bool = True) -> int:
        user = {"user": NOBODY, "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        assert self.bin is not None
        done = subprocess.run(
            [self.bin / program, *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            **user,  # type: ignore[arg-type]
        )
        if must and done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode()[-500:]}")
        return done.returncode


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
