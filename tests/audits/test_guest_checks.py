"""A team's check: found by entry point, declared as data, run in a confined child, judged as a stranger's."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audits import checks, jobs
from audits.checks.presenting import Chart, Figures, Note, Table
from audits.guests import Guest, found
from audits.guests import results as guest_results
from audits.models import Run
from audits.sandbox.failures import ChildFailed
from config.management.commands import doctor
from registry.models import Dataset, Version
from tests.audits import packages

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "docs" / "reference" / "own-checks.md").read_text()
TABLE = "segment,amount,score,outcome\nshops,100,0.5,1\nshops,100,0.5,0\nfarms,300,0.9,1\nfarms,700,0.9,1\n"


def block(language: str) -> str:
    match = re.search(rf"```{language}\n(.*?)```", EXAMPLE, re.DOTALL)
    assert match
    return match[1]


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """Where packages are installed, which nothing imports from."""
    path = tmp_path / "checks"
    path.mkdir()
    settings.CHECKS_PATH = [str(path)]
    return path


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Guest]:
    """`offered()`: find the one installed check and offer it beside ours, as a start of the app does."""

    def offer() -> Guest:
        guests, unusable = found(set(checks.ALL))
        assert unusable == {}
        (guest,) = guests.values()
        monkeypatch.setitem(checks.ALL, guest.NAME, guest)
        return guest

    return offer


@pytest.fixture
def concentration(folder: Path, offered: Callable[[], Guest]) -> Guest:
    """The example of the documentation, as it stands there."""
    files = {"acme/concentration.py": block("python"), "acme/concentration.json": block("json")}
    point = re.search(r'checks"\]\n(\w+) = "(.+)"', block("toml"))
    assert point
    packages.install(folder, files, points={point[1]: point[2]})
    return offered()


@pytest.fixture
def table(upload: Callable[..., Dataset]) -> Dataset:
    return upload(TABLE, feature=["amount"], score="score", target="outcome")


def test_the_documented_example_runs_like_ours(concentration: Guest, check: Any, bare: Version, table: Dataset) -> None:
    run = check(bare, "concentration", table)
    result = run["result"]
    # losses: shops 200 × 0.5, farms 1000 × 0.1
    assert result["herfindahl"]["value"] == pytest.approx(0.5)
    assert result["source"] == {"kind": "column", "score": "score"}
    assert "The index says nothing of the borrowers inside a segment." in result["limitations"]
    digest = concentration.package.digest
    assert result["package"] == {"name": "acme-checks", "version": "1.2.0", "digest": digest}
    record = json.loads(bytes(Run.objects.get(pk=run["id"]).record))
    assert record["run"]["libraries"]["acme-checks"] == f"1.2.0 ({digest})"
    assert record["run"]["check_version"] == "1"
    assert "acme" not in sys.modules
    assert "acme.concentration" not in sys.modules
    first, second = concentration.sections(result)
    assert isinstance(first.parts[0], Figures)
    assert first.parts[0].figures == concentration.figures(result)
    assert second.title == "Where losses are expected"
    (chart,) = second.parts
    assert isinstance(chart, Chart)
    assert [row["size"] for row in chart.spec["data"]["values"]] == pytest.approx([0.5, 0.5])


def test_its_page_shows_it(
    concentration: Guest, check: Any, bare: Version, table: Dataset, page: Any, developer: Any
) -> None:
    run = check(bare, "concentration", table)
    shown = page(developer).get(f"/runs/{run['id']}/")
    assert shown.status_code == 200
    text = shown.content.decode()
    assert "Herfindahl index" in text
    assert "Where losses are expected" in text


def test_its_result_is_shown_when_the_package_is_gone(
    concentration: Guest, check: Any, bare: Version, table: Dataset, page: Any, developer: Any, monkeypatch: Any
) -> None:
    run = check(bare, "concentration", table)
    monkeypatch.delitem(checks.ALL, "concentration")
    shown = page(developer).get(f"/runs/{run['id']}/")
    assert shown.status_code == 200
    assert "Where losses are expected" in shown.content.decode()


def test_its_parameters_are_refused_before_it_runs(
    concentration: Guest, api: Any, developer: Any, bare: Version, upload: Callable[..., Dataset]
) -> None:
    dataset = upload(TABLE, score="score", target="outcome")
    unscored = upload("segment,amount\na,1\n", feature="amount")
    for params, words, asked in [
        ({"exposure": "none"}, "has no column “none”", dataset),
        ({"exposure": "segment"}, "column “segment” holds text, not numbers", dataset),
        ({"sgment": "segment"}, "did you mean “segment”", dataset),
        ({}, "no column with the role prediction or score", unscored),
    ]:
        body = {"check": "concentration", "dataset": str(asked.pk), "params": params}
        answer = api(developer).post(f"/api/v1/versions/{bare.pk}/runs/", body)
        assert answer.status_code == 422
        assert words in answer.json()["detail"]


def test_it_is_handed_what_it_declares_and_no_more(
    folder: Path, offered: Any, check: Any, bare: Version, table: Dataset
) -> None:
    code = """
        import sys
        def run(frame, scores, params, progress):
            progress(0.5, "Looking")
            own = sorted(name for name in sys.modules if name.split(".")[0] in ("django", "registry", "people"))
            return {"columns": list(frame), "rows": len(frame), "scores": scores, "params": params, "django": own}
    """
    params = {"limit": {"type": "integer", "default": 3, "description": "A limit."}}
    packages.guest(folder, _code(code), reads=["target"], params=params)
    offered()
    result = check(bare, "guest", table)["result"]
    assert (result["columns"], result["rows"], result["scores"]) == (["outcome"], 4, None)
    assert result["params"] == {"limit": 3}
    assert not [name for name in result["django"] if name.startswith(("django", "people"))]


def _code(indented: str) -> str:
    return re.sub(r"^ {8}", "", indented, flags=re.MULTILINE)


def failure(guest: Guest, api: Any, developer: Any, version: Version, dataset: Dataset) -> str:
    body = {"check": guest.NAME, "dataset": str(dataset.pk), "params": {}}
    asked = api(developer).post(f"/api/v1/versions/{version.pk}/runs/", body)
    assert asked.status_code == 202, asked.json()
    run = Run.objects.get(pk=asked.json()["id"])
    jobs.work(run.job_id)
    run.job.refresh_from_db()
    assert run.job.status == "failed"
    return str(run.job.error)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('no such segment')", "The check raised ValueError: no such segment."),
        ("return {'auc': float('nan')}", "The check raised ValueError: Out of range float values"),
        ("return [1]", "The check’s result can’t be kept: $: [1] is not of type 'object'."),
        ("return {'source': 1}", "$.source is stated by the app"),
        ("import os; os._exit(0)", "The check ended without an answer."),
        ("import ctypes; ctypes.string_at(0)", "The check crashed (signal 11)."),
    ],
)
def test_what_it_does_wrong_is_a_sentence_of_the_run(
    folder: Path, offered: Any, api: Any, developer: Any, bare: Version, table: Dataset, body: str, words: str
) -> None:
    packages.guest(folder, f"def run(frame, scores, params, progress):\n    {body}\n", reads=["target"])
    assert words in failure(offered(), api, developer, bare, table)


def test_a_file_changed_after_the_installation_does_not_run(
    folder: Path, offered: Any, api: Any, developer: Any, bare: Version, table: Dataset
) -> None:
    packages.guest(folder, "def run(frame, scores, params, progress):\n    return {}\n", reads=["target"])
    guest = offered()
    (folder / "acme" / "guest.py").write_text("def run(*_):\n    return {'auc': 1}\n")
    said = failure(guest, api, developer, bare, table)
    assert said == (
        "The package acme-checks: acme/guest.py is not the file that its RECORD lists; install the package again."
    )


# What can't be used


DECLARED = packages.DECLARED
CODE = "def run(frame, scores, params, progress):\n    return {}\n"


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("{", "acme/guest.json is not JSON"),
        ("[" * 20_000, "acme/guest.json is not JSON"),
        ({"name": "guest"}, "'version' is a required property"),
        (DECLARED | {"name": "other"}, "is called guest, and acme/guest.json declares “other”"),
        (DECLARED | {"code": "x"}, "Additional properties are not allowed ('code' was unexpected)"),
        (DECLARED | {"reads": ["everything"]}, "'everything' is not one of"),
        (DECLARED | {"params": {"a": {"$ref": "http://10.0.0.1/"}}}, "$.params.a"),
        (DECLARED | {"params": {"a": {"type": "string", "description": "d", "pattern": "(a+)+$"}}}, "'pattern' was un"),
        (DECLARED | {"params": {"a": {"type": "integer", "description": "d", "default": "x"}}}, "the default of a"),
        (DECLARED | {"params": {"a": {"type": "integer", "description": "d", "x-column": "any"}}}, "'string' was"),
        (
            DECLARED | {"scores": True, "params": {"score": {"type": "string", "description": "d"}}},
            "score has its",
        ),
    ],
)
def test_a_declaration_that_is_not_one_is_named(folder: Path, declared: Any, words: str) -> None:
    said = declared if isinstance(declared, str) else json.dumps(declared)
    packages.install(folder, {"acme/guest.py": CODE, "acme/guest.json": said}, points={"guest": "acme.guest"})
    guests, unusable = found(())
    assert guests == {}
    assert words in unusable["guest of acme-checks"]


@pytest.mark.parametrize(
    ("files", "point", "words"),
    [
        ({"acme/guest.py": CODE}, "acme.guest", "its RECORD lists no acme/guest.json"),
        ({"acme/guest.json": json.dumps(DECLARED)}, "acme.guest", "its RECORD lists no acme/guest.py"),
        ({"acme.pth": "import os"}, "acme.guest", "it installs acme.pth, which runs in every Python process"),
        ({"acme/fast.so": "x"}, "acme.guest", "it holds compiled code (acme/fast.so)"),
        ({"acme/guest.py": CODE}, "acme.guest:run", "must name a module"),
        ({"acme/guest.py": CODE}, "../../etc/passwd", "must name a module"),
    ],
)
def test_a_package_that_could_harm_or_not_run_is_left_out(
    folder: Path, files: dict[str, str], point: str, words: str
) -> None:
    packages.install(folder, files, points={"guest": point})
    guests, unusable = found(())
    assert guests == {}
    assert words in unusable["guest of acme-checks"]


def test_no_package_takes_a_name_that_is_taken(folder: Path) -> None:
    said = json.dumps(DECLARED | {"name": "fairness"})
    packages.install(folder, {"acme/guest.py": CODE, "acme/guest.json": said}, points={"fairness": "acme.guest"})
    packages.guest(folder, CODE)
    same = {"rival/guest.py": CODE, "rival/guest.json": json.dumps(DECLARED)}
    packages.install(folder, same, points={"guest": "rival.guest"}, name="rival-checks")
    guests, unusable = found(set(checks.ALL))
    assert [guest.NAME for guest in guests.values()] == ["guest"]
    assert all("already" in reason for reason in unusable.values())
    assert len(unusable) == 1, "the package fairness came from was written anew by the one called guest"


@pytest.mark.parametrize("wrong", ["", "\xff\xfe", "acme/guest.py,sha256=AAAA,1\nacme/guest.json,,\n", "a\0b,,\n"])
def test_a_broken_record_leaves_the_app_alone(folder: Path, wrong: str) -> None:
    packages.guest(folder, CODE)
    (record,) = folder.glob("*.dist-info/RECORD")
    record.write_bytes(wrong.encode("latin-1"))
    guests, unusable = found(())
    assert guests == {}
    assert len(unusable) == 1


def test_a_file_that_is_none_does_not_hold_up_the_start(folder: Path) -> None:
    packages.guest(folder, CODE)
    (folder / "acme" / "guest.json").unlink()
    os.mkfifo(folder / "acme" / "guest.json")
    assert "acme/guest.json is not there" in found(())[1]["guest of acme-checks"]


def test_at_its_start_the_app_offers_a_package_and_imports_nothing_of_it(folder: Path, tmp_path: Path) -> None:
    executed = tmp_path / "executed"
    packages.guest(folder, f"open({str(executed)!r}, 'w')\n{CODE}")
    packages.install(folder, {"b/x.py": CODE}, points={"broken": "b.x"}, name="broken-checks")
    program = (
        "import django, sys; django.setup(); from audits import checks\n"
        "print(list(checks.ALL)[-1], sorted(checks.UNUSABLE), [n for n in sys.modules if n.startswith('acme')])"
    )
    environment = os.environ | {"COUNTERSIGN_CHECKS_PATH": str(folder), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "guest ['broken of broken-checks'] []\n"
    assert "The check broken of the package broken-checks is not offered: its RECORD lists no b/x.json." in done.stderr
    assert not executed.exists()


def test_the_doctor_names_a_package_that_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.LOOKS["own checks"]() is None
    monkeypatch.setitem(checks.UNUSABLE, "guest of acme-checks", "its RECORD lists no acme/guest.py.")
    assert doctor.own_checks() == "guest of acme-checks is not offered: its RECORD lists no acme/guest.py."


def test_the_digest_is_that_of_all_files(folder: Path) -> None:
    packages.guest(folder, CODE)
    one = found(())[0]["guest"].package
    packages.guest(folder, CODE + "# another\n")
    other = found(())[0]["guest"].package
    assert one.digest != other.digest
    assert one.files.keys() == other.files.keys() == {"acme/__init__.py", "acme/guest.py", "acme/guest.json"}
    stated = base64.urlsafe_b64encode(hashlib.sha256(CODE.encode()).digest()).hex()
    assert base64.urlsafe_b64encode(bytes.fromhex(one.files["acme/guest.py"])).hex() == stated


# Results


def test_a_result_becomes_what_pages_print() -> None:
    cells = ["a", 1, None, {"value": 0.5, "low": 0.4, "high": 0.6}]
    columns = [{"title": title} for title in "abcd"]
    parts = [
        {"part": "table", "caption": "T", "columns": columns, "rows": [cells], "note": "n"},
        {"part": "note", "level": "warning", "title": "Few", "body": "rows"},
        {"part": "figures", "figures": [{"label": "x", "value": None, "reason": "no rows"}]},
        {"part": "chart", "title": "C", "answer": "A.", "kind": "dots", "axis": "x", "reference": 0.5,
         "rows": [{"label": "g", "value": 1, "low": 0, "high": 2}, {"label": "none", "value": None}]},
    ]  # fmt: skip
    result = guest_results.sound({"sections": [{"title": "S", "parts": parts}]})
    (section,) = guest_results.sections(result)
    table, note, figures, chart = section.parts
    assert isinstance(table, Table)
    assert table.rows[0][3].high == 0.6  # type: ignore[union-attr]
    assert isinstance(note, Note)
    assert isinstance(figures, Figures)
    assert isinstance(chart, Chart)
    assert [row["label"] for row in chart.spec["data"]["values"]] == ["g"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"limitations": "none"}, "$.limitations"),
        ({"figures": [{"label": "x"}]}, "$.figures[0]: 'value' is a required property"),
        ({"figures": [{"label": "x", "value": True}]}, "$.figures[0].value"),
        ({"sections": [{"parts": [{"part": "chart", "spec": {"data": {"url": "file:///etc/passwd"}}}]}]}, "parts[0]"),
        ({"sections": [{"parts": [{"part": "html", "body": "<script>"}]}]}, "'html' is not one of"),
        (
            {
                "sections": [
                    {"parts": [{"part": "table", "caption": "", "columns": [{"title": "a"}], "rows": [[1, 2]]}]}
                ]
            },
            "a row has not as many cells",
        ),
        ({"value": float("inf")}, "inf is not a number JSON can hold"),
        ({"value": 2**60}, "is beyond 2^53"),
        ({"value": "x" * (1 << 20)}, "bytes, and 1,048,576 fit"),
        ({"value": "\ud800"}, "surrogate"),
    ],
)
def test_a_result_that_can_not_be_kept_is_refused_with_its_place(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ChildFailed) as caught:
        guest_results.sound(wrong)
    assert words in str(caught.value)


def test_a_result_nested_without_end_is_refused() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ChildFailed, match="can’t be kept"):
        guest_results.sound({"deep": deep})
