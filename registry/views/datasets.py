from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from people.models import User
from people.queries import may_anywhere
from people.roles import Duty
from registry import datasets, listing, queries
from registry.forms import refusals
from registry.forms.datasets import DatasetForm
from registry.forms.lists import DatasetFilter
from trail.shown import latest

PAGE_SIZE = 50


@require_safe
def dataset_list(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    filters = DatasetFilter(request.GET, user=user)
    found = listing.datasets(user, **filters.kept)
    context = {
        "nav": "datasets",
        "filters": filters,
        "page": Paginator(found, PAGE_SIZE).get_page(request.GET.get("page")),
        "may_register": may_anywhere(user, Duty.REGISTER),
    }
    return render(request, "registry/dataset_list.html", context)


@require_safe
def dataset_detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    user = cast(User, request.user)
    dataset = queries.dataset(user, pk)
    context = {
        "nav": "datasets",
        "dataset": dataset,
        "uses": queries.lineage(user).filter(from_dataset=dataset),
        "runs": listing.runs_on(user, dataset),
        "entries": latest([dataset.pk], units=user.unit_paths),
    }
    return render(request, "registry/dataset_detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def dataset_new(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    form = DatasetForm(request.POST or None, request.FILES or None, user=user)
    if form.is_bound and form.is_valid():
        reason = form.cleaned_data["reason"] or "Uploaded on the datasets page"
        with refusals.shown_in(form):
            dataset = datasets.upload(**form.arguments(), actor=user, reason=reason)
            messages.success(request, f"{dataset.name} is kept: {dataset.row_count:,} rows.")
            return redirect("registry:dataset-detail", dataset.pk)
    context = {"nav": "datasets", "form": form, "may_register": may_anywhere(user, Duty.REGISTER)}
    return render(request, "registry/dataset_form.html", context, status=refusals.status(form))
