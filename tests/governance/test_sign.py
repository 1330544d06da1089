"""Who may sign, and what a signature is worth later. Every refusal is on record and changes nothing."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pyotp
import pytest
import time_machine
from django.utils import timezone

from governance import gates, policies, promotion, signoff, tiering
from governance.models import Promotion
from people import credentials, membership, passkeys, totp
from people.models import Meaning, Passkey, Signature, User
from people.roles import Role
from people.signing import Assertion, Code, Password, credential_from, shown_moment
from registry import cards, inventory, lineage
from registry.models import Lineage
from tests import personas
from tests.governance.story import TIER_2, Story
from tests.passkeys import Device, row, unurl
from tests.passkeys import add as passkey_of
from tests.personas import PASSWORD, WHY, Bank
from trail import erasure
from trail.actors import SYSTEM
from trail.canonical import canonical, digest
from trail.errors import BadInput, Refused
from trail.events import Event as Trail
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
    shown_at = shown_moment()
    shown = signoff.statement_for(
        promotion=asked,
        signer=story.validator,
        role=Role.VALIDATOR,
        meaning=Meaning.REVIEW,
        comment="Seen",
        shown_at=shown_at,
    )
    given = {"dossier_digest": signoff.dossier_digest(asked), "shown_at": shown_at.isoformat()}
    signature = story.sign(asked, Role.VALIDATOR, **given)
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
            signoff.sign(
                promotion=asked, role=Role.COMPLIANCE_OFFICER, credential=Password(PASSWORD), comment="", **given
            )
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
                    credential=Password(PASSWORD),
                    comment="",
                    **{"role": "validator", "meaning": "review"} | given,
                )


class TestPassword:
    def test_a_wrong_one_signs_nothing(self, story: Story, asked: Promotion) -> None:
        assert refused(story, asked, Role.VALIDATOR, credential=Password("wrong")) == {"wrong_password"}
        assert refused(story, asked, Role.VALIDATOR, credential=Password("")) == {"wrong_password"}

    def test_the_sixth_try_is_closed_even_to_the_right_one(self, story: Story, asked: Promotion) -> None:
        for _ in range(5):
            assert refused(story, asked, Role.VALIDATOR, credential=Password("wrong")) == {"wrong_password"}
        assert refused(story, asked, Role.VALIDATOR) == {"too_many_tries"}
        story.sign(asked, Role.HEAD_OF_MODEL_RISK)  # others are not shut out
        with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=True):
            story.sign(asked, Role.VALIDATOR)

    def test_it_is_never_kept(self, story: Story, asked: Promotion) -> None:
        refused(story, asked, Role.VALIDATOR, credential=Password("a-secret-mistyped"))
        story.sign(asked, Role.VALIDATOR)
        for entry in Entry.objects.select_related("payload"):
            kept = bytes(entry.body) + bytes(entry.payload.disclosed)
            assert b"a-secret-mistyped" not in kept
            assert PASSWORD.encode() not in kept


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


class TestProof:
    """A password, a code or a passkey, at every signing; what a passkey says can be checked by anyone."""

    @pytest.fixture
    def device(self, story: Story) -> Device:
        return passkey_of(story.validator)

    def answered(self, story: Story, asked: Promotion, device: Device, **wrong: Any) -> dict[str, Any]:
        """What someone sends who was shown the statement and let their passkey answer it."""
        shown_at = shown_moment()
        shown = signoff.statement_for(
            promotion=asked,
            signer=story.validator,
            role=Role.VALIDATOR,
            meaning=Meaning.REVIEW,
            comment="Seen",
            shown_at=shown_at,
        )
        return {"credential": device.answer(shown, **wrong), "shown_at": shown_at.isoformat()}

    def test_a_passkey_s_answer_stands_beside_the_statement(
        self, story: Story, asked: Promotion, device: Device
    ) -> None:
        signature = story.sign(asked, Role.VALIDATOR, **self.answered(story, asked, device))
        signature.refresh_from_db()
        assert signature.method == "passkey"
        assert set(signature.evidence) == {
            "credential_id", "public_key", "authenticator_data", "client_data_json", "signature", "rp_id", "origin",
        }  # fmt: skip
        assert passkeys.problem(signature.evidence, bytes(signature.statement)) == ""
        assert json.loads(bytes(signature.statement))["shown_at"] == signature.shown_at.isoformat()
        assert [each.counts for each in signoff.signatures(asked)] == [True]
        assert Entry.objects.get(type="governance.signature.signed").content["facts"]["method"] == "passkey"

    def test_it_answers_no_other_statement(self, story: Story, asked: Promotion, device: Device) -> None:
        given = self.answered(story, asked, device)
        assert refused(story, asked, Role.VALIDATOR, **given | {"comment": "Other"}) == {"wrong_passkey"}
        later = (shown_moment(given["shown_at"]) - timedelta(seconds=1)).isoformat()
        assert refused(story, asked, Role.VALIDATOR, **given | {"shown_at": later}) == {"wrong_passkey"}

    @pytest.mark.parametrize(
        "wrong", [{"origin": "https://countersign.evil.example"}, {"flags": 1}, {"rp_id": "evil.example"}]
    )
    def test_nor_from_another_page_or_by_someone_it_did_not_check(
        self, story: Story, asked: Promotion, device: Device, wrong: dict[str, Any]
    ) -> None:
        given = self.answered(story, asked, device, **wrong)
        assert refused(story, asked, Role.VALIDATOR, **given) == {"wrong_passkey"}

    def test_a_password_is_then_not_enough(self, story: Story, asked: Promotion, device: Device) -> None:
        """An administrator could have set it anew."""
        assert refused(story, asked, Role.VALIDATOR) == {"stronger_credential"}
        assert refused(story, asked, Role.VALIDATOR, credential=Password("wrong")) == {"stronger_credential"}

    def test_a_code_is_good_once(self, story: Story, asked: Promotion) -> None:
        secret, now = totp.new_secret(), timezone.now()
        with time_machine.travel(now, tick=False) as clock:
            app_of(story.validator, secret)
            clock.shift(30)
            code = Code(pyotp.TOTP(secret).now())
            assert story.sign(asked, Role.VALIDATOR, credential=code).method == "totp"
            inventory.update(model=story.model, fields={"limitations": "Other"}, actor=story.owner, reason=WHY)
            assert refused(story, asked, Role.VALIDATOR, credential=code) == {"wrong_code"}

    def test_a_refused_signing_leaves_the_code_good(self, story: Story, asked: Promotion) -> None:
        secret, now = totp.new_secret(), timezone.now()
        with time_machine.travel(now, tick=False) as clock:
            app_of(story.validator, secret)
            clock.shift(30)
            code = Code(pyotp.TOTP(secret).now())
            assert refused(story, asked, Role.VALIDATOR, credential=code, meaning=Meaning.APPROVAL) == {"wrong_meaning"}
            assert story.sign(asked, Role.VALIDATOR, credential=code)

    def test_who_has_nothing_is_told_so(self, story: Story, asked: Promotion, bank: Bank) -> None:
        person = membership.add_user(
            email="sso@bank.example", name="Sara Sso", unit=bank.risk, password=None, actor=SYSTEM, reason=WHY
        )
        grant(person, Role.VALIDATOR, bank.root)
        assert refused(story, asked, Role.VALIDATOR, actor=person) == {"no_credential"}

    def test_more_than_one_is_none(self) -> None:
        with pytest.raises(BadInput):
            credential_from(password="x", code="123456")

    def test_a_credential_shows_nothing_of_itself(self) -> None:
        assert "secret" not in f"{Password('secret')} {Code('secret')} {Assertion('secret')}"


class TestShown:
    def test_what_was_shown_long_ago_is_not_signed(self, story: Story, asked: Promotion) -> None:
        long_ago = (timezone.now() - timedelta(minutes=10, seconds=2)).isoformat()
        assert refused(story, asked, Role.VALIDATOR, shown_at=long_ago) == {"shown_stale"}
        lately = (timezone.now() - timedelta(minutes=9)).isoformat()
        assert story.sign(asked, Role.VALIDATOR, shown_at=lately)

    def test_nor_what_will_be_shown(self, story: Story, asked: Promotion) -> None:
        ahead = (timezone.now() + timedelta(minutes=1)).isoformat()
        assert refused(story, asked, Role.VALIDATOR, shown_at=ahead) == {"shown_later"}

    def test_and_no_credential_is_tried_on_it(self, story: Story, asked: Promotion) -> None:
        long_ago = (timezone.now() - timedelta(hours=1)).isoformat()
        given = {"shown_at": long_ago, "credential": Password("guess")}
        assert refused(story, asked, Role.VALIDATOR, **given) == {"shown_stale"}

    @pytest.mark.parametrize("given", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00"])
    def test_a_moment_that_is_none(self, story: Story, asked: Promotion, given: str) -> None:
        with pytest.raises(BadInput):
            story.sign(asked, Role.VALIDATOR, shown_at=given)


class TestAltered:
    """Rows of signatures that someone wrote into the database do not count."""

    @pytest.fixture
    def signature(self, story: Story, asked: Promotion) -> Signature:
        device = passkey_of(story.validator)
        story.sign(asked, Role.VALIDATOR, **TestProof().answered(story, asked, device))
        return Signature.objects.get()

    def codes(self, asked: Promotion) -> list[str]:
        return [objection.code for each in signoff.signatures(asked) for objection in each.objections]

    def alter(self, signature: Signature, **values: Any) -> None:
        with recording(gates.Event.SIGNED, actor=SYSTEM, reason=WHY, subject=signature) as entry:
            entry.change(signature, **values)

    def test_as_it_is_it_counts(self, asked: Promotion, signature: Signature) -> None:
        assert self.codes(asked) == []

    @pytest.mark.parametrize(
        "values",
        [
            {"method": "password"},
            {"signer_name": "Somebody Else"},
            {"comment": "Never said"},
            {"meaning": "approval"},
            {"shown_at": None},
            {"signed_at": timezone.now() + timedelta(days=2)},
        ],
        ids=lambda values: next(iter(values)),
    )
    def test_no_column_of_it_can_be_changed(
        self, asked: Promotion, signature: Signature, values: dict[str, Any]
    ) -> None:
        self.alter(signature, **values)
        assert self.codes(asked) == ["signature_altered"]

    def test_nor_the_evidence(self, asked: Promotion, signature: Signature) -> None:
        for name in ("signature", "authenticator_data", "client_data_json", "public_key"):
            altered = signature.evidence | {name: signature.evidence[name][:-8] + "AAAAAAA="}
            before = signature.evidence
            self.alter(signature, evidence=altered)
            assert self.codes(asked) == ["passkey_invalid"]
            self.alter(signature, evidence=before)
        self.alter(signature, evidence={})
        assert self.codes(asked) == ["passkey_invalid"]

    def test_nor_by_a_key_that_was_slipped_in(self, story: Story, asked: Promotion, signature: Signature) -> None:
        """A good assertion by a key that nobody recorded as the signer's."""
        other, held = Device(), Passkey.objects.get()
        held.credential_id, held.public_key = row(passkey_of(story.head, other)).credential_id, other.spki()
        _, evidence = passkeys.asserted(other.answer(bytes(signature.statement)).json, [held])
        assert passkeys.problem(evidence, bytes(signature.statement)) == ""
        self.alter(signature, evidence=evidence)
        assert self.codes(asked) == ["passkey_invalid"]

    def test_a_passkey_removed_since_vouches_still(self, story: Story, asked: Promotion, signature: Signature) -> None:
        remove_passkey_of(story.validator)
        assert self.codes(asked) == []

    def test_an_erased_reset_took_them_all(self, story: Story, asked: Promotion, signature: Signature) -> None:
        """What it took is said no more, so nothing is taken for held after it."""
        remove_passkey_of(story.validator)
        reset = Entry.objects.get(type="people.methods.reset")
        with recording(Trail.ERASED, actor=SYSTEM, reason=WHY, subject=story.version) as entry:
            erasure.erase(entry, [reset], lambda _entry, name, _value: name == "facts.passkeys")
        assert self.codes(asked) == []
        self.alter(signature, signed_at=timezone.now() + timedelta(seconds=1))
        assert self.codes(asked) == ["passkey_invalid"]

    def test_one_removed_before_does_not(self, story: Story, asked: Promotion, signature: Signature) -> None:
        remove_passkey_of(story.validator)
        moved = timezone.now() + timedelta(seconds=1)
        with recording(gates.Event.SIGNED, actor=SYSTEM, reason=WHY, subject=signature) as entry:
            entry.change(signature, signed_at=moved)
        assert self.codes(asked) == ["passkey_invalid"]


class TestPages:
    """The page shows the statement, and what it asks a passkey for is the digest of what it shows."""

    def test_what_is_shown_is_what_the_passkey_answers(self, story: Story, asked: Promotion, page: Any) -> None:
        client, device = page(story.validator), passkey_of(story.validator)
        address = f"/promotions/{asked.pk}/"
        shown = client.get(address, {"role": "validator"}).content.decode()
        assert 'name="password"' not in shown
        assert "Sign with your passkey" in shown
        shown = client.post(f"{address}statement/", {"role": "validator", "comment": "Read\r\nit"}).content.decode()
        options = json.loads(html.unescape(re.search(r'data-request-options="([^"]*)"', shown)[1]))
        statement = html.unescape(re.findall(r"<pre[^>]*>(.*?)</pre>", shown, re.DOTALL)[1]).encode()
        assert unurl(options["challenge"]).hex() == digest(statement).removeprefix("sha256:")
        given = {
            "role": "validator",
            "meaning": "review",
            "comment": "Read\r\nit",
            "dossier_digest": signoff.dossier_digest(asked),
            "shown_at": re.search(r'name="shown_at" value="([^"]+)"', shown)[1],
            "passkey": device.get(options),
        }
        answer = client.post(f"{address}sign/", given, follow=True)
        assert "with your passkey" in answer.content.decode()
        assert bytes(Signature.objects.get().statement) == statement

    def test_a_code_is_asked_of_who_has_an_app(self, story: Story, asked: Promotion, page: Any) -> None:
        app_of(story.validator, totp.new_secret())
        client, address = page(story.validator), f"/promotions/{asked.pk}/"
        shown = client.get(address, {"role": "validator"}).content.decode()
        assert 'name="code"' in shown
        assert 'name="password"' not in shown
        given = {"role": "validator", "meaning": "review", "dossier_digest": signoff.dossier_digest(asked)}
        answer = client.post(f"{address}sign/", given | {"code": "000000"})
        assert answer.status_code == 409
        assert "The code is not right, or was used before; nothing was done." in answer.content.decode()
        assert "000000" not in answer.content.decode()
        assert client.post(f"{address}sign/", given).status_code == 422
        assert client.post(f"{address}sign/", given | {"password": PASSWORD}).status_code == 409

    def test_who_has_nothing_is_led_to_their_account(
        self, story: Story, asked: Promotion, bank: Bank, page: Any
    ) -> None:
        person = membership.add_user(
            email="sso@bank.example", name="Sara Sso", unit=bank.risk, password=None, actor=SYSTEM, reason=WHY
        )
        grant(person, Role.VALIDATOR, bank.root)
        shown = page(person).get(f"/promotions/{asked.pk}/", {"role": "validator"}).content.decode()
        assert "You have nothing to prove who you are with" in shown
        given = {"role": "validator", "meaning": "review", "dossier_digest": signoff.dossier_digest(asked)}
        assert page(person).post(f"/promotions/{asked.pk}/sign/", given).status_code == 409


class TestOverTheApi:
    def test_prepared_then_signed(self, story: Story, asked: Promotion, api: Any) -> None:
        client, device = api(story.validator), passkey_of(story.validator)
        address = f"/api/v1/promotions/{asked.pk}/signatures/"
        said = {"role": "validator", "meaning": "review", "comment": "Seen"}
        shown = client.post(f"{address}prepare/", said).json()
        assert shown["methods"] == ["passkey"]
        assert shown["digest"] == digest(shown["statement"].encode())
        assert unurl(shown["passkey"]["challenge"]).hex() == shown["digest"].removeprefix("sha256:")
        given = said | {name: shown[name] for name in ("shown_at", "dossier_digest")}
        answer = client.post(address, given | {"passkey": json.loads(device.get(shown["passkey"]))})
        assert answer.status_code == 201, answer.content
        assert answer.json()["method"] == "passkey"
        assert answer.json()["shown_at"]
        assert bytes(Signature.objects.get().statement) == shown["statement"].encode()

    def test_asking_what_would_be_signed_writes_nothing(self, story: Story, asked: Promotion, api: Any) -> None:
        before = Entry.objects.count()
        address = f"/api/v1/promotions/{asked.pk}/signatures/prepare/"
        shown = api(story.validator).post(address, {"role": "validator", "meaning": "review"}).json()
        assert (shown["methods"], shown["passkey"]) == (["password"], None)
        assert Entry.objects.count() == before + 1  # the token
        assert api(story.validator).post(address, {"role": "king", "meaning": "review"}).status_code == 422

    @pytest.mark.parametrize(
        ("given", "status"),
        [
            ({"password": PASSWORD, "code": "123456"}, 422),
            ({"passkey": 7}, 422),
            ({"passkey": {"id": []}}, 409),
            ({"passkey": "text"}, 409),
            ({"code": 123456}, 422),
            ({}, 409),
            ({"password": PASSWORD, "shown_at": "soon"}, 422),
        ],
        ids=json.dumps,
    )
    def test_what_can_t_be_taken(
        self, story: Story, asked: Promotion, api: Any, given: dict[str, Any], status: int
    ) -> None:
        passkey_of(story.validator)
        body = {"role": "validator", "meaning": "review"} | given
        answer = api(story.validator).post(f"/api/v1/promotions/{asked.pk}/signatures/", body)
        assert answer.status_code == status
        assert not Signature.objects.exists()


def app_of(person: User, secret: str) -> None:
    credentials.add_authenticator(
        person=person,
        sealed=totp.seal(secret, person),
        code=pyotp.TOTP(secret).now(),
        credential=Password(PASSWORD),
        shown_at=shown_moment(),
    )


def remove_passkey_of(person: User) -> None:
    """As an administrator does for someone who lost it."""
    credentials.reset(person=person, actor=SYSTEM, reason=WHY)
