"""The house itself: what holds everywhere, checked by a machine."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from trail.events import SENTENCES
from trail.models import Governed

ROOT = Path(settings.BASE_DIR)
ROOMS = ("trail", "people", "registry", "audits", "governance", "reports")
TESTS = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def public_functions(room: str) -> list[tuple[str, object]]:
    package = importlib.import_module(room)
    found = []
    for module in pkgutil.iter_modules(package.__path__, f"{room}."):
        if any(part in module.name for part in ("migrations", "management", "sandbox", "measures", "views", "api")):
            continue
        for name, value in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            if value.__module__ == module.name and not name.startswith("_"):
                found.append((f"{module.name}.{name}", value))
    return found


@pytest.mark.parametrize("event", sorted(SENTENCES))
def test_every_event_has_a_sentence_and_a_test(event: str) -> None:
    assert SENTENCES[event]
    member = next(
        f"Event.{name}"
        for room in ROOMS
        if (module := importlib.util.find_spec(f"{room}.events"))
        for name, value in importlib.import_module(module.name).Event.__members__.items()
        if value.value == event
    )
    assert event in TESTS or member in TESTS, f"No test names {event} ({member})."


@pytest.mark.parametrize("room", ROOMS)
def test_every_function_that_takes_an_actor_is_told_why_and_by_keyword(room: str) -> None:
    """A function that records takes `actor` and `reason` (or the signer's `comment`), by keyword only."""
    for name, function in public_functions(room):
        source = inspect.getsource(function)
        if "with recording(" not in source:
            continue
        parameters = inspect.signature(function).parameters
        if "lease" in parameters:
            continue  # a job's handler: whoever asked for the job is the actor
        by_keyword = {key for key, value in parameters.items() if value.kind is value.KEYWORD_ONLY}
        assert by_keyword & {"actor", "user", "email", "signer"}, f"{name} records without an actor by keyword."


def test_every_governed_row_is_protected_from_cascades() -> None:
    for model in apps.get_models():
        if not issubclass(model, Governed):
            continue
        for field in model._meta.get_fields():
            if field.many_to_one and field.remote_field is not None and not field.auto_created:
                rule = field.remote_field.on_delete.__name__
                assert rule == "PROTECT", f"{model.__name__}.{field.name} is {rule}, not PROTECT."


def test_no_migration_is_missing(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_every_setting_is_documented() -> None:
    source = (ROOT / "config" / "settings.py").read_text()
    named = set(re.findall(r'env\.(?:\w+)\(\s*"([A-Z_]+)"', source))
    documented = (ROOT / "docs" / "operations.md").read_text()
    assert named
    for name in sorted(named):
        assert f"COUNTERSIGN_{name}" in documented, f"docs/operations.md does not mention COUNTERSIGN_{name}."


FORBIDDEN = re.compile(
    r"/work/|/root/|farm[-_]|\bclaude\b|anthropic|\bLLM session\b|\bsandbox session\b", re.IGNORECASE
)


def test_the_project_speaks_of_itself_alone() -> None:
    for path in tracked("*.py", "*.md", "*.html", "*.css", "*.js", "*.toml", "*.yaml", "*.yml", "Makefile", ".ci/*"):
        if path.name == Path(__file__).name or "data" in path.parts:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            assert not FORBIDDEN.search(line), f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def test_links_in_the_docs_lead_somewhere() -> None:
    for path in tracked("*.md"):
        if "data" in path.parts:
            continue
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.relative_to(ROOT)} links to {target}, which is not there."


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "common", "core", "helpers", "misc"}
    for path in tracked("*.py"):
        assert path.stem not in drawers, f"{path.relative_to(ROOT)}: name the topic instead."


def test_the_lock_is_of_this_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    own = next(package for package in lock["package"] if package["name"] == project["name"])
    assert own["version"] == project["version"]


def test_no_page_has_inline_style_or_script() -> None:
    """The content security policy would refuse them; better here than in a browser."""
    inline = re.compile(r"\sstyle=\"|<style|\son\w+=\"|<script(?![^>]*\ssrc=)")
    for path in tracked("templates/**/*.html", "templates/*.html"):
        if path.parent.name == "reports":
            continue  # the card and the PDF are documents of their own
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not inline.search(line), f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def test_views_stay_short() -> None:
    """A view: access, form, one domain call, render."""
    for path in tracked("*/views.py", "*/views/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                assert length <= 40, f"{path.relative_to(ROOT)}: {node.name} has {length} lines."


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the widest integer differs; the document is the default's")
def test_the_committed_openapi_document_is_that_of_the_code(tmp_path: Path) -> None:
    made = tmp_path / "openapi.yaml"
    call_command("spectacular", file=str(made), fail_on_warn=True, validate=True)
    assert made.read_text() == (ROOT / "openapi.yaml").read_text(), "The API changed: run make openapi and commit it."


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DATABASE_URL", "nonsense", "COUNTERSIGN_DATABASE_URL must be like postgres://"),
        ("DATABASE_URL", "mysql://u@h/db", "COUNTERSIGN_DATABASE_URL must be like postgres://"),
        ("MAX_UPLOAD_MB", "abc", "COUNTERSIGN_MAX_UPLOAD_MB is not a whole number"),
        ("SECRET_KEY_FILE", "/no/such/file", "COUNTERSIGN_SECRET_KEY is not readable"),
    ],
)
def test_a_setting_that_cannot_be_read_is_one_sentence(tmp_path: Path, name: str, value: str, sentence: str) -> None:
    environment = os.environ | {"COUNTERSIGN_DATA": str(tmp_path), f"COUNTERSIGN_{name}": value}
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
    asked = [sys.executable, "manage.py", "doctor"]
    done = subprocess.run(asked, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(sentence), done.stderr
