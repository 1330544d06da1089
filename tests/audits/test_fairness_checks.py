"""The fairness checks over the API: scores, amounts and classes; what is refused; what is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audits import checks, results
from registry.models import Version
from tests.audits.test_oracles import written
from trail.errors import BadInput

pytestmark = pytest.mark.django_db


def shown(name: str, result: dict[str, Any]) -> list[str]:
    """Every caption of the sections, printed as the page prints them."""
    return [
        each.get("caption") or each["chart"].title
        for section in results.sections(name, result)
        for part in section["parts"]
        for each in part.get("charts", [part])
        if part["kind"] in {"table", "charts", "chart"}
    ]


def rows(count: int = 200) -> list[list[Any]]:
    """Outcome, score, an amount, its prediction, a class, its decision, sex and region, made alike every time."""
    made = np.random.default_rng(5)
    sex = made.choice(["f", "m"], count)
    region = made.choice(["n", "s", ""], count)
    score = np.round(made.uniform(0, 1, count), 2)
    outcome = (made.uniform(0, 1, count) < score).astype(int)
    amount = np.round(made.normal(100, 20, count), 1)
    said = np.round(amount + made.normal(0, 5, count) + 4 * (sex == "f"), 1)
    kind = made.choice(["gold", "silver", "none"], count)
    decided = np.where(made.uniform(0, 1, count) < 0.7, kind, "none")
    return [list(row) for row in zip(outcome, score, amount, said, kind, decided, sex, region, strict=True)]


COLUMNS = ["outcome", "score", "amount", "said", "kind", "decided", "sex", "region"]


@pytest.fixture
def people(upload: Any) -> Any:
    return upload(written(COLUMNS, rows()), sensitive=["sex", "region"])


def test_scores_are_compared_beside_the_decisions(check: Any, bare: Version, people: Any) -> None:
    result = check(bare, "fairness", people, target="outcome", score="score", threshold=0.5)["result"]
    table = np.array(rows(), dtype=object)
    female = table[:, 6] == "f"
    found = {row["group"]["sex"]: row for row in result["scores"]["groups"] if list(row["group"]) == ["sex"]}
    assert found["f"]["mean_score"]["value"] == pytest.approx(table[female, 1].astype(float).mean(), abs=1e-12)
    assert {row["rate"] for row in result["impact"]} == {"selection_rate", "scoring_rate"}
    assert all(row["answer"] in {"breach", "no breach", "not enough evidence"} for row in result["disparities"])
    captions = shown("fairness", result)
    assert "Scoring rates and impact ratios by region × sex" in captions
    assert "AUC by sex" in captions
    labels = [figure.label for figure in checks.get("fairness").figures(result)]
    assert labels[:2] == ["Selection-rate ratio, sex", "Equalized-odds difference, sex"]


def test_decisions_alone_have_no_part_about_scores(check: Any, bare: Version, people: Any) -> None:
    result = check(bare, "fairness", people, target="outcome", prediction="outcome", sensitive=["sex"])["result"]
    assert "scores" not in result
    assert [row["rate"] for row in result["impact"]] == ["selection_rate"]
    assert "AUC by sex" not in shown("fairness", result)


def test_amounts(check: Any, bare: Version, people: Any) -> None:
    run = check(bare, "fairness_amounts", people, target="amount", prediction="said", tolerance=1, sensitive=["sex"])
    table = np.array(rows(), dtype=object)
    errors = table[:, 3].astype(float) - table[:, 2].astype(float)
    gap = errors[table[:, 6] == "f"].mean() - errors[table[:, 6] == "m"].mean()
    [found] = [row for row in run["result"]["disparities"] if row["metric"] == "mean_error"]
    assert (found["worst"], found["reference"]) == ({"sex": "m"}, {"sex": "f"})
    assert found["value"] == pytest.approx(gap, abs=1e-9)
    assert found["answer"] == "breach"
    assert run["result"]["source"] == {"kind": "column", "prediction": "said"}
    assert "Mean error by sex" in shown("fairness_amounts", run["result"])


def test_classes(check: Any, bare: Version, people: Any) -> None:
    run = check(bare, "fairness_classes", people, target="kind", prediction="decided")
    table = np.array(rows(), dtype=object)
    chosen = table[table[:, 6] == "f", 5] == "gold"
    [found] = [row for row in run["result"]["groups"] if (row["class"], row["group"]) == ("gold", {"sex": "f"})]
    assert found["selection_rate"]["value"] == pytest.approx(chosen.mean(), abs=1e-12)
    assert run["result"]["overall"]["accuracy"]["value"] == pytest.approx(
        (table[:, 4] == table[:, 5]).mean(), abs=1e-12
    )
    captions = shown("fairness_classes", run["result"])
    assert "Selection rates and impact ratios by region × sex" in captions


@pytest.mark.parametrize(
    ("name", "params", "where", "sentence"),
    [
        ("fairness_amounts", {"target": "kind"}, "params.target", "not numbers"),
        ("fairness_amounts", {"target": "outcome"}, "params.target", "the check fairness compares those"),
        ("fairness_amounts", {}, "params.target", "no column with the role target"),
        ("fairness_amounts", {"target": "amount", "prediction": "kind"}, "params.prediction", "not numbers"),
        (
            "fairness_amounts",
            {"target": "amount", "prediction": "said", "sensitive": ["said"]},
            "params.sensitive",
            "is the",
        ),
        (
            "fairness_amounts",
            {"target": "amount", "prediction": "said", "tolerance": -1},
            "params.tolerance",
            "minimum",
        ),
        ("fairness_amounts", {"target": "amount"}, "dataset", "no artifact"),
        ("fairness_classes", {"target": "outcome", "prediction": "outcome"}, "params.target", "has two outcomes"),
        ("fairness_classes", {"target": "kind", "prediction": "sex"}, "params.prediction", "write both with the same"),
        ("fairness_classes", {"target": "kind"}, "dataset", "no artifact"),
        (
            "fairness",
            {"target": "outcome", "prediction": "outcome", "tolerance_ratio": 0},
            "params.tolerance_ratio",
            "0",
        ),
        ("fairness", {"target": "outcome", "prediction": "outcome", "weights": [-1]}, "params.weights", "no parameter"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(
    bare: Version, people: Any, name: str, params: dict[str, Any], where: str, sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence) as refusal:
        checks.get(name).prepare(bare, people, params)
    assert refusal.value.where == where


def test_an_empty_column_makes_no_groups(bare: Version, upload: Any) -> None:
    empty = upload(written(["outcome", "team"], [[1, ""], [0, ""], [1, ""]]), target="outcome", sensitive="team")
    with pytest.raises(BadInput, match="is empty: it makes no groups"):
        checks.get("fairness").prepare(bare, empty, {"prediction": "outcome"})
