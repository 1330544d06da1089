"""Versions, their artifacts and card sections over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import FileResponse, Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from registry import artifacts, cards, queries, versions
from registry.api.given import actor, body, form, parsed, reason
from registry.api.lineage import EdgeData
from registry.api.pages import Page, Person, page, parameters
from registry.api.strict import JSONParser
from registry.models import Artifact, CardSection, Dataset, Version
from trail.errors import BadInput, refuse_unknown

TAKEN = {"trained_on", "derived_from", "digest", "label", "notes", "facts"}


class ArtifactData(serializers.ModelSerializer[Artifact]):
    digest = serializers.CharField()

    class Meta:
        model = Artifact
        fields = ["digest", "size", "format", "file_name"]


class ModelName(serializers.Serializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()


class VersionSummary(serializers.ModelSerializer[Version]):
    url = serializers.SerializerMethodField()
    model = ModelName()
    artifact = ArtifactData(allow_null=True)
    created_by = Person()

    class Meta:
        model = Version
        fields = ["id", "url", "model", "number", "label", "stage", "artifact", "created_by", "created_at"]

    def get_url(self, version: Version) -> str:
        return str(reverse("registry-api:version-detail", kwargs={"pk": version.pk}, request=self.context["request"]))


class VersionData(VersionSummary):
    artifact_url = serializers.SerializerMethodField()
    facts = serializers.DictField()
    lineage = serializers.SerializerMethodField()

    class Meta(VersionSummary.Meta):
        fields = [*VersionSummary.Meta.fields, "artifact_url", "notes", "facts", "lineage"]

    def get_artifact_url(self, version: Version) -> str | None:
        if version.artifact is None:
            return None
        return str(reverse("registry-api:artifact", kwargs={"pk": version.pk}, request=self.context["request"]))

    @extend_schema_field(EdgeData(many=True))
    def get_lineage(self, version: Version) -> Any:
        return [
            EdgeData(edge).data for edge in queries.lineage(actor(self.context["request"])).filter(to_version=version)
        ]


class VersionPage(Page):
    results = VersionSummary(many=True)


class VersionInput(serializers.Serializer[Any]):
    artifact = serializers.FileField(
        required=False,
        help_text="skops, XGBoost JSON or UBJSON, LightGBM text, CatBoost cbm or ONNX; told by its content.",
    )
    digest = serializers.CharField(required=False, help_text="sha256:…; the file must have it.")
    label = serializers.CharField(required=False, max_length=60)  # type: ignore[assignment]
    notes = serializers.CharField(required=False, help_text="What changed.")
    facts = serializers.DictField(required=False, help_text="Hyperparameters, training run, environment.")
    trained_on = serializers.ListField(child=serializers.UUIDField(), required=False, help_text="Datasets.")
    derived_from = serializers.UUIDField(required=False, help_text="A version.")
    reason = serializers.CharField(required=False, help_text="Why; it stands in the trail.")


class VersionList(APIView):
    parser_classes = [MultiPartParser, JSONParser]

    @extend_schema(operation_id="versions_list", parameters=parameters(), responses=VersionPage)
    def get(self, request: Request, slug: str) -> Response:
        model = queries.model(actor(request), slug)
        found = queries.versions(actor(request)).filter(model=model).order_by("-number")
        return page(found, VersionSummary, request, self)

    @extend_schema(
        operation_id="versions_register",
        request={"multipart/form-data": VersionInput, "application/json": VersionInput},
        responses={201: VersionData},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Register the next version: the artifact as a file, the rest as form fields or as one JSON part `metadata`."""
        user, (file, data) = actor(request), form(request, "artifact", "file")
        model, why = queries.model(user, slug), reason(data)
        refuse_unknown(data, TAKEN)
        source = data.get("derived_from")
        version = versions.register(
            model=model,
            artifact=file,
            file_name=(file and file.name) or "",
            digest=data.get("digest") or "",
            label=data.get("label") or "",
            notes=data.get("notes") or "",
            facts=parsed(data.get("facts") or {}, "facts"),
            trained_on=_datasets(request, data.get("trained_on")),
            derived_from=_version(request, source) if source else None,
            actor=user,
            reason=why,
        )
        shown = VersionData(queries.version(user, version.pk), context={"request": request}).data
        return Response(shown, status=201, headers={"Location": shown["url"]})


class VersionDetail(APIView):
    @extend_schema(operation_id="versions_retrieve", responses=VersionData)
    def get(self, request: Request, pk: UUID) -> Response:
        version = queries.version(actor(request), pk)
        return Response(VersionData(version, context={"request": request}).data)


class ArtifactFile(APIView):
    @extend_schema(operation_id="versions_artifact", responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, pk: UUID) -> FileResponse:
        """The artifact, byte for byte as it was uploaded. Each download stands in the trail."""
        user = actor(request)
        version = queries.version(user, pk)
        if version.artifact is None:
            raise Http404
        return FileResponse(
            artifacts.open_download(version=version, actor=user, reason="Downloaded over the API"),
            as_attachment=True,
            filename=version.artifact.file_name,
            content_type="application/octet-stream",
        )


class SectionData(serializers.Serializer[Any]):
    section = serializers.CharField()
    title = serializers.CharField()
    hint = serializers.CharField()
    text = serializers.CharField()
    written_by = Person(allow_null=True)
    written_at = serializers.DateTimeField(allow_null=True)


class SectionInput(serializers.Serializer[Any]):
    text = serializers.CharField()
    reason = serializers.CharField(required=False, help_text="Why; it stands in the trail.")


class CardSectionDetail(APIView):
    @extend_schema(operation_id="card_sections_retrieve", responses=SectionData)
    def get(self, request: Request, pk: UUID, section: str) -> Response:
        version = queries.version(actor(request), pk)
        cards.refuse_unknown(section)
        return Response(_shown(section, queries.card_sections(version).get(section)))

    @extend_schema(operation_id="card_sections_write", request=SectionInput, responses=SectionData)
    def put(self, request: Request, pk: UUID, section: str) -> Response:
        version, data = queries.version(actor(request), pk), body(request)
        why = reason(data)
        refuse_unknown(data, {"text"})
        written = cards.write_section(
            version=version, section=section, text=data.get("text", ""), actor=actor(request), reason=why
        )
        return Response(_shown(section, written))


def _shown(key: str, written: CardSection | None) -> dict[str, Any]:
    section = next(section for section in cards.SECTIONS if section.key == key)
    return {
        "section": key,
        "title": section.title,
        "hint": section.hint,
        "text": written.text if written else "",
        "written_by": Person(written.written_by).data if written else None,
        "written_at": written.written_at if written else None,
    }


def _datasets(request: Request, given: Any) -> list[Dataset]:
    ids = parsed(given, "trained_on") if isinstance(given, str) and given.strip().startswith("[") else given or []
    if isinstance(ids, str):
        ids = [part.strip() for part in ids.split(",")]
    if not isinstance(ids, list):
        raise BadInput("trained_on must be a list of dataset ids.", where="trained_on")
    return [_dataset(request, given_id) for given_id in ids]


def _dataset(request: Request, id: Any) -> Dataset:
    try:
        return queries.dataset(actor(request), str(id))
    except Http404 as error:
        raise BadInput(f"There is no dataset {str(id)[:60]} that you may see.", where="trained_on") from error


def _version(request: Request, id: Any) -> Version:
    try:
        return queries.version(actor(request), str(id))
    except Http404 as error:
        raise BadInput(f"There is no version {str(id)[:60]} that you may see.", where="derived_from") from error
