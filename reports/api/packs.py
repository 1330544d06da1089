"""Model cards and evidence packs over HTTP."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.http import FileResponse, Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
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
from registry.api.given import body
from registry.api.pages import Page, page, parameters
from registry.models import Version
from reports import documents, packs, queries
from reports.cards.files import FORMATS, download
from reports.models import Pack
from trail.errors import BadInput, refuse_unknown

DEFAULT_REASON = "Asked for over the API"
DOWNLOADED = "Downloaded over the API"


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
        """The model card: a page, a PDF, Markdown with Hugging Face metadata, or JSON. It stands in the trail."""
        if kind not in FORMATS:
            raise Http404
        version = registry.version(_user(request), pk)
        file = download(version=version, kind=kind, actor=_user(request), reason=DOWNLOADED)
        response = HttpResponse(file.content, content_type=file.media_type)
        response["Content-Disposition"] = f'inline; filename="{file.name}"'
        if kind == "html":
            response["Content-Security-Policy"] = documents.style()["policy"]
        return response


class PackRequest(serializers.Serializer[Any]):
    reason = serializers.CharField(default=DEFAULT_REASON, max_length=1000, help_text="Why; it stands in the trail.")
    as_of = serializers.DateTimeField(default=None, help_text="A past moment whose state the pack shall show.")


class PacksRequest(PackRequest):
    versions = serializers.ListField(
        child=serializers.UUIDField(), required=False, max_length=packs.MOST_VERSIONS, help_text="Their ids."
    )
    unit = serializers.CharField(
        required=False, help_text="Instead of versions: every model of this unit and those below."
    )
    title = serializers.CharField(default="", max_length=packs.LONGEST_TITLE, help_text="What the pack is called.")


class PackSummary(serializers.ModelSerializer[Pack]):
    url = serializers.SerializerMethodField()
    download = serializers.SerializerMethodField(help_text="Where the ZIP is, once it is built.")
    status = serializers.ChoiceField(choices=Job.Status.choices, source="job.status")
    progress = serializers.FloatField(source="job.progress", help_text="0 to 1")
    stage = serializers.CharField(source="job.stage", help_text="What is being done.")
    error = serializers.CharField(source="job.error", help_text="Why it failed.")
    sha256 = serializers.CharField(help_text="Of the ZIP; empty until it is built.")

    class Meta:
        model = Pack
        fields = [
            "id", "url", "download", "title", "scope", "as_of", "status", "progress", "stage", "error", "sha256",
            "size", "requested_at",
        ]  # fmt: skip

    def get_url(self, pack: Pack) -> str:
        return self._address("pack-detail", pack)

    def get_download(self, pack: Pack) -> str | None:
        return self._address("pack-download", pack) if pack.path else None

    def _address(self, name: str, pack: Pack) -> str:
        return str(reverse(f"reports-api:{name}", kwargs={"pk": pack.pk}, request=self.context["request"]))


class PackData(PackSummary):
    versions = serializers.SerializerMethodField()

    class Meta(PackSummary.Meta):
        fields = [*PackSummary.Meta.fields, "versions"]

    @extend_schema_field(serializers.ListField(child=serializers.UUIDField()))
    def get_versions(self, pack: Pack) -> list[uuid.UUID]:
        return list(queries.versions_in(pack).values_list("pk", flat=True))


class PackPage(Page):
    results = PackSummary(many=True)


class VersionPacks(APIView):
    @extend_schema(request=PackRequest, responses={202: PackData}, operation_id="version_pack_request")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Ask for an evidence pack. It is built in the background: follow the Location until `download` is there."""
        version = registry.version(_user(request), pk)
        asked = given(request, PackRequest)
        return accepted(request, packs.request(versions=[version], actor=_user(request), **asked))


class PackList(APIView):
    @extend_schema(operation_id="packs_list", parameters=parameters(), responses=PackPage)
    def get(self, request: Request) -> Response:
        """The packs whose every version you may see, newest first."""
        return page(queries.packs(_user(request)), PackSummary, request, self)

    @extend_schema(request=PacksRequest, responses={202: PackData}, operation_id="packs_request")
    def post(self, request: Request) -> Response:
        """Ask for one pack of several versions, or of every model of a unit: its newest version and what is deployed.

        It is built in the background: follow the Location until `download` is there."""
        user, asked = _user(request), given(request, PacksRequest)
        named, unit = asked.pop("versions", None), asked.pop("unit", None)
        if (named is None) == (unit is None):
            raise BadInput("Name either versions, or a unit.", where="versions")
        if unit is not None:
            pack = packs.request_unit(unit=registry.unit(user, unit), actor=user, **asked)
        else:
            pack = packs.request(versions=_versions(user, named or []), actor=user, **asked)
        return accepted(request, pack)


def given(request: Request, shape: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """What the request brings, in this shape."""
    data = body(request)
    refuse_unknown(data, set(shape().fields))
    read = shape(data=data)
    read.is_valid(raise_exception=True)
    return dict(read.validated_data)


def _versions(user: User, named: list[uuid.UUID]) -> list[Version]:
    """The versions in the order they were named; one that the user can't see does not exist."""
    found = {version.pk: version for version in registry.versions(user).filter(pk__in=named)}
    if missing := next((pk for pk in named if pk not in found), None):
        raise BadInput(f"There is no version {missing} that you may see.", where="versions")
    return [found[pk] for pk in named]


def accepted(request: Request, pack: Pack) -> Response:
    """A worker builds it: where to follow it."""
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
        file = packs.open_download(pack=pack, actor=_user(request), reason=DOWNLOADED)
        return FileResponse(file, as_attachment=True, filename=packs.file_name(pack), content_type="application/zip")


def _user(request: Request) -> User:
    return cast(User, request.user)
