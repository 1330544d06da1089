"""Asking for a run: which check, which dataset, and its parameters."""

from __future__ import annotations

from typing import cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from audits import checks, runs
from audits.forms.checks import FORMS
from audits.forms.choice import ChoiceForm
from audits.forms.schema import SchemaForm
from people.access import objections_to
from people.models import User
from people.roles import Duty
from registry import queries as registry
from registry.forms import refusals
from registry.models import Version
from trail.errors import BadInput, Refused

CONFLICT = 409


@require_http_methods(["GET", "HEAD", "POST"])
def run_new(request: HttpRequest, version: UUID) -> HttpResponse:
    user = cast(User, request.user)
    measured = registry.version(user, version)
    choice = ChoiceForm(request.POST or request.GET, user=user)
    form = params_form(request, choice, measured)
    if form and form.is_bound and form.is_valid() and choice.chosen_dataset and choice.check_name:
        with refusals.shown_in(form):
            run = runs.request(
                version=measured,
                check=choice.check_name,
                dataset=choice.chosen_dataset,
                params=form.params(),
                actor=user,
                reason=form.cleaned_data["reason"] or "Asked for on the version's page",
            )
            messages.success(request, "The run is queued.")
            return redirect("audits:run-detail", run.pk)
    objections = objections_to(user, Duty.MEASURE, measured.unit_path)
    context = {"nav": "runs", "version": measured, "choice": choice, "form": form, "objections": objections}
    return render(request, "audits/run_form.html", context, status=refusals.status(form) if form else 200)


@require_POST
def run_set(request: HttpRequest, version: UUID) -> HttpResponse:
    """Start every check that fits; what doesn't fit is said, and can be asked for with parameters."""
    user = cast(User, request.user)
    measured = registry.version(user, version)
    choice = ChoiceForm(request.POST, user=user)
    if choice.chosen_dataset is None:
        return again(request, measured, choice, BadInput("Choose a dataset first: the checks are started on it."))
    try:
        found = runs.request_set(
            version=measured, dataset=choice.chosen_dataset, actor=user, reason="Asked for as the default check set"
        )
    except (Refused, BadInput) as refused:
        return again(request, measured, choice, refused)
    messages.success(request, f"Queued: {', '.join(checks.get(run.check_name).TITLE for run in found.runs)}.")
    if found.unfit:
        reasons = " ".join(f"{checks.get(name).TITLE}: {why}" for name, why in found.unfit.items())
        messages.info(request, f"Not started, because their defaults don’t fit. {reasons}")
    return redirect(f"{reverse('audits:run-list')}?{urlencode({'q': measured.model.name})}")


def again(request: HttpRequest, version: Version, choice: ChoiceForm, refused: Refused | BadInput) -> HttpResponse:
    """The page once more, with what stands against it."""
    messages.error(request, str(refused))
    objections = objections_to(cast(User, request.user), Duty.MEASURE, version.unit_path)
    context = {"nav": "runs", "version": version, "choice": choice, "form": None, "objections": objections}
    status = refused.status if isinstance(refused, BadInput) else CONFLICT
    return render(request, "audits/run_form.html", context, status=status)


def params_form(request: HttpRequest, choice: ChoiceForm, version: Version) -> SchemaForm | None:
    """The fields of the chosen check on the chosen dataset; none until both are chosen."""
    if choice.chosen is None or choice.chosen_dataset is None:
        return None
    kind = FORMS.get(choice.chosen.NAME, SchemaForm)
    return kind(
        request.POST if request.method == "POST" else None,
        check=choice.chosen,
        version=version,
        dataset=choice.chosen_dataset,
        user=cast(User, request.user),
        target=request.GET.get("target", ""),
        url=request.path,
    )
