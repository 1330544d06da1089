from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path

import openpyxl
import pytest
from django.core.management import CommandError, call_command

from people import membership
from people.models import Unit
from registry import importing, mapping
from registry.models import RegisteredModel
from tests.conftest import ROOT
from tests.personas import WHY
from trail.actors import SYSTEM
from trail.errors import BadInput, Refused
from trail.models import Entry

pytestmark = pytest.mark.django_db

FEDERAL = ROOT / "demo/data/us_federal_inventory_2025/2025_individually_reported_AI_use_cases.csv"
MAPPING = ROOT / "demo/mappings/us_federal_inventory_2025.yaml"
ORACLE = json.loads((ROOT / "tests/data/oracles.json").read_text())["fed2025"]
# The publisher's own table of agencies (README of the source repository) on agencies that it or the data name oddly.
PUBLISHED = {
    "U.S. Election Assistance Commission": 4,
    "U.S. Office of Special Counsel": 1,
    "Department of the Treasury": 129,
    "Department of Health and Human Services": 447,
    "National Aeronautics and Space Administration": 425,
}


@pytest.fixture
def us(db) -> Unit:
    return membership.open_unit(name="US federal government", parent=None, slug="us", actor=SYSTEM, reason=WHY)


def import_(path, unit, plan=None, actor=SYSTEM, *, dry_run=False):
    return importing.import_models(path=path, mapping=plan, unit=unit, dry_run=dry_run, actor=actor, reason=WHY)


def counts(report):
    return report.created, report.updated, report.unchanged, len(report.refused)


def test_the_federal_inventory_imports_whole_and_twice_without_duplicates(us):
    with FEDERAL.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert counts(import_(FEDERAL, us, mapping.load(MAPPING))) == (ORACLE["rows"], 0, 0, 0)
    entries = Entry.objects.count()
    assert counts(import_(FEDERAL, us, mapping.load(MAPPING))) == (0, 0, ORACLE["rows"], 0)
    assert Entry.objects.count() == entries

    models = RegisteredModel.objects.select_related("unit")
    assert Counter(model.unit.slug for model in models) == Counter(row["agency"].lower() for row in rows)
    by_name = Counter(model.unit.name for model in models)
    assert len(by_name) == ORACLE["agencies"]
    assert {name: by_name[name] for name in PUBLISHED} == PUBLISHED
    assert sum(model.custom.get("high_impact") == "High-impact" for model in models) == ORACLE["high_impact"]
    stages = Counter(model.lifecycle for model in models)
    assert stages["Deployed"] + stages["Pilot"] == ORACLE["deployed+pilot_in_data"]
    assert stages[""] == ORACLE["blank_stage"]
    assert Entry.objects.filter(type="registry.model.imported").count() == ORACLE["rows"]
    assert not models.exclude(slug__regex=r"^[a-z0-9][a-z0-9_-]*$").exists()


def test_the_workbook_of_the_same_rows_changes_nothing(us, tmp_path):
    with FEDERAL.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = list(csv.reader(file))
    book, first = openpyxl.Workbook(), tmp_path / "first.csv"
    for row in [[None], header, *rows[:50]]:
        book.active.append(row)
    book.save(tmp_path / "first.xlsx")
    with first.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows[:50]])
    assert counts(import_(first, us, mapping.load(MAPPING))) == (50, 0, 0, 0)
    assert counts(import_(tmp_path / "first.xlsx", us, mapping.load(MAPPING))) == (0, 0, 50, 0)


def write(folder: Path, text: str, name="models.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_without_a_mapping_headers_that_name_fields_are_taken(bank, tmp_path, owner):
    path = write(tmp_path, f"\ufeffName,Risk appetite,Uses personal data,Vendor,owner\nA,low,yes,ACME,{owner.email}\n")
    report = import_(path, bank.retail)
    assert (counts(report), report.not_mapped) == ((1, 0, 0, 0), ["Risk appetite"])
    made = RegisteredModel.objects.get()
    assert (made.name, made.personal_data, made.vendor, made.owner) == ("A", True, "ACME", owner)


def test_a_bad_row_is_reported_with_line_and_reason_and_the_others_are_taken(bank, tmp_path):
    path = write(
        tmp_path,
        'name,purpose,origin\nA,"two\nlines",internal\n,x,internal\nB,x,martian\nC,x\nD,=HYPERLINK(1),vendor\nE,x,vendor\n',
    )
    report = import_(path, bank.retail)
    assert counts(report) == (2, 0, 0, 4)
    assert [(refused.line, refused.reason.split(";")[0]) for refused in report.refused] == [
        (4, "name is needed"),
        (5, "origin can’t be “martian”"),
        (6, "The row has 2 cells where the header has 3"),
        (7, "purpose: “=HYPERLINK(1)” would run as a formula in a spreadsheet"),
    ]
    assert set(RegisteredModel.objects.values_list("name", flat=True)) == {"A", "E"}


def test_a_changed_row_updates_with_old_and_new_and_twins_both_exist(bank, tmp_path):
    path = write(tmp_path, "name,vendor\nChat,A\nChat,B\nScore,C\n")
    assert counts(import_(path, bank.retail)) == (3, 0, 0, 0)
    path = write(tmp_path, "name,vendor\nChat,A\nChat,Z\nScore,C\nNew,\n")
    assert counts(import_(path, bank.retail, dry_run=True)) == (1, 1, 2, 0)
    assert counts(import_(path, bank.retail)) == (1, 1, 2, 0)
    said = Entry.objects.get(type="registry.model.updated").content
    assert (said["changes"], said["facts"]["line"]) == ({"vendor": ["B", "Z"]}, 3)
    slugs = set(RegisteredModel.objects.values_list("slug", flat=True))
    assert slugs == {"chat", "chat-retail", "score", "new-retail"}  # models/new/ is a page


def test_a_dry_run_writes_nothing(us):
    entries = Entry.objects.count()
    report = import_(FEDERAL, us, mapping.load(MAPPING), dry_run=True)
    assert counts(report) == (ORACLE["rows"], 0, 0, 0)
    assert (Entry.objects.count(), Unit.objects.count(), RegisteredModel.objects.count()) == (entries, 1, 0)


def test_the_same_file_in_another_unit_makes_models_there(bank, tmp_path):
    path = write(tmp_path, "name\nChat\n")
    import_(path, bank.retail)
    assert counts(import_(path, bank.risk)) == (1, 0, 0, 0)
    assert set(RegisteredModel.objects.values_list("slug", "unit__slug")) == {("chat", "retail"), ("chat-risk", "risk")}


def test_who_may_not_register_imports_nothing_and_that_is_recorded(bank, tmp_path, auditor):
    path = write(tmp_path, "name\nA\nB\n")
    for dry_run in (True, False):
        with pytest.raises(Refused):
            import_(path, bank.retail, actor=auditor, dry_run=dry_run)
    assert not RegisteredModel.objects.exists()
    assert Entry.objects.filter(type="trail.attempt.refused").count() == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "models.csv is empty"),
        ("vendor\nA\n", "has no column “name”"),
        ("name;vendor\nA;B\n", "separated by semicolons"),
        ("name,name\nA,B\n", "“name” heads several columns"),
        ('name,vendor\n"A,B\n', "never closed"),
    ],
)
def test_a_file_that_is_no_table_is_refused_whole(bank, tmp_path, text, sentence):
    with pytest.raises(BadInput, match=re.escape(sentence)):
        import_(write(tmp_path, text), bank.retail)


def test_files_that_are_not_utf_8_or_no_workbook_are_refused(bank, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"name\ncaf\xe9\n")
    (tmp_path / "b.xlsx").write_bytes(b"PK\x03\x04 cut off")
    for name, sentence in {"a.csv": "line 2: byte 4", "b.xlsx": "save it again", "c.csv": "There is no file"}.items():
        with pytest.raises(BadInput, match=sentence):
            import_(tmp_path / name, bank.retail)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("source: x", "lacks “key”"),
        ("source: x\nkey: a\nfields: {nam: a}", "fields can’t hold “nam”"),
        ("source: x\nkey: a\nfields: {name: {colum: a}}", "fields.name can’t hold “colum”"),
        ("source: x\nkey: a\nfields: {name: {default: a}}", "fields.name names no column"),
        ("source: [", "can’t be read"),
        ("- a", "must be names and values"),
    ],
)
def test_a_mapping_that_says_nothing_is_refused(tmp_path, text, sentence):
    with pytest.raises(BadInput, match=re.escape(sentence)):
        mapping.load(write(tmp_path, text, "map.yaml"))


def test_a_mapping_that_names_a_missing_column_is_refused(bank, tmp_path):
    plan = mapping.load(write(tmp_path, "source: x\nkey: id\nfields: {name: title}", "map.yaml"))
    with pytest.raises(BadInput, match=r"models\.csv has no column “title”, which the mapping names; it has id, name"):
        import_(write(tmp_path, "id,name\n1,A\n"), bank.retail, plan)


def test_the_command_reports_and_exits_by_what_happened(bank, tmp_path, capsys):
    path = write(tmp_path, "name,origin\nA,internal\n=1+1,internal\n")
    report = tmp_path / "refused.csv"
    with pytest.raises(CommandError, match="1 of 2 rows were refused") as ended:
        call_command("import_models", str(path), "--unit", "bank/retail", "--report", str(report), "--json")
    assert ended.value.returncode == 1
    assert json.loads(capsys.readouterr().out)["created"] == 1
    with report.open(newline="") as file:
        line, reason, row = list(csv.reader(file))[1]
    assert (line, row) == ("3", "'=1+1 · internal")
    assert "would run as a formula" in reason
    with pytest.raises(CommandError, match="There is no unit nowhere; there are bank") as ended:
        call_command("import_models", str(path), "--unit", "nowhere")
    assert ended.value.returncode == 2
