"""The signer keeps its own memory: it signs no log that went back, and nothing with a key that nobody introduced."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction

from people import membership
from people.models import RoleGrant, User
from people.roles import Role
from tests.personas import WHY, Bank
from tests.trail import damage
from trail import checkpoints, fsck, keys, ledger, merkle, notes, rotation, signer, tiles
from trail.actors import SYSTEM, Actor
from trail.errors import BadInput, Refused
from trail.events import Event
from trail.models import Checkpoint, Entry
from trail.record import recording

pytestmark = pytest.mark.django_db

OPERATOR = Actor(id="operator", name="Opal Operator", kind="operator")


@pytest.fixture(autouse=True)
def own_key(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.SIGNING_KEY_PATH = tmp_path / "signing_key.pem"
    keys.signing_key.cache_clear()
    yield
    keys.signing_key.cache_clear()


@pytest.fixture
def lose(bank: Bank, outsider: User) -> Callable[[], int]:
    """Put back a backup of the database from before the last entries; the signer's memory stays. The size lost."""
    checkpoints.current()
    backup = transaction.savepoint()

    def restore() -> int:
        for number in range(5):
            damage.say(number)
        size = checkpoints.current().size
        transaction.savepoint_rollback(backup)
        return size

    return restore


def grant(user: User, bank: Bank) -> RoleGrant:
    return membership.grant(user=user, role=Role.VALIDATOR, unit=bank.root, actor=SYSTEM, reason=WHY)


def test_a_restored_backup_holds_up_decisions_and_checkpoints_until_somebody_answers(
    lose: Callable[[], int], bank: Bank, outsider: User
) -> None:
    kept = checkpoints.current()
    size, left = lose(), ledger.size_and_root()[0]
    with pytest.raises(Refused) as refused:
        grant(outsider, bank)
    (objection,) = refused.value.objections
    assert objection.code == "log_went_back"
    assert objection.sentence == (
        f"The log holds {left:,} entries, but a checkpoint over {size:,} was signed: entries are lost."
    )
    assert not RoleGrant.objects.filter(user=outsider, role=Role.VALIDATOR, unit=bank.root).exists()
    ledger.catch_up()
    refusal = Entry.objects.filter(type=Event.ATTEMPT_REFUSED.value).latest("at")
    assert refusal.content["facts"]["codes"] == ["log_went_back"]
    with pytest.raises(signer.LogLost):
        checkpoints.current()
    damage.say(99)  # what decides nothing goes on
    assert Checkpoint.objects.order_by("-size").first() == kept


def test_a_restored_log_that_has_grown_past_what_was_signed_is_held_up_too(
    lose: Callable[[], int], bank: Bank, outsider: User
) -> None:
    size = lose()
    damage.fill(size + 3)
    with pytest.raises(Refused) as refused:
        grant(outsider, bank)
    assert [each.code for each in refused.value.objections] == ["log_rewritten"]
    with pytest.raises(signer.LogLost, match="some of them were changed"):
        checkpoints.current()


def test_two_trees_of_one_size_are_never_both_signed(lose: Callable[[], int]) -> None:
    size = lose()
    damage.fill(size)
    assert ledger.size_and_root()[0] == size
    with pytest.raises(signer.LogLost, match="does not continue"):
        checkpoints.current()


def test_a_fork_is_an_entry_and_the_log_goes_on(
    lose: Callable[[], int], bank: Bank, outsider: User, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    size = lose()
    kept.write_text(signer.state().note)
    before = ledger.size_and_root()[0]
    counted = rotation.accept_fork(actor=OPERATOR, reason="The disk of the database died")
    assert counted == {"size": before, "lost": size - before}
    entry = Entry.objects.get(type=Event.FORKED.value)
    assert entry.leaf.index == before
    assert entry.sentence == f"Opal Operator let the log go on from {before} entries, after {size - before} were lost"
    assert entry.content["facts"]["signed_note"] == kept.read_text()
    grant(outsider, bank)
    late = checkpoints.current()
    notes.open_note(late.note, keys.verifier_key())
    assert fsck.examine(with_rows=True).is_clean
    (finding,) = fsck.examine(anchors=[kept]).findings
    assert finding.table == str(kept)
    assert finding.sentence.endswith(f"The log tells of a fork at {before:,} entries.")


def test_a_fork_that_stands_in_no_entry_is_named(lose: Callable[[], int]) -> None:
    lose()
    rotation.accept_fork(actor=OPERATOR, reason=WHY)
    last = json.loads(signer._path().read_text())
    last["forks"].append(last["forks"][0] | {"at": "2026-01-01T00:00:00+00:00"})
    signer._path().write_text(json.dumps(last))
    assert any("stands in no entry of the log" in str(finding) for finding in fsck.examine().findings)


def test_an_interrupted_answer_is_given_again(lose: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry is there before the signer forgets: in between, the log is still held up."""
    lose()
    with monkeypatch.context() as patched, pytest.raises(OSError, match="full"):

        def full(_: Any) -> None:
            raise OSError("full")

        patched.setattr(signer, "keep", full)
        rotation.accept_fork(actor=OPERATOR, reason=WHY)
    with pytest.raises(signer.LogLost):
        checkpoints.current()
    rotation.accept_fork(actor=OPERATOR, reason=WHY)
    assert Entry.objects.filter(type=Event.FORKED.value).count() == 2
    checkpoints.current()


def test_there_is_no_fork_to_answer_for_where_nothing_is_lost(bank: Bank) -> None:
    checkpoints.current()
    damage.say(1)
    with pytest.raises(BadInput, match="The log continues what was signed"):
        rotation.accept_fork(actor=OPERATOR, reason=WHY)
    with pytest.raises(CommandError, match="no fork to answer for"):
        call_command("accept_fork", "--operator", "Opal", "--reason", WHY)


def test_the_command_says_what_is_lost(lose: Callable[[], int]) -> None:
    lose()
    said = StringIO()
    call_command("accept_fork", "--operator", "Opal Operator", "--reason", "restored", stdout=said)
    assert "The log goes on from" in said.getvalue()
    assert Entry.objects.get(type=Event.FORKED.value).actor_name == "Opal Operator"


def test_a_new_key_begins_where_the_old_one_ends(bank: Bank) -> None:
    checkpoints.current()
    old = keys.verifier_key()
    made = rotation.rotate(actor=SYSTEM, reason="Every year")
    new = keys.verifier_key()
    assert new == made.vkey != old
    closing = Checkpoint.objects.latest("size")
    assert Entry.objects.get(type=Event.KEY_ROTATED.value).leaf.index == closing.size - 1
    damage.say(1)
    first = checkpoints.current()
    notes.open_note(closing.note, old)
    notes.open_note(first.note, new)
    for note, wrong in ((closing.note, new), (first.note, old)):
        with pytest.raises(notes.InvalidNote):
            notes.open_note(note, wrong)
    assert [(each.vkey, each.first, each.last) for each in signer.ring()] == [
        (old, 0, closing.size),
        (new, closing.size + 1, None),
    ]
    proof = tiles.consistency_proof(closing.size, ledger.nodes(first.size))
    merkle.verify_consistency(closing.size, first.size, bytes(closing.root), bytes(first.root), proof)
    exported = StringIO()
    call_command("export_key", stdout=exported)
    assert f"log {old} sizes 0-{closing.size}\nlog {new} sizes {closing.size + 1}-\n" in exported.getvalue()
    assert fsck.examine().is_clean
    assert len(list(signer._path().parent.glob("signing_key.until-*.pem"))) == 1


def test_a_key_is_not_used_twice(bank: Bank) -> None:
    checkpoints.current()
    with pytest.raises(BadInput, match="has signed the log already"):
        rotation.rotate(actor=SYSTEM, reason=WHY, given=keys.signing_key())


def test_a_strange_key_signs_nothing(bank: Bank, settings: Any) -> None:
    checkpoints.current()
    damage.say(1)
    settings.SIGNING_KEY = keys.pem(Ed25519PrivateKey.generate()).decode()
    keys.signing_key.cache_clear()
    with pytest.raises(signer.LogLost, match="not the one this log is signed with"):
        checkpoints.current()


def test_where_the_environment_gives_keys_the_new_one_is_named(bank: Bank, settings: Any, tmp_path: Path) -> None:
    settings.SIGNING_KEY = keys.pem(Ed25519PrivateKey.generate()).decode()
    keys.signing_key.cache_clear()
    checkpoints.current()
    with pytest.raises(CommandError, match="COUNTERSIGN_SIGNING_KEY gives the key"):
        call_command("rotate_key", "--reason", WHY)
    fresh, said = tmp_path / "fresh.pem", StringIO()
    fresh.write_bytes(keys.pem(Ed25519PrivateKey.generate()))
    call_command("rotate_key", "--reason", WHY, "--new", fresh, stdout=said)
    assert signer.ring()[-1].vkey in said.getvalue()
    damage.say(1)
    with pytest.raises(signer.LogLost, match="not the one this log is signed with"):
        checkpoints.current()  # until the variable holds the new key
    settings.SIGNING_KEY = fresh.read_text()
    keys.signing_key.cache_clear()
    checkpoints.current()
    assert fsck.examine().is_clean


def test_a_key_that_takes_the_place_of_a_lost_one_is_introduced_on_the_record(bank: Bank, settings: Any) -> None:
    size, lost = checkpoints.current().size, keys.verifier_key()
    settings.SIGNING_KEY_PATH.unlink()
    keys.signing_key.cache_clear()
    damage.say(1)
    with pytest.raises(signer.LogLost, match="or introduce it"):
        checkpoints.current()
    call_command("rotate_key", "--reason", "The disk with the key died", stdout=StringIO())
    entry = Entry.objects.get(type=Event.KEY_ROTATED.value)
    assert entry.content["facts"] == {"old_key": lost, "new_key": keys.verifier_key()}
    ring = [(each.vkey, each.first, each.last) for each in signer.ring()]
    assert ring == [(lost, 0, size), (keys.verifier_key(), size + 1, None)]
    assert fsck.examine().is_clean
    signer._path().unlink()
    assert [(each.vkey, each.first, each.last) for each in signer.ring()] == ring


def test_a_checkpoint_signed_by_a_key_outside_its_sizes_is_named(bank: Bank) -> None:
    checkpoints.current()
    rotation.rotate(actor=SYSTEM, reason=WHY)
    damage.say(1)
    checkpoints.current()
    last = json.loads(signer._path().read_text())
    last["keys"][1]["first"] += 100
    signer._path().write_text(json.dumps(last))
    assert any(finding.table == "trail_checkpoint" for finding in fsck.examine().findings)


def test_a_backup_from_before_a_rotation_leaves_the_new_key_good_for_what_follows(bank: Bank) -> None:
    checkpoints.current()
    backup = transaction.savepoint()
    damage.say(1)
    rotation.rotate(actor=SYSTEM, reason=WHY)
    damage.say(2)
    checkpoints.current()
    transaction.savepoint_rollback(backup)
    rotation.accept_fork(actor=OPERATOR, reason=WHY)
    assert fsck.examine().is_clean


def test_without_its_memory_the_signer_goes_on_from_the_newest_checkpoint(bank: Bank) -> None:
    first = checkpoints.current()
    old = keys.verifier_key()
    rotation.rotate(actor=SYSTEM, reason=WHY)
    damage.say(1)
    newest, ring = checkpoints.current(), signer.ring()
    signer._path().unlink()
    assert any("signer’s state is gone" in str(finding) for finding in fsck.examine().findings)
    state = signer.state()
    assert (state.size, state.note, state.keys) == (newest.size, newest.note, ring)
    assert ring[0].vkey == old
    assert first.size < newest.size
    damage.say(2)
    checkpoints.current()
    assert signer._path().exists()
    assert fsck.examine().is_clean


def test_without_its_memory_a_log_shorter_than_its_newest_checkpoint_is_held_up(bank: Bank, outsider: User) -> None:
    damage.fill(20)
    checkpoints.current()
    damage.loosen()
    damage.cut(15, "trail_anchor")
    signer._path().unlink()
    with pytest.raises(Refused, match="entries are lost"):
        grant(outsider, bank)


@pytest.mark.parametrize("change", ["note = 'forged'", "size = size + 1", "root = note"])
def test_without_its_memory_the_signer_takes_no_checkpoint_for_it_that_does_not_verify(bank: Bank, change: str) -> None:
    checkpoints.current()
    damage.loosen()
    if change.startswith("root"):
        damage.execute("UPDATE trail_checkpoint SET root = %s", bytes(32))
    else:
        damage.execute(f"UPDATE trail_checkpoint SET {change}")
    signer._path().unlink()
    with pytest.raises(signer.LogLost, match="can't take its place"):
        signer.state()


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"keys": [], "size": 1, "root": "AAAA"}'])
def test_a_memory_that_can_not_be_read_is_no_reason_to_begin_anew(bank: Bank, text: str) -> None:
    checkpoints.current()
    signer._path().write_text(text)
    damage.say(1)
    with pytest.raises(signer.LogLost, match="can't be read, so nobody knows what was signed last"):
        checkpoints.current()


def test_nothing_is_signed_that_may_yet_be_rolled_back(bank: Bank) -> None:
    damage.say(1)
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        checkpoints.current()
    with (
        pytest.raises(RuntimeError, match="ask for it after the recording"),
        recording(Event.ATTEMPT_REFUSED, actor=SYSTEM, reason=WHY, subject=bank.root),
    ):
        checkpoints.current()


def test_a_signer_that_dies_before_its_checkpoint_is_stored_signs_the_same_tree_again(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(checkpoints, "_kept", lambda *_: 1 / 0)
        checkpoints.current()
    assert not Checkpoint.objects.exists()
    assert checkpoints.current().size == signer.state().size
    assert fsck.examine().is_clean


def test_the_memory_is_for_the_signer_alone(bank: Bank) -> None:
    checkpoints.current()
    assert signer._path().stat().st_mode & 0o077 == 0
