"""A kept CSV file counted by DuckDB: as the reader reads it, or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audits.checks import bands
from audits.engines import files
from audits.engines.errors import NotCounted
from audits.engines.queries import Bands, Decisions
from audits.measures import fairness
from audits.measures.counts import tabulate
from audits.measures.labels import positives
from registry import reading, storage, tabular
from tests.measures.engine_frames import written
from trail.errors import BadInput

NAMES = ["id", "y", "p", "group", "age", "score"]
EDGES = [25, 60.5]
CUT = Bands(tuple(EDGES), True, tuple(bands.labels(EDGES, right=True)))
PREDICTED = Decisions(target="y", prediction="p", sensitive=("group", "age"), bands={"age": CUT})
SCORED = Decisions(target="y", score="score", threshold=0.5, sensitive=("group",))
HEADER = ",".join(NAMES)

WORDS = ["good", "bad", "a", "b c", "é", "x,y", "two\nlines", 'a "word"', "", "NA", "n/a", "true", "TRUE", "'", "1,0"]
AGES = ["25", "+25", "60.5", "61", "1e2", " 7", "", "null", "-3", ".5"]
SCORES = ["0.5", ".5", "0.49999999999999994", "1", "0", " 0.7 ", "5e-1"]


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A file in which each cell is quoted or not, has blanks or not; line ends are of either kind."""

    def cell(value: str) -> str:
        bare = not set(value) & set('",\n')
        body = value if bare and draw(st.booleans()) else '"' + value.replace('"', '""') + '"'
        return draw(st.sampled_from(["", "", "", " ", "  "])) + body + draw(st.sampled_from(["", "", " "]))

    lines = [HEADER]
    size = draw(st.integers(2, 12))
    for row in range(size):
        outcome = "yes" if row == 0 else "no" if row == 1 else draw(st.sampled_from(["yes", "no"]))
        values = [str(row), outcome, draw(st.sampled_from(["yes", "no"])), *map(draw, map(st.sampled_from, PARTS))]
        lines.append(",".join(map(cell, values)))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return draw(st.sampled_from(["", "\ufeff"])) + end.join(lines) + draw(st.sampled_from(["", end]))


PARTS = [WORDS, AGES, SCORES]


def kept(path: Path, content: bytes) -> Any:
    """A dataset as its record describes the file."""
    path.write_bytes(content)
    table = tabular.read(io.BytesIO(content), name=path.name)
    return SimpleNamespace(
        file_name=path.name,
        path=str(path),
        sha256=storage.sha256(io.BytesIO(content)),
        format=table.format,
        row_count=table.row_count,
        columns=table.columns,
    )


def counted(dataset: Any, asked: Decisions) -> str:
    types = {column["name"]: column["type"] for column in dataset.columns}
    found = files.count(
        dataset.path,
        format=dataset.format,
        types=types,
        rows=dataset.row_count,
        decisions=asked,
        favourable="yes",
    )
    return written(found.tables)


def expected(dataset: Any, asked: Decisions) -> str:
    frame = reading.frame(dataset)
    groups = {
        name: bands.cut(frame[name], EDGES, right=True) if name in asked.bands else frame[name]
        for name in asked.sensitive
    }
    prediction = frame["score"].ge(asked.threshold).map({True: "yes", False: "no"}) if asked.score else frame["p"]
    actual, predicted, _ = positives(target=frame["y"], prediction=prediction, favourable="yes")
    sets = fairness.chosen(list(asked.sensitive), intersections=True)
    return written(tabulate(actual=actual, predicted=predicted, sensitive=groups, attribute_sets=sets))


@pytest.fixture(autouse=True)
def _opened_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "open_kept", lambda path: io.BytesIO(Path(path).read_bytes()))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts())
def test_a_csv_file_counts_as_it_is_read_or_not_at_all(tmp_path: Path, text: str) -> None:
    try:
        dataset = kept(tmp_path / "rows.csv", text.encode())
    except BadInput:
        return
    for asked in (PREDICTED, SCORED):
        try:
            found = counted(dataset, asked)
        except NotCounted:
            assert '"' in text  # only quoting is ever in doubt here
            continue
        assert found == expected(dataset, asked)


PLAIN = (
    HEADER
    + "\n"
    + "".join(f"{row},{'yes' if row % 3 else 'no'},yes,g{row % 4},{row},0.{row:02}\n" for row in range(50))
)


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        PLAIN.replace(",g1,", ",  NA ,").replace(",g2,", ',"two, words",'),
        PLAIN.replace(",g1,", ",TRUE,").replace(",g2,", ",true,").replace(",g0,", ",false,").replace(",g3,", ",,"),
        PLAIN.replace(",g1,", ",1.0,").replace(",g2,", ",1,").replace(",g0,", ",+2,").replace(",g3,", ",-7,"),
        PLAIN.replace(",5,0.", ",\u00a05\u3000,0."),
    ],
    ids=["plain", "windows", "bom", "quoted", "booleans", "numbers", "wide blanks"],
)
@pytest.mark.parametrize("asked", [PREDICTED, SCORED], ids=["predicted", "scored"])
def test_usual_files_are_counted(tmp_path: Path, text: str, asked: Decisions) -> None:
    dataset = kept(tmp_path / "rows.csv", text.encode())
    assert counted(dataset, asked) == expected(dataset, asked)


@pytest.mark.parametrize(
    "text",
    ["\n\n" + PLAIN, PLAIN.replace(",g1,", ',  "g1",', 1), PLAIN.replace(",g1,", ',  "g,1",', 1)],
    ids=["blank lines first", "blanks before quotes", "a comma within"],
)
def test_what_duckdb_reads_otherwise_is_left_to_the_reader(tmp_path: Path, text: str) -> None:
    dataset = kept(tmp_path / "rows.csv", text.encode())
    expected(dataset, PREDICTED)
    with pytest.raises(NotCounted):
        counted(dataset, PREDICTED)


def test_a_csv_file_is_not_counted_blindly(tmp_path: Path) -> None:
    dataset = kept(tmp_path / "rows.csv", PLAIN.encode())
    types = {column["name"]: column["type"] for column in dataset.columns}
    for given_types, rows in ((types, None), ({}, 50)):
        with (
            pytest.raises(NotCounted, match="only with its columns' types and its rows"),
            files.opened(dataset.path, format="csv", types=given_types, rows=rows),
        ):
            pass


def test_a_column_that_is_no_number_is_left_to_the_reader(tmp_path: Path) -> None:
    dataset = kept(tmp_path / "rows.csv", PLAIN.encode())
    with pytest.raises(NotCounted, match="ConversionException"):
        counted(dataset, Decisions(target="y", score="group", sensitive=("p",)))
