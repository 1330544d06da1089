"""The same rows in PostgreSQL, counted there: the answer of memory, cell by cell."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audits.engines import counting
from audits.engines.errors import NotCounted
from audits.engines.warehouse import Warehouse
from tests.measures import engine_frames as frames

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="with the database of the tests")

COLUMNS = (
    "y smallint, p integer, score double precision, text text, whole bigint, flag boolean, number double precision"
)


@pytest.fixture(scope="module")
def backend() -> Iterator[Any]:
    ibis = pytest.importorskip("ibis")
    stated = connection.settings_dict
    made = ibis.postgres.connect(
        host=stated["HOST"],
        port=int(stated["PORT"] or 5432),
        user=stated["USER"],
        password=stated["PASSWORD"] or None,
        database="postgres",
    )
    yield made
    made.disconnect()


@pytest.fixture(scope="module")
def schema(backend: Any) -> Iterator[str]:
    name = f"engines_{uuid.uuid4().hex}"
    backend.raw_sql(f"CREATE SCHEMA {name}; CREATE TABLE {name}.rows ({COLUMNS})").close()
    backend.con.commit()
    yield name
    backend.raw_sql(f"DROP SCHEMA {name} CASCADE").close()
    backend.con.commit()


def load(backend: Any, schema: str, frame: dict[str, Any]) -> None:
    with backend.con.cursor() as cursor:
        cursor.execute(f"TRUNCATE {schema}.rows")
        cursor.executemany(
            f"INSERT INTO {schema}.rows VALUES (%s, %s, %s, %s, %s, %s, %s)", list(zip(*frame.values(), strict=True))
        )
    backend.con.commit()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=frames.frames(), bins=st.sampled_from([1, 7, 65_536]))
def test_postgres_counts_as_memory_does(backend: Any, schema: str, frame: dict[str, Any], bins: int) -> None:
    load(backend, schema, frame)
    source = Warehouse(backend, (schema, "rows"))
    assert frames.counted(source) == frames.assessed(frame)
    assert frames.histograms(source, bins) == frames.binned(frame, bins)


def test_postgres_takes_nan_for_missing_too(backend: Any, schema: str) -> None:
    load(backend, schema, {**frames.example(4), "number": [float("nan"), None, 0.0, 5.0]})
    *_, (table, *_) = [counting.count(Warehouse(backend, (schema, "rows")), frames.DECISIONS, favourable=1).tables[3:]]
    assert table.groups == [{"number": "≥-1 and <0.1"}, {"number": "≥3"}, {"number": None}]
    assert table.counts.sum(axis=1).tolist() == [1, 1, 2]


def test_postgres_is_asked_for_columns_it_has(backend: Any, schema: str) -> None:
    with pytest.raises(NotCounted, match="no column 'nothing'"):
        counting.tally(Warehouse(backend, (schema, "rows")), ["nothing"])
