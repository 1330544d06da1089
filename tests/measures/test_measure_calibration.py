"""Calibration: published Hosmer-Lemeshow numbers, parts that sum to the Brier score, statsmodels' own fit."""

import json
import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from audits.measures import calibration, performance
from audits.measures.errors import Unmeasurable

SCORED = st.lists(st.tuples(st.booleans(), st.integers(0, 16)), min_size=2, max_size=60)


def split(rows):
    return np.array([y for y, _ in rows]), np.array([s for _, s in rows]) / 16


@pytest.mark.parametrize(("sample", "df", "p_value"), [("development", 3, 0.76238), ("external", 5, 0.94856)])
def test_the_published_hosmer_lemeshow_groups(oracles, sample, df, p_value):
    oracle = oracles["worked_metrics"]["hosmer_lemeshow"]
    sizes = np.full(5, oracle["n_each"])
    expected = sizes * np.array(oracle["p"])
    found = calibration.hosmer_lemeshow(sizes, np.array(oracle["observed"]), expected, sample)
    assert found["statistic"] == pytest.approx(oracle["chi2"], abs=1e-6)
    assert (found["df"], found["sample"]) == (df, sample)
    assert found["p_value"] == pytest.approx(p_value, abs=1e-5)
    assert found["thin"] == 1  # four rows are expected in the first group


@settings(max_examples=50, deadline=None)
@given(SCORED, st.integers(1, 12), st.sampled_from(["width", "count"]))
def test_the_parts_of_the_brier_score_sum_to_it(rows, bins, binning):
    target, score = split(rows)
    result = performance.assess(
        target=target, score=score, prediction=score >= 0.5, threshold=0.5, bins=bins, binning=binning
    )
    part = result["brier_decomposition"]
    whole = part["reliability"] - part["resolution"] + part["uncertainty"]
    whole += part["within_bin_variance"] - part["within_bin_covariance"]
    assert whole == pytest.approx(result["brier"]["value"], abs=1e-12)
    json.dumps(result, allow_nan=False)


@settings(max_examples=30, deadline=None)
@given(SCORED)
def test_bins_as_fine_as_the_scores_leave_murphys_three_parts(rows):
    target, score = split(rows)
    part = calibration.decomposition(target, score, np.unique(score, return_inverse=True)[1])
    three = part["reliability"] - part["resolution"] + part["uncertainty"]
    assert three == pytest.approx(np.mean((score - target) ** 2), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(SCORED, st.integers(2, 12))
def test_equal_scores_share_an_equally_full_bin(rows, bins):
    _, score = split(rows)
    place = calibration.equal_count(score, bins)
    assert sorted(set(place)) == list(range(place.max() + 1))
    order = np.argsort(score, kind="stable")
    assert (np.diff(place[order]) >= 0).all()
    for value in set(score):
        assert len(set(place[score == value])) == 1


def test_equally_full_bins_without_ties_are_scikit_learns():
    generator = np.random.default_rng(3)
    score = generator.permutation(np.arange(200) / 200)
    target = generator.random(200) < score
    result = performance.assess(target=target, score=score, prediction=target, threshold=None, binning="count")
    assert [row["n"] for row in result["calibration"]] == [20] * 10
    observed, means = calibration_curve(target, score, n_bins=10, strategy="quantile")
    assert [row["observed_rate"] for row in result["calibration"]] == pytest.approx(list(observed))
    assert [row["mean_score"] for row in result["calibration"]] == pytest.approx(list(means))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 19)), min_size=6, max_size=60))
def test_recalibration_is_the_logistic_regression_of_statsmodels(rows):
    target, score = np.array([y for y, _ in rows]), np.array([s for _, s in rows]) / 20
    found = calibration.recalibration(target, score, 0.95)
    if target.all() or not target.any():
        assert found["reason"] == "the target holds a single outcome"
        return
    odds = np.log(score / (1 - score))
    large = sm.GLM(target.astype(float), np.ones(len(odds)), family=sm.families.Binomial(), offset=odds).fit(tol=1e-12)
    assert found["in_the_large"]["value"] == pytest.approx(large.params[0], abs=1e-6)
    if "reason" in found:
        assert found["slope"]["value"] is None
        return
    with warnings.catch_warnings(action="ignore"):  # nearly separate outcomes
        fit = sm.Logit(target, sm.add_constant(odds)).fit(disp=0, maxiter=200, tol=1e-12)
    for at, name in enumerate(("intercept", "slope")):
        estimate = found[name]
        assert estimate["value"] == pytest.approx(fit.params[at], rel=1e-5, abs=1e-6)
        assert [estimate["low"], estimate["high"]] == pytest.approx(list(fit.conf_int()[at]), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("target", "score", "reason"),
    [
        ([1, 1, 1], [0.2, 0.5, 0.7], "single outcome"),
        ([0, 1, 1], [0.0, 0.5, 1.0], "2 scores are exactly 0 or 1"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.2, 0.9], "separate the outcomes completely"),
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.9], "separate the outcomes completely"),
        ([0, 1, 1], [0.5, 0.5, 0.5], "every row has the same score"),
    ],
)
def test_a_slope_that_does_not_exist_is_null_with_its_reason(target, score, reason):
    found = calibration.recalibration(np.array(target, dtype=bool), np.array(score), 0.95)
    assert found["slope"] == {"value": None, "low": None, "high": None}
    assert reason in found["reason"]


def test_a_constant_score_still_has_an_intercept():
    found = calibration.recalibration(np.array([True, True, False, True]), np.full(4, 0.5), 0.95)
    assert found["in_the_large"]["value"] == pytest.approx(np.log(3))


@pytest.mark.parametrize(
    ("observed", "expected", "reason"),
    [([3, 0, 5], [10.0, 0.0, 4.0], "all 0 or all 1"), ([3, 2], [3.0, 2.0], "2 groups leave no degree")],
)
def test_a_test_of_fit_that_does_not_exist_is_null_with_its_reason(observed, expected, reason):
    sizes = np.full(len(observed), 10)
    found = calibration.hosmer_lemeshow(sizes, np.array(observed), np.array(expected), "development")
    assert (found["statistic"], found["p_value"]) == (None, None)
    assert reason in found["reason"]


def test_a_group_of_certain_scores_that_were_right_adds_nothing():
    sizes, observed = np.array([10, 10]), np.array([0, 4])
    found = calibration.hosmer_lemeshow(sizes, observed, np.array([0.0, 5.0]), "external")
    assert found["statistic"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("options", "param"),
    [({"binning": "deciles"}, "binning"), ({"groups": 1}, "groups"), ({"sample": "test"}, "sample")],
)
def test_unknown_choices_are_refused(options, param):
    with pytest.raises(Unmeasurable) as refusal:
        performance.assess(target=[0, 1], score=[0.2, 0.7], prediction=[0, 1], threshold=0.5, **options)
    assert refusal.value.param == param
