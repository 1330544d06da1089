"""Two models on the same rows: DeLong by counting every pair, statsmodels' McNemar, and coverage."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics
from statsmodels.stats.contingency_tables import mcnemar

from audits.measures import delong, paired
from audits.measures.errors import Unmeasurable

ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 8), st.integers(0, 8)), min_size=4, max_size=50)


def compare(target, champion, challenger, **options):
    given = {"champion_threshold": 0.5, "challenger_threshold": 0.5} | options
    return paired.compare(target=target, champion=champion, challenger=challenger, **given)


def by_pairs(target, scores):
    """DeLong's structural components, every pair counted."""
    parts = []
    for score in scores:
        wins = (score[target][:, None] > score[~target]) + 0.5 * (score[target][:, None] == score[~target])
        parts.append((wins.mean(1), wins.mean(0), wins.mean()))
    above, below = np.cov([part[0] for part in parts]), np.cov([part[1] for part in parts])
    return [part[2] for part in parts], above / target.sum() + below / (~target).sum()


@settings(max_examples=40, deadline=None)
@given(ROWS.filter(lambda rows: 2 <= sum(y for y, *_ in rows) <= len(rows) - 2))
def test_areas_and_their_covariance_by_counting_every_pair(rows):
    target = np.array([y for y, *_ in rows])
    scores = [np.array([row[at] for row in rows]) / 8 for at in (1, 2)]
    values, covariance = delong.areas(target, scores)
    expected, spread = by_pairs(target, scores)
    assert values == pytest.approx(expected, abs=1e-12)
    assert covariance == pytest.approx(spread, abs=1e-12)
    found = compare(target, *scores)
    assert found["auc"]["champion"]["value"] == pytest.approx(metrics.roc_auc_score(target, scores[0]))
    difference = found["auc"]["difference"]
    assert difference["value"] == pytest.approx(expected[1] - expected[0], abs=1e-12)
    variance = spread[0, 0] + spread[1, 1] - 2 * spread[0, 1]
    if difference["z"] is not None:
        assert difference["z"] == pytest.approx(difference["value"] / np.sqrt(variance), abs=1e-9)
        assert difference["p_value"] == pytest.approx(2 * stats.norm.sf(abs(difference["z"])), abs=1e-12)
    else:
        assert variance < 1e-12
    json.dumps(found, allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_decisions_and_losses_against_statsmodels_and_scikit_learn(rows):
    target = np.array([y for y, *_ in rows])
    old, new = (np.array([row[at] for row in rows]) / 8 for at in (1, 2))
    found = compare(target, old, new)
    right = (old >= 0.5) == target, (new >= 0.5) == target
    table = [[(a & b).sum() for b in (right[1], ~right[1])] for a in (right[0], ~right[0])]
    accuracy = found["accuracy"]
    assert accuracy["p_value"] == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert accuracy["difference"]["value"] == pytest.approx(right[1].mean() - right[0].mean())
    assert accuracy["difference"]["low"] <= accuracy["difference"]["value"] <= accuracy["difference"]["high"]
    assert [accuracy["only_champion_right"], accuracy["only_challenger_right"]] == [table[0][1], table[1][0]]
    brier = found["brier"]
    assert brier["champion"] == pytest.approx(metrics.brier_score_loss(target, old, pos_label=True))
    assert brier["difference"]["value"] == pytest.approx(brier["challenger"] - brier["champion"], abs=1e-12)
    assert found["agreement"]["share"]["value"] == pytest.approx(((old >= 0.5) == (new >= 0.5)).mean())
    kappa = found["agreement"]["kappa"]
    if kappa is not None:
        assert kappa == pytest.approx(metrics.cohen_kappa_score(old >= 0.5, new >= 0.5), abs=1e-12)
    if found["rank_correlation"] is not None:
        assert found["rank_correlation"] == pytest.approx(stats.spearmanr(old, new).statistic, abs=1e-9)
    json.dumps(found, allow_nan=False)


def test_the_same_model_twice_differs_in_nothing():
    score = np.array([0.1, 0.4, 0.6, 0.9])
    found = compare([0, 1, 0, 1], score, score)
    assert found["auc"]["difference"]["value"] == 0
    assert "rank the rows alike" in found["auc"]["difference"]["reason"]
    assert (found["accuracy"]["p_value"], found["agreement"]["share"]["value"]) == (1.0, 1.0)
    assert found["brier"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}


@pytest.mark.parametrize("target", [[0, 0, 0], [1, 1, 1]])
def test_a_single_outcome_leaves_the_areas_undefined(target):
    found = compare(target, [0.1, 0.6, 0.8], [0.2, 0.2, 0.9])
    assert found["auc"]["difference"]["value"] is None
    assert found["auc"]["champion"]["reason"] == "the target holds a single outcome"
    assert found["brier"]["difference"]["value"] is not None


def test_scores_that_are_no_probabilities_have_no_brier_score():
    found = compare([0, 1, 1], [0.1, 0.6, 0.8], [-3.0, 2.0, 5.0])
    assert "the challenger's scores lie outside 0 to 1" in found["brier"]["difference"]["reason"]
    assert found["brier"]["champion"] is None


def test_constant_scores_have_no_correlation_and_one_row_no_interval():
    found = compare([1], [0.7], [0.2])
    assert found["rank_correlation"] is None
    assert found["brier"]["difference"]["low"] is None
    assert found["agreement"]["kappa"] == 0
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("target", "champion", "challenger", "param"),
    [
        ([0, 1], [0.1], [0.2, 0.3], "champion"),
        ([0, 1], [0.1, np.inf], [0.2, 0.3], "champion"),
        ([0, 2], [0.1, 0.5], [0.2, 0.3], "target"),
    ],
)
def test_input_without_a_right_answer_is_refused(target, champion, challenger, param):
    with pytest.raises(Unmeasurable) as refusal:
        compare(target, champion, challenger)
    assert refusal.value.param == param


def test_paired_intervals_cover_what_they_claim():
    """500 samples of 200 rows from a known law, fixed seed; 95% give or take three standard errors."""
    generator = np.random.default_rng(11)
    covered = dict.fromkeys(("auc", "accuracy"), 0)
    # both scores: normal, one and two apart, sharing noise; the AUC of shift s at spread 1 is Phi(s / sqrt 2)
    truth = {"auc": stats.norm.cdf(2**0.5) - stats.norm.cdf(0.5**0.5)}
    truth["accuracy"] = stats.norm.cdf(1) - stats.norm.cdf(0.5)
    for _ in range(500):
        target = generator.random(200) < 0.5
        shared = generator.normal(size=200) * 0.6
        old, new = (shift * (target - 0.5) + shared + 0.8 * generator.normal(size=200) for shift in (1, 2))
        found = compare(target, old, new, champion_threshold=0, challenger_threshold=0)
        for name, value in truth.items():
            difference = found[name]["difference"]
            covered[name] += difference["low"] <= value <= difference["high"]
    for name, count in covered.items():
        assert 0.92 <= count / 500 <= 0.98, name
