"""Thresholds, costs, lift: scikit-learn's precision-recall curve, and every threshold tried by hand."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from audits.measures import performance
from audits.measures.errors import Unmeasurable

SCORED = st.lists(st.tuples(st.booleans(), st.integers(0, 16)), min_size=2, max_size=60).filter(
    lambda rows: len({y for y, _ in rows}) == 2
)


def assess(target, score, **options):
    score = np.asarray(score)
    return performance.assess(target=target, score=score, prediction=score >= 0.5, threshold=0.5, **options)


def split(rows):
    return np.array([y for y, _ in rows]), np.array([s for _, s in rows]) / 16


@settings(max_examples=50, deadline=None)
@given(SCORED)
def test_thresholds_yield_what_cutting_there_yields(rows):
    target, score = split(rows)
    result = assess(target, score)
    assert result["average_precision"]["value"] == pytest.approx(metrics.average_precision_score(target, score))
    for row in result["thresholds"]:
        decided = score >= (np.inf if row["threshold"] is None else row["threshold"])
        assert row["selection_rate"] == pytest.approx(decided.mean())
        assert row["true_positive_rate"] == pytest.approx(decided[target].mean())
        assert row["false_positive_rate"] == pytest.approx(decided[~target].mean())
        assert row["accuracy"] == pytest.approx((decided == target).mean())
        assert row["precision"] == (pytest.approx(target[decided].mean()) if decided.any() else None)
    assert len(result["thresholds"]) == len(set(score)) + 1
    assert result["costs"] is None
    json.dumps(result, allow_nan=False)


@settings(max_examples=50, deadline=None)
@given(SCORED, st.floats(0, 10), st.floats(0.1, 10))
def test_no_threshold_is_cheaper_than_the_cheapest(rows, false_positive, false_negative):
    target, score = split(rows)
    costs = assess(target, score, cost_false_positive=false_positive, cost_false_negative=false_negative)["costs"]

    def priced(decided):
        return (false_positive * (decided & ~target).sum() + false_negative * (~decided & target).sum()) / len(target)

    tried = [priced(score >= cut) for cut in [*score, np.inf]]
    assert costs["cheapest"]["cost"] == pytest.approx(min(tried))
    cut = costs["cheapest"]["threshold"]
    assert priced(score >= (np.inf if cut is None else cut)) == pytest.approx(min(tried))
    assert costs["decided"] == pytest.approx(priced(score >= 0.5))
    assert (costs["all"], costs["none"]) == pytest.approx((priced(score >= -1), priced(score > 1)))


@pytest.mark.parametrize("target", [[0, 0, 0], [1, 1, 1]])
def test_costs_hold_for_a_single_outcome_too(target):
    costs = assess(target, [0.1, 0.5, 0.9], cost_false_positive=1, cost_false_negative=5)["costs"]
    assert costs["cheapest"] == {"threshold": 0.1 if target[0] else None, "cost": 0.0}


def test_the_cheapest_threshold_says_that_it_flatters_itself():
    said = assess([0, 1], [0.1, 0.9], cost_false_positive=1, cost_false_negative=5)["limitations"]
    assert any("which flatters it" in sentence for sentence in said)


@pytest.mark.parametrize(
    ("costs", "param"),
    [
        ({"cost_false_positive": -1, "cost_false_negative": 1}, "cost_false_positive"),
        ({"cost_false_positive": 1, "cost_false_negative": float("inf")}, "cost_false_negative"),
        ({"cost_false_positive": 1}, "cost_false_negative"),
        ({"cost_false_positive": 0, "cost_false_negative": 0}, "cost_false_positive"),
    ],
)
def test_costs_without_sense_are_refused(costs, param):
    with pytest.raises(Unmeasurable) as refusal:
        assess([0, 1], [0.1, 0.9], **costs)
    assert refusal.value.param == param


@settings(max_examples=40, deadline=None)
@given(SCORED)
def test_bands_of_lift_hold_every_row_once_highest_scores_first(rows):
    target, score = split(rows)
    bands = assess(target, score)["lift"]
    assert sum(band["n"] for band in bands) == len(score)
    for band in bands:
        inside = (score >= band["low"]) & (score <= band["high"])
        assert (band["n"], band["positive"]) == (inside.sum(), (inside & target).sum())
        assert band["lift"] == pytest.approx(target[inside].mean() / target.mean())
        above = score >= band["low"]
        assert band["gain"] == pytest.approx((above & target).sum() / target.sum())
        assert band["cumulative_lift"] == pytest.approx(target[above].mean() / target.mean())
    assert bands[-1]["gain"] == pytest.approx(1)
    assert [band["low"] for band in bands] == sorted((band["low"] for band in bands), reverse=True)


def test_deciles_without_ties_are_equally_full():
    score = np.arange(1000) / 1000
    bands = assess(score > 0.8, score)["lift"]
    assert [band["n"] for band in bands] == [100] * 10
    assert bands[0]["lift"] == pytest.approx(1000 / 199)


@pytest.mark.parametrize(("target", "score"), [([1, 1], [0.2, 0.8]), ([0, 0], [0.2, 0.8])])
def test_a_single_outcome_has_no_lift(target, score):
    result = assess(target, score)
    assert (result["lift"], result["thresholds"]) == ([], [])
    assert result["average_precision"]["value"] is None


def test_long_threshold_tables_are_thinned_but_keep_both_ends():
    generator = np.random.default_rng(1)
    score = generator.random(3000)
    rows = assess(generator.random(3000) < score, score)["thresholds"]
    assert len(rows) == 101
    assert (rows[0]["threshold"], rows[0]["selection_rate"]) == (None, 0)
    assert rows[-1]["selection_rate"] == 1
