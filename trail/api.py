"""The trail over HTTP: entries newest first, the signed checkpoint, the public key and proofs."""

from __future__ import annotations

import base64
from typing import Any, cast

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from trail import checkpoints, keys, ledger, merkle, queries
from trail.actors import Reads
from trail.errors import BadInput
from trail.models import Entry
from trail.pages import Pages, whole

PIN = "The verifier key to pin: origin+key id+base64"


class EntryData(serializers.ModelSerializer[Entry]):
    index = serializers.IntegerField(source="leaf.index")
    sentence = serializers.CharField()
    event = serializers.JSONField(source="content", help_text="The event as it stands in the ledger.")

    class Meta:
        model = Entry
        fields = ["index", "id", "type", "at", "sentence", "event"]


class EntryPage(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = EntryData(many=True)


class CheckpointData(serializers.Serializer[Any]):
    origin = serializers.CharField()
    size = serializers.IntegerField()
    root = serializers.CharField(help_text="base64")  # type: ignore[assignment]  # a field's name, not the root serializer
    note = serializers.CharField(help_text="C2SP signed note")
    key = serializers.CharField(help_text=PIN)


class InclusionData(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    size = serializers.IntegerField()
    root = serializers.CharField()  # type: ignore[assignment]
    leaf_hash = serializers.CharField()
    event = serializers.CharField(help_text="base64 of the event's canonical bytes")
    proof = serializers.ListField(child=serializers.CharField())


class ConsistencyData(serializers.Serializer[Any]):
    size1 = serializers.IntegerField()
    size2 = serializers.IntegerField()
    root1 = serializers.CharField()
    root2 = serializers.CharField()
    proof = serializers.ListField(child=serializers.CharField())


FILTERS = [
    OpenApiParameter(name, OpenApiTypes.STR, description=text)
    for name, text in {
        "actor": "id, or part of a name",
        "type": "an event type, or its beginning: registry, registry.model",
        "subject": "the id of what an entry is about",
        "q": "part of a subject, an actor or a reason",
        "limit": "entries a page, at most 500",
        "offset": "entries to skip",
    }.items()
]


class EntryList(APIView):
    @extend_schema(parameters=FILTERS, responses=EntryPage, operation_id="trail_list")
    def get(self, request: Request) -> Response:
        given = request.query_params
        found = queries.matching(
            queries.entries(units=cast(Reads, request.user).unit_paths),
            actor=given.get("actor", ""),
            type=given.get("type", ""),
            subject=given.get("subject", ""),
            search=given.get("q", ""),
        )
        pages = Pages()
        shown = pages.paginate_queryset(found, request, self)
        return pages.get_paginated_response(EntryData(shown, many=True).data)


class CurrentCheckpoint(APIView):
    @extend_schema(responses=CheckpointData)
    def get(self, request: Request) -> Response:
        checkpoint = checkpoints.current()
        return Response(
            {
                "origin": settings.LOG_ORIGIN,
                "size": checkpoint.size,
                "root": _text(bytes(checkpoint.root)),
                "note": checkpoint.note,
                "key": keys.verifier_key(),
            }
        )


class KeyData(serializers.Serializer[Any]):
    key = serializers.CharField(help_text=PIN)


class PublicKey(APIView):
    @extend_schema(responses=KeyData)
    def get(self, request: Request) -> Response:
        return Response({"key": keys.verifier_key()})


class InclusionProof(APIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("index", OpenApiTypes.INT, required=True),
            OpenApiParameter("size", OpenApiTypes.INT),
        ],
        responses=InclusionData,
    )
    def get(self, request: Request) -> Response:
        """A proof that an entry you may see is in the tree (of the current size, unless another is given)."""
        index, size = whole(request, "index"), whole(request, "size", default=ledger.size_and_root()[0])
        if not queries.entries(units=cast(Reads, request.user).unit_paths).filter(leaf__index=index).exists():
            raise BadInput(f"There is no entry {index} that you may see.", where="index", status=404)
        found = checkpoints.inclusions([index], size=_within_the_tree(size, "size"))[0]
        return Response(
            {
                "index": found.index,
                "size": found.size,
                "root": _text(found.root),
                "leaf_hash": _text(found.leaf_hash),
                "event": _text(found.body),
                "proof": [_text(step) for step in found.proof],
            }
        )


class ConsistencyProof(APIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("size1", OpenApiTypes.INT, required=True),
            OpenApiParameter("size2", OpenApiTypes.INT),
        ],
        responses=ConsistencyData,
    )
    def get(self, request: Request) -> Response:
        """A proof that the tree of `size2` entries only appended to the tree of `size1` entries."""
        size2 = _within_the_tree(whole(request, "size2", default=ledger.size_and_root()[0]), "size2")
        size1 = whole(request, "size1")
        if not 1 <= size1 <= size2:
            raise BadInput(f"size1 must be from 1 to {size2}, not {size1}.", where="size1")
        hashes = ledger.leaf_hashes(size2)
        return Response(
            {
                "size1": size1,
                "size2": size2,
                "root1": _text(merkle.root(hashes[:size1])),
                "root2": _text(merkle.root(hashes)),
                "proof": [_text(step) for step in merkle.consistency_proof(size1, hashes)],
            }
        )


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _within_the_tree(size: int, where: str) -> int:
    whole = ledger.size_and_root()[0]
    if not 1 <= size <= whole:
        raise BadInput(f"The tree holds {whole} entries; ask for a size from 1 to {whole}.", where=where)
    return size
