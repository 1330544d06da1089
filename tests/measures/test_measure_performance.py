"""Performance: worked numbers, agreement with scikit-learn and scipy, coverage, and what is refused."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn import metrics
from sklearn.calibration import calibration_curve

from audits.measures import performance
from audits.measures.errors import Unmeasurable

SCORED = st.lists(st.tuples(st.booleans(), st.integers(0, 16)), min_size=2, max_size=80)


def assess(target, score=None, *, prediction=None, threshold=0.5, **options):
    if prediction is None:
        prediction = np.asarray(score) >= threshold
    return performance.assess(target=target, score=score, prediction=prediction, threshold=threshold, **options)


@pytest.fixture
def worked(oracles):
    return oracles["worked_metrics"]["scores"]


def test_the_worked_scores(worked):
    result = assess(worked["y"], worked["p"], bins=5)
    for measure in ("brier", "auc", "gini", "ks"):
        assert result[measure]["value"] == pytest.approx(worked[measure], abs=1e-12)
    assert result["ece"]["value"] == pytest.approx(worked["ece_5_equal_width_left_closed"], abs=1e-12)
    assert result["ks"]["score"] == 0.6
    assert result["confusion"] == {"tp": 3, "fp": 3, "tn": 3, "fn": 1}
    assert result["limitations"] == []


def test_bins_are_closed_on_the_left_and_the_last_on_both_sides():
    edges = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    result = assess([0, 1, 0, 1, 1, 1], edges, bins=5)
    assert [row["n"] for row in result["calibration"]] == [1, 1, 1, 1, 2]
    assert [row["mean_score"] for row in result["calibration"]] == [0.0, 0.2, 0.4, 0.6, 0.9]
    assert [row["low"] for row in result["calibration"]] == edges[:-1]
    assert result["calibration"][-1]["high"] == 1.0


def test_an_empty_bin_is_null():
    row = assess([0, 1], [0.1, 0.9], bins=3)["calibration"][1]
    assert (row["n"], row["mean_score"], row["observed_rate"], row["observed_high"]) == (0, None, None, None)


@settings(max_examples=150, deadline=None)
@given(SCORED.filter(lambda rows: len({y for y, _ in rows}) == 2 and len({s for _, s in rows}) > 1))
def test_scores_are_measured_as_scikit_learn_and_scipy_do(rows):
    """Scores are sixteenths: many ties, and bins whose edges are hit exactly."""
    target, score = np.array([y for y, _ in rows]), np.array([s for _, s in rows]) / 16
    result = assess(target, score, bins=8)
    assert result["auc"]["value"] == pytest.approx(metrics.roc_auc_score(target, score), abs=1e-12)
    assert result["gini"]["value"] == pytest.approx(2 * result["auc"]["value"] - 1, abs=1e-12)
    assert result["log_loss"]["value"] == pytest.approx(metrics.log_loss(target, score), rel=1e-12)
    assert result["brier"]["value"] == pytest.approx(metrics.brier_score_loss(target, score), abs=1e-12)
    with warnings.catch_warnings(action="ignore"):  # about the p-value, which isn't used
        expected = ks_2samp(score[target], score[~target]).statistic
    assert result["ks"]["value"] == pytest.approx(expected, abs=1e-12)
    cut = score >= result["ks"]["score"]
    assert abs(cut[target].mean() - cut[~target].mean()) == pytest.approx(result["ks"]["value"], abs=1e-12)
    filled = [row for row in result["calibration"] if row["n"]]
    # scikit-learn closes its bins on the right: turn the scale round
    observed, scores = calibration_curve(~target, 1 - score, n_bins=8)
    assert [row["observed_rate"] for row in filled] == pytest.approx(list(1 - observed[::-1]), abs=1e-12)
    assert [row["mean_score"] for row in filled] == pytest.approx(list(1 - scores[::-1]), abs=1e-12)
    json.dumps(result, allow_nan=False)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_decisions_are_measured_as_scikit_learn_does(rows):
    target, prediction = np.array([y for y, _ in rows]), np.array([p for _, p in rows])
    result = assess(target, prediction=prediction, threshold=None)
    tn, fp, fn, tp = metrics.confusion_matrix(target, prediction, labels=[False, True]).ravel()
    assert result["confusion"] == {"tp": tp, "fp": fp, "tn": tn, "fn": fn}
    nan = {"zero_division": np.nan}
    expected = {
        "accuracy": metrics.accuracy_score(target, prediction),
        "precision": metrics.precision_score(target, prediction, **nan),
        "recall": metrics.recall_score(target, prediction, **nan),
        "specificity": metrics.recall_score(target, prediction, pos_label=False, **nan),
        "f1": metrics.f1_score(target, prediction, **nan),
        "base_rate": target.mean(),
    }
    if target.any() and not target.all():
        expected["balanced_accuracy"] = metrics.balanced_accuracy_score(target, prediction)
    for measure, value in expected.items():
        found = result[measure]
        if np.isnan(value):
            assert found == {"value": None, "low": None, "high": None}
        else:
            assert found["value"] == pytest.approx(value, abs=1e-12)
            assert -1e-12 <= found["low"] <= value + 1e-12
            assert value - 1e-12 <= found["high"] <= 1 + 1e-12
    assert "auc" not in result
    json.dumps(result, allow_nan=False)


def test_the_auc_variance_is_delongs_by_counting_every_pair():
    generator = np.random.default_rng(2)
    target = generator.random(90) < 0.4
    score = np.round(generator.normal(size=90) + target, 1)
    wins = (score[target][:, None] > score[~target]) + 0.5 * (score[target][:, None] == score[~target])
    value = wins.mean()
    spread = np.sqrt(wins.mean(1).var(ddof=1) / target.sum() + wins.mean(0).var(ddof=1) / (~target).sum())
    reach = 1.959963984540054 * spread / (value * (1 - value))
    limits = 1 / (1 + np.exp(-(np.log(value / (1 - value)) + np.array([-reach, reach]))))
    found = assess(target, score)["auc"]
    assert (found["value"], found["low"], found["high"]) == pytest.approx((value, *limits), abs=1e-12)


def test_the_roc_curve_is_thinned_but_keeps_both_ends():
    generator = np.random.default_rng(4)
    target = generator.random(5000) < 0.3
    score = generator.random(5000) * 0.7 + 0.3 * target * generator.random(5000)
    points = assess(target, score)["roc"]
    assert 90 <= len(points) <= 101
    assert points[0] == {"fpr": 0.0, "tpr": 0.0, "threshold": None}
    assert points[-1] == {"fpr": 1.0, "tpr": 1.0, "threshold": score.min()}
    for point in points[1:]:
        reached = score >= point["threshold"]
        assert (point["fpr"], point["tpr"]) == pytest.approx((reached[~target].mean(), reached[target].mean()))


def test_a_short_roc_curve_has_every_point(worked):
    assert len(assess(worked["y"], worked["p"])["roc"]) == 11


@pytest.mark.parametrize("target", [[1, 1, 1], [0, 0, 0]])
def test_a_single_outcome_leaves_ranking_undefined(target):
    result = assess(target, [0.2, 0.6, 0.7])
    assert result["auc"] == {"value": None, "low": None, "high": None}
    assert (result["ks"]["value"], result["ks"]["score"], result["roc"]) == (None, None, [])
    assert result["balanced_accuracy"]["value"] is None
    assert any("target holds a single outcome" in sentence for sentence in result["limitations"])
    assert result["brier"]["value"] == pytest.approx(np.mean((np.array([0.2, 0.6, 0.7]) - target) ** 2))
    json.dumps(result, allow_nan=False)


def test_a_constant_score_leaves_ranking_undefined():
    result = assess([0, 1, 1], [0.5, 0.5, 0.5])
    assert result["auc"]["value"] is None
    assert result["limitations"] == ["AUC, Gini, KS and ROC are undefined: every row has the same score."]


def test_scores_that_are_no_probabilities_are_ranked_only():
    result = assess([0, 1, 0, 1], [-2.0, 3.5, 0.1, 0.2], threshold=0)
    assert result["auc"]["value"] == 1.0
    assert result["log_loss"] == result["brier"] == result["ece"] == {"value": None, "low": None, "high": None}
    assert result["calibration"] is None
    assert any("outside 0 to 1 (-2 in row 1)" in sentence for sentence in result["limitations"])


def test_a_perfect_ranking_claims_no_interval():
    result = assess([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert result["auc"] == {"value": 1.0, "low": None, "high": None}
    assert result["limitations"] == ["AUC has no interval: the scores leave no variance to estimate it from."]
    assert assess([0, 0, 1], [0.1, 0.6, 0.5])["limitations"] == [
        "AUC has no interval: an outcome occurs in one row only."
    ]


def test_a_certain_score_that_was_wrong_is_stated():
    result = assess([0, 1, 1], [1.0, 0.9, 0.3])
    assert result["log_loss"]["value"] == pytest.approx(metrics.log_loss([0, 1, 1], [1.0, 0.9, 0.3]), rel=1e-12)
    assert "1 row gives no chance at all to what happened" in result["limitations"][-1]


def test_predictions_that_are_not_the_threshold_of_the_scores_are_stated():
    result = assess([0, 1, 0, 1], [0.2, 0.6, 0.7, 0.8], prediction=[0, 1, 0, 1])
    assert result["limitations"] == ["In 1 of 4 rows the prediction is not what score >= 0.5 gives."]


@pytest.mark.parametrize(
    ("changes", "param", "sentence"),
    [
        ({"target": [0, None, 1]}, "target", "missing in row 2"),
        ({"target": ["good", "bad", "good"]}, "target", "holds .*'good'.* in row 1; pass true or false"),
        ({"prediction": [0, 1, 2]}, "prediction", "holds .*2.* in row 3"),
        ({"score": [0.1, float("nan"), 0.3]}, "score", "missing in row 2"),
        ({"score": [0.1, 0.2, float("inf")]}, "score", "infinite in row 3"),
        ({"score": ["a", "b", "c"]}, "score", "holds text"),
        ({"score": [0.1, 0.2]}, "score", "score has 2 rows but target has 3"),
        ({"target": [], "score": [], "prediction": []}, "target", "no rows"),
        ({"bins": 0}, "bins", "at least 1"),
        ({"confidence": 1}, "confidence", "such as 0.95"),
    ],
)
def test_input_without_a_right_answer_is_refused_by_name(changes, param, sentence):
    given = {"target": [0, 1, 1], "score": [0.1, 0.4, 0.8], "prediction": [0, 0, 1], "threshold": 0.5}
    with pytest.raises(Unmeasurable, match=sentence) as refusal:
        performance.assess(**{**given, **changes})
    assert refusal.value.param == param


def test_intervals_cover_what_they_claim():
    """600 samples of 150 rows from a known law, fixed seed; 95% give or take three standard errors."""
    generator = np.random.default_rng(7)
    shares = np.array([0.25, 0.1, 0.5, 0.15])  # tp, fp, tn, fn
    truth = {"f1": 0.5 / 0.75, "balanced_accuracy": (0.25 / 0.4 + 0.5 / 0.6) / 2}
    covered = dict.fromkeys([*truth, "auc", "brier"], 0)
    area, brier = 0.7602499389065233, 1 / 6  # standard normals one apart; a calibrated uniform score
    for _ in range(600):
        cells = generator.multinomial(150, shares)
        target, prediction = np.repeat([1, 0, 0, 1], cells), np.repeat([1, 1, 0, 0], cells)
        result = performance.assess(target=target, score=None, prediction=prediction, threshold=None)
        ranked = assess(target, generator.normal(size=150) + target, threshold=None, prediction=prediction)
        uniform = generator.random(150)
        sure = assess(generator.random(150) < uniform, uniform)
        for measure, value in truth.items():
            covered[measure] += result[measure]["low"] <= value <= result[measure]["high"]
        covered["auc"] += ranked["auc"]["low"] <= area <= ranked["auc"]["high"]
        covered["brier"] += sure["brier"]["low"] <= brier <= sure["brier"]["high"]
    for measure, count in covered.items():
        assert 0.923 <= count / 600 <= 0.977, measure
