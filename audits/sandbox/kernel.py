"""The few Linux calls Python 3.11 doesn't offer: namespaces, capabilities, prctl and Landlock."""

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x08000000, 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 8, 36, 38
CAP_DAC_READ_SEARCH = 1 << 2
_CAPABILITY_VERSION = 0x20080522
# System call numbers of Landlock, the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1
_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14
_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15}
_ALL_RIGHTS = 16
_NETWORK_SINCE, _SCOPES_SINCE = 4, 6

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int, address: int = 0) -> bool:
    return bool(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_void_p(address), 0, 0) == 0)


def unshare(flags: int) -> bool:
    return bool(_libc.unshare(flags) == 0)


def keep_capabilities(capabilities: int) -> bool:
    """Give up every capability but these."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    data = struct.pack("=IIIIII", capabilities, capabilities, 0, 0, 0, 0)
    return bool(_libc.capset(header, data) == 0)


def landlock_version() -> int:
    """The kernel's Landlock version, 0 where there is none."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, 0, 1)))


def landlock(*, readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    """Leave this process only these paths, no program to start, no TCP and no signals to others."""
    version = landlock_version()
    if not version:
        return False
    rights = (1 << _RIGHTS_BY_ABI.get(version, _ALL_RIGHTS)) - 1
    network, scopes = (3 if version >= _NETWORK_SINCE else 0), (3 if version >= _SCOPES_SINCE else 0)
    size = 24 if version >= _SCOPES_SINCE else 16 if version >= _NETWORK_SINCE else 8
    ruleset = _libc.syscall(_CREATE_RULESET, struct.pack("=QQQ", rights, network, scopes)[:size], size, 0)
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        for path in writable:
            # All but starting programs and making devices, sockets and pipes.
            _allow(ruleset, path, rights & ~1 & ~(0b111 << 9) & ~(1 << 6) & ~(1 << 15))
        return bool(_libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not path.is_dir():
            rights &= _READ_FILE | _WRITE_FILE | _TRUNCATE
        _libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, handle), 0)
    finally:
        os.close(handle)
