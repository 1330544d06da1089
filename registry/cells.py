"""What one cell of a table says: nothing, a number, a truth value, a date or text. One reading for every table."""

from __future__ import annotations

import math
import re
from datetime import datetime
from enum import StrEnum

# Written for "no value", whatever the case; a cell of blanks is empty.
MISSING = frozenset({"", "na", "nan", "null", "n/a"})

# Leading zeros and more than 18 digits make a code, not a number.
INTEGER = re.compile(r"[+-]?(?:0|[1-9]\d{0,17})", re.ASCII)
NUMBER = re.compile(r"[+-]?(?:(?:\d+\.\d*|\.\d+)(?:e[+-]?\d+)?|\d+e[+-]?\d+)", re.ASCII | re.IGNORECASE)
INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
SIGNED_FORMULA = re.compile(r"[+-](?!\s).*[(|!]", re.DOTALL)


class Kind(StrEnum):
    MISSING = "missing"
    INTEGER = "integer"
    NUMBER = "number"
    INFINITE = "infinite"
    BOOLEAN = "boolean"
    DATE = "date"
    TEXT = "text"


def is_missing(text: str) -> bool:
    return text.strip().lower() in MISSING


def kind(text: str) -> Kind:
    """The kind of a cell whose surrounding blanks are gone."""
    if text.lower() in MISSING:
        return Kind.MISSING
    if INTEGER.fullmatch(text):
        return Kind.INTEGER
    if NUMBER.fullmatch(text):
        return Kind.NUMBER if math.isfinite(float(text)) else Kind.INFINITE
    if INFINITE.fullmatch(text):
        return Kind.INFINITE
    if text.lower() in {"true", "false"}:
        return Kind.BOOLEAN
    return Kind.DATE if _is_date(text) else Kind.TEXT


def together(kinds: set[Kind]) -> Kind:
    """The type of a column that holds cells of these kinds."""
    said = kinds - {Kind.MISSING}
    if said and said <= {Kind.INTEGER, Kind.NUMBER, Kind.INFINITE}:
        return Kind.INTEGER if said == {Kind.INTEGER} else Kind.NUMBER
    return said.pop() if len(said) == 1 else Kind.TEXT


def spelled(text: str, type_: Kind) -> str:
    """One spelling for one value of a column of that type: `+1` is `1`, `.50` is `0.5`, `TRUE` is `true`."""
    match type_:
        case Kind.INTEGER:
            return str(int(text))
        case Kind.NUMBER:
            return repr(float(text))
        case Kind.BOOLEAN:
            return text.lower()
    return text


def is_formula(text: str) -> bool:
    """Whether a spreadsheet could run the cell: it starts as a formula does, and is no number.

    A sign followed by a blank is a bullet, and a sign without a call, a pipe or a sheet name does nothing.
    """
    if text[:1] not in {"=", "@", "+", "-", "\t", "\r"}:
        return False
    if text[0] in {"\t", "\r"}:
        return bool(text.strip())
    bare = text.strip()
    if INTEGER.fullmatch(bare) or NUMBER.fullmatch(bare) or bare in {"=", "@"}:
        return False
    return text[0] in {"=", "@"} or bool(SIGNED_FORMULA.match(text))


def _is_date(text: str) -> bool:
    if not DATE.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
