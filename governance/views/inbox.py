"""The start page: what waits for whoever is looking."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance import inbox as waiting
from governance.waiting import standing
from people.models import Meaning, User
from people.roles import Role

# each kind of thing that waits: its heading, its icon and what to do with it, in the order of the page
KINDS = {
    "sign": ("To sign", "sign", "Review and sign"),
    "release": ("Ready to release", "released", "Open"),
    "stale": ("Gone stale", "stale", "Open"),
    "run": ("Your failed runs", "failed", "Mend and retry"),
    "tier": ("Your models without a tier", "model", "Answer"),
    "review": ("Reviews due", "calendar", "Open"),
}


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    found = waiting.inbox(user)
    groups = [
        {"kind": kind, "title": title, "icon": icon, "act": act, "items": items}
        for kind, (title, icon, act) in KINDS.items()
        if (items := [(each, _why(each)) for each in found if each.kind == kind])
    ]
    context = {"nav": "inbox", "groups": groups, "standing": standing(user)}
    return render(request, "governance/inbox.html", context)


def _why(each: waiting.Waiting) -> str:
    if each.kind != "sign":
        return each.sentence
    return f"Your signature as {Role(each.role).label.lower()}: “{Meaning(each.meaning).label}”."
