from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import tiering
from governance.scheme import Outcome, preview, scheme
from people.roles import Role
from registry import inventory
from tests.governance.story import TIER_2, Story
from tests.personas import WHY
from trail.errors import BadInput, Refused
from trail.models import Entry

COMPLEXITY = ("data", "methodology", "implementation", "extent_of_use", "opacity")
FLOORS = {
    "annex_iii_high_risk": 2,
    "aedt": 2,
    "covered_admt": 2,
    "consumer_credit_decision": 2,
    "financial_statements": 2,
    "regulatory_capital": 1,
    "fully_automated_decision": 1,
}
LOWEST = dict.fromkeys(("exposure", "purpose", *COMPLEXITY), 1) | dict.fromkeys(FLOORS, False)
# rules.md 5.2, M down, C across
MATRIX = {4: (1, 1, 1, 1), 3: (2, 2, 1, 1), 2: (3, 3, 2, 2), 1: (4, 4, 3, 3)}
CELLS = [(m, c, MATRIX[m][c - 1]) for m in MATRIX for c in (1, 2, 3, 4)]


def answered(**changed: Any) -> Outcome:
    return preview(LOWEST | changed)


@pytest.mark.parametrize(("materiality", "complexity", "tier"), CELLS)
@pytest.mark.parametrize("question", ["exposure", "purpose"])
def test_every_cell(materiality: int, complexity: int, tier: int, question: str) -> None:
    found = answered(**dict.fromkeys(COMPLEXITY, complexity), **{question: materiality})
    assert found.tier == tier
    assert found.levels == {"materiality": materiality, "complexity": complexity}


@pytest.mark.parametrize(
    ("answers", "level"), [((1, 1, 1, 1, 1), 1), ((2, 1, 1, 1, 1), 2), ((2, 2, 2, 2, 3), 3), ((4, 4, 4, 4, 3), 4)]
)
def test_complexity_is_the_mean_rounded_up(answers: tuple[int, ...], level: int) -> None:
    assert answered(**dict(zip(COMPLEXITY, answers, strict=True))).levels["complexity"] == level


@pytest.mark.parametrize(("floor", "tier"), FLOORS.items())
def test_every_floor(floor: str, tier: int) -> None:
    assert answered().tier == 4
    assert answered(**{floor: True}).tier == tier
    assert answered(**{floor: True, "exposure": 4}).tier == 1


scored = st.integers(min_value=1, max_value=4)
ANSWERS = st.fixed_dictionaries(
    dict.fromkeys(("exposure", "purpose", *COMPLEXITY), scored) | dict.fromkeys(FLOORS, st.booleans())
)


@given(answers=ANSWERS)
def test_a_higher_answer_never_makes_the_tier_less_strict(answers: dict[str, Any]) -> None:
    found = preview(answers)
    for step in found.steps:
        assert step.lower is None or step.lower >= found.tier
        assert step.higher is None or step.higher <= found.tier
        for there, hint in ((step.lower, -1), (step.higher, 1)):
            if there is not None:
                changed = answers[step.step] + hint if step.step not in FLOORS else hint > 0
                assert preview(answers | {step.step: changed}).tier == there
    assert found.steps[-1].tier == found.tier
    assert [step.step for step in found.steps if step.step != "matrix"] == [each.id for each in scheme().questions]


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"exposure": 0}, "exposure"),
        ({"exposure": 5}, "exposure"),
        ({"purpose": 2.5}, "purpose"),
        ({"purpose": True}, "purpose"),
        ({"opacity": "high"}, "opacity"),
        ({"aedt": 1}, "aedt"),
        ({"aedt": "perhaps"}, "aedt"),
        ({"data": None}, "data"),
        ({"mood": 3}, "mood"),
    ],
)
def test_an_answer_that_is_none_names_its_question(changed: dict[str, Any], where: str) -> None:
    with pytest.raises(BadInput) as bad:
        answered(**changed)
    assert bad.value.where == where


def test_answers_of_a_form_are_understood() -> None:
    assert preview({name: str(value) for name, value in TIER_2.items()}).tier == preview(TIER_2).tier == 2


@pytest.mark.django_db
class TestAssessing:
    def test_is_recorded_with_the_tier(self, story: Story) -> None:
        entry = Entry.objects.get(type="governance.tier.assessed").content
        assert entry["changes"]["tier"] == [None, 2]
        assert entry["facts"]["scheme_digest"] == scheme().digest
        story.model.refresh_from_db()
        assert story.model.tier == 2

    def assess(self, story: Story, actor: Any, override: Any = None, **changed: Any) -> Any:
        return tiering.assess(model=story.model, answers=TIER_2 | changed, override=override, actor=actor, reason=WHY)

    def refused(self, story: Story, *given: Any, **changed: Any) -> set[str]:
        story.model.refresh_from_db()
        before, count = story.model.tier, story.model.tier_assessments.count()
        with pytest.raises(Refused) as refused:
            self.assess(story, *given, **changed)
        story.model.refresh_from_db()
        assert (story.model.tier, story.model.tier_assessments.count()) == (before, count)
        assert Entry.objects.filter(type="trail.attempt.refused").exists()
        return {objection.code for objection in refused.value.objections}

    def test_the_head_of_model_risk_overrides_upward(self, story: Story) -> None:
        made = self.assess(story, story.head, {"tier": 1, "reason": "New market"})
        assert (made.computed_tier, made.tier, made.override_reason) == (2, 1, "New market")
        assert made.steps[-1]["step"] == "override"
        assert Entry.objects.filter(type="governance.tier.overridden").count() == 1

    def test_downward_only_where_no_floor_stands(self, story: Story) -> None:
        assert self.refused(story, story.head, {"tier": 3, "reason": "Small"}) == {"below_floor"}
        no_floor = {"annex_iii_high_risk": False, "consumer_credit_decision": False}
        made = self.assess(story, story.head, {"tier": 3, "reason": "Small"}, **no_floor)
        assert made.tier == 3

    @pytest.mark.parametrize("role", [Role.OWNER, Role.DEVELOPER])
    def test_owner_and_developer_neither_override_nor_lower(self, story: Story, role: Role) -> None:
        actor = story.people[role]
        found = self.refused(story, actor, {"tier": 1, "reason": "x"})
        assert found == {"may_not_override_tier", "own_model"}
        no_floor = {"annex_iii_high_risk": False, "consumer_credit_decision": False, "purpose": 1, "exposure": 1}
        assert self.refused(story, actor, **no_floor) == {"may_not_override_tier", "own_model"}
        assert self.assess(story, actor, purpose=4).tier == 1

    def test_a_head_of_model_risk_who_once_owned_it_does_not_override(self, story: Story) -> None:
        for owner in (story.head, story.owner):
            inventory.update(model=story.model, fields={"owner": owner}, actor=story.owner, reason=WHY)
        assert self.refused(story, story.head, {"tier": 1, "reason": "x"}) == {"own_model"}

    @pytest.mark.parametrize("role", [Role.VALIDATOR, Role.COMPLIANCE_OFFICER, Role.ACCOUNTABLE_EXECUTIVE])
    def test_others_do_not_tier(self, story: Story, role: Role) -> None:
        assert self.refused(story, story.people[role]) == {"may_not_tier"}

    @pytest.mark.parametrize(
        ("override", "where"),
        [
            ({"tier": 5, "reason": "x"}, "override.tier"),
            ({"tier": True, "reason": "x"}, "override.tier"),
            ({"tier": 2, "reason": "x"}, "override.tier"),
            ({"tier": 1, "reason": " "}, "override.reason"),
        ],
    )
    def test_an_override_that_says_nothing(self, story: Story, override: dict[str, Any], where: str) -> None:
        with pytest.raises(BadInput) as bad:
            self.assess(story, story.head, override)
        assert bad.value.where == where
