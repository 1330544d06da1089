"""The trail as people read it."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from people import membership
from people.models import User
from people.roles import Role
from tests.personas import WHY, Bank, person
from tests.trail.losing import LOST, lose
from tests.trail.test_erasure import erase
from trail import checkpoints, guard, keys, merkle, notes, proofs, queries, shown, things
from trail.actors import SYSTEM
from trail.errors import Refused
from trail.models import Anchor, Entry
from trail.record import one_action

pytestmark = pytest.mark.django_db
Page = Any
LIST_QUERIES, DETAIL_QUERIES = 24, 20


def text(answer: Any, status: int = 200) -> str:
    """The page as it reads."""
    assert answer.status_code == status
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())))


def index(type_: str) -> int:
    return Entry.objects.filter(type=type_).order_by("-pk").first().leaf.index


def test_what_one_action_did_stands_together(page: Page, bank: Bank, executive: User) -> None:
    with one_action():
        membership.open_unit(name="First", parent=bank.root, actor=SYSTEM, reason=WHY)
        membership.open_unit(name="Second", parent=bank.root, actor=SYSTEM, reason=WHY)
        membership.open_unit(name="Third", parent=bank.root, actor=SYSTEM, reason=WHY)
    answer = page(executive).get("/trail/")
    at = Entry.objects.get(leaf__index=index("people.unit.opened")).at
    assert f"Countersign, {at.day} {at:%b %Y, %H:%M} : 3 entries" in text(answer)
    assert answer.content.count(b"trail__group") == 1
    alone = page(executive).get("/trail/?q=First")
    assert "3 entries" not in text(alone)
    assert "Countersign opened the unit First" in text(alone)


def test_a_group_that_goes_on_says_so(page: Page, bank: Bank, executive: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trail.views.MOST", 2)
    with one_action():
        for name in ("First", "Second", "Third"):
            membership.open_unit(name=name, parent=bank.root, actor=SYSTEM, reason=WHY)
    assert "2 entries, more on the next page" in text(page(executive).get("/trail/"))


def test_a_group_shows_that_something_was_refused(page: Page, bank: Bank, owner: User, executive: User) -> None:
    with one_action(), pytest.raises(Refused):
        membership.open_unit(name="First", parent=bank.root, actor=SYSTEM, reason=WHY)
        membership.open_unit(name="Own", parent=bank.retail, actor=owner, reason=WHY)
    content = page(executive).get("/trail/").content.decode()
    group = content[content.index("trail__group") : content.index("</summary>", content.index("trail__group"))]
    assert 'data-verdict="refused"' in group


def test_it_is_walked_by_index(page: Page, bank: Bank, executive: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trail.views.MOST", 3)
    client, address, seen = page(executive), "/trail/?type=people", []
    while address:
        content = client.get(address).content.decode()
        seen += [int(found) for found in re.findall(r'id="entry-(\d+)"', content)]
        older = re.search(r'rel="next" href="([^"]+)"', content)
        address = f"/trail/{html.unescape(older[1])}" if older else ""
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == Entry.objects.filter(type__startswith="people.").count()
    newer = re.search(r'rel="prev" href="([^"]+)"', content)
    assert newer is not None
    back = client.get(f"/trail/{html.unescape(newer[1])}").content.decode()
    last = len(re.findall(r'id="entry-', content))
    assert [int(found) for found in re.findall(r'id="entry-(\d+)"', back)] == seen[-last - 3 : -last]


def test_what_is_asked_for_stays_and_can_be_taken_away(page: Page, bank: Bank, executive: User) -> None:
    content = page(executive).get("/trail/?type=people&actor=Counter&from=2020-01-01&subject=x").content.decode()
    assert "<option selected>people</option>" in content
    for value in ('value="Counter"', 'value="2020-01-01"', 'name="subject" value="x"'):
        assert value in content
    assert "/trail/export/?type=people&amp;actor=Counter&amp;from=2020-01-01&amp;subject=x&amp;format=csv" in content
    assert "?actor=Counter&amp;from=2020-01-01&amp;subject=x" in content


def test_old_and_new_of_every_change_and_the_thing_itself(page: Page, bank: Bank, executive: User, model: Any) -> None:
    content = page(executive).get(f"/trail/?subject={model.pk}").content.decode()
    assert f'<a href="/models/{model.slug}/">{model}</a>' in content
    assert "<ins>Decides consumer credit applications.</ins>" in content
    membership.suspend(user=model.owner, actor=SYSTEM, reason=WHY)
    content = page(executive).get("/trail/?type=people.user.suspended").content.decode()
    assert "<del>true</del>" in content
    assert "<ins>false</ins>" in content
    assert f'<a href="/people/{model.owner.pk}/">Olga Owner</a>' in content


def test_every_kind_of_thing_with_a_page_is_declared(page: Page, bank: Bank, executive: User) -> None:
    page(executive).get("/trail/")  # the addresses are read with the first request
    paged = {type_ for type_, thing in things.BY_TYPE.items() if thing.links(["00000000-0000-4000-8000-000000000000"])}
    assert paged >= {
        "audits.run",
        "governance.policy",
        "governance.promotion",
        "people.user",
        "registry.dataset",
        "registry.version",
        "trail.log",
    }  # and models, whose pages stand under their slugs
    assert things.links([("registry.registeredmodel", "all"), ("people.unit", "x"), ("none.such", "y")]) == {}


def test_erased_reads_so_and_nobody_can_write_it(page: Page, bank: Bank, owner: User, executive: User) -> None:
    membership.open_unit(name="[erased]", parent=bank.root, actor=SYSTEM, reason="[erased] <b>by me</b>")
    erase(owner)
    client = page(executive)
    content = client.get("/trail/").content.decode()
    quiet = '<span class="not-stated">erased</span>'
    assert f"Countersign made {quiet} Model owner in Retail" in content
    assert "Countersign opened the unit [erased]" in content
    assert "[erased] &lt;b&gt;by me&lt;/b&gt;" in content
    assert "Olga" not in content
    added = Entry.objects.get(type="people.user.added", subject_id=str(owner.pk))
    detail = client.get(f"/trail/{added.leaf.index}/").content.decode()
    assert f"<dd>{quiet}</dd>" in detail  # a change
    assert f"</code> {quiet}" in detail  # the row's image
    assert "Olga" not in detail


def test_an_entry_has_its_receipt_and_its_proof(page: Page, bank: Bank, owner: User, executive: User) -> None:
    number = index("people.role.granted")
    client = page(executive)
    said = text(client.get(f"/trail/{number}/"))
    checkpoint = checkpoints.current()
    assert f"{number} in the tree of {checkpoint.size}" in said
    assert f"{checkpoint.size} entries, signed" in said
    file = client.get(f"/trail/{number}.tlog-proof")
    assert file["Content-Disposition"] == f'attachment; filename="{number:012}.tlog-proof"'
    place, steps, note = proofs.parse(file.content.decode())
    _, size, root = notes.parse_checkpoint(notes.open_note(note, keys.verifier_key()))
    leaf = client.get(f"/trail/{number}.json").content
    assert place == number
    merkle.verify_inclusion(place, size, merkle.leaf_hash(leaf), steps, root)
    entry = Entry.objects.get(leaf__index=number)
    assert leaf == bytes(entry.body)
    disclosed = client.get(f"/trail/{number}.disclosed.json").content
    assert {name for _, name, _ in json.loads(disclosed)} == set(json.loads(leaf)["sealed"])


@pytest.mark.parametrize("path", ["/trail/99999/", "/trail/99999.json", "/trail/1.xml", "/trail/99999.tlog-proof"])
def test_what_is_not_there(page: Page, bank: Bank, executive: User, path: str) -> None:
    assert page(executive).get(path).status_code == 404


def test_an_outsider_gets_no_file_of_an_entry(page: Page, bank: Bank, owner: User, outsider: User) -> None:
    number = Entry.objects.filter(unit="bank/retail").first().leaf.index
    for kind in ("json", "disclosed.json", "tlog-proof"):
        assert page(outsider).get(f"/trail/{number}.{kind}").status_code == 404
    assert page(outsider).get(f"/trail/{number}/").status_code == 404


def test_a_lost_log_is_said_aloud_and_can_be_read(page: Page, bank: Bank, executive: User) -> None:
    client = page(executive)
    lose()
    newest = checkpoints.newest()
    answer = client.get("/trail/")
    said = text(answer)
    assert 'data-level="error" role="alert"' in answer.content.decode()
    assert f"entries, but a checkpoint over {newest.size + LOST} was signed: entries are lost." in said
    assert "manage.py accept_fork" in said
    assert "Countersign opened the unit Bank" in said
    detail = text(client.get("/trail/1/"))
    assert "entries are lost" in detail
    assert "None is signed now" in detail
    assert client.get("/trail/1.tlog-proof").status_code == 409


def test_the_age_of_each_outside_anchor(page: Page, bank: Bank, executive: User) -> None:
    client = page(executive)
    assert "Never anchored outside" in text(client.get("/trail/"))
    now = timezone.now()
    with transaction.atomic(), guard.opened():
        for kind, ago in [("file", 9), ("file", 2), ("tsa", 3)]:
            at = now - timedelta(days=ago, minutes=5)
            Anchor.objects.create(kind=kind, target=f"{kind} of {ago}", size=ago, root=b"", token=b"", at=at)
    said = text(client.get("/trail/"))
    assert "Never anchored" not in said
    assert "File 2 days ago 2 entries, file of 2" in said
    assert "file of 9" not in said
    assert "Time-stamp authority 3 days ago 3 entries, tsa of 3" in said


@pytest.mark.parametrize("query", ["", "?type=people", "?actor=Counter", "?q=Olga", "?from=2020-01-01&to=2090-01-01"])
def test_the_list_costs_the_same_at_any_length(page: Page, bank: Bank, executive: User, model: Any, query: str) -> None:
    client = page(executive)
    client.get(f"/trail/{query}")
    with CaptureQueriesContext(connection) as few:
        client.get(f"/trail/{query}")
    for number in range(5):
        person(f"Person {number}", Role.OWNER, home=bank.retail, at=bank.retail)
    client.get(f"/trail/{query}")
    with CaptureQueriesContext(connection) as many:
        client.get(f"/trail/{query}")
    assert len(many) <= len(few) + 1 <= LIST_QUERIES
    assert not [each["sql"] for each in many if "COUNT(" in each["sql"] and "trail_entry" in each["sql"]]


def test_an_entry_costs_the_logarithm(page: Page, bank: Bank, executive: User, model: Any) -> None:
    client = page(executive)
    client.get("/trail/1/")
    with CaptureQueriesContext(connection) as asked:
        client.get("/trail/1/")
    assert len(asked) <= DETAIL_QUERIES


def test_the_newest_come_from_the_leaves_own_order(bank: Bank, executive: User) -> None:
    found = queries.entries(units=executive.unit_paths)
    assert "INNER JOIN" in str(found.query).split("trail_leaf")[-2] + str(found.query)
    assert 'LEFT OUTER JOIN "trail_leaf"' not in str(found.query)


def test_a_type_that_nobody_declares_is_escaped() -> None:
    entry = Entry(type="a.<b>.{c}", body=b'{"sealed": {}}')
    assert shown.Shown(entry).sentence == (
        '<span class="not-stated">erased</span> did “a.&lt;b&gt;.c” to <span class="not-stated">erased</span>'
    )
