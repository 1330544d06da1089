"""Dependence and interactions, against scikit-learn's partial dependence, closed forms and plain loops."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import partial_dependence as sklearn_dependence

from audits.measures.dependence import dependence, interactions, partial_dependence
from audits.measures.errors import Unmeasurable

FACTORIAL = pd.DataFrame([(a, b, c) for a in (-1.0, 1.0) for b in (-1.0, 1.0) for c in (-1.0, 1.0)], columns=[*"abc"])


def test_a_linear_models_contributions_lie_on_its_line():
    data = pd.DataFrame({"a": np.random.default_rng(1).normal(size=200), "b": np.arange(200) % 4})
    values = np.column_stack([2 * (data["a"] - data["a"].mean()), 0.1 * (data["b"] - data["b"].mean())])
    first, second = dependence(values=values, data=data, top=2)
    assert (first["feature"], first["kind"], len(first["points"])) == ("a", "number", 10)
    assert [point["n"] for point in first["points"]] == [20] * 10
    for found, weight in ((first, 2), (second, 0.1)):
        for point in found["points"]:
            assert point["mean"] == pytest.approx(weight * (point["at"] - data[found["feature"]].mean()), abs=1e-12)
    assert [point["label"] for point in second["points"]] == ["0", "1", "2", "3"]
    assert second["points"][0]["sd"] == pytest.approx(0, abs=1e-12)


cells = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6), st.just(np.nan), st.just(np.inf))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(cells, st.sampled_from(["x", "y", None])), min_size=1, max_size=40), st.integers(1, 12))
def test_every_row_is_in_one_point_and_equal_values_in_the_same(rows, bins):
    data = pd.DataFrame(rows, columns=["amount", "kind"])
    values = np.random.default_rng(0).normal(size=data.shape)
    found = {each["feature"]: each for each in dependence(values=values, data=data, top=2, bins=bins)}
    json.dumps(found, allow_nan=False)
    for place, name in enumerate(data):
        points = found[name]["points"]
        assert sum(point["n"] for point in points) == len(data)
        assert sum(point["n"] * point["mean"] for point in points) == pytest.approx(values[:, place].sum(), abs=1e-9)
    usual = data["amount"][np.isfinite(data["amount"])]
    points = [point for point in found["amount"]["points"] if point["at"] is not None]
    assert len(points) <= bins
    # bins follow each other, so no value lies in two of them
    ends = np.cumsum([point["n"] for point in points])
    ordered = np.sort(usual)
    for end in ends[:-1]:
        assert ordered[end - 1] < ordered[end]
    by_kind = data["kind"].fillna("missing").value_counts()
    assert {point["label"]: point["n"] for point in found["kind"]["points"]} == by_kind.to_dict()


def test_rare_categories_are_one_point():
    data = pd.DataFrame({"town": [f"t{n:02}" for n in range(25)] + ["t00"]})
    (found,) = dependence(values=np.ones((26, 1)), data=data)
    assert len(found["points"]) == 21
    assert (found["points"][0]["label"], found["points"][0]["n"]) == ("t00", 2)
    assert (found["points"][-1]["label"], found["points"][-1]["n"]) == ("5 rarer values", 5)


@pytest.mark.parametrize("features", [["a"], ["b"], ["a", "c"]])
def test_partial_dependence_is_scikit_learns(features):
    random = np.random.default_rng(2)
    data = pd.DataFrame(random.normal(size=(30, 3)), columns=[*"abc"]).round(1)
    model = RandomForestRegressor(10, random_state=0).fit(data, data["a"] * data["c"] + data["b"])
    (ours,) = partial_dependence(score=model.predict, data=data, groups=[features])
    grid = {name: np.unique(data[name]) for name in features}
    theirs = sklearn_dependence(model, data, features, custom_values=grid, method="brute", kind="average")
    places = tuple(np.searchsorted(grid[name], data[name]) for name in features)
    np.testing.assert_allclose(ours, theirs["average"][0][places], rtol=0, atol=1e-12)


def naive(score, data, pair):
    """H by two loops, as the paper's equation reads."""
    rows = range(len(data))

    def curve(names):
        means = []
        for i in rows:
            held = data.copy()
            for name in names:
                held[name] = data[name].iloc[i]
            means.append(score(held).mean())
        return np.array(means) - np.mean(means)

    joint = curve(pair)
    beyond = joint - curve(pair[:1]) - curve(pair[1:])
    return np.sqrt((beyond**2).sum() / (joint**2).sum()), np.sqrt((beyond**2).mean())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_h_is_the_papers_equation(seed):
    random = np.random.default_rng(seed)
    data = pd.DataFrame(random.normal(size=(7, 3)), columns=[*"abc"])
    weights = random.normal(size=4)

    def score(frame):
        return (frame["a"] * weights[0] + frame["b"] * weights[1] + weights[2] * frame["a"] * frame["b"]).to_numpy()

    (found,) = interactions(score=score, data=data, pairs=[["a", "b"]], rows=7)
    h, strength = naive(score, data, ["a", "b"])
    assert found["h"] == pytest.approx(h, abs=1e-9)
    assert found["strength"] == pytest.approx(strength, abs=1e-9)


def test_what_adds_up_has_no_interaction_and_a_bare_product_is_nothing_else():
    """On the full factorial of ±1, a + b + ab has the variances 1, 1, 1: H² is 1/3."""
    calls = []

    def score(frame):
        calls.append(len(frame))
        return (frame["a"] + frame["b"] + frame["a"] * frame["b"] + frame["c"]).to_numpy()

    found = {tuple(row["features"]): row for row in interactions(score=score, data=FACTORIAL, pairs=["ab", "ac"])}
    assert found["a", "b"]["h"] == pytest.approx(np.sqrt(1 / 3))
    assert found["a", "c"]["h"] == pytest.approx(0, abs=1e-12)
    assert calls == [5 * 64]  # a, b, c, ab and ac in one call
    (bare,) = interactions(score=lambda f: (f["a"] * f["b"]).to_numpy(), data=FACTORIAL, pairs=["ab"])
    assert (bare["h"], bare["strength"]) == (pytest.approx(1), pytest.approx(1))


def test_a_score_that_stays_has_no_h():
    (found,) = interactions(score=lambda f: np.full(len(f), 0.3), data=FACTORIAL, pairs=["ab"])
    assert (found["h"], found["strength"]) == (None, pytest.approx(0, abs=1e-15))
    assert "do not move" in found["reason"]


@pytest.mark.parametrize(
    ("changes", "param", "sentence"),
    [
        ({"pairs": [["a", "a"]]}, "pairs", "two different features"),
        ({"pairs": [["a", "b", "c"]]}, "pairs", "two different features"),
        ({"pairs": [["a", "wage"]]}, "groups", "no feature “wage”"),
        ({"score": lambda frame: np.full(len(frame), np.nan)}, "score", "missing in row 1"),
        ({"score": lambda frame: np.zeros((len(frame), 2))}, "score", "one number per row"),
        ({"rows": 1}, "rows", "at least 2"),
        ({"data": FACTORIAL.iloc[:0]}, "data", "no rows"),
        ({"data": FACTORIAL.set_axis([*"aab"], axis=1)}, "data", "several columns called “a”"),
    ],
)
def test_interactions_without_a_right_answer_are_refused(changes, param, sentence):
    given_ = {"score": lambda frame: frame["a"].to_numpy(), "data": FACTORIAL, "pairs": ["ab"]} | changes
    with pytest.raises(Unmeasurable, match=sentence) as refusal:
        interactions(**given_)
    assert refusal.value.param == param


def test_dependence_of_other_rows_is_refused():
    with pytest.raises(Unmeasurable, match="make them match"):
        dependence(values=np.zeros((3, 3)), data=FACTORIAL)
