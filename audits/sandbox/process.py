"""Run one confined child: talk to it, stop it on time, and say how it died."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from audits.sandbox.confinement import Limits
from audits.sandbox.failures import Cancelled, ChildFailed
from audits.sandbox.folder import Folder

OnProgress = Callable[[float, str], None]
_HOUSE = Path(__file__).resolve().parents[2]
_POLL_SECONDS = 0.5
_GRACE_SECONDS = 5
_LONGEST_LINE = 4 << 20
_LONGEST_SENTENCE = 4000
_THREADS = 2
_THREAD_VARIABLES = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "VECLIB_MAXIMUM")
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "TZ")


class Child:
    def __init__(
        self,
        folder: Folder,
        timeout: float,
        limits: Limits | None,
        on_progress: OnProgress | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self.folder, self.timeout = folder, timeout
        self.limits = limits or Limits(cpu=int(timeout * _THREADS) + 1)
        self.on_progress, self.cancelled = on_progress, cancelled

    def ask(self, task: str, format: str, params: dict[str, Any], data_name: str) -> dict[str, Any]:
        """Run one task and return its reply, or raise `Cancelled` or `ChildFailed`."""
        request = {
            "task": task,
            "artifact": str(self.folder.model),
            "format": str(format),
            "data": str(self.folder.data),
            "data_name": data_name,
            "output": str(self.folder.path),
            "params": params,
            "limits": asdict(self.limits),
        }
        with tempfile.TemporaryFile() as complaints:
            process = self._start(complaints)
            try:
                reply = self._converse(process, json.dumps(request).encode())
            finally:
                _end(process)
            if reply is None:
                complaints.seek(max(0, complaints.seek(0, 2) - 4000))
                raise self._death(process.returncode, complaints.read().decode(errors="replace"))
        if not reply.get("ok"):
            raise ChildFailed(str(reply.get("error"))[:_LONGEST_SENTENCE], kind=str(reply.get("kind")))
        return reply

    def _start(self, complaints: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-s", "-P", "-m", "audits.sandbox.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            cwd=self.folder.path,
            env=environment(self.folder.path),
            start_new_session=True,
        )

    def _converse(self, process: subprocess.Popen[bytes], request: bytes) -> dict[str, Any] | None:
        """Send the request, then read lines until the child ends, is cancelled or is out of time."""
        assert process.stdin is not None  # noqa: S101 -- a pipe
        assert process.stdout is not None  # noqa: S101 -- a pipe
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(request)
            process.stdin.close()
        deadline, rest, last = time.monotonic() + self.timeout, b"", None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                self._check(deadline)
                if not selector.select(_POLL_SECONDS):
                    continue
                chunk = os.read(process.stdout.fileno(), 65_536)
                if not chunk:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(_GRACE_SECONDS)
                    return last
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > _LONGEST_LINE:
                    return None
                for line in lines:
                    last = self._hear(line)

    def _check(self, deadline: float) -> None:
        if self.cancelled is not None and self.cancelled():
            raise Cancelled
        if time.monotonic() > deadline:
            raise ChildFailed(f"The model took longer than {self.timeout:g} seconds and was stopped.", kind="timeout")

    def _hear(self, line: bytes) -> dict[str, Any] | None:
        """Pass progress on; return a reply."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(message, dict):
            return None
        if "ok" in message:
            return message
        part, stage = message.get("progress"), message.get("stage")
        if self.on_progress is not None and isinstance(part, int | float) and isinstance(stage, str):
            self.on_progress(min(1.0, max(0.0, part)), stage[:_LONGEST_SENTENCE])
        return None

    def _death(self, code: int, detail: str) -> ChildFailed:
        if code == -signal.SIGXCPU:
            text = f"The model used more than {self.limits.cpu} seconds of computing and was stopped."
        elif code == -signal.SIGKILL:
            text = "The model's reader was stopped by the system, most likely for using too much memory."
        elif code == -signal.SIGXFSZ:
            text = "The model's reader wrote more than it may and was stopped."
        elif code < 0:
            text = (
                f"The model file crashed its reader (signal {-code}): it is damaged or hostile; "
                "save the model again, best as ONNX, and upload that."
            )
        else:
            text = "The model's reader ended without an answer: the file may be damaged; save the model again."
        return ChildFailed(text, kind="crash", detail=detail)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole process group and wait for it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the worker's environment but what Python needs: no secrets are inherited."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    threads = {f"{name}_NUM_THREADS": str(_THREADS) for name in _THREAD_VARIABLES}
    own = {"HOME": str(folder), "TMPDIR": str(folder), "MPLCONFIGDIR": str(folder), "NUMBA_CACHE_DIR": str(folder)}
    python = {"PYTHONPATH": str(_HOUSE), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "JOBLIB_MULTIPROCESSING": "0"} | kept | threads | own | python
