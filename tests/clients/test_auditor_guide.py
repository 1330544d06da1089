"""The auditor's guide can be followed to the letter: other people's tools say of a pack what it says they do."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured

from reports import documents, pdf_signing
from tests import packs
from trail.canonical import canonical_result

GUIDE = (Path(configured.BASE_DIR) / "docs" / "guide" / "auditor.md").read_text(encoding="utf-8")
TOOLS = ["bash", "jq", "openssl", "sha256sum", "base64"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def desk(tmp_path: Path, settings: Any) -> Path:
    """What an auditor has before them: a pack, what they pinned, and an authority's root."""
    entries, _ = packs.anchored_entries()
    pins = packs.all_pins(tmp_path)
    (tmp_path / "pack.zip").write_bytes(packs.sealed(entries))
    pins.rename(tmp_path / "countersign.vkey")
    return tmp_path


def unpacked(desk: Path) -> Path:
    with zipfile.ZipFile(desk / "pack.zip") as archive:
        archive.extractall(desk / "pack")
    return desk / "pack"


def shell(desk: Path) -> subprocess.CompletedProcess[str]:
    [block] = blocks("bash")
    return subprocess.run(["bash", "-eu"], input=block, cwd=desk, capture_output=True, text=True, check=False)


def python(block: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.skipif(any(shutil.which(tool) is None for tool in TOOLS), reason="needs jq, openssl and coreutils")
def test_the_shell_says_of_an_honest_pack_what_the_guide_says(desk: Path) -> None:
    done = shell(desk)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said.count("Signature Verified Successfully") == 3
    assert said.count("Verified OK") == 1
    assert {"files as listed", "manifest as signed", "values as sealed", '"PASSED"'} <= set(said)
    assert "Verification: OK" in done.stdout + done.stderr
    pairs = [line.split() for line in said if re.fullmatch(r"[\w-]{43,64} (sha256:)?[\w-]{43,64}", line)]
    assert len(pairs) == 3
    assert all(one == other.removeprefix("sha256:") for one, other in pairs)


@pytest.mark.skipif(any(shutil.which(tool) is None for tool in TOOLS), reason="needs jq, openssl and coreutils")
def test_the_shell_finds_what_was_altered(desk: Path) -> None:
    entries, _ = packs.anchored_entries()
    event = f"{packs.at(packs.SIGNED)}.disclosed.json"
    entries[event] = entries[event].replace(b"because", b"why not")
    (desk / "pack.zip").write_bytes(packs.sealed(entries))
    assert '"why not"] is not what was sealed' in shell(desk).stdout
    run = packs.zipped({**packs.seal(entries), packs.RUN_PATH: canonical_result({"run": {}})})
    (desk / "pack.zip").write_bytes(run)
    assert "files as listed" not in shell(desk).stdout


def test_other_libraries_accept_attestation_and_cosignature(desk: Path) -> None:
    folder = unpacked(desk)
    attestations, cosignature, _ = blocks("python")
    done = python(attestations, folder)
    assert (done.returncode, done.stdout) == (0, f"{packs.ATTESTATION} is signed\n"), done.stderr
    done = python(cosignature, folder)
    assert done.returncode == 0, done.stderr
    seconds = int(packs.SIGNED_AT.timestamp())
    assert done.stdout == f"{packs.COSIGNER_NAME} signed at {seconds} seconds after 1970\n"
    (folder / packs.ATTESTATION).write_bytes(packs.attestation(private_key=packs.NEXT))
    assert python(attestations, folder).returncode != 0
    note = (folder / "checkpoint.txt").read_text().replace(f"\n{packs.SIZE}\n", "\n8\n")
    (folder / "checkpoint.txt").write_text(note)
    assert python(cosignature, folder).returncode != 0


def test_another_library_accepts_the_pdf(desk: Path, settings: Any) -> None:
    settings.PDF_KEY = settings.PDF_CERTIFICATE = settings.TSA_URL = ""
    settings.PDF_SIGNING_PATH = desk / "pdf_signing.pem"
    pdf_signing._kept.cache_clear()
    page = '<!doctype html><html lang="en"><head><title>Evidence</title></head><body><h1>Evidence</h1></body></html>'
    folder, block = unpacked(desk), blocks("python")[2]
    try:
        pdf = pdf_signing.signed(documents.pdf(page, identity=b"x"), reason="Evidence")
        (desk / "pdf.pem").write_text(pdf_signing.certificate_pem())
    finally:
        pdf_signing._kept.cache_clear()
    (folder / "evidence.pdf").write_bytes(pdf)
    done = python(block, folder)
    assert (done.returncode, done.stdout) == (0, "the PDF holds ENTIRE_FILE\n"), done.stderr
    (folder / "evidence.pdf").write_bytes(pdf.replace(b"Evidence", b"Evidense"))
    assert "the PDF holds" not in python(block, folder).stdout


def test_the_tables_name_what_a_pack_holds() -> None:
    verifier = packs.program()
    told = (Path(configured.BASE_DIR) / "docs" / "reference" / "pack.md").read_text(encoding="utf-8")
    for name in [*verifier.REQUIRED, *verifier.OF_A_VERSION, verifier.STAMP, verifier.ATTESTATION]:
        assert f"`{name}`" in told
    for name in [re.sub("^check_(log_)?", "", check.__name__) for check in verifier.CHECKS]:
        assert f"`{name}`" in told
    for role in [*verifier.ROLES, "tsa"]:
        assert f"| `{role} " in told
