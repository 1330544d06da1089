"""The trail as people read it."""

from __future__ import annotations

import base64
from typing import cast

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from trail import checkpoints, events, keys, ledger, queries
from trail.actors import Reads

FILTERS = ("actor", "type", "subject", "q")


@require_safe
def event_list(request: HttpRequest) -> HttpResponse:
    given = {name: request.GET.get(name, "").strip() for name in FILTERS}
    found = queries.matching(
        queries.entries(units=cast(Reads, request.user).unit_paths),
        actor=given["actor"],
        type=given["type"],
        subject=given["subject"],
        search=given["q"],
    )
    page = Paginator(found, 50).get_page(request.GET.get("page"))
    checkpoint = checkpoints.current()
    context = {
        "nav": "trail",
        "page": page,
        "given": given,
        "types": sorted(events.SENTENCES),
        "filtered": any(given.values()),
        "checkpoint": checkpoint,
        "root": base64.b64encode(bytes(checkpoint.root)).decode(),
        "key": keys.verifier_key(),
    }
    return render(request, "trail/event_list.html", context)


@require_safe
def event_detail(request: HttpRequest, index: int) -> HttpResponse:
    entry = queries.entries(units=cast(Reads, request.user).unit_paths).filter(leaf__index=index).first()
    if entry is None:
        raise Http404
    size, _ = ledger.size_and_root()
    proof = checkpoints.inclusions([index], size=size)[0]
    context = {
        "nav": "trail",
        "entry": entry,
        "body": proof.body.decode(),
        "proof": proof,
        "steps": [step.hex() for step in proof.proof],
    }
    return render(request, "trail/event_detail.html", context)
