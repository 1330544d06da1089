"""Reading the trail over the API."""

from __future__ import annotations

import base64
import html
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from people.models import User
from people.roles import Role
from tests.personas import Bank, person
from tests.trail.losing import lose
from tests.trail.test_erasure import erase
from trail import keys, merkle, notes
from trail.models import Entry

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


def names(answer: Any) -> list[str]:
    return [entry["sentence"] for entry in answer.json()["results"]]


def test_by_time(api: Api, bank: Bank, auditor: User) -> None:
    with time_machine.travel(datetime(2030, 3, 31, 14, tzinfo=UTC), tick=False):
        person("Early Bird", Role.OWNER, home=bank.retail, at=bank.retail)
    with time_machine.travel(datetime(2030, 4, 1, 0, 30, tzinfo=UTC), tick=False):
        person("Night Owl", Role.OWNER, home=bank.retail, at=bank.retail)
    added, client = {"type": "people.user.added"}, api(auditor)
    for query, found in [
        ({"from": "2030-03-31"}, ["Night Owl", "Early Bird"]),
        ({"from": "2030-03-31", "to": "2030-03-31"}, ["Early Bird"]),
        ({"from": "2030-03-31T14:00:00Z", "to": "2030-03-31T14:00:00Z"}, ["Early Bird"]),
        ({"from": "2030-04-01T02:30:00+02:00"}, ["Night Owl"]),
        ({"from": "2030-04-02"}, []),
    ]:
        assert names(client.get("/api/v1/trail/", added | query)) == [f"Countersign added {name}" for name in found]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-02-30"}, "to"),
        ({"to": "9999-12-31"}, "to"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "from"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "from"),
        ({"q": "x" * 201}, "q"),
        ({"before": "-1"}, "before"),
        ({"after": "x"}, "after"),
        ({"before": "3", "after": "1"}, "before"),
        ({"limit": "0"}, "limit"),
        ({"offset": "50"}, "offset"),
    ],
)
def test_what_cannot_be_asked_is_named(
    api: Api, page: Any, bank: Bank, auditor: User, query: dict[str, str], where: str
) -> None:
    answer = api(auditor).get("/api/v1/trail/", query)
    assert answer.status_code == 422
    assert [error["where"] for error in answer.json()["errors"]] == [where]
    if where not in {"limit", "offset"}:
        shown = page(auditor).get("/trail/", query)
        assert shown.status_code == 422
        assert answer.json()["detail"] in html.unescape(shown.content.decode())


def test_the_log_is_walked_by_index_and_back(api: Api, bank: Bank, executive: User, owner: User) -> None:
    client = api(executive)
    walked, address = [], "/api/v1/trail/?limit=3&type=people"
    first = client.get(address).json()
    assert (first["previous"], first["count"]) == (None, Entry.objects.filter(type__startswith="people.").count())
    pages = []
    while address:
        answer = client.get(address).json()
        pages.append([entry["index"] for entry in answer["results"]])
        walked += pages[-1]
        previous, address = answer["previous"], answer["next"]
    assert walked == sorted(set(walked), reverse=True)
    assert len(walked) == first["count"]
    back = client.get(previous).json()
    assert [entry["index"] for entry in back["results"]] == pages[-2]
    assert back["count"] is None


def test_what_is_deep_costs_what_is_new_costs(api: Api, bank: Bank, auditor: User, owner: User) -> None:
    client = api(auditor)
    client.get("/api/v1/trail/")
    with CaptureQueriesContext(connection) as shallow:
        client.get("/api/v1/trail/?before=12&limit=2")
    with CaptureQueriesContext(connection) as deep:
        client.get("/api/v1/trail/?before=4&limit=2")
    assert len(shallow) == len(deep)
    assert not [each for each in deep.captured_queries if "OFFSET" in each["sql"] or "COUNT(" in each["sql"]]


def test_an_erased_value_is_named_beside_the_event(api: Api, bank: Bank, auditor: User, owner: User) -> None:
    erase(owner)
    query = {"type": "people.role.granted", "subject": owner.pk}
    (entry,) = api(auditor).get("/api/v1/trail/", query).json()["results"]
    assert entry["erased"] == ["subject.label"]
    assert entry["event"]["subject"]["label"] == "[erased]"


def test_the_checkpoint_of_a_lost_log_is_refused(api: Api, bank: Bank, auditor: User) -> None:
    client = api(auditor)
    lose()
    answer = client.get("/api/v1/trail/checkpoint/")
    assert (answer.status_code, answer["Content-Type"]) == (409, "application/problem+json")
    assert answer.json()["objections"][0]["code"] == "log_went_back"
    assert client.get("/api/v1/trail/").status_code == 200
