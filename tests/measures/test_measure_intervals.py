"""Intervals: the printed examples of the papers, scipy, exact coverage, and the empty cases."""

import json
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binom, binomtest

from audits.measures.errors import Unmeasurable
from audits.measures.intervals import Estimate, mover_ratio, newcombe, wilson


@pytest.mark.parametrize(
    ("x", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_limits_printed_by_newcombe_1998(x, n, low, high):
    found = wilson(x, n, 0.95)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(st.integers(1, 500), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_wilson_equals_scipy(n, data, confidence):
    x = data.draw(st.integers(0, n))
    found = wilson(x, n, confidence)
    expected = binomtest(x, n).proportion_ci(confidence, method="wilson")
    assert found.value == x / n
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(
    ("table", "limits"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((6, 7, 2, 7), (0.0582, 0.8062)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((0, 10, 0, 20), (-0.1611, 0.2775)),
        ((10, 10, 0, 20), (0.6791, 1.0)),
        ((10, 10, 0, 10), (0.6075, 1.0)),
    ],
)
def test_newcombe_gives_the_limits_printed_in_the_paper(table, limits):
    x1, n1, x2, n2 = table
    found = newcombe(*table, 0.95)
    assert found.value == pytest.approx(x1 / n1 - x2 / n2)
    assert (found.low, found.high) == pytest.approx(limits, abs=5e-5)


@pytest.mark.parametrize(("x1", "n1", "x2", "n2"), [(8, 12, 40, 50), (1, 30, 200, 500), (30, 30, 3, 9), (2, 9, 1, 90)])
def test_mover_limits_are_the_ratios_at_which_the_difference_touches_zero(x1, n1, x2, n2):
    first, second = wilson(x1, n1, 0.95), wilson(x2, n2, 0.95)

    def lowest(ratio):
        spread = sqrt((first.value - first.low) ** 2 + ratio**2 * (second.high - second.value) ** 2)
        return first.value - ratio * second.value - spread

    def highest(ratio):
        spread = sqrt((first.high - first.value) ** 2 + ratio**2 * (second.value - second.low) ** 2)
        return first.value - ratio * second.value + spread

    found = mover_ratio(x1, n1, x2, n2, 0.95)
    assert found.value == pytest.approx((x1 / n1) / (x2 / n2))
    assert found.low == pytest.approx(brentq(lowest, 0, 1e6, xtol=1e-13), rel=1e-9)
    assert found.high == pytest.approx(brentq(highest, 0, 1e6, xtol=1e-13), rel=1e-9)


def test_a_ratio_over_zero_has_a_lower_limit_only():
    found = mover_ratio(3, 10, 0, 20, 0.95)
    assert (found.value, found.high) == (None, None)
    assert 0 < found.low < (3 / 10) / wilson(0, 20, 0.95).high
    assert mover_ratio(0, 10, 0, 20, 0.95) == Estimate(None, 0.0, None)
    assert mover_ratio(0, 10, 5, 20, 0.95).low == 0.0


@given(st.integers(0, 40), st.integers(0, 40), st.data())
def test_limits_hold_their_value_and_never_leak_what_json_cannot_say(n1, n2, data):
    x1, x2 = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    for found in (wilson(x1, n1, 0.95), newcombe(x1, n1, x2, n2, 0.95), mover_ratio(x1, n1, x2, n2, 0.95)):
        json.dumps(found.as_json(), allow_nan=False)
        if found.value is not None:
            assert found.low - 1e-12 <= found.value <= found.high + 1e-12


def test_an_empty_sample_has_no_estimate():
    assert wilson(0, 0, 0.95) == newcombe(0, 0, 1, 2, 0.95) == mover_ratio(1, 2, 0, 0, 0.95) == Estimate()


@pytest.mark.parametrize(("x", "n"), [(-1, 5), (6, 5)])
def test_impossible_counts_are_refused(x, n):
    for attempt in (
        lambda: wilson(x, n, 0.95),
        lambda: newcombe(x, n, 0, 0, 0.95),
        lambda: mover_ratio(1, 2, x, n, 0.95),
    ):
        with pytest.raises(Unmeasurable, match=f"{x} successes in {n} trials"):
            attempt()


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, float("nan"), True])
def test_a_confidence_that_is_no_share_is_refused(confidence):
    with pytest.raises(Unmeasurable, match=r"such as 0\.95") as refusal:
        wilson(1, 2, confidence)
    assert refusal.value.param == "confidence"


@pytest.mark.parametrize(
    ("n1", "n2", "p1", "p2", "expected"),
    [(30, 500, 0.05, 0.40, (0.941, 0.957, 0.948)), (30, 500, 0.30, 0.40, (0.930, 0.951, 0.951))],
)
def test_coverage_is_what_it_claims_in_a_small_group(n1, n2, p1, p2, expected):
    """Exact: every table weighed by its chance, no simulation."""
    chance1, chance2 = binom.pmf(np.arange(n1 + 1), n1, p1), binom.pmf(np.arange(n2 + 1), n2, p2)
    covered = np.zeros(3)
    for x1 in np.flatnonzero(chance1 > 1e-9):
        rate = wilson(int(x1), n1, 0.95)
        covered[0] += chance1[x1] * (rate.low <= p1 <= rate.high)
        for x2 in np.flatnonzero(chance2 > 1e-6):
            weight = chance1[x1] * chance2[x2]
            difference = newcombe(int(x1), n1, int(x2), n2, 0.95)
            ratio = mover_ratio(int(x1), n1, int(x2), n2, 0.95)
            covered[1] += weight * (difference.low <= p1 - p2 <= difference.high)
            covered[2] += weight * (ratio.low <= p1 / p2 <= ratio.high)
    assert covered == pytest.approx(expected, abs=0.006)
