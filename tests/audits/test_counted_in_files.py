"""Decisions that a dataset brings are counted in its file; the rows themselves say the same."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audits.checks import fairness
from audits.engines import files
from audits.engines.errors import NotCounted
from registry.models import Dataset, Version

pytestmark = pytest.mark.django_db

ROLES: dict[str, Any] = {"target": "happened", "prediction": "said", "sensitive": ["sex", "age", "region"]}


def people(rows: int = 400) -> pd.DataFrame:
    draw = np.random.default_rng(11)
    return pd.DataFrame(
        {
            "happened": draw.choice(["good", "bad"], rows, p=[0.7, 0.3]),
            "said": draw.choice(["good", "bad"], rows, p=[0.6, 0.4]),
            "sex": draw.choice(["f", "m", "x, “other”", None], rows, p=[0.45, 0.45, 0.05, 0.05]),
            "age": draw.integers(18, 80, rows),
            "region": [*draw.choice(["north", "süd"], rows - 1), "the moon"],
        }
    )


@pytest.fixture(params=["csv", "parquet"])
def table(request: pytest.FixtureRequest, upload: Any) -> Dataset:
    if request.param == "csv":
        return upload(people().to_csv(index=False), **ROLES)
    file = io.BytesIO()
    people().to_parquet(file, index=False)
    return upload(file.getvalue(), file_name="people.parquet", **ROLES)


@pytest.mark.parametrize(
    "params",
    [
        {"bins": {"age": [25, 60]}},
        {"bins": {"age": {"edges": [25], "right": False}}, "replicates": 200, "seed": 5},
        {"sensitive": ["sex", "region"], "intersections": False, "min_group": 30},
    ],
    ids=["bands", "redrawn", "alone"],
)
def test_the_file_and_its_rows_say_the_same(
    check: Any, bare: Version, table: Dataset, params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = check(bare, "fairness", table, **params)["result"]
    monkeypatch.setattr(fairness, "counted", refuse)
    assert check(bare, "fairness", table, **params)["result"] == counted
    assert any(row["n"] == 1 for row in counted["excluded"])


def refuse(_context: Any) -> Any:
    raise NotCounted(param="dataset", sentence="This engine is not asked.")


def test_what_the_engine_will_not_answer_is_read_row_by_row(
    check: Any, bare: Version, table: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_given: Any, **_options: Any) -> Any:
        raise NotCounted(param="dataset", sentence="DuckDB reads another number of rows.")

    monkeypatch.setattr(files, "count", refused)
    found = check(bare, "fairness", table, sensitive=["sex"])["result"]
    assert found["rows"] == 400


def test_a_file_that_was_altered_is_not_counted(api: Any, developer: Any, bare: Version, table: Dataset) -> None:
    from django.core.files.storage import default_storage

    from audits import jobs, runs
    from tests.personas import WHY

    run = runs.request(
        version=bare, check="fairness", dataset=table, params={"sensitive": ["sex"]}, actor=developer, reason=WHY
    )
    with default_storage.open(table.path, "ab") as file:
        file.write(b"good,good,f,20,north\n")
    jobs.work(run.job_id)
    run.job.refresh_from_db()
    assert "was altered after its upload" in run.job.error
