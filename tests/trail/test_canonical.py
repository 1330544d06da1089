"""Canonical JSON against the rfc8785 package and the numbers of RFC 8785 appendix B."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from trail.canonical import Uncanonical, canonical, canonical_result, digest

INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ASCII = st.text(st.characters(max_codepoint=127))
SCALARS = st.none() | st.booleans() | INTEGERS | TEXT
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def tree(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=12)


@given(tree(SCALARS, ASCII))
@example({"\x7f": '\x00\x1f\x7f\u2028\\"/', "A": 1, "a": -0, "": []})
def test_an_entry_is_written_as_rfc8785_says(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value) == canonical_result(value)


@given(tree(SCALARS | FLOATS, TEXT))
@example({"\ue000": 1, "😀": 2, "é": [1e21, 1e-7, 5e-324, -0.0]})
def test_a_result_is_written_as_rfc8785_says(value: Any) -> None:
    assert canonical_result(value) == rfc8785.dumps(value)


@given(FLOATS)
def test_a_float_reads_back_as_itself(value: float) -> None:
    assert float(canonical_result(value)) == value


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        (0x0000000000000000, "0"),
        (0x8000000000000000, "0"),
        (0x0000000000000001, "5e-324"),
        (0x8000000000000001, "-5e-324"),
        (0x7FEFFFFFFFFFFFFF, "1.7976931348623157e+308"),
        (0x4340000000000000, "9007199254740992"),
        (0x4430000000000000, "295147905179352830000"),
        (0x44B52D02C7E14AF5, "9.999999999999997e+22"),
        (0x44B52D02C7E14AF6, "1e+23"),
        (0x444B1AE4D6E2EF50, "1e+21"),
        (0x444B1AE4D6E2EF4F, "999999999999999900000"),
        (0x3EB0C6F7A0B5ED8D, "0.000001"),
        (0x3EB0C6F7A0B5ED8C, "9.999999999999997e-7"),
        (0x41B3DE4355555553, "333333333.3333332"),
        (0x41B3DE4355555557, "333333333.33333343"),
        (0xBECBF647612F3696, "-0.0000033333333333333333"),
        (0x43143FF3C1CB0959, "1424953923781206.2"),
    ],
)
def test_the_numbers_of_rfc8785(bits: int, text: str) -> None:
    (value,) = struct.unpack(">d", bits.to_bytes(8))
    assert canonical_result(value).decode() == text


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"facts": {"threshold": 0.5}}, "$.facts.threshold"),
        ({"changes": {"auc": ["0.7", 1.0]}}, "$.changes.auc[1]"),
        ([[1, 2**53]], "$[0][1]"),
        ([-(2**53)], "$[0]"),
        ({"größe": 1}, "$: the key 'größe'"),
        ({1: "one"}, "$: the key 1"),
        ({"name": "\ud800"}, "$.name"),
        (["\udfffé"], "$[0]"),
        ({"roles": ("owner",)}, "$.roles: tuple"),
        ({"body": b"bytes"}, "$.body: bytes"),
        ([{1, 2}], "$[0]: set"),
        (math.nan, "$"),
    ],
)
def test_what_has_no_canonical_form_is_refused_by_its_place(value: Any, place: str) -> None:
    with pytest.raises(Uncanonical) as refusal:
        canonical(value)
    assert str(refusal.value).startswith(place)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"auc": math.nan}, "$.auc"),
        ({"ratio": [math.inf]}, "$.ratio[0]"),
        (-math.inf, "$"),
        ({"n": 2**53}, "$.n"),
        ({"\ud800": 1}, "$ (key)"),
        ({None: 1}, "$: the key None"),
        ({"at": object()}, "$.at: object"),
    ],
)
def test_a_result_refuses_what_json_cannot_hold(value: Any, place: str) -> None:
    with pytest.raises(Uncanonical) as refusal:
        canonical_result(value)
    assert str(refusal.value).startswith(place)


def test_subclasses_are_written_by_their_value() -> None:
    numpy = pytest.importorskip("numpy")
    assert canonical_result({"auc": numpy.float64(0.75)}) == b'{"auc":0.75}'


def test_digest() -> None:
    assert digest(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
