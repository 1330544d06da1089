"""Edges of lineage over HTTP."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from people.models import User
from registry import lineage, queries
from registry.api.given import actor, body, reason
from registry.api.pages import Page, page, parameters
from registry.models import Dataset, Lineage, RegisteredModel, Version
from trail.errors import BadInput, refuse_unknown

KINDS = ", ".join(Lineage.Kind.values)


class End(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=["dataset", "version", "model"])
    id = serializers.UUIDField()
    label = serializers.CharField()  # type: ignore[assignment]


class EdgeData(serializers.Serializer[Lineage]):
    id = serializers.UUIDField(read_only=True)
    kind = serializers.CharField(help_text=KINDS)
    sentence = serializers.CharField(source="__str__")

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "from": End(source="source"), "to": End(source="target")}

    def to_representation(self, instance: Lineage) -> dict[str, Any]:
        return {
            "id": str(instance.pk),
            "kind": instance.kind,
            "sentence": str(instance),
            "from": _end(instance.source),
            "to": _end(instance.target),
        }


class EdgePage(Page):
    results = EdgeData(many=True)


class EdgeInput(serializers.Serializer[Any]):
    kind = serializers.CharField(help_text=KINDS)
    reason = serializers.CharField(required=False, help_text="Why; it stands in the trail.")

    def get_fields(self) -> dict[str, Any]:
        ends = {
            "from": serializers.CharField(help_text="The id of a dataset or version; a model's id or slug."),
            "to": serializers.CharField(help_text="The id of a version; a model's id or slug."),
        }
        return {**super().get_fields(), **ends}


class LineageList(APIView):
    @extend_schema(
        operation_id="lineage_list",
        parameters=parameters(
            dataset="edges from this dataset",
            version="edges from or to this version",
            model="… or this model (its slug)",
        ),
        responses=EdgePage,
    )
    def get(self, request: Request) -> Response:
        found, asked = queries.lineage(actor(request)), request.query_params
        if dataset := asked.get("dataset"):
            found = found.filter(from_dataset=queries.dataset(actor(request), dataset))
        if version := asked.get("version"):
            one = queries.version(actor(request), version)
            found = found.filter(Q(from_version=one) | Q(to_version=one))
        if model := asked.get("model"):
            named = queries.model(actor(request), model)
            found = found.filter(Q(from_model=named) | Q(to_model=named))
        return page(found, EdgeData, request, self)

    @extend_schema(operation_id="lineage_connect", request=EdgeInput, responses={201: EdgeData})
    def post(self, request: Request) -> Response:
        """Record one edge. With `feeds`, the model under `from` feeds the one under `to`."""
        user, data = actor(request), body(request)
        why = reason(data)
        refuse_unknown(data, {"kind", "from", "to"})
        if data.get("kind") not in Lineage.Kind.values:
            raise BadInput(f"kind must be one of {', '.join(Lineage.Kind.values)}.", where="kind")
        kind = Lineage.Kind(data["kind"])
        from_type, to_type = lineage.ENDS[kind]
        edge = lineage.connect(
            kind=kind,
            source=_found(user, from_type, data.get("from"), "from"),
            target=_found(user, to_type, data.get("to"), "to"),  # type: ignore[arg-type]
            actor=user,
            reason=why,
        )
        return Response(EdgeData(edge).data, status=201)


def _found(user: User, type_: type[lineage.Source], id: Any, where: str) -> lineage.Source:
    try:
        if type_ is Dataset:
            return queries.dataset(user, str(id))
        if type_ is Version:
            return queries.version(user, str(id))
        by_id = queries.models(user).filter(slug=str(id)).first()
        return by_id or queries.model_by_id(user, str(id))
    except Http404 as error:
        named = f"no {lineage.FIELDS[type_]} {str(id)[:100]}"
        raise BadInput(f"There is {named} that you may see.", where=where) from error


def _end(row: Dataset | Version | RegisteredModel | None) -> dict[str, str]:
    return {"type": lineage.FIELDS[type(row)], "id": str(row.pk) if row else "", "label": str(row)}
