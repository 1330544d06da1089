"""Policies: which there are, what one asks for, and the publishing of a new version."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from governance import policies, policy_text, queries
from governance.forms import PolicyForm
from governance.models import Policy
from governance.views.posting import attempt
from people.access import objections_to
from people.models import Meaning, User
from people.queries import may_anywhere
from people.roles import Duty, Role
from trail.errors import Objection

COMPARISONS = {"min": "at least", "max": "at most", "equals": "must be"}


@require_safe
def policy_list(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    current: dict[tuple[Any, str], list[Policy]] = {}
    for policy in queries.policies(user).order_by("unit__path", "name", "-version"):
        current.setdefault((policy.unit, policy.name), []).append(policy)
    rows = [(found[0], len(found)) for found in current.values()]
    context = {"nav": "policies", "rows": rows, "may_not_publish": _may_not_publish(user)}
    return render(request, "governance/policy_list.html", context)


@require_safe
def policy_detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    policy = queries.policy(_user(request), pk)
    content = policy_text.load(policy.text)
    versions = list(queries.policies(_user(request)).filter(unit=policy.unit, name=policy.name).order_by("-version"))
    context = {
        "nav": "policies",
        "policy": policy,
        "content": content,
        "gates": [
            _asked(tier, target, gate) for tier, targets in content["tiers"].items() for target, gate in targets.items()
        ],
        "versions": versions,
        "is_in_force": policies.in_force(policy.unit.path) == policy,
        "may_not_publish": objections_to(_user(request), Duty.PUBLISH_POLICY, policy.unit.path),
    }
    return render(request, "governance/policy_detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def policy_new(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    form = (
        PolicyForm(user, request.POST) if request.method == "POST" else PolicyForm(user, initial=_start(request, user))
    )
    context = {"nav": "policies", "form": form, "may_not_publish": _may_not_publish(user)}
    if request.method != "POST":
        return render(request, "governance/policy_new.html", context)
    tried = attempt(form, lambda data: policies.publish(actor=user, **data))
    if not tried.succeeded:
        return render(
            request, "governance/policy_new.html", context | {"refused": tried.objections}, status=tried.status
        )
    messages.success(request, f"{tried.made} is published and judges every promotion from now on.")
    return redirect("governance:policy-detail", tried.made.pk)


def _start(request: HttpRequest, user: User) -> dict[str, Any]:
    """A new version starts from the one it replaces; a first policy from the house default."""
    if given := request.GET.get("from"):
        policy = queries.policy(user, given)
        return {"unit": policy.unit, "name": policy.name, "text": policy.text}
    return {"name": "promotion", "text": policies.DEFAULT}


def _asked(tier: str, target: str, gate: policies.Gate) -> dict[str, Any]:
    """What a gate asks for, in words."""
    return {
        "tier": tier,
        "target": target,
        "evidence": [_evidence(rule) for rule in gate["evidence"]],
        "documents": [name.removeprefix("card.").replace("_", " ") for name in gate["documents"]],
        "signatures": [(Role(each["role"]).label, Meaning(each["meaning"]).label) for each in gate["signatures"]],
        "more": _more(gate),
    }


def _evidence(rule: dict[str, Any]) -> dict[str, Any]:
    said = [f"at most {rule['max_age_days']} days old"]
    said += [
        f"{name} {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in rule.get("where", {}).items()
    ]
    said += ["run on this artifact"] if rule.get("source") == "artifact" else []
    said += ["on held-out data"] if rule.get("held_out") else []
    return {
        "check": rule["check"].capitalize(),
        "said": "; ".join(said),
        "thresholds": [_threshold(t) for t in rule.get("thresholds", [])],
    }


def _threshold(threshold: dict[str, Any]) -> dict[str, str]:
    kind = next(kind for kind in COMPARISONS if kind in threshold)
    return {"measure": threshold["measure"], "limit": f"{COMPARISONS[kind]} {threshold[kind]}", "why": threshold["why"]}


def _more(gate: policies.Gate) -> list[str]:
    months, trained = gate.get("tiering", {}).get("max_age_months"), gate.get("lineage", {}).get("trained_on")
    said = [
        "artifact optional" if gate.get("artifact") == "optional" else "artifact required",
        f"tier assessed in the last {months} months" if months else "",
        "training data on record" if trained == "required" else "",
        f"the runs agree on {', '.join(gate['agree'])}" if gate.get("agree") else "",
        f"the release holds {gate['expires_months']} months" if gate.get("expires_months") else "",
    ]
    return [each for each in said if each]


def _may_not_publish(user: User) -> list[Objection]:
    if may_anywhere(user, Duty.PUBLISH_POLICY):
        return []
    return objections_to(user, Duty.PUBLISH_POLICY, user.unit.path)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
