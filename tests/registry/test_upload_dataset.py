from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pandas as pd
import pytest
from django.core.files.storage import default_storage

from registry import datasets, reading
from registry.models import Dataset
from tests.conftest import GERMAN
from tests.personas import WHY
from trail.errors import BadInput, Refused
from trail.models import Entry

pytestmark = pytest.mark.django_db


def upload(bank, actor, data: bytes | str, file_name="table.csv", **more):
    given = {"unit": bank.retail, "name": f"A {file_name}", "roles": {}, "actor": actor, "reason": WHY} | more
    data = data.encode() if isinstance(data, str) else data
    return datasets.upload(file=io.BytesIO(data), file_name=file_name, **given)


def parquet(table: pd.DataFrame) -> bytes:
    return table.to_parquet(engine="pyarrow", index=False)


def stored() -> set[str]:
    root = Path(default_storage.path("datasets"))
    return {str(path) for path in root.rglob("*") if path.is_file()}


def column(dataset: Dataset, name: str):
    return dataset.column(name) or pytest.fail(f"no column {name}")


def test_german_credit_is_described_as_it_is(dataset):
    assert (dataset.row_count, len(dataset.columns)) == (1000, 21)
    assert dataset.sha256 == hashlib.sha256(GERMAN.read_bytes()).hexdigest()
    target = column(dataset, "creditability")
    assert (target["type"], target["missing"], target["distinct"]) == ("text", 0, 2)
    assert {value: count for value, (count, _) in target["values"].items()} == {"good": 700, "bad": 300}
    age = column(dataset, "age_in_years")
    assert (age["type"], age["roles"], age["values"]) == ("integer", ["feature", "sensitive"], None)
    said = Entry.objects.get(type="registry.dataset.uploaded").content["facts"]
    assert (said["rows"], said["digest"], said["file"]) == (1000, dataset.digest, "germancredit.csv")


@pytest.mark.parametrize(
    ("cells", "type_", "values"),
    [
        (["1", "+2", "1", "-3"], "integer", {"1": [2, 2], "2": [1, 3], "-3": [1, 5]}),
        (["1", "2.50", ".5", "1e3"], "number", {"1.0": [1, 2], "2.5": [1, 3], "0.5": [1, 4], "1000.0": [1, 5]}),
        (["True", "FALSE", "true"], "boolean", {"true": [2, 2], "false": [1, 3]}),
        (["2026-01-31", "2026-02-01T10:00:00Z"], "date", {"2026-01-31": [1, 2], "2026-02-01T10:00:00Z": [1, 3]}),
        (["2026-02-30", "2026-02-01"], "text", {"2026-02-30": [1, 2], "2026-02-01": [1, 3]}),
        (["007", "12"], "text", {"007": [1, 2], "12": [1, 3]}),
        ([" a ", "a", "inf"], "text", {"a": [2, 2], "inf": [1, 4]}),
        (["1", "x"], "text", {"1": [1, 2], "x": [1, 3]}),
        (["- a bullet (as people write)", "-", "=", "@"], "text", ...),
        (["12345678901234567890"], "text", {"12345678901234567890": [1, 2]}),
    ],
)
def test_a_columns_type_comes_from_all_its_cells(bank, developer, cells, type_, values):
    made = upload(bank, developer, "k,x\n" + "".join(f"0,{cell}\n" for cell in cells))
    found = column(made, "x")
    assert found["type"] == type_
    assert values is ... or found["values"] == values


@pytest.mark.parametrize("token", ["", " ", "NA", "nan", "NULL", "n/a"])
def test_missing_is_told_whatever_it_is_called(bank, developer, token):
    found = column(upload(bank, developer, f"k,x\n0,1\n0,{token}\n0,{token}\n"), "x")
    assert (found["type"], found["missing"], found["first_missing"], found["distinct"]) == ("integer", 2, 3, 1)


def test_more_than_fifty_values_are_not_listed(bank, developer):
    made = upload(bank, developer, "a,b\n" + "".join(f"{n},{n % 50}\n" for n in range(5000)))
    assert (column(made, "a")["distinct"], column(made, "a")["values"]) == (None, None)
    assert (column(made, "b")["distinct"], column(made, "b")["values"]["49"]) == (50, [100, 51])


def test_lines_count_what_quoted_cells_hold_and_blank_lines(bank, developer):
    made = upload(bank, developer, 'a,b\n"one\ntwo",1\n\nx,2\n')
    assert column(made, "b")["values"] == {"1": [1, 2], "2": [1, 5]}
    assert made.row_count == 2


HEADER = "id,age,sex"
BAD = {
    "empty": (b"", "table.csv is empty"),
    "blank": (b"\n\n \n", "no name"),
    "header only": (f"{HEADER}\n", "a header and no rows"),
    "not UTF-8": (b"id,name\n1,a\n2,caf\xe9\n", "table.csv, line 3: byte 6 (0xe9) is not UTF-8"),
    "UTF-16": ("id,a\n1,2\n".encode("utf-16"), "written in UTF-16"),
    "UTF-16 without mark": ("id,a\n1,2\n".encode("utf-16-le"), "line 1: a NUL byte"),
    "NUL": (b"id,a\n1,\x00\n", "line 2: a NUL byte"),
    "semicolons": ("id;age;sex\n1;2;3\n", "separated by semicolons (“;”)"),
    "tabs": ("id\tage\n1\t2\n", "separated by tabs (tab)"),
    "bars": ("id|age\n1|2\n", "separated by vertical bars"),
    "short row": (f"{HEADER}\n1,2,f\n3,4\n5,6,m\n", "row 2 (line 3) has 2 fields where the header has 3; put"),
    "wide row": (f"{HEADER}\n1,2,f,x\n", "row 1 (line 2) has 4 fields where the header has 3"),
    "cut off": (f"{HEADER}\n1,2,f\n3,", "row 2 (line 3) has 2 fields where the header has 3, and the file ends there"),
    "open quote": (f'{HEADER}\n1,2,f\n3,4,"m\n', "line 3: a double quote opens there and is never closed"),
    "stray quote": (f'{HEADER}\n1,2,"f"x\n', "line 2: a double quote stands inside"),
    "endless quote": (f'{HEADER}\n1,2,"' + "x\n" * 90_000, "never closed"),
    "old Mac": ("id,a\r1,2\r", "a bare carriage return"),
    "twin columns": ("id,age,age\n1,2,3\n", "the name “age” heads 2 columns"),
    "blank column": ("id,,age\n1,2,3\n", "column 2 has no name"),
    "no header": ("1,2,3\n4,5,6\n", "add a header row"),
    "formula in header": ("id,=A1\n1,2\n", "“=A1” can’t name a column"),
    "formula": (f"{HEADER}\n1,2,f\n2,3,=cmd()\n", "column “sex”, row 2 (line 3): “=cmd()” would run as a formula"),
    "at sign": (f"{HEADER}\n1,2,@SUM(A1)\n", "column “sex”, row 1 (line 2)"),
    "plus formula": (f"{HEADER}\n1,2,+cmd|' /C calc'!A0\n", "would run as a formula"),
    "minus formula": (f"{HEADER}\n1,2,-2+3+SUM(1)\n", "would run as a formula"),
    "quoted tab": (f'{HEADER}\n1,2,"\t=1"\n', "leading tab"),
    "infinite": (f"{HEADER}\n1,2,f\n2,-inf,m\n", "column “age”, row 2 (line 3): an infinite number"),
    "overflow": (f"{HEADER}\n1,2.5,f\n2,1e999,m\n", "column “age”, row 2 (line 3): an infinite number"),
    "workbook": (b"PK\x03\x04rest", "save the sheet as CSV UTF-8"),
    "old workbook": (b"\xd0\xcf\x11\xe0rest", "an old Excel workbook"),
    "gzip": (b"\x1f\x8brest", "compressed with gzip"),
    "cut-off Parquet": (b"PAR1" + b"\0" * 100, "can’t be read to its end"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_its_place_and_nothing_is_kept(bank, developer, name):
    data, sentence = BAD[name]
    before = stored()
    with pytest.raises(BadInput) as bad:
        upload(bank, developer, data)
    assert sentence in bad.value.sentence
    assert "table.csv" in bad.value.sentence
    assert bad.value.status == 422
    assert not Dataset.objects.exists()
    assert stored() == before


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"roles": {"agee": "feature"}}, "table.csv has no column “agee”; it has id, age"),
        ({"roles": {"age": "colour"}}, "column “age”: “colour” is no role; choose from feature"),
        ({"roles": {"age": []}}, "column “age”: give a role"),
        ({"roles": {"age": {"x": 1}}}, "column “age”: give a role"),
        ({"default_role": "x"}, "“x” is no role"),
        ({"name": " "}, "name is needed"),
        ({"digest": "sha256:" + "a" * 64}, "not sha256:" + "a" * 64),
    ],
)
def test_what_comes_with_a_file_is_refused_by_name(bank, developer, given, sentence):
    with pytest.raises(BadInput) as bad:
        upload(bank, developer, "id,age\n1,2\n", **given)
    assert sentence in bad.value.sentence
    assert not Dataset.objects.exists()


def test_unnamed_columns_get_the_default_role(bank, developer):
    made = upload(bank, developer, "id,age,y\n1,2,0\n", roles={"y": "target", "age": ["feature", "sensitive"]})
    assert [one["roles"] for one in made.columns] == [["ignored"], ["feature", "sensitive"], ["target"]]


def test_the_same_file_again_names_the_dataset_there_is(bank, developer):
    first = upload(bank, developer, "id,age\n1,2\n")
    with pytest.raises(
        BadInput, match=f"is the dataset “A table.csv” already, with the same roles .{first.pk}"
    ) as twin:
        upload(bank, developer, "id,age\n1,2\n")
    assert twin.value.status == 409
    with pytest.raises(BadInput, match="with other content or roles"):
        upload(bank, developer, "id,age\n1,3\n")
    assert upload(bank, developer, "id,age\n1,2\n", name="B").sha256 == first.sha256


def test_a_file_over_the_limit_is_413(bank, developer, settings):
    settings.MAX_UPLOAD_BYTES = 10
    with pytest.raises(BadInput, match="at most") as large:
        upload(bank, developer, "id,age\n1,2\n3,4\n")
    assert large.value.status == 413


def test_an_auditor_may_not_upload(bank, auditor):
    before = stored()
    with pytest.raises(Refused):
        upload(bank, auditor, "id,age\n77,2\n")
    assert stored() == before


@pytest.mark.parametrize("given", ["../../etc/passwd", "C:\\tmp\\passwd", "a/b/passwd", "pass\nwd"])
def test_a_file_name_is_a_name_alone(bank, developer, given):
    made = upload(bank, developer, "a,b\n1,2\n", given)
    assert made.file_name == "passwd"


TABLE = pd.DataFrame(
    {
        "whole": [1, 2, 3],
        "part": [0.5, None, 2.0],
        "gappy": pd.array([1, None, 3], dtype="Int64"),
        "flag": [True, False, True],
        "word": ["a", None, " b "],
        "when": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"]),
        "kind": pd.Categorical(["x", "y", "x"]),
        "small": pd.array([-1, 2, 3], dtype="Int8"),
        "large": pd.array([2**53 + 1, 10**17 + 1, -7], dtype="int64"),
        "unsigned": pd.array([2**40, 1, 0], dtype="uint64"),
        "single": pd.array([0.1, 1e-30, None], dtype="float32"),
        "perhaps": pd.array([True, None, False], dtype="boolean"),
    }
)


def test_parquet_and_csv_are_described_and_read_alike(bank, developer):
    one = upload(bank, developer, parquet(TABLE), "t.parquet")
    exact = TABLE.assign(single=TABLE["single"].astype("float64"))  # as text, single precision would be rounded
    two = upload(bank, developer, exact.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%S"))
    assert (one.format, two.format, one.row_count) == ("parquet", "csv", 3)
    assert [found["type"] for found in one.columns] == [
        "integer",
        "number",
        "integer",
        "boolean",
        "text",
        "date",
        "text",
        "integer",
        "integer",
        "integer",
        "number",
        "boolean",
    ]
    for left, right in zip(one.columns, two.columns, strict=True):
        assert (left["type"], left["missing"]) == (right["type"], right["missing"]), left["name"]
        assert set(left["values"]) == set(right["values"])
    pd.testing.assert_frame_equal(reading.frame(one), reading.frame(two))


def test_parquet_refusals_name_column_and_row(bank, developer):
    for table, sentence in [
        (pd.DataFrame({"a": [[1], [2]]}), "column “a”: cells of type list"),
        (pd.DataFrame({"a": [1.0, float("inf")]}), "column “a”, row 2: an infinite number"),
        (pd.DataFrame({"a": ["x", "=1+1"]}), "column “a”, row 2: “=1+1” would run"),
        (pd.DataFrame({"a": ["x", "y\0"]}), "column “a”, row 2: a NUL character"),
        (pd.DataFrame({"a": []}), "columns and no rows"),
    ]:
        with pytest.raises(BadInput, match=r"t\.parquet") as bad:
            upload(bank, developer, parquet(table), "t.parquet")
        assert sentence in bad.value.sentence


def test_a_truncated_parquet_file_is_refused(bank, developer):
    with pytest.raises(BadInput, match="upload it again"):
        upload(bank, developer, parquet(TABLE)[:-20], "t.parquet")


def test_reading_gives_the_recorded_types(bank, developer):
    made = upload(bank, developer, "\ufeffi,n,g,b,t\n 1,0.5,,TRUE,x\n2,1,4,false, n/a\n")
    table = reading.frame(made)
    assert [str(kind) for kind in table.dtypes] == ["int64", "float64", "float64", "bool", "str"]
    assert table["i"].tolist() == [1, 2]
    assert table["b"].tolist() == [True, False]
    assert table["t"].isna().tolist() == [False, True]
    assert list(reading.frame(made, ["t", "i"])) == ["t", "i"]
    with pytest.raises(BadInput, match="has no column “z”; it has i, n, g, b, t"):
        reading.frame(made, ["z"])


def test_a_file_altered_on_disk_is_not_read(bank, developer):
    made = upload(bank, developer, "a,b\n1,2\n")
    path = Path(default_storage.path(made.path))
    path.write_bytes(b"a,b\n1,3\n")
    with pytest.raises(BadInput, match=f"sha256:{made.sha256} was recorded: the file was altered"):
        reading.frame(made)
    path.unlink()


def test_a_table_of_many_chunks_is_one_table(bank, developer):
    rows = "".join(f"{n},{n * 0.37},{'ab'[n % 2]},2026-01-{n % 28 + 1:02d}\n" for n in range(50_000))
    made = upload(bank, developer, f"i,x,g,d\n{rows}")
    assert made.row_count == 50_000
    assert [found["type"] for found in made.columns] == ["integer", "number", "text", "date"]
    assert (made.columns[2]["values"], made.columns[0]["values"]) == ({"a": [25_000, 2], "b": [25_000, 3]}, None)
