"""An auditor's visit: let in for a time, a sample nobody could choose, requests, and a pack of what was looked at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from people import membership
from people.models import User
from people.queries import live_grants, roles_at
from people.roles import Role
from registry import inventory
from registry.models import RegisteredModel, Version
from reports import engagements
from reports.models import Engagement, Pack, Sample
from tests import personas
from tests.personas import WHY, Bank
from trail.errors import BadInput, Refused
from trail.models import Entry

pytestmark = pytest.mark.django_db
Page = Callable[[User], Client]


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
        reason="The supervisor asked for it",
    )


def again(user: User) -> User:
    return User.objects.get(pk=user.pk)


class TestOpening:
    def test_the_role_holds_in_the_unit_and_ends_by_itself(self, bank: Bank, visit: Engagement, visitor: User) -> None:
        assert roles_at(again(visitor), bank.retail.path) == {Role.AUDITOR}
        assert roles_at(again(visitor), bank.risk.path) == set()
        with time_machine.travel(visit.ends_at + timedelta(seconds=1)):
            assert not again(visitor).held_grants
            assert not live_grants(visitor).exists()

    def test_only_an_administrator_lets_in(self, bank: Bank, owner: User, visitor: User) -> None:
        with pytest.raises(Refused, match="may not administer"):
            engagements.open_engagement(
                title="Mine", unit=bank.retail, auditor=visitor, ends_at=timezone.now() + timedelta(days=1),
                actor=owner, reason=WHY,
            )  # fmt: skip
        assert not Engagement.objects.exists()
        assert not live_grants(visitor).exists()

    def test_someone_who_audits_anyway_keeps_their_role(self, bank: Bank, auditor: User, administrator: User) -> None:
        visit = engagements.open_engagement(
            title="Thematic", unit=bank.retail, auditor=auditor, ends_at=timezone.now() + timedelta(days=1),
            actor=administrator, reason=WHY,
        )  # fmt: skip
        engagements.close(engagement=visit, actor=administrator, reason="Done")
        assert roles_at(again(auditor), bank.retail.path) == {Role.AUDITOR}

    def test_nobody_is_let_in_twice_at_a_time(
        self, bank: Bank, visit: Engagement, visitor: User, administrator: User
    ) -> None:
        """The first visit to end would end the other's role."""
        before = Entry.objects.count()
        with pytest.raises(BadInput, match="is Auditor in Retail already"):
            engagements.open_engagement(
                title="Thematic", unit=bank.retail, auditor=visitor, ends_at=timezone.now() + timedelta(days=30),
                actor=administrator, reason=WHY,
            )  # fmt: skip
        assert (Engagement.objects.get(), Entry.objects.count()) == (visit, before)

    def test_nobody_opens_their_own(self, bank: Bank) -> None:
        both = personas.person("Bo Both", Role.ADMINISTRATOR, Role.AUDITOR, home=bank.root, at=bank.root)
        with pytest.raises(Refused, match="Nobody opens their own audit"):
            engagements.open_engagement(
                title="Mine", unit=bank.retail, auditor=both, ends_at=timezone.now() + timedelta(days=1),
                actor=both, reason=WHY,
            )  # fmt: skip

    def test_whoever_is_suspended_is_not_let_in_and_no_role_is_left_behind(
        self, bank: Bank, visitor: User, administrator: User
    ) -> None:
        membership.suspend(user=visitor, actor=administrator, reason=WHY)
        with pytest.raises(Refused, match="is suspended"):
            engagements.open_engagement(
                title="Late", unit=bank.retail, auditor=visitor, ends_at=timezone.now() + timedelta(days=1),
                actor=administrator, reason=WHY,
            )  # fmt: skip
        assert not visitor.grants.exists()
        refused = Entry.objects.latest("at")
        assert (refused.type, refused.content["facts"]["codes"]) == ("trail.attempt.refused", ["suspended"])

    @pytest.mark.parametrize("days", [-1, 367])
    def test_it_ends_within_a_year(self, bank: Bank, administrator: User, visitor: User, days: int) -> None:
        with pytest.raises(BadInput, match="ends within 366 days"):
            engagements.open_engagement(
                title="Endless", unit=bank.retail, auditor=visitor, ends_at=timezone.now() + timedelta(days=days),
                actor=administrator, reason=WHY,
            )  # fmt: skip

    def test_closing_ends_the_role(self, visit: Engagement, visitor: User, administrator: User) -> None:
        engagements.close(engagement=visit, actor=administrator, reason="Done early")
        assert not live_grants(visitor).exists()
        with pytest.raises(Refused, match="is over"):
            engagements.close(engagement=visit, actor=administrator, reason="Again")

    def test_the_same_person_can_come_again_when_the_first_visit_is_over(
        self, bank: Bank, visit: Engagement, visitor: User, administrator: User
    ) -> None:
        with time_machine.travel(visit.ends_at + timedelta(days=1)):
            engagements.open_engagement(
                title="The next year", unit=bank.retail, auditor=visitor, ends_at=timezone.now() + timedelta(days=5),
                actor=administrator, reason=WHY,
            )  # fmt: skip
            assert roles_at(again(visitor), bank.retail.path) == {Role.AUDITOR}


class TestTheSample:
    @pytest.fixture
    def models(self, bank: Bank, owner: User) -> list[RegisteredModel]:
        return [
            inventory.register(
                unit=bank.retail,
                name=f"Model {number}",
                fields={"owner": owner, "purpose": "Scores."},
                actor=owner,
                reason=WHY,
            )
            for number in range(6)
        ]

    def test_whoever_has_the_seed_draws_the_same(
        self, visit: Engagement, visitor: User, models: list[RegisteredModel]
    ) -> None:
        sample = engagements.draw(engagement=visit, size=3, seed="4 1 6 2", actor=visitor, reason=WHY)
        by_hand = sorted(models, key=lambda model: sha256(f"4 1 6 2:{model.pk}".encode()).digest())[:3]
        assert [drawn.model for drawn in sample.drawn.all()] == by_hand
        facts = Entry.objects.get(type="reports.sample.drawn").content["facts"]
        assert facts["seed"] == "4 1 6 2"
        assert facts["population"] == 6
        assert facts["models"] == [str(model.pk) for model in by_hand]

    def test_every_draw_is_on_record(self, visit: Engagement, visitor: User, models: list[RegisteredModel]) -> None:
        for seed in ("1", "2"):
            engagements.draw(engagement=visit, size=1, seed=seed, actor=visitor, reason=WHY)
        assert Entry.objects.filter(type="reports.sample.drawn").count() == Sample.objects.count() == 2

    def test_whoever_is_audited_does_not_draw(
        self, visit: Engagement, owner: User, administrator: User, models: list[RegisteredModel]
    ) -> None:
        for person in (owner, administrator):
            with pytest.raises(Refused, match="who alone may do this"):
                engagements.draw(engagement=visit, size=1, seed="mine", actor=person, reason=WHY)
        assert not Sample.objects.exists()

    @pytest.mark.parametrize(
        ("size", "seed", "sentence"), [(0, "1", "from 1 to 6"), (7, "1", "from 1 to 6"), (1, " ", "seed is needed")]
    )
    def test_what_can_not_be_drawn_is_named(
        self, visit: Engagement, visitor: User, models: list[RegisteredModel], size: int, seed: str, sentence: str
    ) -> None:
        with pytest.raises(BadInput, match=sentence):
            engagements.draw(engagement=visit, size=size, seed=seed, actor=visitor, reason=WHY)


class TestRequests:
    def test_asked_and_answered_once(self, visit: Engagement, visitor: User, owner: User) -> None:
        asked = engagements.ask(engagement=visit, text="Minutes of the model committee", model=None, actor=visitor)
        engagements.answer(asked=asked, text="In the vault, folder 7", actor=owner)
        asked.refresh_from_db()
        assert (asked.answer, asked.answered_by) == ("In the vault, folder 7", owner)
        with pytest.raises(Refused, match="answered already"):
            engagements.answer(asked=asked, text="Somewhere else", actor=owner)

    def test_the_auditor_does_not_answer_themselves(self, visit: Engagement, visitor: User) -> None:
        asked = engagements.ask(engagement=visit, text="Minutes", model=None, actor=visitor)
        with pytest.raises(Refused, match="Whoever audits asks and does not answer"):
            engagements.answer(asked=asked, text="Here", actor=again(visitor))

    def test_nothing_is_asked_when_it_is_over(self, visit: Engagement, visitor: User) -> None:
        with time_machine.travel(visit.ends_at + timedelta(seconds=1)), pytest.raises(Refused, match="is over"):
            engagements.ask(engagement=visit, text="Late", model=None, actor=visitor)


class TestWhatWasLookedAt:
    def test_the_pages_opened_make_the_pack(
        self, visit: Engagement, visitor: User, version: Version, page: Page
    ) -> None:
        client = page(visitor)
        assert engagements.looked_at(visit) == []
        with pytest.raises(BadInput, match="No version was looked at"):
            engagements.pack(engagement=visit, actor=again(visitor), reason=WHY)
        assert client.get(f"/versions/{version.pk}/").status_code == 200
        assert engagements.looked_at(visit) == [version]
        answer = client.post(f"/engagements/{visit.pk}/pack/", {"reason": "For my file"})
        assert answer.status_code == 302
        pack = Pack.objects.get()
        assert [each.version for each in pack.covered.all()] == [version]
        assert pack.title == "Annual audit 2026"

    def test_only_the_auditor_packs_it(self, visit: Engagement, visitor: User, owner: User, version: Version) -> None:
        with pytest.raises(Refused, match="who alone may do this"):
            engagements.pack(engagement=visit, actor=owner, reason=WHY)

    def test_what_was_opened_before_the_visit_does_not_count(
        self, bank: Bank, visitor: User, administrator: User, version: Version, page: Page
    ) -> None:
        membership.grant(user=visitor, role=Role.AUDITOR, unit=bank.root, actor=administrator, reason=WHY)
        page(visitor).get(f"/versions/{version.pk}/")
        later = engagements.open_engagement(
            title="Later", unit=bank.retail, auditor=visitor, ends_at=timezone.now() + timedelta(days=1),
            actor=administrator, reason=WHY,
        )  # fmt: skip
        assert engagements.looked_at(later) == []


class TestPages:
    def test_the_workspace_from_opening_to_closing(
        self, bank: Bank, administrator: User, visitor: User, owner: User, version: Version, page: Page
    ) -> None:
        admin = page(administrator)
        form = {
            "title": "Thematic review",
            "unit": str(bank.retail.pk),
            "auditor": str(visitor.pk),
            "ends_at": f"{timezone.now() + timedelta(days=3):%Y-%m-%dT%H:%M}",
            "reason": "Planned",
        }
        opened = admin.post("/engagements/new/", form)
        assert opened.status_code == 302, opened.content.decode()
        visit = Engagement.objects.get()
        home, auditor = f"/engagements/{visit.pk}/", page(visitor)
        assert auditor.post(f"{home}draw/", {"size": 1, "seed": "9", "reason": "To begin"}).status_code == 302
        assert auditor.post(f"{home}ask/", {"text": "The minutes"}).status_code == 302
        asked = visit.requests.get()
        assert page(owner).post(f"{home}answer/{asked.pk}/", {"text": "In the vault"}).status_code == 302
        text = auditor.get(home).content.decode()
        recorded = list(Entry.objects.filter(subject_id=str(visit.pk)).values_list("type", flat=True))
        for event in ("reports.engagement.opened", "reports.evidence.requested", "reports.evidence.answered"):
            assert recorded.count(event) == 1
        for said in ("Thematic review", version.model.name, "The minutes", "In the vault", "Not yet"):
            assert said in text
        assert admin.post(f"{home}close/", {"reason": "Done"}).status_code == 302
        assert auditor.get(home).status_code == 404
        assert Entry.objects.get(type="reports.engagement.closed").reason == "Done"

    def test_nobody_else_s_unit_is_shown(self, visit: Engagement, outsider: User, page: Page) -> None:
        assert page(outsider).get(f"/engagements/{visit.pk}/").status_code == 404
        assert b"Annual audit" not in page(outsider).get("/engagements/").content

    def test_a_refusal_is_said_on_the_page(self, visit: Engagement, owner: User, page: Page) -> None:
        answer = page(owner).post(f"/engagements/{visit.pk}/ask/", {"text": "Let me ask"})
        assert answer.status_code == 409
        assert "who alone may do this" in answer.content.decode()
