"""The trail over HTTP: entries newest first, the signed checkpoint, the public key and proofs."""

from __future__ import annotations

import base64
from typing import Any, cast

from django.conf import settings
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.views import APIView

from trail import checkpoints, exports, keys, ledger, moments, pages, queries, searching, tiles
from trail.actors import Reads
from trail.errors import BadInput
from trail.models import Entry
from trail.pages import Pages, whole
from trail.shown import Shown

PIN = "The verifier key to pin: origin+key id+base64"
EXPORTED = "Exported over the API"
MOST_COUNTED = 10_000


class EntryData(serializers.ModelSerializer[Entry]):
    index = serializers.IntegerField(source="leaf.index")
    sentence = serializers.CharField()
    event = serializers.JSONField(source="content", help_text="The event with what it discloses.")
    erased = serializers.SerializerMethodField(help_text="The names of the values that were erased.")

    class Meta:
        model = Entry
        fields = ["index", "id", "type", "at", "sentence", "event", "erased"]

    def get_erased(self, entry: Entry) -> list[str]:
        return Shown(entry).erased


class EntryPage(serializers.Serializer[Any]):
    count = serializers.IntegerField(
        allow_null=True, help_text=f"How many match; null beside `before` and `after`, and above {MOST_COUNTED:,}."
    )
    next = serializers.URLField(allow_null=True, help_text="Older entries.")
    previous = serializers.URLField(allow_null=True, help_text="Newer entries.")
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
        "from": "a date or a moment, such as 2026-03-31 or 2026-03-31T14:00:00Z",
        "to": "the same; a date is its whole day",
        "q": "part of a subject, an actor or a reason",
    }.items()
]
PLACE = [
    OpenApiParameter("limit", OpenApiTypes.INT, description="entries a page, at most 500"),
    OpenApiParameter("before", OpenApiTypes.INT, description="an index: older entries than this one"),
    OpenApiParameter("after", OpenApiTypes.INT, description="an index: the next newer entries than this one"),
]


class EntryList(APIView):
    @extend_schema(parameters=[*FILTERS, *PLACE], responses=EntryPage, operation_id="trail_list")
    def get(self, request: Request) -> Response:
        """Entries you may see, newest first, by index: however deep a page lies, it costs the same."""
        if "offset" in request.query_params:
            raise BadInput(
                "This list has no offset; follow `next`, or ask for what is before an index.", where="offset"
            )
        place = pages.place(request.query_params)
        found = searching.asked(request.query_params).of(_entries(request))
        page = queries.stretch(found, most=Pages().get_limit(request), **place)
        return Response(
            {
                "count": None if place else _counted(found),
                "next": _beyond(request, "before", page.older),
                "previous": _beyond(request, "after", page.newer),
                "results": EntryData(page.entries, many=True).data,
            }
        )


class AsAsked(BaseContentNegotiation):
    """The query says which format is wanted, so no Accept header is refused."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return next(iter(parsers), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class TrailExport(APIView):
    content_negotiation_class = AsAsked
    http_method_names = ["get", "options"]

    @extend_schema(
        operation_id="trail_export",
        parameters=[
            OpenApiParameter("format", OpenApiTypes.STR, enum=list(exports.FORMATS), required=True),
            *FILTERS,
        ],
        responses={(200, "text/csv"): OpenApiTypes.STR, (200, "application/x-ndjson"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """The entries you may see and ask for, oldest first, as a file. It stands in the trail."""
        asked = searching.asked(request.query_params)
        reader = cast(exports.Reader, request.user)
        wanted = request.query_params.get("format", "")
        taken = exports.take(actor=reader, reason=EXPORTED, asked=asked, format=wanted)
        headers = {"Content-Disposition": f'attachment; filename="{taken.name}"'}
        return StreamingHttpResponse(taken.content, content_type=taken.media_type, headers=headers)


class CurrentCheckpoint(APIView):
    @extend_schema(responses=CheckpointData)
    def get(self, request: Request) -> Response:
        checkpoint = checkpoints.newest() if moments.asked() else checkpoints.current()
        if checkpoint is None:
            raise BadInput("No checkpoint had been signed by then.", where="as_of", status=404)
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
        if not _entries(request).filter(leaf__index=index).exists():
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
        nodes = ledger.nodes(size2)
        return Response(
            {
                "size1": size1,
                "size2": size2,
                "root1": _text(ledger.nodes(size1).root(0, size1)),
                "root2": _text(nodes.root(0, size2)),
                "proof": [_text(step) for step in tiles.consistency_proof(size1, nodes)],
            }
        )


def _entries(request: Request) -> QuerySet[Entry]:
    return queries.entries(units=cast(Reads, request.user).unit_paths)


def _counted(found: QuerySet[Entry]) -> int | None:
    count = found[: MOST_COUNTED + 1].count()
    return count if count <= MOST_COUNTED else None


def _beyond(request: Request, name: str, index: int | None) -> str | None:
    if index is None:
        return None
    address = request.build_absolute_uri()
    for gone in ("before", "after"):
        address = remove_query_param(address, gone)
    return replace_query_param(address, name, index)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _within_the_tree(size: int, where: str) -> int:
    whole = ledger.size_and_root()[0]
    if not 1 <= size <= whole:
        raise BadInput(f"The tree holds {whole} entries; ask for a size from 1 to {whole}.", where=where)
    return size
