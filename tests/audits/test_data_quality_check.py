"""The data quality check through the API: every finding with its place, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audits import results
from audits.checks import data_quality
from audits.models import Run
from people.models import User
from registry.models import Dataset, Version

pytestmark = pytest.mark.django_db

ROLES: dict[str, Any] = {
    "identifier": "id",
    "feature": ["age", "paid", "title", "noise", "seen"],
    "target": "happened",
    "sensitive": "sex",
    "time": "day",
}


def table(*, seed: int = 1, rows: int = 300) -> pd.DataFrame:
    drawn = np.random.default_rng(seed)
    happened = drawn.random(rows) < 0.4
    sex = drawn.choice(["f", "m"], rows, p=[0.3, 0.7])
    return pd.DataFrame(
        {
            "id": [f"c{seed}-{row}" for row in range(rows)],
            "age": drawn.integers(18, 80, rows),
            "paid": np.where(happened, "all", "part"),
            "title": np.where(sex == "f", "Ms", "Mr"),
            "noise": drawn.normal(size=rows).round(6),
            "seen": "2026-01-01",
            "happened": np.where(happened, "yes", "no"),
            "sex": sex,
            "day": "2026-02-01",
        }
    )


def drawn(check: str, result: dict[str, Any]) -> list[dict[str, Any]]:
    """The sections as a page shows them; every chart draws."""
    return list(results.sections(check, result))


@pytest.fixture
def put(upload: Callable[..., Dataset]) -> Callable[..., Dataset]:
    def make(frame: pd.DataFrame, file_name: str = "rows.csv", **roles: Any) -> Dataset:
        return upload(frame.to_csv(index=False), file_name=file_name, **(roles or ROLES))

    return make


def rules(result: dict[str, Any]) -> dict[tuple[str, str | None], dict[str, Any]]:
    return {(one["rule"], one["column"]): one for one in result["findings"]}


def test_clean_rows_have_the_findings_they_should_have(check: Any, bare: Version, put: Any) -> None:
    run = check(bare, "data_quality", put(table()))
    found = rules(run["result"])
    assert set(found) == {("constant", "seen"), ("constant", "day"), ("target proxy", "paid")}
    assert found["target proxy", "paid"]["severity"] == "near-perfect"
    assert run["result"]["leakage"][0]["auc"] == 1
    (proxy,) = run["result"]["proxies"]
    assert proxy["features"][0]["feature"] == "title"
    assert proxy["together"]["auc"] == 1
    shown = drawn("data_quality", run["result"])
    assert [section["title"] for section in shown][1:] == [
        "Findings",
        "Leakage",
        "Sensitive attributes in the features",
    ]
    assert data_quality.figures(run["result"])[0].value == 3


def test_every_fault_is_found_with_its_line(check: Any, bare: Version, put: Any) -> None:
    frame = table()
    frame["age"] = frame["age"].astype(object)
    frame.loc[4, "age"], frame.loc[7, "age"] = None, 10**17
    frame.loc[9, "seen"] = "2026-03-01"
    frame.loc[[11, 12], ["age", "paid", "title", "noise", "seen", "happened", "sex"]] = frame.loc[
        [0, 0], ["age", "paid", "title", "noise", "seen", "happened", "sex"]
    ].to_numpy()
    frame.loc[13, "id"] = frame.loc[0, "id"]
    found = rules(check(bare, "data_quality", put(frame))["result"])
    places = {key: (one["rows"], one["row"], one["line"]) for key, one in found.items()}
    assert places["missing", "age"] == (1, 5, 6)
    assert places["beyond whole numbers", "age"] == (1, 8, 9)
    assert places["later than the outcome", "seen"] == (1, 10, 11)
    assert places["duplicate rows", None] == (2, 12, 13)
    assert places["duplicate identifiers", "id"] == (1, 14, 15)
    assert found["missing", "age"]["severity"] == "few rows"
    assert all(one["mend"] and one["sentence"] for one in found.values())


def test_an_expected_schema_and_a_reference(check: Any, bare: Version, put: Any) -> None:
    frame = table(seed=2)
    frame.loc[3, "age"], frame.loc[5, "title"] = 120, "Dr"
    frame["noise"] = [*map(str, frame["noise"][:-1]), "none"]
    now = put(frame.rename(columns={"paid": "paid_now"}), **{**ROLES, "feature": ["age", "title", "noise", "paid_now"]})
    found = rules(check(bare, "data_quality", now, reference=str(put(table(seed=1)).pk))["result"])
    assert {("no such column", "paid"), ("new column", "paid_now"), ("out of range", "age")} <= set(found)
    assert (found["unexpected value", "title"]["rows"], found["unexpected value", "title"]["line"]) == (1, 7)
    assert found["type", "noise"]["sentence"] == "Holds text, not number."
    assert found["mixed types", "noise"]["line"] == 301
    stated = {"age": {"type": "integer", "max": 100}, "noise": {"type": "number"}, "gone": {}}
    found = rules(check(bare, "data_quality", now, expected=stated)["result"])
    assert {("out of range", "age"), ("type", "noise"), ("no such column", "gone")} <= set(found)


def test_rows_of_the_training_data(check: Any, bare: Version, put: Any) -> None:
    train, test = table(seed=1), table(seed=2)
    test.loc[:29, "age":] = train.loc[:29, "age":].to_numpy()
    test.loc[30:39, "age":] = train.loc[30:39, "age":].to_numpy()
    test.loc[30:39, "noise"] *= 1.0001
    result = check(bare, "data_quality", put(test), training=str(put(train).pk), digits=2)["result"]
    assert result["overlap"]["rows"] == 30
    assert result["overlap"]["near"]["rows"] >= 38  # rounding may part a few
    assert rules(result)["in the training data", None]["share"] == 0.1
    drawn("data_quality", result)


def test_groups_against_a_population(check: Any, bare: Version, put: Any) -> None:
    dataset = put(table(), **{**ROLES, "sensitive": ["sex", "age"]})
    found = check(bare, "data_quality", dataset, shares={"sex": {"f": 0.51, "m": 0.49}})["result"]
    (row,) = found["representativeness"]
    assert row["chi_square"]["p"] < 0.001
    assert all(group["outside"] for group in row["groups"])
    population = put(table(seed=5, rows=900), **{**ROLES, "sensitive": ["sex", "age"]})
    found = check(bare, "data_quality", dataset, population=str(population.pk))["result"]
    assert {row["column"]: len(row["groups"]) for row in found["representativeness"]} == {"sex": 2, "age": 4}
    assert all(row["chi_square"]["p"] > 0.001 for row in found["representativeness"])
    drawn("data_quality", found)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_few_rows_say_what_they_can_not_tell(check: Any, bare: Version, put: Any, rows: int) -> None:
    result = check(bare, "data_quality", put(table(rows=rows)))["result"]
    assert any("Leakage" in said for said in result["limitations"])
    assert any("“sex” can’t be looked for" in said for said in result["limitations"])
    drawn("data_quality", result)
    data_quality.figures(result)


def test_a_single_class_and_an_empty_column(check: Any, bare: Version, put: Any) -> None:
    frame = table().assign(happened="yes", age="")
    result = check(bare, "data_quality", put(frame))["result"]
    assert {("constant", "happened"), ("constant", "age"), ("missing", "age")} <= set(rules(result))
    assert any("Leakage" in said for said in result["limitations"])


def test_the_same_seed_gives_the_same_result(check: Any, bare: Version, register: Any, put: Any) -> None:
    dataset = put(table())
    assert check(bare, "data_quality", dataset)["result"] == check(register(), "data_quality", dataset)["result"]


@pytest.mark.parametrize(
    ("said", "params"),
    [
        (["“salary”", "rows.csv"], {"columns": ["salary"]}),
        (["add up to 0.9"], {"shares": {"sex": {"f": 0.5, "m": 0.4}}}),
        (["“race”"], {"sensitive": ["race"]}),
        (["name the dataset in “training”"], {"digits": 3}),
        (["not dates"], {"time": "age"}),
        (["at least 9 and at most 1"], {"expected": {"age": {"min": 9, "max": 1}}}),
        (["more than 50 different values", "age"], {"target": "age"}),
        (["that you may see"], {"population": "00000000-0000-4000-8000-000000000000"}),
    ],
)
def test_what_can_not_be_answered_is_refused_at_once(
    api: Any, developer: User, bare: Version, put: Any, said: list[str], params: dict[str, Any]
) -> None:
    body = {"check": "data_quality", "dataset": str(put(table()).pk), "params": params}
    answer = api(developer).post(f"/api/v1/versions/{bare.pk}/runs/", body)
    assert answer.status_code == 422
    for words in said:
        assert words in json.dumps(answer.json(), ensure_ascii=False)
    assert not Run.objects.exists()
