"""Every write is recorded, or it does not happen."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest
from django.core import serializers
from django.db import connection, transaction
from psycopg.sql import SQL, Identifier

from people import membership
from people.events import Event
from people.models import RoleGrant, Unit, User
from people.roles import Role
from tests.personas import WHY, Bank
from trail import checkpoints, ledger, merkle, tiles
from trail.actors import SYSTEM
from trail.errors import BadInput, Refused, Unrecorded, VagueRecord
from trail.models import Entry, Leaf
from trail.record import recording, together

pytestmark = pytest.mark.django_db


def test_a_write_leaves_exactly_one_entry_with_actor_reason_subject_and_change(bank: Bank, administrator: User) -> None:
    before = Entry.objects.count()
    unit = membership.open_unit(name="Treasury", parent=bank.root, actor=administrator, reason="A new desk")
    assert Entry.objects.count() == before + 1
    entry = Entry.objects.get(subject_id=str(unit.pk))
    assert entry.sentence == "Adam Administrator opened the unit Treasury"
    assert entry.content["actor"] == {"id": str(administrator.pk), "name": "Adam Administrator", "kind": "person"}
    assert entry.content["reason"] == "A new desk"
    assert entry.content["changes"] == {"path": [None, "bank/treasury"]}


def test_old_and_new_stand_in_the_entry(bank: Bank, owner: User, administrator: User) -> None:
    membership.suspend(user=owner, actor=administrator, reason="Left the bank")
    assert Entry.objects.get(type="people.user.suspended").content["changes"] == {"is_active": [True, False]}


WRITES_OUTSIDE_A_RECORDING = {
    "save": lambda unit: unit.save(),
    "create": lambda unit: Unit.objects.create(name="x", slug="x", path="x"),
    "update": lambda unit: Unit.objects.update(name="x"),
    "bulk create": lambda unit: Unit.objects.bulk_create([Unit(name="x", slug="x", path="x")]),
    "bulk update": lambda unit: Unit.objects.bulk_update([unit], ["name"]),
    "upsert": lambda unit: Unit.objects.bulk_create(
        [unit], update_conflicts=True, unique_fields=["path"], update_fields=["name"]
    ),
    "delete": lambda unit: unit.delete(),
    "raw delete": lambda unit: Unit.objects.filter(pk=unit.pk)._raw_delete("default"),
    "raw SQL": lambda unit: connection.cursor().execute("update people_unit set name = 'x'"),
    "raw SQL behind a WITH": lambda unit: connection.cursor().execute(
        "WITH chosen AS (SELECT 1) UPDATE people_unit SET name = 'x'"
    ),
    "a comment for a blank": lambda unit: connection.cursor().execute("UPDATE/**/people_unit SET name = 'x'"),
    "a comment first": lambda unit: connection.cursor().execute("-- SELECT\nDELETE FROM people_unit"),
    "no blank at all": lambda unit: connection.cursor().execute('DELETE FROM"people_unit"'),
    "a schema": lambda unit: connection.cursor().execute('DELETE FROM "main" . "people_unit"'),
    "single quotes": lambda unit: connection.cursor().execute("DELETE FROM 'people_unit'"),
    "a comment that is none": lambda unit: connection.cursor().execute(
        "UPDATE t SET name = '--'; DELETE FROM people_unit"
    ),
    "behind a SELECT": lambda unit: connection.cursor().execute("SELECT 1; DELETE FROM people_unit"),
    "an inner WITH": lambda unit: connection.cursor().execute(
        "WITH gone AS (DELETE FROM ONLY (people_unit) RETURNING 1) SELECT * FROM gone"
    ),
    "truncate": lambda unit: connection.cursor().execute("TRUNCATE TABLE other, people_unit CASCADE"),
    "bytes": lambda unit: connection.cursor().execute(b"DELETE FROM people_unit"),
    "parts": lambda unit: connection.cursor().execute(SQL("DELETE FROM {}").format(Identifier("people_unit"))),
    "many": lambda unit: connection.cursor().executemany('INSERT INTO "people_unit" (name) VALUES (%s)', [["x"]]),
    "a fixture": lambda unit: next(iter(serializers.deserialize("json", serializers.serialize("json", [unit])))).save(),
}


@pytest.mark.parametrize("write", WRITES_OUTSIDE_A_RECORDING.values(), ids=WRITES_OUTSIDE_A_RECORDING)
def test_a_governed_table_refuses_a_write_outside_a_recording(bank: Bank, write: object) -> None:
    with pytest.raises(Unrecorded, match="people_unit is governed"), transaction.atomic():
        write(bank.retail)  # type: ignore[operator]


@pytest.mark.django_db(transaction=True)
def test_a_context_that_outlives_its_recording_may_not_write(bank: Bank) -> None:
    """A task started inside a recording keeps a copy of its context; the transaction it does not keep."""
    with recording(Event.UNIT_OPENED, actor=SYSTEM, reason=WHY, subject=bank.root):
        copied = copy_context()
    with pytest.raises(Unrecorded):
        copied.run(lambda: Unit.objects.update(name="x"))


def test_what_waits_for_the_commit_is_outside_the_recording(
    bank: Bank, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with (
        pytest.raises(Unrecorded),
        django_capture_on_commit_callbacks(execute=True),
        recording(Event.UNIT_OPENED, actor=SYSTEM, reason=WHY, subject=bank.root),
    ):
        transaction.on_commit(lambda: Unit.objects.update(name="x"))


def test_an_entry_too_large_to_be_proven_is_refused_and_nothing_is_half_made(bank: Bank) -> None:
    before = Entry.objects.count()
    with (
        pytest.raises(BadInput, match="at most 65,535 fit"),
        recording(Event.UNIT_OPENED, actor=SYSTEM, reason=WHY) as entry,
    ):
        entry.create(Unit(name="Wordy", slug="wordy", path="wordy"))
        entry.facts = {f"fact_{number}": "x" for number in range(1500)}
    assert not Unit.objects.filter(slug="wordy").exists()
    assert Entry.objects.count() == before


def test_a_block_that_fails_leaves_neither_write_nor_entry(bank: Bank) -> None:
    before = Entry.objects.count()
    with pytest.raises(ZeroDivisionError), recording(Event.UNIT_OPENED, actor=SYSTEM, reason=WHY) as entry:
        entry.create(Unit(name="Half", slug="half", path="half"))
        1 / 0  # noqa: B018
    assert not Unit.objects.filter(slug="half").exists()
    assert Entry.objects.count() == before


def test_a_refused_attempt_is_an_entry_of_its_own(bank: Bank, owner: User, validator: User) -> None:
    with pytest.raises(Refused):
        membership.suspend(user=validator, actor=owner, reason="Too strict")
    assert User.objects.get(pk=validator.pk).is_active
    refusal = Entry.objects.get(type="trail.attempt.refused")
    assert refusal.actor_name == "Olga Owner"
    assert refusal.content["facts"]["attempted"] == "people.user.suspended"
    assert refusal.content["facts"]["codes"] == ["may_not_administer"]


class TestTogether:
    """Recordings that commit together or not at all, and refusals that stay on record."""

    def test_what_was_written_before_a_refusal_is_not(self, bank: Bank, owner: User) -> None:
        with pytest.raises(Refused), together():
            membership.open_unit(name="First", parent=bank.root, actor=SYSTEM, reason="Both or none")
            membership.open_unit(name="Second", parent=bank.retail, actor=owner, reason="Both or none")
        assert not Unit.objects.filter(name__in=["First", "Second"]).exists()
        assert [each.type for each in Entry.objects.filter(payload__reason="Both or none")] == ["trail.attempt.refused"]

    def test_a_refusal_that_was_answered_leaves_the_rest(self, bank: Bank, owner: User) -> None:
        with together():
            membership.open_unit(name="First", parent=bank.root, actor=SYSTEM, reason="Both or none")
            with pytest.raises(Refused):
                membership.open_unit(name="Second", parent=bank.retail, actor=owner, reason="Both or none")
        assert Unit.objects.filter(name="First").exists()
        found = Entry.objects.filter(payload__reason="Both or none")
        assert {each.type for each in found} == {"people.unit.opened", "trail.attempt.refused"}
        assert len({each.action for each in found}) == 1

    def test_what_breaks_leaves_nothing(self, bank: Bank) -> None:
        with pytest.raises(ZeroDivisionError), together():
            membership.open_unit(name="First", parent=bank.root, actor=SYSTEM, reason="Both or none")
            raise ZeroDivisionError
        assert not Entry.objects.filter(payload__reason="Both or none").exists()


def test_an_entry_needs_a_reason_and_a_subject(bank: Bank) -> None:
    with pytest.raises(VagueRecord, match="no reason"):
        membership.open_unit(name="Vague", parent=bank.root, actor=SYSTEM, reason="  ")
    with pytest.raises(VagueRecord, match="what it is about"), recording(Event.SIGNED_IN, actor=SYSTEM, reason=WHY):
        pass


def test_recordings_do_not_nest(bank: Bank) -> None:
    with (
        pytest.raises(RuntimeError, match="one action makes one entry"),
        recording(Event.SIGNED_IN, actor=SYSTEM, reason=WHY, subject=bank.root),
        recording(Event.SIGNED_IN, actor=SYSTEM, reason=WHY, subject=bank.root),
    ):
        pass


ATTACKS = {
    "update": "UPDATE {table} SET {column} = {column}",
    "delete": "DELETE FROM {table}",
    "replace": "INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
    "truncate": "TRUNCATE {table} CASCADE",
    "replica role": "SET session_replication_role = replica; DELETE FROM {table}",
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    ("table", "column"), [("trail_entry", "body"), ("trail_leaf", "hash"), ("trail_checkpoint", "note")]
)
def test_the_database_refuses_to_change_a_ledger_row(bank: Bank, attack: str, table: str, column: str) -> None:
    only = {"replace": "sqlite", "truncate": "postgresql", "replica role": "postgresql"}
    if only.get(attack, connection.vendor) != connection.vendor:
        pytest.skip(f"{connection.vendor} has no {attack}")
    checkpoints.current()
    if connection.vendor == "postgresql":
        connection.cursor().execute(
            "SET CONSTRAINTS ALL IMMEDIATE"
        )  # so that nothing but the trigger stands in the way
    sql = ATTACKS[attack].format(table=table, column=column)
    with pytest.raises(Exception, match="append-only"), transaction.atomic():
        from trail import guard

        open_ = guard.is_recording.set(True)  # an insider who gets past the guard
        try:
            connection.cursor().execute(sql)
        finally:
            guard.is_recording.reset(open_)


def test_the_tree_holds_every_entry_and_proves_it(bank: Bank, owner: User) -> None:
    checkpoint = checkpoints.current()
    assert checkpoint.size == Entry.objects.count() == Leaf.objects.count()
    hashes = [bytes(leaf.hash) for leaf in Leaf.objects.order_by("index")]
    assert merkle.root(hashes) == bytes(checkpoint.root)
    for found in checkpoints.inclusions(list(range(checkpoint.size)), size=checkpoint.size):
        assert merkle.leaf_hash(found.body) == found.leaf_hash
        merkle.verify_inclusion(found.index, found.size, found.leaf_hash, found.proof, found.root)


def test_a_later_checkpoint_extends_an_earlier_one(bank: Bank) -> None:
    early = checkpoints.current()
    membership.open_unit(name="Later", parent=bank.root, actor=SYSTEM, reason=WHY)
    late = checkpoints.current()
    proof = tiles.consistency_proof(early.size, ledger.nodes(late.size))
    merkle.verify_consistency(early.size, late.size, bytes(early.root), bytes(late.root), proof)
    assert checkpoints.current().pk == late.pk


def test_an_index_outside_the_tree_is_named(bank: Bank) -> None:
    size = checkpoints.current().size
    with pytest.raises(BadInput, match=f"no entry {size}"):
        checkpoints.inclusions([size], size=size)


def test_the_body_is_canonical_and_alone_counts(bank: Bank) -> None:
    entry = Entry.objects.first()
    assert entry is not None
    body = bytes(entry.body)
    assert body == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_nobody_grants_themselves_a_role(bank: Bank, administrator: User) -> None:
    with pytest.raises(Refused, match="to themselves"):
        membership.grant(user=administrator, role=Role.VALIDATOR, unit=bank.root, actor=administrator, reason="Why not")
    assert not RoleGrant.objects.filter(user=administrator, role=Role.VALIDATOR).exists()
