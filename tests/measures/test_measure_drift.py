"""Drift: worked numbers, agreement with scipy and statsmodels, pinned bins and ties, chance, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance
from statsmodels.stats.multitest import multipletests

from audits.measures import drift, windows
from audits.measures import drift_thresholds as thresholds
from audits.measures.errors import Unmeasurable

TIED = st.lists(st.integers(0, 12).map(float), min_size=2, max_size=50)
NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50)
COUNTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=8).filter(
    lambda rows: all(sum(side) for side in zip(*rows, strict=True))
)


def test_the_worked_psi(oracles):
    for worked in oracles["worked_metrics"]["psi"]:
        counts = [[round(100 * share) for share in worked[side]] for side in ("expected", "actual")]
        assert drift.psi(*counts) == pytest.approx(worked["psi"], abs=5e-8)
    assert oracles["worked_metrics"]["psi"][1]["psi"] < thresholds.FOLKLORE["act"]


def test_a_published_psi(oracles):
    published = oracles["toad_psi"]
    assert drift.psi(published["base"], published["actual"]) == pytest.approx(published["PSI"], abs=1e-12)


def test_an_empty_bin_counts_as_half_a_row():
    found = drift.psi([10, 0], [5, 5])
    assert found == pytest.approx((0.5 - 1) * np.log(0.5) + (0.5 - 0.05) * np.log(0.5 / 0.05))
    assert drift.psi([10, 0, 5], [10, 0, 5]) == 0
    with pytest.raises(Unmeasurable):
        drift.psi([0, 0], [1, 2])


@settings(max_examples=50, deadline=None)
@given(COUNTS)
def test_counts_are_measured_as_scipy_does(rows):
    reference, current = (np.array(side) for side in zip(*rows, strict=True))
    found = drift.jensen_shannon(reference, current)
    assert found["distance"] == pytest.approx(distance.jensenshannon(reference, current, base=2), abs=1e-7)
    assert found["divergence"] == pytest.approx(found["distance"] ** 2)
    kept = np.array([reference, current])[:, reference + current > 0]
    chi = drift.chi_square(reference, current)
    if kept.shape[1] == 1:
        assert chi["p"] is None
        return
    theirs = stats.chi2_contingency(kept, correction=False)
    assert (chi["value"], chi["p"], chi["df"]) == pytest.approx((theirs.statistic, theirs.pvalue, theirs.dof), abs=1e-9)
    v = stats.contingency.association(kept, method="cramer")
    assert chi["cramers_v"] == pytest.approx(v, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.one_of(TIED, NUMBERS), st.one_of(TIED, NUMBERS))
def test_numbers_are_measured_as_scipy_does(reference, current):
    found = drift.numbers([*reference, np.nan], current)
    theirs = stats.ks_2samp(reference, current, method="asymp")
    assert found["ks"]["value"] == pytest.approx(theirs.statistic, abs=1e-12)
    assert found["ks"]["p"] == pytest.approx(theirs.pvalue, abs=1e-9)
    assert found["wasserstein"]["value"] == pytest.approx(
        stats.wasserstein_distance(reference, current), rel=1e-9, abs=1e-9
    )
    assert sum(found["bins"]["reference"]) == len(reference)
    assert sum(found["bins"]["current"]) == len(current)
    assert found["missing"]["reference"] == 1
    json.dumps(found, allow_nan=False)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12), st.sampled_from(["bonferroni", "holm", "bh"]))
def test_p_values_are_adjusted_as_statsmodels_does(p, method):
    theirs = multipletests(p, method={"bh": "fdr_bh"}.get(method, method))[1]
    assert thresholds.adjusted(p, method) == pytest.approx(list(theirs))
    assert thresholds.adjusted([None, *p], method)[0] is None
    assert thresholds.adjusted(p, "none") == p


def test_bins_are_closed_on_the_right_and_come_from_the_reference():
    assert drift.edges_of(np.arange(1.0, 101.0), 10) == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert list(drift.cut(np.array([-5.0, 10.0, 10.5, 20.0, 500.0]), [10, 20])) == [2, 2, 1]


def test_tied_deciles_are_merged_and_few_numbers_are_bins_of_their_own():
    assert drift.edges_of(np.array([0.0] * 75 + list(range(1, 26))), 10) == [0, 5, 15]
    assert drift.edges_of(np.array([0.0, 1.0, 1.0, 1.0]), 10) == [0]  # else 1 would be every decile, and the one bin
    below, equal = drift.edges_of(np.array([7.0, 7.0]), 10)
    assert below < equal == 7
    assert drift.numbers([7.0] * 50, [6.0] * 50)["bins"]["current"] == [50, 0, 0]


def test_frozen_edges_give_the_same_bins_whatever_the_reference():
    first = drift.numbers(np.arange(100.0), np.arange(50.0))
    again = drift.numbers(np.arange(40.0), np.arange(50.0), edges=first["bins"]["edges"])
    assert again["bins"]["current"] == first["bins"]["current"]
    for edges in ([], [2, 1], [1, 1], [np.nan]):
        with pytest.raises(Unmeasurable, match="rise"):
            drift.numbers([1.0], [1.0], edges=edges)


def test_chance_exceeds_the_critical_psi_as_often_as_said():
    """2,000 samples without drift, at 5 %: the standard error is 0.5 points."""
    drawn, alarms = np.random.default_rng(5), 0
    for _ in range(2000):
        reference, current = np.sort(drawn.random(800)), np.sort(drawn.random(500))
        edges = drift.edges_of(reference, 10)
        test = drift.psi_test(drift.cut(reference, edges), drift.cut(current, edges), 0.05)
        alarms += test["psi"] > test["critical"]
        assert (test["psi"] > test["critical"]) == (test["p"] < 0.05)
    assert 0.035 <= alarms / 2000 <= 0.065


def test_the_critical_values_are_those_published():
    # Yurdakul 2018: (1/n + 1/m) chi-square; 0.95 quantile of chi-square with 9 degrees of freedom is 16.919
    assert thresholds.psi_critical(1000, 1000, 10, 0.05) == pytest.approx(0.002 * 16.919, rel=1e-4)
    assert thresholds.psi_critical(100, 100, 1, 0.05) is None
    # Smirnov: 1.358 sqrt((n + m) / nm)
    assert thresholds.ks_critical(10_000, 10_000, 0.05) == pytest.approx(1.358 * np.sqrt(2e-4), rel=2e-3)
    assert thresholds.ks_p(thresholds.ks_critical(300, 200, 0.05), 300, 200) == pytest.approx(0.05)


@pytest.mark.parametrize("statistic", [0.002, 0.005, 0.008, 0.012, 0.02])
def test_p_values_of_ks_in_large_samples(statistic):
    theirs = stats.kstwo.sf(statistic, 20_000)
    assert thresholds.ks_p(statistic, 40_000, 40_000) == pytest.approx(theirs, rel=1e-3, abs=1e-9)


def test_bins_too_sparse_for_the_test_are_put_together():
    test = drift.psi_test(np.array([500, 490, 1, 1, 1]), np.array([500, 490, 1, 0, 1]), 0.05)
    assert test["bins"] == 2
    assert drift.psi_test(np.array([2, 2]), np.array([1, 2]), 0.05) == {
        "bins": 1,
        "psi": 0.0,
        "critical": None,
        "p": None,
    }


@pytest.mark.parametrize(
    ("psi", "p", "critical", "said"),
    [
        (0.3, 0.001, 0.02, "drift"),
        (0.05, 1e-9, 0.001, "no drift"),  # more than chance, and still small
        (0.05, 0.4, 0.02, "no drift"),
        (0.3, 0.2, 0.4, "not enough data"),  # large, and chance explains it
        (0.05, 0.9, 0.4, "not enough data"),  # small, in samples too small to show more
        (None, None, None, "not enough data"),
    ],
)
def test_there_are_three_answers(psi, p, critical, said):
    assert thresholds.answer(psi, p, critical, threshold=0.1, alpha=0.05)[0] == said


def test_categories_unseen_in_the_reference_and_gone_ones_are_named():
    found = drift.categories(["a"] * 50 + ["b"] * 30 + ["c"] * 20, ["a"] * 60 + ["b"] * 30 + ["new"] * 10)
    assert found["novel"] == [{"category": "new", "rows": 10}]
    assert found["gone"] == [{"category": "c", "rows": 20}]
    assert found["bins"]["categories"] == ["a", "b", "c", drift.UNSEEN]
    assert found["bins"]["current"] == [60, 30, 0, 10]
    assert found["psi"]["empty_bins"] == 2


def test_rare_categories_beyond_fifty_share_a_bin():
    reference = [f"c{number:03}" for number in range(80) for _ in range(3 if number < 50 else 1)]
    found = drift.categories(reference, [*reference, "c079", "other"])
    assert len(found["bins"]["categories"]) == 52
    assert found["bins"]["reference"][50] == 30
    assert found["bins"]["current"][50:] == [31, 1]
    known = set(reference)
    coded = windows.codes(pd.Series(["c000", "c079", "other", None]), found["bins"], known)
    assert list(coded) == [0, 50, 51, -1]


@pytest.mark.parametrize(("reference", "current"), [([np.nan], [1.0]), ([1.0], []), ([np.inf], [1.0])])
def test_a_column_without_values_is_undefined_with_a_reason(reference, current):
    found = drift.numbers(reference, current)
    assert found["psi"]["value"] is None
    assert "no value in the" in found["psi"]["reason"]
    json.dumps(found, allow_nan=False)


def test_infinite_and_huge_numbers_never_give_a_wrong_number():
    found = drift.numbers([-1.7e308, np.inf], [1.7e308])
    assert found["infinite"] == {"reference": 1, "current": 0}
    assert found["wasserstein"]["value"] is None
    assert "too large" in found["wasserstein"]["reason"]
    json.dumps(found, allow_nan=False)


def test_missing_cells_are_a_change_of_their_own():
    found = drift.numbers(np.arange(200.0), np.where(np.arange(200) < 50, np.nan, np.arange(200)))["missing"]
    assert (found["reference"], found["current"], found["changed"]) == (0, 50, True)
    assert found["difference"]["value"] == 0.25


def test_one_row_is_not_enough_data():
    found = drift.numbers([1.0], [2.0])
    assert found["test"]["p"] is None
    assert found["ks"]["value"] == 1


# ---- windows


@pytest.mark.parametrize(
    ("window", "named"),
    [
        ("day", ["2026-01-04", "2026-01-05", None, "2026-04-01"]),
        ("week", ["2025-12-29", "2026-01-05", None, "2026-03-30"]),
        ("month", ["2026-01", "2026-01", None, "2026-04"]),
        ("quarter", ["2026Q1", "2026Q1", None, "2026Q2"]),
        ("year", ["2026", "2026", None, "2026"]),
        ("value", ["2026-01-04", "2026-01-05T10:00:00Z", None, "2026-04-01"]),
    ],
)
def test_rows_fall_in_windows(window, named):
    times = pd.Series(["2026-01-04", "2026-01-05T10:00:00Z", None, "2026-04-01"], dtype="str")
    assert list(windows.periods(times, window)) == named


def test_windows_of_numbers_are_in_the_order_of_numbers():
    labels = windows.periods(pd.Series([10, 9, 11, 9]), "value")
    assert windows.ordered(labels) == ["9", "10", "11"]


def test_times_without_a_date_and_too_many_windows_are_refused():
    with pytest.raises(Unmeasurable, match="row 2 is “soon”"):
        windows.periods(pd.Series(["2026-01-01", "soon"]), "day")
    with pytest.raises(Unmeasurable, match="200 windows"):
        windows.periods(pd.Series(range(200)), "value")
    with pytest.raises(Unmeasurable, match="0 windows"):
        windows.periods(pd.Series([None, None], dtype="object"), "value")
    with pytest.raises(Unmeasurable, match="choose from"):
        windows.periods(pd.Series(["2026-01-01"]), "hour")


def test_each_window_is_held_against_the_reference_and_the_one_before():
    drawn = np.random.default_rng(2)
    reference = drawn.normal(size=2000)
    current = np.concatenate([drawn.normal(size=1000), drawn.normal(2, 1, size=1000)])
    bins = drift.numbers(reference, current)["bins"]
    labels = np.array(["2026-01"] * 1000 + ["2026-02"] * 999 + [None], dtype=object)
    coded = windows.codes(current, bins)
    first, second = windows.over_time(
        labels, {"x": (coded, bins["reference"])}, threshold=0.1, alpha=0.05, multiplicity="holm"
    )
    assert (first["n"], second["n"]) == (1000, 999)
    assert first["against_reference"]["answer"] == "no drift"
    assert first["against_before"] is None
    assert second["against_reference"]["answer"] == second["against_before"]["answer"] == "drift"
    assert second["against_reference"]["psi"] == drift.psi(
        bins["reference"], drift.cut(current[1000:-1], bins["edges"])
    )


def test_concept_drift_where_labels_exist():
    drawn = np.random.default_rng(4)
    score = drawn.random(2000)
    good = (drawn.random(2000) < score).astype(float)
    turned = (drawn.random(2000) < 0.5).astype(float)
    turned[:500] = np.nan  # labels that are not in yet
    before = windows.outcomes(good, score, (score >= 0.5).astype(float), 0.95)
    after = windows.outcomes(turned, score, (score >= 0.5).astype(float), 0.95)
    assert (after["n"], after["labelled"]) == (2000, 1500)
    found = windows.changed(before, after, 0.95)
    assert found["auc"]["answer"] == found["accuracy"]["answer"] == "change"
    assert found["auc"]["high"] < 0
    same = windows.changed(before, before, 0.95)
    assert {one["answer"] for one in same.values()} == {"no change shown"}


def test_concept_drift_without_labels_is_not_enough_data():
    before = windows.outcomes([1.0, 0.0, 1.0], [0.9, 0.1, 0.8], None, 0.95)
    after = windows.outcomes([np.nan, np.nan], [0.9, 0.1], None, 0.95)
    assert after["auc"]["value"] is None
    found = windows.changed(before, after, 0.95)
    assert {one["answer"] for one in found.values()} == {"not enough data"}
    json.dumps([after, found], allow_nan=False)
