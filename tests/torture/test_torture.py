"""The short form of `make torture`: processes are killed at random, and nothing that was acknowledged is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection


def hammered(*options: str, place: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.hammer", "--place", str(place), *options],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if not key.startswith(("COUNTERSIGN_", "DJANGO_"))},
    )
    assert done.stdout, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if outcome["sound"] else 1)
    return outcome


@pytest.mark.skipif(connection.vendor != "sqlite", reason="with the database of the tests")
def test_sqlite_survives_kills_and_system_calls_that_fail(tmp_path: Path) -> None:
    outcome = hammered("--sqlite", "--kills", "40", "--rounds", "1", "--inject", "20", place=tmp_path)
    assert outcome["sound"], outcome
    assert outcome["kills"] >= 40
    assert outcome["acknowledged"] > 0
    assert outcome["kept"] > 0
    assert outcome["injected"] == 20 or outcome["skipped"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="with the database of the tests")
@pytest.mark.django_db(transaction=True)
def test_postgresql_survives_kills_of_producers_sequencers_and_signers(tmp_path: Path) -> None:
    given = connection.settings_dict
    who = f"{given['USER']}:{quote(given['PASSWORD'])}" if given["PASSWORD"] else given["USER"]
    url = f"postgres://{who}@{given['HOST']}:{given['PORT'] or 5432}/{given['NAME']}"
    connection.close()
    outcome = hammered("--database", url, "--kills", "40", "--rounds", "1", place=tmp_path)
    assert outcome["sound"], outcome
    assert outcome["kills"] == 40
    assert outcome["leaves"] > outcome["acknowledged"] / 2 > 0
    assert outcome["kept"] > 0


def test_a_hammer_that_finds_something_says_so(tmp_path: Path) -> None:
    """A client was told of a write that is not there."""
    (tmp_path / "acknowledged-9").write_text("never-written\n")
    outcome = hammered("--sqlite", "--kills", "10", "--rounds", "1", place=tmp_path)
    assert outcome["lost"] == ["never-written"]
    assert not outcome["sound"]
