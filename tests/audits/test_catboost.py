"""CatBoost's own files, scored and explained in the confined child."""

import builtins
import importlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor, Pool

from audits.sandbox.failures import Unfit
from audits.sandbox.parent import ChildFailed, explain, predict

SETTINGS = {"iterations": 12, "depth": 3, "verbose": 0, "thread_count": 1, "allow_writing_files": False}
COUNT = 150


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    random = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "housing": random.choice(["own", "rent", "free"], COUNT),
            "amount": random.normal(3000, 900, COUNT).round(),
            "rooms": random.integers(1, 5, COUNT),
        }
    )


@pytest.fixture(scope="module")
def outcome(table: pd.DataFrame) -> np.ndarray:
    noise = np.random.default_rng(6).normal(0, 1, COUNT)
    return np.where(table["amount"] / 900 + (table["housing"] == "rent") + noise > 3.6, "bad", "good")


@pytest.fixture(scope="module")
def classifier(table: pd.DataFrame, outcome: np.ndarray) -> CatBoostClassifier:
    return CatBoostClassifier(**SETTINGS, cat_features=["housing", "rooms"]).fit(table, outcome)


@pytest.fixture(scope="module")
def file(classifier: CatBoostClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catboost") / "model.cbm"
    classifier.save_model(str(path))
    return path


def test_numbers_and_categories_are_found_by_name(file, classifier, table):
    shuffled = table[["rooms", "amount", "housing"]].assign(unused=1)
    found = predict(artifact=file, format="catboost-cbm", data=shuffled, favourable="good")
    assert found.classes == ["bad", "good"]
    np.testing.assert_allclose(found.score, classifier.predict_proba(table)[:, 1], atol=1e-12)
    assert found.libraries["catboost"]


def test_its_own_values_add_up_for_the_class_asked_for(file, classifier, table):
    found = explain(artifact=file, format="catboost-cbm", data=table, rows=40, favourable="bad")
    rows = table.iloc[found.rows]
    odds = classifier.predict(rows, prediction_type="RawFormulaVal")
    own = classifier.get_feature_importance(Pool(rows, cat_features=["housing", "rooms"]), type="ShapValues")
    np.testing.assert_allclose(found.output, -odds, atol=1e-12)
    np.testing.assert_allclose(found.values, -own[:, :-1], atol=1e-12)
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), found.output, atol=1e-9)
    assert found.scale == "log-odds"
    assert "path-dependent" in found.game


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.drop(columns="amount"), "The model needs 3 features; the dataset lacks 'amount'."),
        (lambda table: table.assign(housing=None), "reads no empty cells as a category, and column 'housing'"),
        (lambda table: table.assign(rooms=2.5), "reads column 'rooms' as a category, but the dataset holds numbers"),
        (lambda table: table.assign(amount="much"), "column 'amount' of the dataset holds text such as 'much'"),
    ],
)
def test_data_that_does_not_fit_is_named(file, table, change, words):
    with pytest.raises(ChildFailed) as caught:
        predict(artifact=file, format="catboost-cbm", data=change(table))
    assert words in str(caught.value)
    assert caught.value.kind == "mismatch"


def test_an_amount_is_predicted_on_its_own_scale(table, tmp_path):
    numbers = table[["amount", "rooms"]].to_numpy()
    model = CatBoostRegressor(**SETTINGS, loss_function="Poisson").fit(numbers, table["rooms"] * 3)
    model.save_model(str(tmp_path / "m.cbm"))
    found = predict(artifact=tmp_path / "m.cbm", format="catboost-cbm", data=table[["amount", "rooms"]])
    np.testing.assert_allclose(found.score, model.predict(numbers), rtol=1e-12)
    assert (found.classes, found.scale) == ([], "raw")


def test_several_targets_are_refused(table, tmp_path):
    model = CatBoostRegressor(**SETTINGS, loss_function="MultiRMSE")
    model.fit(table[["amount"]], table[["rooms", "amount"]]).save_model(str(tmp_path / "m.cbm"))
    with pytest.raises(ChildFailed, match="predicts several targets at once"):
        predict(artifact=tmp_path / "m.cbm", format="catboost-cbm", data=table)


def test_without_the_library_the_run_says_which_extra_to_install(monkeypatch):
    real = builtins.__import__

    def absent(name, *rest):
        if name == "catboost":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "audits.sandbox.catboost_model", raising=False)
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(Unfit, match="install the extra “catboost”"):
        importlib.import_module("audits.sandbox.catboost_model")
