"""Promotions: the list, the page of one, and the acts on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from governance import promotion as verbs
from governance import queries, signoff
from governance.forms import ReasonForm, SignForm
from governance.models import Promotion
from governance.promotion_page import Page
from governance.views.filters import active
from governance.views.posting import Attempt, attempt
from people.models import User
from people.signing import held
from registry.stages import INTO

PAGE_SIZE = 50


@require_safe
def promotion_list(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    given = {name: request.GET.get(name, "") for name in ("status", "target", "mine")}
    found = queries.matching(queries.promotions(user), user=user, **given)
    words = {
        "status": dict(Promotion.Status.choices),
        "target": {slug: slug.capitalize() for slug in INTO},
        "mine": {"requested": "requested by me", "signed": "signed by me"},
    }
    context = {
        "nav": "promotions",
        "page": Paginator(found, PAGE_SIZE).get_page(request.GET.get("page")),
        "given": given,
        "words": words,
        "chips": active(request.GET, words),
    }
    return render(request, "governance/promotion_list.html", context)


@require_safe
def promotion_detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    asked = queries.promotion(_user(request), pk)
    return shown(request, Page.of(_user(request), asked, wanted_role=request.GET.get("role", "")))


@require_POST
def statement(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What would be signed, with the comment as typed so far: the part of the page that follows it."""
    wanted, comment = request.POST.get("role", ""), request.POST.get("comment", "")
    page = Page.of(_user(request), queries.promotion(_user(request), pk), wanted_role=wanted, comment=comment)
    return render(request, "governance/promotion_statement.html", {"page": page})


@require_POST
def sign(request: HttpRequest, pk: UUID) -> HttpResponse:
    user, asked = _user(request), queries.promotion(_user(request), pk)
    form = SignForm(request.POST, held=held(user))
    tried = attempt(form, lambda _: signoff.sign(promotion=asked, actor=user, **form.signed_as))
    if not tried.succeeded:
        wanted, comment = request.POST.get("role", ""), request.POST.get("comment", "")
        page = Page.of(user, asked, wanted_role=wanted, comment=comment, refused={"sign": tried.objections})
        return shown(request, page, status=tried.status, sign_form=form)
    made = tried.made
    said = f"Signed as {made.get_role_display()} with your {made.get_method_display()}: “{made.get_meaning_display()}”."
    messages.success(request, said)
    return redirect("governance:promotion-detail", pk)


@require_POST
def release(request: HttpRequest, pk: UUID) -> HttpResponse:
    said = "Released. The attestation is minted and the release stands in the trail."
    return _close(request, pk, "release", verbs.release, said)


@require_POST
def reject(request: HttpRequest, pk: UUID) -> HttpResponse:
    return _close(request, pk, "reject", verbs.reject, "Rejected. The reason stands in the trail.")


@require_POST
def withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    return _close(
        request, pk, "withdraw", verbs.withdraw, "Withdrawn. The signatures stay in the trail and no longer count."
    )


@require_safe
def attestation(request: HttpRequest, pk: UUID) -> HttpResponse:
    asked = queries.promotion(_user(request), pk)
    if not asked.attestation:
        raise Http404
    name = f"{asked.version.model.slug}-v{asked.version.number}-{asked.target.slug}.dsse.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(asked.attestation, content_type="application/vnd.dsse+json", headers=headers)


def _close(request: HttpRequest, pk: UUID, name: str, verb: Callable[..., Promotion], said: str) -> HttpResponse:
    user, asked, form = _user(request), queries.promotion(_user(request), pk), ReasonForm(request.POST)
    tried: Attempt = attempt(form, lambda data: verb(promotion=asked, actor=user, reason=data["reason"]))
    if not tried.succeeded:
        page = Page.of(user, asked, refused={name: tried.objections})
        return shown(request, page, status=tried.status, **{f"{name}_form": form})
    messages.success(request, said)
    return redirect("governance:promotion-detail", pk)


def shown(request: HttpRequest, page: Page, *, status: int = 200, **sent: forms.Form) -> HttpResponse:
    """The page, with whichever form was just sent in its place."""
    kept = page.statement
    initial = (
        {"role": kept.role.value, "meaning": kept.meaning.value, "dossier_digest": kept.dossier_digest} if kept else {}
    )
    if "sign_form" in sent:  # what would be signed now is what is shown now
        sent["sign_form"].data = {**sent["sign_form"].data.dict(), **initial}  # type: ignore[attr-defined]
    context: dict[str, Any] = {
        "nav": "promotions",
        "page": page,
        "promotion": page.promotion,
        "version": page.case.version,
        "model": page.case.model,
        "sign_form": SignForm(initial=initial | {"comment": page.comment}, held=page.held_methods),
        **{f"{name}_form": ReasonForm(auto_id=f"{name}_%s") for name in ("release", "reject", "withdraw")},
    }
    return render(request, "governance/promotion_detail.html", context | sent, status=status)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
