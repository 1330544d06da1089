"""A pack whose checkpoint an authority stamped and a witness cosigned, checked by someone who pins all of them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from people.models import User
from tests import witnesses
from tests.trail.tsa import Authority, serving
from trail import keys
from trail.models import Anchor

pytestmark = pytest.mark.django_db
VERIFIER = Path(__file__).resolve().parents[2] / "clients" / "verify.py"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def outside(settings: Any, tmp_path: Path, authority: Authority) -> Iterator[str]:
    """The settings name a folder, an authority and a witness; the lines by which an auditor pins the keys."""
    (tmp_path / "elsewhere").mkdir()
    key = witnesses.init(tmp_path / "witness", "--log", keys.verifier_key())
    settings.ANCHOR_DIR, settings.TSA_ROOTS = str(tmp_path / "elsewhere"), str(authority.folder / "chain.pem")
    pins = [f"log {keys.verifier_key()}", f"cosigner {keys.cosigner_verifier_key()}", f"witness {key}", "tsa tsa.pem"]
    with (
        witnesses.serving(tmp_path / "witness") as (_, _, port),
        serving(authority.answer) as settings.TSA_URL,
    ):
        settings.WITNESSES = [f"http://127.0.0.1:{port}|{key}"]
        yield "\n".join(pins) + "\n"


def verify(data: bytes, folder: Path, pins: str, chain: bytes) -> dict[str, Any]:
    (folder / "pack.zip").write_bytes(data)
    (folder / "keys").write_text(pins)
    (folder / "tsa.pem").write_bytes(chain)
    command = [sys.executable, "-I", str(VERIFIER), "pack.zip", "--key", "keys", "--json"]
    answer = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)
    said: dict[str, Any] = json.loads(answer.stdout)
    return said


def test_whoever_pins_them_all_sees_them_all_hold(
    version: Any, auditor: User, built: Any, outside: str, authority: Authority, tmp_path: Path
) -> None:
    pack = built(version, auditor)
    assert pack.job.status == "succeeded", pack.job.error
    with default_storage.open(pack.path, "rb") as file:
        data = bytes(file.read())
    said = verify(data, tmp_path, outside, (authority.folder / "chain.pem").read_bytes())
    assert (said["verdict"], said["broken"]) == ("holds", [])
    holds = " ".join(said["holds"])
    for words in ("the pinned cosigner", "the pinned witness", "time-stamp authority states", "3 outside anchors"):
        assert words in holds
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        listed = json.loads(archive.read("anchors.json"))
        size = json.loads(archive.read("manifest.json"))["pack"]["size"]
        assert b"The newest checkpoint held outside is of %d entries" % size in archive.read("README.txt")
    assert [(each["kind"], each["size"]) for each in listed] == [("file", size), ("tsa", size), ("witness", size)]


def test_a_pack_without_its_stamp_does_not_hold_for_who_pins_the_authority(
    version: Any, auditor: User, built: Any, authority: Authority, tmp_path: Path
) -> None:
    pack = built(version, auditor)
    with default_storage.open(pack.path, "rb") as file:
        data = bytes(file.read())
    pins = f"log {keys.verifier_key()}\ntsa tsa.pem\n"
    said = verify(data, tmp_path, pins, (authority.folder / "chain.pem").read_bytes())
    assert (said["verdict"], said["broken"]) == ("does not hold", ["checkpoint.tst: is missing."])


def test_where_a_witness_is_away_the_pack_goes_without_it_and_says_so(
    version: Any, auditor: User, built: Any, settings: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    key = witnesses.init(tmp_path / "witness", "--log", keys.verifier_key())
    settings.WITNESSES = [f"http://127.0.0.1:9|{key}"]
    pack = built(version, auditor)
    assert pack.job.status == "succeeded", pack.job.error
    assert "with a checkpoint that is not anchored" in caplog.text
    assert not Anchor.objects.exists()
