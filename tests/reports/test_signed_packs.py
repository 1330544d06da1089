"""What people signed with, as a pack carries it: anyone checks a passkey's answer, a password is told as said."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from governance import promotion as promotions
from governance import signoff
from people import passkeys
from people.models import Meaning, User
from people.roles import Role
from people.signing import Credential, Password, shown_moment
from tests.passkeys import Device, add
from tests.personas import PASSWORD
from trail import keys

pytestmark = pytest.mark.django_db
VERIFIER = Path(__file__).resolve().parents[2] / "clients" / "verify.py"


def sign(asked: Any, signer: User, role: Role, meaning: Meaning, device: Device | None = None) -> None:
    shown_at, said = shown_moment(), {"role": role, "meaning": meaning, "comment": "Seen."}
    statement = signoff.statement_for(promotion=asked, signer=signer, shown_at=shown_at, **said)
    credential: Credential = device.answer(statement) if device else Password(PASSWORD)
    signoff.sign(promotion=asked, actor=signer, credential=credential, shown_at=shown_at.isoformat(), **said)


@pytest.fixture
def pack(
    promotion: Any, owner: User, validator: User, risk_officer: User, built: Callable[..., Any]
) -> zipfile.ZipFile:
    """A release signed with two passkeys and a password."""
    sign(promotion, owner, Role.OWNER, Meaning.RESPONSIBILITY)
    sign(promotion, validator, Role.VALIDATOR, Meaning.REVIEW, add(validator))
    sign(promotion, risk_officer, Role.HEAD_OF_MODEL_RISK, Meaning.APPROVAL, add(risk_officer))
    promotions.release(promotion=promotion, actor=owner, reason="Everything is met")
    with default_storage.open(built(promotion.version, owner).path, "rb") as file:
        return zipfile.ZipFile(io.BytesIO(file.read()))


def test_what_each_signed_with_is_in_the_pack_and_checked_without_a_server(
    pack: zipfile.ZipFile, tmp_path: Path
) -> None:
    found = [json.loads(pack.read(name)) for name in pack.namelist() if "/signatures/" in name]
    assert sorted(each["signature"]["method"] for each in found) == ["passkey", "passkey", "password"]
    for each in found:
        if each["signature"]["method"] == "passkey":
            assert passkeys.problem(each["passkey"], b64decode(each["statement"])) == ""
            assert json.loads(b64decode(each["statement"]))["shown_at"] == each["signature"]["shown_at"]
    (tmp_path / "pack.zip").write_bytes(pack.fp.getvalue())  # type: ignore[union-attr]
    (tmp_path / "key").write_text(keys.verifier_key())
    command = [sys.executable, "-I", str(VERIFIER), "pack.zip", "--key", "key"]
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 made with a passkey, which was verified." in done.stdout
    assert "password" in done.stdout
