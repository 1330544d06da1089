"""An auditor's visit over the API, by the functions of the pages: who may do what, and what is said to who may not."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from audits import jobs
from people.models import RoleGrant, User
from people.queries import live_grants, roles_at
from people.roles import Role
from registry import inventory
from registry.models import RegisteredModel, Version
from reports import engagements
from reports.models import Engagement, EvidenceRequest, Pack, Sample, SampledModel
from tests import personas
from tests.personas import WHY, Bank
from trail.models import Entry

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]
LIST = "/api/v1/engagements/"


@pytest.fixture
def visitor(bank: Bank) -> User:
    """Somebody from outside, without any role yet."""
    return personas.person("Vic Visitor", home=bank.root, at=bank.root)


@pytest.fixture
def visit(bank: Bank, visitor: User, administrator: User) -> Engagement:
    return engagements.open_engagement(
        title="Annual audit 2026",
        unit=bank.retail,
        auditor=visitor,
        ends_at=timezone.now() + timedelta(days=14),
        actor=administrator,
        reason=WHY,
    )


@pytest.fixture
def home(visit: Engagement) -> str:
    return f"{LIST}{visit.pk}/"


@pytest.fixture
def asked(visit: Engagement, visitor: User) -> EvidenceRequest:
    return engagements.ask(engagement=visit, text="The minutes", model=None, actor=visitor)


@pytest.fixture
def elsewhere(bank: Bank) -> RegisteredModel:
    """A model of a unit beside the one that is audited."""
    author = personas.person("Rolf Risk", Role.OWNER, home=bank.risk, at=bank.risk)
    return inventory.register(unit=bank.risk, name="Stress", fields={}, actor=author, reason=WHY)


def opening(visitor: User, **more: Any) -> dict[str, Any]:
    """What opens an engagement."""
    ends = (timezone.now() + timedelta(days=3)).isoformat()
    return {
        "title": "Thematic review",
        "unit": "bank/retail",
        "auditor": visitor.email,
        "ends_at": ends,
        "reason": "Planned",
    } | more


def codes(answer: Any) -> list[str]:
    """What stands against it, in the shape of every refusal."""
    problem = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (409, "application/problem+json")
    assert problem["detail"]
    assert all(set(each) == {"code", "sentence", "mend", "link"} for each in problem["objections"])
    return [each["code"] for each in problem["objections"]]


def places(answer: Any) -> list[str]:
    """Where the input is wrong."""
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    return [each["where"] for each in answer.json()["errors"]]


def entries(type: str) -> list[Entry]:
    return list(Entry.objects.filter(type=type).order_by("at", "pk"))


def attempts() -> list[str]:
    return [each.content["facts"]["attempted"] for each in entries("trail.attempt.refused")]


def test_from_opening_to_closing(
    bank: Bank, visitor: User, administrator: User, owner: User, version: Version, api: Api
) -> None:
    admin, auditor = api(administrator), api(visitor)
    opened = admin.post(LIST, opening(visitor))
    assert opened.status_code == 201
    home = opened["Location"]
    assert home == opened.json()["url"]
    drawn = auditor.post(f"{home}samples/", {"size": 1, "seed": "9"}).json()
    assert drawn["models"] == [{"id": str(version.model_id), "slug": version.model.slug, "name": version.model.name}]
    asked = auditor.post(f"{home}requests/", {"text": "The minutes"}).json()
    answered = api(owner).post(f"{home}requests/{asked['id']}/answer/", {"text": "In the vault"}).json()
    assert auditor.get(f"/api/v1/versions/{version.pk}/").status_code == 200
    shown = auditor.get(home).json()
    assert (shown["samples"], shown["requests"]) == ([drawn], [answered])
    assert shown["looked_at"] == [{"id": str(version.pk), "model": version.model.slug, "number": 1}]
    packed = auditor.post(f"{home}packs/", {"reason": "For my file"})
    assert packed.status_code == 202
    assert jobs.work(Pack.objects.get().job_id)
    assert auditor.get(packed["Location"]).json()["status"] == "succeeded"
    closed = admin.post(f"{home}close/", {"reason": "Done"})
    assert (closed.status_code, closed.json()["is_open"]) == (200, False)
    assert auditor.get(home).status_code == 404


class TestOpening:
    def test_an_administrator_lets_someone_in(self, bank: Bank, visitor: User, administrator: User, api: Api) -> None:
        body = opening(visitor, title="  Thematic   review ", auditor=visitor.email.upper())
        shown = api(administrator).post(LIST, body).json()
        made = Engagement.objects.get()
        assert shown["id"] == str(made.pk)
        assert (shown["title"], shown["unit"]) == ("Thematic review", "bank/retail")
        assert shown["auditor"] == {"id": str(visitor.pk), "name": visitor.name, "email": visitor.email}
        assert shown["opened_by"]["id"] == str(administrator.pk)
        assert datetime.fromisoformat(shown["ends_at"]) == made.ends_at == datetime.fromisoformat(body["ends_at"])
        assert (shown["closed_at"], shown["is_open"]) == (None, True)
        assert shown["samples"] == shown["requests"] == shown["looked_at"] == []
        assert roles_at(User.objects.get(pk=visitor.pk), bank.retail.path) == {Role.AUDITOR}
        (entry,) = entries("reports.engagement.opened")
        assert (entry.actor_name, entry.reason) == (administrator.name, "Planned")

    def test_a_reason_that_is_left_out_says_so(self, visitor: User, administrator: User, api: Api) -> None:
        body = opening(visitor)
        del body["reason"]
        assert api(administrator).post(LIST, body).status_code == 201
        assert entries("reports.engagement.opened")[0].reason == "Over the API"

    @pytest.mark.parametrize("who", ["owner", "compliance_officer", "auditor"])
    def test_nobody_else_does(self, bank: Bank, who: str, request: Any, api: Api) -> None:
        guest = personas.person("Gil Guest", home=bank.retail, at=bank.retail)
        assert codes(api(request.getfixturevalue(who)).post(LIST, opening(guest))) == ["may_not_administer"]
        self.nothing_made(guest)
        assert attempts() == ["people.role.granted"]

    def test_an_administrator_of_another_unit_does_not(self, bank: Bank, api: Api) -> None:
        other = personas.person("Una Unit", Role.ADMINISTRATOR, home=bank.risk, at=bank.risk)
        guest = personas.person("Gil Guest", home=bank.risk, at=bank.risk)
        assert places(api(other).post(LIST, opening(guest))) == ["unit"]
        self.nothing_made(guest)

    def test_nobody_lets_themselves_in(self, administrator: User, api: Api) -> None:
        assert places(api(administrator).post(LIST, opening(administrator))) == ["auditor"]
        self.nothing_made(administrator, roles=1)

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            ({"title": " "}, "title"),
            ({"title": "x" * 201}, "title"),
            ({"unit": "bank/elsewhere"}, "unit"),
            ({"unit": ["bank"]}, "unit"),
            ({"auditor": "nobody@bank.example"}, "auditor"),
            ({"auditor": "nobody"}, "auditor"),
            ({"ends_at": "soon"}, "ends_at"),
            ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
            ({"ends_at": "2999-01-01T00:00:00Z"}, "ends_at"),
            ({"reason": ""}, "reason"),
            ({"reason": "x" * 1001}, "reason"),
            ({"auditer": "x"}, "auditer"),
        ],
    )
    def test_bad_input_names_the_field(
        self, change: dict[str, Any], where: str, visitor: User, administrator: User, api: Api
    ) -> None:
        assert places(api(administrator).post(LIST, opening(visitor, **change))) == [where]
        self.nothing_made(visitor)

    def test_nothing_at_all_names_everything_needed(self, administrator: User, api: Api) -> None:
        assert places(api(administrator).post(LIST, {})) == ["title", "unit", "auditor", "ends_at"]

    def test_a_token_that_only_reads_opens_nothing(self, visitor: User, administrator: User, api: Api) -> None:
        assert api(administrator, scopes=("read",)).post(LIST, opening(visitor)).status_code == 403
        self.nothing_made(visitor)

    @staticmethod
    def nothing_made(person: User, roles: int = 0) -> None:
        assert not Engagement.objects.exists()
        assert RoleGrant.objects.filter(user=person).count() == roles
        assert not entries("reports.engagement.opened")


class TestReading:
    def test_the_list_is_what_one_sees(
        self, bank: Bank, visit: Engagement, visitor: User, owner: User, outsider: User, administrator: User, api: Api
    ) -> None:
        engagements.open_engagement(
            title="Another", unit=bank.risk, auditor=visitor, ends_at=visit.ends_at, actor=administrator, reason=WHY
        )
        titles = {
            who: [row["title"] for row in api(who).get(LIST).json()["results"]]
            for who in (administrator, owner, visitor, outsider)
        }
        assert titles[administrator] == titles[visitor] == ["Another", "Annual audit 2026"]
        assert titles[owner] == ["Annual audit 2026"]
        assert titles[outsider] == []

    def test_a_list_has_pages(self, visit: Engagement, owner: User, api: Api) -> None:
        shown = api(owner).get(LIST, {"limit": 1, "offset": 1}).json()
        assert (shown["count"], shown["results"]) == (1, [])
        (row,) = api(owner).get(LIST).json()["results"]
        assert "samples" not in row
        assert row["url"].endswith(f"{LIST}{visit.pk}/")

    def test_what_the_auditor_reads_is_on_record(self, home: str, visit: Engagement, visitor: User, api: Api) -> None:
        client = api(visitor)
        assert client.get(LIST).status_code == client.get(home).status_code == 200
        of_list, of_visit = entries("people.auditor.read")
        assert (of_list.subject_type, of_list.subject_id) == ("reports.engagement", "all")
        assert (of_visit.subject_type, of_visit.subject_id) == ("reports.engagement", str(visit.pk))
        assert {each.actor_name for each in (of_list, of_visit)} == {visitor.name}

    def test_the_past_is_shown_as_it_was(
        self, home: str, visit: Engagement, asked: EvidenceRequest, owner: User, api: Api
    ) -> None:
        before = timezone.now().isoformat()
        engagements.answer(asked=asked, text="In the vault", actor=owner)
        client = api(owner)
        assert client.get(home).json()["requests"][0]["answer"] == "In the vault"
        assert client.get(home, {"as_of": before}).json()["requests"][0]["answer"] == ""

    def test_a_stranger_finds_nothing(self, home: str, asked: EvidenceRequest, outsider: User, api: Api) -> None:
        stranger, nobody = api(outsider), f"{LIST}{uuid.uuid4()}/"
        for address in (home, nobody):
            answers = [stranger.get(address)]
            for action in ("samples/", "requests/", f"requests/{asked.pk}/answer/", "packs/", "close/"):
                answers += [stranger.post(address + action, {}), stranger.post(address + action, {"text": "x"})]
            assert {each.status_code for each in answers} == {404}
        assert not entries("trail.attempt.refused")

    def test_a_unit_beside_it_finds_nothing(self, home: str, elsewhere: RegisteredModel, bank: Bank, api: Api) -> None:
        beside = personas.person("Bess Beside", Role.OWNER, home=bank.risk, at=bank.risk)
        assert api(beside).get(home).status_code == 404


class TestDrawing:
    @pytest.fixture(autouse=True)
    def models(self, bank: Bank, owner: User, elsewhere: RegisteredModel) -> list[RegisteredModel]:
        return [
            inventory.register(unit=bank.retail, name=f"Model {number}", fields={}, actor=owner, reason=WHY)
            for number in range(6)
        ]

    def test_whoever_has_the_seed_draws_the_same(
        self, home: str, models: list[RegisteredModel], visitor: User, api: Api
    ) -> None:
        drawn = api(visitor).post(f"{home}samples/", {"size": 3, "seed": "4 1 6 2", "reason": "To begin"})
        assert drawn.status_code == 201
        by_hand = sorted(models, key=lambda model: sha256(f"4 1 6 2:{model.pk}".encode()).digest())[:3]
        assert [each["id"] for each in drawn.json()["models"]] == [str(model.pk) for model in by_hand]
        assert (drawn.json()["seed"], drawn.json()["population"]) == ("4 1 6 2", 6)
        (entry,) = entries("reports.sample.drawn")
        assert entry.reason == "To begin"
        assert entry.content["facts"]["population_digest"] == drawn.json()["population_digest"]
        assert api(visitor).get(home).json()["samples"] == [drawn.json()]

    @pytest.mark.parametrize("who", ["owner", "administrator", "auditor"])
    def test_nobody_else_draws(self, home: str, who: str, request: Any, api: Api) -> None:
        body = {"size": 1, "seed": "mine"}
        assert codes(api(request.getfixturevalue(who)).post(f"{home}samples/", body)) == ["not_the_auditor"]
        assert not Sample.objects.exists()
        assert attempts() == ["reports.sample.drawn"]

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            ({"size": 0}, "size"),
            ({"size": 7}, "size"),
            ({"size": "many"}, "size"),
            ({"size": None}, "size"),
            ({"seed": " "}, "seed"),
            ({"seed": "x" * 101}, "seed"),
            ({"sead": "x"}, "sead"),
        ],
    )
    def test_bad_input_names_the_field(
        self, home: str, change: dict[str, Any], where: str, visitor: User, api: Api
    ) -> None:
        assert places(api(visitor).post(f"{home}samples/", {"size": 1, "seed": "1"} | change)) == [where]
        assert not Sample.objects.exists()
        assert not SampledModel.objects.exists()

    def test_nothing_is_drawn_when_it_is_over(self, home: str, visit: Engagement, auditor: User, api: Api) -> None:
        engagements.close(engagement=visit, actor=visit.opened_by, reason=WHY)
        assert codes(api(auditor).post(f"{home}samples/", {"size": 1, "seed": "1"})) == ["engagement_over"]
        assert not Sample.objects.exists()


class TestRequests:
    def test_the_auditor_asks(self, home: str, model: RegisteredModel, visitor: User, api: Api) -> None:
        made = api(visitor).post(f"{home}requests/", {"text": "The minutes", "model": model.slug})
        assert made.status_code == 201
        row = EvidenceRequest.objects.get()
        assert (made.json()["id"], made.json()["model"]) == (str(row.pk), model.slug)
        assert (made.json()["text"], made.json()["answer"], made.json()["answered_by"]) == ("The minutes", "", None)
        (entry,) = entries("reports.evidence.requested")
        assert (entry.actor_name, entry.reason) == (visitor.name, "The minutes")

    @pytest.mark.parametrize("who", ["owner", "administrator", "auditor"])
    def test_nobody_else_asks(self, home: str, who: str, request: Any, api: Api) -> None:
        answer = api(request.getfixturevalue(who)).post(f"{home}requests/", {"text": "Let me ask"})
        assert codes(answer) == ["not_the_auditor"]
        assert not EvidenceRequest.objects.exists()

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            ({"text": " "}, "text"),
            ({"text": None}, "text"),
            ({"text": "x" * 4001}, "text"),
            ({"model": "none-such"}, "model"),
            ({"model": "stress"}, "model"),
            ({"model": ""}, "model"),
            ({"reason": "x"}, "reason"),
        ],
    )
    def test_bad_input_names_the_field(
        self, home: str, change: dict[str, Any], where: str, elsewhere: RegisteredModel, visitor: User, api: Api
    ) -> None:
        assert elsewhere.slug == "stress"
        assert places(api(visitor).post(f"{home}requests/", {"text": "The minutes"} | change)) == [where]
        assert not EvidenceRequest.objects.exists()

    def test_nothing_is_asked_when_it_is_over(self, home: str, visit: Engagement, auditor: User, api: Api) -> None:
        engagements.close(engagement=visit, actor=visit.opened_by, reason=WHY)
        assert codes(api(auditor).post(f"{home}requests/", {"text": "Late"})) == ["engagement_over"]
        assert not EvidenceRequest.objects.exists()


class TestAnswers:
    @pytest.fixture
    def there(self, home: str, asked: EvidenceRequest) -> str:
        return f"{home}requests/{asked.pk}/answer/"

    def test_the_unit_answers_once(self, there: str, owner: User, asked: EvidenceRequest, api: Api) -> None:
        client = api(owner)
        shown = client.post(there, {"text": "In the vault, folder 7"})
        assert shown.status_code == 200
        assert shown.json()["answer"] == "In the vault, folder 7"
        assert shown.json()["answered_by"]["id"] == str(owner.pk)
        assert shown.json()["answered_at"]
        (entry,) = entries("reports.evidence.answered")
        assert (entry.actor_name, entry.reason) == (owner.name, "In the vault, folder 7")
        assert codes(client.post(there, {"text": "Somewhere else"})) == ["answered"]
        asked.refresh_from_db()
        assert asked.answer == "In the vault, folder 7"

    @pytest.mark.parametrize(
        ("who", "code"),
        [("visitor", "auditor_answers"), ("auditor", "auditor_answers"), ("administrator", "may_not_export")],
    )
    def test_who_audits_or_only_administers_does_not(
        self, there: str, who: str, code: str, asked: EvidenceRequest, request: Any, api: Api
    ) -> None:
        assert codes(api(request.getfixturevalue(who)).post(there, {"text": "Here"})) == [code]
        self.unanswered(asked)
        assert attempts() == ["reports.evidence.answered"]

    @pytest.mark.parametrize(
        ("given", "where"),
        [({}, "text"), ({"text": ""}, "text"), ({"text": "x" * 4001}, "text"), ({"text": "x", "to": "y"}, "to")],
    )
    def test_bad_input_names_the_field(
        self, there: str, given: dict[str, Any], where: str, asked: EvidenceRequest, owner: User, api: Api
    ) -> None:
        assert places(api(owner).post(there, given)) == [where]
        self.unanswered(asked)

    def test_a_request_of_another_visit_is_not_there(
        self, bank: Bank, asked: EvidenceRequest, auditor: User, administrator: User, owner: User, api: Api
    ) -> None:
        other = engagements.open_engagement(
            title="Other", unit=bank.retail, auditor=auditor, ends_at=timezone.now() + timedelta(days=1),
            actor=administrator, reason=WHY,
        )  # fmt: skip
        assert api(owner).post(f"{LIST}{other.pk}/requests/{asked.pk}/answer/", {"text": "x"}).status_code == 404
        self.unanswered(asked)

    def test_nothing_is_answered_when_it_is_over(
        self, there: str, visit: Engagement, asked: EvidenceRequest, owner: User, api: Api
    ) -> None:
        engagements.close(engagement=visit, actor=visit.opened_by, reason=WHY)
        assert codes(api(owner).post(there, {"text": "Late"})) == ["engagement_over"]
        self.unanswered(asked)

    @staticmethod
    def unanswered(asked: EvidenceRequest) -> None:
        asked.refresh_from_db()
        assert (asked.answer, asked.answered_by, asked.answered_at) == ("", None, None)
        assert not entries("reports.evidence.answered")


class TestPacking:
    def test_what_was_looked_at_over_the_api_is_packed(
        self, home: str, version: Version, visitor: User, api: Api
    ) -> None:
        client = api(visitor)
        assert places(client.post(f"{home}packs/", {})) == ["engagement"]
        assert client.get(f"/api/v1/models/{version.model.slug}/").status_code == 200
        made = client.post(f"{home}packs/", {"reason": "For my file"})
        assert made.status_code == 202
        assert made["Location"] == made.json()["url"]
        assert made.json()["versions"] == [str(version.pk)]
        assert made.json()["title"] == "Annual audit 2026"
        assert made.json()["scope"] == "What Vic Visitor looked at in Retail"
        (entry,) = entries("reports.pack.requested")
        assert (entry.actor_name, entry.reason) == (visitor.name, "For my file")

    def test_only_its_auditor_does(
        self, home: str, version: Version, visitor: User, administrator: User, api: Api
    ) -> None:
        api(visitor).get(f"/api/v1/versions/{version.pk}/")
        assert codes(api(administrator).post(f"{home}packs/", {})) == ["not_the_auditor"]
        assert not Pack.objects.exists()

    def test_nothing_is_packed_when_it_is_over(
        self, home: str, version: Version, visit: Engagement, visitor: User, owner: User, api: Api
    ) -> None:
        api(visitor).get(f"/api/v1/versions/{version.pk}/")
        engagements.close(engagement=visit, actor=visit.opened_by, reason=WHY)
        assert codes(api(owner).post(f"{home}packs/", {})) == ["engagement_over"]
        assert not Pack.objects.exists()

    @pytest.mark.parametrize(("given", "where"), [({"reason": " "}, "reason"), ({"title": "Mine"}, "title")])
    def test_bad_input_names_the_field(
        self, home: str, given: dict[str, Any], where: str, visitor: User, api: Api
    ) -> None:
        assert places(api(visitor).post(f"{home}packs/", given)) == [where]


class TestClosing:
    def test_an_administrator_ends_it_and_the_role(
        self, home: str, visitor: User, administrator: User, api: Api
    ) -> None:
        client = api(administrator)
        shown = client.post(f"{home}close/", {"reason": "Done early"})
        assert shown.status_code == 200
        assert (shown.json()["is_open"], bool(shown.json()["closed_at"])) == (False, True)
        assert not live_grants(visitor).exists()
        (entry,) = entries("reports.engagement.closed")
        assert (entry.actor_name, entry.reason) == (administrator.name, "Done early")
        assert codes(client.post(f"{home}close/", {})) == ["engagement_over"]

    @pytest.mark.parametrize("who", ["owner", "visitor", "auditor"])
    def test_nobody_else_does(self, home: str, visit: Engagement, who: str, request: Any, api: Api) -> None:
        assert codes(api(request.getfixturevalue(who)).post(f"{home}close/", {})) == ["may_not_administer"]
        self.open(visit)
        assert attempts() == ["reports.engagement.closed"]

    @pytest.mark.parametrize(("given", "where"), [({"reason": ""}, "reason"), ({"at": "now"}, "at")])
    def test_bad_input_names_the_field(
        self, home: str, visit: Engagement, given: dict[str, Any], where: str, administrator: User, api: Api
    ) -> None:
        assert places(api(administrator).post(f"{home}close/", given)) == [where]
        self.open(visit)

    def test_a_token_that_only_reads_does_nothing(
        self, home: str, visit: Engagement, asked: EvidenceRequest, visitor: User, administrator: User, api: Api
    ) -> None:
        for person in (visitor, administrator):
            client = api(person, scopes=("read", "sign"))
            for action in ("samples/", "requests/", f"requests/{asked.pk}/answer/", "packs/", "close/"):
                assert client.post(home + action, {}).status_code == 403
        self.open(visit)

    @staticmethod
    def open(visit: Engagement) -> None:
        visit.refresh_from_db()
        assert visit.is_open
        assert live_grants(visit.auditor).exists()
