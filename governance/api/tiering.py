"""Tiering over HTTP."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance import tiering
from governance.models import TierAssessment
from people.access import require
from people.roles import Duty
from registry import queries
from registry.api.given import actor, body, reason
from registry.api.pages import Person
from trail.errors import BadInput, refuse_unknown

TAKEN = {"answers", "override", "preview"}


class StepData(serializers.Serializer[Any]):
    step = serializers.CharField(help_text="The question, or matrix, or override.")
    sentence = serializers.CharField()
    tier = serializers.IntegerField(help_text="The tier after this step.")
    lower = serializers.IntegerField(allow_null=True, help_text="The tier had this answer been one lower (or no).")
    higher = serializers.IntegerField(allow_null=True, help_text="The tier had this answer been one higher (or yes).")


class AssessmentData(serializers.ModelSerializer[TierAssessment]):
    model = serializers.CharField(source="model.slug")
    answers = serializers.DictField()
    steps = StepData(many=True)
    assessed_by = Person()

    class Meta:
        model = TierAssessment
        fields = [
            "id", "model", "scheme", "scheme_version", "scheme_digest", "answers", "steps", "computed_tier", "tier",
            "override_reason", "assessed_by", "assessed_at",
        ]  # fmt: skip


class OutcomeData(serializers.Serializer[Any]):
    preview = serializers.BooleanField(default=True)
    tier = serializers.IntegerField()
    computed_tier = serializers.IntegerField(source="computed")
    floor = serializers.IntegerField(allow_null=True, help_text="The least strict tier that the floors leave open.")
    levels = serializers.DictField(child=serializers.IntegerField())
    answers = serializers.DictField()
    steps = StepData(many=True)


class TieringData(serializers.Serializer[Any]):
    tier = serializers.IntegerField(allow_null=True)
    assessment = AssessmentData(allow_null=True)
    scheme = serializers.DictField(help_text="The questions, their choices, the matrix and the floors.")
    scheme_digest = serializers.CharField()


class Override(serializers.Serializer[Any]):
    tier = serializers.IntegerField(min_value=1, max_value=4)
    reason = serializers.CharField()


class TieringInput(serializers.Serializer[Any]):
    answers = serializers.DictField(help_text="Question → 1 to 4, or true or false; every question.")
    override = Override(required=False, allow_null=True)
    preview = serializers.BooleanField(default=False, help_text="Only compute; nothing is written.")
    reason = serializers.CharField(required=False, help_text="Why; it stands in the trail.")


class Tiering(APIView):
    @extend_schema(operation_id="tiering_read", responses=TieringData)
    def get(self, request: Request, slug: str) -> Response:
        """The scheme, and the model's tier by its last assessment."""
        model, by = queries.model(actor(request), slug), tiering.scheme()
        shown = {
            "tier": model.tier,
            "assessment": tiering.latest(model),
            "scheme": by.content,
            "scheme_digest": by.digest,
        }
        return Response(TieringData(shown).data)

    @extend_schema(
        operation_id="tiering_assess",
        request=TieringInput,
        responses={200: OutcomeData, 201: AssessmentData},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Answer the questionnaire. With `preview` true, 200 and what the answers would come to."""
        user, data = actor(request), body(request)
        model, why = queries.model(user, slug), reason(data)
        refuse_unknown(data, TAKEN)
        answers, override = _object(data, "answers"), _object(data, "override") or None
        if data.get("preview") in (True, "true"):
            require(user, Duty.TIER, model.unit_path)
            return Response(OutcomeData(tiering.preview(answers)).data)
        assessment = tiering.assess(model=model, answers=answers, override=override, actor=user, reason=why)
        return Response(AssessmentData(assessment).data, status=201)


def _object(data: dict[str, Any], name: str) -> dict[str, Any]:
    given = data.get(name) or {}
    if not isinstance(given, dict):
        raise BadInput(f"{name} must be a JSON object.", where=name)
    return given
