"""People over the API: who there is, adding them, their roles, suspension, tokens, and erasing their data."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from people import erasing, membership, queries, tokens
from people.models import ApiToken, Erasure, RoleGrant, Unit, User
from people.roles import Role
from trail.errors import BadInput, refuse_unknown

REASON = "Over the API"


class GrantData(serializers.ModelSerializer[RoleGrant]):
    unit = serializers.CharField(source="unit.path")

    class Meta:
        model = RoleGrant
        fields = ["id", "role", "unit", "granted_at", "revoked_at"]


class UserData(serializers.ModelSerializer[User]):
    unit = serializers.CharField(source="unit.path")
    roles = GrantData(source="grants", many=True)

    class Meta:
        model = User
        fields = ["id", "email", "name", "unit", "is_active", "roles"]


class UserPage(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = UserData(many=True)


class UserInput(serializers.Serializer[Any]):
    email = serializers.EmailField()
    name = serializers.CharField(max_length=200, help_text="As it will be printed beside signatures.")
    unit = serializers.CharField(help_text="A unit's path.")
    reason = serializers.CharField(required=False, default=REASON)


class AddedData(serializers.Serializer[Any]):
    user = UserData()
    set_password_path = serializers.CharField(help_text="For the new person alone; good once, for a day.")


class RoleInput(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=Role.choices)
    unit = serializers.CharField(help_text="A unit's path; the role holds there and below.")
    reason = serializers.CharField(required=False, default=REASON)


class WhyInput(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, default=REASON)


class ErasureData(serializers.ModelSerializer[Erasure]):
    class Meta:
        model = Erasure
        fields = ["id", "person", "basis", "asked_by", "asked_at", "approved_by", "done_at"]


class ApprovalInput(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=1000, help_text="Why; it stands in the trail.")


class ErasureInput(ApprovalInput):
    basis = serializers.ChoiceField(choices=Erasure.Basis.choices, help_text="The ground, by GDPR, Art. 17 (1).")


class UserList(APIView):
    @extend_schema(operation_id="users_list", responses=UserPage)
    def get(self, request: Request) -> Response:
        pages = LimitOffsetPagination()
        pages.default_limit, pages.max_limit = 50, 500
        found = pages.paginate_queryset(queries.people(_me(request)).prefetch_related("grants__unit"), request, self)
        return pages.get_paginated_response(UserData(found, many=True).data)

    @extend_schema(operation_id="users_add", request=UserInput, responses={201: AddedData})
    def post(self, request: Request) -> Response:
        given = _given(UserInput, request)
        unit = _unit(request, given["unit"])
        added = membership.add_user(
            email=given["email"],
            name=given["name"],
            unit=unit,
            password=None,
            actor=_me(request),
            reason=given["reason"],
        )
        link = membership.issue_password_link(user=added, actor=_me(request), reason="First password of a new person")
        return Response({"user": UserData(added).data, "set_password_path": link}, status=201)


class UserRoles(APIView):
    @extend_schema(operation_id="users_grant_role", request=RoleInput, responses={201: GrantData})
    def post(self, request: Request, pk: UUID) -> Response:
        given, user = _given(RoleInput, request), _user(request, pk)
        unit = _unit(request, given["unit"])
        grant = membership.grant(
            user=user, role=Role(given["role"]), unit=unit, actor=_me(request), reason=given["reason"]
        )
        return Response(GrantData(grant).data, status=201)


class RoleRevoke(APIView):
    @extend_schema(operation_id="roles_revoke", request=WhyInput, responses=GrantData)
    def post(self, request: Request, pk: UUID) -> Response:
        visible = RoleGrant.objects.filter(queries.within(_me(request), "unit__path")).select_related(
            "unit", "user__unit"
        )
        grant = get_object_or_404(visible, pk=pk, revoked_at=None)
        membership.revoke(grant=grant, actor=_me(request), reason=_given(WhyInput, request)["reason"])
        return Response(GrantData(grant).data)


class UserSuspend(APIView):
    @extend_schema(operation_id="users_suspend", request=WhyInput, responses=UserData)
    def post(self, request: Request, pk: UUID) -> Response:
        user = _user(request, pk)
        membership.suspend(user=user, actor=_me(request), reason=_given(WhyInput, request)["reason"])
        return Response(UserData(user).data)


class UserErasure(APIView):
    @extend_schema(operation_id="users_erasure", responses=ErasureData)
    def get(self, request: Request, pk: UUID) -> Response:
        """The last erasure that was asked for; 404 if there was none."""
        asked = _user(request, pk).erasures.order_by("-asked_at").first()
        if asked is None:
            raise Http404
        return Response(ErasureData(asked).data)

    @extend_schema(operation_id="users_ask_erasure", request=ErasureInput, responses={201: ErasureData})
    def post(self, request: Request, pk: UUID) -> Response:
        """Ask that the data of somebody suspended be erased. An administrator does."""
        person = _user(request, pk)
        asked = erasing.ask(person=person, actor=_me(request), **_given(ErasureInput, request))
        return Response(ErasureData(asked).data, status=201)


class ErasureApprove(APIView):
    scope = "sign"

    @extend_schema(operation_id="users_approve_erasure", request=ApprovalInput, responses=ErasureData)
    def post(self, request: Request, pk: UUID) -> Response:
        """Erase, for good. A compliance officer does, and never whoever asked."""
        asked = get_object_or_404(_user(request, pk).erasures.select_related("person__unit"), done_at=None)
        erasing.approve(asked=asked, actor=_me(request), **_given(ApprovalInput, request))
        return Response(ErasureData(asked).data)


class TokenRevoke(APIView):
    @extend_schema(operation_id="tokens_revoke", request=WhyInput, responses={204: None})
    def post(self, request: Request, pk: UUID) -> Response:
        token = get_object_or_404(ApiToken.objects.filter(user=_me(request)), pk=pk, revoked_at=None)
        tokens.revoke(token=token, actor=_me(request), reason=_given(WhyInput, request)["reason"])
        return Response(status=204)


def _me(request: Request) -> User:
    return cast(User, request.user)


def _given(shape: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    data = shape(data=request.data)
    data.is_valid(raise_exception=True)
    refuse_unknown(cast(dict[str, Any], request.data), set(data.fields))
    return dict(data.validated_data)


def _user(request: Request, pk: UUID) -> User:
    return get_object_or_404(queries.people(_me(request)), pk=pk)


def _unit(request: Request, path: str) -> Unit:
    unit = queries.units_for(_me(request)).filter(path=path).first()
    if unit is None:
        raise BadInput(f"There is no unit {path} that you may see.", where="unit")
    return unit
