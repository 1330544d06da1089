"""Bad input, and nothing lost: every bad request gets one sentence that names the place and the mend, as
problem+json with a status that says so, and leaves nothing behind: no row, no file, no job, no entry of success."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.apps import apps
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.utils.html import escape

from audits import jobs
from audits.models import Run
from registry.models import Dataset, RegisteredModel, Version
from tests.conftest import GERMAN, ROOT
from trail.models import Entry

pytestmark = pytest.mark.django_db

V1 = "/api/v1"
PROBLEM = "application/problem+json"
ARTIFACTS = GERMAN.parents[3] / "tests" / "data" / "artifacts"
REFUSED = {400, 404, 405, 406, 409, 411, 413, 415, 422}
NOBODY = uuid.UUID(int=0)


@pytest.fixture(autouse=True)
def own_place_for_temporary_files(settings: Any, tmp_path: Path) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "uploads"
    settings.FILE_UPLOAD_TEMP_DIR.mkdir()


def state() -> dict[str, Any]:
    """All there is: rows of every table, kept and temporary files, and what the trail says happened."""
    rows = {model._meta.label: model._default_manager.count() for model in apps.get_models()}
    ledger = {
        "trail.Entry",
        "trail.Payload",
        "trail.Pending",
        "trail.Leaf",
        "trail.Tile",
        "trail.Tree",
        "trail.Checkpoint",
    }
    for bookkeeping in {"sessions.Session"} | ledger:
        rows.pop(bookkeeping, None)
    rows["entries"] = Entry.objects.exclude(type="trail.attempt.refused").count()
    kept = {str(path) for path in Path(settings.EVIDENCE_ROOT).rglob("*") if path.is_file()}
    temporary = {path.name for path in Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir()}
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


def workbook() -> bytes:
    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    book.active.append([1, "=1+1"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


WIDE = ",".join(f"c{n}" for n in range(1_000)) + "\n" + ",".join(["1"] * 999) + "\n"
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
    "a cell too few in 1,000": (WIDE, ("row 1 (line 2)", "999 fields where the header has 1000")),
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


# What only those who may publish or administer get as far as.
BY_OFFICE: list[tuple[str, str, Any, int, str]] = [
    ("risk_officer", "policies/", {"name": "x", "text": "a: ["}, 422, "Line 1"),
    ("risk_officer", "policies/", {"name": "x", "text": 1}, 422, "object"),
    ("risk_officer", "policies/", {"name": "x", "text": "a: &a [*a]"}, 422, "Line 1: Aliases"),
    ("risk_officer", "policies/", {"name": "x", "text": "a: 1\na: 2"}, 422, "The key “a” stands twice"),
    ("risk_officer", "policies/", {"name": "x", "text": "[" * 50_000}, 422, "text"),
    ("risk_officer", "policies/", {"name": "x", "text": "2001-99-99"}, 422, "text"),
    ("risk_officer", "policies/", {"name": "x", "text": "x" * 1_000_000}, 422, "1,000,000 characters"),
    ("risk_officer", "policies/", {"name": "x\0", "text": "a: 1"}, 422, "name"),
    ("risk_officer", "policies/", {"name": "x", "txt": "a: 1"}, 422, "did you mean “text”?"),
    ("administrator", "environments/", {"slug": 1}, 422, "slug"),
    ("administrator", "environments/", {"slug": "ok", "name": {"a": 1}}, 422, "name must be text"),
    ("administrator", "environments/", {"slug": "production", "unit": "bank"}, 409, "choose another slug"),
    ("risk_officer", "models/{slug}/tiering/", {"answers": {"colour": 1}}, 422, "colour"),
    (
        "risk_officer",
        "models/{slug}/tiering/",
        {"answers": {"materiality": "x" * 9}},
        422,
        "is no question of the scheme",
    ),
    ("risk_officer", "models/{slug}/tiering/", {"answers": {"purpose": 10**400}}, 422, "is not answered"),
]


@pytest.mark.parametrize("case", BY_OFFICE, ids=lambda case: f"{case[1]} {str(case[2])[:50]}")
def test_bad_json_of_those_in_office(api, request, model, environment, case):
    who, path, sent, status, says = case
    client = api(request.getfixturevalue(who))
    client.raise_request_exception = False
    with nothing_changes():
        answer = client.post(f"{V1}/{path}".replace("{slug}", model.slug), sent)
    check(answer, status, says)


def test_what_is_asked_for_in_the_wrong_way(client, refused, model):
    refused("POST", "models/", "name: A", 415, "application/yaml", content_type="application/yaml")
    refused("POST", "models/", "<a/>", 415, "text/xml", content_type="text/xml")
    refused("POST", "datasets/", "a,b", 415, "text/csv", content_type="text/csv")
    refused("POST", "models/", b"x", 400, "boundary", content_type="multipart/form-data")
    refused("POST", "models/", b"x", 415, "nonsense", content_type="nonsense")
    check(client.get(f"{V1}/models/", HTTP_ACCEPT="text/csv"), 406)
    check(client.get(f"{V1}/models/", HTTP_ACCEPT="x" * 5000), 406)
    assert client.get(f"{V1}/models/", HTTP_ACCEPT="application/*").status_code == 200
    client.credentials(HTTP_AUTHORIZATION="Bearer \udcff".encode("utf-8", "surrogateescape").decode("latin-1"))
    check(client.get(f"{V1}/models/"), 401, "unknown")


def damaged(name: str) -> bytes:
    whole = (ARTIFACTS / name).read_bytes()
    return whole[: len(whole) // 2]


MODELS: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "skops, cut": (lambda: damaged("german_credit.skops"), "m.skops", "m.skops"),
    "ubj, cut": (lambda: damaged("german_credit.ubj"), "m.ubj", "m.ubj"),
    "onnx, cut": (lambda: damaged("treecl3.onnx"), "m.onnx", "m.onnx"),
    "LightGBM, cut": (lambda: damaged("lg_dart_breast_cancer.model"), "m.txt", "m.txt"),
    "a legacy binary": ((ARTIFACTS / "kserve_xgboost_legacy.bst").read_bytes, "m.bst", "m.bst"),
    "a pickle": (lambda: b"\x80\x04K\x01.", "m.pkl", "pickle"),
    "a pickle by another name": (lambda: b"\x80\x04K\x01.", "m.skops", "pickle"),
    "nothing": (lambda: b"", "m.skops", "m.skops"),
    "text": (lambda: b"hello", "m.json", "m.json"),
    "a table": (TABLE.encode, "m.csv", "m.csv"),
    "a workbook": (workbook, "m.xlsx", "m.xlsx"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_bad_model_file(refused, model, name):
    data, file_name, says = MODELS[name]
    form = {"artifact": file(data(), file_name)}
    refused("POST", f"models/{model.slug}/versions/", form, 422, says, form=True)


def test_a_digest_that_is_not_the_model_files(refused, model, scorecard_file):
    for digest, says in {
        "sha256:" + "0" * 64: "not sha256:000",
        "0" * 63: "is no digest",
        "sha512:0": "is no digest",
    }.items():
        form = {"artifact": file(scorecard_file, "m.skops"), "digest": digest}
        refused("POST", f"models/{model.slug}/versions/", form, 422, says, form=True)


class Stream(io.RawIOBase):
    """A body of any length that nobody holds in memory; it counts what was taken from it."""

    def __init__(self, head: bytes, size: int, tail: bytes = b"") -> None:
        self.head, self.size, self.tail, self.taken = io.BytesIO(head), size, io.BytesIO(tail), 0

    def read(self, size: int = -1) -> bytes:
        found = self.head.read(size)
        if not found and self.size:
            length, start = min(size, self.size, 1 << 20), -self.size % 4
            found = (b"1,2\n" * (length // 4 + 2))[start : start + length]
            self.size -= length
        found = found or self.tail.read(size)
        self.taken += len(found)
        return found


HEAD = (
    b'--B\r\nContent-Disposition: form-data; name="name"\r\n\r\nT\r\n'
    b'--B\r\nContent-Disposition: form-data; name="file"; filename="t.csv"\r\n\r\na,b\n'
)
TAIL = b"\r\n--B--\r\n"
MB = 1 << 20


class Answer:
    def __init__(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.status_code, self.headers, self.content = status, headers, content

    def __getitem__(self, name: str) -> str:
        return self.headers[name]


@pytest.fixture
def wire(api, developer) -> Iterator[Callable[..., Answer]]:
    """`wire(stream, length)`: an upload as the web server hands it to the application."""
    for signal in (request_started, request_finished):  # the test's transaction is on this connection
        signal.disconnect(close_old_connections)
    from config.wsgi import application

    authorization = api(developer)._credentials["HTTP_AUTHORIZATION"]

    def send(stream: Any, length: int | None, path: str = "/api/v1/datasets/", **more: Any) -> Answer:
        said: list[Any] = []
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "CONTENT_TYPE": "multipart/form-data; boundary=B",
            "HTTP_AUTHORIZATION": authorization,
            "wsgi.input": stream,
            "wsgi.url_scheme": "http",
            "wsgi.errors": io.StringIO(),
        } | more
        if length is not None:
            environ["CONTENT_LENGTH"] = str(length)
        answer = application(environ, lambda status, headers, *_: said.extend([status, headers]))
        content = b"".join(answer)
        answer.close()
        return Answer(int(said[0].split()[0]), dict(said[1]), content)

    yield send
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def test_an_upload_arrives_as_the_server_hands_it_over(wire):
    stream = Stream(HEAD, 40, TAIL)
    assert wire(stream, len(HEAD) + 40 + len(TAIL)).status_code == 201


@pytest.mark.parametrize("said", [200 * MB, 10**30])
def test_200_mb_are_refused_by_their_length_before_they_are_read(wire, said):
    stream = Stream(HEAD, 200 * MB, TAIL)
    with nothing_changes():
        answer = wire(stream, said)
    check(answer, 413, "at most 106,954,752 are taken", "COUNTERSIGN_MAX_UPLOAD_MB")
    assert stream.taken == 0


def test_200_mb_in_chunks_are_refused_before_they_are_read(wire):
    stream = Stream(HEAD, 200 * MB, TAIL)
    with nothing_changes():
        answer = wire(stream, None, HTTP_TRANSFER_ENCODING="chunked")
    check(answer, 411, "send it with a Content-Length")
    assert stream.taken == 0


def test_200_mb_that_claim_to_be_less_are_cut_there_and_not_taken_for_the_whole(wire):
    stream = Stream(HEAD, 200 * MB, TAIL)
    with nothing_changes():
        answer = wire(stream, 5 * MB)
    check(answer, 400, "without its last boundary")
    assert stream.taken <= 5 * MB


def test_a_file_beyond_the_limit_in_a_form_within_it_is_refused_and_swept_away(wire, settings):
    settings.MAX_UPLOAD_BYTES = 3 * MB
    with nothing_changes():
        answer = wire(Stream(HEAD, 4 * MB, TAIL), len(HEAD) + 4 * MB + len(TAIL))
    check(answer, 413, "t.csv holds 4 MB; at most 3 MB")


@pytest.mark.parametrize("size", [40, 4 * MB])
def test_a_connection_that_breaks_in_an_upload_leaves_nothing(wire, size):
    for cut in (len(HEAD) - 1, len(HEAD) + size // 2, len(HEAD) + size, len(HEAD) + size + len(TAIL) - 5):
        whole = HEAD + b"1,2\n" * (size // 4) + TAIL
        with nothing_changes():
            answer = wire(io.BytesIO(whole[:cut]), len(whole))
        check(answer, 400, f"cut off after {cut:,} of {len(whole):,} bytes")


def test_too_much_json_is_refused_by_its_length_and_by_its_bytes(wire):
    stream = Stream(b'{"name": "', 50 * MB, b'"}')
    with nothing_changes():
        answer = wire(stream, 50 * MB + 12, "/api/v1/models/", CONTENT_TYPE="application/json")
    check(answer, 413, "at most 2,097,152")
    assert stream.taken == 0


def test_a_form_of_too_many_or_too_long_fields(refused):
    refused("POST", "datasets/", {f"f{n}": "x" for n in range(1500)}, 400, "", form=True)
    refused("POST", "datasets/", {"description": "x" * (3 * MB)}, 413, "too much text", form=True)


def failed(client: Any, version: Any, dataset: str, check_name: str = "fairness", **params: Any) -> str:
    """Why a run failed, whose request was sound."""
    asked = {"check": check_name, "dataset": dataset, "params": params}
    answer = client.post(f"{V1}/versions/{version.pk}/runs/", asked)
    assert answer.status_code == 202, answer.json()
    jobs.work(Run.objects.get(pk=answer.json()["id"]).job_id)
    run = client.get(answer["Location"]).json()
    assert (run["status"], run["result"]) == ("failed", None), run
    return run["error"]


def uploaded(client: Any, content: str, name: str = "U", **roles: Any) -> str:
    form = {"file": file(content), "name": name, "columns": json.dumps(roles)}
    answer = client.post(f"{V1}/datasets/", form, format="multipart")
    assert answer.status_code == 201, answer.json()
    return answer.json()["id"]


def test_a_model_that_lacks_its_features_says_which(client, version):
    rows = "".join(f"{n},{n % 2},{'fm'[n % 2]}\n" for n in range(20))
    lacking = uploaded(client, f"credit_amount,y,sex\n{rows}", credit_amount="feature", y="target", sex="sensitive")
    said = failed(client, version, lacking)
    for feature in ("duration_in_month", "age_in_years"):
        assert feature in said


def test_a_file_that_changed_on_disk_is_not_measured(client, version, table):
    kept = Path(default_storage.path(Dataset.objects.get(pk=table).path))
    whole = kept.read_bytes()
    kept.write_bytes(whole.replace(b"\n1,", b"\n9,", 1))
    try:
        assert "the file was altered after its upload. Restore it from a backup" in failed(client, version, table)
    finally:
        kept.unlink()


@pytest.mark.parametrize("seed", range(3))
def test_a_model_file_that_breaks_its_reader_breaks_nothing_else(client, model, seed):
    rows = "".join(f"{n},{n},{n},{n % 2},{'fm'[n % 2]}\n" for n in range(1, 21))
    header = "duration_in_month,credit_amount,age_in_years,y,sex\n"
    features = dict.fromkeys(["duration_in_month", "credit_amount", "age_in_years"], "feature")
    dataset = uploaded(client, header + rows, **features, y="target", sex="sensitive")
    whole = bytearray((ARTIFACTS / "german_credit.ubj").read_bytes())
    dice = random.Random(seed)
    for _ in range(400):
        whole[dice.randrange(200, len(whole))] = dice.randrange(256)
    form = {"artifact": file(bytes(whole), "m.ubj")}
    answer = client.post(f"{V1}/models/{model.slug}/versions/", form, format="multipart")
    if answer.status_code == 201:
        assert failed(client, Version.objects.get(pk=answer.json()["id"]), dataset)
    else:
        check(answer, 422, "m.ubj")


MISSING = ["", " ", "NA", "NaN", "nan", "null", "N/A"]


@pytest.mark.parametrize("cell", MISSING)
def test_a_target_without_a_value_is_refused_by_its_line(refused, client, version, cell):
    holey = uploaded(
        client, f"k,y,p,sex\n1,1,1,f\n2,{cell},1,m\n3,0,0,f\n", y="target", p="prediction", sex="sensitive"
    )
    asked = {"check": "fairness", "dataset": holey}
    refused("POST", f"versions/{version.pk}/runs/", asked, 422, "table.csv, column “y”, line 3: 1 cell is empty; fill")


def measured(client: Any, version: Any, content: str, **params: Any) -> Any:
    dataset = uploaded(client, content, y="target", p="prediction", g="sensitive")
    answer = client.post(
        f"{V1}/versions/{version.pk}/runs/", {"check": "fairness", "dataset": dataset, "params": params}
    )
    jobs.work(Run.objects.get(pk=answer.json()["id"]).job_id)
    run = client.get(answer["Location"]).json()
    assert run["status"] == "succeeded", run["error"]
    return run["result"]


def test_a_group_of_one_is_stated_with_its_line(client, version):
    found = measured(client, version, "y,p,g\n1,1,a\n0,0,a\n1,0,b\n0,1,b\n1,1,lonely\n")
    assert [(row["group"], row["n"], row["line"]) for row in found["excluded"]] == [({"g": "lonely"}, 1, 6)]
    assert "at least 2 rows" in found["excluded"][0]["reason"]
    assert {tuple(row["group"].values()) for row in found["groups"]} == {("a",), ("b",), ("lonely",)}


def test_groups_of_one_alone_make_no_disparity_and_no_error(client, version):
    found = measured(client, version, "y,p,g\n1,1,a\n0,0,b\n1,0,c\n")
    assert [row["line"] for row in found["excluded"]] == [2, 3, 4]
    assert found["disparities"] == []
    assert "No disparity for g: fewer than two groups have at least 2 rows." in found["limitations"]


def test_a_threshold_outside_the_scores_is_said_to_decide_nothing(client, version):
    found = measured(client, version, "y,p,g,s\n1,1,a,0.1\n0,0,a,0.2\n1,0,b,0.9\n0,1,b,0.4\n", score="s", threshold=7)
    assert "No score reaches the threshold 7: the scores lie from 0.1 to 0.9." in found["limitations"]


@pytest.mark.parametrize(
    "name", ["Kredit 🏦 Ω", "نموذج الائتمان", "שלום model", "zero\u200bwidth", "e\u0301", "<b>&amp;'\""]
)
def test_names_in_any_script_are_taken_and_shown(client, page, developer, name):
    answer = client.post(f"{V1}/models/", {"name": name, "purpose": name})
    assert (answer.status_code, answer.json()["name"]) == (201, name)
    html = page(developer).get(f"/models/{answer.json()['slug']}/").content.decode()
    assert escape(name) in html


def test_ten_thousand_columns_are_refused_and_thousands_taken_and_mixed_cells_are_text(client, refused):
    wide, too_wide = (",".join(f"c{n}" for n in range(n)) + "\n" + "1," * (n - 1) + "1\n" for n in (5_000, 10_000))
    uploaded(client, wide, "Wide")
    refused("POST", "datasets/", {"file": file(too_wide), "name": "Wider"}, 413, "10,000 columns; at most", form=True)
    mixed = uploaded(client, "k,x\n1,7\n2,x\n3,2026-01-01\n", "Mixed")
    assert client.get(f"{V1}/datasets/{mixed}/").json()["columns"][1]["type"] == "text"


VERSIONS = "/models/credit-scorecard/versions/new/"
PAGES: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "a table cut off": ("/datasets/new/", {"name": "T", "file": lambda: file('a,b\n1,"x')}, 422, "never closed"),
    "a formula": ("/datasets/new/", {"name": "T", "file": lambda: file("a,b\n1,=x\n")}, 422, "row 1 (line 2)"),
    "no table": ("/datasets/new/", {"name": "T"}, 422, "required"),
    "an empty table": ("/datasets/new/", {"name": "T", "file": lambda: file("")}, 422, "is empty"),
    "a name with NUL": ("/models/new/", {"name": "a\0b"}, 422, "Null characters"),
    "a name that clashes": ("/models/new/", {"name": "Credit scorecard"}, 409, "already"),
    "a pickle": (VERSIONS, {"artifact": lambda: file(b"\x80\x04K\x01.", "m.pkl")}, 422, "pickle"),
    "a strange page": ("/models/?page=abc&tier=9&sort=colour&q=%F0%9F", {}, 200, ""),
    "a NUL in an address": ("/models/?q=%00", {}, 400, "NUL"),
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_refuse_the_same_in_the_form(page, developer, model, name):
    path, given, status, says = PAGES[name]
    data = {field: value() if callable(value) else value for field, value in given.items()}
    client = page(developer)
    client.raise_request_exception = False
    if data:
        data |= {"unit": str(model.unit.pk), "reason": "because"}
    with nothing_changes():
        answer = client.post(path, data) if data else client.get(path)
    assert answer.status_code == status, answer.content.decode()[:3000]
    assert says in answer.content.decode().replace("&#x27;", "'")


def test_a_page_refuses_200_mb_by_their_length(page, developer):
    client = page(developer)
    with nothing_changes():
        answer = client.generic(
            "POST", "/datasets/new/", b"", "multipart/form-data; boundary=B", CONTENT_LENGTH=str(200 * MB)
        )
    assert answer.status_code == 413
    assert "The file is too large" in answer.content.decode()


def damaged_workbook(part: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook())) as whole, zipfile.ZipFile(out, "w") as made:
        for name in whole.namelist():
            made.writestr(name, whole.read(name)[: 100 if part in name else None])
    return out.getvalue()


def with_macros() -> bytes:
    out = io.BytesIO(workbook())
    with zipfile.ZipFile(out, "a") as made:
        made.writestr("xl/vbaProject.bin", b"\xd0\xcf\x11\xe0")
    return out.getvalue()


IMPORTS: dict[str, tuple[str, bytes, str]] = {
    "empty": ("m.csv", b"", "m.csv is empty"),
    "header only": ("m.csv", b"name,purpose\n", "a header and no rows"),
    "semicolons": ("m.csv", b"name;purpose\nA;b\n", "separated by semicolons"),
    "latin-1": ("m.csv", b"name,purpose\nM\xfcller,b\n", "m.csv, line 2: byte 2 (0xfc) is not UTF-8"),
    "UTF-16": ("m.csv", "name,purpose\nA,b\n".encode("utf-16"), "UTF-16"),
    "cut in a quote": ("m.csv", b'name,purpose\nA,"b', "line 2: a double quote opens there and is never closed"),
    "columns of one name": ("m.csv", b"name,name\nA,b\n", "“name” heads several columns"),
    "no name": ("m.csv", b"colour,size\nA,b\n", "has no column “name”"),
    "an old workbook": ("m.xls", b"\xd0\xcf\x11\xe0" + bytes(100), "an old Excel workbook; save"),
    "a cut workbook": ("m.xlsx", workbook()[:3000], "can’t be read as a workbook; save it again"),
    "a damaged sheet": ("m.xlsx", damaged_workbook("sheet1"), "can’t be read as a workbook; save it again"),
    "no workbook": ("m.xlsx", b"PK\x03\x04" + bytes(100), "can’t be read as a workbook; save it again"),
    "macros": ("m.xlsm", with_macros(), "m.xlsm holds macros; save it as XLSX without them"),
}


@pytest.mark.parametrize("name", IMPORTS)
def test_a_bad_file_to_import_ends_with_2_and_one_sentence(bank, tmp_path, name):
    file_name, data, says = IMPORTS[name]
    path = tmp_path / file_name
    path.write_bytes(data)
    with nothing_changes(), pytest.raises(CommandError) as refused:
        call_command("import_models", path, unit="bank/retail")
    assert refused.value.returncode == 2
    assert says in str(refused.value)


def test_rows_that_are_bad_are_refused_by_line_and_the_others_taken(bank, tmp_path, capsys):
    path, sheet = tmp_path / "m.csv", tmp_path / "m.xlsx"
    path.write_text("name,purpose\nA,=cmd()\nB,+cmd|x!A0\nC,@SUM(1)\nD,-2+3+cmd|x\nE,fine\nF\n")
    with pytest.raises(CommandError, match="5 of 6 rows were refused") as refused:
        call_command("import_models", path, unit="bank/retail")
    assert refused.value.returncode == 1
    said = capsys.readouterr().out
    for line in ("line 2: purpose: “=cmd()”", "line 3: ", "line 4: ", "line 5: ", "line 7: The row has 1 cells"):
        assert line in said
    book = openpyxl.Workbook()
    for row in (["name", "purpose"], ["G", "=1+1"]):
        book.active.append(row)
    book.save(sheet)
    with pytest.raises(CommandError, match="1 of 1 rows were refused"):
        call_command("import_models", sheet, unit="bank/retail")
    assert list(RegisteredModel.objects.values_list("name", flat=True)) == ["E"]


COMMANDS: dict[str, tuple[list[str], str]] = {
    "import: no file": (["import_models", "none.csv", "--unit=bank"], "There is no file none.csv; check the path"),
    "import: no unit": (["import_models", "none.csv", "--unit=x"], "There is no unit x; there are bank"),
    "import: nobody": (["import_models", "none.csv", "--unit=bank", "--actor=a@b.c"], "Nobody has the e-mail address"),
    "import: no mapping": (["import_models", "none.csv", "--unit=bank", "--mapping=m.yaml"], "m.yaml can’t be read"),
    "import: no folder": (["import_models", "none.csv", "--unit=bank", "--report=/none/r.csv"], "no folder /none"),
    "token: nobody": (["create_token", "a@b.c", "--scope=read"], "Nobody has the e-mail address a@b.c"),
    "token: unknown scope": (["create_token", "{who}", "--scope=fly"], "There is no scope fly; choose from read"),
    "token: no scope": (["create_token", "{who}", "--scope=,"], "A token needs at least one scope"),
    "token: no days": (["create_token", "{who}", "--scope=read", "--days=0"], "lives for 1 to 366 days, not 0"),
    "token: no name": (["create_token", "{who}", "--scope=read", "--name="], "name has 1 to 100 characters, not 0"),
    "token: a long name": (["create_token", "{who}", "--scope=read", "--name=" + "x" * 101], "not 101"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_given_nonsense_says_so(developer, name):
    arguments, says = COMMANDS[name]
    with nothing_changes(), pytest.raises(CommandError) as refused:
        call_command(*[argument.replace("{who}", developer.email) for argument in arguments])
    assert says in str(refused.value)


def test_the_doctor_names_what_is_wrong_and_the_mend(tmp_path):
    environment = os.environ | {
        "COUNTERSIGN_DATA": str(tmp_path),
        "COUNTERSIGN_DATABASE_URL": f"sqlite:///{tmp_path / 'none.sqlite3'}",
        "COUNTERSIGN_BROKER_URL": "redis://127.0.0.1:1/0",
        "COUNTERSIGN_SIGNING_KEY": "nonsense",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    command = [sys.executable, "manage.py", "doctor", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    mend = {row["check"]: row["mend"] for row in json.loads(done.stdout)}
    assert "Run: manage.py migrate" in mend["database"]
    assert "before the database is in order" in mend["append-only triggers"]
    assert "Check COUNTERSIGN_BROKER_URL" in mend["broker"]
    assert "COUNTERSIGN_SIGNING_KEY can't be read as a private key; give an Ed25519 key as PEM" in mend["signing key"]
