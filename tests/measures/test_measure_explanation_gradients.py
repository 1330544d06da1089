"""Integrated gradients: closed forms of smooth scores, and a refusal to explain steps."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeRegressor

from audits.measures.errors import Unmeasurable
from audits.measures.integrated_gradients import integrated_gradients


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(12)
    return pd.DataFrame({"a": random.normal(2, 3, 60), "b": random.integers(0, 9, 60), "same": 4})


def attributions(found):
    return {each["feature"]: each["attribution"] for each in found["attributions"]}


@settings(max_examples=30, deadline=None)
@given(st.floats(-5, 5), st.floats(-5, 5), st.integers(0, 59))
def test_a_linear_score_gives_weight_times_distance(data, first, second, place):
    found = integrated_gradients(
        score=lambda frame: (first * frame["a"] + second * frame["b"] + 1).to_numpy(),
        data=data,
        places=[place],
        rows=[1],
    )
    json.dumps(found, allow_nan=False)
    values = attributions(found["rows"][0])
    away = data.iloc[place] - data.mean()
    assert values["a"] == pytest.approx(first * away["a"], abs=1e-8)
    assert values["b"] == pytest.approx(second * away["b"], abs=1e-8)
    assert values["same"] == 0


def test_a_product_and_a_logistic_add_up(data):
    """For f = ab, ∂f/∂a is b on the way, so a's share is (x_a - m_a) (x_b + m_b) / 2."""
    calls = []

    def product(frame):
        calls.append(len(frame))
        return (frame["a"] * frame["b"]).to_numpy()

    places = list(range(10))
    found = integrated_gradients(score=product, data=data, places=places, rows=places)
    assert calls == [1 + 10 * (2 * 20 * 3 + 1)]
    mean = data.mean()
    for place, row in zip(places, found["rows"], strict=True):
        here = data.iloc[place]
        values = attributions(row)
        assert values["a"] == pytest.approx((here["a"] - mean["a"]) * (here["b"] + mean["b"]) / 2, abs=1e-7)
        assert sum(values.values()) == pytest.approx(row["score"] - found["base"], abs=1e-7)
    smooth = integrated_gradients(
        score=lambda frame: 1 / (1 + np.exp(-(frame["a"] - 0.3 * frame["b"]).to_numpy())),
        data=data,
        places=places,
        rows=places,
    )
    for row in smooth["rows"]:
        assert sum(attributions(row).values()) == pytest.approx(row["score"] - smooth["base"], rel=1e-3)
        assert row["gap"] < 1e-3


def test_a_tree_is_not_smooth_and_says_so(data):
    tree = DecisionTreeRegressor(max_depth=3).fit(data, data["a"])
    place = int(data["a"].argmax())
    (row,) = integrated_gradients(score=tree.predict, data=data, places=[place], rows=[1])["rows"]
    assert row["attributions"] is None
    assert "not smooth" in row["reason"]


def test_a_missing_cell_has_no_way(data):
    holed = data.assign(a=data["a"].mask(data.index == 1))
    found = integrated_gradients(
        score=lambda f: f["b"].to_numpy(dtype=float), data=holed, places=[1, 2], rows=["x", "y"]
    )
    assert [row["attributions"] is None for row in found["rows"]] == [True, False]
    assert "missing" in found["rows"][0]["reason"]


def test_a_score_that_stays_gives_nothing(data):
    (row,) = integrated_gradients(score=lambda f: np.full(len(f), 0.1), data=data, places=[0], rows=[1])["rows"]
    assert set(attributions(row).values()) == {0.0}


def test_categories_and_empty_columns_are_refused(data):
    for more, said in (({"job": "x"}, "“job” holds categories"), ({"gone": np.nan}, "“gone” has no finite value")):
        with pytest.raises(Unmeasurable, match=said):
            integrated_gradients(score=lambda f: f["a"].to_numpy(), data=data.assign(**more), places=[0], rows=[1])
