"""Runs as pages: the list, one run with its result, and what is done with it."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from audits import checks, queries, results, runs
from audits.forms.lists import RunFilter
from audits.models import Run
from people.access import objections_to
from people.models import User
from people.roles import Duty
from trail.errors import BadInput, Refused

PAGE_SIZE = 50


@require_safe
def run_list(request: HttpRequest) -> HttpResponse:
    filters = RunFilter(request.GET)
    kept = dict(filters.kept)
    found = queries.runs(cast(User, request.user))
    for word in kept.pop("q", "").split():
        found = found.filter(Q(version__model__name__icontains=word) | Q(dataset__name__icontains=word))
    page = Paginator(queries.matching(found, **kept), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "audits/run_list.html", {"nav": "runs", "filters": filters, "page": page})


@require_safe
def run_detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    user = cast(User, request.user)
    run = queries.run(user, pk)
    shown = results.shown(run, page=request.GET.get("page"))
    context = progress_of(run) | {
        "nav": "runs",
        "run": run,
        "check": checks.ALL.get(run.check_name),
        "shown": shown,
        "objections": objections_to(user, Duty.MEASURE, run.unit_path),
    }
    return render(request, "audits/run_detail.html", context)


@require_safe
def run_progress(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The fragment that a page polls; at the end it stops, and has the page show the result."""
    run = queries.run(cast(User, request.user), pk)
    answer = render(request, "components/progress.html", progress_of(run))
    if not run.job.is_open:
        answer["HX-Refresh"] = "true"
    return answer


def progress_of(run: Run) -> dict[str, object]:
    job = run.job
    return {
        "id": f"run-{run.pk}",
        "state": job.status,
        "stage": job.stage,
        "percent": round(100 * job.progress) if job.status == job.Status.RUNNING else None,
        "remaining": left(job.remaining_seconds),
        "hint": "You can leave this page; the run goes on." if job.is_open else "",
        "poll_url": reverse("audits:run-progress", args=[run.pk]) if job.is_open else "",
    }


def left(seconds: float | None) -> str:
    """The time that is left, as roughly as it is known."""
    if seconds is None:
        return ""
    if seconds < 10:
        return "a few seconds left"
    if seconds < 100:
        return f"about {round(seconds, -1):.0f} s left"
    if seconds < 100 * 60:
        return f"about {seconds / 60:.0f} min left"
    return f"about {seconds / 3600:.0f} h left"


@require_POST
def run_cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    user = cast(User, request.user)
    run = queries.run(user, pk)
    try:
        runs.cancel(run=run, actor=user, reason=request.POST.get("reason", "").strip() or "Cancelled on the run's page")
        messages.success(request, "The run is cancelled.")
    except (Refused, BadInput) as refused:
        messages.error(request, str(refused))
    return redirect("audits:run-detail", pk)


@require_POST
def run_retry(request: HttpRequest, pk: UUID) -> HttpResponse:
    user = cast(User, request.user)
    run = queries.run(user, pk)
    try:
        runs.retry(run=run, actor=user, reason=request.POST.get("reason", "").strip() or "Retried on the run's page")
        messages.success(request, "The run waits for a worker again.")
    except (Refused, BadInput) as refused:
        messages.error(request, str(refused))
    return redirect("audits:run-detail", pk)
