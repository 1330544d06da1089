"""What a pickle would import if it were opened: its opcodes are listed, none is followed.

A pickle can hide what it imports (bytes that other libraries read stand between its opcodes, names can be built while
it runs). So the scan is what a refusal reports, and never a reason to accept.
"""

import io
import pickletools
from collections.abc import Iterator

LONGEST = 16 << 20
_MOST_OPCODES = 500_000
_SHOWN = 6
_MEMO_WRITES, _MEMO_READS = {"PUT", "BINPUT", "LONG_BINPUT"}, {"GET", "BINGET", "LONG_BINGET"}
# What honest models import: named last, so that a surprise is not buried.
_USUAL = ("_codecs", "catboost", "collections", "copyreg", "joblib", "lightgbm", "numpy", "pandas", "scipy", "sklearn")
_UNNAMED = "a name that it builds"


def reported(data: bytes) -> str:
    """The imports in words, for the end of a sentence: " and would import posix.system"."""
    found = imports(data)
    if not found:
        return ""
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f" and would import {', '.join(found[:_SHOWN])}{more}"


def imports(data: bytes) -> list[str]:
    """Each module.name once, the unusual first; as far as the opcodes can be read."""
    found = dict.fromkeys(_imports(data[:LONGEST]))
    return sorted(found, key=lambda name: name.partition(".")[0] in _USUAL)


def _imports(data: bytes) -> Iterator[str]:
    pushed: list[str | None] = []
    memo: dict[int, str | None] = {}
    stream = io.BytesIO(data)
    for name, argument in _opcodes(stream):
        last = pushed[-1] if pushed else None
        if name in ("GLOBAL", "INST"):
            yield _shown(*str(argument).partition(" ")[::2])
            pushed.append(None)
        elif name == "STACK_GLOBAL":
            yield _shown(*([None, None, *pushed][-2:]))
            pushed.append(None)
        elif name == "MEMOIZE":
            memo[len(memo)] = last
        elif name in _MEMO_WRITES:
            memo[int(str(argument))] = last
        elif name in _MEMO_READS:
            pushed.append(memo.get(int(str(argument))))
        else:
            pushed.append(argument if isinstance(argument, str) else None)


def _opcodes(stream: io.BytesIO) -> Iterator[tuple[str, object]]:
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count >= _MOST_OPCODES:
                return
            yield opcode.name, argument
    except (ValueError, OverflowError, RecursionError):
        return  # cut short, damaged, or another library's bytes


def _shown(module: str | None, name: str | None) -> str:
    """Letters, digits and dots only: the text is a stranger's."""
    if not module or not name:
        return _UNNAMED
    text = f"{module}.{name}"[:80]
    return text if all(part.isidentifier() for part in text.split(".")) else ascii(text)
