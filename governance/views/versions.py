"""The dossier of a version, and what is started from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from governance import figures, gates, promotion, queries
from governance.forms import ReasonForm, RequestForm
from governance.models import Promotion
from governance.views.posting import attempt
from people.access import objections_to
from people.models import User
from people.roles import Duty
from registry import queries as registry
from registry.models import Version
from registry.stages import MOVES, IllegalMove, Stage, Verb
from trail.errors import Objection
from trail.shown import latest

ASKED = "Asked for on the version’s page"


@require_safe
def version_detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    return shown(request, registry.version(_user(request), pk))


@require_POST
def promotion_request(request: HttpRequest, pk: UUID) -> HttpResponse:
    user, version = _user(request), registry.version(_user(request), pk)
    form = RequestForm(version, request.POST, auto_id="request_%s")
    tried = attempt(
        form, lambda data: promotion.request(version=version, actor=user, reason=data["comment"] or ASKED, **data)
    )
    if not tried.succeeded:
        return shown(request, version, status=tried.status, request_form=form, request_refused=tried.objections)
    messages.success(request, f"Asked for: {tried.made}. Below is what it still needs.")
    return redirect("governance:promotion-detail", tried.made.pk)


@require_POST
def version_retire(request: HttpRequest, pk: UUID) -> HttpResponse:
    user, version, form = (
        _user(request),
        registry.version(_user(request), pk),
        ReasonForm(request.POST, auto_id="retire_%s"),
    )
    tried = attempt(form, lambda data: promotion.retire(version=version, actor=user, reason=data["reason"]))
    if not tried.succeeded:
        return shown(request, version, status=tried.status, retire_form=form, retire_refused=tried.objections)
    messages.success(request, f"{version} is retired.")
    return redirect("governance:version-detail", pk)


def shown(
    request: HttpRequest, version: Version, *, status: int = 200, **sent: forms.Form | list[Objection]
) -> HttpResponse:
    """The page, with whichever form was just sent in its place."""
    user = _user(request)
    promotions = list(queries.promotions(user).filter(version=version))
    context: dict[str, Any] = {
        "nav": "models",
        "version": version,
        "model": version.model,
        "facts": [(name, _spelt(value)) for name, value in version.facts.items()],
        "evidence": figures.of_version(version),
        "sources": registry.lineage(user).filter(to_version=version),
        "successors": registry.lineage(user).filter(from_version=version),
        "promotions": promotions,
        "deployments": version.deployments.select_related("environment"),
        "entries": latest(_subjects(version, promotions), units=user.unit_paths),
        "may_not_request": objections_to(user, Duty.REQUEST, version.unit_path),
        "may_not_measure": objections_to(user, Duty.MEASURE, version.unit_path),
        "may_not_retire": _may_not_retire(user, version),
        "request_form": RequestForm(version, auto_id="request_%s"),
        "retire_form": ReasonForm(auto_id="retire_%s"),
    }
    return render(request, "governance/version_detail.html", context | sent, status=status)


def _spelt(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _may_not_retire(user: User, version: Version) -> list[Objection]:
    found = gates.leave_objections(user, version.unit_path)
    if Stage(version.stage) not in MOVES[Verb.RETIRE][0]:
        found.append(Objection("illegal_move", str(IllegalMove(Verb.RETIRE, Stage(version.stage)))))
    return found


def _subjects(version: Version, promotions: Iterable[Promotion]) -> list[UUID]:
    return [version.pk, *[each.pk for each in promotions], *version.runs.values_list("pk", flat=True)]


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
