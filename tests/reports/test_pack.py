"""An evidence pack is whole, says what was recorded, and anyone can check it with one file and the issuer's key."""

from __future__ import annotations

import gc
import hashlib
import io
import json
import re
import subprocess
import sys
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pytest
import yaml
from django.core.files.storage import default_storage
from django.utils import timezone

from audits import jobs, runs
from governance import policies, signoff
from governance import promotion as promotions
from people.models import User
from people.signing import Password
from registry import cards as sections
from registry import datasets, environments, inventory, versions
from registry.models import Version
from reports import contents, evidence, gathering, packs
from reports.models import Pack
from tests.personas import PASSWORD, WHY
from trail import checkpoints, erasure, keys, merkle, notes, proofs
from trail.actors import SYSTEM
from trail.canonical import canonical_result
from trail.errors import BadInput, Refused
from trail.events import Event
from trail.models import Entry
from trail.record import recording

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


def facts(files: dict[str, bytes], kind: str) -> list[dict[str, Any]]:
    """What the entries of one type disclose of their facts, by the place in the log."""
    found = []
    for name in sorted(files):
        if name.startswith("events/") and name.endswith(".disclosed.json"):
            body = json.loads(files[name.replace(".disclosed", "")])
            clear = {each[1]: each[2] for each in json.loads(files[name])}
            if body["type"] == kind:
                found.append({key.removeprefix("facts."): value for key, value in clear.items()})
    return found


def folders(files: dict[str, bytes]) -> list[str]:
    return [each["path"] for each in json.loads(files["manifest.json"])["pack"]["versions"]]


def below(files: dict[str, bytes], folder: str) -> dict[str, bytes]:
    return {name.removeprefix(f"{folder}/"): data for name, data in files.items() if name.startswith(f"{folder}/")}


def pages_of(pdf: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(pdf)
    pages = [" ".join(page.get_textpage().get_text_bounded().split()) for page in document]
    document.close()
    return pages


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
    assert "attestations (1)" in answer.stdout
    flipped = bytearray(data)
    flipped[data.index(b"Seen by")] ^= 1
    assert verify(bytes(flipped), tmp_path).returncode == 1


def test_the_pack_holds_what_was_recorded(
    released: Any, performance: Any, fairness: Any, auditor: User, built: Built
) -> None:
    files = read(built(released.version, auditor))
    [folder] = folders(files)
    assert folder == "versions/credit-scorecard-v1"
    of_version = below(files, folder)
    assert of_version[f"runs/{performance.pk}.json"] == bytes(performance.record)
    assert f"runs/{fairness.pk}.json" in of_version
    assert of_version["attestation.dsse.json"].decode() == released.attestation
    assert len([name for name in of_version if name.startswith("signatures/")]) == 3
    gate = json.loads(of_version["gate.json"])
    assert (gate["decision"], gate["objections"], gate["open"]) == ("allowed", [], None)
    assert {each["verdict"] for each in gate["requirements"]} == {"met"}
    assert [each["decision"] for each in gate["evaluations"]] == ["allowed"]
    assert yaml.safe_load(of_version["policy.yaml"])["title"] == "What a test asks"
    assert files["evidence.pdf"].startswith(b"%PDF-")
    assert json.loads(files["oscal.json"])["assessment-results"]["results"]
    assert json.loads(files["anchors.json"]) == []
    described = json.loads(files["manifest.json"])["pack"]
    assert (described["requested_by"], described["as_of"]) == ("Ada Auditor", None)
    assert described["versions"][0]["artifact_digest"] == released.version.digest


def test_every_entry_comes_with_what_it_discloses_and_its_proof(released: Any, auditor: User, built: Built) -> None:
    files = read(built(released.version, auditor))
    note = files["checkpoint.txt"].decode()
    size, root = notes.parse_checkpoint(notes.open_note(note, keys.verifier_key()))[1:]
    places = [name for name in files if re.fullmatch(r"events/\d{12}\.json", name)]
    for name in places:
        entry = Entry.objects.select_related("payload").get(leaf__index=int(name[7:19]))
        assert files[name] == bytes(entry.body)
        assert files[name.replace(".json", ".disclosed.json")] == bytes(entry.payload.disclosed)
        index, steps, inside = proofs.parse(files[name.replace(".json", ".tlog-proof")].decode())
        assert (index, inside) == (int(name[7:19]), note)
        merkle.verify_inclusion(index, size, merkle.leaf_hash(files[name]), steps, root)
    kinds = {json.loads(files[name])["type"] for name in places}
    assert kinds >= {
        "registry.model.registered",
        "registry.version.registered",
        "registry.dataset.uploaded",
        "audits.run.succeeded",
        "governance.tier.assessed",
        "governance.policy.published",
        "governance.promotion.requested",
        "governance.signature.signed",
        "governance.gate.evaluated",
        "governance.promotion.released",
        "people.role.granted",
    }
    granted = {(each["subject.label"], each["role"]) for each in facts(files, "people.role.granted")}
    assert granted == {
        ("Olga Owner", "Model owner"),
        ("Vera Validator", "Validator"),
        ("Rita Risk", "Head of model risk"),
    }


def test_the_policy_is_the_one_that_judged_the_release(
    released: Any, policy: Any, bank: Any, risk_officer: User, auditor: User, built: Built, tmp_path: Path
) -> None:
    stricter = policy.text.replace("min: 0.5", "min: 0.99")
    policies.publish(unit=bank.root, name="house", text=stricter, actor=risk_officer, reason=WHY)
    pack = built(released.version, auditor)
    assert verify(bytes_of(pack), tmp_path).returncode == 0
    of_version = below(read(pack), "versions/credit-scorecard-v1")
    assert of_version["policy.yaml"].decode() == policy.text
    gate = json.loads(of_version["gate.json"])
    assert gate["policy"] == {"name": "house", "version": 1, "digest": policy.digest}
    assert gate["decision"] == "allowed"


def test_without_a_release_the_policy_is_that_of_the_last_evaluation(
    promotion: Any, policy: Any, bank: Any, owner: User, risk_officer: User, auditor: User, built: Built, tmp_path: Path
) -> None:
    with pytest.raises(Refused):
        promotions.release(promotion=promotion, actor=owner, reason="Too early")
    later = policy.text.replace("months: 12", "months: 11")
    newer = policies.publish(unit=bank.root, name="house", text=later, actor=risk_officer, reason=WHY)
    pack = built(promotion.version, auditor)
    assert verify(bytes_of(pack), tmp_path).returncode == 0
    files = read(pack)
    of_version = below(files, "versions/credit-scorecard-v1")
    assert of_version["policy.yaml"].decode() == policy.text
    gate = json.loads(of_version["gate.json"])
    assert (gate["decision"], gate["policy"]["version"]) == ("blocked", 1)
    assert {each["code"] for each in gate["objections"]} == {"signature_missing"}
    assert gate["open"]["policy"] == {"name": "house", "version": 2, "digest": newer.digest}
    assert gate["open"]["promotion"]["status"] == "open"
    said = " ".join(pages_of(files["evidence.pdf"]))
    assert "For production, which is asked for" in said
    assert "For production: blocked on" in said


def test_a_version_nobody_promoted_has_a_pack_too(version: Any, developer: User, built: Built, tmp_path: Path) -> None:
    pack = built(version, developer)
    assert verify(bytes_of(pack), tmp_path).returncode == 0
    gate = json.loads(read(pack)["versions/credit-scorecard-v1/gate.json"])
    assert (gate["promotion"], gate["open"], gate["decision"]) == (None, None, None)
    assert gate["requirements"] == []
    assert gate["policy"]["name"] is None


def test_what_was_erased_is_not_disclosed_and_the_pack_still_holds(
    released: Any, validator: User, risk_officer: User, auditor: User, built: Built, tmp_path: Path
) -> None:
    signed = Entry.objects.get(type="governance.signature.signed", actor_id=str(validator.pk))
    with recording(Event.ERASED, actor=risk_officer, reason="Article 17", subject=validator) as draft:
        erasure.erase(draft, [signed], lambda entry, name, value: name in {"actor.name", "reason"})
    pack = built(released.version, auditor)
    answer = verify(bytes_of(pack), tmp_path)
    assert answer.returncode == 0, answer.stdout
    assert "2 values were erased, as an event of the log says" in answer.stdout
    files = read(pack)
    clear = json.loads(files[f"events/{signed.leaf.index:012d}.disclosed.json"])
    assert not {"actor.name", "reason"} & {name for _, name, _ in clear}
    assert [each["count"] for each in facts(files, "trail.payload.erased")] == [1]


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
    staging = promotions.target_of(version, "staging")
    asked = promotions.request(version=version, target=staging, actor=version.created_by, reason=WHY)
    for signer, role, meaning in [(owner, "owner", "responsibility"), (risk_officer, "head_of_model_risk", "approval")]:
        proven = Password(PASSWORD)
        signoff.sign(promotion=asked, role=role, meaning=meaning, credential=proven, comment="", actor=signer)
    promotions.release(promotion=asked, actor=owner, reason=WHY)
    answer = verify(bytes_of(built(version, owner)), tmp_path)
    assert answer.returncode == 0, answer.stdout
    assert "runs (1)" in answer.stdout


@pytest.fixture
def others(bank: Any, owner: User, developer: User) -> list[Any]:
    """Versions of two more models, about which little is known."""
    made = []
    for name in ("Collections", "Early warning"):
        model = inventory.register(unit=bank.retail, name=name, fields={}, actor=owner, reason=WHY)
        made.append(versions.register(model=model, artifact=None, actor=developer, reason=WHY))
    return made


def test_a_pack_of_several_versions_holds_each(
    released: Any, others: list[Any], auditor: User, built: Built, tmp_path: Path
) -> None:
    pack = built([others[1], released.version, others[0]], auditor, title="Retail")
    answer = verify(bytes_of(pack), tmp_path)
    assert answer.returncode == 0, answer.stdout
    files = read(pack)
    assert folders(files) == [
        "versions/early-warning-v1",
        "versions/credit-scorecard-v1",
        "versions/collections-v1",
    ]
    assert [name for name in files if name.endswith("attestation.dsse.json")] == [
        "versions/credit-scorecard-v1/attestation.dsse.json"
    ]
    assert list(files).count("checkpoint.txt") == 1
    results = json.loads(files["oscal.json"])
    assert len(results["assessment-results"]["results"]) == 3
    assert files["oscal.json"] == canonical_result(results)
    places = [name for name in files if re.fullmatch(r"events/\d{12}\.json", name)]
    assert places == sorted(places)
    pages = pages_of(files["evidence.pdf"])
    assert "3 versions: 1 released, 2 waiting or never asked for." in pages[0]
    assert any("The versions at a glance" in page for page in pages[1:])
    for title in ("Early warning v1", "Credit scorecard v1", "Collections v1"):
        assert any(page.removeprefix("Evidence Retail ").find(title) >= 0 for page in pages[2:])
    assert "Trail" not in pages[0]


def test_beyond_some_versions_the_document_has_a_line_for_each(
    released: Any, others: list[Any], auditor: User, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "MOST_CHAPTERS", 2)
    files = read(built([released.version, *others], auditor))
    pages = pages_of(files["evidence.pdf"])
    assert len(pages) <= 4
    assert "too many for chapters" in " ".join(pages)
    assert "Vera Validator" not in " ".join(pages)
    assert all(f"{folder}/card.html" in files for folder in folders(files))


def test_a_version_is_let_go_before_the_next_is_gathered(
    bank: Any, owner: User, developer: User, auditor: User, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = inventory.register(unit=bank.retail, name="Many", fields={}, actor=owner, reason=WHY)
    many = [versions.register(model=model, artifact=None, actor=developer, reason=WHY) for _ in range(30)]
    gathered, alive = weakref.WeakSet[Any](), []
    gather = gathering.gather

    def watched(*given: Any, **named: Any) -> Any:
        gc.collect()
        alive.append(len(gathered))
        found = gather(*given, **named)
        gathered.add(found.version)
        return found

    monkeypatch.setattr(gathering, "gather", watched)
    pack = built(many, auditor)
    assert pack.job.status == "succeeded", pack.job.error
    assert len(alive) == 30
    assert max(alive) <= 1


def test_but_for_its_signatures_a_pack_is_the_same_each_time(released: Any, auditor: User) -> None:
    pack = packs.request(versions=[released.version], actor=auditor, reason=WHY)
    checkpoint = checkpoints.current()

    def made() -> dict[str, bytes]:
        making = contents.Making(
            pack, checkpoint, checkpoint.note, lambda *_: None, contents.described(pack, checkpoint)
        )
        return {path: bytes(source) for path, source in contents.files(making) if isinstance(source, bytes)}

    monkey = pytest.MonkeyPatch()
    monkey.setattr(contents.pdf_signing, "signed", lambda pdf, reason: pdf)
    one, other = made(), made()
    monkey.undo()
    assert one == other


def test_the_pdf_holds_the_machine_s_words_and_is_signed(released: Any, auditor: User, built: Built) -> None:
    files = read(built(released.version, auditor))
    with pikepdf.open(io.BytesIO(files["evidence.pdf"])) as document:
        attached = document.attachments["oscal.json"].get_file().read_bytes()
        assert document.Root.AcroForm.Fields[0].V.SubFilter == "/ETSI.CAdES.detached"
    assert attached == files["oscal.json"]


def test_progress_tells_of_versions(others: list[Any], auditor: User) -> None:
    pack = packs.request(versions=others, actor=auditor, reason=WHY)
    told: list[tuple[float, str]] = []
    contents.write(pack, io.BytesIO(), progress=lambda done, stage: told.append((done, stage)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert [stage for _, stage in told if "of 2" in stage] == [
        "Gathering versions 1 to 1 of 2",
        "Gathering versions 2 to 2 of 2",
    ]


def test_a_pack_as_of_a_moment_shows_what_was_so_then(
    promotion: Any, owner: User, developer: User, auditor: User, built: Built, tmp_path: Path
) -> None:
    version = promotion.version
    sections.write_section(version=version, section="factors", text="As it was.", actor=developer, reason=WHY)
    moment = timezone.now()
    sections.write_section(version=version, section="factors", text="As it is.", actor=developer, reason=WHY)
    promotions.withdraw(promotion=promotion, actor=developer, reason="Another day")
    pack = built(version, auditor, as_of=moment)
    assert pack.job.status == "succeeded", pack.job.error
    answer = verify(bytes_of(pack), tmp_path)
    assert answer.returncode == 0, answer.stdout
    files = read(pack)
    assert json.loads(files["manifest.json"])["pack"]["as_of"] == moment.isoformat()
    of_version = below(files, "versions/credit-scorecard-v1")
    assert b"As it was." in of_version["card.md"]
    assert b"As it is." not in of_version["card.md"]
    gate = json.loads(of_version["gate.json"])
    assert gate["open"]["promotion"]["status"] == "open"
    assert gate["evaluated_at"] == moment.isoformat()
    kinds = [json.loads(files[name])["type"] for name in files if re.fullmatch(r"events/\d{12}\.json", name)]
    assert "governance.promotion.requested" in kinds
    assert "governance.promotion.withdrawn" not in kinds
    assert "As of" in pages_of(files["evidence.pdf"])[0]
    assert Version.objects.get(pk=version.pk).card_sections.get(section="factors").text == "As it is."


def test_a_unit_is_packed_with_the_versions_it_had_then(
    version: Any, developer: User, auditor: User, bank: Any
) -> None:
    moment = timezone.now()
    newer = versions.register(model=version.model, artifact=None, actor=developer, reason=WHY)
    then = packs.request_unit(unit=bank.root, as_of=moment, actor=auditor, reason=WHY)
    now = packs.request_unit(unit=bank.root, actor=auditor, reason=WHY)
    assert [each.version for each in then.covered.all()] == [version]
    assert [each.version for each in now.covered.all()] == [newer]


def test_a_version_named_twice_is_packed_once(version: Any, auditor: User) -> None:
    pack = packs.request(versions=[version, version], actor=auditor, reason=WHY)
    assert pack.covered.count() == 1
    assert pack.title == "Credit scorecard v1"


def test_a_pack_of_too_many_versions_is_not_asked_for(
    version: Any, auditor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "MOST_VERSIONS", 0)
    with pytest.raises(BadInput, match="at most 0, so divide it"):
        packs.request(versions=[version], actor=auditor, reason=WHY)


def test_asking_building_and_downloading_stand_in_the_trail(version: Any, auditor: User, built: Built) -> None:
    pack = built(version, auditor)
    packs.open_download(pack=pack, actor=auditor, reason=WHY).close()
    found = Entry.objects.filter(subject_id=str(pack.pk)).order_by("pk")
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

    monkeypatch.setattr(contents, "write", full)
    before = set(default_storage.listdir("packs")[1]) if default_storage.exists("packs") else set()
    pack = built(version, auditor)
    assert (pack.job.status, pack.path, pack.sha256) == ("failed", "", "")
    assert Entry.objects.filter(type="reports.pack.failed", subject_id=str(pack.pk)).exists()
    assert (set(default_storage.listdir("packs")[1]) if default_storage.exists("packs") else set()) == before


def test_an_administrator_may_not_export(version: Any, administrator: User) -> None:
    with pytest.raises(Refused, match="may not export evidence"):
        packs.request(versions=[version], actor=administrator, reason=WHY)
    assert not Pack.objects.exists()
    assert Entry.objects.filter(type="trail.attempt.refused", actor_id=str(administrator.pk)).exists()
