"""Artifacts are run in the sandbox, and what the check says is what the library itself says."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from registry.models import Dataset, Version
from tests.conftest import GERMAN

pytestmark = pytest.mark.django_db

NUMBERS = ["duration_in_month", "credit_amount", "age_in_years"]


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(GERMAN.read_bytes()), keep_default_na=False)


@pytest.fixture
def rows(upload: Callable[..., Dataset], table: pd.DataFrame) -> Dataset:
    content = table[[*NUMBERS, "foreign_worker", "creditability"]].to_csv(index=False)
    return upload(content, feature=NUMBERS, sensitive="foreign_worker", target="creditability")


@pytest.fixture(scope="session")
def booster(table: pd.DataFrame) -> Any:
    import xgboost

    matrix = xgboost.DMatrix(table[NUMBERS], label=table["creditability"] == "good")
    settings = {"objective": "binary:logistic", "max_depth": 3, "seed": 1, "nthread": 1}
    return xgboost.train(settings, matrix, num_boost_round=20)


@pytest.fixture
def boosted(register: Callable[..., Version], booster: Any) -> Version:
    return register(bytes(booster.save_raw("ubj")), "challenger.ubj", facts={"labels": ["bad", "good"]})


def scored(booster: Any, table: pd.DataFrame) -> Any:
    import xgboost

    return booster.predict(xgboost.DMatrix(table[NUMBERS]))


def test_performance_of_a_skops_scorecard(check: Any, version: Version, rows: Dataset, table: pd.DataFrame) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    good = table["creditability"] == "good"
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(table[NUMBERS], good)
    score = model.predict_proba(table[NUMBERS])[:, 1]
    run = check(version, "performance", rows, labels=["bad", "good"], threshold=0.7)
    result = run["result"]
    assert result["auc"]["value"] == pytest.approx(roc_auc_score(good, score), abs=1e-9)
    assert result["confusion"]["tp"] == int((good & (score >= 0.7)).sum())
    assert result["confusion"]["fp"] == int((~good & (score >= 0.7)).sum())
    assert result["source"]["kind"] == "artifact"
    assert result["source"]["digest"] == version.digest


def test_a_target_of_truth_values_meets_the_models_own_classes(
    check: Any, version: Version, upload: Any, table: pd.DataFrame
) -> None:
    happened = (table["creditability"] == "good").map({True: "true", False: "false"})
    content = table[NUMBERS].assign(good=happened).to_csv(index=False)
    run = check(version, "performance", upload(content, feature=NUMBERS, target="good"))
    assert run["params"]["favourable"] is True
    assert run["result"]["source"]["classes"] == [False, True]
    assert run["result"]["auc"]["value"] > 0.6


def test_fairness_of_a_booster(check: Any, boosted: Version, rows: Dataset, booster: Any, table: pd.DataFrame) -> None:
    selected = scored(booster, table) >= 0.6
    result = check(boosted, "fairness", rows, threshold=0.6)["result"]
    for row in result["groups"]:
        mine = table["foreign_worker"] == row["group"]["foreign_worker"]
        assert row["n"] == int(mine.sum())
        assert row["selection_rate"]["value"] == pytest.approx(selected[mine].mean(), abs=1e-12)
        rejected = ~selected[mine] & (table.loc[mine, "creditability"] == "good")
        assert row["fn"] == int(rejected.sum())
    assert result["source"]["threshold"] == 0.6


def test_the_other_outcome_can_be_the_favourable_one(
    check: Any, boosted: Version, rows: Dataset, booster: Any, table: pd.DataFrame
) -> None:
    result = check(boosted, "performance", rows, favourable="bad")["result"]
    bad = table["creditability"] == "bad"
    assert result["confusion"]["tp"] == int((bad & (1 - scored(booster, table).astype(float) >= 0.5)).sum())
    assert result["auc"]["value"] == pytest.approx(roc_auc_score(bad, -scored(booster, table)), abs=1e-6)


def test_explanation_of_a_booster_adds_up_to_its_margin(
    check: Any, boosted: Version, rows: Dataset, booster: Any, table: pd.DataFrame
) -> None:
    import xgboost

    run = check(boosted, "explainability", rows, rows=40, top=2, seed=5)
    result = run["result"]
    assert result["rows"] == len(result["reasons"]) == 40
    assert result["additivity"]["holds"] is True
    assert {row["feature"] for row in result["importance"]} == set(NUMBERS)
    margins = booster.predict(xgboost.DMatrix(table[NUMBERS]), output_margin=True)
    for reason in result["reasons"]:
        total = reason["base"] + reason["rest"] + sum(part["contribution"] for part in reason["contributions"])
        assert total == pytest.approx(margins[reason["row"] - 1], abs=1e-4)
        at = reason["row"] - 1
        for part in reason["contributions"]:
            assert part["value"] == table[part["feature"]][at]
    assert len(result["reasons"][0]["contributions"]) == 2
    assert any("40 of 1000 rows" in sentence for sentence in result["limitations"])


def test_explanation_of_a_skops_scorecard_is_its_coefficients(
    check: Any, version: Version, rows: Dataset, table: pd.DataFrame
) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(table[NUMBERS], table["creditability"] == "good")
    result = check(version, "explainability", rows, labels=["bad", "good"], background=1000, top=3)["result"]
    weights = dict(zip(NUMBERS, model[-1].coef_[0] / model[0].scale_, strict=True))
    for reason in result["reasons"][:20]:
        for part in reason["contributions"]:
            values = table[part["feature"]]
            expected = weights[part["feature"]] * (values[reason["row"] - 1] - values.mean())
            assert part["contribution"] == pytest.approx(expected, abs=1e-6)


def test_same_inputs_and_seed_give_the_same_bytes(check: Any, boosted: Version, rows: Dataset) -> None:
    one, other = (check(boosted, "explainability", rows, rows=30, seed=7)["result"] for _ in range(2))
    assert json.dumps(one) == json.dumps(other)


def test_the_seed_decides_what_is_drawn(check: Any, bare: Version, rows: Dataset) -> None:
    drawn = [
        json.dumps(check(bare, "fairness", rows, prediction="creditability", replicates=500, seed=seed)["result"])
        for seed in (3, 3, 4)
    ]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_the_artifact_can_be_left_alone_when_the_data_brings_the_predictions(
    check: Any, boosted: Version, upload: Any, table: pd.DataFrame
) -> None:
    brought = table[["foreign_worker", "creditability"]].assign(
        said=np.where(table["age_in_years"] > 30, "good", "bad")
    )
    dataset = upload(brought.to_csv(index=False), prediction="said", sensitive="foreign_worker", target="creditability")
    result = check(boosted, "fairness", dataset)["result"]
    assert result["source"] == {"kind": "column", "prediction": "said"}
    assert "was not run" in " ".join(result["limitations"])
