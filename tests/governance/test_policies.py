from __future__ import annotations

from typing import Any

import pytest
import yaml

from governance import policies, policy_text, thresholds
from governance.thresholds import Unreadable
from people.roles import Role
from tests.governance.story import Story
from tests.personas import WHY, Bank
from trail.actors import SYSTEM
from trail.errors import BadInput, Refused
from trail.models import Entry

GATE: dict[str, Any] = {
    "evidence": [],
    "documents": ["owner"],
    "signatures": [
        {"role": "owner", "meaning": "responsibility"},
        {"role": "head_of_model_risk", "meaning": "approval"},
    ],
}
FAIRNESS = {"check": "fairness", "max_age_days": 90}
THRESHOLD = {"measure": "auc.value", "why": "x"}


def text(**changed: Any) -> str:
    return yaml.safe_dump({"title": "A policy", "tiers": {"T2": {"production": GATE | changed}}})


def test_the_default_reads() -> None:
    tiers = policy_text.load(policies.DEFAULT)["tiers"]
    assert set(tiers) == {"T1", "T2", "T3", "T4"}
    assert all(set(targets) == {"staging", "production"} for targets in tiers.values())
    fairness = tiers["T2"]["production"]["evidence"][0]
    assert fairness["thresholds"][0]["min"] == 0.8
    assert fairness["thresholds"][0]["source"]["verified_on"] == "2026-11-20"


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        ("title: [", "text"),
        ("title: a\ntitle: b\ntiers: {}", "text"),
        ("title: &a x\ntiers: *a", "text"),
        ("title: !!python/object/apply:os.system [ls]", "text"),
        ("- a list", "The policy"),
        ("title: a", "The policy"),
        (text(signatures=[]), "tiers.T2.production.signatures"),
        (text(colour="red"), "tiers.T2.production"),
        (text(evidence=[{"check": "fairness"}]), "tiers.T2.production.evidence[0]"),
        (text(evidence=[FAIRNESS | {"thresholds": [THRESHOLD]}]), "tiers.T2.production.evidence[0].thresholds[0]"),
        (
            text(evidence=[FAIRNESS | {"thresholds": [THRESHOLD | {"min": 1, "max": 2}]}]),
            "tiers.T2.production.evidence[0].thresholds[0]",
        ),
        (
            text(evidence=[FAIRNESS | {"thresholds": [THRESHOLD | {"min": float("nan")}]}]),
            "tiers.T2.production.evidence[0].thresholds[0].min",
        ),
        (
            text(evidence=[FAIRNESS | {"thresholds": [{"measure": "auc[", "min": 1, "why": "x"}]}]),
            "tiers.T2.production.evidence[0].thresholds[0].measure",
        ),
        ("x" * 100_001, "text"),
    ],
)
def test_a_mistake_is_named_with_its_place(broken: str, where: str) -> None:
    with pytest.raises(BadInput) as bad:
        policy_text.load(broken)
    assert bad.value.where == where


RESULT = {
    "auc": {"value": 0.75, "low": None},
    "additivity": {"holds": True},
    "excluded": [{"n": 1}],
    "disparities": [
        {"metric": "selection_rate", "kind": "ratio", "attributes": ["sex"], "value": 0.9},
        {"metric": "selection_rate", "kind": "ratio", "attributes": ["sex", "age"], "value": 0.6},
        {"metric": "precision", "kind": "ratio", "attributes": ["sex"], "value": None},
    ],
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("auc.value", [0.75]),
        ("additivity.holds", [True]),
        ("excluded.count", [1]),
        ("disparities[metric=selection_rate].value", [0.9, 0.6]),
        ("disparities[metric=selection_rate,attributes=sex].value", [0.9]),
        ("disparities[metric=selection_rate,attributes=age+sex].value", [0.6]),
    ],
)
def test_a_path_finds_every_value(path: str, values: list[Any]) -> None:
    assert thresholds.read(RESULT, path) == values


@pytest.mark.parametrize(
    "path",
    [
        "auc.low",
        "auc",
        "auc.high",
        "gini.value",
        "disparities.value",
        "disparities[metric=recall].value",
        "disparities[metric=precision].value",
        "disparities[colour=red].value",
        "auc[metric=x].value",
        "excluded",
    ],
)
def test_what_a_path_does_not_find_is_no_value(path: str) -> None:
    with pytest.raises(Unreadable):
        thresholds.read(RESULT, path)


@pytest.mark.parametrize(
    ("threshold", "met"),
    [
        ({"min": 0.75}, True),
        ({"min": 0.7500001}, False),
        ({"max": 0.75}, True),
        ({"max": 0.7499999}, False),
        ({"min": float("nan")}, False),
        ({"equals": True}, False),
    ],
)
def test_a_threshold_includes_its_own_number(threshold: dict[str, Any], met: bool) -> None:
    assert thresholds.judge(threshold | {"measure": "auc.value"}, RESULT)[0] is met


def test_every_value_must_meet_it() -> None:
    measure = {"measure": "disparities[metric=selection_rate].value"}
    assert thresholds.judge(measure | {"min": 0.8}, RESULT)[0] is False
    assert thresholds.judge(measure | {"min": 0.6}, RESULT)[0] is True
    assert thresholds.judge({"measure": "additivity.holds", "equals": True}, RESULT)[0] is True
    with pytest.raises(Unreadable):
        thresholds.judge({"measure": "additivity.holds", "min": 0}, RESULT)


@pytest.mark.django_db
class TestPublishing:
    def test_versions_never_change(self, story: Story) -> None:
        second = story.publish(policies.DEFAULT + "# more\n")
        assert (story.policy.version, second.version) == (1, 2)
        assert policies.applicable(story.version) == second
        story.policy.refresh_from_db()
        assert story.policy.text == policies.DEFAULT
        entry = Entry.objects.filter(type="governance.policy.published").latest("at").content
        assert entry["facts"]["replaces"] == story.policy.digest
        with pytest.raises(BadInput) as bad:
            story.publish(policies.DEFAULT + "# more\n")
        assert bad.value.status == 409

    def test_the_nearest_unit_decides(self, story: Story) -> None:
        own = policies.publish(unit=story.unit, name="retail", text=text(), actor=story.head, reason=WHY)
        assert policies.applicable(story.version) == own
        gate, standing = policies.gate_of(own, tier=1, target="production")
        assert gate is None
        assert [each.code for each in standing] == ["policy_silent"]

    def test_a_policy_published_above_later_ends_a_units_own(self, story: Story, bank: Bank) -> None:
        own = policies.publish(unit=story.unit, name="retail", text=text(), actor=story.head, reason=WHY)
        assert policies.applicable(story.version) == own
        above = policies.publish(
            unit=bank.root, name="promotion", text=policies.DEFAULT + "# reviewed\n", actor=SYSTEM, reason=WHY
        )
        assert policies.applicable(story.version) == above

    @pytest.mark.parametrize(
        ("changed", "where"),
        [
            ({"documents": ["colour"]}, "documents[0]"),
            ({"documents": ["tier"]}, "documents[0]"),
            ({"documents": ["card.mood"]}, "documents[0]"),
            ({"evidence": [{"check": "vibes", "max_age_days": 1}]}, "evidence[0].check"),
            ({"signatures": [{"role": "validator", "meaning": "approval"}]}, "signatures"),
            ({"signatures": [{"role": "owner", "meaning": "approval"}]}, "signatures"),
            ({"signatures": [*GATE["signatures"], {"role": "owner", "meaning": "authorship"}]}, "signatures"),
        ],
    )
    def test_an_unsound_policy_is_refused(self, story: Story, changed: dict[str, Any], where: str) -> None:
        with pytest.raises(BadInput) as bad:
            story.publish(text(**changed))
        assert bad.value.where == f"tiers.T2.production.{where}"
        assert policies.applicable(story.version) == story.policy

    @pytest.mark.parametrize("role", sorted(set(Role) - {Role.HEAD_OF_MODEL_RISK, Role.AUDITOR, Role.ADMINISTRATOR}))
    def test_others_do_not_publish(self, story: Story, role: Role) -> None:
        with pytest.raises(Refused):
            policies.publish(unit=story.unit, name="mine", text=text(), actor=story.people[role], reason=WHY)
        assert policies.applicable(story.version) == story.policy

    def test_an_altered_text_blocks(self, story: Story) -> None:
        story.policy.text = text()
        _, standing = policies.gate_of(story.policy, tier=2, target="production")
        assert [each.code for each in standing] == ["policy_altered"]
        assert [each.code for each in policies.gate_of(None, tier=2, target="production")[1]] == ["no_policy"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("auc.value", "AUC"),
        ("brier.high", "Brier high"),
        ("additivity.holds", "Additivity holds"),
        ("disparities[metric=selection_rate,kind=ratio,attributes=sex].value", "Selection rate ratio, sex"),
        ("disparities[metric=equalized_odds,kind=difference].low", "Equalized odds difference low"),
    ],
)
def test_a_measure_is_spoken_of_in_words(path: str, words: str) -> None:
    assert thresholds.spoken(path) == words
