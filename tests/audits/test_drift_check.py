"""The drift check through the API: what it says, what it refuses, and that frozen bins give the same answer."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from django.core.files.storage import default_storage
from sklearn.linear_model import LogisticRegression

from audits import jobs, results
from audits.checks import drift
from audits.models import Run
from people.models import User
from registry.models import Dataset, Version

pytestmark = pytest.mark.django_db

ROLES: dict[str, Any] = {
    "feature": ["age", "job", "steady"],
    "score": "chance",
    "prediction": "said",
    "target": "happened",
    "time": "day",
}


def table(*, seed: int, rows: int = 400, moved: float = 0, job: str = "clerk", turned: bool = False) -> pd.DataFrame:
    drawn = np.random.default_rng(seed)
    chance = drawn.random(rows).round(6)
    happened = drawn.random(rows) < (1 - chance if turned else chance)
    return pd.DataFrame(
        {
            "age": drawn.normal(40 + moved, 10, rows).round(3),
            "job": drawn.choice([job, "cook"], rows),
            "steady": drawn.random(rows).round(6),
            "chance": chance,
            "said": np.where(chance > 0.5, "yes", "no"),
            "happened": np.where(happened, "yes", "no"),
            "day": [f"2026-{1 + row * 3 // rows:02}-15" for row in range(rows)],
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


@pytest.fixture
def before(put: Callable[..., Dataset]) -> Dataset:
    return put(table(seed=1, rows=600))


def by_column(result: dict[str, Any]) -> dict[str, Any]:
    return {row["column"]: row for row in result["columns"]}


def test_what_moved_is_told_from_what_did_not(check: Any, bare: Version, put: Any, before: Dataset) -> None:
    now = put(table(seed=2, moved=15, job="pilot"))
    run = check(bare, "drift", now, reference=str(before.pk))
    assert run["params"]["columns"] == ["age", "job", "steady", "chance", "said"]
    assert (run["params"]["time"], run["params"]["window"], run["params"]["favourable"]) == ("day", "month", "yes")
    result = run["result"]
    answers = {name: row["answer"] for name, row in by_column(result).items()}
    assert answers == {
        "age": "drift",
        "job": "drift",
        "steady": "no drift",
        "chance": "no drift",
        "said": "no drift",
    }
    assert result["drifted"] == result["answers"]["drift"] == 2
    assert result["reference"]["digest"] == before.digest
    job = by_column(result)["job"]
    assert job["novel"][0]["category"] == "pilot"
    assert job["gone"][0]["category"] == "clerk"
    assert by_column(result)["chance"]["part"] == "score"
    assert result["windows"]["names"] == ["2026-01", "2026-02", "2026-03"]
    assert result["concept"]["windows"][0]["change"]["auc"]["answer"] == "no change shown"
    shown = drawn("drift", result)
    assert [section["title"] for section in shown][1:] == [
        "Columns",
        "Where it moved",
        "Windows",
        "Outcomes",
        "New and gone categories",
    ]
    assert drift.figures(result)[0].value == 2


def test_frozen_edges_give_the_same_bins(check: Any, bare: Version, put: Any, before: Dataset) -> None:
    now = put(table(seed=2, moved=3))
    first = check(bare, "drift", now, reference=str(before.pk), columns=["age"])["result"]
    edges = by_column(first)["age"]["bins"]["edges"]
    other = put(table(seed=9, rows=300))
    again = check(bare, "drift", now, reference=str(other.pk), columns=["age"], edges={"age": edges})["result"]
    assert by_column(again)["age"]["bins"]["edges"] == edges
    assert by_column(again)["age"]["bins"]["current"] == by_column(first)["age"]["bins"]["current"]


def test_labels_that_come_late_and_a_model_that_no_longer_holds(
    check: Any, bare: Version, put: Any, before: Dataset
) -> None:
    frame = table(seed=3, turned=True)
    frame.loc[300:, "happened"] = ""
    result = check(bare, "drift", put(frame), reference=str(before.pk))["result"]
    everything = result["concept"]["windows"][0]
    assert (everything["n"], everything["labelled"]) == (400, 300)
    assert everything["change"]["auc"]["answer"] == "change"
    assert any("outcome of 100 of 400 rows is not known" in said for said in result["limitations"])
    assert result["drifted"] == 0  # the data alone does not show it


def test_the_scores_of_the_model_itself(check: Any, register: Any, put: Any) -> None:
    old, new = table(seed=1, rows=600), table(seed=2, moved=15)
    model = LogisticRegression().fit(old[["age", "steady"]], old["age"] > 40)
    version = register(skops.io.dumps(model), "age.skops", facts={"labels": ["no", "yes"]})
    roles = {"feature": ["age", "steady"], "target": "happened"}
    result = check(version, "drift", put(new, **roles), reference=str(put(old, **roles).pk), run_model=True)["result"]
    scored = by_column(result)[drift.MODEL]
    assert (scored["part"], scored["answer"]) == ("score", "drift")
    drawn("drift", result)


def test_few_rows_are_not_enough_data(check: Any, bare: Version, put: Any, before: Dataset) -> None:
    result = check(bare, "drift", put(table(seed=4, rows=25)), reference=str(before.pk), columns=["age"])["result"]
    assert by_column(result)["age"]["answer"] == "not enough data"
    one = check(bare, "drift", put(table(seed=4, rows=1)), reference=str(before.pk))["result"]
    assert one["answers"]["not enough data"] == 5
    drawn("drift", one)


def test_columns_that_are_empty_mixed_or_dates(check: Any, bare: Version, put: Any, before: Dataset) -> None:
    frame = table(seed=5)
    frame["age"], frame["steady"] = "", [*frame["steady"][:-1], "unknown"]
    result = check(bare, "drift", put(frame), reference=str(before.pk), columns=["age", "steady", "job", "day"])[
        "result"
    ]
    assert {row["column"] for row in result["not_compared"]} == {"steady", "day"}
    age = by_column(result)["age"]
    assert age["psi"]["value"] is None
    assert (age["answer"], age["missing"]["changed"]) == ("not enough data", True)
    assert any("“age” can’t be compared: no value in the current data" in said for said in result["limitations"])
    drawn("drift", result)


def test_a_time_column_that_makes_no_windows_is_a_limitation(
    check: Any, bare: Version, put: Any, before: Dataset
) -> None:
    result = check(bare, "drift", put(table(seed=6)), reference=str(before.pk), time="age", window="value")["result"]
    assert result["windows"] is None
    assert any("Windows are not looked at" in said for said in result["limitations"])


def test_long_parquet_files_are_counted_in_a_sketch(
    check: Any, bare: Version, upload: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parquet(frame: pd.DataFrame) -> Dataset:
        kept = io.BytesIO()
        frame.to_parquet(kept)
        dataset: Dataset = upload(kept.getvalue(), file_name="rows.parquet", **ROLES)
        return dataset

    frames = [table(seed=seed, rows=3000, moved=3 * seed) for seed in (0, 1)]
    for frame in frames:
        frame["steady"] += 1e6  # too narrow for its size
    old, new = map(parquet, frames)
    exact = check(bare, "drift", new, reference=str(old.pk))["result"]
    monkeypatch.setattr(drift, "EXACT_ROWS", 1000)
    result = check(bare, "drift", new, reference=str(old.pk), columns=[*ROLES["feature"], "said", "chance"])["result"]
    assert (exact["method"], result["method"]) == ("exact", "sketch")
    theirs, ours = by_column(exact), by_column(result)
    about, true = ours["chance"], theirs["chance"]
    assert 0 < about["ks"]["bound"] <= drift.COARSE
    assert abs(about["ks"]["value"] - true["ks"]["value"]) <= about["ks"]["bound"]
    assert about["psi"]["value"] == pytest.approx(true["psi"]["value"], abs=0.005)
    assert ours["job"] == theirs["job"]
    assert ours["steady"] == theirs["steady"]
    assert any("“steady” was measured exactly" in said for said in result["limitations"])
    assert result["windows"] is None
    drawn("drift", result)


@pytest.mark.parametrize(
    ("said", "params"),
    [
        (["Name the dataset to compare with"], {"reference": None}),
        (["“salary”", "rows.csv"], {"columns": ["salary"]}),
        (["“age” has edges but is not among"], {"columns": ["job"], "edges": {"age": [1]}}),
        (["do not rise"], {"edges": {"age": [2, 1]}}),
        (["“bins”"], {"bins": 1}),
        (["holds number, not dates"], {"time": "age", "window": "month"}),
        (["no artifact to score with"], {"run_model": True}),
        (["“maybe” never occurs"], {"favourable": "maybe"}),
        (["that you may see"], {"reference": "00000000-0000-4000-8000-000000000000"}),
    ],
)
def test_what_can_not_be_answered_is_refused_at_once(
    api: Any, developer: User, bare: Version, put: Any, before: Dataset, said: list[str], params: dict[str, Any]
) -> None:
    asked = {"reference": str(before.pk)} | params
    body = {"check": "drift", "dataset": str(put(table(seed=7, rows=20)).pk), "params": asked}
    answer = api(developer).post(f"/api/v1/versions/{bare.pk}/runs/", body)
    assert answer.status_code == 422
    for words in said:
        assert words in json.dumps(answer.json(), ensure_ascii=False)
    assert not Run.objects.exists()


def test_a_reference_without_the_columns_is_refused(
    api: Any, developer: User, bare: Version, put: Any, before: Dataset
) -> None:
    other = put(pd.DataFrame({"x": [1, 2]}), feature="x")
    body = {"check": "drift", "dataset": str(other.pk), "params": {"reference": str(before.pk)}}
    answer = api(developer).post(f"/api/v1/versions/{bare.pk}/runs/", body)
    assert "has none of the features" in json.dumps(answer.json())


def test_a_reference_that_was_altered_is_refused(
    api: Any, developer: User, bare: Version, put: Any, before: Dataset
) -> None:
    now = put(table(seed=8))
    body = {"check": "drift", "dataset": str(now.pk), "params": {"reference": str(before.pk)}}
    asked = api(developer).post(f"/api/v1/versions/{bare.pk}/runs/", body).json()
    path = Path(default_storage.path(before.path))
    path.write_bytes(path.read_bytes().replace(b"cook", b"hook"))
    run = Run.objects.get(pk=asked["id"])
    jobs.work(run.job_id)
    run.refresh_from_db()
    assert not run.record
    assert "altered after its upload" in run.job.error
