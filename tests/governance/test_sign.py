"""Who may sign, and what a signature is worth later. Every refusal is on record and changes nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.utils import timezone

from governance import gates, policies, promotion, signoff, tiering
from governance.models import Promotion
from people import membership
from people.models import Meaning, Signature, User
from people.roles import Role
from registry import cards, inventory, lineage
from registry.models import Lineage
from tests import personas
from tests.governance.story import TIER_2, Story
from tests.personas import PASSWORD, WHY, Bank
from trail.actors import SYSTEM
from trail.canonical import canonical, digest
from trail.errors import BadInput, Refused
from trail.models import Entry
from trail.record import recording

pytestmark = pytest.mark.django_db


def refused(story: Story, asked: Promotion, role: Role, **given: Any) -> set[str]:
    """The codes of a refusal, which is recorded and leaves no signature behind."""
    signatures = Signature.objects.count()
    attempts = Entry.objects.filter(type="trail.attempt.refused")
    before = attempts.count()
    with pytest.raises(Refused) as error:
        story.sign(asked, role, **given)
    assert Signature.objects.count() == signatures
    assert attempts.count() == before + 1
    codes = {objection.code for objection in error.value.objections}
    assert set(attempts.latest("at").content["facts"]["codes"]) == codes
    return codes


def grant(user: User, role: Role, unit: Any) -> None:
    membership.grant(user=user, role=role, unit=unit, actor=SYSTEM, reason=WHY)
    vars(user).pop("held_grants", None)  # the next request reads them anew


@pytest.fixture
def asked(story: Story) -> Promotion:
    story.measure()
    return story.request()


def test_a_signature_binds_what_was_shown(story: Story, asked: Promotion) -> None:
    shown = signoff.statement_for(asked, story.validator, Role.VALIDATOR, Meaning.REVIEW, "Seen")
    signature = story.sign(asked, Role.VALIDATOR, dossier_digest=signoff.dossier_digest(asked))
    assert bytes(signature.statement) == shown
    assert signature.digest == digest(shown)
    said = json.loads(shown)
    assert said["signer"]["name"] == story.validator.name
    assert said["meaning_text"] == "I reviewed this"
    dossier = said["dossier"]
    assert said["dossier_digest"] == digest(canonical(dossier))
    assert dossier["artifact_digest"] == story.version.digest
    assert dossier["policy"]["digest"] == story.policy.digest
    assert [each["check"] for each in dossier["evidence"]] == ["fairness", "explainability", "performance"]
    entry = Entry.objects.get(type="governance.signature.signed")
    assert entry.content["facts"]["digest"] == signature.digest
    assert entry.subject_id == str(asked.pk)


class TestSeparation:
    def test_the_developer_does_not_validate(self, story: Story, asked: Promotion, bank: Bank) -> None:
        grant(story.developer, Role.VALIDATOR, bank.root)
        found = refused(story, asked, Role.VALIDATOR, actor=story.developer)
        assert found == {"developer_validates", "own_model", "requester_approves"}

    def test_handing_over_on_paper_does_not_help(self, story: Story, asked: Promotion, bank: Bank) -> None:
        """The developer of record changes, and changes back: what the trail knows of them stays."""
        for developer in (story.validator, story.developer):
            inventory.update(model=story.model, fields={"developer": developer}, actor=story.owner, reason=WHY)
        assert refused(story, asked, Role.VALIDATOR) == {"developer_validates", "own_model"}

    def test_nor_does_anyone_in_their_line(self, story: Story, asked: Promotion, bank: Bank) -> None:
        colleague = personas.person("Colin Colleague", Role.VALIDATOR, home=bank.retail, at=bank.root)
        assert refused(story, asked, Role.VALIDATOR, actor=colleague) == {"same_line"}
        superior = personas.person("Susan Superior", Role.VALIDATOR, home=bank.root, at=bank.root)
        assert refused(story, asked, Role.VALIDATOR, actor=superior) == {"same_line"}

    @pytest.mark.parametrize("role", [Role.VALIDATOR, Role.HEAD_OF_MODEL_RISK])
    def test_the_owner_does_not_approve(self, story: Story, asked: Promotion, bank: Bank, role: Role) -> None:
        grant(story.owner, role, bank.root)
        assert "own_model" in refused(story, asked, role, actor=story.owner)

    def test_the_uploader_of_an_earlier_version_does_not_approve(
        self, story: Story, asked: Promotion, bank: Bank
    ) -> None:
        from tests.governance.story import add_version

        promotion.withdraw(promotion=asked, actor=story.developer, reason=WHY)
        grant(story.head, Role.DEVELOPER, bank.retail)
        add_version(story.model, b"", story.training, story.head)
        assert "own_model" in refused(story, story.request(), Role.HEAD_OF_MODEL_RISK)

    def test_who_asks_does_not_approve(self, story: Story, bank: Bank) -> None:
        grant(story.head, Role.OWNER, bank.retail)
        mine = promotion.request(version=story.version, target=story.production, actor=story.head, reason=WHY)
        assert refused(story, mine, Role.HEAD_OF_MODEL_RISK) == {"requester_approves"}

    def test_who_asks_may_take_responsibility(self, story: Story) -> None:
        mine = promotion.request(version=story.version, target=story.production, actor=story.owner, reason=WHY)
        assert story.sign(mine, Role.OWNER).role == Role.OWNER

    @pytest.mark.parametrize(
        ("role", "code"), [(Role.ADMINISTRATOR, "administrator_signs"), (Role.AUDITOR, "auditor_signs")]
    )
    def test_some_never_sign_whatever_else_they_are(
        self, story: Story, asked: Promotion, bank: Bank, role: Role, code: str
    ) -> None:
        grant(story.head, role, bank.risk)
        assert refused(story, asked, Role.HEAD_OF_MODEL_RISK) == {code}

    def test_one_person_counts_once(self, story: Story, asked: Promotion, bank: Bank) -> None:
        grant(story.validator, Role.HEAD_OF_MODEL_RISK, bank.root)
        story.sign(asked, Role.VALIDATOR)
        assert refused(story, asked, Role.HEAD_OF_MODEL_RISK, actor=story.validator) == {"signed_already"}
        assert refused(story, asked, Role.VALIDATOR) == {"signed_already"}

    def test_nor_by_way_of_a_dossier_that_comes_back(self, story: Story, asked: Promotion, bank: Bank) -> None:
        """Sign, change a text, sign in another role, change it back: only the last signature of a person counts."""
        grant(story.validator, Role.HEAD_OF_MODEL_RISK, bank.root)
        story.sign(asked, Role.VALIDATOR)
        inventory.update(model=story.model, fields={"limitations": "Other"}, actor=story.owner, reason=WHY)
        story.sign(asked, Role.HEAD_OF_MODEL_RISK, actor=story.validator)
        inventory.update(
            model=story.model, fields={"limitations": "One bank, 1973 to 1975."}, actor=story.owner, reason=WHY
        )
        assert [each.counts for each in signoff.signatures(asked)] == [False, False]

    def test_a_role_signs_once(self, story: Story, asked: Promotion, bank: Bank) -> None:
        story.sign(asked, Role.VALIDATOR)
        second = personas.person("Victor Validator", Role.VALIDATOR, home=bank.risk, at=bank.root)
        assert refused(story, asked, Role.VALIDATOR, actor=second) == {"role_signed"}

    def test_a_role_must_be_held_here(self, story: Story, asked: Promotion, bank: Bank) -> None:
        assert refused(story, asked, Role.VALIDATOR, actor=story.head) == {"role_not_held"}
        elsewhere = personas.person("Erik Elsewhere", Role.VALIDATOR, home=bank.risk, at=bank.risk)
        assert refused(story, asked, Role.VALIDATOR, actor=elsewhere) == {"role_not_held"}

    def test_the_suspended_do_not_sign(self, story: Story, asked: Promotion) -> None:
        membership.suspend(user=story.validator, actor=SYSTEM, reason=WHY)
        assert refused(story, asked, Role.VALIDATOR) == {"suspended"}

    def test_a_role_the_policy_does_not_ask(self, story: Story, asked: Promotion) -> None:
        given = {"meaning": Meaning.APPROVAL, "actor": story.people[Role.COMPLIANCE_OFFICER]}
        with pytest.raises(Refused) as error:
            signoff.sign(promotion=asked, role=Role.COMPLIANCE_OFFICER, password=PASSWORD, comment="", **given)
        assert {each.code for each in error.value.objections} == {"role_not_asked"}

    def test_another_meaning(self, story: Story, asked: Promotion) -> None:
        assert refused(story, asked, Role.VALIDATOR, meaning=Meaning.APPROVAL) == {"wrong_meaning"}

    def test_responsibility_is_the_owners_alone(self, story: Story, asked: Promotion, bank: Bank) -> None:
        other = personas.person("Oscar Owner", Role.OWNER, home=bank.retail, at=bank.retail)
        assert refused(story, asked, Role.OWNER, actor=other) == {"not_the_owner"}

    def test_a_validator_is_never_the_sole_approver(self, story: Story, asked: Promotion) -> None:
        """Such a policy can't be published; one that got in otherwise still does not release."""
        alone = policies.DEFAULT.replace("        - {role: head_of_model_risk, meaning: approval}\n", "")
        with pytest.raises(BadInput):
            story.publish(alone)
        with recording(gates.Event.POLICY_PUBLISHED, actor=SYSTEM, reason=WHY, subject=story.policy) as entry:
            entry.change(story.policy, text=alone, digest=digest(alone.encode()))
        assert "sole_approver" in {each.code for each in gates.objections(asked)}

    def test_a_closed_promotion_is_not_signed(self, story: Story, asked: Promotion) -> None:
        promotion.withdraw(promotion=asked, actor=story.developer, reason=WHY)
        assert refused(story, asked, Role.VALIDATOR) == {"not_open"}

    def test_unknown_words(self, story: Story, asked: Promotion) -> None:
        for given in ({"role": "king"}, {"meaning": "maybe"}):
            with pytest.raises(BadInput):
                signoff.sign(
                    promotion=asked,
                    actor=story.validator,
                    password=PASSWORD,
                    comment="",
                    **{"role": "validator", "meaning": "review"} | given,
                )


class TestPassword:
    def test_a_wrong_one_signs_nothing(self, story: Story, asked: Promotion) -> None:
        assert refused(story, asked, Role.VALIDATOR, password="wrong") == {"wrong_password"}
        assert refused(story, asked, Role.VALIDATOR, password="") == {"wrong_password"}

    def test_the_sixth_try_is_closed_even_to_the_right_one(self, story: Story, asked: Promotion) -> None:
        for _ in range(5):
            assert refused(story, asked, Role.VALIDATOR, password="wrong") == {"wrong_password"}
        assert refused(story, asked, Role.VALIDATOR) == {"too_many_tries"}
        story.sign(asked, Role.HEAD_OF_MODEL_RISK)  # others are not shut out
        with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=True):
            story.sign(asked, Role.VALIDATOR)

    def test_it_is_never_kept(self, story: Story, asked: Promotion) -> None:
        refused(story, asked, Role.VALIDATOR, password="a-secret-mistyped")
        story.sign(asked, Role.VALIDATOR)
        for entry in Entry.objects.all():
            assert b"a-secret-mistyped" not in bytes(entry.body)
            assert PASSWORD.encode() not in bytes(entry.body)


class TestStale:
    @pytest.fixture(autouse=True)
    def signed(self, story: Story, asked: Promotion) -> None:
        story.sign_all(asked)
        assert gates.objections(asked) == []

    def is_stale(self, story: Story, asked: Promotion) -> None:
        assert [each.stale for each in signoff.signatures(asked)] == [True] * 3
        verdicts = {each.key: each.verdict for each in gates.requirements(asked)}
        assert verdicts["signature:validator"] == "stale"
        with pytest.raises(Refused) as error:
            promotion.release(promotion=asked, actor=story.owner, reason=WHY)
        assert "signature_stale" in {each.code for each in error.value.objections}

    def test_new_evidence(self, story: Story, asked: Promotion) -> None:
        story.measure("performance")
        self.is_stale(story, asked)
        story.sign_all(asked)  # the way back is to sign again
        promotion.release(promotion=asked, actor=story.owner, reason=WHY)

    def test_a_new_policy(self, story: Story, asked: Promotion) -> None:
        story.publish(policies.DEFAULT + "# reworded\n")
        self.is_stale(story, asked)

    def test_a_changed_document(self, story: Story, asked: Promotion) -> None:
        inventory.update(model=story.model, fields={"limitations": "None known"}, actor=story.owner, reason=WHY)
        self.is_stale(story, asked)

    def test_a_changed_card(self, story: Story, asked: Promotion) -> None:
        cards.write_section(
            version=story.version, section="intended_use", text="All", actor=story.developer, reason=WHY
        )
        self.is_stale(story, asked)

    def test_a_new_tier_assessment(self, story: Story, asked: Promotion) -> None:
        tiering.assess(model=story.model, answers=TIER_2, actor=story.owner, reason=WHY)
        self.is_stale(story, asked)

    def test_another_owner(self, story: Story, asked: Promotion, bank: Bank) -> None:
        other = personas.person("Oscar Owner", Role.OWNER, home=bank.retail, at=bank.retail)
        inventory.update(model=story.model, fields={"owner": other}, actor=story.owner, reason=WHY)
        self.is_stale(story, asked)

    def test_new_lineage(self, story: Story, asked: Promotion) -> None:
        lineage.connect(
            kind=Lineage.Kind.TRAINED_ON, source=story.holdout, target=story.version, actor=story.developer, reason=WHY
        )
        self.is_stale(story, asked)

    def test_another_artifact(self, story: Story, asked: Promotion) -> None:
        from registry.models import Artifact

        with recording(gates.Event.GATE_EVALUATED, actor=SYSTEM, reason=WHY, subject=story.version) as entry:
            other = entry.create(Artifact(sha256="0" * 64, size=1, format="onnx", file_name="x.onnx", path="x"))
            entry.change(story.version, artifact=other)
        self.is_stale(story, asked)
        codes = {each.code for each in gates.objections(asked)}
        assert {"evidence_other_artifact", "evidence_not_from_artifact"} <= codes

    def test_a_newer_version(self, story: Story, asked: Promotion, scorecard_file: bytes) -> None:
        story.next_version(scorecard_file)
        assert {each.code for each in gates.objections(asked)} == {"newer_version"}
        promotion.withdraw(promotion=asked, actor=story.developer, reason=WHY)
        again = promotion.request(version=asked.version, target=story.production, actor=story.developer, reason=WHY)
        assert "newer_version" not in {each.code for each in gates.objections(again)}

    def test_what_was_shown_before_is_not_signed(self, story: Story, asked: Promotion) -> None:
        shown = signoff.dossier_digest(asked)
        story.measure("performance")
        assert refused(story, asked, Role.VALIDATOR, dossier_digest=shown) == {"shown_changed"}

    def test_an_altered_row_counts_no_more(self, story: Story, asked: Promotion) -> None:
        signature = Signature.objects.get(role=Role.VALIDATOR)
        with recording(gates.Event.SIGNED, actor=SYSTEM, reason=WHY, subject=story.version) as entry:
            entry.change(signature, role=Role.HEAD_OF_MODEL_RISK)
        assert "signature_altered" in {each.code for signed in signoff.signatures(asked) for each in signed.objections}
        assert "signature_missing" in {each.code for each in gates.objections(asked)}

    def test_a_row_the_trail_does_not_know_counts_not(self, story: Story, asked: Promotion) -> None:
        signature = Signature.objects.get(role=Role.VALIDATOR)
        fresh = personas.person("Vim Validator", Role.VALIDATOR, home=story.validator.unit, at=story.unit.parent)
        forged = json.loads(bytes(signature.statement)) | {"signer": {"id": str(fresh.pk), "name": fresh.name}}
        signature.pk, signature.signer, signature.statement = None, fresh, canonical(forged)
        signature.id = uuid4()
        signature.digest = digest(signature.statement)
        with recording(gates.Event.GATE_EVALUATED, actor=SYSTEM, reason=WHY, subject=story.version) as entry:
            entry.create(signature)
        assert not next(each for each in signoff.signatures(asked) if each.signature.signer == fresh).counts

    def test_a_released_promotion_stays_as_it_was(self, story: Story, asked: Promotion) -> None:
        promotion.release(promotion=asked, actor=story.owner, reason=WHY)
        asked.refresh_from_db()
        before = signoff.dossier_digest(asked)
        story.measure("performance")
        inventory.update(model=story.model, fields={"limitations": "None known"}, actor=story.owner, reason=WHY)
        assert signoff.dossier_digest(asked) == before
        assert all(each.counts for each in signoff.signatures(asked))
        assert {each.verdict for each in gates.requirements(asked)} == {"met"}
