"""What confined children used, summed over a piece of work."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Usage:
    """CPU seconds of all children, and the most memory one of them held, in bytes."""

    cpu: float = 0.0
    peak: int = 0


_counted: ContextVar[Usage | None] = ContextVar("usage", default=None)


@contextmanager
def counted() -> Iterator[Usage]:
    """Count what children use within the block, in this thread."""
    total = Usage()
    token = _counted.set(total)
    try:
        yield total
    finally:
        _counted.reset(token)


def add(used: Usage) -> None:
    total = _counted.get()
    if total is not None:
        total.cpu, total.peak = total.cpu + used.cpu, max(total.peak, used.peak)
