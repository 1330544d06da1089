"""An auditor's visit over HTTP: opened and closed; models drawn by lot, requests and answers, and a pack."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import prefetch_related_objects
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from people.models import User
from people.queries import people
from registry import queries as registry
from registry.api.given import REASON, actor
from registry.api.pages import Page, Person, page, parameters
from registry.models import RegisteredModel, Version
from reports import engagements, queries
from reports.api.packs import PackData, accepted, given
from reports.models import Engagement, EvidenceRequest, Sample, SampledModel
from trail.errors import BadInput


class EngagementSummary(serializers.ModelSerializer[Engagement]):
    url = serializers.SerializerMethodField()
    unit = serializers.CharField(source="unit.path")
    auditor = Person()
    opened_by = Person()
    is_open = serializers.BooleanField(help_text="Neither closed nor past its end.")

    class Meta:
        model = Engagement
        fields = ["id", "url", "title", "unit", "auditor", "opened_by", "opened_at", "ends_at", "closed_at", "is_open"]

    def get_url(self, engagement: Engagement) -> str:
        pk, request = engagement.pk, self.context["request"]
        return str(reverse("reports-api:engagement-detail", kwargs={"pk": pk}, request=request))


class DrawnModel(serializers.ModelSerializer[SampledModel]):
    id = serializers.UUIDField(source="model_id", help_text="What the lot was drawn by.")
    slug = serializers.CharField(source="model.slug")
    name = serializers.CharField(source="model.name")

    class Meta:
        model = SampledModel
        fields = ["id", "slug", "name"]


class SampleData(serializers.ModelSerializer[Sample]):
    population_digest = serializers.CharField(help_text="Of the ids of every model that could be drawn, sorted.")
    models = DrawnModel(source="drawn", many=True, help_text="Those whose SHA-256 of “seed:model id” came first.")

    class Meta:
        model = Sample
        fields = ["id", "seed", "population", "population_digest", "drawn_at", "models"]


class EvidenceRequestData(serializers.ModelSerializer[EvidenceRequest]):
    model = serializers.CharField(source="model.slug", default=None, allow_null=True)
    answered_by = Person(allow_null=True)

    class Meta:
        model = EvidenceRequest
        fields = ["id", "text", "model", "asked_at", "answer", "answered_by", "answered_at"]


class SeenVersion(serializers.ModelSerializer[Version]):
    model = serializers.CharField(source="model.slug")

    class Meta:
        model = Version
        fields = ["id", "model", "number"]


class EngagementData(EngagementSummary):
    samples = SampleData(many=True)
    requests = EvidenceRequestData(many=True)
    looked_at = serializers.SerializerMethodField(help_text="What a pack asked for now would hold.")

    class Meta(EngagementSummary.Meta):
        fields = [*EngagementSummary.Meta.fields, "samples", "requests", "looked_at"]

    @extend_schema_field(SeenVersion(many=True))
    def get_looked_at(self, engagement: Engagement) -> Any:
        return SeenVersion(engagements.looked_at(engagement), many=True).data


class EngagementPage(Page):
    results = EngagementSummary(many=True)


class EngagementReason(serializers.Serializer[Any]):
    reason = serializers.CharField(default=REASON, max_length=1000, help_text="Why; it stands in the trail.")


class EngagementInput(EngagementReason):
    title = serializers.CharField(max_length=engagements.LONGEST_TITLE, help_text="Such as “Annual audit 2026”.")
    unit = serializers.CharField(help_text="A unit's path; what lies below it is audited, too.")
    auditor = serializers.EmailField(help_text="Who is let in: somebody else of a unit that you see.")
    ends_at = serializers.DateTimeField(help_text="The auditor's role ends then by itself.")


class DrawInput(EngagementReason):
    size = serializers.IntegerField(min_value=1, help_text="How many models.")
    seed = serializers.CharField(
        max_length=engagements.LONGEST_SEED, help_text="The auditor's own, such as dice rolls."
    )


class AnswerInput(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=engagements.LONGEST_TEXT, help_text="Stands in the trail as the reason.")


class AskInput(AnswerInput):
    model = serializers.CharField(default=None, allow_null=True, help_text="The slug of a model that it is about.")


class EngagementList(APIView):
    @extend_schema(operation_id="engagements_list", parameters=parameters(), responses=EngagementPage)
    def get(self, request: Request) -> Response:
        """The audits of the units you see, newest first."""
        return page(queries.engagements(actor(request)), EngagementSummary, request, self)

    @extend_schema(operation_id="engagements_open", request=EngagementInput, responses={201: EngagementData})
    def post(self, request: Request) -> Response:
        """Let someone in as the auditor of a unit until a moment."""
        user, asked = actor(request), given(request, EngagementInput)
        unit, auditor = registry.unit(user, asked.pop("unit")), _auditor(user, asked.pop("auditor"))
        engagement = engagements.open_engagement(unit=unit, auditor=auditor, actor=user, **asked)
        shown = _shown(request, engagement)
        return Response(shown, status=201, headers={"Location": shown["url"]})


class EngagementDetail(APIView):
    @extend_schema(operation_id="engagement_read", responses=EngagementData)
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(_shown(request, queries.engagement(actor(request), pk)))


class EngagementSamples(APIView):
    @extend_schema(operation_id="engagement_draw", request=DrawInput, responses={201: SampleData})
    def post(self, request: Request, pk: UUID) -> Response:
        """Draw models by lot. The engagement's auditor does; each draw is on record."""
        engagement = queries.engagement(actor(request), pk)
        sample = engagements.draw(engagement=engagement, actor=actor(request), **given(request, DrawInput))
        return Response(SampleData(sample).data, status=201)


class EngagementRequests(APIView):
    @extend_schema(operation_id="engagement_ask", request=AskInput, responses={201: EvidenceRequestData})
    def post(self, request: Request, pk: UUID) -> Response:
        """Ask to be shown something. The engagement's auditor does."""
        engagement = queries.engagement(actor(request), pk)
        asked = given(request, AskInput)
        model = _model(engagement, asked.pop("model"))
        made = engagements.ask(engagement=engagement, model=model, actor=actor(request), **asked)
        return Response(EvidenceRequestData(made).data, status=201)


class EngagementAnswer(APIView):
    @extend_schema(operation_id="engagement_answer", request=AnswerInput, responses=EvidenceRequestData)
    def post(self, request: Request, pk: UUID, asked: UUID) -> Response:
        """Answer a request, for good. The unit's people do."""
        engagement = queries.engagement(actor(request), pk)
        rows = EvidenceRequest.objects.select_related("engagement__unit", "model")
        row = get_object_or_404(rows, pk=asked, engagement=engagement)
        engagements.answer(asked=row, actor=actor(request), **given(request, AnswerInput))
        row.refresh_from_db()
        return Response(EvidenceRequestData(row).data)


class EngagementPacks(APIView):
    @extend_schema(operation_id="engagement_pack", request=EngagementReason, responses={202: PackData})
    def post(self, request: Request, pk: UUID) -> Response:
        """Ask for one evidence pack of what was looked at. Follow the Location until `download` is there."""
        engagement = queries.engagement(actor(request), pk)
        pack = engagements.pack(engagement=engagement, actor=actor(request), **given(request, EngagementReason))
        return accepted(request, pack)


class EngagementClose(APIView):
    @extend_schema(operation_id="engagement_close", request=EngagementReason, responses=EngagementData)
    def post(self, request: Request, pk: UUID) -> Response:
        """End a visit before its time, and the auditor's role with it."""
        engagement = queries.engagement(actor(request), pk)
        engagements.close(engagement=engagement, actor=actor(request), **given(request, EngagementReason))
        return Response(_shown(request, engagement))


def _shown(request: Request, engagement: Engagement) -> Any:
    prefetch_related_objects([engagement], "samples__drawn__model", "requests__model", "requests__answered_by")
    return EngagementData(engagement, context={"request": request}).data


def _auditor(user: User, email: str) -> User:
    """Whom the page would offer: anybody in sight but oneself."""
    found = people(user).exclude(pk=user.pk).filter(email__iexact=email).first()
    if found is None:
        raise BadInput(f"There is nobody else with the address {email} whom you may see.", where="auditor")
    return found


def _model(engagement: Engagement, slug: str | None) -> RegisteredModel | None:
    if slug is None:
        return None
    if (found := queries.models_of_unit(engagement.unit_path).filter(slug=slug).first()) is None:
        raise BadInput(f"{engagement.unit} has no model {slug[:100]}.", where="model")
    return found
