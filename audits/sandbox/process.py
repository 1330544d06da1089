"""Talk to one confined child: requests and their replies, its end on time, and how it died."""

import contextlib
import json
import os
import selectors
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Self

from audits.sandbox import usage
from audits.sandbox.confinement import Limits
from audits.sandbox.failures import Cancelled, ChildFailed
from audits.sandbox.folder import Folder
from audits.sandbox.starting import THREADS, Process

OnProgress = Callable[[float, str], None]
_POLL_SECONDS = 0.5
_GRACE_SECONDS = 5
_START_SECONDS = 300
_LONGEST_LINE = 4 << 20
_LONGEST_SENTENCE = 4000


class Child:
    """One child with one model, for as many requests as come; its limits hold over all of them together."""

    def __init__(
        self, folder: Folder, opening: dict[str, Any], *, timeout: float, limits: Limits | None, cancelled: Any
    ) -> None:
        self.folder, self.timeout, self.cancelled = folder, timeout, cancelled
        self.limits = limits or Limits(cpu=int(timeout * THREADS) + 1)
        self.opening = opening | {
            "artifact": str(folder.model),
            "data": str(folder.data),
            "output": str(folder.path),
            "limits": asdict(self.limits),
        }
        self.rest = b""
        self.deadline: float | None = None

    def __enter__(self) -> Self:
        self.started, self.deadline = time.monotonic(), None
        self.complaints = tempfile.TemporaryFile()
        try:
            self.process = Process(format=self.opening["format"], complaints=self.complaints.fileno())
        except BaseException:
            self.complaints.close()
            raise
        self._write(self.opening)
        return self

    def __exit__(self, *_: object) -> None:
        usage.add(self.process.end())
        self.complaints.close()

    def ask(self, request: dict[str, Any], on_progress: OnProgress | None) -> dict[str, Any]:
        """The reply to one request, or `Cancelled` or `ChildFailed`. What the child can't do it may be asked otherwise;
        one that has died stays dead."""
        self._write(request)
        reply = self._listen(on_progress)
        if reply is None:
            code = self.process.wait(_GRACE_SECONDS)
            self.complaints.seek(max(0, self.complaints.seek(0, 2) - 4000))
            raise self._death(code, self.complaints.read().decode(errors="replace"))
        if not reply.get("ok"):
            raise ChildFailed(str(reply.get("error"))[:_LONGEST_SENTENCE], kind=str(reply.get("kind")))
        return reply

    def _write(self, line: dict[str, Any]) -> None:
        """A child that reads nothing must not stop its worker: the pipe doesn't wait, and the silence is noticed."""
        with contextlib.suppress(BrokenPipeError, BlockingIOError):
            os.write(self.process.stdin, json.dumps(line).encode() + b"\n")

    def _listen(self, on_progress: OnProgress | None) -> dict[str, Any] | None:
        """Read lines until a reply; nothing if the child ends without one."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while True:
                self._check()
                if not selector.select(_POLL_SECONDS):
                    continue
                chunk = os.read(self.process.stdout, 65_536)
                *lines, self.rest = (self.rest + chunk).split(b"\n")
                if not chunk or len(self.rest) > _LONGEST_LINE:
                    return None
                for line in lines:
                    if reply := self._hear(line, on_progress):
                        return reply

    def _check(self) -> None:
        if self.cancelled is not None and self.cancelled():
            raise Cancelled
        now = time.monotonic()
        if self.deadline is None and self.process.begun():
            self.deadline = now + self.timeout  # what the libraries take to be imported is not the model's time
        if self.deadline is None and now > self.started + _START_SECONDS:
            raise ChildFailed("The sandbox did not start in time; try again.", kind="timeout")
        if self.deadline is not None and now > self.deadline:
            raise ChildFailed(f"The model took longer than {self.timeout:g} seconds and was stopped.", kind="timeout")

    def _hear(self, line: bytes, on_progress: OnProgress | None) -> dict[str, Any] | None:
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
        if on_progress is not None and isinstance(part, int | float) and isinstance(stage, str):
            on_progress(min(1.0, max(0.0, part)), stage[:_LONGEST_SENTENCE])
        return None

    def _death(self, code: int | None, detail: str) -> ChildFailed:
        if code == -signal.SIGXCPU:
            text = f"The model used more than {self.limits.cpu} seconds of computing and was stopped."
        elif code == -signal.SIGKILL:
            text = "The model's reader was stopped by the system, most likely for using too much memory."
        elif code == -signal.SIGXFSZ:
            text = "The model's reader wrote more than it may and was stopped."
        elif code is not None and code < 0:
            text = (
                f"The model file crashed its reader (signal {-code}): it is damaged or hostile; "
                "save the model again, best as ONNX, and upload that."
            )
        else:
            text = "The model's reader ended without an answer: the file may be damaged; save the model again."
        return ChildFailed(text, kind="crash", detail=detail)
