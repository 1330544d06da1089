"""A model's tier: answered, computed, and overridden only by those who may, with their reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from governance import parties
from governance.events import Event
from governance.models import TierAssessment
from governance.scheme import HIGHEST, LOWEST, Outcome, Scheme, preview, scheme
from people.access import objections_to, require
from people.models import User
from people.queries import roles_at
from people.roles import Duty, Role
from registry.models import RegisteredModel
from trail.errors import BadInput, Objection, Refused
from trail.record import recording

__all__ = ["Outcome", "Scheme", "assess", "latest", "preview", "scheme"]


def latest(model: RegisteredModel) -> TierAssessment | None:
    return model.tier_assessments.select_related("assessed_by").first()


def assess(
    *,
    model: RegisteredModel,
    answers: Mapping[str, Any],
    override: Mapping[str, Any] | None = None,
    actor: User,
    reason: str,
) -> TierAssessment:
    """Answer the questionnaire and set the model's tier by it, or by an override `{"tier", "reason"}`.

    Whoever owns or made the model answers, but neither overrides nor lowers its tier.
    """
    outcome = preview(answers)
    tier, why = _read(override, outcome)
    event = Event.TIER_OVERRIDDEN if why else Event.TIER_ASSESSED
    with recording(event, actor=actor, reason=reason, subject=model) as entry:
        require(actor, Duty.TIER, model.unit.path)
        model = RegisteredModel.objects.select_for_update(of=("self",)).select_related("unit").get(pk=model.pk)
        if standing := objections(model=model, outcome=outcome, tier=tier, overridden=bool(why), actor=actor):
            raise Refused(standing)
        assessment = TierAssessment(
            model=model,
            scheme=scheme().name,
            scheme_version=scheme().version,
            scheme_digest=scheme().digest,
            answers=outcome.answers,
            steps=[asdict(step) for step in outcome.steps] + _override_step(outcome, tier, why, actor),
            computed_tier=outcome.computed,
            tier=tier,
            override_reason=why,
            assessed_by=actor,
        )
        entry.create(assessment)
        entry.change(model, tier=tier)
        entry.facts = {
            "tier": tier,
            "computed": outcome.computed,
            "assessment": assessment.pk,
            "scheme": f"{assessment.scheme} {assessment.scheme_version}",
            "scheme_digest": assessment.scheme_digest,
            "answers": outcome.answers,
            "override_reason": why,
        }
    return assessment


def objections(
    *, model: RegisteredModel, outcome: Outcome, tier: int, overridden: bool, actor: User
) -> list[Objection]:
    """What stands against setting this tier."""
    lowers = model.tier is not None and tier > model.tier
    found: list[Objection] = []
    if overridden or lowers:
        found += _deciders_objections(model, actor, "overrides" if overridden else "lowers")
    if overridden and tier > outcome.computed and Role.HEAD_OF_MODEL_RISK not in roles_at(actor, model.unit.path):
        sentence = f"Only the head of model risk overrides tier {outcome.computed} to the less strict tier {tier}."
        found.append(Objection("downward_override", sentence, "Ask the head of model risk."))
    if overridden and outcome.floor is not None and tier > outcome.floor:
        sentence = (
            f"The answers put a floor of tier {outcome.floor} under this model; nobody overrides it to tier {tier}."
        )
        found.append(Objection("below_floor", sentence, "Correct the answer that sets the floor, if it is wrong."))
    return found


def _deciders_objections(model: RegisteredModel, actor: User, verb: str) -> list[Objection]:
    found = objections_to(actor, Duty.OVERRIDE_TIER, model.unit.path)
    if actor in parties.makers(model):
        sentence = f"{actor.name} owns or made this model, and nobody {verb} the tier of their own model."
        found.append(Objection("own_model", sentence, "Ask the head of model risk."))
    return found


def _read(override: Mapping[str, Any] | None, outcome: Outcome) -> tuple[int, str]:
    """The tier that shall hold, and why it is not the computed one."""
    if not override:
        return outcome.computed, ""
    tier, why = override.get("tier"), str(override.get("reason") or "").strip()
    if isinstance(tier, bool) or str(tier) not in {str(number) for number in range(LOWEST, HIGHEST + 1)}:
        raise BadInput(f"An override sets tier 1, 2, 3 or 4, not {tier!r}.", where="override.tier")
    if int(str(tier)) == outcome.computed:
        raise BadInput(f"The answers give tier {tier} already; leave the override out.", where="override.tier")
    if not why:
        raise BadInput("An override needs its reason.", where="override.reason")
    return int(str(tier)), why


def _override_step(outcome: Outcome, tier: int, why: str, actor: User) -> list[dict[str, Any]]:
    if not why:
        return []
    sentence = f"{actor.name} overrode tier {outcome.computed}: {why}"
    return [{"step": "override", "sentence": sentence, "tier": tier, "lower": None, "higher": None}]
