"""What a unit has for all its models: units below it, environments and custom fields."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from people import membership
from people.models import Unit
from registry import environments, inventory, queries, words
from registry.api.given import actor, body, reason
from registry.api.pages import Page, page, parameters
from registry.models import CustomField, Environment
from trail.errors import refuse_unknown

KINDS = ", ".join(CustomField.Kind.values)


class UnitData(serializers.ModelSerializer[Unit]):
    parent = serializers.CharField(source="parent.path", default=None, allow_null=True)  # type: ignore[assignment]

    class Meta:
        model = Unit
        fields = ["id", "path", "name", "slug", "parent"]


class UnitPage(Page):
    results = UnitData(many=True)


class UnitInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200)
    parent = serializers.CharField(help_text="The path of the unit it belongs to.")  # type: ignore[assignment]
    reason = serializers.CharField(required=False, help_text="Why; it stands in the trail.")


class UnitList(APIView):
    @extend_schema(operation_id="units_list", parameters=parameters(), responses=UnitPage)
    def get(self, request: Request) -> Response:
        return page(queries.units(actor(request)), UnitData, request, self)

    @extend_schema(operation_id="units_open", request=UnitInput, responses={201: UnitData})
    def post(self, request: Request) -> Response:
        user, data = actor(request), body(request)
        why = reason(data)
        refuse_unknown(data, {"name", "parent"})
        parent = queries.unit(user, str(data.get("parent") or ""))
        unit = membership.open_unit(name=str(data.get("name") or ""), parent=parent, actor=user, reason=why)
        return Response(UnitData(unit).data, status=201)


class EnvironmentData(serializers.ModelSerializer[Environment]):
    unit = serializers.CharField(source="unit.path")

    class Meta:
        model = Environment
        fields = ["id", "slug", "name", "unit"]


class EnvironmentPage(Page):
    results = EnvironmentData(many=True)


class EnvironmentInput(serializers.Serializer[Any]):
    slug = serializers.SlugField(max_length=40, help_text="A promotion names its target by it.")
    name = serializers.CharField(required=False, help_text="Made from the slug if left out.")
    unit = serializers.CharField(required=False, help_text="A unit's path; your home unit if left out.")
    reason = serializers.CharField(required=False, help_text="Why; it stands in the trail.")


class EnvironmentList(APIView):
    @extend_schema(operation_id="environments_list", parameters=parameters(), responses=EnvironmentPage)
    def get(self, request: Request) -> Response:
        return page(queries.environments(actor(request)), EnvironmentData, request, self)

    @extend_schema(operation_id="environments_open", request=EnvironmentInput, responses={201: EnvironmentData})
    def post(self, request: Request) -> Response:
        user, data = actor(request), body(request)
        why = reason(data)
        refuse_unknown(data, {"slug", "name", "unit"})
        slug = words.line(data.get("slug"), where="slug", most=100, needed=True)
        environment = environments.open_environment(
            unit=queries.unit(user, data.get("unit") or user.unit.path),
            slug=slug,
            name=data.get("name") or slug.replace("-", " ").capitalize(),
            actor=user,
            reason=why,
        )
        return Response(EnvironmentData(environment).data, status=201)


class FieldData(serializers.ModelSerializer[CustomField]):
    kind = serializers.CharField(help_text=KINDS)
    unit = serializers.CharField(source="unit.path")
    choices = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = CustomField
        fields = ["id", "name", "label", "kind", "choices", "unit"]


class FieldPage(Page):
    results = FieldData(many=True)


class FieldInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=60)
    label = serializers.CharField(required=False, max_length=120)  # type: ignore[assignment]
    kind = serializers.CharField(help_text=KINDS)
    choices = serializers.ListField(child=serializers.CharField(), required=False, help_text="For the kind choice.")
    unit = serializers.CharField(required=False, help_text="A unit's path; your home unit if left out.")
    reason = serializers.CharField(required=False, help_text="Why; it stands in the trail.")


class FieldList(APIView):
    @extend_schema(operation_id="fields_list", parameters=parameters(), responses=FieldPage)
    def get(self, request: Request) -> Response:
        return page(queries.custom_fields(actor(request)).order_by("unit__path", "name"), FieldData, request, self)

    @extend_schema(operation_id="fields_add", request=FieldInput, responses={201: FieldData})
    def post(self, request: Request) -> Response:
        user, data = actor(request), body(request)
        why = reason(data)
        refuse_unknown(data, {"name", "label", "kind", "choices", "unit"})
        field = inventory.add_field(
            unit=queries.unit(user, data.get("unit") or user.unit.path),
            name=data.get("name") or "",
            label=data.get("label") or "",
            kind=data.get("kind") or "",
            choices=data.get("choices") or [],
            actor=user,
            reason=why,
        )
        return Response(FieldData(field).data, status=201)
