"""An evidence pack is whole, says what was recorded, and anyone can check it with one file and the issuer's key."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.files.storage import default_storage

from audits import jobs, runs
from governance import promotion, signoff
from people.models import User
from registry import datasets, environments, versions
from reports import packs
from reports.models import Pack
from tests.personas import PASSWORD, WHY
from trail import keys
from trail.actors import SYSTEM
from trail.errors import BadInput, Refused
from trail.models import Entry

pytestmark = pytest.mark.django_db
VERIFIER = Path(__file__).resolve().parents[2] / "clients" / "verify.py"
Built = Callable[[Any, User], Pack]


def bytes_of(pack: Pack) -> bytes:
    with default_storage.open(pack.path, "rb") as file:
        return bytes(file.read())


def verify(data: bytes, folder: Path) -> subprocess.CompletedProcess[str]:
    """The verifier as an auditor runs it: isolated, with nothing but the pack and the key."""
    (folder / "pack.zip").write_bytes(data)
    (folder / "key").write_text(keys.verifier_key())
    command = [sys.executable, "-I", str(VERIFIER), "pack.zip", "--key", "key"]
    return subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)


def read(pack: Pack) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(bytes_of(pack))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_pack_of_a_release_verifies_and_one_flipped_byte_does_not(
    released: Any, auditor: User, built: Built, tmp_path: Path
) -> None:
    pack = built(released.version, auditor)
    assert pack.job.status == "succeeded", pack.job.error
    data = bytes_of(pack)
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (pack.sha256, pack.size)
    answer = verify(data, tmp_path)
    assert answer.returncode == 0, answer.stdout
    assert "This pack holds." in answer.stdout
    assert "attested with the pinned key" in answer.stdout
    flipped = bytearray(data)
    flipped[data.index(b"Seen by") if b"Seen by" in data else len(data) // 2] ^= 1
    assert verify(bytes(flipped), tmp_path).returncode == 1


def test_the_pack_holds_what_was_recorded(
    released: Any, performance: Any, fairness: Any, auditor: User, built: Built
) -> None:
    files = read(built(released.version, auditor))
    assert files[f"runs/{performance.pk}.json"] == bytes(performance.record)
    assert f"runs/{fairness.pk}.json" in files
    assert files["attestation.dsse.json"].decode() == released.attestation
    assert len([name for name in files if name.startswith("signatures/")]) == 3
    gate = json.loads(files["gate.json"])
    assert gate["objections"] == []
    assert {each["verdict"] for each in gate["requirements"]} == {"met"}
    assert [each["decision"] for each in gate["evaluations"]] == ["allowed"]
    assert yaml.safe_load(files["policy.yaml"])["title"] == "What a test asks"
    kinds = {json.loads(body)["type"] for name, body in files.items() if name.startswith("events/")}
    assert kinds >= {
        "registry.model.registered",
        "registry.version.registered",
        "registry.dataset.uploaded",
        "audits.run.succeeded",
        "governance.tier.assessed",
        "governance.promotion.requested",
        "governance.signature.signed",
        "governance.gate.evaluated",
        "governance.promotion.released",
    }
    bodies = {
        name: bytes(entry.body)
        for entry in Entry.objects.select_related("leaf")
        for name in [f"events/{entry.leaf.index:012d}.json"]
    }
    assert all(body == bodies[name] for name, body in files.items() if name.startswith("events/"))


def test_a_version_nobody_promoted_has_a_pack_too(version: Any, developer: User, built: Built, tmp_path: Path) -> None:
    pack = built(version, developer)
    assert verify(bytes_of(pack), tmp_path).returncode == 0
    gate = json.loads(read(pack)["gate.json"])
    assert gate["promotion"] is None
    assert gate["requirements"] == []
    assert gate["policy"]["name"] is None


@pytest.fixture
def without_artifact(tiered: Any, policy: Any, bank: Any, developer: User) -> Any:
    """A version that is known only by the predictions a dataset brings, which are measured."""
    version = versions.register(model=tiered, artifact=None, actor=developer, reason=WHY)
    table = io.BytesIO(b"outcome,said\n" + b"good,good\nbad,bad\ngood,bad\nbad,good\n" * 5)
    by = {"actor": developer, "reason": WHY}
    roles = {"outcome": "target", "said": "prediction"}
    dataset = datasets.upload(unit=bank.retail, name="Said", file=table, file_name="said.csv", roles=roles, **by)
    params = {"favourable": "good"}
    assert jobs.work(runs.request(version=version, check="performance", dataset=dataset, params=params, **by).job_id)
    environments.open_environment(unit=bank.root, slug="staging", name="Staging", actor=SYSTEM, reason=WHY)
    return version


def test_a_release_without_an_artifact_attests_its_dossier(
    without_artifact: Any, owner: User, risk_officer: User, built: Built, tmp_path: Path
) -> None:
    version = without_artifact
    staging = promotion.target_of(version, "staging")
    asked = promotion.request(version=version, target=staging, actor=version.created_by, reason=WHY)
    for signer, role, meaning in [(owner, "owner", "responsibility"), (risk_officer, "head_of_model_risk", "approval")]:
        signoff.sign(promotion=asked, role=role, meaning=meaning, password=PASSWORD, comment="", actor=signer)
    promotion.release(promotion=asked, actor=owner, reason=WHY)
    answer = verify(bytes_of(built(version, owner)), tmp_path)
    assert answer.returncode == 0, answer.stdout
    assert "runs (1)" in answer.stdout


def test_asking_building_and_downloading_stand_in_the_trail(version: Any, auditor: User, built: Built) -> None:
    pack = built(version, auditor)
    packs.open_download(pack=pack, actor=auditor, reason=WHY).close()
    found = Entry.objects.filter(subject_id=str(pack.pk)).order_by("leaf__index")
    assert [entry.type for entry in found] == [
        "reports.pack.requested",
        "reports.pack.built",
        "reports.pack.downloaded",
    ]
    assert found[1].content["facts"]["sha256"] == pack.sha256


def test_what_was_changed_on_disk_is_not_given_out(version: Any, auditor: User, built: Built) -> None:
    pack = built(version, auditor)
    path = Path(default_storage.path(pack.path))
    path.chmod(0o600)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(BadInput, match="not the one that was built"):
        packs.open_download(pack=pack, actor=auditor, reason=WHY)
    assert not Entry.objects.filter(type="reports.pack.downloaded").exists()


def test_a_pack_that_cannot_be_built_says_so_and_leaves_no_file(
    version: Any, auditor: User, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **named: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(packs, "write_pack", full)
    before = set(default_storage.listdir("packs")[1]) if default_storage.exists("packs") else set()
    pack = built(version, auditor)
    assert (pack.job.status, pack.path, pack.sha256) == ("failed", "", "")
    assert Entry.objects.filter(type="reports.pack.failed", subject_id=str(pack.pk)).exists()
    assert (set(default_storage.listdir("packs")[1]) if default_storage.exists("packs") else set()) == before


def test_an_administrator_may_not_export(version: Any, administrator: User) -> None:
    with pytest.raises(Refused, match="may not export evidence"):
        packs.request(version=version, actor=administrator, reason=WHY)
    assert not Pack.objects.exists()
    assert Entry.objects.filter(type="trail.attempt.refused", actor_id=str(administrator.pk)).exists()
