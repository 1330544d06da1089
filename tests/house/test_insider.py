"""Someone inside wants a bad model approved, or more than is theirs. Each test is a way that was tried."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.test import Client

from audits.events import Event
from audits.models import Run
from governance import gates, parties, policies, promotion, signoff, tiering
from people import membership, tokens
from people.models import ApiToken, Meaning, RoleGrant, Unit, User
from people.roles import Role
from people.signing import Password
from registry import inventory, lineage, versions
from registry.models import Lineage
from registry.stages import Stage
from tests.governance.conftest import story as a_story
from tests.governance.story import TIER_2, Story, run
from tests.personas import PASSWORD, WHY, Bank, person
from trail.actors import SYSTEM
from trail.errors import BadInput, Refused
from trail.models import Entry
from trail.record import recording

story = a_story
pytestmark = pytest.mark.django_db

LENIENT = policies.DEFAULT.replace("min: 0.8", "min: 0.1")
TIER_4 = dict.fromkeys(TIER_2, 1) | {name: False for name, value in TIER_2.items() if isinstance(value, bool)}


def codes(refused: pytest.ExceptionInfo[Refused]) -> set[str]:
    return {objection.code for objection in refused.value.objections}


class TestPolicies:
    """The policy of the nearest unit judges, so a part of the bank could excuse itself."""

    @pytest.fixture
    def local_head(self, bank: Bank) -> User:
        return person("Lenny Local", Role.HEAD_OF_MODEL_RISK, home=bank.retail, at=bank.retail)

    def test_a_unit_s_own_head_doesn_t_replace_the_bank_s_policy(self, story: Story, local_head: User) -> None:
        with pytest.raises(Refused) as refused:
            policies.publish(unit=story.unit, name="own", text=LENIENT, actor=local_head, reason="Ours is better")
        assert codes(refused) == {"may_not_publish_policy"}
        assert policies.applicable(story.version) == story.policy

    def test_nor_over_the_api(self, story: Story, local_head: User, api: Any) -> None:
        body = {"name": "own", "text": LENIENT, "unit": story.unit.path}
        assert api(local_head).post("/api/v1/policies/", body).status_code == 409
        assert policies.applicable(story.version) == story.policy

    def test_the_bank_s_head_may_publish_for_a_unit(self, story: Story) -> None:
        own = policies.publish(unit=story.unit, name="own", text=LENIENT, actor=story.head, reason=WHY)
        assert policies.applicable(story.version) == own

    def test_a_unit_under_nobody_s_policy_publishes_its_own(self, bank: Bank, local_head: User) -> None:
        own = policies.publish(unit=bank.retail, name="own", text=policies.DEFAULT, actor=local_head, reason=WHY)
        assert policies.in_force("bank/retail") == own


class TestTheSameArtifactElsewhere:
    """A model's file is what runs; its inventory entry is only what someone wrote about it."""

    def second_entry(self, story: Story, artifact: bytes, by: User) -> Any:
        fields = {"owner": story.owner, "developer": by}
        model = inventory.register(unit=story.unit, name="Harmless", fields=fields, actor=story.owner, reason=WHY)
        tiering.assess(model=model, answers=TIER_4, actor=story.owner, reason=WHY)
        return versions.register(model=model, artifact=io.BytesIO(artifact), file_name="m.skops", actor=by, reason=WHY)

    def test_retiring_the_strict_entry_doesn_t_free_its_artifact(self, story: Story, scorecard_file: bytes) -> None:
        promotion.retire(version=story.version, actor=story.owner, reason="Too many questions")
        assert story.version.stage in Stage.values
        harmless = self.second_entry(story, scorecard_file, story.developer)
        asked = promotion.request(version=harmless, target=story.production, actor=story.developer, reason=WHY)
        with pytest.raises(Refused) as refused:
            promotion.release(promotion=asked, actor=story.owner, reason=WHY)
        assert "stricter_elsewhere" in codes(refused)

    def test_whoever_uploaded_it_elsewhere_doesn_t_judge_it_here(
        self, story: Story, bank: Bank, scorecard_file: bytes
    ) -> None:
        both = person(
            "Betty Both", Role.DEVELOPER, Role.VALIDATOR, Role.HEAD_OF_MODEL_RISK, home=bank.risk, at=bank.root
        )
        self.second_entry(story, scorecard_file, both)
        asked = story.request()
        for role, meaning, code in [
            (Role.VALIDATOR, Meaning.REVIEW, "developer_validates"),
            (Role.HEAD_OF_MODEL_RISK, Meaning.APPROVAL, "own_model"),
        ]:
            with pytest.raises(Refused) as refused:
                signoff.sign(
                    promotion=asked, role=role, meaning=meaning, credential=Password(PASSWORD), comment="", actor=both
                )
            assert code in codes(refused)
        assert both in parties.developers(story.version)


class TestHandingOver:
    def test_naming_another_developer_before_signing_changes_nothing(self, story: Story, bank: Bank) -> None:
        stooge = person("Sam Stooge", Role.DEVELOPER, home=bank.retail, at=bank.retail)
        membership.grant(user=story.developer, role=Role.HEAD_OF_MODEL_RISK, unit=bank.root, actor=SYSTEM, reason=WHY)
        inventory.update(model=story.model, fields={"developer": stooge}, actor=story.developer, reason="Reorganised")
        story.measure()
        asked = promotion.request(version=story.version, target=story.production, actor=stooge, reason=WHY)
        with pytest.raises(Refused) as refused:
            story.sign(asked, Role.HEAD_OF_MODEL_RISK, actor=story.developer)
        assert "own_model" in codes(refused)

    def test_a_card_rewritten_after_the_signatures_makes_them_stale(self, story: Story) -> None:
        from registry import cards

        story.measure()
        asked = story.request()
        story.sign_all(asked)
        cards.write_section(
            version=story.version, section="intended_use", text="Anything", actor=story.developer, reason=WHY
        )
        with pytest.raises(Refused) as refused:
            promotion.release(promotion=asked, actor=story.owner, reason=WHY)
        assert codes(refused) == {"signature_stale"}


@pytest.mark.parametrize("column", ["params", "version", "dataset"])
def test_a_run_made_over_in_the_database_is_no_evidence(story: Story, scorecard_file: bytes, column: str) -> None:
    """The digest holds the record; the columns beside it decide which rule takes the run for its evidence."""
    story.measure("explainability", "performance")
    made = run(story.version, "fairness", story.holdout, by=story.validator)
    asked = story.request()
    other = {"params": made.params | {"min_group": 5}, "version": story.version, "dataset": story.training}
    if column == "version":
        asked = promotion.request(
            version=story.next_version(scorecard_file), target=story.production, actor=story.developer, reason=WHY
        )
        other["version"] = story.version
    with recording(Event.RUN_RETRIED, actor=SYSTEM, reason="By hand", subject=made):
        Run.objects.filter(pk=made.pk).update(**{column: other[column]})
    policy = story.publish(policies.DEFAULT.replace("min_group: 2", "min_group: 5")) if column == "params" else None
    assert policies.applicable(story.version) == (policy or story.policy)
    assert "evidence_altered" in {objection.code for objection in gates.objections(asked)}


class TestAccounts:
    """Who can set someone's password can sign as them."""

    @pytest.fixture
    def local_administrator(self, bank: Bank) -> User:
        return person("Lara Local", Role.ADMINISTRATOR, home=bank.retail, at=bank.retail)

    def test_an_administrator_of_a_unit_gets_into_no_account_that_holds_a_role_above_it(
        self, bank: Bank, local_administrator: User
    ) -> None:
        head = person("Hanna Head", Role.HEAD_OF_MODEL_RISK, home=bank.retail, at=bank.root)
        with pytest.raises(Refused):
            membership.issue_password_link(user=head, actor=local_administrator, reason="Forgot it, she says")
        mate = person("Max Mate", Role.DEVELOPER, home=bank.retail, at=bank.retail)
        assert membership.issue_password_link(user=mate, actor=local_administrator, reason=WHY)

    def test_a_stranger_with_a_made_up_link_puts_nothing_into_the_trail_in_another_s_name(
        self, owner: User, client: Client
    ) -> None:
        before = Entry.objects.count()
        answer = client.post(
            f"/set-password/{owner.pk}/x/", {"password": "a long enough one", "again": "a long enough one"}
        )
        assert answer.status_code == 422
        assert Entry.objects.count() == before

    def test_nobody_makes_a_token_for_another(self, owner: User, administrator: User) -> None:
        with pytest.raises(Refused):
            tokens.create(user=owner, name="mine", scopes=["sign"], days=1, actor=administrator, reason=WHY)
        assert not ApiToken.objects.exists()

    def test_a_unit_s_name_can_t_reach_into_another_line(self, bank: Bank, administrator: User) -> None:
        for slug in ("retail/credit", "Retail", "a b", "../risk"):
            with pytest.raises(BadInput):
                membership.open_unit(name="x", parent=bank.root, slug=slug, actor=administrator, reason=WHY)

    def test_refused_attempts_at_people_and_units_are_on_record(self, bank: Bank, owner: User) -> None:
        with pytest.raises(Refused):
            membership.open_unit(name="Mine", parent=bank.root, actor=owner, reason=WHY)
        with pytest.raises(Refused):
            membership.add_user(
                email="puppet@bank.example", name="P", unit=bank.retail, password=None, actor=owner, reason=WHY
            )
        refused = Entry.objects.filter(type="trail.attempt.refused", actor_id=str(owner.pk)).order_by("at")
        assert [each.content["facts"]["attempted"] for each in refused] == ["people.unit.opened", "people.user.added"]
        assert not Unit.objects.filter(name="Mine").exists()
        assert not User.objects.filter(name="P").exists()
        assert RoleGrant.objects.filter(user=owner).count() == 1


def test_the_page_of_a_version_names_no_model_of_a_unit_one_doesn_t_see(story: Story, bank: Bank, page: Any) -> None:
    both = person("Bea Both", Role.OWNER, home=bank.root, at=bank.root)
    secret = inventory.register(unit=bank.risk, name="Secret challenger", fields={}, actor=both, reason=WHY)
    derived = versions.register(model=secret, artifact=None, actor=both, reason=WHY)
    lineage.connect(kind=Lineage.Kind.DERIVED_FROM, source=story.version, target=derived, actor=both, reason=WHY)
    address = f"/versions/{story.version.pk}/"
    assert "Secret challenger" in page(both).get(address).content.decode()
    assert "Secret challenger" not in page(story.developer).get(address).content.decode()
