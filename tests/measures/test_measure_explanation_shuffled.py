"""Permutation importance, against scikit-learn's by the very same orders."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.inspection import permutation_importance as sklearn_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score

from audits.measures.errors import Unmeasurable
from audits.measures.permutation_importance import auc_loss, permutation_importance

SCORERS = {"auc": "roc_auc", "log_loss": "neg_log_loss", "brier": "neg_brier_score"}


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(3)
    return pd.DataFrame(random.normal(size=(120, 3)).round(1), columns=[*"abc"])


@pytest.fixture(scope="module")
def target(data):
    return (data["a"] + 0.5 * data["b"] + np.random.default_rng(4).normal(size=120) > 0).to_numpy()


def sklearn_orders(rows, repeats, seed):
    """scikit-learn shuffles what it shuffled before, all features by one seed."""
    random = np.random.RandomState(np.random.RandomState(seed).randint(np.iinfo(np.int32).max + 1))
    shuffling, order, orders = np.arange(rows), np.arange(rows), []
    for _ in range(repeats):
        random.shuffle(shuffling)
        order = order[shuffling]
        orders.append(order)
    return np.array(orders)


@pytest.mark.parametrize("loss", [*SCORERS, "squared_error"])
def test_it_is_scikit_learns_by_the_same_orders(data, target, loss):
    if loss == "squared_error":
        happened = data["a"] * 2 + data["b"]
        model = LinearRegression().fit(data, happened + target)
        score, scoring = model.predict, "neg_mean_squared_error"
    else:
        happened, model = target, LogisticRegression().fit(data, target)
        score, scoring = (lambda frame: model.predict_proba(frame)[:, 1]), SCORERS[loss]
    theirs = sklearn_importance(model, data, happened, scoring=scoring, n_repeats=4, random_state=5)
    ours = permutation_importance(
        score=score, data=data, target=happened, loss=loss, orders=sklearn_orders(len(data), 4, 5)
    )
    for row in ours["features"]:
        place = [*"abc"].index(row["feature"])
        rises = theirs.importances[place]
        assert row["mean"] == pytest.approx(rises.mean(), abs=1e-12)
        assert row["standard_error"] == pytest.approx(rises.std(ddof=1) / 2, abs=1e-12)
    means = [row["mean"] for row in ours["features"]]
    assert means == sorted(means, reverse=True)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=40))
def test_its_auc_is_scikit_learns_with_ties(rows):
    target, score = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    if 0 < target.sum() < len(target):
        assert 1 - auc_loss(target, score) == pytest.approx(roc_auc_score(target, score), abs=1e-12)
    else:
        with pytest.raises(Unmeasurable, match="single outcome"):
            auc_loss(target, score)


def test_the_seed_decides_and_an_unread_input_costs_nothing(data, target):
    calls = []

    def score(frame):
        calls.append(len(frame))
        return frame["a"].to_numpy()

    given_ = {"score": score, "data": data, "target": target, "features": ["a", "c"], "repeats": 3}
    one, same, other = (permutation_importance(**given_, seed=seed) for seed in (1, 1, 2))
    assert one == same != other
    assert calls[:2] == [120, 2 * 3 * 120]
    assert one["baseline"] == pytest.approx(roc_auc_score(target, data["a"]))
    assert one["features"][1] == {"feature": "c", "mean": 0.0, "sd": 0.0, "standard_error": 0.0}
    assert permutation_importance(**given_ | {"repeats": 1})["features"][0]["standard_error"] is None


@pytest.mark.parametrize(
    ("changes", "param", "sentence"),
    [
        ({"loss": "accuracy"}, "loss", "choose from auc, brier"),
        ({"loss": "brier", "score": lambda frame: frame["a"].to_numpy()}, "loss", "no probabilities"),
        ({"target": np.zeros(120, dtype=bool)}, "target", "single outcome"),
        ({"target": np.zeros(119, dtype=bool)}, "data", "119"),
        ({"repeats": 0}, "repeats", "at least 1"),
        ({"features": ["wage"]}, "features", "no feature “wage”"),
    ],
)
def test_what_has_no_right_answer_is_refused(data, target, changes, param, sentence):
    given_ = {"score": lambda frame: frame["a"].to_numpy(), "data": data, "target": target} | changes
    with pytest.raises(Unmeasurable, match=sentence) as refusal:
        permutation_importance(**given_)
    assert refusal.value.param == param
