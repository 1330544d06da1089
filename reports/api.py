"""Model cards and evidence packs over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, cast

from django.http import FileResponse, Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from audits.models import Job
from people.models import User
from registry import queries as registry
from registry.api.given import body, refuse_unknown
from reports import cards, documents, packs, queries
from reports.models import Pack

DEFAULT_REASON = "Asked for over the API"
FORMATS: dict[str, tuple[str, Callable[[cards.Card], bytes | str]]] = {
    "html": ("text/html; charset=utf-8", cards.as_html),
    "md": ("text/markdown; charset=utf-8", cards.as_markdown),
    "json": ("application/json", cards.as_json),
    "pdf": ("application/pdf", cards.as_pdf),
}


class AsAsked(BaseContentNegotiation):
    """The address says which form is wanted, so no Accept header is refused."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return next(iter(parsers), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class Card(APIView):
    content_negotiation_class = AsAsked

    @extend_schema(
        operation_id="card_read",
        parameters=[OpenApiParameter("kind", OpenApiTypes.STR, OpenApiParameter.PATH, enum=list(FORMATS))],
        responses={
            (200, "application/json"): OpenApiTypes.OBJECT,
            (200, "text/html"): OpenApiTypes.STR,
            (200, "text/markdown"): OpenApiTypes.STR,
            (200, "application/pdf"): OpenApiTypes.BINARY,
        },
    )
    def get(self, request: Request, pk: uuid.UUID, kind: str) -> HttpResponse:
        """The model card: a page, a PDF, Markdown with Hugging Face metadata, or JSON."""
        if kind not in FORMATS:
            raise Http404
        version = registry.version(_user(request), pk)
        content_type, rendered = FORMATS[kind]
        response = HttpResponse(rendered(cards.card(version)), content_type=content_type)
        response["Content-Disposition"] = f'inline; filename="{version.model.slug}-v{version.number}-card.{kind}"'
        if kind == "html":
            response["Content-Security-Policy"] = documents.style()["policy"]
        return response


class PackRequest(serializers.Serializer[Any]):
    reason = serializers.CharField(default=DEFAULT_REASON, max_length=1000, help_text="Why; it stands in the trail.")


class PackData(serializers.ModelSerializer[Pack]):
    url = serializers.SerializerMethodField()
    download = serializers.SerializerMethodField(help_text="Where the ZIP is, once it is built.")
    version = serializers.UUIDField(source="version_id")
    status = serializers.ChoiceField(choices=Job.Status.choices, source="job.status")
    progress = serializers.FloatField(source="job.progress", help_text="0 to 1")
    stage = serializers.CharField(source="job.stage", help_text="What is being done.")
    error = serializers.CharField(source="job.error", help_text="Why it failed.")
    sha256 = serializers.CharField(help_text="Of the ZIP; empty until it is built.")

    class Meta:
        model = Pack
        fields = [
            "id", "url", "download", "version", "status", "progress", "stage", "error", "sha256", "size",
            "requested_at",
        ]  # fmt: skip

    def get_url(self, pack: Pack) -> str:
        return self._address("pack-detail", pack)

    def get_download(self, pack: Pack) -> str | None:
        return self._address("pack-download", pack) if pack.path else None

    def _address(self, name: str, pack: Pack) -> str:
        return str(reverse(f"reports-api:{name}", kwargs={"pk": pack.pk}, request=self.context["request"]))


class VersionPacks(APIView):
    @extend_schema(request=PackRequest, responses={202: PackData}, operation_id="pack_request")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Ask for an evidence pack. It is built in the background: follow the Location until `download` is there."""
        version = registry.version(_user(request), pk)
        data = body(request)
        refuse_unknown(data, {"reason"})
        given = PackRequest(data=data)
        given.is_valid(raise_exception=True)
        pack = packs.request(version=version, actor=_user(request), reason=given.validated_data["reason"])
        shown = PackData(pack, context={"request": request}).data
        return Response(shown, status=202, headers={"Location": shown["url"]})


class PackDetail(APIView):
    @extend_schema(responses=PackData, operation_id="pack_read")
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        return Response(PackData(queries.pack(_user(request), pk), context={"request": request}).data)


class PackDownload(APIView):
    content_negotiation_class = AsAsked

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY}, operation_id="pack_download")
    def get(self, request: Request, pk: uuid.UUID) -> FileResponse:
        """The ZIP. Each download stands in the trail; 409 while it is not built."""
        pack = queries.pack(_user(request), pk)
        file = packs.open_download(pack=pack, actor=_user(request), reason="Downloaded over the API")
        return FileResponse(file, as_attachment=True, filename=packs.file_name(pack), content_type="application/zip")


def _user(request: Request) -> User:
    return cast(User, request.user)
