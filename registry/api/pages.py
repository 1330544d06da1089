"""Lists: 50 a page, at most 500."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from people.models import User
from trail.pages import Pages


class Page(serializers.Serializer[Any]):
    """A list's envelope; each list adds its `results`."""

    count = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class Person(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "name", "email"]


def parameters(**described: str) -> list[OpenApiParameter]:
    described |= {"limit": "rows a page, at most 500", "offset": "rows to skip"}
    return [OpenApiParameter(name, OpenApiTypes.STR, description=text) for name, text in described.items()]


def page(
    rows: QuerySet[Any], shown: type[serializers.BaseSerializer[Any]], request: Request, view: APIView
) -> Response:
    pages = Pages()
    found = pages.paginate_queryset(rows, request, view)
    return pages.get_paginated_response(shown(found, many=True, context={"request": request}).data)
