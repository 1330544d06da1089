"""The checks of performance over the API: published numbers, what they show, what they refuse."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from audits import checks
from audits.checks.presenting import Chart, Figures, Table
from people.models import User
from registry.models import Dataset, Version

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
