"""The auditor's workspace, as pages."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from governance.views.posting import Attempt, attempt
from people.access import objections_to
from people.models import User
from people.queries import may, may_anywhere, roles_at
from people.roles import Duty, Role
from reports import engagements, queries
from reports.forms import AnswerForm, AskForm, DrawForm, EngagementForm, PackForm
from reports.models import Engagement, EvidenceRequest


@require_safe
def engagement_list(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    context = {
        "nav": "engagements",
        "engagements": queries.engagements(user)[:200],
        "may_open": may_anywhere(user, Duty.ADMINISTER),
    }
    return render(request, "reports/site_engagements.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def engagement_new(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    form = EngagementForm(request.POST or None, user=user)
    tried = Attempt(200)
    if request.method == "POST":
        tried = attempt(form, lambda data: engagements.open_engagement(actor=user, **data))
        if tried.succeeded:
            return redirect("reports:engagement-detail", tried.made.pk)
    context = {"nav": "engagements", "form": form, "refused": tried.objections}
    return render(request, "reports/site_engagement_new.html", context, status=tried.status)


@require_safe
def engagement_detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    return _shown(request, queries.engagement(_user(request), pk))


@require_POST
def engagement_draw(request: HttpRequest, pk: UUID) -> HttpResponse:
    engagement, form = queries.engagement(_user(request), pk), DrawForm(request.POST)
    tried = attempt(form, lambda data: engagements.draw(engagement=engagement, actor=_user(request), **data))
    return _after(request, engagement, tried, "The sample is drawn.", draw_form=form)


@require_POST
def engagement_ask(request: HttpRequest, pk: UUID) -> HttpResponse:
    engagement = queries.engagement(_user(request), pk)
    form = AskForm(request.POST, models=queries.models_of_unit(engagement.unit_path))
    tried = attempt(form, lambda data: engagements.ask(engagement=engagement, actor=_user(request), **data))
    return _after(request, engagement, tried, "Your request stands on this page.", ask_form=form)


@require_POST
def engagement_answer(request: HttpRequest, pk: UUID, asked: UUID) -> HttpResponse:
    engagement, form = queries.engagement(_user(request), pk), AnswerForm(request.POST)
    row = get_object_or_404(EvidenceRequest.objects.select_related("engagement__unit"), pk=asked, engagement=engagement)
    tried = attempt(form, lambda data: engagements.answer(asked=row, actor=_user(request), **data))
    return _after(request, engagement, tried, "The request is answered.", answer_form=form)


@require_POST
def engagement_pack(request: HttpRequest, pk: UUID) -> HttpResponse:
    engagement, form = queries.engagement(_user(request), pk), PackForm(request.POST)
    tried = attempt(form, lambda data: engagements.pack(engagement=engagement, actor=_user(request), **data))
    if tried.succeeded:
        messages.success(request, "The evidence pack of what you looked at is being built.")
        return redirect("reports:unit-packs")
    return _after(request, engagement, tried, "", pack_form=form)


@require_POST
def engagement_close(request: HttpRequest, pk: UUID) -> HttpResponse:
    engagement, form = queries.engagement(_user(request), pk), PackForm(request.POST)
    tried = attempt(form, lambda data: engagements.close(engagement=engagement, actor=_user(request), **data))
    return _after(request, engagement, tried, "The engagement is closed, and the auditor’s role has ended.")


def _after(request: HttpRequest, engagement: Engagement, tried: Attempt, done: str, **forms: Any) -> HttpResponse:
    if not tried.succeeded:
        return _shown(request, engagement, tried, **forms)
    messages.success(request, done)
    return redirect("reports:engagement-detail", engagement.pk)


def _shown(request: HttpRequest, engagement: Engagement, tried: Attempt | None = None, **forms: Any) -> HttpResponse:
    user = _user(request)
    seen = engagements.looked_at(engagement)
    context = {
        "nav": "engagements",
        "engagement": engagement,
        "samples": engagement.samples.prefetch_related("drawn__model__unit"),
        "seen": seen,
        "seen_models": {version.model_id for version in seen},
        "requests": engagement.requests.select_related("model", "answered_by"),
        "is_auditor": user.pk == engagement.auditor_id,
        "may_answer": may(user, Duty.EXPORT, engagement.unit_path)
        and Role.AUDITOR not in roles_at(user, engagement.unit_path),
        "may_close": not objections_to(user, Duty.ADMINISTER, engagement.unit_path),
        "draw_form": DrawForm(),
        "ask_form": AskForm(models=queries.models_of_unit(engagement.unit_path)),
        "answer_form": AnswerForm(),
        "pack_form": PackForm(auto_id="pack_%s"),
        "close_form": PackForm(auto_id="close_%s"),
        "refused": tried.objections if tried else [],
    }
    status = tried.status if tried else 200
    return render(request, "reports/site_engagement.html", context | forms, status=status)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
