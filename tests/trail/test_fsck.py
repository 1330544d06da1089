"""Every change of the ledger behind the app's back is named by fsck, or by a checkpoint that somebody else kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from people import membership
from people.models import Unit, User
from tests.personas import Bank
from tests.trail import damage
from tests.trail.damage import KEY, execute, keys, name, other, put, says, value
from tests.trail.tsa import Authority, serving
from trail import anchors, checkpoints, cosigning, fsck, guard, ledger, notes, signer
from trail.actors import SYSTEM
from trail.fsck import reading
from trail.fsck.reading import BYTES, ID, INT, TABLES, TEXT, TIME
from trail.keys import signing_key
from trail.models import Anchor, Image

pytestmark = pytest.mark.django_db

TABLES_HERE = [table for table in TABLES if table != "trail_pending" or connection.vendor == "postgresql"]
# what nothing commits to, as docs/decisions/0016-what-the-ledger-detects.md says
UNSEEN = {
    ("trail_image", "id"),
    ("trail_pending", "id"),
    ("trail_tile", "id"),
    ("trail_checkpoint", "id"),
    ("trail_anchor", "id"),
    ("trail_anchor", "target"),
    ("trail_anchor", "at"),
}


@pytest.fixture
def log(bank: Bank, owner: User) -> None:
    damage.build(bank, owner)


@pytest.fixture
def loose(log: None) -> None:
    damage.loosen()


class Undo(Exception):
    pass


def after(change: Any) -> fsck.Report:
    """The report on the ledger with a change, which is then undone."""
    try:
        with transaction.atomic():
            change()
            found = fsck.examine()
            raise Undo
    except Undo:
        return found


def choose(table: str, count: int = 1) -> list[Any]:
    return damage.DICE.sample(keys(table), min(count, len(keys(table))))


def test_a_ledger_that_nobody_touched_is_clean(log: None, bank: Bank) -> None:
    report = fsck.examine(with_rows=True)
    assert report.findings == []
    assert report.read["leaves"] > damage.SPAN
    assert report.read["checkpoints"] == 4
    assert report.read["governed rows"] == Unit.objects.count() + User.objects.count() + 1
    assert report.undetectable


def test_without_guards_the_rows_are_still_sound(loose: None) -> None:
    report = fsck.examine()
    assert {finding.sentence.split()[0] for finding in report.findings} == {"the"}
    assert all("trigger" in finding.sentence for finding in report.findings)


@pytest.mark.parametrize("table", TABLES_HERE)
def test_every_table_is_held(loose: None, table: str) -> None:
    """One log for all of it, because it takes a while to make: each change is undone before the next."""
    columns_are_held(table)
    a_row_that_is_gone_is_missed(table)
    two_rows_that_exchange_their_values_are_named(table)
    a_row_put_in_or_doubled_is_named(table)


def columns_are_held(table: str) -> None:
    """Another value, none at all, and on SQLite a value of another type: each is named with its table and row."""
    found = list(every_change(table))
    for changed in together(found, [key for _, key, _ in found]):

        def change(changed: list[Any] = changed) -> None:
            for column, key, new in changed:
                put(table, column, key, new)

        report = after(change)
        for column, key, new in changed:
            names = [name(key)] if column != KEY[table] else [name(key), name(new), "?", "None", "1"]
            named = says(report, table, *names) or is_moved(report, table, column)
            assert named, f"{table}.{column} of {key} became {new!r:.60}"


def every_change(table: str) -> Iterator[tuple[str, Any, Any]]:
    """(column, row, new value): of each column every change, each in a row of its own if there are enough."""
    rows = choose(table, 50) * 50
    for column, kind in TABLES[table].items():
        key = rows[0]
        for place, new in enumerate(changes(kind, value(table, column, key))):
            row = rows[place]
            fresh = other(kind, value(table, column, row)) if place == 0 else new
            if (table, column) not in UNSEEN or fresh is None or is_of_another_type(fresh, value(table, column, row)):
                yield column, row, fresh
        rows = rows[4:]


def together(changed: list[Any], touched: list[Any]) -> Iterator[list[Any]]:
    """At once what happens in different rows; one by one where rows are few."""
    if len(set(touched)) == len(touched):
        yield changed
    else:
        yield from ([each] for each in changed)


def changes(kind: str, old: Any) -> Iterator[Any]:
    yield other(kind, old)
    yield None
    if connection.vendor == "sqlite":
        yield {INT: "many", TEXT: b"\xff\xfe", BYTES: "a text", ID: b"\x00" * 16, TIME: 1_700_000_000}[kind]
        yield {INT: 1.5, TEXT: b"bytes", BYTES: 7, ID: 12.5, TIME: "yesterday"}[kind]


def is_of_another_type(new: Any, old: Any) -> bool:
    return type(new) is not type(old) and old is not None and connection.vendor == "sqlite"


def is_moved(report: fsck.Report, table: str, column: str) -> bool:
    """A row that was put elsewhere is named where it is and where it should be."""
    if table == "trail_image" and column == "entry_id":
        return any(finding.table == table for finding in report.findings)
    return table == "trail_tile" and column in {"level", "index"} and any(f.table == table for f in report.findings)


def a_row_that_is_gone_is_missed(table: str) -> None:
    (key,) = choose(table)
    report = after(lambda: execute(f'DELETE FROM "{table}" WHERE "{KEY[table]}" = %s', key))
    # by itself a checkpoint or an anchor is one of several, and says nothing that others don't
    if table in {"trail_checkpoint", "trail_anchor"}:
        assert all("trigger" in finding.sentence for finding in report.findings)
        return
    named = {
        "trail_entry": lambda: says(report, "trail_leaf", *leaf_of(key)) or says(report, "trail_pending", name(key)),
        "trail_pending": lambda: says(report, "trail_entry", name(key)),
        "trail_image": lambda: any(finding.table == table for finding in report.findings),
    }.get(table, lambda: says(report, table, name(key)))
    assert named(), report.findings


def leaf_of(entry: Any) -> list[str]:
    return [str(index) for (index,) in execute('SELECT "index" FROM trail_leaf WHERE entry_id = %s', entry)] or ["none"]


def two_rows_that_exchange_their_values_are_named(table: str) -> None:
    exchanges = list(every_exchange(table))
    for exchanged in together(exchanges, [key for _, rows in exchanges for key, _ in rows]):

        def change(exchanged: list[Any] = exchanged) -> None:
            for column, rows in exchanged:
                for key, new in rows:
                    put(table, column, key, new)

        report = after(change)
        for column, rows in exchanged:
            for key, _ in rows:
                named = says(report, table, name(key)) or is_moved(report, table, column)
                assert named, f"{table}.{column} of {[each for each, _ in rows]}"


def every_exchange(table: str) -> Iterator[tuple[str, list[tuple[Any, Any]]]]:
    rows = choose(table, 50)
    for column in TABLES[table]:
        if (table, column) in UNSEEN or column == KEY[table]:
            continue
        values = {value(table, column, key): key for key in rows}
        if len(values) > 1:
            (mine, one), (yours, two) = list(values.items())[:2]
            yield column, [(one, yours), (two, mine)]
            if len(rows) > 2 * len(TABLES[table]):
                rows = [key for key in rows if key not in {one, two}]


def a_row_put_in_or_doubled_is_named(table: str) -> None:
    (key,) = choose(table)
    columns = ", ".join(f'"{column}"' for column in TABLES[table])
    doubled = after(
        lambda: execute(
            f'INSERT INTO "{table}" ({columns}) SELECT {columns} FROM "{table}" WHERE "{KEY[table]}" = %s', key
        )
    )
    assert any(finding.table == table and "trigger" not in finding.sentence for finding in doubled.findings)

    def put_in() -> None:
        execute(f'CREATE TABLE other AS SELECT * FROM "{table}" WHERE "{KEY[table]}" = \'{key}\'')
        new = other(TABLES[table][KEY[table]], key)
        execute(f'UPDATE other SET "{KEY[table]}" = %s', new)
        execute(f'INSERT INTO "{table}" ({columns}) SELECT {columns} FROM other')

    if table == "trail_anchor":
        return  # an anchor more, of what is true, is true
    report = after(put_in)
    assert any(finding.table == table and "trigger" not in finding.sentence for finding in report.findings)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's columns have no types to change")
@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE trail_entry ALTER body TYPE text USING encode(body, 'hex')",
        "ALTER TABLE trail_entry ALTER at TYPE timestamp USING at",
        "ALTER TABLE trail_leaf ALTER index TYPE text USING index::text",
        "ALTER TABLE trail_leaf DROP COLUMN hash",
        "ALTER TABLE trail_payload RENAME TO trail_said",
        "ALTER TABLE trail_payload RENAME TO said; CREATE VIEW trail_payload AS SELECT * FROM said",
    ],
)
def test_a_table_that_is_not_what_it_was_is_named_and_nothing_breaks(log: None, change: str) -> None:
    execute("ALTER TABLE trail_leaf DISABLE TRIGGER ALL; ALTER TABLE trail_entry DISABLE TRIGGER ALL")
    report = after(lambda: execute(change))
    assert not report.is_clean
    assert report.findings[0].table in change


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only there do entries wait")
def test_what_is_not_detected_an_entry_gone_with_all_its_traces_before_it_had_its_place(log: None) -> None:
    """Stated in docs/decisions/0016-what-the-ledger-detects.md. Decisions never wait, so none can go like this."""
    (entry,) = choose("trail_pending")
    execute("ALTER TABLE trail_entry DISABLE TRIGGER ALL")
    for table, column in (("trail_pending", "entry_id"), ("trail_payload", "entry_id"), ("trail_entry", "id")):
        execute(f'DELETE FROM {table} WHERE "{column}" = %s', entry)
    execute("ALTER TABLE trail_entry ENABLE ALWAYS TRIGGER trail_entry_no_change")
    execute("ALTER TABLE trail_entry ENABLE ALWAYS TRIGGER trail_entry_no_truncate")
    assert fsck.examine().is_clean


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only there do entries wait")
def test_an_entry_that_waits_for_long_is_named(log: None) -> None:
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        report = fsck.examine()
    assert [str(finding) for finding in report.findings] == [
        "trail_pending: 3 entries wait for their places in the tree for more than a minute: does a worker run?"
    ]


def forget() -> None:
    Path(signer.settings.SIGNER_STATE).unlink()


def of_the_rows(report: fsck.Report) -> list[str]:
    """Without what the loosened tables lack: triggers, and numbers that the database gives."""
    return [str(each) for each in report.findings if "trigger" not in each.sentence and each.column != "id"]


def test_a_log_cut_at_its_end_is_known_by_the_signers_memory_and_by_a_kept_checkpoint(
    loose: None, tmp_path: Path
) -> None:
    kept = keep(tmp_path)
    size = checkpoints.current().size
    damage.cut(size - 3)
    assert any("the log went back" in sentence for sentence in of_the_rows(fsck.examine()))
    forget()
    # everything that the installation itself holds has gone back together
    assert [each for each in of_the_rows(fsck.examine()) if "signer’s state is gone" not in each] == []
    (sentence,) = [each for each in of_the_rows(fsck.examine(anchors=[kept])) if str(kept) in each]
    assert sentence == f"{kept}: the log went back: only {size - 3:,} leaves are left of {size:,}."


def keep(folder: Path) -> Path:
    """What an auditor takes away."""
    path = folder / "kept.checkpoint"
    path.write_text(checkpoints.current().note)
    return path


def test_a_log_rewritten_with_the_stolen_key_is_known_by_a_kept_checkpoint(loose: None, tmp_path: Path) -> None:
    kept = keep(tmp_path)
    size = checkpoints.current().size
    damage.cut(size - 3)
    forget()
    damage.fill(size + 5)
    checkpoints.current()  # signed with the right key
    assert of_the_rows(fsck.examine()) == []
    (sentence,) = of_the_rows(fsck.examine(anchors=[tmp_path]))
    assert sentence == f"{kept}: this is not the root of the first {size:,} leaves."


def test_a_backup_put_back_is_known_by_the_signers_memory_also_after_the_log_has_grown(loose: None) -> None:
    damage.cut(checkpoints.current().size - 3)
    damage.fill(ledger.size_and_root()[0] + 9)
    place = str(signer.settings.SIGNER_STATE)
    assert any(place in sentence and "is not the root" in sentence for sentence in of_the_rows(fsck.examine()))


def test_a_kept_checkpoint_that_nobody_of_the_log_signed_is_named(log: None, tmp_path: Path) -> None:
    path = keep(tmp_path)
    lines = path.read_text().split("\n")
    path.write_text("\n".join(line for line in lines if "cosigner" in line or not line.startswith("—")))
    (finding,) = fsck.examine(anchors=[path]).findings
    assert "no key of this log has signed this checkpoint" in str(finding)


def test_rows_changed_past_the_app_are_named(log: None, bank: Bank, developer: User) -> None:
    extra = "00000000-0000-4000-8000-000000000001"
    stored = extra.replace("-", "") if connection.vendor == "sqlite" else extra
    execute("UPDATE people_unit SET name = 'Renamed' WHERE path = %s", bank.retail.path)
    columns = "name, slug, path, parent_id"
    execute(f"INSERT INTO people_unit (id, {columns}) SELECT %s, 'X', 'x', 'x', NULL FROM people_unit LIMIT 1", stored)
    gone = Unit.objects.get(name="Desk 1")
    execute("DELETE FROM people_unit WHERE name = 'Desk 1'")
    report = fsck.examine(with_rows=True)
    assert sorted((finding.table, finding.row, finding.column) for finding in report.findings) == sorted([
        ("people_unit", str(bank.retail.pk), "name"),
        ("people_unit", extra, ""),
        ("people_unit", str(gone.pk), ""),
    ])  # fmt: skip
    assert fsck.examine().is_clean  # only --rows looks there
    assert any("--rows" in sentence for sentence in fsck.examine().unchecked)


def test_an_older_image_can_not_take_the_place_of_the_newest(log: None, developer: User) -> None:
    """Somebody puts back an earlier state of a row, and gives the image of that state the highest number."""
    membership.suspend(user=developer, actor=SYSTEM, reason="has left")
    ledger.catch_up()
    first = Image.objects.filter(row_id=str(developer.pk)).earliest("id")
    execute("UPDATE trail_image SET id = 1000000 WHERE id = %s", first.pk)
    execute("UPDATE people_user SET is_active = %s WHERE email = %s", True, developer.email)
    (finding,) = fsck.examine(with_rows=True).findings
    assert (finding.table, finding.row, finding.column) == ("people_user", str(developer.pk), "is_active")


def test_a_governed_row_that_can_not_be_read_is_named(log: None, developer: User) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL keeps its types")
    execute("UPDATE people_user SET joined_at = 'long ago' WHERE email = %s", developer.email)
    execute("UPDATE people_rolegrant SET id = 'none' WHERE user_id = %s", developer.pk.hex)
    named = [(finding.table, finding.row, finding.column) for finding in fsck.examine(with_rows=True).findings]
    assert ("people_user", str(developer.pk), "joined_at") in named
    assert ("people_rolegrant", "none", "id") in named


@pytest.fixture
def outside(log: None, tmp_path: Path, settings: Any) -> None:
    """The same checkpoint, dated by an authority and cosigned by a witness."""
    authority, key = Authority(tmp_path / "authority"), Ed25519PrivateKey.generate()
    settings.TSA_ROOTS = str(authority.folder / "chain.pem")
    with serving(authority.answer) as url:
        anchors.anchor_tsa(url)
    checkpoint = checkpoints.current()
    note = cosigning.cosign(checkpoint.note, name=WITNESS, private_key=key, at=timezone.now())
    settings.WITNESSES = [f"http://127.0.0.1:1|{cosigning.vkey(WITNESS, key.public_key())}"]
    signed = cosigning.verify(note, settings.WITNESSES[0].partition("|")[2])
    with transaction.atomic(), guard.opened():
        Anchor.objects.create(
            kind="witness", target=WITNESS, size=checkpoint.size, root=checkpoint.root, token=note.encode(), at=signed
        )
    damage.loosen()


WITNESS = "witness.example/one"


def test_anchors_by_others_are_held_by_what_they_signed(outside: None, settings: Any) -> None:
    assert of_the_rows(fsck.examine()) == []
    rows = dict(execute("SELECT kind, id FROM trail_anchor WHERE kind <> 'file'"))
    assert set(rows) == {"tsa", "witness"}
    for kind, key in rows.items():
        later = (Anchor.objects.get(pk=key).at + timedelta(seconds=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
        for column, new in {
            "at": later,
            "token": other(BYTES, value("trail_anchor", "token", key)),
            "kind": "file",
            "size": 3,
            "root": bytes(32),
        }.items():
            report = after(lambda: put("trail_anchor", column, key, new))  # noqa: B023 - called at once
            assert says(report, "trail_anchor", name(key)), (kind, column)
    report = after(lambda: put("trail_anchor", "target", rows["witness"], "witness.example/two"))
    assert says(report, "trail_anchor", name(rows["witness"]))


def test_what_no_pin_is_known_for_is_said_to_be_unchecked(outside: None, settings: Any, tmp_path: Path) -> None:
    settings.TSA_ROOTS, settings.WITNESSES = "", []
    unchecked = " ".join(fsck.examine().unchecked)
    assert "COUNTERSIGN_TSA_ROOTS gives no root" in unchecked
    assert f"COUNTERSIGN_WITNESSES does not name {WITNESS}" in unchecked
    settings.TSA_ROOTS, settings.ANCHOR_DIR = str(tmp_path / "none"), str(tmp_path / "nowhere")
    unchecked = " ".join(fsck.examine().unchecked)
    assert "COUNTERSIGN_TSA_ROOTS can’t be read" in unchecked
    assert "can’t be read from here" in unchecked


def test_the_folder_that_holds_checkpoints_outside_is_read_unasked(log: None, settings: Any, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    settings.ANCHOR_DIR = str(folder)
    anchors.anchor_file(folder)
    assert fsck.examine().is_clean
    (kept,) = folder.iterdir()
    text = notes.checkpoint_text(settings.LOG_ORIGIN, 7, bytes(32))
    kept.write_text(notes.sign_note(text, name=settings.LOG_ORIGIN, private_key=signing_key()))
    (finding,) = fsck.examine().findings
    assert str(finding) == f"{kept}: this is not the root of the first 7 leaves."


def run(*options: Any) -> tuple[int, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command("fsck_trail", *options, stdout=out, stderr=err)
    except SystemExit as done:
        return int(str(done.code)), out.getvalue() + err.getvalue()
    raise AssertionError("no exit code")


def test_the_command_speaks_and_its_exit_code_does(log: None, tmp_path: Path) -> None:
    code, said = run("--rows", "--anchor", keep(tmp_path))
    assert code == 0
    assert "Nothing was found." in said
    assert "Cannot be seen:" in said
    execute("UPDATE trail_payload SET reason = 'another' WHERE actor_name <> ''")
    code, said = run()
    assert code == 1
    assert "trail_payload, row " in said
    assert "reason: does not equal what the payload discloses." in said
    code, said = run("--json")
    assert code == 1
    report = json.loads(said)
    assert report["clean"] is False
    assert report["findings"][0].keys() == {"table", "row", "column", "sentence"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "can’t be read"),
        ("hello", "holds no checkpoint"),
        ("a.example/log\n1\nAAAA\n\nx\n", "holds no checkpoint"),
    ],
)
def test_what_can_not_be_looked_at_is_no_clean_bill(
    bank: Bank, tmp_path: Path, content: str | None, sentence: str
) -> None:
    path = tmp_path / "kept"
    if content is not None:
        path.write_text(content)
    code, said = run("--anchor", path)
    assert code == 2
    assert sentence in said
    folder = tmp_path / "empty"
    folder.mkdir()
    assert run("--anchor", folder)[0] == 2


def test_an_empty_log_is_clean(db: None) -> None:
    assert fsck.examine().is_clean


@pytest.mark.parametrize("text", ["", "{", "[]", '{"keys": 3}', '{"size": "1", "keys": []}', '{"keys": [], "more": 1}'])
def test_a_signers_state_that_can_not_be_read_is_named(log: None, text: str) -> None:
    Path(signer.settings.SIGNER_STATE).write_text(text)
    assert any("can't be read" in str(finding) for finding in fsck.examine().findings)


def test_the_reading_of_a_wrong_type_never_breaks() -> None:
    for kind, stored in reading.STORED.items():
        for other_type, raw in (("real", b"1.5"), ("blob", b"\xff"), ("text", b"\xff"), ("integer", b"1")):
            if other_type != stored:
                with pytest.raises(ValueError, match="type"):
                    reading._value(kind, other_type, raw)
