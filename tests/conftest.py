from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db.backends.signals import connection_created
from django.test import Client
from hypothesis import settings as examples
from pytest_socket import socket_allow_hosts
from rest_framework.test import APIClient

from people import tokens
from people.models import User
from people.roles import Role
from tests import ledger, personas
from tests.personas import WHY, Bank
from trail.actors import SYSTEM

ROOT = Path(__file__).resolve().parent.parent
GERMAN = ROOT / "demo" / "data" / "german_credit" / "germancredit.csv"

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

ledger.install()

# The same examples in every run, and none is timed: what fails, fails everywhere. `explore` looks for others.
examples.register_profile("same", derandomize=True, deadline=None)
examples.register_profile("explore", deadline=None)
examples.load_profile("same")


@connection_created.connect
def reverse_what_has_no_order(sender: Any, connection: Any, **_: Any) -> None:
    """PostgreSQL promises no order that a query does not ask for; SQLite would hide who relies on one."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA reverse_unordered_selects = ON")


def pytest_runtest_setup() -> None:
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    if CHROMIUM is None:
        pytest.skip("No Chromium on this machine: apt-get install -y chromium")
    quiet = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
    return browser_type_launch_args | {"executable_path": CHROMIUM, "args": quiet}


@pytest.fixture(autouse=True)
def signer_state(settings: Any, tmp_path: Path) -> None:
    """A test's tables are rolled back, which its signer would take for a lost log."""
    settings.SIGNER_STATE = tmp_path / "signed_tree.json"


@pytest.fixture
def bank(db: None) -> Bank:
    return personas.open_bank()


@pytest.fixture
def owner(bank: Bank) -> User:
    return personas.person("Olga Owner", Role.OWNER, home=bank.retail, at=bank.retail)


@pytest.fixture
def developer(bank: Bank) -> User:
    return personas.person("Dev Developer", Role.DEVELOPER, home=bank.retail, at=bank.retail)


@pytest.fixture
def validator(bank: Bank) -> User:
    return personas.person("Vera Validator", Role.VALIDATOR, home=bank.risk, at=bank.root)


@pytest.fixture
def risk_officer(bank: Bank) -> User:
    return personas.person("Rita Risk", Role.HEAD_OF_MODEL_RISK, home=bank.risk, at=bank.root)


@pytest.fixture
def compliance_officer(bank: Bank) -> User:
    return personas.person("Carl Compliance", Role.COMPLIANCE_OFFICER, home=bank.risk, at=bank.root)


@pytest.fixture
def executive(bank: Bank) -> User:
    return personas.person("Eve Executive", Role.ACCOUNTABLE_EXECUTIVE, home=bank.root, at=bank.root)


@pytest.fixture
def auditor(bank: Bank) -> User:
    return personas.person("Ada Auditor", Role.AUDITOR, home=bank.root, at=bank.root)


@pytest.fixture
def administrator(bank: Bank) -> User:
    return personas.person("Adam Administrator", Role.ADMINISTRATOR, home=bank.root, at=bank.root)


@pytest.fixture
def outsider(db: None) -> User:
    """An owner somewhere else entirely: must see nothing of the bank."""
    from people import membership

    elsewhere = membership.open_unit(name="Elsewhere", parent=None, actor=SYSTEM, reason=WHY)
    return personas.person("Otto Outsider", *Role, home=elsewhere, at=elsewhere)


@pytest.fixture
def api() -> Callable[..., APIClient]:
    """`api(user)`: the API as that user, with a token of every scope unless told otherwise."""

    def client(user: User, scopes: tuple[str, ...] = tuple(tokens.SCOPES)) -> APIClient:
        _, secret = tokens.create(user=user, name="test", scopes=list(scopes), days=1, actor=SYSTEM, reason=WHY)
        made = APIClient()
        made.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        return made

    return client


@pytest.fixture
def page() -> Callable[[User], Client]:
    """`page(user)`: a browser-like client in which that user is signed in."""

    def client(user: User) -> Client:
        made = Client()
        made.force_login(user, backend="people.backends.EmailBackend")
        return made

    return client


@pytest.fixture
def model(owner: User, developer: User, bank: Bank) -> Any:
    from registry import inventory

    fields = {
        "owner": owner,
        "developer": developer,
        "purpose": "Decides consumer credit applications.",
        "origin": "internal",
    }
    return inventory.register(unit=bank.retail, name="Credit scorecard", fields=fields, actor=owner, reason=WHY)


@pytest.fixture(scope="session")
def scorecard_file() -> bytes:
    """A real, small artifact: a logistic regression on German credit's numbers, saved by skops."""
    import pandas as pd
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    table = pd.read_csv(GERMAN)
    features = table[["duration_in_month", "credit_amount", "age_in_years"]]
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, table["creditability"] == "good")
    return skops.io.dumps(fitted)


@pytest.fixture
def version(model: Any, developer: User, scorecard_file: bytes) -> Any:
    from registry import versions

    file = ContentFile(scorecard_file, name="scorecard.skops")
    return versions.register(model=model, artifact=file, file_name="scorecard.skops", actor=developer, reason=WHY)


@pytest.fixture
def dataset(developer: User, bank: Bank) -> Any:
    """German credit as it is, every attribute a feature, `sex` and age sensitive; no predictions in it."""
    from registry import datasets

    header = GERMAN.read_text().splitlines()[0].split(",")
    roles: dict[str, Any] = dict.fromkeys(header, "feature")
    roles |= {
        "creditability": "target",
        "age_in_years": ["feature", "sensitive"],
        "personal_status_and_sex": ["feature", "sensitive"],
    }
    file = io.BytesIO(GERMAN.read_bytes())
    return datasets.upload(
        unit=bank.retail,
        name="German credit",
        file=file,
        file_name=GERMAN.name,
        roles=roles,
        actor=developer,
        reason=WHY,
    )


@pytest.fixture
def environment(bank: Bank) -> Any:
    from registry import environments

    return environments.open_environment(unit=bank.root, slug="production", name="Production", actor=SYSTEM, reason=WHY)
