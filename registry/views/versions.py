from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from people.access import objections_to
from people.models import User
from people.roles import Duty
from registry import queries, versions
from registry.forms import refusals
from registry.forms.versions import VersionForm


@require_http_methods(["GET", "HEAD", "POST"])
def version_new(request: HttpRequest, slug: str) -> HttpResponse:
    user = cast(User, request.user)
    model = queries.model(user, slug)
    form = VersionForm(request.POST or None, request.FILES or None, user=user, model=model)
    if form.is_bound and form.is_valid():
        reason = form.cleaned_data["reason"] or "Registered on the model's page"
        with refusals.shown_in(form):
            version = versions.register(model=model, **form.arguments(), actor=user, reason=reason)
            messages.success(request, f"{version} is registered.")
            return redirect("governance:version-detail", version.pk)
    objections = objections_to(user, Duty.REGISTER, model.unit_path)
    context = {"nav": "models", "form": form, "model": model, "objections": objections}
    return render(request, "registry/version_form.html", context, status=refusals.status(form))
