"""Bad input, and nothing lost: every bad request gets one sentence that names the place and the mend, as
problem+json with a status that says so, and leaves nothing behind: no row, no file, no job, no entry of success."""

from __future__ import annotations

import io
import json
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from people.models import ApiToken
from tests.conftest import GERMAN
from trail.models import Entry

pytestmark = pytest.mark.django_db

V1 = "/api/v1"
PROBLEM = "application/problem+json"
ARTIFACTS = GERMAN.parents[3] / "tests" / "data" / "artifacts"
REFUSED = {400, 404, 405, 406, 409, 411, 413, 415, 422}
NOBODY = uuid.UUID(int=0)


def state() -> dict[str, Any]:
    """All there is: rows of every table, kept and temporary files, and what the trail says happened."""
    rows = {model._meta.label: model._default_manager.count() for model in apps.get_models()}
    for bookkeeping in ("sessions.Session", "trail.Checkpoint", "trail.Entry", "trail.Leaf", "trail.Tree"):
        rows.pop(bookkeeping, None)
    rows["entries"] = Entry.objects.exclude(type="trail.attempt.refused").count()
    kept = {str(path) for path in Path(settings.EVIDENCE_ROOT).rglob("*") if path.is_file()}
    temporary = {path.name for path in Path(tempfile.gettempdir()).glob("*.upload*")}
    return rows | {"kept": kept, "temporary": temporary}


@contextmanager
def nothing_changes() -> Iterator[None]:
    before = state()
    yield
    assert state() == before


def check(answer: Any, status: int, *says: str) -> None:
    """A refusal as a machine and a person can read it."""
    shown = answer.content.decode()
    assert answer.status_code == status, shown[:2000]
    assert answer["Content-Type"] == PROBLEM, shown[:500]
    problem = json.loads(shown)
    assert problem["status"] == status
    said = problem["detail"] + " ".join(error["where"] for error in problem.get("errors", ()))
    for word in says:
        assert word in said, said


@pytest.fixture
def client(api: Callable[..., Any], developer: Any) -> Any:
    made = api(developer)
    made.raise_request_exception = False
    return made


@pytest.fixture
def refused(client: Any) -> Callable[..., None]:
    """`refused("POST", "models/", body, 422, "name")`: sent over the API, refused so, and nothing changed."""

    def send(method: str, path: str, data: Any, status: int, *says: str, form: bool = False, **more: Any) -> None:
        with nothing_changes():
            if isinstance(data, (bytes, str)):
                content_type = more.pop("content_type", "application/json")
                answer = client.generic(method, f"{V1}/{path}", data, content_type=content_type, **more)
            else:
                style = "multipart" if form else "json"
                answer = getattr(client, method.lower())(f"{V1}/{path}", data, format=style, **more)
        check(answer, status, *says)

    return send


def file(data: bytes | str, name: str = "table.csv") -> SimpleUploadedFile:
    data = data.encode() if isinstance(data, str) else data
    return SimpleUploadedFile(name, data, "application/octet-stream")


def parquet() -> bytes:
    import pandas as pd

    out = io.BytesIO()
    pd.DataFrame({"a": range(1000), "b": ["x"] * 1000}).to_parquet(out)
    return out.getvalue()


def workbook(macros: bool = False) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    book.active.append([1, "=1+1"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


WIDE = ",".join(f"c{n}" for n in range(10_000)) + "\n" + ",".join(["1"] * 9_999) + "\n"
CSV: dict[str, tuple[bytes | str, tuple[str, ...]]] = {
    "empty": (b"", ("table.csv is empty",)),
    "cut inside a quoted field": ('id,note\n1,"fine"\n2,"cut of', ("table.csv, line 3", "never closed")),
    "cut inside a row": ("id,age,sex\n1,2,f\n2,3", ("row 2 (line 3)", "cut off")),
    "separated by ;": ("id;age\n1;2\n", ("line 1", "semicolons", "Save it with commas")),
    "separated by tabs": ("id\tage\n1\t2\n", ("line 1", "tabs", "Save it with commas")),
    "latin-1": ("id,name\n1,Müller\n".encode("latin-1"), ("table.csv, line 2", "not UTF-8", "save it")),
    "UTF-16 with its mark": ("id,name\n1,x\n".encode("utf-16"), ("UTF-16", "save it as CSV UTF-8")),
    "UTF-32 with its mark": ("id,name\n1,x\n".encode("utf-32"), ("table.csv", "UTF-8")),
    "header only": ("id,age\n", ("a header and no rows",)),
    "columns of one name": ("id,age,age\n1,2,3\n", ("line 1", "“age”", "rename")),
    "a cell too few in 10,000": (WIDE, ("row 1 (line 2)", "9999 fields where the header has 10000")),
    "a cell starting =": ('id,note\n1,"=HYPERLINK(""x"")"\n', ("column “note”, row 1 (line 2)", "apostrophe")),
    "a cell starting @": ("id,note\n1,@SUM(A1)\n", ("column “note”, row 1 (line 2)", "apostrophe")),
    "a cell starting +cmd|": ("id,note\n1,+cmd|' /C calc'!A0\n", ("column “note”, row 1 (line 2)", "apostrophe")),
    "a cell starting -2+3+cmd|": ("id,note\n1,-2+3+cmd|' /C calc'!A0\n", ("column “note”, row 1 (line 2)",)),
    "a cell starting with a tab": ('id,note\n1,"\t=1+1"\n', ("column “note”, row 1 (line 2)", "tab")),
    "a formula as a header": ("id,=cmd|x\n1,2\n", ("line 1", "can’t name a column")),
    "NUL": (b"id,note\n1,a\0b\n", ("line 2", "NUL")),
    "a surrogate half": (b"id,note\n1,\xed\xa0\x80\n", ("line 2", "not UTF-8")),
    "infinite": ("id,age\n1,2\n2,inf\n", ("column “age”, row 2 (line 3)", "infinite")),
    "a workbook": (workbook(), ("a spreadsheet", "save the sheet as CSV UTF-8")),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ("old Excel workbook", "save")),
}


@pytest.mark.parametrize("name", CSV)
def test_a_bad_table(refused, name):
    data, says = CSV[name]
    refused("POST", "datasets/", {"file": file(data), "name": "T"}, 422, *says, form=True)


def test_a_cut_parquet_file(refused):
    whole = parquet()
    for length in (4, 100, len(whole) // 2, len(whole) - 1):
        form = {"file": file(whole[:length], "t.parquet"), "name": "T"}
        refused("POST", "datasets/", form, 422, "t.parquet", "upload it again", form=True)


TABLE = "id,age,sex,y\n1,20,f,0\n2,30,m,1\n"
GIVEN: dict[str, tuple[dict[str, Any], int, str]] = {
    "a column that is not there": ({"columns": '{"agee": "feature"}'}, 422, "no column “agee”; it has id, age, sex, y"),
    "a role that is none": ({"columns": '{"age": "colour"}'}, 422, "column “age”: “colour” is no role"),
    "roles that are a list": ({"columns": "[1]"}, 422, "columns must be a JSON object"),
    "roles cut off": ({"columns": '{"age": "fea'}, 422, "columns is not JSON"),
    "roles of null": ({"columns": '{"age": null}'}, 422, "column “age”"),
    "roles of numbers": ({"columns": '{"age": [1]}'}, 422, "column “age”"),
    "roles of objects": ({"columns": '{"age": [{}]}'}, 422, "column “age”"),
    "two objects of roles": ({"columns": '{"age": "feature"}', "roles": '{"sex": "sensitive"}'}, 422, "columns"),
    "no name": ({"name": ""}, 422, "name is needed"),
    "a name of 201": ({"name": "x" * 201}, 422, "name holds 201 characters; at most 200"),
    "a name with NUL": ({"name": "a\0b"}, 422, "name"),
    "an unknown field": ({"licens": "CC0"}, 422, "There is no field “licens”"),
    "a unit elsewhere": ({"unit": "elsewhere"}, 422, "no unit elsewhere"),
    "a unit with NUL": ({"unit": "a\0"}, 422, "unit"),
    "a digest of another file": ({"digest": "sha256:" + "0" * 64}, 422, "not sha256:000"),
    "a digest too short": ({"digest": "sha256:0"}, 422, "is no digest; write sha256: and 64"),
    "a digest of another kind": ({"digest": "md5:" + "0" * 64}, 422, "is no digest"),
    "1 MB of description": ({"description": "x" * 1_000_000}, 422, "description holds 1,000,000 characters"),
    "no file": ({"file": ""}, 422, "file came as text"),
    "two of a field": ({"name": ["A", "B"]}, 422, "name came twice"),
    "a field in two places": ({"metadata": '{"licence": "A"}', "licence": "B"}, 422, "licence came twice"),
    "numbers where text stands": ({"metadata": '{"name": 1}'}, 422, "name must be text"),
    "a digest of numbers": ({"metadata": '{"digest": 1}'}, 422, "“1” is no digest"),
    "a unit of numbers": ({"metadata": '{"unit": 1}'}, 422, "unit"),
    "a unit that is an object": ({"metadata": '{"unit": {"a": 1}}'}, 422, "unit"),
    "a reason that is a list": ({"metadata": '{"reason": ["a"]}'}, 422, "reason must be text"),
    "a default role that is an object": ({"metadata": '{"name": "T", "default_role": {"a": 1}}'}, 422, "give a role"),
    "a surrogate half": ({"metadata": r'{"name": "\ud800"}'}, 422, "name"),
    "a surrogate half in a column": ({"metadata": r'{"columns": {"\ud800": "feature"}}'}, 422, ""),
    "an object 100,000 deep": ({"metadata": '{"a":' * 100_000}, 422, "metadata is not JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVEN)
def test_bad_words_beside_a_table(refused, name):
    more, status, says = GIVEN[name]
    form = {"file": file(TABLE), "name": "T"} | more
    if "metadata" in more:
        form.pop("name")
        form["metadata"] = file(more["metadata"], "m.json")
    refused("POST", "datasets/", form, status, says, form=True)


def test_a_dataset_is_named_once_in_its_unit(refused, dataset):
    form = {"file": file(TABLE), "name": dataset.name}
    refused("POST", "datasets/", form, 409, str(dataset.pk), "choose another name", form=True)


# JSON over the API: (method, path, body, status, words); paths are filled in from what there is.
JSON: list[tuple[str, str, Any, int, str]] = [
    ("POST", "models/", b"", 422, "name is needed"),
    ("POST", "models/", b'{"name": "A"', 400, "JSON"),
    ("POST", "models/", b"\xff\xfe{", 400, "JSON"),
    ("POST", "models/", b'{"name": NaN}', 400, "JSON"),
    ("POST", "models/", b'{"name": "A", "users": 1e999}', 400, "JSON"),
    ("POST", "models/", b'{"name": "A", "name": "B"}', 400, "name"),
    ("POST", "models/", b'{"a":' * 100_000, 400, "JSON"),
    ("POST", "models/", b"[" * 100_000, 400, "JSON"),
    ("POST", "models/", b"1" * 5000, 400, "JSON"),
    ("POST", "models/", b"null", 422, "object"),
    ("POST", "models/", b'"text"', 422, "the body must be a JSON object"),
    ("POST", "models/", b"[]", 422, "object"),
    ("POST", "models/", b'{"name": "\\ud800"}', 422, "name"),
    ("POST", "models/", {"name": "a\0b"}, 422, "name"),
    ("POST", "models/", {"name": None}, 422, "name is needed"),
    ("POST", "models/", {"name": 12}, 422, "name must be text"),
    ("POST", "models/", {"name": ["A"]}, 422, "name must be text"),
    ("POST", "models/", {"name": "x" * 5000}, 422, "name holds 5,000 characters"),
    ("POST", "models/", {"name": "A", "purpse": "x"}, 422, "no inventory field “purpse”; did you mean “purpose”?"),
    ("POST", "models/", {"name": "A", "purpose": "x" * 1_000_000}, 422, "purpose holds 1,000,000 characters"),
    ("POST", "models/", {"name": "A", "purpose": "x\0"}, 422, "purpose"),
    ("POST", "models/", {"name": "A", "owner": "nobody@bank.example"}, 422, "Nobody with a role in bank/retail"),
    ("POST", "models/", {"name": "A", "owner": {"email": 1}}, 422, "owner"),
    ("POST", "models/", {"name": "A", "owner": "\0"}, 422, "owner"),
    ("POST", "models/", {"name": "A", "next_review_on": "31.12.2026"}, 422, "next_review_on is a date such as"),
    ("POST", "models/", {"name": "A", "next_review_on": "2026-02-30"}, 422, "next_review_on is a date such as"),
    ("POST", "models/", {"name": "A", "next_review_on": 20260230}, 422, "next_review_on is a date such as"),
    ("POST", "models/", {"name": "A", "custom": {"x": 1}}, 422, "no custom field “x”"),
    ("POST", "models/", {"name": "A", "custom": []}, 422, "custom must be an object"),
    ("POST", "models/", {"name": "A", "slug": "A b"}, 422, "write it like a-b"),
    ("POST", "models/", {"name": "A", "slug": 7}, 422, "slug must be text"),
    ("POST", "models/", {"name": "A", "slug": ["a"]}, 422, "slug must be text"),
    ("POST", "models/", {"name": "A", "slug": "\0"}, 422, "slug"),
    ("POST", "models/", {"name": "A", "unit": 7}, 422, "unit"),
    ("POST", "models/", {"name": "A", "unit": {}, "slug": {}, "origin": []}, 422, ""),
    ("POST", "models/", {"name": "A", "unit": "\0"}, 422, "unit"),
    ("POST", "models/", {"name": "A", "unit": "bank/risk"}, 422, "There is no unit bank/risk"),
    ("POST", "models/", {"name": "A", "reason": {"a": 1}}, 422, "reason must be text"),
    ("POST", "models/", {"name": "A", "reason": "x" * 2001}, 422, "reason holds 2,001 characters"),
    ("POST", "models/", {"name": "A", "origin": "stolen"}, 422, "origin can’t be “stolen”; choose from"),
    ("POST", "models/", {"name": "A", "origin": {"a": "\0"}}, 422, "origin"),
    ("POST", "models/", {"name": "Credit scorecard"}, 409, "has the model ID credit-scorecard already"),
    ("POST", "models/", {"name": "B", "slug": "credit-scorecard"}, 409, "has the model ID credit-scorecard already"),
    ("PATCH", "models/{slug}/", {"nme": "B"}, 422, "no inventory field “nme”; did you mean “name”?"),
    ("PATCH", "models/{slug}/", {"slug": "other"}, 422, "slug"),
    ("PATCH", "models/{slug}/", {"name": ""}, 422, "name is needed"),
    ("PATCH", "models/nothing/", {"name": "B"}, 404, ""),
    ("PUT", "models/{slug}/", {"name": "B"}, 405, "PUT"),
    ("DELETE", "models/{slug}/", None, 405, "DELETE"),
    ("DELETE", "versions/{version}/", None, 405, "DELETE"),
    ("POST", "trail/", {}, 405, "POST"),
    ("POST", "nothing/", {}, 404, ""),
    ("GET", "models/nothing/", None, 404, ""),
    ("GET", "models/%00/", None, 404, ""),
    ("GET", f"versions/{NOBODY}/", None, 404, ""),
    ("GET", "versions/not-an-id/", None, 404, ""),
    ("GET", f"runs/{NOBODY}/", None, 404, ""),
    ("GET", "runs/123/", None, 404, ""),
    ("GET", f"datasets/{NOBODY}/", None, 404, ""),
    ("GET", f"promotions/{NOBODY}/", None, 404, ""),
    ("GET", f"packs/{NOBODY}/download/", None, 404, ""),
    ("GET", f"policies/{NOBODY}/", None, 404, ""),
    ("GET", "versions/{version}/card.exe", None, 404, ""),
    ("GET", "versions/{version}/card-sections/nothing/", None, 404, ""),
    ("GET", "versions/{version}/card-sections/%00/", None, 404, ""),
    ("GET", "models/?ordering=colour", None, 422, "ordering can’t be “colour”; choose from name"),
    ("GET", "models/?tier=9", None, 422, "tier"),
    ("GET", "models/?q=%00", None, 400, ""),
    ("GET", "models/?owner=%00", None, 400, ""),
    ("GET", "models/?" + "&".join(f"a{n}=1" for n in range(2000)), None, 400, ""),
    ("GET", "models/?limit=-1", None, 422, "limit"),
    ("GET", "models/?limit=abc", None, 422, "limit"),
    ("GET", "models/?limit=0", None, 422, "limit"),
    ("GET", "models/?offset=-1", None, 422, "offset"),
    ("GET", "models/?offset=" + "9" * 30, None, 422, "offset"),
    ("GET", "models/?limit=" + "9" * 3000, None, 422, "limit"),
    ("GET", "trail/?limit=-1", None, 422, "limit"),
    ("GET", "trail/?offset=" + "9" * 30, None, 422, "offset"),
    ("GET", "runs/?limit=-1", None, 422, "limit"),
    ("GET", "runs/?status=%00", None, 400, ""),
    ("GET", "trail/?q=%00", None, 400, ""),
    ("GET", "trail/proofs/inclusion/", None, 422, "index"),
    ("GET", "trail/proofs/inclusion/?index=abc", None, 422, "index"),
    ("GET", "trail/proofs/inclusion/?index=-1", None, 422, "index"),
    ("GET", "trail/proofs/inclusion/?index=" + "9" * 30, None, 422, "index"),
    ("GET", "trail/proofs/inclusion/?index=" + "9" * 3000, None, 422, "index"),
    ("GET", "trail/proofs/consistency/?size1=0", None, 422, "size1"),
    ("GET", "lineage/?dataset=x", None, 404, ""),
    ("POST", "lineage/", {"kind": ["a"], "from": 1, "to": {}}, 422, "kind"),
    ("POST", "lineage/", {"kind": "feeds", "from": 1, "to": {}}, 422, "no model 1"),
    ("POST", "lineage/", {"kind": "feeds", "from": "\0", "to": "x"}, 422, "from"),
    ("POST", "lineage/", {"kind": "feeds", "frm": "a"}, 422, "no field “frm”"),
    ("POST", "environments/", {"slug": "A B"}, 422, "slug"),
    ("POST", "environments/", {"slug": "ok", "nam": "x"}, 422, "no field “nam”"),
    ("POST", "fields/", {"name": 1, "kind": "text"}, 422, "name"),
    ("POST", "fields/", {"name": "a", "kind": {"a": 1}}, 422, "kind"),
    ("POST", "fields/", {"name": "a", "kind": "choice", "choices": 7}, 422, "choices"),
    ("POST", "fields/", {"name": "purpose", "kind": "text"}, 422, "name a custom field"),
    ("POST", "models/{slug}/tiering/", {"answers": []}, 422, ""),
    ("POST", "models/{slug}/tiering/", {"answers": [1]}, 422, "answers"),
    ("POST", "models/{slug}/tiering/", {"answers": {"colour": 1}}, 422, "colour"),
    ("POST", "models/{slug}/tiering/", {"answers": {}, "overide": {}}, 422, "no field “overide”"),
    ("POST", "models/{slug}/tiering/", {"answers": {}, "override": "2"}, 422, "override"),
    ("POST", "versions/{version}/promotions/", {}, 422, "target"),
    ("POST", "versions/{version}/promotions/", {"target": 1}, 422, "target must be text"),
    ("POST", "versions/{version}/promotions/", {"target": "moon"}, 422, "moon"),
    ("POST", "versions/{version}/promotions/", {"target": "\0"}, 422, "target"),
    ("POST", "versions/{version}/promotions/", {"traget": "production"}, 422, "no field “traget”"),
    ("POST", f"promotions/{NOBODY}/signatures/", {}, 404, ""),
    ("POST", "gates/evaluate/", {}, 422, "digest"),
    ("POST", "gates/evaluate/", {"digest": "abc", "target": "production"}, 422, "is no digest"),
    ("POST", "gates/evaluate/", {"digest": 1, "target": "production"}, 422, "digest"),
    ("POST", "gates/evaluate/", {"digest": "sha256:" + "0" * 64, "target": "\0"}, 422, "target"),
    ("POST", "gates/evaluate/", {"digest": "sha256:" + "0" * 64, "target": "x", "a": 1}, 422, "no field “a”"),
    ("POST", "versions/{version}/packs/", {"reason": "\0"}, 422, "reason"),
    ("POST", "versions/{version}/packs/", {"reson": "x"}, 422, "reson"),
    ("POST", "versions/{version}/packs/", [1], 422, ""),
    ("PUT", "versions/{version}/card-sections/factors/", {"text": 1}, 422, "text must be text"),
    ("PUT", "versions/{version}/card-sections/factors/", {"txt": "a"}, 422, "no field “txt”"),
    ("PUT", "versions/{version}/card-sections/factors/", {"text": "x" * 1_000_000}, 422, "text"),
    ("POST", "models/{slug}/versions/", {"digest": "sha256:" + "0" * 64}, 422, "no artifact came with it"),
    ("POST", "models/{slug}/versions/", {"facts": [1]}, 422, "facts must be a JSON object"),
    ("POST", "models/{slug}/versions/", {"facts": {"a": 10**30}}, 422, "facts"),
    ("POST", "models/{slug}/versions/", {"facts": {"a": "\0"}}, 422, "facts"),
    ("POST", "models/{slug}/versions/", {"notes": ["a"]}, 422, "notes must be text"),
    ("POST", "models/{slug}/versions/", {"digest": 3}, 422, "digest"),
    ("POST", "models/{slug}/versions/", {"label": "x" * 61}, 422, "label holds 61"),
    ("POST", "models/{slug}/versions/", {"trained_on": {"a": 1}}, 422, "trained_on"),
    ("POST", "models/{slug}/versions/", {"trained_on": 7}, 422, "trained_on"),
    ("POST", "models/{slug}/versions/", {"derived_from": [1]}, 422, "derived_from"),
    ("POST", "models/{slug}/versions/", {"lable": "x"}, 422, "no field “lable”"),
    ("POST", "models/{slug}/versions/", {"artifact": "abc"}, 422, "artifact"),
]


@pytest.mark.parametrize("case", JSON, ids=lambda case: f"{case[0]} {case[1][:50]} {str(case[2])[:50]}")
def test_bad_json(refused, model, version, environment, case):
    method, path, body, status, says = case
    path = path.replace("{slug}", model.slug).replace("{version}", str(version.pk))
    refused(method, path, body, status, says)


DATA = "id,age,sex,y,p,score,empty,one\n" + "".join(
    f"{n},{20 + n % 40},{'fm'[n % 2]},{n % 3 % 2},{n % 2},{n / 50},{'' if n == 3 else n % 2},1\n" for n in range(60)
)


@pytest.fixture
def table(client):
    roles = {"sex": "sensitive", "y": "target", "p": "prediction"}
    form = {"file": file(DATA), "name": "T", "columns": json.dumps(roles)}
    return client.post(f"{V1}/datasets/", form, format="multipart").json()["id"]


FAIR = {"check": "fairness"}
RUNS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown check": ({"check": "luck"}, "luck"),
    "a check of numbers": ({"check": 1}, ""),
    "no check": ({"check": None}, "check"),
    "an unknown field": ({"parms": {}}, "parms"),
    "an unknown dataset": ({"dataset": str(NOBODY)}, "GET datasets/ lists yours"),
    "a malformed dataset": ({"dataset": "x"}, "dataset"),
    "params that are a list": ({"params": []}, "params"),
    "params that are null": ({"params": None}, "params"),
    "an unknown parameter": ({"params": {"senstive": ["sex"]}}, "did you mean “sensitive”?"),
    "an unknown column": ({"params": {"target": "agee"}}, "table.csv has no column “agee”; it has"),
    "a column with NUL": ({"params": {"target": "\0"}}, ""),
    "sensitive not there": ({"params": {"sensitive": ["colour"]}}, "no column “colour”"),
    "sensitive of objects": ({"params": {"sensitive": [{}]}}, "sensitive"),
    "an empty target cell": ({"params": {"target": "empty"}}, "column “empty”, line 5"),
    "a target of one class": ({"params": {"target": "one"}}, "column “one” holds “1” in every row"),
    "a target of too many": ({"params": {"target": "id"}}, "a target has few outcomes"),
    "a confidence of 0": ({"params": {"confidence": 0}}, "confidence"),
    "a confidence of 1": ({"params": {"confidence": 1}}, "confidence"),
    "a confidence of 2": ({"params": {"confidence": 2}}, "confidence"),
    "a confidence of text": ({"params": {"confidence": "0.9"}}, "confidence"),
    "far too many replicates": ({"params": {"replicates": 10**9}}, "replicates"),
    "a negative seed": ({"params": {"seed": -1}}, "seed"),
    "a fractional seed": ({"params": {"seed": 0.5}}, "seed"),
    "a favourable that never occurs": ({"params": {"favourable": "great"}}, "“great” never occurs"),
    "sensitive is the target": ({"params": {"sensitive": ["y"]}}, "“y” is the target"),
    "sensitive is the prediction": ({"params": {"sensitive": ["p"]}}, "“p” is the prediction"),
    "too many groups": ({"params": {"sensitive": ["id"]}}, "cut it into bands"),
    "an unknown crossing": ({"params": {"intersections": [["sex", "age"]]}}, "“age” is crossed"),
    "other labels than the target": ({"params": {"prediction": "sex"}}, "write both with the same values"),
    "a threshold of text": ({"params": {"score": "score", "threshold": "x"}}, "threshold"),
    "a score of text": ({"params": {"prediction": None, "score": "sex"}}, "column “sex” holds text, not numbers"),
    "no features": ({"params": {}, "check": "explainability"}, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_a_bad_check(refused, version, table, name):
    more, says = RUNS[name]
    refused("POST", f"versions/{version.pk}/runs/", {"check": "fairness", "dataset": table} | more, 422, says)
