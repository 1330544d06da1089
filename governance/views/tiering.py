"""The tiering questionnaire: what each answer does to the tier, before anything is kept."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from governance import scheme, tiering
from governance.forms import Answers, initial_answers
from governance.views.posting import attempt
from people.access import objections_to
from people.models import User
from people.roles import Duty
from registry import queries as registry
from registry.models import RegisteredModel
from trail.errors import BadInput, Objection


@require_http_methods(["GET", "HEAD", "POST"])
def questionnaire(request: HttpRequest, slug: str) -> HttpResponse:
    user, model = cast(User, request.user), registry.model(cast(User, request.user), slug)
    by, last = tiering.scheme(), tiering.latest(model)
    if request.method != "POST":
        form = Answers(by, initial=initial_answers(by, last.answers) if last else {})
        return _shown(request, model, form)
    form = Answers(by, request.POST)
    tried = attempt(
        form,
        lambda data: tiering.assess(
            model=model, answers=form.answers, override=form.override, actor=user, reason=data["reason"]
        ),
    )
    if not tried.succeeded:
        return _shown(request, model, form, status=tried.status, refused=tried.objections)
    messages.success(request, f"{model.name} is tier {tried.made.tier}.")
    return redirect("governance:tiering", slug)


@require_POST
def preview(request: HttpRequest, slug: str) -> HttpResponse:
    """What the answers so far come to. Nothing is kept."""
    model = registry.model(cast(User, request.user), slug)
    form = Answers(tiering.scheme(), request.POST)
    if request.headers.get("HX-Request"):
        return render(
            request, "governance/tier_outcome.html", {"model": model, "outcome": outcome(form), "is_part": True}
        )
    unsent = Answers(tiering.scheme(), initial=request.POST.dict())
    return _shown(request, model, unsent)


def outcome(form: Answers) -> dict[str, Any]:
    """What the answers so far come to: the tier and what each did to it, or which questions are still open."""
    asked, given = form.scheme.questions, form.answers
    come_to: dict[str, Any] = {
        "missing": [question for question in asked if question.id not in given],
        "of": len(asked),
    }
    try:
        found = None if come_to["missing"] else tiering.preview(given)
    except BadInput as bad:
        return come_to | {"problem": bad.sentence, "effects": [(question.id, "") for question in asked]}
    steps = {step.step: step for step in found.steps} if found else {}
    effects = [(question.id, _effect(steps.get(question.id), found)) for question in asked]
    axes = [(axis["text"], found.levels[axis["id"]]) for axis in form.scheme.content["axes"]] if found else []
    return come_to | {"found": found, "effects": effects, "axes": axes}


def _effect(step: scheme.Step | None, found: scheme.Outcome | None) -> str:
    """What one answer did, and what the neighbouring answers would have."""
    if step is None or found is None:
        return ""
    said = step.sentence.rpartition(" – ")[2]
    others = [("One lower", step.lower), ("One higher", step.higher)]
    differ = [f"{which}: tier {tier}." for which, tier in others if tier is not None and tier != found.tier]
    return " ".join([said[:1].upper() + said[1:], *differ])


def _shown(
    request: HttpRequest,
    model: RegisteredModel,
    form: Answers,
    *,
    status: int = 200,
    refused: list[Objection] | None = None,
) -> HttpResponse:
    user = cast(User, request.user)
    context = _asked(form) | {
        "nav": "models",
        "model": model,
        "form": form,
        "scheme": form.scheme,
        "refused": refused or [],
        "may_not": objections_to(user, Duty.TIER, model.unit.path),
        "may_not_override": _override_objections(user, model),
        "history": model.tier_assessments.select_related("assessed_by"),
    }
    return render(request, "governance/tiering.html", context, status=status)


def _asked(form: Answers) -> dict[str, Any]:
    """The questions by axis, each with what its answer did."""
    by, come_to = form.scheme, outcome(form)
    effects = dict(come_to["effects"])
    groups = [
        (axis["text"], axis["rule_text"], [(form[each.id], effects[each.id]) for each in by.axis(axis["id"])])
        for axis in by.content["axes"]
    ]
    floors = [(form[each.id], effects[each.id], each.floor) for each in by.floors]
    return {"groups": groups, "floors": floors, "outcome": come_to}


def _override_objections(user: User, model: RegisteredModel) -> list[Objection]:
    """What stands against any override by this person, whatever the answers."""
    nothing = scheme.Outcome(tier=1, computed=1, floor=None, levels={}, answers={}, steps=[])
    return tiering.objections(model=model, outcome=nothing, tier=1, overridden=True, actor=user)
