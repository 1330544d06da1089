"""Confine this process before it touches a stranger's file."""

import os
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audits.sandbox import kernel, seccomp

NOBODY = 65534
_HOUSE = Path(__file__).resolve().parents[2]
_SYSTEM = ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/sys/devices/system/cpu", "/proc/cpuinfo"]
_DEVICES = ["/dev/null", "/dev/zero", "/dev/urandom"]
_PROCESSES = 512
_CPU_GRACE = 5
_FIRST_INHERITED, _LAST_INHERITED = 3, 4096


@dataclass(frozen=True)
class Limits:
    """What a child may use: bytes of memory, CPU seconds, bytes in one file, open files."""

    memory: int = 6 << 30
    cpu: int = 600
    file: int = 1 << 30
    open_files: int = 256


def close_inherited() -> None:
    """Keep only the three standard streams."""
    os.closerange(_FIRST_INHERITED, _LAST_INHERITED)


def confine(*, limits: Limits, folder: Path, readable: Sequence[Path] = ()) -> dict[str, str]:
    """Take limits, network, user and files away from this process; say what could be taken."""
    network = "none" if _leave_network() else "shared with the host"
    parent = os.getppid()
    readable = [*readable, *_python_paths(), *(Path(path) for path in (*_SYSTEM, f"/proc/{os.getpid()}"))]
    user = _become_nobody(folder, readable)
    _limit(limits)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    locked = kernel.landlock(readable=readable, writable=[folder, *(Path(path) for path in _DEVICES)])
    # No other process of this user reads or writes this one's memory.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    # A change of user clears this, so it comes last: no child outlives what started it.
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("What started this process is gone.")
    calls = seccomp.told(seccomp.forbid())
    files = "its own folder" if locked else "ordinary permissions"
    return {"network": network, "user": user, "files": files, "calls": calls}


def _limit(limits: Limits) -> None:
    wanted = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_FSIZE, limits.file),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_CPU, limits.cpu),
    ]
    if os.getuid() == NOBODY:
        wanted.append((resource.RLIMIT_NPROC, _PROCESSES))
    for kind, value in wanted:
        hard = resource.getrlimit(kind)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        # The soft CPU limit ends the process with a signal that says why; the hard one would only kill it.
        grace = _CPU_GRACE if kind == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else 0
        resource.setrlimit(kind, (allowed, allowed + grace))


def _leave_network() -> bool:
    cut = kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC
    return kernel.unshare(cut if os.geteuid() == 0 else cut | kernel.CLONE_NEWUSER)


def _become_nobody(folder: Path, readable: list[Path]) -> str:
    if os.geteuid() != 0:
        return "the worker's"
    reads_all = all(_nobody_reads(path) for path in (folder, *readable) if path.exists())
    if not reads_all and not kernel.landlock_version():
        return f"root (nobody may not read Python in {sys.base_prefix})"
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    kernel.prctl(kernel.PR_SET_KEEPCAPS, 0 if reads_all else 1)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if not reads_all:
        # Python lies in a folder closed to nobody: keep reading, within what Landlock leaves.
        kernel.keep_capabilities(kernel.CAP_DAC_READ_SEARCH)
    return "nobody"


def _nobody_reads(path: Path) -> bool:
    os.seteuid(NOBODY)
    try:
        return os.access(path, os.R_OK, effective_ids=True)
    finally:
        os.seteuid(0)


def _python_paths() -> list[Path]:
    """Where Python and its packages lie; of the project itself only what the child imports."""
    found = {Path(sys.prefix), Path(sys.base_prefix), *(Path(entry) for entry in sys.path if entry)}
    found -= {_HOUSE}
    return [path for path in (*sorted(found), _HOUSE / "audits", _HOUSE / "registry") if path.exists()]
