"""One's own account: roles, tokens, and the ways to prove who one is."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from people import credentials, passkeys, sessions, signing, totp
from people.events import Event
from people.forms import AuthenticatorForm, PasskeyForm, ProofForm
from people.models import Authenticator, Passkey, User
from people.roles import LINE, Role
from people.views.posting import refusals_in
from trail.canonical import digest
from trail.models import Entry

MOST_ENTRIES = 8
CHALLENGE = "passkey_challenge"
SECRETS = ("password", "code", "passkey", "confirmation", "sealed")


@require_safe
def account(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    context = {
        "nav": "account",
        "grants": [(grant, LINE[Role(grant.role)]) for grant in user.held_grants],
        "tokens": user.tokens.order_by("-created_at"),
        "held": signing.held(user),
        "entries": _lately(user),
    }
    return render(request, "people/account.html", context)


@sensitive_post_parameters(*SECRETS)
@require_http_methods(["GET", "HEAD", "POST"])
def passkey_new(request: HttpRequest) -> HttpResponse:
    user, given = _user(request), request.session.pop(CHALLENGE, "")
    form = PasskeyForm(request.POST or None, held=signing.held(user))
    if form.is_valid():
        with refusals_in(form):
            made = credentials.add_passkey(
                person=user,
                name=form.cleaned_data["name"],
                registration=form.cleaned_data["registration"],
                challenge=bytes.fromhex(given),
                **_proof(request, form),
            )
            messages.success(request, f"The passkey “{made.name}” is added. From now on you sign with it.")
            return redirect("people:account")
    challenge = secrets.token_bytes(32)
    request.session[CHALLENGE] = challenge.hex()
    options = passkeys.creation_options(user, challenge, form.held.passkeys)
    more = {"creation_options": json.dumps(options), "is_new_passkey": True}
    return _asked(request, "people/passkey_new.html", form, Event.PASSKEY_ADDED, digest(challenge), **more)


@sensitive_post_parameters(*SECRETS)
@require_http_methods(["GET", "HEAD", "POST"])
def passkey_remove(request: HttpRequest, pk: UUID) -> HttpResponse:
    mine = Passkey.objects.filter(user=_user(request), removed_at=None).select_related("user__unit")
    passkey = get_object_or_404(mine, pk=pk)
    form = ProofForm(request.POST or None, held=signing.held(passkey.user))
    if form.is_valid():
        with refusals_in(form):
            credentials.remove_passkey(passkey=passkey, **_proof(request, form))
            messages.success(request, f"The passkey “{passkey.name}” is removed. What you signed with it stays valid.")
            return redirect("people:account")
    what = f"the passkey “{passkey.name}”"
    return _asked(request, "people/method_remove.html", form, Event.PASSKEY_REMOVED, str(passkey.pk), what=what)


@sensitive_post_parameters(*SECRETS)
@require_http_methods(["GET", "HEAD", "POST"])
def authenticator_new(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    form = AuthenticatorForm(request.POST or None, held=signing.held(user))
    if form.is_valid():
        with refusals_in(form):
            credentials.add_authenticator(
                person=user,
                sealed=form.cleaned_data["sealed"],
                code=form.cleaned_data["confirmation"],
                **_proof(request, form),
            )
            messages.success(request, "The authenticator app is added. From now on you sign with its codes.")
            return redirect("people:account")
    secret, sealed = _secret(user, request.POST.get("sealed", ""))
    more = {"secret": secret, "sealed": sealed, "picture": totp.picture(secret, user)}
    return _asked(request, "people/authenticator_new.html", form, Event.TOTP_ADDED, digest(sealed.encode()), **more)


@sensitive_post_parameters(*SECRETS)
@require_http_methods(["GET", "HEAD", "POST"])
def authenticator_remove(request: HttpRequest, pk: UUID) -> HttpResponse:
    mine = Authenticator.objects.filter(user=_user(request), removed_at=None).select_related("user__unit")
    authenticator = get_object_or_404(mine, pk=pk)
    form = ProofForm(request.POST or None, held=signing.held(authenticator.user))
    if form.is_valid():
        with refusals_in(form):
            credentials.remove_authenticator(authenticator=authenticator, **_proof(request, form))
            messages.success(request, "The authenticator app is removed.")
            return redirect("people:account")
    what = "your authenticator app"
    return _asked(request, "people/method_remove.html", form, Event.TOTP_REMOVED, str(authenticator.pk), what=what)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _lately(user: User) -> list[Entry]:
    """What was done to this person's ways in, by whomever."""
    types = [
        Event.PASSKEY_ADDED, Event.PASSKEY_REMOVED, Event.TOTP_ADDED, Event.TOTP_REMOVED, Event.METHODS_RESET,
        Event.PASSWORD_LINK_ISSUED, Event.PASSWORD_SET, Event.TOKEN_CREATED,
    ]  # fmt: skip
    found = Entry.objects.filter(subject_id=str(user.pk), type__in=[each.value for each in types])
    return list(found.order_by("-at")[:MOST_ENTRIES])


def _proof(request: HttpRequest, form: ProofForm) -> dict[str, Any]:
    """The credential of the form; for someone who has none yet, how lately they signed in."""
    first = credentials.FreshSignIn(sessions.opened_at(request))
    credential = first if form.held.has_none else form.credential
    return {"credential": credential, "shown_at": signing.shown_moment(form.cleaned_data["shown_at"])}


def _secret(user: User, sealed: str) -> tuple[str, str]:
    """The secret that was on the page, if it may still be confirmed; else a new one."""
    try:
        return totp.unseal(sealed, user, longest=totp.LONGEST_SETUP), sealed
    except totp.Unreadable:
        secret = totp.new_secret()
        return secret, totp.seal(secret, user)


def _asked(request: HttpRequest, template: str, form: ProofForm, event: Event, about: str, **more: Any) -> HttpResponse:
    """The page that asks for the proof of an act, with what a passkey would answer."""
    shown_at: datetime = signing.shown_moment()
    options = ""
    if form.held.passkeys:
        act = credentials.act(event, _user(request), about, shown_at)
        options = json.dumps(passkeys.request_options(act, form.held.passkeys))
    context = {
        "nav": "account",
        "form": form,
        "shown_at": shown_at.isoformat(),
        "request_options": options,
        "is_first": form.held.has_none,
    }
    return render(request, template, context | more, status=422 if form.errors else 200)
