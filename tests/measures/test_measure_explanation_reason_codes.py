"""Reason codes: what a notice of adverse action would say, and what it never says."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from audits.measures.errors import Unmeasurable
from audits.measures.reason_codes import reason_codes

DATA = pd.DataFrame({"debt": [900, 100], "months": [3.0, np.nan], "job": ["none", None], "age": [30, 40]})
CODES = {
    "debt": {"code": "R1", "text": "Too much debt", "above": 500},
    "months": [
        {"code": "R2", "text": "The account is too young", "below": 12},
        {"code": "R3", "text": "The account's age is not known to have helped"},
    ],
    "job": {"code": "R4", "text": "No employment"},
}


def told(values, **changes):
    given_ = {"values": np.array(values, dtype=float), "data": DATA, "rows": [1, 2], "codes": CODES}
    return reason_codes(**given_ | changes)


def test_reasons_are_what_lowered_the_score_the_strongest_first():
    found = told([[-0.5, -2.0, 0.3, -1.0], [-0.1, -0.2, -0.2, 0.0]])
    first, second = found["rows"]
    assert [(reason["feature"], reason["code"]) for reason in first["reasons"]] == [
        ("months", "R2"),
        ("age", None),
        ("debt", "R1"),
    ]
    # a missing value meets no condition; equal contributions keep the columns' order
    assert [(reason["feature"], reason["code"]) for reason in second["reasons"]] == [
        ("months", "R3"),
        ("job", "R4"),
        ("debt", None),
    ]
    assert second["reasons"][0]["value"] is None
    assert found["without"] == [{"feature": "age", "n": 1}, {"feature": "debt", "n": 1}]
    assert [row["code"] for row in found["counts"]] == ["R1", "R2", "R3", "R4"]
    json.dumps(found, allow_nan=False)


@settings(max_examples=50, deadline=None)
@given(arrays(float, (2, 4), elements=st.integers(-3, 3).map(float)), st.integers(1, 4))
def test_no_reason_is_passed_over_and_none_raised_the_score(values, most):
    for row, reasons in zip(values, (each["reasons"] for each in told(values, most=most)["rows"]), strict=True):
        sizes = [reason["contribution"] for reason in reasons]
        assert sizes == sorted(row[row < 0])[:most]


def test_at_most_four_reasons():
    data = pd.DataFrame(np.ones((1, 6)), columns=[*"abcdef"])
    found = reason_codes(values=-np.ones((1, 6)), data=data, rows=[1], codes={})
    assert [reason["feature"] for reason in found["rows"][0]["reasons"]] == [*"abcd"]


@pytest.mark.parametrize(
    "text",
    ["Other", " other reasons. ", "Failed to achieve a  qualifying score", "Our internal standards were not met", " "],
)
def test_a_text_that_is_no_specific_reason_is_refused(text):
    with pytest.raises(Unmeasurable, match="no specific reason") as refusal:
        told(np.zeros((2, 4)), codes={"debt": [{"code": "R9", "text": text}]})
    assert refusal.value.param == "reason_codes"


def test_other_rows_are_refused():
    with pytest.raises(Unmeasurable, match="make them match"):
        told(np.zeros((2, 3)))
    with pytest.raises(Unmeasurable, match="make them match"):
        told(np.zeros((2, 4)), rows=[1])
