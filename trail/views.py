"""The trail as people read it."""

from __future__ import annotations

import base64
from typing import cast

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_safe

from trail import checkpoints, events, exports, ledger, pages, proofs, queries, searching, shown, standing
from trail.actors import Reads
from trail.errors import BadInput
from trail.models import Entry

MOST = 50
EXPORTED = "Exported on the trail’s page"


@require_safe
def event_list(request: HttpRequest) -> HttpResponse:
    said, wrong = searching.said(request.GET), None
    page = queries.Stretch([], None, None, None)
    try:
        found = searching.asked(request.GET).of(_entries(request))
        page = queries.stretch(found, most=MOST, **pages.place(request.GET))
    except BadInput as error:
        wrong = error
    log = standing.now()
    context = {
        "nav": "trail",
        "newer_url": _address(request, after=page.newer),
        "older_url": _address(request, before=page.older),
        "groups": shown.groups(page.entries, page.next),
        "given": said,
        "chips": _chips(request, said),
        "wrong": wrong,
        "types": sorted(events.SENTENCES),
        "log": log,
        "root": base64.b64encode(log.root).decode(),
        "formats": list(exports.FORMATS),
    }
    return render(request, "trail/event_list.html", context, status=wrong.status if wrong else 200)


@require_safe
def event_detail(request: HttpRequest, index: int) -> HttpResponse:
    entry = _entry(request, index)
    checkpoint, lost = standing.signed()
    signed = checkpoint if not lost else None
    proof = checkpoints.inclusions([index], size=signed.size if signed else ledger.size_and_root()[0])[0]
    context = {
        "nav": "trail",
        "entry": entry,
        "shown": shown.shown([entry])[0],
        "body": proof.body.decode(),
        "proof": proof,
        "steps": [step.hex() for step in proof.proof],
        "receipt": signed,
        "lost": lost,
        "images": queries.images(entry),
    }
    return render(request, "trail/event_detail.html", context)


@require_safe
def event_file(request: HttpRequest, index: int, kind: str) -> HttpResponse:
    """The leaf's bytes, what it discloses, or its proof: as they stand in an evidence pack."""
    entry = _entry(request, index)
    match kind:
        case "json":
            content, media_type = bytes(entry.body), "application/json"
        case "disclosed.json":
            content, media_type = bytes(entry.payload.disclosed), "application/json"
        case "tlog-proof":
            content, media_type = _proof(index).encode(), "text/plain; charset=utf-8"
        case _:
            raise Http404
    name = f"{index:012}.{kind}"
    return HttpResponse(content, media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@require_GET
def export(request: HttpRequest) -> StreamingHttpResponse:
    asked = searching.asked(request.GET)
    reader = cast(exports.Reader, request.user)
    taken = exports.take(actor=reader, reason=EXPORTED, asked=asked, format=request.GET.get("format", ""))
    headers = {"Content-Disposition": f'attachment; filename="{taken.name}"'}
    return StreamingHttpResponse(taken.content, content_type=taken.media_type, headers=headers)


def _entries(request: HttpRequest) -> QuerySet[Entry]:
    return queries.entries(units=cast(Reads, request.user).unit_paths)


def _entry(request: HttpRequest, index: int) -> Entry:
    entry = _entries(request).filter(leaf__index=index).first()
    if entry is None:
        raise Http404
    return entry


def _proof(index: int) -> str:
    checkpoint = checkpoints.current()
    proof = checkpoints.inclusions([index], size=checkpoint.size)[0]
    return proofs.write(index, proof.proof, checkpoint.note)


def _chips(request: HttpRequest, said: dict[str, str]) -> list[dict[str, str]]:
    """The active filters, each with the address of the list without it."""
    labels = {"q": "search"}
    return [
        {"label": labels.get(name, name).capitalize(), "value": value, "remove_url": _address(request, **{name: None})}
        for name, value in said.items()
    ]


def _address(request: HttpRequest, **change: int | None) -> str:
    """This list with another place or a filter less; nothing if the place is none."""
    query = request.GET.copy()
    for gone in ("before", "after", *change):
        query.pop(gone, None)
    for name, value in change.items():
        if value is None and name in {"before", "after"}:
            return ""
        if value is not None:
            query[name] = str(value)
    return f"?{query.urlencode()}"
