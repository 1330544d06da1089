"""The robustness check runs real artifacts in the sandbox and says what changed inputs do."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audits import checks, results
from audits.checks.presenting import Table
from people.models import User
from registry.models import Dataset, Version
from tests.conftest import GERMAN

pytestmark = pytest.mark.django_db

NUMBERS = ["duration_in_month", "credit_amount", "age_in_years"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(GERMAN.read_bytes()), keep_default_na=False)


@pytest.fixture
def rows(upload: Callable[..., Dataset], table: pd.DataFrame) -> Dataset:
    return upload(table[[*NUMBERS, "creditability"]].to_csv(index=False), feature=NUMBERS, target="creditability")


@pytest.fixture(scope="module")
def booster(table: pd.DataFrame) -> Any:
    import xgboost

    settings = {
        "objective": "binary:logistic",
        "max_depth": 3,
        "seed": 1,
        "nthread": 1,
        "monotone_constraints": "(-1,0,0)",
    }
    matrix = xgboost.DMatrix(table[NUMBERS], label=table["creditability"] == "good")
    return xgboost.train(settings, matrix, num_boost_round=15)


@pytest.fixture
def boosted(register: Callable[..., Version], booster: Any) -> Version:
    return register(bytes(booster.save_raw("ubj")), "challenger.ubj", facts={"labels": ["bad", "good"]})


SCENARIOS = {"longer": {"duration_in_month": {"multiply": 2, "add": 1}}, "same age": {"age_in_years": {"set": 30}}}


def test_a_booster_under_every_change(
    check: Any, boosted: Version, rows: Dataset, booster: Any, table: pd.DataFrame
) -> None:
    import xgboost

    from audits.measures import robustness

    given = {"decreasing": ["duration_in_month"], "increasing": ["credit_amount"], "scenarios": SCENARIOS}
    run = check(boosted, "robustness", rows, rows=300, sweep_rows=40, **given)
    result = run["result"]

    def scored(frame: pd.DataFrame) -> Any:
        return booster.predict(xgboost.DMatrix(frame[NUMBERS])).astype(float)

    places = robustness.sampled(len(table), 300, 0)
    drawn = table[NUMBERS].iloc[places].reset_index(drop=True)
    before = scored(drawn)
    assert result["reproducibility"]["identical"]
    assert result["reproducibility"]["digest"] == robustness.digest(scored(table))
    noisy = robustness.perturbed(drawn, noise=0.1, flips=0.1, generator=np.random.default_rng(0))
    assert result["noise"]["mean_size"] == pytest.approx(np.abs(scored(noisy) - before).mean(), abs=1e-9)
    without = {row["feature"]: row for row in result["missing"]}
    gap = scored(drawn.assign(age_in_years=np.nan)) - before
    assert without["age_in_years"]["mean_change"] == pytest.approx(gap.mean(), abs=1e-9)
    followed = {row["feature"]: row for row in result["monotonicity"]}
    assert followed["duration_in_month"]["rows"]["value"] == 0
    assert followed["credit_amount"]["rows"]["value"] > 0
    longer = result["scenarios"][0]
    stressed = scored(drawn.assign(duration_in_month=drawn["duration_in_month"] * 2 + 1))
    assert longer["mean_score"] == pytest.approx(stressed.mean(), abs=1e-9)
    assert longer["auc"]["value"] != result["base"]["auc"]["value"]
    assert "300 of 1000 rows were changed, drawn by the seed 0." in result["limitations"]
    assert check(boosted, "robustness", rows, rows=300, sweep_rows=40, **given)["result"] == result
    shown = checks.get("robustness")
    labels = [figure.label for figure in shown.figures(result)]
    assert labels[0] == "Scored again"
    assert "Against the direction" in labels
    assert list(results.sections("robustness", result))
    tables = [part.caption for section in shown.sections(result) for part in section.parts if isinstance(part, Table)]
    assert tables == [
        "Each feature missing",
        "Each number beyond its range",
        "Features that must raise or lower the score",
        "Scenarios",
    ]


def test_a_model_that_refuses_missing_values_says_so(check: Any, version: Version, rows: Dataset) -> None:
    result = check(version, "robustness", rows, labels=["bad", "good"], rows=50)["result"]
    assert [row["feature"] for row in result["missing"]] == NUMBERS
    assert all("NaN" in row["refused"] for row in result["missing"])
    assert result["out_of_range"][0]["mean_size"] > 0
    assert any("The model refuses rows without" in sentence for sentence in result["limitations"])
    figures = {figure.label: figure.value for figure in checks.get("robustness").figures(result)}
    assert figures["Refused when missing"] == 3
    assert len(list(results.sections("robustness", result))) == 3


def test_without_a_target_there_is_no_auc(check: Any, boosted: Version, upload: Any, table: pd.DataFrame) -> None:
    unknown = upload(table[NUMBERS].head(60).to_csv(index=False), feature=NUMBERS)
    result = check(boosted, "robustness", unknown, favourable="good")["result"]
    assert result["base"]["auc"] is None
    assert result["rows"] == 60


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"increasing": ["lost"]}, "no column “lost”"),
        ({"increasing": ["creditability"]}, "is no feature"),
        ({"increasing": ["age_in_years"], "decreasing": ["age_in_years"]}, "both increasing and decreasing"),
        ({"scenarios": {"x": {"lost": {"add": 1}}}}, "no column “lost”"),
        ({"scenarios": {"x": {"age_in_years": {"add": 1, "set": 2}}}}, "do one of the two"),
        ({"scenarios": {"x": {"age_in_years": {"set": "old"}}}}, "sets it to something else"),
        ({"scenarios": {"x": {"age_in_years": {"power": 2}}}}, "scenarios"),
        ({"noise": -1}, "noise"),
    ],
)
def test_changes_without_sense_are_refused(
    api: Any, developer: User, boosted: Version, rows: Dataset, params: Any, said: str
) -> None:
    body = {"check": "robustness", "dataset": str(rows.pk), "params": params}
    answer = api(developer).post(f"/api/v1/versions/{boosted.pk}/runs/", body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_without_an_artifact_there_is_nothing_to_run(api: Any, developer: User, bare: Version, rows: Dataset) -> None:
    body = {"check": "robustness", "dataset": str(rows.pk), "params": {}}
    answer = api(developer).post(f"/api/v1/versions/{bare.pk}/runs/", body)
    assert answer.status_code == 422
    assert "runs the model itself" in answer.json()["detail"]
