"""The same rows counted in memory, by DuckDB in a file and by Ibis behind a connection: one answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audits.checks import bands
from audits.engines import counting, files, memory, queries
from audits.engines.errors import NotCounted, require_counts
from audits.engines.queries import Bands, Decisions, Spread
from audits.engines.warehouse import Warehouse
from audits.measures import binned_auc, counts, fairness, labels
from audits.measures.errors import Unmeasurable
from tests.measures import engine_frames as frames

TYPES = frames.TYPES
pytestmark = pytest.mark.filterwarnings("ignore:fetch_.* is deprecated:DeprecationWarning")  # Ibis asks DuckDB so


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="module")
def backend() -> Iterator[Any]:
    ibis = pytest.importorskip("ibis")
    made = ibis.duckdb.connect()
    yield made
    made.disconnect()


def load(backend: Any, path: Path) -> None:
    """The file's rows as a table of the backend, by the backend's own means."""
    backend.raw_sql(f"CREATE OR REPLACE TABLE rows AS SELECT * FROM read_parquet('{path}')")


def parquet(folder: Path, frame: dict[str, Any]) -> Path:
    path = folder / "rows.parquet"
    pq.write_table(frames.arrow(frame), path)
    return path


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=frames.frames())
def test_a_file_and_a_backend_count_as_memory_does(folder: Path, backend: Any, frame: dict[str, Any]) -> None:
    path = parquet(folder, frame)
    load(backend, path)
    expected = frames.assessed(frame)
    with files.opened(path, format="parquet", types=TYPES, rows=len(frame["y"])) as source:
        assert frames.counted(source) == expected
    assert frames.counted(Warehouse(backend, "rows")) == expected


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=frames.frames(), bins=st.sampled_from([1, 7, 65_536]))
def test_histograms_agree_bin_by_bin(folder: Path, backend: Any, frame: dict[str, Any], bins: int) -> None:
    path = parquet(folder, frame)
    load(backend, path)
    expected = frames.binned(frame, bins)
    with files.opened(path, format="parquet") as source:
        found = frames.histograms(source, bins)
    assert found == expected
    assert frames.histograms(Warehouse(backend, "rows"), bins) == expected


def test_counts_say_what_assess_says(folder: Path) -> None:
    frame = frames.example(500)
    with files.opened(parquet(folder, frame), format="parquet", types=TYPES) as source:
        asked = Decisions(target="y", prediction="p", sensitive=("text", "flag"))
        found = counting.count(source, asked, favourable=1)
    options = {"confidence": 0.9, "replicates": 50, "seed": 3, "min_group": 5}
    said = fairness.of_counts(found.tables, **options)
    sensitive = {name: frames.column(frame, name) for name in asked.sensitive}
    whole = fairness.assess(target=frame["y"], prediction=frame["p"], sensitive=sensitive, favourable=1, **options)
    assert {name: whole[name] for name in said} == said


def test_the_counts_of_labels(folder: Path) -> None:
    frame = {**frames.example(6), "text": ["b", None, " b ", "é", "NA", "é"], "y": [1, 0, 1, 0, 1, 0]}
    with files.opened(parquet(folder, frame), format="parquet") as source:
        found = counting.tally(source, ["text", "y"])
    assert list(found.items()) == [(("b", 1), 2), (("é", 0), 2), ((None, 0), 1), ((None, 1), 1)]


def test_nan_is_missing_even_where_the_file_s_statistics_hide_it(folder: Path) -> None:
    frame = {**frames.example(4), "score": [0.1, float("nan"), 0.2, 0.3]}
    with files.opened(parquet(folder, frame), format="parquet") as source:
        with pytest.raises(Unmeasurable, match="score is missing in 1 row;"):
            counting.count(source, Decisions(target="y", score="score", sensitive=("flag",)), favourable=1)
        with pytest.raises(Unmeasurable, match="score is missing in 1 row;"):
            counting.histograms(source, Spread(target="y", score="score"), favourable=1)
        asked = Decisions(
            target="y", prediction="p", sensitive=("score",), bands={"score": Bands((0.15,), True, ("low", "high"))}
        )
        (table,) = counting.count(source, asked, favourable=1).tables
    assert table.groups == [{"score": "high"}, {"score": "low"}, {"score": None}]
    assert table.counts.sum(axis=1).tolist() == [2, 1, 1]


@pytest.mark.parametrize(
    ("column", "value", "asked", "sentence"),
    [
        ("y", None, Decisions(target="y", prediction="p", sensitive=("flag",)), "target is missing in 1 row;"),
        ("p", None, Decisions(target="y", prediction="p", sensitive=("flag",)), "prediction is missing in 1 row;"),
        ("score", None, Decisions(target="y", score="score", sensitive=("flag",)), "score is missing in 1 row;"),
        ("score", float("inf"), Decisions(target="y", score="score", sensitive=("flag",)), "score is infinite in 1"),
        (
            "number",
            float("-inf"),
            Decisions(
                target="y", prediction="p", sensitive=("number",), bands={"number": Bands((0,), True, ("a", "b"))}
            ),
            "holds an infinite number",
        ),
    ],
)
def test_what_can_t_be_counted_is_refused(
    folder: Path, column: str, value: Any, asked: Decisions, sentence: str
) -> None:
    frame = frames.example(5)
    frame[column] = [value, *frame[column][1:]]
    with files.opened(parquet(folder, frame), format="parquet") as source, pytest.raises(Unmeasurable, match=sentence):
        counting.count(source, asked, favourable=1)


def test_a_favourable_label_that_never_occurs_is_refused(folder: Path) -> None:
    with (
        files.opened(parquet(folder, frames.example(5)), format="parquet") as source,
        pytest.raises(Unmeasurable, match="never occurs in target or prediction"),
    ):
        counting.count(source, Decisions(target="y", prediction="p", sensitive=("flag",)), favourable="good")


def test_too_many_groups_are_refused_with_the_mend(folder: Path) -> None:
    size = counts.MOST_GROUPS + 1
    frame = {**frames.example(size), "whole": list(range(size))}
    with (
        files.opened(parquet(folder, frame), format="parquet") as source,
        pytest.raises(Unmeasurable, match="gather its values into bands"),
    ):
        counting.count(source, Decisions(target="y", prediction="p", sensitive=("whole",)), favourable=1)


def test_an_answer_too_long_to_be_one_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MOST_KEYS", 3)
    frame = {**frames.example(9), "whole": list(range(9))}
    with (
        files.opened(parquet(folder, frame), format="parquet") as source,
        pytest.raises(Unmeasurable, match="more than 3 combinations"),
    ):
        counting.tally(source, ["whole"])


def test_a_histogram_too_large_for_memory_is_refused(folder: Path) -> None:
    frame = {**frames.example(200), "whole": list(range(200))}
    with (
        files.opened(parquet(folder, frame), format="parquet") as source,
        pytest.raises(Unmeasurable, match="too many groups for 65536 bins"),
    ):
        counting.histograms(source, Spread(target="y", score="score", sensitive=("whole",)), favourable=1)


def test_a_histogram_cut_short_is_no_histogram(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = queries.histogram
    monkeypatch.setattr(queries, "histogram", lambda *args, **named: whole(*args, **(named | {"most": 3})))
    with (
        files.opened(parquet(folder, frames.example(50)), format="parquet") as source,
        pytest.raises(NotCounted, match="changed while they were counted"),
    ):
        counting.histograms(source, Spread(target="y", score="score"), favourable=1, bins=100)


def test_another_number_of_rows_is_refused(folder: Path) -> None:
    with (
        files.opened(parquet(folder, frames.example(5)), format="parquet", rows=6) as source,
        pytest.raises(NotCounted, match="reads as 5 rows where 6 were recorded"),
    ):
        counting.count(source, Decisions(target="y", prediction="p", sensitive=("flag",)), favourable=1)


def test_a_type_we_would_read_otherwise_is_left_to_the_reader(folder: Path) -> None:
    path = folder / "times.parquet"
    times = pa.array([0, 1], type=pa.timestamp("ns", tz="Europe/Paris"))
    pq.write_table(pa.table({"y": [0, 1], "p": [0, 1], "time": times}), path)
    with files.opened(path, format="parquet") as source:
        with pytest.raises(NotCounted, match="'time' is of a type"):
            counting.count(source, Decisions(target="y", prediction="p", sensitive=("time",)), favourable=1)
        with pytest.raises(NotCounted, match="'nothing' is of a type"):
            counting.count(source, Decisions(target="y", prediction="p", sensitive=("nothing",)), favourable=1)


def test_a_check_of_single_rows_says_that_it_can_t_be_pushed_down() -> None:
    require_counts("fairness")
    with pytest.raises(NotCounted, match=r"“explainability” looks at single rows.*Upload the rows"):
        require_counts("explainability")


def test_a_backend_s_text_is_no_number(folder: Path, backend: Any) -> None:
    load(backend, parquet(folder, frames.example(3)))
    with pytest.raises(NotCounted, match="'text' holds string, not numbers"):
        frames.histograms(Warehouse(backend, "rows"), 4, score="text")
    with pytest.raises(NotCounted, match="no column 'nothing'"):
        counting.tally(Warehouse(backend, "rows"), ["nothing"])


@pytest.mark.parametrize("name", ['a"b', "at", "a'b", "x; DROP TABLE rows", "é ü", "select"])
def test_any_name_is_only_a_name(folder: Path, backend: Any, name: str) -> None:
    table = pa.table({name: [1, 2, 2]})
    path = folder / "names.parquet"
    pq.write_table(table, path)
    load(backend, path)
    with files.opened(path, format="parquet") as source:
        assert counting.tally(source, [name]) == {(1,): 1, (2,): 2}
    assert counting.tally(Warehouse(backend, "rows"), [name]) == {(1,): 1, (2,): 2}


@pytest.fixture
def locked(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = files.hardened(parquet(folder, frames.example(5)))
    yield connection
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/proc/self/environ')",
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '/tmp/written.csv'",
        "COPY (SELECT 1) TO '{folder}/written.csv'",
        "EXPORT DATABASE '{folder}/exported'",
        "ATTACH '{folder}/other.duckdb' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_parquet('https://127.0.0.1/x.parquet')",
        "SET memory_limit = '8GB'",
        "SET threads = 64",
        "SET enable_external_access = true",
        "SET allowed_paths = ['/etc/passwd']",
        "SET allowed_directories = ['/etc']",
        "SET temp_directory = '{folder}'",
        "RESET lock_configuration",
        "SELECT * FROM folder",
    ],
)
def test_duckdb_can_do_nothing_but_read_the_file(
    locked: duckdb.DuckDBPyConnection, folder: Path, statement: str
) -> None:
    with pytest.raises(duckdb.Error):
        locked.execute(statement.format(folder=folder)).fetchall()


def test_duckdb_reads_the_file_itself(locked: duckdb.DuckDBPyConnection, folder: Path) -> None:
    assert locked.execute(f"SELECT COUNT(*) FROM '{folder}/rows.parquet'").fetchall() == [(5,)]


def test_a_path_with_a_wildcard_is_refused(folder: Path) -> None:
    with pytest.raises(NotCounted, match="wildcard"), files.opened(folder / "*.parquet", format="parquet"):
        pass


def test_a_damaged_file_is_refused_in_our_words(folder: Path) -> None:
    path = folder / "damaged.parquet"
    path.write_bytes(parquet(folder, frames.example(50)).read_bytes()[:-30])
    with pytest.raises(NotCounted) as refused, files.opened(path, format="parquet"):
        pass
    assert str(folder) not in refused.value.sentence


@pytest.mark.parametrize("right", [True, False])
def test_bands_are_cut_as_the_checks_cut_them(folder: Path, right: bool) -> None:
    frame = {**frames.example(8), "number": [-1.5, 0.0, 0.1, 25.0, 25.000001, 60.0, None, 1e300]}
    edges = [0.1, 25, 60.0]
    cut = bands.cut(pd.Series(frame["number"], dtype=float), edges, right=right)
    expected = counts.tabulate(
        actual=np.array(frame["y"]) == 1,
        predicted=np.array(frame["p"]) == 1,
        sensitive={"number": cut},
        attribute_sets=[("number",)],
    )
    named = Bands(tuple(edges), right, tuple(bands.labels(edges, right=right)))
    asked = Decisions(target="y", prediction="p", sensitive=("number",), bands={"number": named})
    with files.opened(parquet(folder, frame), format="parquet") as source:
        found = counting.count(source, asked, favourable=1).tables
    assert frames.written(found) == frames.written(expected)


@pytest.mark.parametrize(
    ("cell", "type_", "expected"),
    [
        (" N/A ", "text", None),
        (float("nan"), "", None),
        ("+1", "integer", 1),
        ("1.50", "number", 1.5),
        ("2.0", "number", 2),
        (2.0, "", 2),
        (2**60 + 1, "", 2**60 + 1),
        ("TRUE", "boolean", True),
        (True, "", True),
        ("TRUE", "text", "TRUE"),
        ("007", "text", "007"),
    ],
)
def test_a_cell_is_what_the_reader_takes_it_for(cell: Any, type_: str, expected: Any) -> None:
    found = counting.label(cell, type_)
    assert (type(found), found) == (type(expected), expected)


def test_a_cell_of_another_type_is_left_to_the_reader() -> None:
    with pytest.raises(NotCounted, match="'one', which is no integer"):
        counting.label("one", "integer")


def test_areas_come_with_their_bound(folder: Path) -> None:
    frame = frames.example(300)
    with files.opened(parquet(folder, frame), format="parquet") as source:
        (found,) = counting.histograms(source, Spread(target="y", score="score"), favourable=1, bins=50)
    positive = np.array([labels.canonical(value) == "1" for value in frame["y"]])
    exact = binned_auc.sorted_out(positive, np.array(frame["score"]))
    (area,) = found.areas()
    assert 0 < abs(area.value - exact.value) <= area.bound


def test_the_answer_holds_no_number_json_can_t(folder: Path) -> None:
    with files.opened(parquet(folder, frames.example(20)), format="parquet") as source:
        found = counting.count(source, frames.DECISIONS, favourable=1)
    json.dumps(fairness.of_counts(found.tables), allow_nan=False)


@settings(max_examples=30, deadline=None)
@given(frame=frames.frames(), block=st.sampled_from([1, 7, 1 << 17]))
def test_coded_rows_count_as_labelled_ones(frame: dict[str, Any], block: int) -> None:
    whole = frames.groups(frame)
    coded = {name: labels.levels(values) for name, values in whole.items()}
    decided = {"actual": np.array(frame["y"]) == 1, "predicted": np.array(frame["p"]) == 1}
    sets = fairness.chosen(list(whole), intersections=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(memory, "BLOCK", block)
        found = memory.count(
            codes={name: codes.astype(np.int16) for name, (codes, _) in coded.items()},
            labels={name: names for name, (_, names) in coded.items()},
            attribute_sets=sets,
            **decided,
        )
    assert frames.written(found) == frames.written(counts.tabulate(sensitive=whole, attribute_sets=sets, **decided))


@pytest.mark.parametrize(
    ("codes", "names", "sentence"),
    [
        ([0, 2, 1], ["a", "b"], "codes without a label"),
        ([0, -1, 1], ["a", "b"], "codes without a label"),
        ([0.0, 1.0, 1.0], ["a", "b"], "codes without a label"),
        ([0, 1], ["a", "b"], "has 2 rows"),
        ([0, 1, 1], range(300_000), "300000 combinations"),
    ],
)
def test_codes_that_stand_for_nothing_are_refused(codes: list[Any], names: Any, sentence: str) -> None:
    outcome = np.array([True, False, True])
    with pytest.raises(Unmeasurable, match=sentence):
        memory.count(actual=outcome, predicted=outcome, codes={"group": np.array(codes)}, labels={"group": names})
