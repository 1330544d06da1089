"""Each requirement, met and not; every verb from every stage; and what a pipeline is told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from audits.models import Run
from governance import attestations, gates, policies, promotion, tiering
from governance.models import GateEvaluation, Promotion
from people.models import User
from people.roles import Role
from registry import environments, inventory
from registry.models import Deployment, Environment
from registry.stages import INTO, MOVES, Stage, Verb
from tests import personas
from tests.governance.story import RESULTS, TIER_2, Story, add_version, ratio, run
from tests.personas import WHY, Bank
from trail.actors import SYSTEM
from trail.canonical import digest
from trail.errors import BadInput, Refused
from trail.models import Entry
from trail.record import recording

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.django_db


def codes(asked: Promotion) -> set[str]:
    return {objection.code for objection in gates.objections(asked)} - {"signature_missing"}


def verdict(asked: Promotion, key: str) -> str:
    return next(each.verdict.value for each in gates.requirements(asked) if each.key == key)


def fairness(*disparities: dict[str, Any]) -> dict[str, Any]:
    return RESULTS["fairness"] | {"disparities": list(disparities)}


class TestEvidence:
    def test_each_run_is_asked_for(self, story: Story) -> None:
        asked = story.request()
        for check in RESULTS:
            assert verdict(asked, f"evidence:{check}") == "unmet"
            story.measure(check)
            assert verdict(asked, f"evidence:{check}") == "met"
        assert codes(asked) == set()

    def test_queued_waits_and_failed_is_unmet(self, story: Story) -> None:
        asked = story.request()
        run(story.version, "performance", story.holdout, by=story.validator, status="failed")
        assert verdict(asked, "evidence:performance") == "unmet"
        assert "evidence_failed" in codes(asked)
        run(story.version, "performance", story.holdout, by=story.validator, status="running")
        assert verdict(asked, "evidence:performance") == "waiting"

    def test_old_evidence_is_stale(self, story: Story) -> None:
        asked = story.request()
        story.measure("performance", days_ago=179)
        assert verdict(asked, "evidence:performance") == "met"
        with time_machine.travel(timezone.now() + timedelta(days=2), tick=True):
            assert verdict(asked, "evidence:performance") == "stale"
            assert "evidence_stale" in codes(asked)

    def test_a_better_older_run_can_not_be_picked(self, story: Story) -> None:
        asked = story.request()
        story.measure()
        story.measure("fairness", result=fairness(ratio(0.79, "sex")))
        assert codes(asked) == {"threshold_not_met"}

    @pytest.mark.parametrize(
        ("disparities", "code"),
        [
            ([ratio(0.8, "sex")], None),
            ([ratio(0.7999, "sex")], "threshold_not_met"),
            ([ratio(0.9, "sex"), ratio(0.1, "sex", "age")], None),
            ([ratio(None, "sex")], "cannot_evaluate"),
            ([ratio(0.9, "age")], "cannot_evaluate"),
            ([], "cannot_evaluate"),
        ],
    )
    def test_the_four_fifths(self, story: Story, disparities: list[dict[str, Any]], code: str | None) -> None:
        asked = story.request()
        story.measure("explainability", "performance")
        story.measure("fairness", result=fairness(*disparities))
        assert codes(asked) == ({code} if code else set())

    @pytest.mark.parametrize("params", [{"sensitive": ["age"]}, {"min_group": 500}])
    def test_a_run_that_asks_another_question_does_not_count(self, story: Story, params: dict[str, Any]) -> None:
        asked = story.request()
        story.measure("explainability", "performance")
        story.measure("fairness", params=params)
        assert codes(asked) == {"evidence_missing"}

    def test_predictions_in_a_dataset_are_not_the_artifact(self, story: Story) -> None:
        asked = story.request()
        story.measure("explainability", "performance")
        story.measure("fairness", source={"kind": "column", "prediction": "made_up"})
        assert codes(asked) == {"evidence_not_from_artifact"}

    def test_training_data_flatter(self, story: Story) -> None:
        asked = story.request()
        story.measure("explainability", "fairness")
        run(story.version, "performance", story.training, by=story.validator)
        assert codes(asked) == {"evidence_in_sample"}

    @pytest.mark.parametrize("changed", [{"threshold": 0.01}, {"favourable": "no"}, {"target": "other"}])
    def test_runs_must_describe_one_decision(self, story: Story, changed: dict[str, Any]) -> None:
        asked = story.request()
        story.measure("explainability", "performance")
        story.measure("fairness", params=changed)
        assert codes(asked) == {"evidence_disagrees"}

    @pytest.mark.parametrize("with_its_digest", [False, True])
    def test_an_altered_result_is_found(self, story: Story, with_its_digest: bool) -> None:
        asked = story.request()
        story.measure()
        made = Run.objects.get(check_name="fairness")
        with recording(gates.Event.GATE_EVALUATED, actor=SYSTEM, reason=WHY, subject=story.version):
            made.record = bytes(made.record).replace(b"0.91", b"0.99")
            made.result_digest = digest(made.record) if with_its_digest else made.result_digest
            made.save()
        assert codes(asked) == {"evidence_altered"}


class TestOtherRequirements:
    def test_documents(self, story: Story) -> None:
        asked = story.request()
        story.measure()
        inventory.update(model=story.model, fields={"limitations": ""}, actor=story.owner, reason=WHY)
        assert codes(asked) == {"document_missing"}
        assert verdict(asked, "documents") == "unmet"

    def test_lineage(self, story: Story) -> None:
        asked = story.request()
        story.measure()
        with recording(gates.Event.GATE_EVALUATED, actor=SYSTEM, reason=WHY, subject=story.version):
            story.version.sources.all().delete()
        assert codes(asked) == {"lineage_missing", "cannot_evaluate"}

    def test_a_tier_of_unknown_origin(self, story: Story) -> None:
        asked = story.request()
        story.measure()
        with recording(gates.Event.GATE_EVALUATED, actor=SYSTEM, reason=WHY, subject=story.version) as entry:
            entry.change(story.model, tier=4)
        assert codes(asked) == {"tier_mismatch"}

    def test_a_tier_of_long_ago(self, story: Story) -> None:
        asked = story.request()
        with time_machine.travel(timezone.now() + timedelta(days=370), tick=True):
            story.measure()
            assert codes(asked) == {"tier_stale"}

    def test_a_stricter_tier_asks_for_more(self, story: Story) -> None:
        asked = story.request()
        story.measure()
        tiering.assess(model=story.model, answers=TIER_2 | {"purpose": 4}, actor=story.owner, reason=WHY)
        assert codes(asked) == {"document_missing"}
        assert verdict(asked, "signature:accountable_executive") == "waiting"

    def test_no_policy_no_release(self, story: Story, bank: Bank) -> None:
        asked = story.request()
        story.measure()
        silent = policies.DEFAULT[: policies.DEFAULT.index("  T2:")]
        policies.publish(unit=story.unit, name="own", text=silent, actor=story.head, reason=WHY)
        assert codes(asked) == {"policy_silent"}

    def test_the_same_artifact_in_a_stricter_entry(self, story: Story, scorecard_file: bytes) -> None:
        """Registering a risky model a second time, as a harmless one, is no way round its tier."""
        other = inventory.register(
            unit=story.unit, name="Just a helper", fields={"owner": story.owner}, actor=story.owner, reason=WHY
        )
        low = {name: False if isinstance(answer, bool) else 1 for name, answer in TIER_2.items()}
        tiering.assess(model=other, answers=low, actor=story.owner, reason=WHY)
        story.model, asked_for = other, add_version(other, scorecard_file, story.training, story.developer)
        asked = promotion.request(version=asked_for, target=story.production, actor=story.developer, reason=WHY)
        assert "stricter_elsewhere" in codes(asked)

    def test_without_an_artifact(self, story: Story) -> None:
        story.next_version(b"")
        asked = story.request()
        assert "no_artifact" in codes(asked)

    def test_without_an_artifact_where_the_policy_allows(self, story: Story) -> None:
        head, tail = policies.DEFAULT.replace("source: artifact", "source: any").split("  T2:\n")
        gate = "    production:\n"
        story.publish(f"{head}  T2:\n{tail.replace(gate, gate + '      artifact: optional' + chr(10), 1)}")
        story.next_version(b"")
        story.measure("fairness", "performance", source={"kind": "column"})
        story.measure("explainability")
        asked = story.request()
        story.sign_all(asked)
        done = promotion.release(promotion=asked, actor=story.owner, reason=WHY)
        assert attestations.holds(done)

    def test_an_environment_without_a_stage(self, story: Story, bank: Bank) -> None:
        moon = environments.open_environment(unit=bank.root, slug="moon", name="Moon", actor=SYSTEM, reason=WHY)
        with pytest.raises(Refused) as refused:
            story.request(moon)
        assert {each.code for each in refused.value.objections} == {"no_stage"}

    def test_an_environment_of_another_unit(self, story: Story, bank: Bank) -> None:
        other = environments.open_environment(unit=bank.risk, slug="production", name="P", actor=SYSTEM, reason=WHY)
        with pytest.raises(Refused) as refused:
            story.request(other)
        assert {each.code for each in refused.value.objections} == {"other_unit"}
        assert promotion.target_of(story.version, "production") == story.production

    def test_nothing_unmet_goes_without_an_objection(self, story: Story) -> None:
        asked = story.request()
        for requirement in gates.requirements(asked):
            assert (requirement.verdict == "met") == (not requirement.objections), requirement.key


class TestStages:
    @pytest.fixture
    def targets(self, story: Story, bank: Bank) -> dict[str, Environment]:
        staging = environments.open_environment(unit=bank.root, slug="staging", name="S", actor=SYSTEM, reason=WHY)
        return {"production": story.production, "staging": staging}

    @pytest.mark.parametrize("stage", list(Stage))
    @pytest.mark.parametrize("target", list(INTO))
    def test_every_target_from_every_stage(
        self, story: Story, targets: dict[str, Environment], stage: Stage, target: str
    ) -> None:
        self.put(story, stage)
        if stage in MOVES[INTO[target]][0]:
            asked = story.request(targets[target])
            assert verdict(asked, "stage") == "met"
            return
        with pytest.raises(Refused) as refused:
            story.request(targets[target])
        assert [each.code for each in refused.value.objections] == ["illegal_move"]
        assert not Promotion.objects.exists()

    @pytest.mark.parametrize("stage", list(Stage))
    def test_a_version_that_moved_meanwhile_is_not_released(self, story: Story, stage: Stage) -> None:
        story.measure()
        asked = story.request()
        story.sign_all(asked)
        self.put(story, stage)
        if stage in MOVES[Verb.RELEASE][0]:
            promotion.release(promotion=asked, actor=story.owner, reason=WHY)
            return
        with pytest.raises(Refused) as refused:
            promotion.release(promotion=asked, actor=story.owner, reason=WHY)
        assert [each.code for each in refused.value.objections] == ["illegal_move"]
        story.version.refresh_from_db()
        assert story.version.stage == stage

    @pytest.mark.parametrize("stage", list(Stage))
    def test_retiring_from_every_stage(self, story: Story, stage: Stage) -> None:
        self.put(story, stage)
        if stage in MOVES[Verb.RETIRE][0]:
            assert promotion.retire(version=story.version, actor=story.owner, reason=WHY).stage == Stage.RETIRED
            return
        with pytest.raises(Refused):
            promotion.retire(version=story.version, actor=story.owner, reason=WHY)

    @pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VALIDATOR, Role.COMPLIANCE_OFFICER])
    def test_who_may_not_retire(self, story: Story, role: Role) -> None:
        with pytest.raises(Refused):
            promotion.retire(version=story.version, actor=story.people[role], reason=WHY)
        story.version.refresh_from_db()
        assert story.version.stage == Stage.DEVELOPMENT

    def put(self, story: Story, stage: Stage) -> None:
        with recording(gates.Event.GATE_EVALUATED, actor=SYSTEM, reason=WHY, subject=story.version) as entry:
            entry.change(story.version, stage=stage)


class TestClosing:
    @pytest.mark.parametrize(
        ("role", "code"), [(Role.DEVELOPER, "may_not_reject"), (Role.COMPLIANCE_OFFICER, "may_not_reject")]
    )
    def test_only_who_is_asked_to_sign_rejects(self, story: Story, role: Role, code: str) -> None:
        asked = story.request()
        with pytest.raises(Refused) as refused:
            promotion.reject(promotion=asked, actor=story.people[role], reason=WHY)
        assert code in {each.code for each in refused.value.objections}

    def test_who_asked_withdraws_and_does_not_reject(self, story: Story) -> None:
        mine = promotion.request(version=story.version, target=story.production, actor=story.owner, reason=WHY)
        with pytest.raises(Refused) as refused:
            promotion.reject(promotion=mine, actor=story.owner, reason=WHY)
        assert {each.code for each in refused.value.objections} == {"requester_rejects"}
        with pytest.raises(Refused):
            promotion.withdraw(promotion=mine, actor=story.validator, reason=WHY)
        promotion.withdraw(promotion=mine, actor=story.owner, reason=WHY)
        for verb in (promotion.withdraw, promotion.reject):
            with pytest.raises(Refused) as refused:
                verb(promotion=mine, actor=story.owner, reason=WHY)
            assert "not_open" in {each.code for each in refused.value.objections}

    @pytest.mark.parametrize("verb", [promotion.reject, promotion.withdraw])
    def test_a_reason_is_needed(self, story: Story, verb: Any) -> None:
        asked = story.request()
        with pytest.raises(BadInput):
            verb(promotion=asked, actor=story.owner, reason=" ")
        asked.refresh_from_db()
        assert asked.is_open

    @pytest.mark.parametrize("role", [Role.VALIDATOR, Role.HEAD_OF_MODEL_RISK, Role.ACCOUNTABLE_EXECUTIVE])
    def test_who_may_not_ask(self, story: Story, role: Role) -> None:
        with pytest.raises(Refused):
            promotion.request(version=story.version, target=story.production, actor=story.people[role], reason=WHY)
        assert not Promotion.objects.exists()


class TestPipelines:
    def ask(self, story: Story, by: User | None = None, digest: str = "", target: str = "production") -> set[str]:
        kept = GateEvaluation.objects.count()
        answer = gates.evaluate(digest=digest or story.version.digest, target=target, actor=by or story.developer)
        assert GateEvaluation.objects.count() == kept + 1
        found = {reason["code"] for reason in answer.reasons}
        assert answer.decision == ("blocked" if found else "allowed")
        return found

    def test_only_what_is_released_and_live(self, story: Story, scorecard_file: bytes) -> None:
        assert self.ask(story) == {"not_released"}
        story.released()
        assert self.ask(story) == set()
        assert self.ask(story, digest=story.version.digest.removeprefix("sha256:").upper()) == set()
        assert self.ask(story, target="staging") == {"not_released"}
        assert self.ask(story, target="moon") == {"no_stage"}
        assert self.ask(story, digest="sha256:" + "0" * 64) == {"unknown_digest"}
        promotion.retire(version=story.version, actor=story.owner, reason=WHY)
        assert self.ask(story) == {"stage_retired", "deployment_ended"}

    def test_what_was_superseded_is_blocked(self, story: Story, scorecard_file: bytes) -> None:
        story.released()
        before = story.version
        with (ROOT / "tests/data/artifacts/german_credit.skops").open("rb") as file:
            story.next_version(file.read())
        story.released()
        assert self.ask(story) == set()
        assert self.ask(story, digest=before.digest) == {"stage_superseded", "deployment_ended"}

    def test_an_expired_release_is_blocked(self, story: Story) -> None:
        done = story.released()
        with time_machine.travel(done.expires_at + timedelta(seconds=1), tick=True):
            assert self.ask(story) == {"release_expired"}

    def test_an_altered_attestation_is_blocked(self, story: Story) -> None:
        done = story.released()
        for altered in ("", "{}", "null", done.attestation.replace('"sig": "', '"sig": "AA'), done.attestation[:-1]):
            with recording(gates.Event.GATE_EVALUATED, actor=SYSTEM, reason=WHY, subject=story.version) as entry:
                entry.change(done, attestation=altered)
            assert self.ask(story) == {"attestation_invalid"}, altered

    def test_another_versions_attestation_is_no_use(self, story: Story, scorecard_file: bytes) -> None:
        done = story.released()
        promotion.retire(version=story.version, actor=story.owner, reason=WHY)
        story.next_version(scorecard_file)
        with recording(gates.Event.GATE_EVALUATED, actor=SYSTEM, reason=WHY, subject=story.version) as entry:
            entry.change(story.version, stage=Stage.PRODUCTION)
            entry.create(Deployment(version=story.version, environment=story.production))
            forged = Promotion(
                version=story.version, target=story.production, status="released", requested_by=story.developer,
                attestation=done.attestation, dossier=done.dossier, closed_at=timezone.now(),
            )  # fmt: skip
            entry.create(forged)
        assert self.ask(story) == {"attestation_invalid"}

    def test_only_for_those_who_see_it(self, story: Story, bank: Bank, outsider: User) -> None:
        story.released()
        assert self.ask(story, by=outsider) == {"unknown_digest"}
        nobody = personas.person("Nick Nobody", home=bank.retail, at=bank.retail)
        assert self.ask(story, by=nobody) == {"unknown_digest"}

    def test_every_answer_is_in_the_trail(self, story: Story) -> None:
        self.ask(story)
        entry = Entry.objects.get(type="governance.gate.evaluated")
        assert entry.sentence.endswith(": blocked")
        assert entry.content["facts"]["digest"] == story.version.digest
        assert entry.unit == "bank/retail"
