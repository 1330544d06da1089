"""Compile a function of numbers and arrays; it runs on one thread and lets go of Python's lock."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba  # type: ignore[import-untyped, unused-ignore]

F = TypeVar("F", bound=Callable[..., Any])


def jit(function: F) -> F:
    # sums may be regrouped so that they run in lanes; missing and infinite values keep their meaning
    return cast(F, numba.njit(nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})(function))
