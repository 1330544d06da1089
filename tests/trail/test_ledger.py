"""Places in the tree: no gap, no entry twice, whatever is rolled back and however many integrate at once."""

from __future__ import annotations

import logging
import threading
import uuid
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from people.models import User
from people.roles import Role
from tests import personas
from tests.personas import WHY, Bank
from tests.trail import damage
from trail import fsck, guard, ledger, merkle, sequencer, tiles
from trail.actors import SYSTEM
from trail.errors import BadInput
from trail.events import INLINE, Event
from trail.models import Entry, Leaf, Pending, Tile, Tree
from trail.record import recording

pytestmark = pytest.mark.django_db

waiting = pytest.mark.skipif(connection.vendor != "postgresql", reason="only there do entries wait")


def places() -> list[int]:
    return list(Leaf.objects.order_by("index").values_list("index", flat=True))


def test_what_is_rolled_back_leaves_no_gap(bank: Bank) -> None:
    for number in range(6):
        try:
            with transaction.atomic():
                damage.say(number)
                if number % 2:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    ledger.catch_up()
    assert places() == list(range(Entry.objects.count()))
    assert fsck.examine().is_clean


def test_a_decision_has_its_place_before_it_is_committed_and_nothing_waits_longer_than_it(bank: Bank) -> None:
    damage.say(1)
    said = Entry.objects.latest("at")
    assert hasattr(said, "leaf") is not ledger.waits()
    assert Event.ERASED.value in INLINE
    with transaction.atomic():
        with recording(Event.ERASED, actor=SYSTEM, reason=WHY, subject=bank.root) as entry:
            entry.facts = {"count": 0, "entries": {}, "images": []}
        decided = Entry.objects.get(type=Event.ERASED.value)
        assert decided.leaf.index == Leaf.objects.get(entry=said).index + 1
    assert not Pending.objects.exists()


@waiting
def test_entries_take_their_places_in_batches_oldest_first(bank: Bank) -> None:
    ledger.catch_up()
    before = Leaf.objects.count()
    for number in range(5):
        damage.say(number)
    waits = list(Pending.objects.order_by("id").values_list("entry_id", flat=True))
    assert ledger.integrate(2) == 2
    assert ledger.integrate(2) == 2
    assert ledger.integrate(2) == 1
    assert ledger.integrate(2) == 0
    placed = Leaf.objects.filter(index__gte=before).order_by("index").values_list("entry_id", flat=True)
    assert list(placed) == waits


@waiting
def test_a_decision_overtakes_nothing_that_waited_before_it(bank: Bank) -> None:
    ledger.catch_up()
    for number in range(4):
        damage.say(number)
    own = Pending.objects.latest("id")
    assert ledger.integrate(1, own=own.pk) == 4
    assert Leaf.objects.latest("index").entry_id == own.entry_id


@waiting
@pytest.mark.django_db(transaction=True)
def test_sequencers_side_by_side_leave_no_gap(bank: Bank) -> None:
    for number in range(120):
        damage.say(number)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            while ledger.integrate(7):
                pass
        except BaseException as error:  # noqa: BLE001
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert places() == list(range(Entry.objects.count()))
    assert fsck.examine().is_clean


@waiting
@pytest.mark.django_db(transaction=True)
def test_a_reader_sees_what_was_just_written_at_its_place(bank: Bank, auditor: User) -> None:
    from trail import queries

    damage.say(1)
    assert Pending.objects.exists()
    list(queries.entries(units=["bank"])[:1])
    assert not Pending.objects.exists()


def test_a_tree_of_three_levels_has_every_tile_and_proves_what_it_holds(db: None) -> None:
    """Leaves alone: their entries do not matter here."""
    size = tiles.WIDTH**2 + tiles.WIDTH + 3
    hashes = [merkle.leaf_hash(number.to_bytes(4)) for number in range(size)]
    with guard.opened(), transaction.atomic():
        for start in range(0, size, 20_000):
            fresh = hashes[start : start + 20_000]
            ledger._add([(uuid.uuid4(), hash_) for hash_ in fresh], refuse_lost=False)
    assert [Tile.objects.filter(level=level).count() for level in range(3)] == [tiles.WIDTH + 1, 1, 0]
    root = merkle.root(hashes)
    assert ledger.size_and_root() == (size, root)
    nodes = ledger.nodes(size)
    for index in (0, 255, 256, 65_535, 65_536, size - 1):
        merkle.verify_inclusion(index, size, hashes[index], tiles.inclusion_proof(index, nodes), root)
    for older in (1, 255, 256, 65_535, 65_536, 65_537, size - 1):
        proof = tiles.consistency_proof(older, nodes)
        merkle.verify_consistency(older, size, merkle.root(hashes[:older]), root, proof)


def test_an_entry_says_at_most_so_much(bank: Bank) -> None:
    before = Entry.objects.count()
    with (
        pytest.raises(BadInput, match="at most 1,048,576 fit"),
        recording(Event.ATTEMPT_REFUSED, actor=SYSTEM, reason=WHY, subject=bank.root) as entry,
    ):
        entry.facts = {"said": "x" * ledger.MOST_SAID}
    assert Entry.objects.count() == before


def test_the_tree_has_one_row(bank: Bank) -> None:
    ledger.catch_up()
    assert Tree.objects.count() == 1
    with pytest.raises(Exception, match="trail_one_tree"), transaction.atomic(), guard.opened():
        Tree.objects.create(id=2)


def test_the_sequencer_outlives_what_the_database_does(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stopping, tried = threading.Event(), []

    def integrate() -> int:
        tried.append(1)
        if len(tried) == 1:
            raise OperationalError("the database went away")
        stopping.set()
        return 0

    monkeypatch.setattr(ledger, "waits", lambda: True)
    monkeypatch.setattr(ledger, "integrate", integrate)
    monkeypatch.setattr(sequencer, "connection", NoConnection())
    monkeypatch.setattr(stopping, "wait", lambda *_: None)
    with caplog.at_level(logging.ERROR):
        sequencer.run_until(stopping)
    assert len(tried) == 2
    assert "The sequencer was interrupted; trying again in a second." in caplog.text


class NoConnection:
    def close(self) -> None:
        """The test's own stays open."""


def test_everybody_s_entries_stand_in_one_tree(bank: Bank) -> None:
    for name in ("Ann", "Ben"):
        personas.person(name, Role.DEVELOPER, home=bank.retail, at=bank.retail)
    ledger.catch_up()
    bodies = Leaf.objects.order_by("index").values_list("entry__body", flat=True)
    hashes = [merkle.leaf_hash(bytes(body)) for body in bodies]
    assert ledger.size_and_root() == (len(hashes), merkle.root(hashes))


def test_the_list_of_inline_events_is_what_nobody_may_see_without_a_receipt() -> None:
    wanted: set[Any] = {Event.KEY_ROTATED.value, Event.FORKED.value, Event.ERASED.value}
    assert wanted <= INLINE
    assert Event.ATTEMPT_REFUSED.value not in INLINE
