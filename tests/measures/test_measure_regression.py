"""Predicted amounts: scikit-learn's errors, order statistics by counting, coverage, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from audits.measures import regression
from audits.measures.errors import Unmeasurable

ROWS = st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_errors_are_scikit_learns(rows):
    target, prediction = np.array(rows, dtype=float).T / 4
    found = regression.assess(target=target, prediction=prediction, bands=4)
    assert found["mae"]["value"] == pytest.approx(metrics.mean_absolute_error(target, prediction))
    assert found["rmse"]["value"] == pytest.approx(metrics.root_mean_squared_error(target, prediction))
    assert found["bias"]["value"] == pytest.approx((prediction - target).mean(), abs=1e-12)
    if len(set(target)) > 1:
        assert found["r2"]["value"] == pytest.approx(metrics.r2_score(target, prediction))
    else:
        assert found["r2"]["value"] is None
        assert any("R² is undefined" in sentence for sentence in found["limitations"])
    usable = target != 0
    assert found["mape"]["zeros"] == (~usable).sum()
    if usable.any():
        expected = metrics.mean_absolute_percentage_error(target[usable], prediction[usable])
        assert found["mape"]["value"] == pytest.approx(expected)
    for row in found["quantiles"]:
        assert row["value"] == pytest.approx(np.quantile(prediction - target, row["quantile"]))
        assert (row["low"] is None) or row["low"] <= row["value"]
        assert (row["high"] is None) or row["high"] >= row["value"]
    assert sum(band["n"] for band in found["bands"]) == len(rows)
    json.dumps(found, allow_nan=False)


def test_a_mean_has_the_normal_interval_of_its_rows():
    error = np.array([1.0, -2.0, 3.0, 0.5, 4.0])
    target = np.arange(1.0, 6.0)
    found = regression.assess(target=target, prediction=target + error)["bias"]
    low, high = stats.norm.interval(0.95, error.mean(), error.std(ddof=1) / 5**0.5)
    assert (found["low"], found["high"]) == pytest.approx((low, high))


@pytest.mark.parametrize(("n", "ranks"), [(5, (None, None)), (6, (1, 6)), (20, (6, 15)), (100, (40, 61))])
def test_the_published_ranks_of_the_medians_limits(n, ranks):
    """95% limits of a median: the 1st and 6th of 6, the 6th and 15th of 20, the 40th and 61st of 100."""
    found = regression.quantile_of(np.arange(1.0, n + 1), 0.5, 0.95)
    assert (found["low"], found["high"]) == ranks


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200), st.sampled_from([0.01, 0.1, 0.5, 0.9]), st.sampled_from([0.8, 0.95]))
def test_the_limits_of_a_quantile_hold_it_with_the_confidence_at_least(n, share, confidence):
    found = regression.quantile_of(np.arange(1.0, n + 1), share, confidence)
    below = stats.binom(n, share).cdf  # of the rows below the quantile
    tail = (1 - confidence) / 2
    if found["low"] is not None:
        assert below(found["low"] - 1) <= tail + 1e-12
        assert below(found["low"]) > tail  # the next rank would not do
    else:
        assert below(0) > tail
    if found["high"] is not None:
        assert 1 - below(found["high"] - 1) <= tail + 1e-12
    else:
        assert 1 - below(n - 1) > tail


@pytest.mark.parametrize(
    ("target", "prediction", "said"),
    [
        ([0, 0], [1, 2], "MAPE is undefined: the target is 0 in every row."),
        ([0, 2], [1, 2], "MAPE leaves out 1 of 2 rows, whose target is 0."),
        ([5e-324, 2], [1, 2], "so close to 0"),
        ([2], [3], "A single row has no interval."),
    ],
)
def test_what_limits_a_measure_is_said(target, prediction, said):
    found = regression.assess(target=target, prediction=prediction)
    assert any(said in sentence for sentence in found["limitations"])
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("changes", "param", "said"),
    [
        ({"target": [1, np.nan]}, "target", "missing in row 2"),
        ({"prediction": [1, np.inf]}, "prediction", "infinite in row 2"),
        ({"prediction": [1, 1e300]}, "prediction", "larger than 1e\\+150 in row 2"),
        ({"target": [1]}, "prediction", "has 2 rows"),
        ({"target": [], "prediction": []}, "target", "no rows"),
        ({"quantiles": [1.0]}, "quantiles", "between 0 and 1"),
        ({"target": ["a", "b"]}, "target", "holds text"),
    ],
)
def test_input_without_a_right_answer_is_refused(changes, param, said):
    with pytest.raises(Unmeasurable, match=said) as refusal:
        regression.assess(**{"target": [1, 2], "prediction": [1, 3]} | changes)
    assert refusal.value.param == param
