"""Stability of explanations, against scipy's rank correlations and closed forms."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau, spearmanr

from audits.measures.errors import Unmeasurable
from audits.measures.explanation_stability import between, noisy, under_noise

FEATURES = [*"abcd"]
small = arrays(float, (5, 4), elements=st.integers(-2, 2).map(float))


@settings(max_examples=50, deadline=None)
@given(small, small)
def test_rank_correlations_are_scipys_with_ties(one, other):
    found = between(values=one, other=other, features=FEATURES, top=2)
    json.dumps(found, allow_nan=False)
    sizes = [np.abs(each).mean(axis=0) for each in (one, other)]
    if any(np.ptp(each) == 0 for each in sizes):
        assert (found["kendall"], found["spearman"]) == (None, None)
        assert "Rank correlation" in " ".join(found["reasons"])
    else:
        assert found["kendall"] == pytest.approx(kendalltau(*sizes).statistic, abs=1e-12)
        assert found["spearman"] == pytest.approx(spearmanr(*sizes).statistic, abs=1e-12)
    assert found["mean_abs_difference"] == pytest.approx(np.abs(one - other).mean())
    signs = [np.sign(a) == np.sign(b) for a, b in zip(one.flat, other.flat, strict=True) if a or b]
    assert found["sign_agreement"] == (pytest.approx(np.mean(signs)) if signs else None)
    assert between(values=one, other=one, features=FEATURES)["top_overlap"] == 1


def test_an_explanation_turned_around():
    values = np.array([[4.0, 3.0, 2.0, 1.0]])
    found = between(values=values, other=-values[:, ::-1], features=FEATURES, top=2, same_unit=False)
    assert (found["kendall"], found["spearman"], found["top_overlap"], found["sign_agreement"]) == (-1, -1, 0, 0)
    assert found["mean_abs_difference"] is None
    assert "different units" in found["reasons"][0]
    assert {row["feature"]: row["other_mean_abs"] for row in found["importance"]} == {"a": 1, "b": 2, "c": 3, "d": 4}


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(9)
    table = pd.DataFrame({"a": random.normal(0, 3, 50), "b": random.integers(0, 9, 50), "c": "x", "d": 1.0})
    table.loc[0, "a"] = np.nan
    return table


def test_noise_is_a_share_of_each_numbers_deviation(data):
    copies, far = noisy(rows=data, data=data, share=0.1, repeats=40, seed=1)
    again, _ = noisy(rows=data, data=data, share=0.1, repeats=40, seed=1)
    assert all(one.equals(other) for one, other in zip(copies, again, strict=True))
    moves = {name: np.array([copy[name] - data[name] for copy in copies]) / data[name].std(ddof=0) for name in "ab"}
    assert np.nanstd(moves["a"]) == pytest.approx(0.1, rel=0.1)
    assert np.nanstd(moves["b"]) == pytest.approx(0.1, rel=0.1)
    np.testing.assert_allclose(far, np.sqrt(np.nan_to_num(moves["a"]) ** 2 + moves["b"] ** 2), atol=1e-12)
    for copy in copies[:2]:
        assert copy[["c", "d"]].equals(data[["c", "d"]])
        assert pd.isna(copy.loc[0, "a"])


def test_a_linear_model_moves_by_its_slope():
    random = np.random.default_rng(2)
    rows, noise = random.normal(size=(30, 2)), random.normal(scale=0.1, size=(5, 30, 2))
    weights = np.array([3.0, 0.5])
    far = np.linalg.norm(noise, axis=2)
    found = under_noise(
        values=rows * weights,
        noisy_values=(rows + noise) * weights,
        moved=far,
        output=rows @ weights,
        noisy_output=(rows + noise) @ weights,
        rows=range(30),
        top=1,
    )
    ratios = (np.linalg.norm(noise * weights, axis=2) / far).max(axis=0)
    assert found["ratio"]["median"] == pytest.approx(np.median(ratios))
    assert (found["ratio"]["largest"], found["ratio"]["row"]) == (pytest.approx(ratios.max()), int(ratios.argmax()))
    assert 0.5 <= found["ratio"]["median"] <= found["ratio"]["largest"] <= 3
    assert found["output_change"] == pytest.approx(np.abs(noise @ weights).mean())
    ranked = [
        spearmanr(np.abs(row * weights), np.abs((row + move) * weights)).statistic
        for moves in noise
        for row, move in zip(rows, moves, strict=True)
    ]
    assert found["rank_agreement"] == pytest.approx(np.mean(ranked))
    json.dumps(found, allow_nan=False)


def test_a_row_that_never_moved_is_counted_apart():
    values = np.array([[1.0, 2.0], [5.0, 6.0]])
    found = under_noise(
        values=values,
        noisy_values=[[[1.0, 2.5], [50.0, 6.0]]],
        moved=[[0.5, 0.0]],
        output=[0, 0],
        noisy_output=[[1, 9]],
        rows=["moved", "still"],
    )
    assert (found["rows"], found["still"]) == (1, 1)
    assert found["ratio"] == {"median": 1.0, "largest": 1.0, "row": "moved"}
    assert (found["output_change"], found["mean_abs_difference"], found["top"]) == (1.0, 0.25, 2)


def test_what_has_no_right_answer_is_refused(data):
    values = np.zeros((2, 4))
    with pytest.raises(Unmeasurable, match="make them match"):
        between(values=values, other=np.zeros((3, 4)), features=FEATURES)
    with pytest.raises(Unmeasurable, match="make them match"):
        between(values=values, other=values, features=["a"])
    with pytest.raises(Unmeasurable, match="missing"):
        between(values=values, other=values * np.nan, features=FEATURES)
    for share in (0, 1.5, np.nan):
        with pytest.raises(Unmeasurable, match="share"):
            noisy(rows=data, data=data, share=share, repeats=1, seed=0)
    shapes = {"values": values, "noisy_values": np.zeros((1, 2, 4)), "output": [0, 0], "noisy_output": [[0, 0]]}
    with pytest.raises(Unmeasurable, match="No row has an amount"):
        under_noise(**shapes, moved=[[0, 0]], rows=[1, 2])
    with pytest.raises(Unmeasurable, match="as many rows"):
        under_noise(**shapes, moved=[[1, 1, 1]], rows=[1, 2])
