"""Each group against the largest: tests, adjusted p-values and power, as statsmodels and scipy have them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import power_proportions_2indep, proportions_ztest

from audits.measures import fairness
from audits.measures.comparisons import adjust, detectable, power_of, two_proportions
from audits.measures.counts import Table
from audits.measures.errors import Unmeasurable

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 80), st.integers(1, 80), st.integers(0, 80), st.integers(1, 80))
def test_the_test_is_z_where_there_is_enough_and_fishers_otherwise(x1, more1, x2, more2):
    n1, n2 = x1 + more1, x2 + more2
    name, p = two_proportions(x1, n1, x2, n2)
    if x1 + x2 == 0:
        assert (name, p) == ("none", 1.0)
    elif name == "z":
        assert p == pytest.approx(proportions_ztest([x1, x2], [n1, n2])[1], abs=1e-12)
    else:
        assert p == pytest.approx(fisher_exact([[x1, more1], [x2, more2]])[1], abs=1e-12)
        pooled = (x1 + x2) / (n1 + n2)
        assert min(pooled, 1 - pooled) * min(n1, n2) < 5


@settings(max_examples=10, deadline=None)
@given(P_VALUES)
def test_p_values_are_adjusted_as_statsmodels_adjusts_them(values):
    for ours, theirs in (("holm", "holm"), ("benjamini-hochberg", "fdr_bh")):
        assert adjust(values, ours) == pytest.approx(list(multipletests(values, method=theirs)[1]), abs=1e-12)
    assert adjust(values, "none") == values


@settings(max_examples=30, deadline=None)
@given(st.integers(5, 500), st.integers(5, 500), st.floats(0.1, 0.9), st.floats(-0.09, 0.09))
def test_power_is_that_of_statsmodels(n1, n2, rate, gap):
    expected = power_proportions_2indep(gap, rate, n1, ratio=n2 / n1, alpha=0.05, return_results=False)
    assert power_of(gap, rate, n1, n2, 0.05) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("n1", "x2", "n2"), [(100, 300, 1000), (40, 50, 60), (5000, 10, 9000)])
def test_the_smallest_gap_has_just_enough_power(n1, x2, n2):
    found = detectable(n1, x2, n2, alpha=0.05)
    for side, sign in (("below", -1), ("above", 1)):
        if found[side] is not None:
            assert power_of(sign * found[side], x2 / n2, n1, n2, 0.05) == pytest.approx(0.8, abs=1e-6)
            assert power_of(sign * found[side] * 0.98, x2 / n2, n1, n2, 0.05) < 0.8


def test_a_sample_too_small_to_show_anything_says_so():
    assert detectable(3, 2, 10, alpha=0.05)["below"] is None
    assert detectable(3, 0, 10, alpha=0.05)["below"] is None


def test_the_smallest_gap_is_what_samples_show():
    """Eight of ten samples at the smallest gap are found to differ."""
    gap = detectable(200, 400, 1000, alpha=0.05)["below"]
    made = np.random.default_rng(9)
    one, other = made.binomial(200, 0.4 - gap, 2000), made.binomial(1000, 0.4, 2000)
    shown = [two_proportions(int(x1), 200, int(x2), 1000)[1] < 0.05 for x1, x2 in zip(one, other, strict=True)]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.03)


def compared(**options):
    counts = np.array([[50, 30, 60, 60], [10, 5, 40, 25], [3, 1, 5, 4], [1, 0, 0, 0]])
    table = Table(("g",), [{"g": name} for name in "abcd"], counts)
    return fairness.of_counts([table], **options)


def test_the_reference_is_the_largest_group_and_small_groups_are_left_out():
    found = compared()["comparisons"]
    assert {row["reference"]["g"] for row in found} == {"a"}
    selected = [row for row in found if row["metric"] == "selection_rate"]
    assert [row["group"]["g"] for row in selected] == ["b", "c"]
    assert selected[0]["difference"]["value"] == pytest.approx(15 / 80 - 80 / 200)
    assert [row["test"] for row in selected] == ["z", "z"]
    assert [row["p_adjusted"] for row in selected] == pytest.approx(
        list(multipletests([row["p"] for row in selected], method="holm")[1])
    )


def test_the_adjustment_is_named_and_an_unknown_one_refused():
    assert compared(multiplicity="none")["multiplicity"] == "none"
    for row in compared(multiplicity="none")["comparisons"]:
        assert row["p"] == row["p_adjusted"]
    with pytest.raises(Unmeasurable, match="'holm', 'benjamini-hochberg', 'none'"):
        compared(multiplicity="bonferroni")
