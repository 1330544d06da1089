"""The trail as a file: what the reader may see and asked for, and on the record before the first byte."""

from __future__ import annotations

import csv
import gc
import io
import json
import tracemalloc
from typing import Any

import pytest
from django.http import StreamingHttpResponse

from people import membership
from people.models import User
from people.roles import Role
from tests.personas import WHY, Bank, person
from tests.trail.losing import lose
from tests.trail.test_erasure import erase
from trail import exports, ledger, searching
from trail.actors import SYSTEM
from trail.events import Event
from trail.models import Entry, Leaf

pytestmark = pytest.mark.django_db
Page = Any
Api = Any


def content(answer: Any) -> str:
    assert isinstance(answer, StreamingHttpResponse)
    return b"".join(answer).decode()


def rows(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content(answer), newline="")))


def lines(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content(answer).splitlines()]


def taken() -> Entry:
    return Entry.objects.get(type=Event.EXPORT_TAKEN.value)


def test_the_page_gives_what_the_filters_leave_oldest_first(page: Page, bank: Bank, owner: User, auditor: User) -> None:
    answer = page(auditor).get("/trail/export/", {"format": "csv", "type": "people.role", "q": "Olga"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    size = taken().content["facts"]["size"]
    assert answer["Content-Disposition"] == f'attachment; filename="trail-{size}.csv"'
    (row,) = rows(answer)
    assert row["sentence"] == "Countersign made Olga Owner Model owner in Retail"
    assert (row["subject_id"], row["actor_kind"], row["unit"]) == (str(owner.pk), "system", "bank/retail")
    assert json.loads(row["facts"]) == {"role": "Model owner", "unit": "Retail"}
    everything = rows(page(auditor).get("/trail/export/?format=csv"))
    indexes = [int(row["index"]) for row in everything]
    assert indexes == list(range(len(indexes)))


def test_the_api_gives_json_lines_whatever_is_accepted(api: Api, bank: Bank, owner: User, auditor: User) -> None:
    answer = api(auditor).get("/api/v1/trail/export/", {"format": "jsonl"}, headers={"Accept": "application/x-ndjson"})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/x-ndjson")
    found = lines(answer)
    assert [each["index"] for each in found] == list(range(len(found)))
    leaf = Leaf.objects.select_related("entry__payload").get(index=3)
    assert found[3] == {"index": 3, "sentence": leaf.entry.sentence, "event": leaf.entry.content, "erased": []}


def test_it_is_recorded_before_the_first_byte_and_is_not_in_itself(page: Page, bank: Bank, auditor: User) -> None:
    size = ledger.size_and_root()[0]
    answer = page(auditor).get("/trail/export/?format=jsonl&type=people&from=2020-01-01&other=x")
    entry = taken()  # nothing was read of the answer yet
    expected = Entry.objects.filter(type__startswith="people.", leaf__index__lt=size).count()
    facts = {"format": "jsonl", "filters": {"type": "people", "from": "2020-01-01"}, "most": expected, "size": size}
    assert entry.content["facts"] == facts
    assert (entry.actor_id, entry.unit, entry.subject_type) == (str(auditor.pk), "bank", "trail.log")
    assert entry.sentence == f"Ada Auditor exported up to {expected} entries of the trail"
    membership.open_unit(name="Later", parent=bank.root, actor=SYSTEM, reason=WHY)
    found = lines(answer)
    assert len(found) == expected
    assert max(each["index"] for each in found) < size


def test_an_outsider_exports_nothing_of_the_bank(page: Page, api: Api, bank: Bank, owner: User, outsider: User) -> None:
    for text in (
        content(page(outsider).get("/trail/export/?format=csv")),
        content(api(outsider).get("/api/v1/trail/export/?format=jsonl")),
    ):
        assert "Olga" not in text
        assert "bank/retail" not in text
        assert "Otto Outsider" in text


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "＝1"])
def test_no_cell_is_a_formula(page: Page, bank: Bank, auditor: User, name: str) -> None:
    membership.open_unit(name="Plain", parent=bank.root, actor=SYSTEM, reason=f"{name}, “said”\nover lines")
    row = rows(page(auditor).get("/trail/export/?format=csv&type=people.unit"))[-1]
    assert row["reason"] == ("" if name == "\tx" else "'") + f"{name.strip()}, “said”\nover lines"
    assert exports.cell(f"{name} said") == f"'{name} said"
    for cell in row.values():
        assert not cell.startswith(exports.FORMULA)


def test_what_was_erased_is_not_exported(page: Page, bank: Bank, owner: User, auditor: User) -> None:
    erase(owner)
    client = page(auditor)
    assert "Olga" not in content(client.get("/trail/export/?format=csv"))
    found = lines(client.get(f"/trail/export/?format=jsonl&type=people.role&subject={owner.pk}"))
    assert [each["erased"] for each in found] == [["subject.label"]]


@pytest.mark.parametrize(
    ("query", "where"),
    [("", "format"), ("format=xlsx", "format"), ("format=csv&from=x", "from"), ("format=csv&to=2020-13-01", "to")],
)
def test_what_cannot_be_exported_is_named_and_leaves_no_entry(
    page: Page, api: Api, bank: Bank, auditor: User, query: str, where: str
) -> None:
    answer = api(auditor).get(f"/api/v1/trail/export/?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["where"]) == (422, where)
    assert page(auditor).get(f"/trail/export/?{query}").status_code == 422
    assert not Entry.objects.filter(type=Event.EXPORT_TAKEN.value).exists()


def test_asking_for_its_head_exports_nothing(page: Page, api: Api, bank: Bank, auditor: User) -> None:
    assert page(auditor).head("/trail/export/?format=csv").status_code == 405
    assert api(auditor).head("/api/v1/trail/export/?format=csv").status_code == 405
    assert not Entry.objects.filter(type=Event.EXPORT_TAKEN.value).exists()


def test_a_lost_log_can_still_be_read_and_exported(page: Page, bank: Bank, auditor: User) -> None:
    lose()
    assert rows(page(auditor).get("/trail/export/?format=csv"))


def test_memory_does_not_grow_with_the_log(bank: Bank, auditor: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "AT_ONCE", 5)

    def peak() -> int:
        made = exports.take(actor=auditor, reason=WHY, asked=searching.asked({}), format="jsonl")
        tracemalloc.start()
        for _ in made.content:
            gc.collect()  # rows and what they relate to hold each other
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    def grow(first: int, last: int) -> None:
        for number in range(first, last):
            membership.open_unit(name=f"Unit {number}", parent=bank.root, actor=SYSTEM, reason="x" * 9000)

    grow(0, 20)
    peak()
    before = peak()
    grow(20, 80)
    assert peak() < 1.5 * before


def test_pages_of_a_thousand_cost_as_many_queries_as_pages(
    bank: Bank, auditor: User, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    for number in range(3):
        person(f"Person {number}", Role.OWNER, home=bank.retail, at=bank.retail)
    monkeypatch.setattr(exports, "AT_ONCE", 4)
    made = exports.take(actor=auditor, reason=WHY, asked=searching.asked({"type": "people.user"}), format="csv")
    with django_assert_num_queries(2):  # four people, and that there are no more
        assert len(list(made.content)) == 2
