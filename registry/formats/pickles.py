"""Recognise pickles of every protocol without opening one: a pickle runs code when it is loaded."""

import bz2
import lzma
import pickletools
import re
import zlib
from collections.abc import Callable
from typing import BinaryIO

from registry.formats import pickle_scan
from registry.formats.kinds import Refusal

RUNS_CODE = "which can run any code when it is opened"
# PyTorch before 1.6 wrote a bare pickle that begins with this number.
_TORCH_LEGACY = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
_TELLING = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "REDUCE", "BUILD", "OBJ", "NEWOBJ", "PROTO"}
_IMPORT = re.compile(r"[A-Za-z_][\w.]* [A-Za-z_][\w.]*")
_HEAD = 64 * 1024
_PEEK = 1 << 20
_PROTOCOLS = tuple(bytes([0x80, protocol]) for protocol in range(2, 10))


def _zlib(head: bytes) -> bytes:
    return zlib.decompressobj(wbits=47).decompress(head, _PEEK)


def _bz2(head: bytes) -> bytes:
    return bz2.BZ2Decompressor().decompress(head, _PEEK)


def _lzma(head: bytes) -> bytes:
    return lzma.LZMADecompressor(memlimit=128 << 20).decompress(head, _PEEK)


def _unknown(_head: bytes) -> bytes:
    return b""


_WRAPPERS: list[tuple[bytes, str, Callable[[bytes], bytes]]] = [
    (b"\x1f\x8b", "gzip", _zlib),
    (b"BZh", "bzip2", _bz2),
    (b"\xfd7zXZ\0", "xz", _lzma),
    (b"\x5d\0\0", "lzma", _lzma),
    *((b"\x78" + level, "zlib", _zlib) for level in (b"\x01", b"\x5e", b"\x9c", b"\xda")),
    (b"\x28\xb5\x2f\xfd", "zstandard", _unknown),
    (b"\x04\x22\x4d\x18", "lz4", _unknown),
    (b"ZF0x", "old joblib", lambda _: _PROTOCOLS[0]),
]


def refuse(file: BinaryIO, head: bytes, name: str) -> None:
    """Raise `Refusal` if `head` begins a pickle, naming what the whole file would import."""
    if is_pickle(head):
        file.seek(0)
        raise Refusal(name, f"is {_kind(head)}, {danger(file.read(pickle_scan.LONGEST))}")


def refuse_compressed(head: bytes, name: str) -> None:
    """Raise `Refusal` for a compressed stream, naming the pickle inside where there is one."""
    for magic, method, peek in _WRAPPERS:
        if head.startswith(magic):
            inner = _peeked(peek, head)
            if is_pickle(inner):
                raise Refusal(name, f"is {_kind(inner)} compressed with {method}, {danger(inner)}")
            raise Refusal(name, f"is a {method}-compressed file", "unpack it and upload the model file inside")


def danger(data: bytes) -> str:
    """Why a pickle is refused."""
    return RUNS_CODE + pickle_scan.reported(data)


def is_pickle(data: bytes) -> bool:
    """Protocols 2 and up say so in two bytes; 0 and 1 are told by reading their opcodes."""
    return data.startswith(_PROTOCOLS) or _reads_as_opcodes(data)


def _reads_as_opcodes(data: bytes) -> bool:
    try:
        for opcode, argument, at in pickletools.genops(data[:_HEAD]):
            position = at or 0
            if position == 0 and opcode.stack_before:
                return False
            if opcode.name in ("GLOBAL", "INST"):
                return bool(_IMPORT.fullmatch(str(argument)))
            if opcode.name in _TELLING:
                return True
            if opcode.name == "STOP":
                return position == len(data) - 1
    except (ValueError, UnicodeDecodeError, OverflowError):
        return False
    return False


def _kind(data: bytes) -> str:
    if _TORCH_LEGACY in data[:64]:
        return "a PyTorch file (a Python pickle)"
    if b"joblib" in data or b"NumpyArrayWrapper" in data:
        return "a joblib file (a Python pickle)"
    if b"cloudpickle" in data:
        return "a cloudpickle file (a Python pickle)"
    return "a Python pickle"


def _peeked(peek: Callable[[bytes], bytes], head: bytes) -> bytes:
    try:
        return peek(head)
    except (zlib.error, OSError, EOFError, lzma.LZMAError, MemoryError):
        return b""
