"""The model card and the evidence packs of a version, as pages."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from governance.views.posting import Attempt, attempt
from people.access import objections_to
from people.models import User
from people.queries import may_anywhere
from people.roles import Duty
from registry import cards as sections
from registry import queries as registry
from registry.models import CardSection, Version
from reports import cards, documents, packs, queries
from reports.cards import files
from reports.forms import SectionForm, UnitPackForm, VersionPackForm

MOST_PACKS = 5
PAGE_SIZE = 50
DOWNLOADED = "Downloaded from the page"


@require_safe
def card(request: HttpRequest, pk: UUID) -> HttpResponse:
    version = registry.version(_user(request), pk)
    written = registry.card_sections(version)
    context = _documents(request, version) | {
        "nav": "models",
        "card": cards.card(version),
        "written": [(section, written.get(section.key)) for section in sections.SECTIONS],
        "formats": files.FORMATS,
        "may_not_write": objections_to(_user(request), Duty.REGISTER, version.unit_path),
    }
    return render(request, "reports/site_card.html", context)


@require_safe
def card_download(request: HttpRequest, pk: UUID, kind: str) -> HttpResponse:
    """The card as a file; each download stands in the trail."""
    if kind not in files.FORMATS:
        raise Http404
    version = registry.version(_user(request), pk)
    file = files.download(version=version, kind=kind, actor=_user(request), reason=DOWNLOADED)
    response = HttpResponse(file.content, content_type=file.media_type)
    response["Content-Disposition"] = f'attachment; filename="{file.name}"'
    if kind == "html":
        response["Content-Security-Policy"] = documents.style()["policy"]
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def card_edit(request: HttpRequest, pk: UUID, section: str) -> HttpResponse:
    user, version = _user(request), registry.version(_user(request), pk)
    asked = next((each for each in sections.SECTIONS if each.key == section), None)
    if asked is None:
        raise Http404
    old = registry.card_sections(version).get(section)
    if request.method != "POST":
        return _section_shown(request, version, asked, old, SectionForm(initial={"text": old.text if old else ""}))
    form = SectionForm(request.POST)
    tried = attempt(form, lambda data: sections.write_section(version=version, section=section, actor=user, **data))
    if not tried.succeeded:
        return _section_shown(request, version, asked, old, form, tried)
    messages.success(request, f"“{asked.title}” is written.")
    return redirect("reports:card", pk)


def _section_shown(  # noqa: PLR0917
    request: HttpRequest,
    version: Version,
    section: sections.Section,
    old: CardSection | None,
    form: SectionForm,
    tried: Attempt | None = None,
) -> HttpResponse:
    context = {"nav": "models", "version": version, "section": section, "old": old, "form": form}
    context["may_not_write"] = objections_to(_user(request), Duty.REGISTER, version.unit_path)
    context["refused"] = tried.objections if tried else []
    status = tried.status if tried else 200
    return render(request, "reports/site_card_edit.html", context, status=status)


@require_safe
def version_documents(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The part of a version's dossier that this room knows: how complete its card is, and its packs."""
    version = registry.version(_user(request), pk)
    context = _documents(request, version) | {"completeness": cards.card(version).completeness}
    return render(request, "reports/site_documents.html", context)


@require_POST
def pack_request(request: HttpRequest, pk: UUID) -> HttpResponse:
    user, version, form = _user(request), registry.version(_user(request), pk), VersionPackForm(request.POST)
    tried = attempt(form, lambda data: packs.request(versions=[version], actor=user, **data))
    if not tried.succeeded:
        sent = {"pack_form": form, "refused": tried.objections}
        return render(request, "reports/site_packs.html", _documents(request, version) | sent, status=tried.status)
    messages.success(request, "The evidence pack is being built.")
    return redirect("reports:pack-list", pk)


@require_safe
def pack_list(request: HttpRequest, pk: UUID) -> HttpResponse:
    return render(request, "reports/site_packs.html", _documents(request, registry.version(_user(request), pk)))


@require_http_methods(["GET", "HEAD", "POST"])
def unit_packs(request: HttpRequest) -> HttpResponse:
    """Every pack the user may see, and the request for one of all models of a unit."""
    user = _user(request)
    form = UnitPackForm(request.POST or None, user=user)
    context = {
        "nav": "models",
        "page": Paginator(queries.packs(user), PAGE_SIZE).get_page(request.GET.get("page")),
        "form": form,
        "may_export": may_anywhere(user, Duty.EXPORT),
    }
    if request.method != "POST":
        return render(request, "reports/site_unit_packs.html", context)
    tried = attempt(form, lambda data: packs.request_unit(actor=user, **data))
    if not tried.succeeded:
        return render(
            request, "reports/site_unit_packs.html", context | {"refused": tried.objections}, status=tried.status
        )
    messages.success(request, "The evidence pack is being built.")
    return redirect("reports:unit-packs")


@require_safe
def pack_status(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The progress of a pack; asked for again until it is built, then the page is shown anew."""
    pack = queries.pack(_user(request), pk)
    response = render(request, "reports/site_pack_progress.html", {"pack": pack})
    if not pack.job.is_open:
        response["HX-Refresh"] = "true"
    return response


@require_safe
def pack_download(request: HttpRequest, pk: UUID) -> FileResponse:
    """The ZIP; each download stands in the trail."""
    pack = queries.pack(_user(request), pk)
    file = packs.open_download(pack=pack, actor=_user(request), reason=DOWNLOADED)
    return FileResponse(file, as_attachment=True, filename=packs.file_name(pack), content_type="application/zip")


def _documents(request: HttpRequest, version: Version) -> dict[str, Any]:
    """What the page of a version's packs and every part of it needs."""
    found = list(queries.packs(_user(request)).filter(versions=version)[: MOST_PACKS + 1])
    return {
        "nav": "models",
        "version": version,
        "packs": found[:MOST_PACKS],
        "has_more_packs": len(found) > MOST_PACKS,
        "pack_form": VersionPackForm(),
        "may_not_export": objections_to(_user(request), Duty.EXPORT, version.unit_path),
    }


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
