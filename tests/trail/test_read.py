"""Reading the trail over the API."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from people.models import User
from tests.personas import Bank
from trail import keys, merkle, notes

pytestmark = pytest.mark.django_db
Api = Any


def test_an_auditor_reads_sentences_and_events(api: Api, bank: Bank, auditor: User, owner: User) -> None:
    answer = api(auditor).get("/api/v1/trail/", {"type": "people.role.granted", "q": "Olga"}).json()
    assert answer["count"] == 1
    assert answer["results"][0]["sentence"] == "Countersign made Olga Owner Model owner in Retail"
    assert answer["results"][0]["event"]["facts"] == {"role": "Model owner", "unit": "Retail"}


def test_entries_of_other_units_do_not_exist_for_an_outsider(api: Api, bank: Bank, owner: User, outsider: User) -> None:
    results = api(outsider).get("/api/v1/trail/").json()["results"]
    assert results
    assert {entry["event"]["unit"] for entry in results} <= {"elsewhere", ""}
    answer = api(outsider).get("/api/v1/trail/proofs/inclusion/", {"index": 0})
    assert answer.status_code == 404


def test_the_checkpoint_verifies_and_so_does_a_proof_against_it(api: Api, bank: Bank, auditor: User) -> None:
    client = api(auditor)
    checkpoint = client.get("/api/v1/trail/checkpoint/").json()
    assert checkpoint["key"] == keys.verifier_key() == client.get("/api/v1/trail/key/").json()["key"]
    origin, size, root = notes.parse_checkpoint(notes.open_note(checkpoint["note"], checkpoint["key"]))
    assert (origin, size, base64.b64encode(root).decode()) == (
        checkpoint["origin"],
        checkpoint["size"],
        checkpoint["root"],
    )
    found = client.get("/api/v1/trail/proofs/inclusion/", {"index": 1, "size": size}).json()
    event = base64.b64decode(found["event"])
    proof = [base64.b64decode(step) for step in found["proof"]]
    merkle.verify_inclusion(1, size, merkle.leaf_hash(event), proof, root)


def test_a_consistency_proof_over_http(api: Api, bank: Bank, auditor: User) -> None:
    found = api(auditor).get("/api/v1/trail/proofs/consistency/", {"size1": 2, "size2": 4}).json()
    proof = [base64.b64decode(step) for step in found["proof"]]
    merkle.verify_consistency(2, 4, base64.b64decode(found["root1"]), base64.b64decode(found["root2"]), proof)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({}, "index must be a whole number, such as ?index=0."),
        ({"index": "-1"}, "index must be a whole number, such as ?index=0."),
        ({"index": "first"}, "index must be a whole number, such as ?index=0."),
        ({"index": "99999"}, "There is no entry 99999 that you may see."),
        ({"index": "0", "size": "99999"}, "The tree holds"),
    ],
)
def test_a_proof_asked_for_badly(api: Api, bank: Bank, auditor: User, query: dict[str, str], sentence: str) -> None:
    answer = api(auditor).get("/api/v1/trail/proofs/inclusion/", query)
    assert answer.status_code in {404, 422}
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"].startswith(sentence)


def test_without_a_token_there_is_nothing(client: Any, bank: Bank) -> None:
    answer = client.get("/api/v1/trail/")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
