"""The documentation says what the code does: names exist, code in it parses, links lead somewhere."""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

from audits import checks
from clients import verify
from config import preflight
from demo import people as demo_people
from governance import policies, policy_text
from people.roles import Role
from people.tokens import SCOPES
from registry import mapping
from registry.cards import SECTIONS
from registry.models import ColumnRole, CustomField
from reports.cards.files import FORMATS
from trail.events import SENTENCES

ROOT = Path(settings.BASE_DIR)
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])
OURS = {name for name, app in get_commands().items() if (ROOT / app.split(".")[0]).is_dir()}
REFERENCE = DOCS / "reference"
DJANGOS = {"shell", "migrate"}


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path) -> Iterator[tuple[str, str]]:
    """(language, text) of every fenced block."""
    for found in re.finditer(r"^ *```(\w*)\n(.*?)^ *```$", text(path), re.DOTALL | re.MULTILINE):
        yield found[1], found[2]


def table_rows(path: Path) -> list[list[str]]:
    lines = [line for line in text(path).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def section(path: Path, heading: str) -> str:
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text(path), re.DOTALL | re.MULTILINE)
    assert found, f"{path.name} has no section “{heading}”."
    return found[1]


def by_page(pages: list[Path] = PAGES) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", pages, ids=lambda path: str(path.relative_to(ROOT)))


@by_page()
def test_code_in_the_docs_parses(path: Path) -> None:
    for language, code in blocks(path):
        match language:
            case "python":
                ast.parse(code)
            case "json":
                json.loads(code)
            case "yaml":
                assert yaml.safe_load(code)
            case "sh" | "bash":
                done = subprocess.run(["bash", "-n"], input=code, capture_output=True, text=True, check=False)
                assert done.returncode == 0, f"{path.name}: {done.stderr}"
                for inner in re.findall(r"<<'PYTHON'\n(.*?)^PYTHON$", code, re.DOTALL | re.MULTILINE):
                    ast.parse(inner)


@by_page()
def test_commands_in_the_docs_exist(path: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE)
    told = [*re.findall(r"`([^`\n]+)`", text(path)), *(line for _, code in blocks(path) for line in code.splitlines())]
    for line in told:
        for target in re.findall(r"^make ([a-z-]+)", line):
            assert target in targets, f"{path.name}: there is no “make {target}”."
        for name, rest in re.findall(r"manage\.py ([a-z_]+)([^|;)\n]*)", line):
            assert name in OURS | DJANGOS, f"{path.name}: there is no command {name}."
            known = options(name)
            for option in re.findall(r"(?<=\s)(--[a-z-]+)", rest):
                assert option in known, f"{path.name}: {name} has no option {option}."


def options(command: str) -> set[str]:
    parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)
    assert isinstance(parser, argparse.ArgumentParser)
    return {option for action in parser._actions for option in action.option_strings}


@by_page()
def test_links_to_headings_lead_to_one(path: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", text(path)):
        aim = (path.parent / target) if target else path
        headings = re.findall(r"^#+ (.+)$", text(aim), re.MULTILINE)
        slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert anchor in slugs, f"{path.name} links to {target}#{anchor}, and there is no such heading."


@by_page([path for path in PAGES if "guide" in path.parts])
def test_pages_named_in_the_guides_exist(path: Path) -> None:
    for address in re.findall(r"`(/[^`\s]*)`", text(path)):
        filled = address.partition("?")[0].format(pk=uuid.uuid4(), slug="x", index=0)
        try:
            resolve(filled)
        except Resolver404:
            pytest.fail(f"{path.name} names the page {address}, which does not exist.")


@by_page([path for path in PAGES if "guide" in path.parts])
def test_requests_named_in_the_guides_exist(path: Path) -> None:
    known = {row[:2] for row in endpoints()}
    for method, address in re.findall(r"`(GET|POST|PUT|PATCH) ([a-z][^`\s?]*)", text(path)):
        assert (method, generic(address)) in known, f"{path.name} names {method} {address}, which does not exist."


def generic(address: str) -> str:
    return re.sub(r"card\.(html|md|json|pdf)$", "card.{kind}", address)


def endpoints() -> Iterator[tuple[str, str, str]]:
    """(method, address below /api/v1/, scope) of everything the API has."""
    for address, view in routes(get_resolver()):
        if not address.startswith("api/v1/"):
            continue
        for method in ("get", "post", "put", "patch", "delete"):
            if hasattr(view, method):
                scope = getattr(view, "scope", None) or ("read" if method == "get" else "write")
                yield method.upper(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", address.removeprefix("api/v1/")), scope


def routes(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, Any]]:
    for each in resolver.url_patterns:
        address = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each, address)
        elif isinstance(each, URLPattern):
            yield address, getattr(each.callback, "view_class", None) or getattr(each.callback, "cls", None)


def test_the_table_of_the_api_is_the_api() -> None:
    rows = [row for row in table_rows(REFERENCE / "api.md") if re.match(r"`(GET|POST|PUT|PATCH|DELETE) ", row[0])]
    told = {(*row[0].strip("`").split(" "), row[1]) for row in rows}
    assert told == set(endpoints())


def test_every_scope_is_told() -> None:
    for scope in SCOPES:
        assert f"| `{scope}` |" in text(REFERENCE / "api.md")


def test_the_events_told_are_those_there_are() -> None:
    told = {row[0].strip("`") for row in table_rows(REFERENCE / "events.md") if "." in row[0]}
    assert told == set(SENTENCES)


@pytest.mark.parametrize("check", checks.ALL.values(), ids=list(checks.ALL))
def test_every_check_is_told_with_its_parameters(check: checks.Check) -> None:
    told = REFERENCE / "checks" / f"{check.NAME}.md"
    assert f"(checks/{check.NAME}.md)" in text(REFERENCE / "checks.md")
    rows = [line for line in text(told).splitlines() if line.startswith("|")]
    for name, schema in check.SCHEMA["properties"].items():
        row = next((line for line in rows if f"`{name}`" in line.split("|")[1]), "")
        assert row, f"{told.name} does not tell the parameter {name} of {check.NAME}."
        default = schema.get("default")
        if isinstance(default, int) and not isinstance(default, bool) and row.split("|")[1].count("`") == 2:
            assert str(default) in row.split("|")[2], f"{told.name}: {name} is {default} by default."


def test_every_role_is_told_with_its_guide() -> None:
    told = text(DOCS / "guide" / "administrator.md")
    for role in Role:
        assert f"| `{role.value}` |" in told
        assert role.label in text(DOCS / "index.md"), f"docs/index.md has no guide for the {role.label}."


def test_every_column_role_and_kind_of_field_is_told() -> None:
    for role in ColumnRole.values:
        assert role in text(DOCS / "guide" / "developer.md")
    for kind in CustomField.Kind.values:
        assert kind in text(REFERENCE / "import.md")


def test_every_command_is_told() -> None:
    for name in OURS:
        assert f"manage.py {name}" in text(DOCS / "operations.md"), f"docs/operations.md does not tell {name}."


@by_page()
def test_settings_named_in_the_docs_exist(path: Path) -> None:
    source = text(ROOT / "config" / "settings.py")
    named = {f"COUNTERSIGN_{name}" for name in re.findall(r'env\.(?:\w+)\(\s*"([A-Z_]+)"', source)}
    elsewhere = text(ROOT / "Makefile") + text(ROOT / "clients" / "gate.py")
    for name in re.findall(r"COUNTERSIGN_[A-Z_]+[A-Z]", text(path)):
        assert name.removesuffix("_FILE") in named or name in elsewhere, f"{path.name}: there is no setting {name}."


def test_the_policy_shown_could_be_published() -> None:
    shown = next(code for language, code in blocks(REFERENCE / "policy.md") if language == "yaml")
    content = policy_text.load(shown)
    for gate in content["tiers"].values():
        assert policies.independent(gate["production"]["signatures"])


def test_every_part_of_a_policy_is_told() -> None:
    schema, told = json.loads(text(policy_text.SCHEMA)), text(REFERENCE / "policy.md")
    parts = {*schema["properties"]}.union(*(each.get("properties", {}) for each in schema["$defs"].values()))
    for name in parts - {"url"}:
        assert re.search(rf"\b{name}\b", told), f"policy.md does not tell {name}."


def test_the_default_policy_is_as_told() -> None:
    tiers = policy_text.load(policies.DEFAULT)["tiers"]
    rows = {row[0]: row for row in table_rows(REFERENCE / "policy.md") if re.match(r"T\d", row[0])}
    for tier, targets in tiers.items():
        for target, gate in targets.items():
            row = next(cells for name, cells in rows.items() if tier in name and target in name)
            asked = ", ".join(Role(each["role"]).label.removeprefix("Model ").lower() for each in gate["signatures"])
            assert row[3] == asked, f"{tier} {target}"
            assert row[4] == f"{gate['expires_months']} months", f"{tier} {target}"
            for rule in gate["evidence"]:
                assert rule["check"] in row[1], f"{tier} {target}"
                assert str(rule["max_age_days"]) in row[1], f"{tier} {target}"


@by_page([REFERENCE / "import.md", DOCS / "guide" / "owner.md"])
def test_the_mapping_shown_can_be_loaded(path: Path, tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text(next(code for language, code in blocks(path) if language == "yaml"))
    plan = mapping.load(tmp_path / "mapping.yaml")
    assert plan.fields["name"].columns == ["Model"]
    told = set(re.findall(r"`(\w+)`", text(REFERENCE / "import.md")))
    assert not mapping.PARTS - told


def test_every_option_of_the_import_is_told() -> None:
    told = text(REFERENCE / "import.md")
    mine = options("import_models") - options("export_key")
    assert mine
    for option in mine:
        assert option in told, f"import.md does not tell {option}."


def test_the_pack_is_as_told() -> None:
    told = text(REFERENCE / "pack.md")
    for name in [*verify.REQUIRED, verify.ATTESTATION]:
        assert f"`{name}`" in told, f"pack.md does not tell {name}."
    listed = re.findall(r"^(\d+)\. ", section(REFERENCE / "pack.md", "What verify.py checks"), re.MULTILINE)
    assert listed == [str(number) for number in range(1, len(verify.CHECKS) + 1)]


def test_the_card_is_as_told() -> None:
    told = text(REFERENCE / "card.md")
    for each in SECTIONS:
        assert f"| {each.title} | `{each.key}` |" in told
    for kind in FORMATS:
        assert f"card.{kind}`" in told


def test_the_readme_says_what_a_bare_machine_needs() -> None:
    line = next(line for line in text(ROOT / "README.md").splitlines() if line.startswith("apt-get"))
    needed = {*preflight.MEND.split()[3:], "make", "python3-pip"}
    assert set(line.split()[3:]) == needed


def test_the_readme_knows_everyone_in_the_demo() -> None:
    told = text(ROOT / "README.md")
    assert demo_people.PASSWORD in told
    for person in demo_people.PEOPLE:
        assert f"| `{person.email}` | {person.role.label} |" in told


def test_everything_is_on_the_map() -> None:
    told = text(DOCS / "index.md")
    by_another = {DOCS / "index.md", *(REFERENCE / "checks").iterdir()}  # checks.md leads to each check
    for path in DOCS.rglob("*.md"):
        if path not in by_another:
            assert f"]({path.relative_to(DOCS)}" in told, f"docs/index.md does not lead to {path.relative_to(DOCS)}."


def test_pictures_are_sound_and_small() -> None:
    for path in (DOCS / "images").iterdir():
        assert path.stat().st_size < 300_000, f"{path.name} is too large to sit in a repository."
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
