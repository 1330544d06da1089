"""Policies, the pipelines' gate and the inbox over HTTP."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from governance import gates, inbox, policies, queries
from governance.api.promotions import ObjectionData
from governance.models import GateEvaluation, Policy
from registry import queries as registry
from registry.api.given import actor, body, reason
from registry.api.pages import Page, Person, page, parameters
from trail.errors import BadInput, refuse_unknown


class PolicySummary(serializers.ModelSerializer[Policy]):
    url = serializers.SerializerMethodField()
    unit = serializers.CharField(source="unit.path")
    published_by = Person(allow_null=True)

    class Meta:
        model = Policy
        fields = ["id", "url", "unit", "name", "version", "digest", "published_by", "published_at"]

    def get_url(self, policy: Policy) -> str:
        return str(reverse("governance-api:policy-detail", kwargs={"pk": policy.pk}, request=self.context["request"]))


class PolicyData(PolicySummary):
    content = serializers.DictField(help_text="The text, read.")

    class Meta(PolicySummary.Meta):
        fields = [*PolicySummary.Meta.fields, "text", "content"]


class PolicyPage(Page):
    results = PolicySummary(many=True)


class PolicyInput(serializers.Serializer[Any]):
    name = serializers.SlugField(help_text="Publishing under a known name makes its next version.")
    text = serializers.CharField(help_text="YAML, as governance/policies/schema.json describes it.")
    unit = serializers.CharField(required=False, help_text="A unit's path; your home unit if left out.")
    reason = serializers.CharField(required=False, help_text="Why; it stands in the trail.")


class PolicyList(APIView):
    @extend_schema(operation_id="policy_list", parameters=parameters(), responses=PolicyPage)
    def get(self, request: Request) -> Response:
        return page(queries.policies(actor(request)), PolicySummary, request, self)

    @extend_schema(operation_id="policy_publish", request=PolicyInput, responses={201: PolicyData})
    def post(self, request: Request) -> Response:
        """Publish a policy. It judges every promotion of its units from now on; signatures given before go stale."""
        user, data = actor(request), body(request)
        why = reason(data)
        refuse_unknown(data, {"name", "text", "unit"})
        unit = registry.unit(user, str(data.get("unit") or user.unit.path))
        text, name = str(data.get("text") or ""), str(data.get("name") or "")
        policy = policies.publish(unit=unit, name=name, text=text, actor=user, reason=why)
        shown = PolicyData(policy, context={"request": request}).data
        return Response(shown, status=201, headers={"Location": shown["url"]})


class PolicyDetail(APIView):
    @extend_schema(operation_id="policy_read", responses=PolicyData)
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(PolicyData(queries.policy(actor(request), pk), context={"request": request}).data)


class GateInput(serializers.Serializer[Any]):
    digest = serializers.CharField(help_text="sha256:… of the artifact about to be deployed.")
    target = serializers.CharField(help_text="An environment's slug, such as production.")


class GateAnswer(serializers.Serializer[Any]):
    decision = serializers.ChoiceField(choices=["allowed", "blocked"])
    reasons = ObjectionData(many=True)
    policy_version = serializers.CharField(allow_null=True)
    attestation = serializers.DictField(allow_null=True, help_text="The DSSE envelope, if allowed.")
    evaluation = serializers.UUIDField(help_text="This answer, kept.")
    digest = serializers.CharField()
    target = serializers.CharField()


class GateEvaluate(APIView):
    scope = "gate"

    @extend_schema(operation_id="gate_evaluate", request=GateInput, responses=GateAnswer)
    def post(self, request: Request) -> Response:
        """Whether the artifact with this digest may be deployed now. The answer is kept, whatever it is."""
        data = body(request)
        refuse_unknown(data, {"digest", "target"})
        for name in ("digest", "target"):
            if not isinstance(data.get(name), str):
                raise BadInput(f"{name} must be given, as text.", where=name)
        evaluation = gates.evaluate(digest=data["digest"], target=data["target"], actor=actor(request))
        return Response(GateAnswer(_answer(evaluation)).data)


class WaitingData(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["sign", "release", "stale", "run", "tier", "review"])
    sentence = serializers.CharField()
    link = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)
    promotion = serializers.UUIDField(source="promotion.pk", allow_null=True, default=None)
    role = serializers.CharField()
    meaning = serializers.CharField()
    objections = ObjectionData(many=True, help_text="Why it can't be done yet, or not by you.")


class Inbox(APIView):
    @extend_schema(operation_id="inbox_read", responses=WaitingData(many=True))
    def get(self, request: Request) -> Response:
        """What waits for you."""
        return Response(WaitingData(inbox.inbox(actor(request)), many=True).data)


def _answer(evaluation: GateEvaluation) -> dict[str, Any]:
    release, allowed = evaluation.promotion, evaluation.decision == "allowed"
    return {
        "decision": evaluation.decision,
        "reasons": evaluation.reasons,
        "policy_version": str(evaluation.policy) if evaluation.policy else None,
        "attestation": json.loads(release.attestation) if release and allowed else None,
        "evaluation": evaluation.pk,
        "digest": evaluation.digest,
        "target": evaluation.target,
    }
