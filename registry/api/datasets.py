"""Datasets over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from registry import datasets, queries
from registry.api.given import actor, form, parsed, reason
from registry.api.pages import Page, Person, page, parameters
from registry.api.strict import JSONParser
from registry.models import ColumnRole, Dataset
from trail.errors import BadInput, refuse_unknown

ROLES = ("columns", "roles", "column_roles")
TAKEN = {"name", "unit", "description", "licence", "digest", "default_role", *ROLES}


class ColumnData(serializers.Serializer[Any]):
    name = serializers.CharField()
    roles = serializers.ListField(child=serializers.ChoiceField(choices=ColumnRole.choices))
    type = serializers.ChoiceField(choices=["integer", "number", "boolean", "text", "date"])
    missing = serializers.IntegerField(help_text="Cells that are empty, NA, NaN, null or N/A, whatever the case.")
    first_missing = serializers.IntegerField(allow_null=True, help_text="Its line (CSV) or row (Parquet).")
    distinct = serializers.IntegerField(allow_null=True, help_text="Different values; null above 50.")
    values = serializers.DictField(
        child=serializers.ListField(child=serializers.IntegerField()),
        allow_null=True,
        help_text="By value: how often, and the line (CSV) or row (Parquet) it first stands in.",
    )


class DatasetSummary(serializers.ModelSerializer[Dataset]):
    url = serializers.SerializerMethodField()
    unit = serializers.CharField(source="unit.path")
    digest = serializers.CharField()
    uploaded_by = Person()

    class Meta:
        model = Dataset
        fields = [
            "id", "url", "name", "unit", "description", "licence", "file_name", "format", "digest", "size", "row_count",
            "uploaded_by", "uploaded_at",
        ]  # fmt: skip

    def get_url(self, dataset: Dataset) -> str:
        return str(reverse("registry-api:dataset-detail", kwargs={"pk": dataset.pk}, request=self.context["request"]))


class DatasetData(DatasetSummary):
    columns = ColumnData(many=True)

    class Meta(DatasetSummary.Meta):
        fields = [*DatasetSummary.Meta.fields, "columns"]


class DatasetPage(Page):
    results = DatasetSummary(many=True)


class DatasetInput(serializers.Serializer[Any]):
    file = serializers.FileField(help_text="CSV (UTF-8, commas, a header) or Parquet.")
    name = serializers.CharField(max_length=200)
    columns = serializers.DictField(help_text="Column → a role or a list of roles; also taken as roles, column_roles.")
    default_role = serializers.CharField(
        required=False, help_text="For columns that are not named; ignored if left out."
    )
    unit = serializers.CharField(required=False, help_text="A unit's path; your home unit if left out.")
    description = serializers.CharField(required=False)
    licence = serializers.CharField(required=False, help_text="Licence and attribution.")
    digest = serializers.CharField(required=False, help_text="sha256:…; the file must have it.")
    reason = serializers.CharField(required=False, help_text="Why; it stands in the trail.")


class DatasetList(APIView):
    parser_classes = [MultiPartParser, JSONParser]

    @extend_schema(
        operation_id="datasets_list",
        parameters=parameters(q="part of a name", unit="a unit's path"),
        responses=DatasetPage,
    )
    def get(self, request: Request) -> Response:
        found = queries.datasets(actor(request)).filter(name__icontains=request.query_params.get("q", ""))
        if unit := request.query_params.get("unit"):
            found = found.filter(queries.at_or_below("unit__path", unit))
        return page(found.order_by("-uploaded_at", "pk"), DatasetSummary, request, self)

    @extend_schema(
        operation_id="datasets_upload", request={"multipart/form-data": DatasetInput}, responses={201: DatasetData}
    )
    def post(self, request: Request) -> Response:
        """Upload a table, with the rest as form fields or as one JSON part `metadata`."""
        user, (file, data) = actor(request), form(request, "file", "dataset")
        why = reason(data)
        refuse_unknown(data, TAKEN)
        if file is None:
            raise BadInput("No file came; send it as the part `file` of a multipart form.", where="file")
        dataset = datasets.upload(
            unit=queries.unit(user, data.get("unit") or user.unit.path),
            name=data.get("name") or "",
            file=file,
            file_name=file.name or "",
            roles=_roles(data),
            default_role=data.get("default_role") or ColumnRole.IGNORED.value,
            description=data.get("description") or "",
            licence=data.get("licence") or "",
            digest=data.get("digest") or "",
            actor=user,
            reason=why,
        )
        shown = DatasetData(dataset, context={"request": request}).data
        return Response(shown, status=201, headers={"Location": shown["url"]})


class DatasetDetail(APIView):
    @extend_schema(operation_id="datasets_retrieve", responses=DatasetData)
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(DatasetData(queries.dataset(actor(request), pk), context={"request": request}).data)


def _roles(data: dict[str, Any]) -> dict[str, Any]:
    named = [name for name in ROLES if data.get(name)]
    if len(named) > 1:
        raise BadInput(f"{' and '.join(named)} are one thing under several names; send one.", where=named[1])
    roles = parsed(data[named[0]] if named else {}, "columns")
    if not isinstance(roles, dict):
        raise BadInput("columns must be a JSON object of column names and roles.", where="columns")
    return roles
