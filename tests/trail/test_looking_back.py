"""Who may look back, to when, and that looking changes nothing."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from people import erasing, membership
from people.models import RoleGrant, User
from people.roles import Role
from registry import inventory
from registry.events import Event
from registry.models import RegisteredModel, Version
from tests.personas import WHY, Bank, person
from trail import checkpoints, guard, images, moments, past, snapshots
from trail.actors import SYSTEM
from trail.models import Entry, Image, Leaf
from trail.record import recording

pytestmark = pytest.mark.django_db

Api = Callable[..., APIClient]
Page = Callable[[User], Client]


@pytest.fixture(autouse=True)
def past_root(settings: Any, tmp_path: Any) -> Any:
    settings.PAST_ROOT = tmp_path / "past"
    return settings.PAST_ROOT


def renamed(model: RegisteredModel, owner: User, name: str) -> datetime:
    """The moment before the model got another name."""
    before = timezone.now()
    inventory.update(model=model, fields={"name": name}, actor=owner, reason=WHY)
    return before


def kept(root: Any) -> list[str]:
    return sorted(path.name for path in root.glob("*"))


def test_what_moments_are_understood() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for text in (
        "2026-03-01T12:00:00Z", "2026-03-01t12:00z", "2026-03-01 12:00", "2026-03-01T12:00:00.000000",
        "2026-03-01T13:00:00+01:00", "2026-03-01T13:00:00 01:00", "2026-03-01T07:00-05:00",
    ):  # fmt: skip
        assert past._read(text) == noon, text
    assert past._read("2026-03-01") == datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize(
    "nonsense",
    ["", "yesterday", "2026-13-01", "2026-02-30", "2026-03-01T25:00", "01/03/2026", "1772366400", "2026-03-01T12",
     "0001-01-01T00:00+23:59", "2026-03-01T12:00:00Z; DROP", "２０２６-03-01"],
)  # fmt: skip
def test_what_is_no_moment_is_refused(nonsense: str, owner: User, api: Api, page: Page) -> None:
    for client, address in ((page(owner), "/models/"), (api(owner), "/api/v1/models/")):
        answer = client.get(address, {"as_of": nonsense})
        assert answer.status_code == 422
        assert "is no moment; write it like 2026-03-01T12:00:00Z" in answer.content.decode()


def test_moments_to_come_and_before_the_trail_are_refused(owner: User, api: Api, page: Page) -> None:
    for moment, sentence in (
        (timezone.now() + timedelta(minutes=1), "is still to come; ask for a moment that has passed."),
        (timezone.now() - timedelta(days=400), "The trail does not reach back to"),
    ):
        for client, address in ((page(owner), "/models/"), (api(owner), "/api/v1/models/")):
            answer = client.get(address, {"as_of": moment.isoformat()})
            assert answer.status_code == 422
            assert sentence in answer.content.decode()
    today = timezone.now().date().isoformat()
    assert page(owner).get("/models/", {"as_of": today}).status_code == 422  # the day is not over


def test_nothing_is_done_in_the_past(model: RegisteredModel, owner: User, api: Api, page: Page) -> None:
    before, entries = renamed(model, owner, "Another"), Entry.objects.count()
    at = f"?as_of={before:%Y-%m-%dT%H:%M:%S.%fZ}"
    answer = page(owner).post(f"/models/{model.slug}/edit/{at}", {"name": "Third", "reason": WHY})
    assert answer.status_code == 409
    assert "What was can’t be changed." in answer.content.decode()
    client = api(owner)
    entries = Entry.objects.count()
    for send in (client.post, client.patch, client.put, client.delete):
        refused = send(f"/api/v1/models/{model.slug}/{at}", {"name": "Third"})
        assert refused.status_code == 409
        assert refused.json()["objections"][0]["code"] == "the_past"
    model.refresh_from_db()
    assert (model.name, Entry.objects.count()) == ("Another", entries)


def test_a_moment_can_be_kept_for_a_session(model: RegisteredModel, owner: User, page: Page) -> None:
    before, client = renamed(model, owner, "Another"), page(owner)
    once = client.get("/models/", {"as_of": before.isoformat()}).content.decode()
    assert "Credit scorecard" in once
    assert "Stay at this moment" in once
    assert f"As of {moments.spelled(before)}, from the trail." in once
    assert "Another" in client.get("/models/").content.decode()

    chosen = client.post("/past/", {"moment": before.isoformat(), "next": "/models/?tier=none"})
    assert (chosen.status_code, chosen["Location"]) == (302, "/models/?tier=none")
    for address in ("/models/", f"/models/{model.slug}/", "/models/?q=scorecard", "/"):
        seen = client.get(address).content.decode()
        assert "from the trail." in seen
        assert "Back to now" in seen
    assert "Credit scorecard" in client.get("/models/").content.decode()
    refused = client.post(f"/models/{model.slug}/edit/", {"name": "Third", "reason": WHY})
    assert refused.status_code == 409
    assert "Return to now to act." in refused.content.decode()
    assert "from the trail." in refused.content.decode()

    left = client.post("/past/leave/", {"next": "//elsewhere.example/"})
    assert left["Location"] == "/"
    assert "Another" in client.get("/models/").content.decode()
    assert client.post("/past/", {"moment": "never"}).status_code == 422
    assert "from the trail." not in client.get("/models/").content.decode()


def test_whoever_looks_back_can_sign_out(model: RegisteredModel, owner: User, page: Page) -> None:
    client = page(owner)
    client.post("/past/", {"moment": timezone.now().isoformat()})
    assert client.post("/sign-out/").status_code == 302
    assert client.get("/models/")["Location"].startswith("/sign-in/")


def test_a_session_does_not_bend_the_api(model: RegisteredModel, owner: User, api: Api) -> None:
    before, client = renamed(model, owner, "Another"), api(owner)
    client.force_login(owner, backend="people.backends.EmailBackend")
    client.post("/past/", {"moment": before.isoformat()})
    assert client.get(f"/api/v1/models/{model.slug}/").json()["name"] == "Another"


def test_strangers_build_nothing(model: RegisteredModel, past_root: Any) -> None:
    at = timezone.now().isoformat()
    assert Client().get("/models/", {"as_of": at}).status_code == 302
    assert Client().get("/healthz", {"as_of": at}).status_code == 200
    assert Client().get("/sign-in/", {"as_of": "nonsense"}).status_code == 200
    assert APIClient().get("/api/v1/models/", {"as_of": at}).status_code == 401
    wrong = APIClient()
    wrong.credentials(HTTP_AUTHORIZATION="Bearer cs_wrong")
    assert wrong.get("/api/v1/models/", {"as_of": at}).status_code == 401
    assert not past_root.exists()


def test_what_may_be_seen_is_what_may_be_seen_now(
    model: RegisteredModel, bank: Bank, owner: User, outsider: User, validator: User, api: Api, page: Page
) -> None:
    newcomer = person("Nina Newcomer", Role.OWNER, home=bank.retail, at=bank.risk)
    at = {"as_of": timezone.now().isoformat()}
    assert [each["slug"] for each in api(owner).get("/api/v1/models/", at).json()["results"]] == [model.slug]

    for stranger in (outsider, newcomer):
        assert api(stranger).get("/api/v1/models/", at).json()["count"] == 0
        assert page(stranger).get(f"/models/{model.slug}/", at).status_code == 404
    membership.grant(user=newcomer, role=Role.OWNER, unit=bank.retail, actor=SYSTEM, reason=WHY)
    membership.revoke(grant=RoleGrant.objects.get(user=validator), actor=SYSTEM, reason=WHY)
    membership.suspend(user=owner, actor=SYSTEM, reason=WHY)
    # a role that came later shows what was; one that was lost shows nothing any more
    assert api(newcomer).get("/api/v1/models/", at).json()["count"] == 1
    assert page(newcomer).get(f"/models/{model.slug}/", at).status_code == 200
    assert api(validator).get("/api/v1/models/", at).json()["count"] == 0
    assert page(validator).get(f"/models/{model.slug}/", at).status_code == 404
    assert api(owner).get("/api/v1/models/", at).status_code == 401
    assert page(owner).get("/models/", at).status_code == 302


def test_a_token_that_came_later_reads_the_past(model: RegisteredModel, owner: User, api: Api) -> None:
    before = renamed(model, owner, "Another")
    answer = api(owner).get(f"/api/v1/models/{model.slug}/", {"as_of": before.isoformat()})
    assert answer.json()["name"] == "Credit scorecard"


def test_nothing_written_inside_stands(model: RegisteredModel, owner: User) -> None:
    entries = Entry.objects.count()
    with past.as_of(timezone.now()):
        seen = RegisteredModel.objects.get(pk=model.pk)
        with (
            pytest.raises(past.ThePastIsReadOnly),
            recording(Event.MODEL_UPDATED, actor=owner, reason=WHY, subject=seen) as entry,
        ):
            entry.change(seen, name="Forged")
        for write in (
            lambda: RegisteredModel.objects.update(name="Forged"),
            lambda: RegisteredModel.objects.all().delete(),
            lambda: RegisteredModel.objects.bulk_create([RegisteredModel(name="Forged", unit=seen.unit)]),
            lambda: RegisteredModel.objects.select_for_update().first(),
            seen.save,
        ):
            with pytest.raises(past.ThePastIsReadOnly):
                write()
        database = connections[moments.current.get().alias]  # type: ignore[union-attr]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            database.connection.execute("UPDATE registry_registeredmodel SET name = 'Forged'")
    model.refresh_from_db()
    assert model.name == "Credit scorecard"
    # whoever tried stands in the trail, as with every refusal
    assert Entry.objects.count() == entries + 1
    assert Entry.objects.latest("at").content["facts"]["codes"] == ["the_past"]


def test_a_row_of_the_past_is_read_no_further_after_it(version: Version) -> None:
    with past.as_of(timezone.now()):
        seen = Version.objects.get(pk=version.pk)
    with pytest.raises(RuntimeError, match="was read as of a past moment, and is asked for more after it"):
        _ = seen.model


def test_moments_nest_and_none_is_now(model: RegisteredModel, owner: User) -> None:
    first = renamed(model, owner, "Second")
    second = renamed(model, owner, "Third")

    def name() -> str:
        return RegisteredModel.objects.get(pk=model.pk).name

    with past.as_of(second):
        with past.as_of(first):
            assert (name(), moments.now()) == ("Credit scorecard", first)
        with moments.present():
            assert name() == "Third"
        with past.as_of(None):
            assert name() == "Third"
        assert (name(), moments.now()) == ("Second", second)
    assert name() == "Third"


def test_each_thread_has_its_own_connection(model: RegisteredModel, owner: User) -> None:
    """A snapshot that is there needs the live database no more."""
    before, found = renamed(model, owner, "Another"), []
    with past.as_of(before):
        look = moments.current.get()
        assert look is not None
        RegisteredModel.objects.count()
        name = snapshots._name(before)

        def read() -> None:
            with moments.looking(look):
                connections[look.alias] = snapshots._connected(look, snapshots._root() / name)
                found.append(RegisteredModel.objects.get(pk=model.pk).name)
                past._leave(look)

        reader = threading.Thread(target=read)
        reader.start()
        reader.join()
        assert RegisteredModel.objects.get(pk=model.pk).name == "Credit scorecard"
    assert found == ["Credit scorecard"]


def test_a_row_changed_behind_the_apps_back_does_not_show(model: RegisteredModel) -> None:
    with guard.opened(), connection.cursor() as cursor:
        cursor.execute("UPDATE registry_registeredmodel SET name = 'Forged'")
    assert RegisteredModel.objects.get(pk=model.pk).name == "Forged"
    with past.as_of(timezone.now()):
        assert RegisteredModel.objects.get(pk=model.pk).name == "Credit scorecard"
        assert RegisteredModel.objects.filter(name="Forged").count() == 0


def test_what_was_erased_is_erased_in_the_past(
    bank: Bank,
    model: RegisteredModel,
    owner: User,
    administrator: User,
    compliance_officer: User,
    past_root: Any,
    api: Api,
    django_capture_on_commit_callbacks: Any,
) -> None:
    at = timezone.now()
    with past.as_of(at):
        assert RegisteredModel.objects.get().owner.name == "Olga Owner"  # type: ignore[union-attr]
    (old,) = past_root.glob("*.sqlite3")
    elsewhere = old.read_bytes()  # as another machine has it
    membership.suspend(user=owner, actor=SYSTEM, reason=WHY)
    asked = erasing.ask(person=owner, basis="consent", actor=administrator, reason=WHY)
    with django_capture_on_commit_callbacks(execute=True):
        erasing.approve(asked=asked, actor=compliance_officer, reason=WHY)
    assert kept(past_root) == ["lock"]

    old.write_bytes(elsewhere)
    with past.as_of(at):
        was = RegisteredModel.objects.get().owner
        assert was is not None
        assert (was.name, was.email) == (erasing.ERASED_NAME, f"erased-{owner.pk}@invalid")
    seen = api(compliance_officer).get(f"/api/v1/models/{model.slug}/", {"as_of": at.isoformat()})
    assert seen.json()["owner"]["name"] == erasing.ERASED_NAME
    assert not old.exists()
    assert not any(b"Olga" in path.read_bytes() for path in past_root.glob("*"))


def test_an_image_erased_without_another_leaves_the_row_empty(model: RegisteredModel) -> None:
    with guard.opened():
        Image.objects.filter(row_id=str(model.pk)).update(disclosed=None)
    with past.as_of(timezone.now()):
        found = RegisteredModel.objects.get(pk=model.pk)
        assert (found.name, found.purpose, found.tier, found.unit_id) == ("[erased]", "[erased]", None, None)


def test_states_are_kept_and_the_oldest_let_go(
    model: RegisteredModel, owner: User, settings: Any, past_root: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PAST_KEPT = 2
    built: list[datetime] = []
    build = snapshots._build
    monkeypatch.setattr(snapshots, "_build", lambda path, at: (built.append(at), build(path, at)))
    moments_ = [renamed(model, owner, f"Name {number}") for number in range(3)]

    def look(number: int) -> str:
        with past.as_of(moments_[number] + timedelta(microseconds=1)):
            return RegisteredModel.objects.get(pk=model.pk).name

    assert [look(0), look(1), look(0)] == ["Credit scorecard", "Name 0", "Credit scorecard"]
    assert len(built) == 2
    assert look(2) == "Name 1"  # now 1 was looked at longest ago
    assert len(list(past_root.glob("*.sqlite3"))) == 2
    look(0)
    assert len(built) == 3
    look(1)
    assert len(built) == 4
    for path in past_root.glob("*.sqlite3"):
        assert path.stat().st_mode & 0o077 == 0
    snapshots.forget()
    assert kept(past_root) == ["lock"]


def test_an_entry_that_commits_late_makes_another_state(model: RegisteredModel, owner: User) -> None:
    renamed(model, owner, "Another")
    at = timezone.now()
    with past.as_of(at):
        assert RegisteredModel.objects.get().name == "Another"
    late = Entry.objects.latest("at").at - timedelta(microseconds=1)
    with recording(Event.MODEL_UPDATED, actor=owner, reason=WHY, subject=model) as entry:
        entry.change(model, name="Late")
    with guard.opened():
        newest = Entry.every.latest("at")
        _move(newest, late)
    with past.as_of(at):
        assert RegisteredModel.objects.get().name == "Late"


def _move(entry: Entry, at: datetime) -> None:
    """Entries can't be changed; a trigger sees to it."""
    from tests import ledger

    ledger.switch(on=False)
    Entry.every.filter(pk=entry.pk).update(at=at)
    ledger.switch(on=True)


def test_the_trail_ends_at_the_moment(model: RegisteredModel, owner: User, compliance_officer: User, api: Api) -> None:
    signed = checkpoints.current()
    before, count = renamed(model, owner, "Another"), Entry.objects.count()
    client, at = api(compliance_officer), {"as_of": before.isoformat()}
    checkpoints.current()
    with past.as_of(before):
        assert Entry.objects.count() == count - 1
        assert Leaf.objects.count() == Leaf.every.filter(entry__at__lte=before).count()
    newest = Entry.every.order_by("-at").first()
    told = client.get("/api/v1/trail/", at).json()
    assert newest is not None
    assert str(newest.pk) not in str(told)
    assert client.get("/api/v1/trail/", at | {"subject": str(model.pk)}).json()["results"][0]["type"] == (
        "registry.model.registered"
    )
    assert checkpoints.at(before - timedelta(days=1)) is None
    assert checkpoints.at(timezone.now() + timedelta(days=1)) == checkpoints.newest()
    later = signed.signed_at + timedelta(microseconds=1)
    with past.as_of(later):
        assert checkpoints.newest() == checkpoints.at(later)


def test_an_export_ends_at_the_moment(
    model: RegisteredModel, owner: User, compliance_officer: User, page: Page
) -> None:
    """Its lines are made after the view has ended, and still as of the moment."""
    before = renamed(model, owner, "Another")
    asked = {"as_of": before.isoformat(), "format": "jsonl", "subject": str(model.pk)}
    answer = page(compliance_officer).get("/trail/export/", asked)
    assert answer.streaming
    lines = b"".join(answer).decode()
    assert "registry.model.registered" in lines
    assert "registry.model.updated" not in lines


def test_what_an_auditor_reads_of_the_past_is_on_record(model: RegisteredModel, auditor: User, page: Page) -> None:
    at = timezone.now()
    assert page(auditor).get(f"/models/{model.slug}/", {"as_of": at.isoformat()}).status_code == 200
    assert Entry.objects.latest("at").reason == f"Read on a page, as of {moments.spelled(at)}"


def test_every_governed_row_has_an_image_that_is_the_row(model: RegisteredModel, version: Version) -> None:
    for label, table in images.governed_models().items():
        for row in table._base_manager.all():
            newest = Image.objects.filter(row_type=label, row_id=str(row.pk)).order_by("pk").last()
            assert newest is not None, f"{label} {row.pk}"
            assert newest.values == images.values(row), f"{label} {row.pk}"
