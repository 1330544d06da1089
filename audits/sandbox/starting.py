"""A worker's end of its fork server: it starts one on first use, and children by it."""

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from audits.sandbox.failures import ChildFailed
from audits.sandbox.usage import Usage

THREADS = 2
_HOUSE = Path(__file__).resolve().parents[2]
_STOP_SECONDS = 30
_REPORT_SECONDS = 1
_LONGEST_MESSAGE = 4096
_THREAD_VARIABLES = ("OMP", "MKL", "NUMEXPR", "NUMBA", "VECLIB_MAXIMUM")
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "TZ")


def environment() -> dict[str, str]:
    """Nothing of the worker's environment but what Python needs: no secrets are inherited."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    threads = {f"{name}_NUM_THREADS": str(THREADS) for name in _THREAD_VARIABLES}
    # These two would start threads when they are imported, and only a process without threads forks safely.
    quiet = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
    python = {"PYTHONPATH": str(_HOUSE), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
    fixed = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent", "JOBLIB_MULTIPROCESSING": "0"}
    return fixed | kept | threads | quiet | python


class _Server:
    """The one fork server of this worker process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.line: socket.socket | None = None

    def ask(self, message: bytes, descriptors: list[int]) -> None:
        """Have a child started; a server that has died is started again."""
        with self.lock:
            if self.line is not None:
                with contextlib.suppress(ConnectionError):
                    socket.send_fds(self.line, [message], descriptors)
                    return
            self.stop()
            self._start()
            assert self.line is not None  # noqa: S101 -- just started
            socket.send_fds(self.line, [message], descriptors)

    def _start(self) -> None:
        self.line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-s", "-P", "-m", "audits.sandbox.forkserver"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=environment(),
                start_new_session=True,
            )

    def stop(self) -> None:
        """It ends, and its children with it, once nobody holds the other end of its line."""
        if self.line is not None:
            self.line.close()
        if self.process is not None:
            self.process.wait(_STOP_SECONDS)
        self.line = self.process = None

    def disown(self) -> None:
        """In a forked worker: leave the server to the process that started it."""
        if self.line is not None:
            self.line.close()
        if self.process is not None:
            self.process.returncode = 0
        self.lock, self.process, self.line = threading.Lock(), None, None


_server = _Server()
os.register_at_fork(after_in_child=_server.disown)
atexit.register(_server.stop)


def ahead(format: str) -> None:
    """Have the server import what a child of this format will need, while the caller does something else."""
    with contextlib.suppress(OSError):  # whoever needs the child will say so
        _server.ask(json.dumps({"format": format}).encode(), [])


class Process:
    """A child: its two pipes, its end, and what it used."""

    def __init__(self, *, format: str, complaints: int) -> None:
        their_input, self.stdin = os.pipe()
        self.stdout, their_output = os.pipe()
        self.status, their_status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.handle: int | None = None
        self.ended: dict[str, float] | None = None
        os.set_blocking(self.stdin, False)
        try:
            message = json.dumps({"format": format}).encode()
            _server.ask(message, [their_input, their_output, complaints, their_status.fileno()])
        except OSError as error:
            self._close()
            raise ChildFailed("The sandbox could not be started; try again.", kind="crash", detail=str(error)) from None
        finally:
            os.close(their_input)
            os.close(their_output)
            their_status.close()

    def begun(self) -> bool:
        self.wait(0)
        return self.handle is not None or self.ended is not None

    def wait(self, seconds: float) -> int | None:
        """The exit status of a child that has ended, as subprocess gives it: minus the signal that ended it."""
        until = time.monotonic() + seconds
        while self.ended is None and select.select([self.status], [], [], max(0.0, until - time.monotonic()))[0]:
            self._hear()
        return None if self.ended is None else int(self.ended.get("code", -signal.SIGKILL))

    def end(self) -> Usage:
        """Kill it, and wait until the server has seen it end; one that has not begun yet ends when it begins."""
        self.wait(0)
        if self.handle is not None and self.ended is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        with contextlib.suppress(OSError):
            self.status.shutdown(socket.SHUT_WR)
        if self.handle is not None:
            self.wait(_REPORT_SECONDS)
        self._close()
        found = self.ended or {}
        return Usage(found.get("cpu", 0.0), int(found.get("peak", 0)))

    def _hear(self) -> None:
        """The server says two things: that the child has begun, with a handle to it, and that it has ended."""
        message: bytes = b""
        handles: list[int] = []
        with contextlib.suppress(OSError):
            message, handles, _, _ = socket.recv_fds(self.status, _LONGEST_MESSAGE, 1, socket.MSG_CMSG_CLOEXEC)
        if handles:
            (self.handle,) = handles
        else:
            self.ended = json.loads(message) if message else {}

    def _close(self) -> None:
        self.status.close()
        for descriptor in (self.stdin, self.stdout, self.handle):
            if descriptor is not None:
                os.close(descriptor)
