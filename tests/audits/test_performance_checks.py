"""The checks of performance over the API: published numbers, what they show, what they refuse."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audits import checks, results
from audits.checks.presenting import Chart, Figures, Table
from people.models import User
from registry.models import Dataset, Version
from tests.conftest import GERMAN, ROOT

pytestmark = pytest.mark.django_db


def written(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([columns, *rows])
    return out.getvalue()


@pytest.fixture
def refused(api: Any, developer: User) -> Callable[..., str]:
    """`refused(version, name, dataset, **params)`: the sentence of a 422, and that nothing was queued."""

    def ask(version: Version, name: str, dataset: Dataset, **params: Any) -> str:
        body = {"check": name, "dataset": str(dataset.pk), "params": params}
        answer = api(developer).post(f"/api/v1/versions/{version.pk}/runs/", body)
        assert answer.status_code == 422, answer.json()
        return str(answer.json()["detail"])

    return ask


def parts(name: str, result: dict[str, Any], kind: type) -> list[Any]:
    """The parts of that kind; all of them can be printed and drawn."""
    assert list(results.sections(name, result))
    return [part for section in checks.get(name).sections(result) for part in section.parts if isinstance(part, kind)]


@pytest.fixture
def scored(upload: Any) -> Dataset:
    generator = np.random.default_rng(5)
    score = np.round(0.01 + 0.98 * generator.random(300), 3)
    happened = np.where(generator.random(300) < score, "yes", "no")
    return upload(
        written(["happened", "chance"], list(zip(happened, score, strict=True))), target="happened", score="chance"
    )


def test_performance_keeps_its_choices_in_the_result(check: Any, bare: Version, scored: Dataset) -> None:
    given = {"binning": "count", "groups": 5, "sample": "development"}
    run = check(bare, "performance", scored, cost_false_positive=1, cost_false_negative=5, **given)
    assert run["params"] | given == run["params"]
    result = run["result"]
    assert result["hosmer_lemeshow"]["df"] == 3
    assert result["hosmer_lemeshow"]["sample"] == "development"
    assert result["recalibration"]["slope"]["low"] < 1 < result["recalibration"]["slope"]["high"]
    assert [row["n"] for row in result["calibration"]] == pytest.approx([30] * 10, abs=3)
    assert result["costs"]["cheapest"]["cost"] <= result["costs"]["decided"]
    assert any("which flatters it" in sentence for sentence in result["limitations"])


def test_performance_shows_the_figures_first_and_every_curve(check: Any, bare: Version, scored: Dataset) -> None:
    result = check(bare, "performance", scored, cost_false_positive=1, cost_false_negative=5)["result"]
    figures = checks.get("performance").figures(result)
    assert [figure.label for figure in figures] == ["AUC", "KS", "Brier score", "Accuracy"]
    assert (figures[0].value, figures[0].low) == (result["auc"]["value"], result["auc"]["low"])
    titles = [chart.title for chart in parts("performance", result, Chart)]
    assert titles == ["ROC curve", "Gains", "Calibration", "Rates over thresholds", "Cost curve"]
    confusion = parts("performance", result, Table)[0]
    assert [row[1:] for row in confusion.rows] == [
        [result["confusion"]["tp"], result["confusion"]["fp"]],
        [result["confusion"]["fn"], result["confusion"]["tn"]],
    ]


def test_decisions_alone_are_shown_without_curves(check: Any, bare: Version, upload: Any) -> None:
    table = upload(written(["y", "p"], [["1", "1"], ["0", "1"], ["1", "0"]]), target="y", prediction="p")
    result = check(bare, "performance", table)["result"]
    assert [figure.label for figure in checks.get("performance").figures(result)] == ["Accuracy"]
    assert parts("performance", result, Chart) == []


def test_an_older_result_is_still_shown(check: Any, bare: Version, scored: Dataset) -> None:
    result = check(bare, "performance", scored)["result"]
    for added in ("thresholds", "lift", "brier_decomposition", "hosmer_lemeshow", "recalibration", "costs"):
        del result[added]
    assert [chart.title for chart in parts("performance", result, Chart)] == ["ROC curve", "Calibration"]
    assert len(parts("performance", result, Figures)) == 1


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"cost_false_positive": 1}, "“cost_false_negative” beside"),
        ({"cost_false_positive": 0, "cost_false_negative": 0}, "Both costs are 0"),
        ({"cost_false_positive": -1, "cost_false_negative": 1}, "cost_false_positive"),
        ({"binning": "deciles"}, "binning"),
        ({"sample": "test"}, "sample"),
    ],
)
def test_performance_refuses_choices_without_sense(
    refused: Any, bare: Version, scored: Dataset, params: Any, said: str
) -> None:
    assert said in refused(bare, "performance", scored, **params)


def test_a_cost_curve_needs_a_score(refused: Any, bare: Version, scored: Dataset) -> None:
    costs = {"cost_false_positive": 1, "cost_false_negative": 1}
    assert "name the score column" in refused(bare, "performance", scored, prediction="happened", **costs)


ORACLES = json.loads((Path(ROOT) / "tests" / "data" / "oracles.json").read_text())


@pytest.mark.parametrize(("sample", "df", "p"), [("development", 3, "p_df3"), ("external", 5, "p_df5")])
def test_the_published_hosmer_lemeshow_groups_over_the_api(
    check: Any, bare: Version, upload: Any, sample: str, df: int, p: str
) -> None:
    oracle = ORACLES["worked_metrics"]["hosmer_lemeshow"]
    n = oracle["n_each"]
    pairs = zip(oracle["p"], oracle["observed"], strict=True)
    rows = [[int(at < events), chance] for chance, events in pairs for at in range(n)]
    table = upload(written(["y", "p"], rows), target="y", score="p")
    found = check(bare, "performance", table, groups=5, sample=sample)["result"]["hosmer_lemeshow"]
    assert found["statistic"] == pytest.approx(oracle["chi2"], abs=1e-6)
    assert (found["df"], found["p_value"]) == (df, pytest.approx(oracle[p], abs=1e-5))


# Champion against challenger


@pytest.fixture
def two(upload: Any) -> Dataset:
    generator = np.random.default_rng(9)
    happened = generator.random(200) < 0.4
    old, new = (np.clip(0.5 + 0.1 * (happened - 0.5) * by + 0.2 * generator.normal(size=200), 0, 1) for by in (1, 4))
    rows = list(zip(happened.astype(int), np.round(old, 3), np.round(new, 3), strict=True))
    return upload(written(["y", "old", "new"], rows), target="y", score="new")


def test_two_score_columns_are_compared_on_the_same_rows(check: Any, bare: Version, two: Dataset) -> None:
    from sklearn.metrics import roc_auc_score

    from registry import reading

    run = check(bare, "comparison", two, champion_score="old")
    assert run["params"]["champion_threshold"] == run["params"]["threshold"] == 0.5
    result = run["result"]
    frame = reading.frame(two)
    expected = roc_auc_score(frame["y"], frame["new"]) - roc_auc_score(frame["y"], frame["old"])
    assert result["auc"]["difference"]["value"] == pytest.approx(expected)
    assert result["rows"] == {"n": 200, "digest": two.digest}
    assert result["scores"]["champion"] != result["scores"]["challenger"]
    shown = parts("comparison", result, Table)
    assert shown[1].rows[1][1] == result["accuracy"]["only_champion_right"]


def test_a_version_against_its_champion(check: Any, version: Version, register: Any, upload: Any) -> None:
    import pandas as pd
    import xgboost

    table = pd.read_csv(GERMAN)
    numbers = ["duration_in_month", "credit_amount", "age_in_years"]
    good = table["creditability"] == "good"
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}, xgboost.DMatrix(table[numbers], good), 10
    )
    facts = {"labels": ["bad", "good"]}
    challenger = register(bytes(booster.save_raw("ubj")), "challenger.ubj", facts=facts)
    rows = upload(table[[*numbers, "creditability"]].to_csv(index=False), feature=numbers, target="creditability")
    run = check(challenger, "comparison", rows, champion=str(version.pk), champion_labels=["bad", "good"])
    result = run["result"]
    score = booster.predict(xgboost.DMatrix(table[numbers]))
    assert result["auc"]["challenger"]["value"] > result["auc"]["champion"]["value"] > 0.5
    assert result["accuracy"]["challenger"]["value"] == pytest.approx(((score >= 0.5) == good).mean())
    assert result["sources"]["champion"]["digest"] == version.digest
    assert result["sources"]["challenger"]["digest"] == challenger.digest


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "Name the champion's version"),
        ({"champion_score": "lost"}, "no column “lost”"),
        ({"champion_score": "new", "score": "new"}, "the challenger's score as well"),
        ({"champion": "1b4e28ba-2fa1-11d2-883f-0016d3cca427"}, "that you may see"),
    ],
)
def test_a_comparison_needs_another_model(refused: Any, bare: Version, two: Dataset, params: Any, said: str) -> None:
    assert said in refused(bare, "comparison", two, **params)


def test_a_champion_without_an_artifact_is_refused(refused: Any, bare: Version, register: Any, two: Dataset) -> None:
    assert "has no artifact to score with" in refused(register(), "comparison", two, champion=str(bare.pk), score="new")
    assert "the challenger itself" in refused(bare, "comparison", two, champion=str(bare.pk))


# Back-tests


def test_the_basel_table_over_the_api(check: Any, bare: Version, upload: Any) -> None:
    days = [[day, int(day in {3, 50, 51, 120, 200, 240})] for day in range(250)]
    result = check(bare, "backtest", upload(written(["day", "beyond"], days), target="beyond"), expected=0.01)["result"]
    assert (result["events"], result["traffic_light"]["zone"]) == (6, "yellow")
    assert result["traffic_light"]["multiplier"] == 1.76
    assert result["christoffersen"]["n11"] == 1
    assert any("Only 2.5 events were expected" in sentence for sentence in result["limitations"])
    figures = {figure.label: figure.value for figure in checks.get("backtest").figures(result)}
    assert figures["Basel zone"] == "yellow"
    assert [row[0] for row in parts("backtest", result, Table)[1].rows] == ["Green", "Yellow", "Red"]


@pytest.mark.parametrize(("events", "zone"), [(4, "green"), (5, "yellow"), (9, "yellow"), (10, "red")])
def test_the_published_shares_of_the_basel_table_over_the_api(
    check: Any, bare: Version, upload: Any, events: int, zone: str
) -> None:
    oracle = ORACLES["basel_traffic_light"]
    table = upload(written(["beyond"], [[int(day < events)] for day in range(oracle["n"])]), target="beyond")
    light = check(bare, "backtest", table, expected=oracle["p"])["result"]["traffic_light"]
    assert light["zone"] == zone
    assert 100 * light["cumulative"] == pytest.approx(oracle["cum_pct_0..10"][events], abs=6e-3)
    if events >= 5:
        assert light["plus_factor"] == oracle["plus_factor_5..10"][events - 5]


def test_the_column_of_time_orders_the_rows(check: Any, bare: Version, upload: Any) -> None:
    rows = [["2026-01-03", 0], ["2026-01-01", 1], ["2026-01-04", 0], ["2026-01-02", 1]]
    table = upload(written(["day", "beyond"], rows), target="beyond", time="day")
    result = check(bare, "backtest", table, expected=0.1)["result"]
    assert (result["ordered_by"], result["christoffersen"]["n11"]) == ("day", 1)


def test_days_without_any_exceedance_are_green(check: Any, bare: Version, upload: Any) -> None:
    table = upload(written(["beyond"], [[0]] * 250), target="beyond")
    result = check(bare, "backtest", table, expected=0.01)["result"]
    assert (result["events"], result["traffic_light"]["zone"]) == (0, "green")
    assert result["christoffersen"]["statistic"] is None
    parts("backtest", result, Table)


def test_probabilities_of_default_by_grade(check: Any, bare: Version, upload: Any) -> None:
    rows = [["A", 0.01, int(at < 1)] for at in range(100)] + [["B", 0.05, int(at < 15)] for at in range(100)]
    table = upload(written(["grade", "pd", "default"], rows), target="default", score="pd")
    result = check(bare, "backtest", table, grade="grade")["result"]
    assert [row["grade"] for row in result["grades"]] == ["A", "B"]
    assert result["grades"][1]["p_holm"] < 0.01 < result["grades"][0]["p_holm"]
    assert [chart.title for chart in parts("backtest", result, Chart)] == ["Forecast and observed rate"]
    assert check(bare, "backtest", table)["result"]["grades"] == []


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "Give the chance of every row"),
        ({"expected": 1.5}, "expected"),
        ({"expected": 0.1, "score": "y"}, "not both"),
        ({"score": "x", "time": "y"}, "with one “expected” chance only"),
    ],
)
def test_a_back_test_needs_one_forecast(refused: Any, bare: Version, upload: Any, params: Any, said: str) -> None:
    table = upload(written(["y", "x"], [[0, 0.1], [1, 0.2]]), target="y")
    assert said in refused(bare, "backtest", table, **params)


def test_what_the_event_is_must_be_clear(refused: Any, bare: Version, upload: Any) -> None:
    table = upload(written(["y"], [["never"]] * 5), target="y")
    assert "say which value is the event" in refused(bare, "backtest", table, expected=0.1)


# Amounts, classes, lists


def test_predicted_amounts(check: Any, bare: Version, upload: Any) -> None:
    rows = [[10, 12.5], [0, 1], [30, 28], [20, 20], [25, 26]]
    table = upload(written(["paid", "said"], rows), target="paid", prediction="said")
    result = check(bare, "regression", table, bands=2)["result"]
    assert result["mae"]["value"] == pytest.approx(1.3)
    assert result["bias"]["value"] == pytest.approx(0.5)
    assert result["mape"]["zeros"] == 1
    assert [figure.label for figure in checks.get("regression").figures(result)] == ["MAE", "RMSE", "Bias", "R²"]
    assert len(parts("regression", result, Chart)) == 2


def test_amounts_of_an_artifact_that_decides_between_classes_are_refused(
    api: Any, developer: User, version: Version, upload: Any
) -> None:
    from audits import jobs
    from audits.models import Run

    numbers = ["duration_in_month", "credit_amount", "age_in_years"]
    table = upload(
        written([*numbers, "paid"], [[6, 1000, 30, 1.5], [12, 2000, 40, 2.5]]), feature=numbers, target="paid"
    )
    body = {"check": "regression", "dataset": str(table.pk), "params": {}}
    asked = api(developer).post(f"/api/v1/versions/{version.pk}/runs/", body)
    assert asked.status_code == 202, asked.json()
    run = Run.objects.get(pk=asked.json()["id"])
    jobs.work(run.job_id)
    run.job.refresh_from_db()
    assert "decides between classes" in run.job.error


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("regression", {"target": "word"}, "holds text, not numbers"),
        ("regression", {"prediction": "paid"}, "is the target itself"),
        ("regression", {}, "no artifact"),
        ("ranking", {}, "Name the column that says which list"),
        ("ranking", {"query": "lost", "score": "said"}, "no column “lost”"),
        ("ranking", {"query": "word", "score": "said", "k": 0}, "k"),
        ("multiclass", {"target": "word", "scores": {"a": "said", "c": "paid"}}, "also holds “b”"),
        ("multiclass", {"target": "word", "scores": {"a": "said", "b": "word"}}, "not numbers"),
        ("multiclass", {"target": "word", "prediction": "paid"}, "same values"),
    ],
)
def test_columns_of_the_wrong_kind_are_refused(
    refused: Any, bare: Version, upload: Any, name: str, params: Any, said: str
) -> None:
    table = upload(written(["paid", "said", "word"], [[1, 2, "a"], [2, 2.5, "b"]]), target="paid")
    assert said in refused(bare, name, table, **params)


def test_class_scores_of_columns(check: Any, bare: Version, upload: Any) -> None:
    rows = [["low", 0.7, 0.2, 0.1], ["mid", 0.2, 0.5, 0.3], ["high", 0.1, 0.6, 0.3], ["low", 0.5, 0.3, 0.2]]
    table = upload(written(["risk", "p_low", "p_mid", "p_high"], rows), target="risk")
    scores = {"low": "p_low", "mid": "p_mid", "high": "p_high"}
    result = check(bare, "multiclass", table, scores=scores)["result"]
    assert result["accuracy"]["value"] == 0.75
    assert result["log_loss"] == pytest.approx(-np.log([0.7, 0.5, 0.3, 0.5]).mean())
    assert result["limitations"] == ["Precision is undefined for 'high', which is never predicted."]
    assert len(parts("multiclass", result, Table)) == 2


def test_class_scores_of_an_artifact(check: Any, version: Version, dataset: Dataset) -> None:
    result = check(version, "multiclass", dataset, labels=["bad", "good"])["result"]
    assert result["classes"] == ["bad", "good"]
    areas = [row["auc"]["value"] for row in result["per_class"]]
    assert areas[0] == pytest.approx(areas[1])  # with two classes, each is the other's rest
    assert result["source"]["kind"] == "artifact"


def test_ranked_lists(check: Any, bare: Version, upload: Any) -> None:
    from sklearn.metrics import ndcg_score

    rows = [["a", 3, 0.9], ["a", 0, 0.5], ["a", 1, 0.1], ["b", 0, 0.2], ["b", 2, 0.1], ["c", 0, 0.4]]
    table = upload(written(["query", "grade", "chance"], rows), target="grade", score="chance")
    result = check(bare, "ranking", table, query="query", k=2)["result"]
    expected = [ndcg_score([[3, 0, 1]], [[0.9, 0.5, 0.1]], k=2), ndcg_score([[0, 2]], [[0.2, 0.1]], k=2)]
    assert result["ndcg"]["value"] == pytest.approx(np.mean(expected))
    assert (result["without_relevant"], result["worst"][0]["query"]) == (1, "b")
    assert next(figure.label for figure in checks.get("ranking").figures(result)) == "NDCG@2"
    assert len(parts("ranking", result, Figures)) == 1


# Segments


@pytest.fixture
def uneven(upload: Any) -> Dataset:
    """Decisions that are often wrong in the south, and anywhere else seldom."""
    generator = np.random.default_rng(3)
    region = generator.choice(["north", "south", "east"], 600)
    age = generator.integers(18, 80, 600)
    happened = generator.random(600) < 0.5
    wrong = generator.random(600) < np.where(region == "south", 0.6, 0.05)
    rows = list(zip(age, region, happened.astype(int), (happened ^ wrong).astype(int), strict=True))
    return upload(
        written(["age", "region", "y", "p"], rows), target="y", prediction="p", feature="age", sensitive="region"
    )


def test_the_segment_where_decisions_are_wrong_is_found(check: Any, bare: Version, uneven: Dataset) -> None:
    run = check(bare, "segments", uneven, pairs=False)
    assert run["params"]["features"] == ["age", "region"]
    worst = run["result"]["segments"][0]
    assert worst["where"] == [{"feature": "region", "is": "south"}]
    assert worst["difference"]["low"] > 0.3
    figures = {figure.label: figure for figure in checks.get("segments").figures(run["result"])}
    assert figures["Worse segments"].value >= 1
    assert figures["Largest difference"].hint == "region = south"
    assert [chart.title for chart in parts("segments", run["result"], Chart)] == ["How much worse each segment is"]
    assert check(bare, "segments", uneven, pairs=False)["result"] == run["result"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"min_rows": 400}, "too few"),
        ({"features": ["y"]}, "says what happened"),
        ({"features": ["lost"]}, "no column “lost”"),
        ({"loss": "squared"}, "no squared error"),
    ],
)
def test_segments_refuses_what_it_cannot_search(
    refused: Any, bare: Version, uneven: Dataset, params: Any, said: str
) -> None:
    assert said in refused(bare, "segments", uneven, **params)
