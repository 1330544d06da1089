"""Breach, no breach, not enough evidence: what intervals of all pairs of groups say about a tolerance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audits.measures import fairness
from audits.measures.answers import Family, answer
from audits.measures.counts import Table
from audits.measures.errors import Unmeasurable
from audits.measures.intervals import mover_differences, mover_ratio, mover_ratios, newcombe, wilson, wilson_limits

SAMPLES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=6)


def limits_of(samples, confidence=0.95):
    successes, failures = np.array(samples).T
    return wilson_limits(successes, successes + failures, confidence)


def same(found, place, expected):
    parts = (found.value[place], found.low[place], found.high[place])
    for ours, theirs in zip(parts, (expected.value, expected.low, expected.high), strict=True):
        if theirs is None:
            assert not np.isfinite(ours)
        else:
            assert ours == pytest.approx(theirs, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(SAMPLES, st.sampled_from([0.8, 0.95, 0.999]))
def test_many_intervals_at_once_are_the_single_ones(samples, confidence):
    found = limits_of(samples, confidence)
    counts = [(x, x + y) for x, y in samples]
    for place, (x, n) in enumerate(counts):
        same(found, place, wilson(x, n, confidence))
    differences, ratios = mover_differences(found[:1], found), mover_ratios(found[:1], found)
    for place, sample in enumerate(counts):
        same(differences, place, newcombe(*counts[0], *sample, confidence))
        same(ratios, place, mover_ratio(*counts[0], *sample, confidence))


def said(samples, kind, tolerance, confidence=0.95):
    groups = [{"g": place} for place in range(len(samples))]
    family = Family("selection_rate", lambda level: limits_of(samples, level))
    return answer([family], groups=groups, kind=kind, tolerance=tolerance, confidence=confidence)


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.tuples(st.integers(1, 60), st.integers(1, 60))] * 2), st.floats(0.05, 0.5))
def test_of_two_groups_the_answer_is_what_the_interval_says(samples, tolerance):
    (x1, y1), (x2, y2) = samples
    low_high = newcombe(x1, x1 + y1, x2, x2 + y2, 0.95)
    inside = -tolerance <= low_high.low and low_high.high <= tolerance
    beyond = low_high.low > tolerance or low_high.high < -tolerance
    expected = "breach" if beyond else "no breach" if inside else "not enough evidence"
    assert said(samples, "difference", tolerance)["answer"] == expected
    ratio, inverse = mover_ratio(x1, x1 + y1, x2, x2 + y2, 0.95), mover_ratio(x2, x2 + y2, x1, x1 + y1, 0.95)
    least = 1 - tolerance
    beyond = ratio.high < least or inverse.high < least
    inside = ratio.low >= least and inverse.low >= least
    expected = "breach" if beyond else "no breach" if inside else "not enough evidence"
    assert said(samples, "ratio", least)["answer"] == expected


def test_a_small_group_cannot_hide_behind_two_large_ones():
    """The rate of the third is between the others, but nobody knows it."""
    large = [(5000, 5000), (5100, 4900)]
    assert said(large, "difference", 0.1)["answer"] == "no breach"
    found = said([*large, (4, 4)], "difference", 0.1)
    assert found["answer"] == "not enough evidence"
    assert {"g": 2} in (found["decided_by"]["smaller"], found["decided_by"]["larger"])


def test_the_more_pairs_the_more_a_breach_takes():
    pair = [(40, 60), (58, 42)]
    assert said(pair, "difference", 0.03)["answer"] == "breach"
    found = said([*pair, *[(49, 51)] * 8], "difference", 0.03)
    assert found["answer"] == "not enough evidence"
    assert found["decided_by"]["confidence"] == pytest.approx(1 - 0.05 / 45)
    assert found["decided_by"]["low"] < 0.03


def test_groups_that_differ_by_chance_are_seldom_a_breach():
    """Twelve groups of 40 with one rate: the extreme pair's own interval excludes 0 nearly every time."""
    drawn = np.random.default_rng(2).binomial(40, 0.4, size=(300, 12))
    breaches = [said([(x, 40 - x) for x in row], "difference", 0.0)["answer"] == "breach" for row in drawn.tolist()]
    naive = [newcombe(max(row), 40, min(row), 40, 0.95).low > 0 for row in drawn.tolist()]
    assert np.mean(breaches) <= 0.05
    assert np.mean(naive) > 0.5


def test_a_ratio_to_nothing_is_no_evidence():
    found = said([(0, 30), (0, 40)], "ratio", 0.8)
    assert found["answer"] == "not enough evidence"
    assert found["decided_by"]["high"] is None


def table(*counts):
    return Table(("g",), [{"g": place} for place in range(len(counts))], np.array(counts))


def answers(found):
    return {(row["metric"], row["kind"]): row["answer"] for row in found["disparities"]}


def test_equalized_odds_needs_both_rates():
    """True positive rates agree, false positive rates are unknown in the second group."""
    found = answers(fairness.of_counts([table([4000, 500, 4500, 1000], [4000, 1, 2, 1000])]))
    assert found["true_positive_rate", "difference"] == "no breach"
    assert found["equalized_odds", "difference"] == "not enough evidence"
    found = answers(fairness.of_counts([table([4000, 500, 4500, 1000], [4000, 3000, 2000, 1000])]))
    assert found["equalized_odds", "difference"] == "breach"
    assert found["equalized_odds", "ratio"] == "breach"


def test_what_is_undefined_is_not_enough_evidence():
    found = fairness.of_counts([table([4, 3, 2, 1], [0, 3, 2, 0])])
    [row] = [row for row in found["disparities"] if (row["metric"], row["kind"]) == ("equalized_odds", "ratio")]
    assert (row["value"], row["answer"], row["decided_by"]) == (None, "not enough evidence", None)


def test_without_a_tolerance_there_is_no_answer():
    found = fairness.of_counts([table([4, 3, 2, 1], [5, 3, 2, 2])], tolerance_ratio=None)
    assert {row["kind"] for row in found["disparities"] if "answer" in row} == {"difference"}


@pytest.mark.parametrize("options", [{"tolerance_ratio": 0}, {"tolerance_ratio": 1.2}, {"tolerance_difference": -0.1}])
def test_a_tolerance_that_cannot_be_is_refused(options):
    with pytest.raises(Unmeasurable, match="pass a share"):
        fairness.of_counts([table([4, 3, 2, 1], [5, 3, 2, 2])], **options)
