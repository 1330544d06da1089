"""The inventory over HTTP."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from registry import inventory, queries
from registry.api.given import actor, body, reason
from registry.api.pages import Page, Person, page, parameters
from registry.fields import EDITED
from registry.models import RegisteredModel
from registry.stages import Stage

FILTERS = {
    "q": "words, each to be found in the name, id, purpose, vendor, product or technique",
    "tier": "1 to 4, or none",
    "stage": "any version in this stage, or none for models without a version",
    "unit": "a unit's path; the units below it count, too",
    "lifecycle": "a life-cycle status, or none",
    "owner": "an e-mail address, or none",
    "origin": "internal, vendor, both, open_source or unknown",
}


class LatestVersion(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="latest_id")
    number = serializers.IntegerField(source="latest_number")
    stage = serializers.ChoiceField(choices=Stage.choices, source="latest_stage")


class ModelData(serializers.ModelSerializer[RegisteredModel]):
    url = serializers.SerializerMethodField()
    unit = serializers.CharField(source="unit.path")
    owner = Person(allow_null=True)
    developer = Person(allow_null=True)
    latest_version = serializers.SerializerMethodField()

    class Meta:
        model = RegisteredModel
        fields = [
            "id", "url", "slug", "unit", *EDITED, "custom", "tier", "latest_version", "source", "registered_at",
        ]  # fmt: skip

    def get_url(self, model: RegisteredModel) -> str:
        return str(reverse("registry-api:model-detail", kwargs={"slug": model.slug}, request=self.context["request"]))

    @extend_schema_field(LatestVersion(allow_null=True))
    def get_latest_version(self, model: RegisteredModel) -> Any:
        return LatestVersion(model).data if getattr(model, "latest_number", None) else None


class ModelPage(Page):
    results = ModelData(many=True)


class ModelChange(serializers.ModelSerializer[RegisteredModel]):
    """Only a description: registry.fields reads what is given."""

    owner = serializers.EmailField(required=False, allow_null=True, help_text="Someone with a role in the unit.")
    developer = serializers.EmailField(required=False, allow_null=True, help_text="Someone with a role in the unit.")
    custom = serializers.DictField(required=False, help_text="Values of the units' custom fields, by name.")
    reason = serializers.CharField(required=False, help_text="Why; it stands in the trail.")

    class Meta:
        model = RegisteredModel
        fields = [*EDITED, "custom", "reason"]


class ModelInput(ModelChange):
    slug = serializers.SlugField(required=False, help_text="Made from the name if left out.")
    unit = serializers.CharField(required=False, help_text="A unit's path; your home unit if left out.")

    class Meta(ModelChange.Meta):
        fields = ["slug", "unit", *ModelChange.Meta.fields]


class ModelList(APIView):
    @extend_schema(
        operation_id="models_list",
        parameters=parameters(**FILTERS, ordering=f"{', '.join(queries.SORTS)}; a leading - turns it round"),
        responses=ModelPage,
    )
    def get(self, request: Request) -> Response:
        asked = {name: request.query_params.get(name, "") for name in FILTERS}
        found = queries.search(actor(request), **asked, sort=request.query_params.get("ordering", ""))
        return page(found, ModelData, request, self)

    @extend_schema(operation_id="models_register", request=ModelInput, responses={201: ModelData})
    def post(self, request: Request) -> Response:
        """Register a model. An owner or developer of the unit becomes the model's if nobody is named."""
        user, data = actor(request), body(request)
        why, unit = reason(data), queries.unit(user, data.pop("unit", None) or user.unit.path)
        model = inventory.register(
            unit=unit,
            name=data.pop("name", ""),
            slug=data.pop("slug", None) or "",
            fields=inventory.own_roles(user, unit) | data,
            actor=user,
            reason=why,
        )
        return _answer(request, model.slug, 201)


class ModelDetail(APIView):
    @extend_schema(operation_id="models_retrieve", responses=ModelData)
    def get(self, request: Request, slug: str) -> Response:
        return _answer(request, slug)

    @extend_schema(operation_id="models_update", request=ModelChange, responses=ModelData)
    def patch(self, request: Request, slug: str) -> Response:
        """Change the fields given; null or an empty text takes a value away."""
        model, data = queries.model(actor(request), slug), body(request)
        why = reason(data)
        inventory.update(model=model, fields=data, actor=actor(request), reason=why)
        return _answer(request, slug)


def _answer(request: Request, slug: str, status: int = 200) -> Response:
    shown = ModelData(queries.model(actor(request), slug), context={"request": request}).data
    return Response(shown, status=status, headers={"Location": shown["url"]} if status == 201 else None)
