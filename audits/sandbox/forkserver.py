"""A clean process that has imported what readers of models need, and forks a child for each that is asked for.

It opens no file of a stranger, holds no secret and has one thread. A child confines itself before it reads anything.
Where a fork would not be safe, because something here has started a thread, the child is a fresh process.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

from audits.sandbox import child, kernel

LIBRARIES = ("numpy", "pandas", "pyarrow.parquet")
# What may be imported before the fork; importing onnxruntime starts a thread.
FORKABLE = ("skops", "xgboost-json", "xgboost-ubj", "lightgbm-text", "catboost-cbm")
_LONGEST_MESSAGE = 4096
_DESCRIPTORS = 4
_SWEEPS = 100


@dataclass(frozen=True)
class Child:
    pid: int
    handle: int
    status: socket.socket


class Server:
    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.selector = selectors.DefaultSelector()
        self.selector.register(line, selectors.EVENT_READ)
        self.children: list[Child] = []

    def serve(self) -> None:
        """Until the worker is gone; then no child outlives it."""
        while True:
            for key, _ in self.selector.select():
                if isinstance(key.data, Child):
                    if key.data in self.children:
                        self.end(key.data)
                elif not self.start():
                    for each in list(self.children):
                        self.end(each)
                    return

    def start(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self.line, _LONGEST_MESSAGE, _DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        if not message:
            return False
        prepare(json.loads(message)["format"])
        if not descriptors:
            return True  # a child will follow
        *streams, status = descriptors
        pid = forked(streams) if threads() == 1 else spawned(streams)
        for descriptor in streams:
            os.close(descriptor)
        begun = Child(pid, os.pidfd_open(pid), socket.socket(fileno=status))
        self.children.append(begun)
        with contextlib.suppress(OSError):
            socket.send_fds(begun.status, [b"begun"], [begun.handle])
        # Either end ends it: it exits, or nobody waits for it any more.
        self.selector.register(begun.handle, selectors.EVENT_READ, begun)
        self.selector.register(begun.status, selectors.EVENT_READ, begun)
        return True

    def end(self, ending: Child) -> None:
        """Kill the child's group, and say how it ended and what it used. It is waited for last, so its number can't
        have become another process's."""
        for kill in (os.kill, os.killpg):
            try:
                kill(ending.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        _, status, used = os.wait4(ending.pid, 0)
        self.children.remove(ending)
        self.sweep()
        said = {
            "code": os.waitstatus_to_exitcode(status),
            "cpu": used.ru_utime + used.ru_stime,
            "peak": used.ru_maxrss * 1024,
        }
        with contextlib.suppress(OSError):  # nobody may wait for it any more
            ending.status.send(json.dumps(said).encode())
        for each in (ending.handle, ending.status):
            self.selector.unregister(each)
        os.close(ending.handle)
        ending.status.close()

    def sweep(self) -> None:
        """Kill what left its child's group: the kernel makes it ours when what started it has ended."""
        for _ in range(_SWEEPS):
            ours = {int(pid) for pid in Path("/proc/thread-self/children").read_text().split()}
            strays = ours - {each.pid for each in self.children}
            if not strays:
                return
            for pid in strays:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def prepare(format: str) -> None:
    """Import a format's reader once for all children; one that can't be imported says so in its child."""
    if format not in FORKABLE:
        return
    module, _ = child.READERS[format]
    try:
        importlib.import_module(module)
    except Exception:  # noqa: BLE001 -- a library may raise anything
        return


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def forked(streams: list[int]) -> int:
    gc.freeze()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        for target, descriptor in enumerate(streams):
            os.dup2(descriptor, target)
        child.main()
        code = 0
    except SystemExit as left:
        sys.stderr.write(f"{left}\n")
    except BaseException:  # noqa: BLE001 -- whatever it is must not run the server's code
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def spawned(streams: list[int]) -> int:
    actions = [(os.POSIX_SPAWN_DUP2, descriptor, target) for target, descriptor in enumerate(streams)]
    command = [sys.executable, "-s", "-P", "-m", "audits.sandbox.child"]
    return os.posix_spawn(sys.executable, command, os.environ, file_actions=actions, setsid=True)


def main() -> None:
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    line = socket.socket(fileno=os.dup(0))
    os.dup2(1, 0)
    for library in LIBRARIES:
        importlib.import_module(library)
    Server(line).serve()


if __name__ == "__main__":
    main()
