"""Explanations beyond the values, from the question over the API to the page."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audits import checks, results
from audits.checks import explanation_stability
from audits.models import Run
from audits.sandbox.explanation import sample
from people.models import User
from registry.models import Dataset, Version
from tests.conftest import GERMAN

pytestmark = pytest.mark.django_db

NUMBERS = ["duration_in_month", "credit_amount", "age_in_years"]
CODES = {
    "version": "2026-01",
    "codes": {
        "duration_in_month": {"code": "R1", "text": "The credit runs too long"},
        "credit_amount": [{"code": "R2", "text": "The amount is too high", "above": 3000}],
    },
}


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    whole = pd.read_csv(io.BytesIO(GERMAN.read_bytes()), keep_default_na=False)
    return whole[[*NUMBERS, "creditability"]].iloc[:300]


def fitted(table: pd.DataFrame, **settings: Any) -> Any:
    model = make_pipeline(StandardScaler(), LogisticRegression(**settings))
    return model.fit(table[NUMBERS], table["creditability"] == "good")


@pytest.fixture
def rows(upload: Callable[..., Dataset], table: pd.DataFrame) -> Dataset:
    roles = {"feature": NUMBERS, "sensitive": "age_in_years", "target": "creditability"}
    return upload(table.to_csv(index=False), **roles)


@pytest.fixture
def scorecard(register: Callable[..., Version], table: pd.DataFrame) -> Version:
    return register(skops.io.dumps(fitted(table)), "scorecard.skops", facts={"labels": ["bad", "good"]})


def pages(run: dict[str, Any]) -> list[dict[str, Any]]:
    """The sections as a page shows them; every chart draws."""
    return list(results.sections(run["check"], run["result"]))


def titles(run: dict[str, Any]) -> list[str]:
    return [section["title"] for section in pages(run)]


def test_everything_that_can_be_asked_of_an_explanation(
    check: Any, scorecard: Version, rows: Dataset, table: pd.DataFrame
) -> None:
    run = check(
        scorecard,
        "explainability",
        rows,
        rows=30,
        dependence=2,
        interactions=[["duration_in_month", "credit_amount"]],
        interaction_rows=20,
        permutation_repeats=2,
        reason_codes=CODES,
        lime=True,
        lime_rows=2,
        gradient_rows=2,
    )
    result = run["result"]
    assert [len(found["points"]) > 3 for found in result["dependence"]] == [True, True]
    assert 0 < result["interactions"][0]["h"] < 1
    shuffled = {row["feature"]: row for row in result["permutation"]["features"]}
    assert set(shuffled) == set(NUMBERS)
    assert shuffled["duration_in_month"]["mean"] > 3 * shuffled["duration_in_month"]["standard_error"]
    assert [found["row"] for found in result["lime"]] == [row["row"] for row in result["reasons"][:2]]
    assert result["codes"]["version"] == "2026-01"
    values = table[NUMBERS]
    for row, explained in zip(result["codes"]["rows"], result["reasons"], strict=True):
        lowered = [part for part in explained["contributions"] if part["contribution"] < 0]
        assert [reason["feature"] for reason in row["reasons"]] == [part["feature"] for part in lowered][:4]
        for reason in row["reasons"]:
            above = values.loc[row["row"] - 1, "credit_amount"] > 3000
            code = {"duration_in_month": "R1", "credit_amount": "R2" if above else None}.get(reason["feature"])
            assert reason["code"] == code
    said = " ".join(result["limitations"])
    assert "“age_in_years” is a principal reason in" in said
    assert "has no code for its value" in said
    assert "“age_in_years” has the role sensitive" in said
    assert "LIME" in said
    assert titles(run) == [
        "",
        "Importance",
        "Contributions along the values",
        "Interactions",
        "Permutation importance",
        "Reasons row by row",
        "Reason codes",
        "Local surrogates (LIME)",
        "Integrated gradients",
    ]
    for row in result["gradients"]["rows"]:
        parts = sum(each["attribution"] for each in row["attributions"])
        assert parts == pytest.approx(row["score"] - result["gradients"]["base"], abs=1e-3)


def test_an_explanation_made_before_these_parts_still_shows() -> None:
    explained = checks.get("explainability")
    row = {"feature": "a", "mean_abs": 1.0, "mean": 0.5, "share": 1.0}
    assert [section.title for section in explained.sections({"importance": [row]})] == ["Importance"]
    assert explained.sections({"importance": []}) == []
    assert [figure.value for figure in explained.figures({"importance": [row]})] == [1.0]


def test_counterfactuals_hold_and_keep_their_constraints(
    check: Any, scorecard: Version, rows: Dataset, table: pd.DataFrame
) -> None:
    model = fitted(table)
    asked = {
        "rows": 5,
        "threshold": 0.6,
        "directions": {"credit_amount": "decrease"},
        "ranges": {"duration_in_month": [6, 60]},
    }
    run = check(scorecard, "counterfactuals", rows, **asked)
    result = run["result"]
    assert run["params"]["immutable"] == result["immutable"] == ["age_in_years"]
    assert result["found"] == result["asked"] == len(result["rows"]) == 5
    for row in result["rows"]:
        here = table[NUMBERS].iloc[[row["row"] - 1]].astype(float)
        assert row["score"] == pytest.approx(model.predict_proba(here)[0, 1])
        assert row["score"] < 0.6
        for each in row["counterfactuals"]:
            there = here.copy()
            for change in each["changes"]:
                assert change["feature"] != "age_in_years"
                assert change["to"] in table[change["feature"]].to_numpy()
                there[change["feature"]] = float(change["to"])
                assert change["feature"] != "credit_amount" or change["to"] < change["from"]
                assert change["feature"] != "duration_in_month" or 6 <= change["to"] <= 60
            assert each["score"] == pytest.approx(model.predict_proba(there)[0, 1])
            assert each["score"] >= 0.6
    assert "heuristic" in result["limitations"][0]
    assert titles(run) == ["", "What turns decisions", "Row by row"]
    assert json.dumps(check(scorecard, "counterfactuals", rows, **asked)["result"]) == json.dumps(result)


def test_rows_that_nothing_turns_are_named(check: Any, scorecard: Version, rows: Dataset) -> None:
    result = check(scorecard, "counterfactuals", rows, threshold=1.5, chosen=[3, 1])["result"]
    assert [row["row"] for row in result["rows"]] == [1, 3]
    assert (result["asked"], result["found"], result["coverage"]) == (2, 0, 0.0)
    assert "rows 1, 3" in " ".join(result["limitations"])
    assert "No score reaches the threshold" in " ".join(result["limitations"])
    assert checks.get("counterfactuals").figures(result)[1].value is None


def test_a_version_compared_with_its_likeness_is_stable_and_with_another_is_not(
    check: Any, scorecard: Version, register: Callable[..., Version], rows: Dataset, table: pd.DataFrame
) -> None:
    opposite = table.assign(creditability=np.where(table["creditability"] == "good", "bad", "good"))
    contrary = register(skops.io.dumps(fitted(opposite)), "other.skops", facts={"labels": ["bad", "good"]})
    same = register(skops.io.dumps(fitted(table, C=1.0)), "same.skops", facts={"labels": ["bad", "good"]})
    asked = {"rows": 20, "background": 30, "repeats": 2, "top": 2}
    run = check(scorecard, "explanation_stability", rows, other_version=str(same.pk), **asked)
    versions = run["result"]["versions"]
    assert (versions["kendall"], versions["top_overlap"], versions["sign_agreement"]) == (1.0, 1.0, 1.0)
    assert versions["mean_abs_difference"] == pytest.approx(0, abs=1e-9)
    assert titles(run) == ["", "Between versions", "Under noise"]
    assert Run.objects.get(pk=run["id"]).params["other_version"] == str(same.pk)
    versions = check(scorecard, "explanation_stability", rows, other_version=str(contrary.pk), **asked)["result"][
        "versions"
    ]
    assert versions["sign_agreement"] == 0
    assert versions["mean_abs_difference"] > 0.1


def test_noise_moves_a_linear_models_contributions_by_its_coefficients(
    check: Any, scorecard: Version, rows: Dataset, table: pd.DataFrame
) -> None:
    """φ_j = w_j (x_j - mean_j), so |Δφ| / |Δx| in standard deviations is at most the largest |w_j sd_j|."""
    run = check(scorecard, "explanation_stability", rows, rows=40, background=50, repeats=4, noise=0.1)
    noise = run["result"]["noise"]
    weights = np.abs(fitted(table)[-1].coef_[0])
    assert weights.min() - 1e-9 <= noise["ratio"]["median"] <= noise["ratio"]["largest"] <= weights.max() + 1e-9
    assert run["result"]["versions"] is None
    assert (noise["rows"], noise["still"]) == (40, 0)
    assert 0.8 < noise["rank_agreement"] <= 1
    assert titles(run) == ["", "Under noise"]


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("explainability", {"interactions": [["age_in_years", "creditability"]]}, "“creditability” is no feature"),
        ("explainability", {"interactions": [["age_in_years"]]}, "interactions"),
        ("explainability", {"reason_codes": {"codes": CODES["codes"]}}, "“version” is a required property"),
        (
            "explainability",
            {"reason_codes": {"version": "1", "codes": {"wage": CODES["codes"]["credit_amount"]}}},
            "wage",
        ),
        (
            "explainability",
            {"reason_codes": {"version": "1", "codes": {"credit_amount": {"code": "R9", "text": " Other. "}}}},
            "no specific reason",
        ),
        ("explainability", {"loss": "squared_error"}, "holds text, not numbers"),
        ("explainability", {"permutation_repeats": 1, "target": "credit_amount"}, "more than 50 different values"),
        ("counterfactuals", {"immutable": NUMBERS}, "nothing can change"),
        ("counterfactuals", {"immutable": ["creditability"]}, "no feature"),
        ("counterfactuals", {"chosen": [301]}, "has 300 rows and no row 301"),
        ("counterfactuals", {"ranges": {"credit_amount": [9, 1]}}, "starts at 9, above its end 1"),
        ("counterfactuals", {"directions": {"credit_amount": "up"}}, "directions"),
        ("explanation_stability", {"repeats": 0}, "nothing to measure"),
        ("explanation_stability", {"other_version": "00000000-0000-0000-0000-000000000000"}, "no version"),
    ],
)
def test_what_cannot_be_explained_is_refused(
    api: Any, developer: User, scorecard: Version, rows: Dataset, name: str, params: Any, said: str
) -> None:
    body = {"check": name, "dataset": str(rows.pk), "params": params}
    answer = api(developer).post(f"/api/v1/versions/{scorecard.pk}/runs/", body)
    assert answer.status_code == 422, answer.json()
    assert said in answer.json()["detail"].replace("'", "“", 1).replace("'", "”", 1)
    assert not Run.objects.exists()


def test_amounts_are_explained_without_a_favourable_value(
    check: Any, register: Callable[..., Version], upload: Callable[..., Dataset], table: pd.DataFrame
) -> None:
    """The target holds more numbers than a target of outcomes may."""
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(table[NUMBERS[::2]], table["credit_amount"])
    version = register(skops.io.dumps(model), "amounts.skops")
    rows = upload(table[NUMBERS].to_csv(index=False), feature=NUMBERS[::2], target="credit_amount")
    asked = {"rows": 20, "permutation_repeats": 2, "loss": "squared_error"}
    result = check(version, "explainability", rows, **asked)["result"]
    predicted = model.predict(table[NUMBERS[::2]])
    assert result["permutation"]["baseline"] == pytest.approx(((predicted - table["credit_amount"]) ** 2).mean())
    assert result["scale"] == "raw"
    run = check(version, "counterfactuals", rows, rows=2, threshold=float(np.median(predicted)))
    assert "favourable" not in run["params"]
    assert run["result"]["found"] == 2


def test_the_sandbox_draws_what_was_staged() -> None:
    """Rows and background of every size, also when everything is drawn for both."""
    background = pd.DataFrame({"n": np.arange(7.0)})
    parts = [pd.DataFrame({"n": 100.0 + np.arange(5) + 10 * part}) for part in range(3)]
    for seed in range(20):
        table, places, asked = explanation_stability.staged(parts, background, seed)
        drawn = sample(len(table), rows=asked, background=7, seed=seed)
        assert table["n"].iloc[drawn.background].tolist() == background["n"].tolist()
        assert table["n"].iloc[places].tolist() == pd.concat(parts)["n"].tolist()
        assert set(places) <= set(drawn.rows)


def test_what_cannot_be_compared_is_refused(
    api: Any, developer: User, scorecard: Version, bare: Version, rows: Dataset
) -> None:
    client = api(developer)
    for name in ("counterfactuals", "explanation_stability"):
        body = {"check": name, "dataset": str(rows.pk), "params": {}}
        answer = client.post(f"/api/v1/versions/{bare.pk}/runs/", body)
        assert "no artifact" in answer.json()["detail"]
    for other, said in ((scorecard, "the version itself"), (bare, "no artifact to explain")):
        body = {"check": "explanation_stability", "dataset": str(rows.pk), "params": {"other_version": str(other.pk)}}
        answer = client.post(f"/api/v1/versions/{scorecard.pk}/runs/", body)
        assert answer.status_code == 422
        assert said in answer.json()["detail"]
