"""LIME: a linear model is recovered, and the ridge is scikit-learn's."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from audits.measures.errors import Unmeasurable
from audits.measures.local_surrogate import CONSTANT, INFINITE, MISSING, local_surrogates, weighted_ridge


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(6)
    return pd.DataFrame(
        {
            "a": random.normal(5, 2, 100),
            "b": random.integers(0, 9, 100),
            "job": random.choice(["x", "y", None], 100),
            "same": 1.0,
        }
    )


def linear(frame):
    return (0.5 * frame["a"] - 0.25 * frame["b"] + (frame["job"] == "x")).to_numpy(dtype=float)


def test_a_linear_models_coefficients_are_recovered(data):
    place = int(np.flatnonzero(data["job"] == "x")[0])
    (found,) = local_surrogates(score=linear, data=data, places=[place], rows=[place + 1], samples=200, ridge=0)
    weights = {row["feature"]: row["coefficient"] for row in found["coefficients"]}
    assert weights["a"] == pytest.approx(0.5 * data["a"].std(ddof=0))
    assert weights["b"] == pytest.approx(-0.25 * data["b"].std(ddof=0))
    assert weights["job"] == pytest.approx(1)
    assert found["r2"] == pytest.approx(1)
    assert found["score"] == found["surrogate"] == pytest.approx(linear(data)[place])
    assert {row["feature"]: row["reason"] for row in found["coefficients"]}["same"] == CONSTANT
    json.dumps(found, allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_the_ridge_is_scikit_learns(seed, ridge):
    random = np.random.default_rng(seed)
    seen, outputs, weights = random.normal(size=(20, 3)), random.normal(size=20), random.random(20)
    seen[:, 2] = 0  # an input that was left alone
    intercept, coefficients = weighted_ridge(seen, outputs, weights, ridge)
    theirs = Ridge(alpha=ridge).fit(seen, outputs, sample_weight=weights)
    np.testing.assert_allclose(coefficients, theirs.coef_, rtol=1e-9, atol=1e-12)
    assert intercept == pytest.approx(theirs.intercept_, abs=1e-9)


def test_a_bend_shows_in_the_fit_and_all_rows_share_one_call(data):
    calls = []

    def bent(frame):
        calls.append(len(frame))
        return np.sin(3 * frame["a"].to_numpy())

    found = local_surrogates(score=bent, data=data, places=[0, 1], rows=["first", "second"], samples=300, seed=2)
    assert calls == [600]
    assert [each["row"] for each in found] == ["first", "second"]
    assert max(each["r2"] for each in found) < 0.7
    again = local_surrogates(score=bent, data=data, places=[0, 1], rows=["first", "second"], samples=300, seed=2)
    assert again == found


def test_only_the_inputs_asked_about_move(data):
    seen = []

    def score(frame):
        seen.append(frame)
        return linear(frame)

    (found,) = local_surrogates(score=score, data=data, places=[3], rows=[4], features=["b", "a"], samples=200, ridge=0)
    assert [row["feature"] for row in found["coefficients"]] == ["a", "b"]
    assert found["r2"] == pytest.approx(1)
    assert list(seen[0].columns) == list(data.columns)
    assert seen[0]["job"].nunique(dropna=False) == 1
    with pytest.raises(Unmeasurable, match="no feature “wage”"):
        local_surrogates(score=score, data=data, places=[3], rows=[4], features=["wage"])


def test_what_cannot_be_moved_has_no_coefficient(data):
    holed = data.assign(a=data["a"].mask(data.index == 0))
    (found,) = local_surrogates(
        score=lambda frame: frame["b"].to_numpy(dtype=float), data=holed, places=[0], rows=[1], samples=50
    )
    by_name = {row["feature"]: row for row in found["coefficients"]}
    assert by_name["a"] == {"feature": "a", "value": None, "coefficient": None, "reason": MISSING}
    assert by_name["b"]["coefficient"] > 0
    still = local_surrogates(score=lambda f: np.full(len(f), 0.3), data=data, places=[0], rows=[1], samples=50)[0]
    assert (still["r2"], still["reason"]) == (None, "The score does not move around this row.")
    assert max(abs(row["coefficient"] or 0) for row in still["coefficients"]) < 1e-12


@pytest.mark.parametrize(
    ("changes", "param"), [({"samples": 9}, "samples"), ({"ridge": -1}, "ridge"), ({"seed": -1}, "seed")]
)
def test_settings_without_sense_are_refused(data, changes, param):
    with pytest.raises(Unmeasurable) as refusal:
        local_surrogates(**{"score": linear, "data": data, "places": [0], "rows": [1]} | changes)
    assert refusal.value.param == param


def test_huge_and_infinite_values_do_not_overflow():
    data = pd.DataFrame({"a": [1e300, -1e300, 0.0, np.inf], "b": [1.0, 2.0, 3.0, 4.0]})
    for place, reason in ((0, None), (3, INFINITE)):
        (found,) = local_surrogates(
            score=lambda frame: frame["b"].to_numpy(), data=data, places=[place], rows=[1], samples=50
        )
        assert {row["feature"]: row["reason"] for row in found["coefficients"]}["a"] == reason
        json.dumps(found, allow_nan=False)
