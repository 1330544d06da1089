"""One model, all the way, over the API alone: registered, checked, signed off, promoted and proven."""

from __future__ import annotations

import base64
import json
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import train
from demo.people import PASSWORD
from tests.journeys.conftest import ROOT, Http, Running

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journeys")]

GATE, VERIFY = str(ROOT / "clients" / "gate.py"), str(ROOT / "clients" / "verify.py")
FIELDS = {
    "purpose": "Supports decisions on instalment loans.",
    "origin": "internal",
    "approved_uses": "New applications.",
    "limitations": "Three numbers only.",
    "data_sources": "German credit.",
    "assumptions": "None beyond the sample.",
    "outputs": "Probability of repayment.",
    "monitoring_status": "Quarterly",
}
ANSWERS = {
    "exposure": 2,
    "purpose": 3,
    "data": 1,
    "methodology": 1,
    "implementation": 1,
    "extent_of_use": 1,
    "opacity": 1,
    "annex_iii_high_risk": True,
    "aedt": False,
    "covered_admt": False,
    "consumer_credit_decision": True,
    "financial_statements": False,
    "regulatory_capital": False,
    "fully_automated_decision": False,
}


def finished(http: Http, path: str) -> dict[str, Any]:
    for _ in range(240):
        answer = http.get(path).json
        if answer["status"] not in {"queued", "running"}:
            return dict(answer)
        time.sleep(0.5)
    pytest.fail(f"{path} is still {answer['status']} ({answer.get('stage')}) after two minutes")


def ask_the_gate(running: Running, token: str, digest: str) -> tuple[int, str]:
    arguments = ["--url", running.url, "--token", token, "--target", "production", "--digest", digest]
    done = running.client(GATE, *arguments)
    return done.returncode, done.stdout + done.stderr


def test_a_model_goes_all_the_way(running: Running, http: Any, trained: Trained, tmp_path: Path) -> None:
    owner, developer = http("owner"), http("developer")
    validator, risk, auditor = http("validator"), http("risk"), http("auditor", "read", "write")
    pipeline = running.token("developer", "gate")

    made = owner.post("models/", {"name": "Story scorecard", "developer": "developer@demo.example", **FIELDS})
    assert made.status == 201, made.body
    slug = made.json["slug"]
    tiered = owner.post(f"models/{slug}/tiering/", {"answers": ANSWERS})
    assert (tiered.status, tiered.json["tier"]) == (201, 2), tiered.body

    header = trained.held_out.decode().splitlines()[0].split(",")
    roles: dict[str, Any] = dict.fromkeys(header, "feature") | {"creditability": "target", "sex": "sensitive"}
    files = {"file": ("holdout.csv", trained.held_out)}
    uploaded = developer.post("datasets/", {"name": "Story, held-out rows", "columns": roles}, files)
    assert uploaded.status == 201, uploaded.body
    training = developer.get("datasets/?q=training").json["results"][0]["id"]

    described = {"metadata": {"label": "1.0", "trained_on": [training]}}
    registered = developer.post(f"models/{slug}/versions/", described, {"artifact": ("story.skops", trained.artifact)})
    assert registered.status == 201, registered.body
    version, digest = registered.json["id"], registered.json["artifact"]["digest"]
    for section in ("intended_use", "ethical_considerations", "caveats_and_recommendations"):
        assert (
            developer("PUT", f"versions/{version}/card-sections/{section}/", {"text": "As in the study."}).status == 200
        )

    code, said = ask_the_gate(running, pipeline, digest)
    assert code == 1, said
    assert "release" in said

    for check in ("fairness", "explainability", "performance"):
        asked = validator.post(
            f"versions/{version}/runs/",
            {"check": check, "dataset": uploaded.json["id"], "params": {"favourable": "good"}},
        )
        assert asked.status == 202, asked.body
        run = finished(validator, f"runs/{asked.json['id']}/")
        assert run["status"] == "succeeded", run

    promoted = developer.post(f"versions/{version}/promotions/", {"target": "production"})
    assert promoted.status == 201, promoted.body
    promotion = f"promotions/{promoted.json['id']}/"

    def sign(http: Http, role: str, meaning: str, password: str = PASSWORD) -> Any:
        body = {"role": role, "meaning": meaning, "password": password, "comment": "Read it all."}
        return http.post(f"{promotion}signatures/", body)

    own = sign(developer, "validator", "review")
    assert own.status == 409
    assert own.headers["Content-Type"] == "application/problem+json"
    assert own.json["objections"]
    early = owner.post(f"{promotion}release/")
    assert early.status == 409
    assert any("signature" in objection["code"] for objection in early.json["objections"]), early.body

    assert sign(owner, "owner", "responsibility").status == 201
    assert sign(validator, "validator", "review", password="not it").status == 409
    assert sign(validator, "validator", "review").status == 201
    assert sign(risk, "head_of_model_risk", "approval").status == 201
    assert owner.get(promotion).json["objections"] == []
    released = owner.post(f"{promotion}release/")
    assert released.status == 200, released.body

    attestation = tmp_path / "attestation.json"
    done = running.client(
        GATE, "--url", running.url, "--token", pipeline, "--target", "production", "--digest", digest,
        "--attestation", str(attestation),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    statement = json.loads(base64.b64decode(json.loads(attestation.read_text())["payload"]))
    assert statement["subject"][0]["digest"]["sha256"] == digest.removeprefix("sha256:")

    for kind, start in {"html": b"<", "md": b"---", "json": b"{", "pdf": b"%PDF-"}.items():
        card = auditor.get(f"versions/{version}/card.{kind}")
        assert (card.status, card.body.lstrip()[: len(start)]) == (200, start)

    asked = auditor.post(f"versions/{version}/packs/")
    assert asked.status == 202, asked.body
    assert finished(auditor, f"packs/{asked.json['id']}/")["status"] == "succeeded"
    pack = tmp_path / "pack.zip"
    pack.write_bytes(auditor.get(f"packs/{asked.json['id']}/download/").body)
    key = tmp_path / "countersign.vkey"
    key.write_text(running.manage("export_key").stdout)
    verified = running.client(VERIFY, str(pack), "--key", str(key))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    names = zipfile.ZipFile(pack).namelist()
    assert sum("/signatures/" in name for name in names) == 3
    assert sum("/runs/" in name for name in names) == 3

    for position in (30, len(pack.read_bytes()) // 2, -30):
        altered = bytearray(pack.read_bytes())
        altered[position] ^= 1
        (tmp_path / "altered.zip").write_bytes(altered)
        refused = running.client(VERIFY, str(tmp_path / "altered.zip"), "--key", str(key))
        assert refused.returncode == 1, (position, refused.stdout)
        assert "Traceback" not in refused.stderr

    refusals = auditor.get("trail/?type=trail.attempt.refused&q=Daniel").json["results"]
    assert any(entry["event"]["facts"]["attempted"] == "governance.signature.signed" for entry in refusals)


@dataclass(frozen=True)
class Trained:
    artifact: bytes
    held_out: bytes


@pytest.fixture(scope="module")
def trained() -> Trained:
    """A logistic regression of this story's own, on German credit's numbers and codes, and rows it has not seen."""
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    table = train.table()
    held_out = table.sample(300, random_state=1)
    seen = table.drop(held_out.index)
    features = [name for name in seen.select_dtypes("number") if name not in train.SENSITIVE]
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(seen[features], seen[train.TARGET])
    return Trained(skops.io.dumps(fitted), held_out.to_csv(index=False).encode())


def test_a_pipeline_that_asks_with_a_wrong_token_gets_no_for_an_answer(running: Running) -> None:
    code, said = ask_the_gate(running, "cs_wrong", "sha256:" + "0" * 64)
    assert code == 2
    assert "token" in said


def test_an_unknown_digest_is_blocked(running: Running) -> None:
    code, said = ask_the_gate(running, running.token("developer", "gate"), "sha256:" + "0" * 64)
    assert code == 1, said


def test_the_federal_inventory_is_there_whole(running: Running, http: Any) -> None:
    found = http("auditor", "read").get("models/?unit=meridian/us-federal-ai-inventory-2025&limit=1")
    assert found.json["count"] == 3611, found.body
