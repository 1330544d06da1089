"""Text that people give: tidied, and refused where it could not be stored or recorded."""

from __future__ import annotations

from typing import Any

from trail.errors import BadInput

LONGEST = 10_000


def line(given: Any, *, where: str, most: int, needed: bool = False) -> str:
    """One line, its blanks made single."""
    return _fitting(" ".join(_sound(given, where).split()), where, most, needed)


def text(given: Any, *, where: str, most: int = LONGEST, needed: bool = False) -> str:
    """Any number of lines."""
    return _fitting(_sound(given, where).replace("\r\n", "\n").strip(), where, most, needed)


def _sound(given: Any, where: str) -> str:
    if given is None:
        return ""
    if not isinstance(given, str):
        raise BadInput(f"{where} must be text, not {type(given).__name__}.", where=where)
    if "\0" in given or any("\ud800" <= character <= "\udfff" for character in given):
        raise BadInput(f"{where} holds a character that can’t be stored; write plain Unicode text.", where=where)
    return given


def _fitting(given: str, where: str, most: int, needed: bool) -> str:
    if needed and not given:
        raise BadInput(f"{where} is needed; write it.", where=where)
    if len(given) > most:
        raise BadInput(f"{where} holds {len(given):,} characters; at most {most:,} fit, so shorten it.", where=where)
    return given
