"""Promotions over HTTP: asked for, signed, released, rejected, withdrawn; and retiring a version."""

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

from governance import gates, promotion, queries, signoff
from governance.case import read
from governance.models import Promotion
from people import passkeys, signing
from people.models import Meaning, Signature
from people.roles import Role
from registry import queries as registry
from registry.api.given import actor, body, reason
from registry.api.pages import Page, Person, page, parameters
from registry.stages import Stage
from trail.canonical import canonical, digest
from trail.errors import BadInput, refuse_unknown

SIGNED_AS = ("role", "meaning", "comment", "dossier_digest", "shown_at", "reason")
RELEASED = "Released over the API, with nothing standing against it"
FILTERS = {
    "status": ", ".join(Promotion.Status.values),
    "target": "an environment's slug",
    "mine": "requested or signed",
    "q": "words in the model's name",
}


class ObjectionData(serializers.Serializer[Any]):
    code = serializers.CharField()
    sentence = serializers.CharField()
    mend = serializers.CharField()
    link = serializers.CharField()


class EvidenceData(serializers.Serializer[Any]):
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.CharField(help_text="run, signature, policy, tiering, artifact, dataset or version")
    id = serializers.CharField()
    digest = serializers.CharField()
    at = serializers.CharField()


class RequirementData(serializers.Serializer[Any]):
    key = serializers.CharField()
    title = serializers.CharField()
    verdict = serializers.ChoiceField(choices=["met", "unmet", "waiting", "stale"])
    sentence = serializers.CharField()
    evidence = EvidenceData(many=True)
    objections = ObjectionData(many=True)


class SignatureData(serializers.ModelSerializer[Signature]):
    signer = Person()

    class Meta:
        model = Signature
        fields = [
            "id", "signer", "signer_name", "role", "meaning", "method", "comment", "dossier_digest", "digest",
            "shown_at", "signed_at",
        ]  # fmt: skip


class SignedData(serializers.Serializer[Any]):
    signature = SignatureData()
    counts = serializers.BooleanField()
    stale = serializers.BooleanField(help_text="What was signed has changed since.")
    objections = ObjectionData(many=True)


class PromotionSummary(serializers.ModelSerializer[Promotion]):
    url = serializers.SerializerMethodField()
    model = serializers.CharField(source="version.model.slug")
    version = serializers.UUIDField(source="version_id")
    version_number = serializers.IntegerField(source="version.number")
    target = serializers.CharField(source="target.slug")
    requested_by = Person()
    closed_by = Person(allow_null=True)

    class Meta:
        model = Promotion
        fields = [
            "id", "url", "model", "version", "version_number", "target", "status", "comment", "requested_by",
            "requested_at", "closed_by", "closed_at", "expires_at",
        ]  # fmt: skip

    def get_url(self, asked: Promotion) -> str:
        return str(reverse("governance-api:promotion-detail", kwargs={"pk": asked.pk}, request=self.context["request"]))


class PromotionData(PromotionSummary):
    requirements = RequirementData(many=True)
    objections = ObjectionData(many=True, help_text="All that stands in the way of a release; empty: it may go.")
    signatures = SignedData(many=True)
    policy_version = serializers.CharField(
        allow_null=True, help_text="The policy that judges it, such as “promotion v3”."
    )
    dossier = serializers.DictField(help_text="What a signature binds.")
    dossier_digest = serializers.CharField()
    attestation = serializers.DictField(allow_null=True, help_text="The DSSE envelope minted at the release.")

    class Meta(PromotionSummary.Meta):
        fields = [
            *PromotionSummary.Meta.fields, "requirements", "objections", "signatures", "policy_version", "dossier",
            "dossier_digest", "attestation",
        ]  # fmt: skip

    def to_representation(self, asked: Promotion) -> dict[str, Any]:
        case = read(asked)
        required = gates.requirements(asked)
        dossier = signoff.dossier_of(case)
        policy = case.promotion.policy or case.policy
        summary = PromotionSummary(asked, context=self.context).data
        standing = gates.objections_in(case, required) if asked.is_open else []
        return dict(summary) | {
            "requirements": RequirementData(required, many=True).data,
            "objections": ObjectionData(standing, many=True).data,
            "signatures": SignedData(signoff.signed(case), many=True).data,
            "policy_version": str(policy) if policy else None,
            "dossier": dossier,
            "dossier_digest": digest(canonical(dossier)),
            "attestation": json.loads(asked.attestation) if asked.attestation else None,
        }


class PromotionPage(Page):
    results = PromotionSummary(many=True)


class PromotionInput(serializers.Serializer[Any]):
    target = serializers.CharField(help_text="An environment's slug, such as production.")
    comment = serializers.CharField(required=False)
    reason = serializers.CharField(required=False, help_text="Why; it stands in the trail. The comment, if left out.")


class StatementInput(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=Role.choices)
    meaning = serializers.ChoiceField(choices=Meaning.choices)
    comment = serializers.CharField(required=False)


class StatementData(serializers.Serializer[Any]):
    statement = serializers.CharField(help_text="Exactly what would be signed: canonical JSON, UTF-8.")
    digest = serializers.CharField(help_text="sha256: and the statement's SHA-256, which a passkey's challenge is.")
    dossier_digest = serializers.CharField()
    shown_at = serializers.CharField(help_text="Give it back when signing, within ten minutes.")
    methods = serializers.ListField(child=serializers.CharField(), help_text="password, totp, passkey")
    passkey = serializers.DictField(allow_null=True, help_text="What navigator.credentials.get is given, as JSON.")


class SignatureInput(StatementInput):
    """With one of password, code and passkey, of the signer's own, at every signing."""

    password = serializers.CharField(required=False, help_text="Refused of those who hold one of the other two.")
    code = serializers.CharField(required=False, help_text="Six digits of an authenticator app, good once.")
    passkey = serializers.DictField(
        required=False,
        help_text="What navigator.credentials.get gave, as JSON: its challenge is the statement's digest.",
    )
    dossier_digest = serializers.CharField(required=False, help_text="What was shown; refused if it has changed.")
    shown_at = serializers.CharField(required=False, help_text="When it was shown; refused after ten minutes.")
    reason = serializers.CharField(required=False, help_text="Stands in the trail. The comment, if left out.")


class ReasonInput(serializers.Serializer[Any]):
    reason = serializers.CharField(help_text="Why; it stands in the trail.")


class OptionalReason(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, help_text="Why; it stands in the trail.")


class StageData(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    stage = serializers.ChoiceField(choices=Stage.choices)


class VersionPromotions(APIView):
    @extend_schema(operation_id="promotion_request", request=PromotionInput, responses={201: PromotionData})
    def post(self, request: Request, pk: UUID) -> Response:
        """Ask to bring a version into an environment."""
        user, data = actor(request), body(request)
        version, comment = registry.version(user, pk), _text(data, "comment")
        why = reason({"reason": data.pop("reason", "") or comment})
        refuse_unknown(data, {"target", "comment"})
        target = promotion.target_of(version, _text(data, "target"))
        asked = promotion.request(version=version, target=target, comment=comment, actor=user, reason=why)
        return _answer(request, asked.pk, 201)


class PromotionList(APIView):
    @extend_schema(operation_id="promotion_list", parameters=parameters(**FILTERS), responses=PromotionPage)
    def get(self, request: Request) -> Response:
        given = {name: request.query_params.get(name, "") for name in FILTERS}
        found = queries.matching(queries.promotions(actor(request)), user=actor(request), **given)
        return page(found, PromotionSummary, request, self)


class PromotionDetail(APIView):
    @extend_schema(operation_id="promotion_read", responses=PromotionData)
    def get(self, request: Request, pk: UUID) -> Response:
        """Every requirement with its verdict, and all that stands in the way of a release."""
        return _answer(request, pk)


class PromotionStatement(APIView):
    scope = "sign"

    @extend_schema(operation_id="promotion_statement", request=StatementInput, responses=StatementData)
    def post(self, request: Request, pk: UUID) -> Response:
        """Exactly what the caller would sign, and what a browser asks their passkey for. Writes nothing."""
        user, data = actor(request), body(request)
        asked, shown_at = queries.promotion(user, pk), signing.shown_moment()
        refuse_unknown(data, {"role", "meaning", "comment"})
        given = {name: _text(data, name) for name in ("role", "meaning", "comment")}
        shown = signoff.statement_for(promotion=asked, signer=user, shown_at=shown_at, **given)
        holds = signing.held(user)
        said = {
            "statement": shown.decode(),
            "digest": digest(shown),
            "dossier_digest": json.loads(shown)["dossier_digest"],
            "shown_at": shown_at.isoformat(),
            "methods": holds.methods,
            "passkey": passkeys.request_options(shown, holds.passkeys) if holds.passkeys else None,
        }
        return Response(StatementData(said).data)


class PromotionSignatures(APIView):
    scope = "sign"

    @extend_schema(operation_id="promotion_sign", request=SignatureInput, responses={201: SignatureData})
    def post(self, request: Request, pk: UUID) -> Response:
        """Sign a promotion. 409 lists everything that stands against it; the attempt is then on record."""
        user, data = actor(request), body(request)
        asked = queries.promotion(user, pk)
        refuse_unknown(data, {*SIGNED_AS, "password", "code", "passkey"})
        credential = signing.credential_from(
            password=_text(data, "password"), code=_text(data, "code"), passkey=_json(data, "passkey")
        )
        given = {name: _text(data, name) for name in SIGNED_AS}
        signature = signoff.sign(promotion=asked, actor=user, credential=credential, **given)
        return Response(SignatureData(signature).data, status=201)


class PromotionRelease(APIView):
    scope = "sign"

    @extend_schema(operation_id="promotion_release", request=OptionalReason, responses=PromotionData)
    def post(self, request: Request, pk: UUID) -> Response:
        """Release a version into its target. 409 lists everything that stands against it."""
        asked = queries.promotion(actor(request), pk)
        promotion.release(promotion=asked, actor=actor(request), reason=_reason(request) or RELEASED)
        return _answer(request, pk)


class PromotionReject(APIView):
    scope = "sign"

    @extend_schema(operation_id="promotion_reject", request=ReasonInput, responses=PromotionData)
    def post(self, request: Request, pk: UUID) -> Response:
        asked = queries.promotion(actor(request), pk)
        promotion.reject(promotion=asked, actor=actor(request), reason=_reason(request))
        return _answer(request, pk)


class PromotionWithdraw(APIView):
    scope = "sign"

    @extend_schema(operation_id="promotion_withdraw", request=ReasonInput, responses=PromotionData)
    def post(self, request: Request, pk: UUID) -> Response:
        asked = queries.promotion(actor(request), pk)
        promotion.withdraw(promotion=asked, actor=actor(request), reason=_reason(request))
        return _answer(request, pk)


class VersionRetire(APIView):
    scope = "sign"

    @extend_schema(operation_id="version_retire", request=ReasonInput, responses=StageData)
    def post(self, request: Request, pk: UUID) -> Response:
        """Take a version out of use for good, and end its deployments."""
        version = registry.version(actor(request), pk)
        retired = promotion.retire(version=version, actor=actor(request), reason=_reason(request))
        return Response(StageData(retired).data)


def _answer(request: Request, pk: UUID, status: int = 200) -> Response:
    shown = PromotionData(queries.promotion(actor(request), pk), context={"request": request}).data
    return Response(shown, status=status, headers={"Location": shown["url"]} if status == 201 else None)


def _reason(request: Request) -> str:
    data = body(request)
    refuse_unknown(data, {"reason", "comment"})
    return _text(data, "reason") or _text(data, "comment")


def _text(data: dict[str, Any], name: str) -> str:
    given = data.get(name) or ""
    if not isinstance(given, str):
        raise BadInput(f"{name} must be text.", where=name)
    return given


def _json(data: dict[str, Any], name: str) -> str:
    given = data.get(name) or ""
    if not isinstance(given, str | dict):
        raise BadInput(f"{name} must be an object.", where=name)
    return given if isinstance(given, str) else json.dumps(given)
