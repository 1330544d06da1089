"""The inventory as pages: the list, an entry, and the forms that write it."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from people.access import objections_to
from people.models import User
from people.queries import may_anywhere
from people.roles import Duty
from registry import inventory, listing, queries
from registry.forms import refusals
from registry.forms.inventory import ModelForm
from registry.forms.lists import ModelFilter
from registry.models import RegisteredModel
from registry.views import facts
from trail.shown import latest

PAGE_SIZE = 50


@require_safe
def model_list(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    filters = ModelFilter(request.GET, user=user)
    found = listing.models(user, sort=filters.sort, **filters.kept)
    context = {
        "nav": "models",
        "filters": filters,
        "page": Paginator(found, PAGE_SIZE).get_page(request.GET.get("page")),
        "figures": listing.figures(user),
        "may_register": may_anywhere(user, Duty.REGISTER),
    }
    return render(request, "registry/model_list.html", context)


@require_safe
def model_detail(request: HttpRequest, slug: str) -> HttpResponse:
    user = cast(User, request.user)
    model = queries.model(user, slug)
    versions = list(listing.versions_of(model))
    context = {
        "nav": "models",
        "model": model,
        "versions": versions,
        "stage": facts.stage(versions),
        "deployments": listing.deployments_of(model),
        "groups": facts.groups(model),
        "lineage": facts.edges(user, model),
        "entries": latest([model.pk, *[each.pk for each in versions]], units=user.unit_paths),
        "objections": objections_to(user, Duty.REGISTER, model.unit_path),
    }
    return render(request, "registry/model_detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def model_new(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    unit = facts.chosen_unit(user, request.POST.get("unit") or request.GET.get("unit"))
    form = ModelForm(request.POST or None if unit else None, user=user, unit=unit)
    if form.is_bound and form.is_valid():
        with refusals.shown_in(form):
            made = inventory.register(
                unit=form.cleaned_data["unit"],
                name=form.cleaned_data["name"],
                fields=form.inventory(),
                actor=user,
                reason=form.cleaned_data["reason"] or "Registered on the inventory page",
            )
            messages.success(request, f"{made.name} is registered as {made.slug}.")
            return redirect("registry:model-detail", made.slug)
    context = {"nav": "models", "form": form}
    return render(request, "registry/model_form.html", context, status=refusals.status(form))


@require_http_methods(["GET", "HEAD", "POST"])
def model_edit(request: HttpRequest, slug: str) -> HttpResponse:
    user = cast(User, request.user)
    model: RegisteredModel = queries.model(user, slug)
    form = ModelForm(request.POST or None, user=user, unit=model.unit, model=model)
    if form.is_bound and form.is_valid():
        with refusals.shown_in(form):
            inventory.update(model=model, fields=form.inventory(), actor=user, reason=form.cleaned_data["reason"])
            messages.success(request, f"The inventory entry of {model.name} is updated.")
            return redirect("registry:model-detail", model.slug)
    objections = objections_to(user, Duty.REGISTER, model.unit_path)
    context = {"nav": "models", "form": form, "model": model, "objections": objections}
    return render(request, "registry/model_form.html", context, status=refusals.status(form))
