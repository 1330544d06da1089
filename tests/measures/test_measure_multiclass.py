"""Several classes: scikit-learn over every combination of classes seen and decided."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from audits.measures import multiclass
from audits.measures.errors import Unmeasurable

LABELS = ["a", "b", "c", "d"]
ROWS = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(ROWS.filter(lambda rows: len({label for row in rows for label in row}) > 1))
def test_decisions_are_measured_as_scikit_learn_does(rows):
    target, prediction = (np.array(column) for column in zip(*rows, strict=True))
    found = multiclass.assess(target=target, prediction=prediction)
    names = sorted({*target, *prediction})
    assert found["classes"] == names
    assert found["confusion"] == metrics.confusion_matrix(target, prediction, labels=names).tolist()
    assert found["accuracy"]["value"] == pytest.approx(metrics.accuracy_score(target, prediction))
    scores = dict(
        zip(
            ("precision", "recall", "f1"),
            metrics.precision_recall_fscore_support(target, prediction, labels=names, zero_division=np.nan),
            strict=False,
        )
    )
    for name, expected in scores.items():
        values = [row[name] if name == "f1" else row[name]["value"] for row in found["per_class"]]
        for value, right in zip(values, expected, strict=True):
            assert value == (None if np.isnan(right) else pytest.approx(right))
        known = ~np.isnan(expected)
        assert found[f"macro_{name}"] == pytest.approx(expected[known].mean())
    assert found["micro_f1"] == pytest.approx(metrics.f1_score(target, prediction, average="micro"))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(target, prediction, average="macro"))
    assert found["weighted_f1"] == pytest.approx(metrics.f1_score(target, prediction, average="weighted"))
    assert found["weighted_recall"] == pytest.approx(metrics.accuracy_score(target, prediction))
    json.dumps(found, allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 8), st.integers(0, 8), st.integers(1, 8)), min_size=3, max_size=40
    )
)
def test_class_scores_are_measured_as_scikit_learn_does(rows):
    target = np.array([row[0] for row in rows])
    scores = np.array([row[1:] for row in rows], dtype=float)
    scores /= scores.sum(axis=1, keepdims=True)
    found = multiclass.assess(target=target, prediction=scores.argmax(axis=1), scores=scores, classes=[0, 1, 2])
    assert found["log_loss"] == pytest.approx(metrics.log_loss(target, scores, labels=[0, 1, 2]), rel=1e-9)
    for at, row in enumerate(found["per_class"]):
        held = target == at
        if held.any() and not held.all():
            assert row["auc"]["value"] == pytest.approx(metrics.roc_auc_score(held, scores[:, at]), abs=1e-12)
        else:
            assert row["auc"]["value"] is None
            assert "class" in row["auc"]["reason"]
    if len(set(target)) == 3:
        expected = {
            name: metrics.roc_auc_score(target, scores, multi_class="ovr", average=name)
            for name in ("macro", "weighted")
        }
        assert found["macro_auc"] == pytest.approx(expected["macro"])
        assert found["weighted_auc"] == pytest.approx(expected["weighted"])
    json.dumps(found, allow_nan=False)


def test_scores_may_come_in_another_order_of_classes():
    scores = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    found = multiclass.assess(target=["c", "a"], prediction=["c", "a"], scores=scores, classes=["c", "b", "a"])
    assert found["log_loss"] == pytest.approx(-np.log([0.7, 0.6]).mean())
    assert found["per_class"][0]["auc"]["value"] == 1


def test_labels_that_mean_the_same_are_the_same_class():
    found = multiclass.assess(target=[1, 2, 10], prediction=["1", "2.0", "10"])
    assert found["classes"] == ["1", "2", "10"]
    assert found["accuracy"]["value"] == 1


def test_a_class_never_decided_has_no_precision_and_says_so():
    found = multiclass.assess(target=["a", "b"], prediction=["a", "a"])
    assert found["per_class"][1]["precision"] == {"value": None, "low": None, "high": None}
    assert found["limitations"] == ["Precision is undefined for 'b', which is never predicted."]


def test_scores_that_do_not_sum_to_one_have_no_log_loss():
    found = multiclass.assess(
        target=["a", "b"], prediction=["a", "b"], scores=[[3.0, 1.0], [0.2, 0.8]], classes=["a", "b"]
    )
    assert found["log_loss"] is None
    assert "row 1" in found["limitations"][-1]
    certain = multiclass.assess(
        target=["a", "b"], prediction=["a", "b"], scores=[[0, 1], [0.2, 0.8]], classes=["a", "b"]
    )
    assert certain["log_loss"] > 10
    assert "no chance at all" in certain["limitations"][-1]


@pytest.mark.parametrize(
    ("given_", "param"),
    [
        ({"target": ["a", None], "prediction": ["a", "b"]}, "target"),
        ({"target": ["a"], "prediction": ["a", "b"]}, "prediction"),
        (
            {"target": ["a", "c"], "prediction": ["a", "b"], "scores": [[1, 0], [0, 1]], "classes": ["a", "b"]},
            "classes",
        ),
        ({"target": ["a", "b"], "prediction": ["a", "b"], "scores": [[1], [0]], "classes": ["a", "b"]}, "scores"),
        (
            {"target": ["a", "b"], "prediction": ["a", "b"], "scores": [[1, np.inf], [0, 1]], "classes": ["a", "b"]},
            "scores",
        ),
    ],
)
def test_input_without_a_right_answer_is_refused(given_, param):
    with pytest.raises(Unmeasurable) as refusal:
        multiclass.assess(**given_)
    assert refusal.value.param == param
