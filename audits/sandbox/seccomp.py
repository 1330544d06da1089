"""System calls that no model needs: new processes and programs, sockets of any kind, a look into other processes.

A network namespace leaves the sockets that lie in the file system, such as a database's, and Landlock leaves `fork`,
with which a process could outlive its worker. A filter (seccomp, in the kernel's classic BPF) takes both away.
"""

import ctypes
import os
import platform
import struct

from audits.sandbox import kernel

_PR_SET_SECCOMP, _FILTER = 22, 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_CLONE_THREAD, _OTHER_ABI = 0x10000, 0x40000000
# As the kernel's tables number them; clone makes threads too, and clone3 hides its flags from a filter.
_MACHINES: dict[str, tuple[int, int, tuple[int, ...]]] = {
    # socket, fork, vfork, execve, kill, ptrace, setsid, mount, add_key, request_key, keyctl, unshare, perf_event_open,
    # setns, process_vm_readv, process_vm_writev, bpf, execveat, userfaultfd
    "x86_64": (
        0xC000003E,
        56,
        (41, 57, 58, 59, 62, 101, 112, 165, 248, 249, 250, 272, 298, 308, 310, 311, 321, 322, 323),
    ),
    "aarch64": (0xC00000B7, 220, (198, 221, 129, 117, 157, 40, 217, 218, 219, 97, 241, 268, 270, 271, 280, 281, 282)),
}
# pidfd_send_signal, io_uring_setup, pidfd_open, pidfd_getfd: the same everywhere
_NEWER = (424, 425, 434, 438)
_CLONE3 = 435


def forbid() -> bool:
    """Refuse these calls to this process and its threads for good; False where the kernel can't."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    program = _program(*machine)
    held = ctypes.create_string_buffer(program)
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(held)))
    return kernel.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.addressof(header))


def _program(architecture: int, clone: int, refused: tuple[int, ...]) -> bytes:
    """Each step is (operation, skip if so, skip if not, operand)."""
    no = (_RETURN, 0, 0, _ERROR | _EPERM)
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _OTHER_ABI),
        no,
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ERROR | _ENOSYS),
    ]
    for number in (*refused, *_NEWER):
        steps += [(_EQUAL, 0, 1, number), no]
    steps += [
        (_EQUAL, 0, 3, clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_ANY_BIT, 1, 0, _CLONE_THREAD),
        no,
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def told(forbidden: bool) -> str:
    return "no sockets, no processes" if forbidden else f"all that {os.uname().sysname} allows"
