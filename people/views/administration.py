"""The pages on which administrators look after people and roles."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from people import credentials, erasing, membership, queries, signing
from people.access import objections_to
from people.forms import ErasureForm, GrantForm, PasswordForm, ReasonForm, UserForm
from people.models import RoleGrant, User
from people.roles import LINE, Duty, Role
from people.views.posting import refusals_in


def _me(request: HttpRequest) -> User:
    return cast(User, request.user)


@require_safe
def user_list(request: HttpRequest) -> HttpResponse:
    search = request.GET.get("q", "").strip()
    found = queries.people(_me(request)).filter(name__icontains=search).prefetch_related("grants__unit")
    context = {
        "nav": "people",
        "q": search,
        "page": Paginator(found, 50).get_page(request.GET.get("page")),
        "may_add": queries.may_anywhere(_me(request), Duty.ADMINISTER),
    }
    return render(request, "people/user_list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def user_new(request: HttpRequest) -> HttpResponse:
    form = UserForm(request.POST or None, user=_me(request))
    if form.is_valid():
        given = form.cleaned_data
        with refusals_in(form):
            added = membership.add_user(password=None, actor=_me(request), **given)
            messages.success(
                request, f"{added.name} was added. Issue a link for the first password, then grant a role."
            )
            return redirect("people:user-detail", added.pk)
    return render(request, "people/user_new.html", {"nav": "people", "form": form}, status=422 if form.errors else 200)


@require_safe
def user_detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    return _detail(request, get_object_or_404(queries.people(_me(request)), pk=pk))


def _detail(request: HttpRequest, person: User, status: int = 200, **more: object) -> HttpResponse:
    grants = person.grants.select_related("unit").order_by("-granted_at")
    context = {
        "nav": "people",
        "person": person,
        "grants": [(grant, LINE[Role(grant.role)]) for grant in grants],
        "grant_form": GrantForm(user=_me(request)),
        "reason_form": ReasonForm(),
        "held": signing.held(person),
        "objections": objections_to(_me(request), Duty.ADMINISTER, person.unit.path),
        "erasure": person.erasures.order_by("-asked_at").first(),
        "erasure_form": ErasureForm(auto_id="erasure_%s"),
        "may_not_erase": objections_to(_me(request), Duty.ERASE, person.unit.path),
    }
    return render(request, "people/user_detail.html", context | more, status=status)


@require_POST
def grant_role(request: HttpRequest, pk: UUID) -> HttpResponse:
    person = get_object_or_404(queries.people(_me(request)), pk=pk)
    form = GrantForm(request.POST, user=_me(request))
    if form.is_valid():
        given = form.cleaned_data
        with refusals_in(form):
            membership.grant(
                user=person, role=Role(given["role"]), unit=given["unit"], actor=_me(request), reason=given["reason"]
            )
            messages.success(request, f"{person.name} is {Role(given['role']).label} in {given['unit'].name} now.")
            return redirect("people:user-detail", person.pk)
    return _detail(request, person, 422, grant_form=form)


@require_POST
def revoke_role(request: HttpRequest, pk: UUID) -> HttpResponse:
    visible = RoleGrant.objects.filter(queries.within(_me(request), "unit__path"), revoked_at=None)
    grant = get_object_or_404(visible.select_related("unit", "user__unit"), pk=pk)
    form = ReasonForm(request.POST)
    if form.is_valid():
        membership.revoke(grant=grant, actor=_me(request), reason=form.cleaned_data["reason"])
        messages.success(request, "The role has ended.")
        return redirect("people:user-detail", grant.user_id)
    return _detail(request, grant.user, 422, reason_form=form)


@require_POST
def suspend(request: HttpRequest, pk: UUID) -> HttpResponse:
    person = get_object_or_404(queries.people(_me(request)), pk=pk)
    form = ReasonForm(request.POST)
    if form.is_valid():
        membership.suspend(user=person, actor=_me(request), reason=form.cleaned_data["reason"])
        messages.success(request, f"{person.name} is suspended; sessions and tokens of theirs no longer open anything.")
        return redirect("people:user-detail", person.pk)
    return _detail(request, person, 422, reason_form=form)


@require_POST
def password_link(request: HttpRequest, pk: UUID) -> HttpResponse:
    person = get_object_or_404(queries.people(_me(request)), pk=pk)
    form = ReasonForm(request.POST)
    if form.is_valid():
        path = membership.issue_password_link(user=person, actor=_me(request), reason=form.cleaned_data["reason"])
        return _detail(request, person, link=request.build_absolute_uri(path))
    return _detail(request, person, 422, reason_form=form)


@require_POST
def methods_reset(request: HttpRequest, pk: UUID) -> HttpResponse:
    person = get_object_or_404(queries.people(_me(request)), pk=pk)
    form = ReasonForm(request.POST)
    if form.is_valid():
        credentials.reset(person=person, actor=_me(request), reason=form.cleaned_data["reason"])
        messages.success(request, f"Taken away. For a day nobody signs as {person.name}.")
        return redirect("people:user-detail", person.pk)
    return _detail(request, person, 422, reason_form=form)


@sensitive_post_parameters()
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def set_password(request: HttpRequest, pk: UUID, token: str) -> HttpResponse:
    person = get_object_or_404(User.objects.select_related("unit"), pk=pk)
    form = PasswordForm(request.POST or None)
    if form.is_valid():
        with refusals_in(form):
            membership.set_password(user=person, password=form.cleaned_data["password"], token=token)
            messages.success(request, "Your password is set. Sign in with it.")
            return redirect("people:sign-in")
    return render(request, "people/set_password.html", {"form": form}, status=422 if form.errors else 200)


@require_POST
def erasure_ask(request: HttpRequest, pk: UUID) -> HttpResponse:
    person, form = get_object_or_404(queries.people(_me(request)), pk=pk), ErasureForm(request.POST)
    if form.is_valid():
        with refusals_in(form):
            erasing.ask(person=person, actor=_me(request), **form.cleaned_data)
            messages.success(request, "The erasure is asked for; a compliance officer approves it.")
            return redirect("people:user-detail", pk)
    return _detail(request, person, 422, erasure_form=form)


@require_POST
def erasure_approve(request: HttpRequest, pk: UUID) -> HttpResponse:
    person, form = get_object_or_404(queries.people(_me(request)), pk=pk), ReasonForm(request.POST)
    asked = get_object_or_404(person.erasures.select_related("person__unit"), done_at=None)
    if form.is_valid():
        with refusals_in(form):
            erasing.approve(asked=asked, actor=_me(request), reason=form.cleaned_data["reason"])
            messages.success(request, "The person’s data is erased.")
            return redirect("people:user-detail", pk)
    return _detail(request, person, 422, erasure_form=form)
