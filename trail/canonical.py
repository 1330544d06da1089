"""Canonical JSON (RFC 8785): one value, one sequence of bytes, one digest."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from decimal import Decimal
from hashlib import sha256
from typing import Any

LARGEST = 2**53 - 1
# ECMAScript writes a number without an exponent while its point is within these places.
MOST_DIGITS, MOST_ZEROS = 21, 6


class Uncanonical(ValueError):
    """A value that has no canonical form."""


def digest(data: bytes) -> str:
    return "sha256:" + sha256(data).hexdigest()


def canonical(value: Any) -> bytes:
    """The canonical bytes of an entry or statement: no floats (give decimals as strings), ASCII keys.

    On this profile the standard library's encoder writes exactly RFC 8785.
    """
    if not _fits(value):
        _refuse_outside_profile(value, "$")
    return _encode(value).encode()


def canonical_result(value: Any) -> bytes:
    """The canonical bytes of a measured result: floats and any keys are allowed, NaN and infinity are not."""
    return _encoded(value, "$").encode()


_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False).encode


def _fits(value: Any) -> bool:
    """Whether all of it is plainly in the profile; where not, the slower look finds what is wrong, if anything is.

    Every write pays for this, so each question is asked of the exact type.
    """
    kind = type(value)
    if kind is str:
        return value.isascii()  # type: ignore[no-any-return]
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                return False
            if not (item.isascii() if type(item) is str else _fits(item)):
                return False
        return True
    if kind is list:
        return all(map(_fits, value))
    return kind is bool or value is None or (kind is int and -LARGEST <= value <= LARGEST)


def _refuse_outside_profile(value: Any, path: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise Uncanonical(f"{path}: the key {key!r} must be an ASCII string.")
            _refuse_outside_profile(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_outside_profile(item, f"{path}[{index}]")
    elif isinstance(value, float):
        raise Uncanonical(f"{path}: the float {value!r} can't be recorded; give it as a string.")
    else:
        _refuse_scalar(value, path)


def _refuse_scalar(value: Any, path: str) -> None:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise Uncanonical(f"{path}: the text holds a lone surrogate, which is not valid Unicode.")
    elif isinstance(value, int):
        if abs(value) > LARGEST:
            raise Uncanonical(f"{path}: {value} is beyond 2^53 - 1; give it as a string.")
    elif value is not None:
        raise Uncanonical(f"{path}: {type(value).__name__} has no canonical form; give text, whole numbers or lists.")


def _encoded(value: Any, path: str) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(_members(value, path)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_encoded(item, f"{path}[{index}]") for index, item in enumerate(value)) + "]"
    if isinstance(value, float):
        return _number(value, path)
    _refuse_scalar(value, path)
    return json.dumps(value, ensure_ascii=False)


def _members(value: dict[Any, Any], path: str) -> Iterable[str]:
    for key in value:
        if not isinstance(key, str):
            raise Uncanonical(f"{path}: the key {key!r} must be a string.")
        _refuse_scalar(key, f"{path} (key)")
    for key in sorted(value, key=lambda key: key.encode("utf-16-be")):
        yield json.dumps(key, ensure_ascii=False) + ":" + _encoded(value[key], f"{path}.{key}")


def _number(value: float, path: str) -> str:
    """A float as ECMAScript writes it: the shortest digits that read back as the same number."""
    if not math.isfinite(value):
        raise Uncanonical(f"{path}: {value} is not a number JSON can hold; leave it out or give null.")
    if value == 0:
        return "0"
    _, parts, exponent = Decimal(float.__repr__(value)).as_tuple()
    digits = "".join(map(str, parts)).rstrip("0")
    point = len(parts) + int(exponent)
    return ("-" if value < 0 else "") + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """`digits` with the decimal point after `point` of them (Number::toString of ECMA-262)."""
    if len(digits) <= point <= MOST_DIGITS:
        return digits.ljust(point, "0")
    if 0 < point <= MOST_DIGITS:
        return f"{digits[:point]}.{digits[point:]}"
    if -MOST_ZEROS < point <= 0:
        return "0." + "0" * -point + digits
    fraction = f".{digits[1:]}" if digits[1:] else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"
