"""Runs and checks over HTTP."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from audits import checks, queries, runs
from audits.models import Job, Run
from people.models import User
from registry import queries as registry
from registry.api.given import body
from registry.models import Dataset
from trail.errors import BadInput, refuse_unknown
from trail.pages import Pages

DEFAULT_REASON = "Asked for over the API"


class Reason(serializers.Serializer[Any]):
    reason = serializers.CharField(default=DEFAULT_REASON, max_length=1000, help_text="Why; it stands in the trail.")


class RunRequest(Reason):
    check = serializers.CharField(help_text="A name of `GET checks/`.", source="check_name")
    dataset = serializers.UUIDField()
    params = serializers.DictField(default=dict, help_text="As the check's schema says; everything has a default.")
    fresh = serializers.BooleanField(
        default=False, help_text="Measure anew even where an earlier run had the same inputs."
    )


class Used(serializers.Serializer[Any]):
    """What the work took. It varies from one time to the next and is no part of the result."""

    cpu_seconds = serializers.FloatField(allow_null=True, help_text="Computing by the worker's process meanwhile.")
    model_cpu_seconds = serializers.FloatField(allow_null=True, help_text="Computing by the model's own processes.")
    model_peak_bytes = serializers.IntegerField(allow_null=True, help_text="The most memory one of those held.")


class Named(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class RunSummary(serializers.ModelSerializer[Run]):
    url = serializers.SerializerMethodField()
    check = serializers.CharField(source="check_name")
    version = serializers.UUIDField(source="version_id")
    dataset = serializers.UUIDField(source="dataset_id")
    status = serializers.ChoiceField(choices=Job.Status.choices, source="job.status")
    progress = serializers.FloatField(source="job.progress", help_text="0 to 1")
    stage = serializers.CharField(source="job.stage", help_text="What it is doing.")
    remaining_seconds = serializers.FloatField(
        source="job.remaining_seconds", allow_null=True, help_text="At the pace so far; null where that says nothing."
    )
    error = serializers.CharField(source="job.error", help_text="Why it failed.")
    requested_by = Named()
    started_at = serializers.DateTimeField(source="job.started_at", allow_null=True)
    finished_at = serializers.DateTimeField(source="job.finished_at", allow_null=True)
    attempts = serializers.IntegerField(source="job.attempts")
    used = Used(source="job")
    reused_from = serializers.UUIDField(
        source="job.reused_from",
        allow_null=True,
        help_text="The earlier run with the same inputs that gave the result.",
    )

    class Meta:
        model = Run
        fields = [
            "id", "url", "check", "check_version", "version", "dataset", "params", "status", "progress", "stage",
            "remaining_seconds", "error", "result_digest", "requested_by", "requested_at", "started_at", "finished_at",
            "attempts", "used", "reused_from",
        ]  # fmt: skip

    def get_url(self, run: Run) -> str:
        return str(reverse("audits-api:run-detail", kwargs={"pk": run.pk}, request=self.context["request"]))


class RunData(RunSummary):
    result = serializers.SerializerMethodField()

    class Meta(RunSummary.Meta):
        fields = [*RunSummary.Meta.fields, "result"]

    def get_result(self, run: Run) -> dict[str, Any] | None:
        return runs.result(run)


class RunPage(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = RunSummary(many=True)


class CheckData(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.CharField()
    title = serializers.CharField()
    answers = serializers.CharField(help_text="What it answers, and when not to use it.")
    params = serializers.DictField(help_text="JSON schema of the parameters.")


class VersionRuns(APIView):
    @extend_schema(request=RunRequest, responses={202: RunData}, operation_id="run_request")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Ask for a check. It is done in the background: follow the Location until it is neither queued nor running."""
        version = registry.version(_user(request), pk)
        wanted = _given(request, RunRequest)
        run = runs.request(
            version=version,
            check=wanted["check_name"],
            dataset=_dataset(request, wanted["dataset"]),
            params=wanted["params"],
            fresh=wanted["fresh"],
            actor=_user(request),
            reason=wanted["reason"],
        )
        shown = RunData(run, context={"request": request}).data
        return Response(shown, status=202, headers={"Location": shown["url"]})


class SetRequest(Reason):
    dataset = serializers.UUIDField()


class Unfit(serializers.Serializer[Any]):
    check = serializers.CharField()
    detail = serializers.CharField(help_text="Why its defaults don't fit, and the mend.")
    where = serializers.CharField()


class SetData(serializers.Serializer[Any]):
    runs = RunSummary(many=True)
    unfit = Unfit(many=True)


class VersionCheckSet(APIView):
    @extend_schema(request=SetRequest, responses={202: SetData}, operation_id="check_set_request")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Ask for every check whose defaults fit the dataset; the others are listed with why they don't."""
        version = registry.version(_user(request), pk)
        wanted = _given(request, SetRequest)
        found = runs.request_set(
            version=version,
            dataset=_dataset(request, wanted["dataset"]),
            actor=_user(request),
            reason=wanted["reason"],
        )
        asked = RunSummary(found.runs, many=True, context={"request": request}).data
        unfit = [{"check": name, "detail": str(why), "where": why.where} for name, why in found.unfit.items()]
        return Response({"runs": asked, "unfit": unfit}, status=202)


class RunList(APIView):
    @extend_schema(
        operation_id="run_list",
        responses=RunPage,
        parameters=[
            OpenApiParameter("version", OpenApiTypes.UUID),
            OpenApiParameter("check", OpenApiTypes.STR, description="a name of `GET checks/`"),
            OpenApiParameter("status", OpenApiTypes.STR, enum=Job.Status.values),
            OpenApiParameter("limit", OpenApiTypes.INT, description="runs a page, at most 500"),
            OpenApiParameter("offset", OpenApiTypes.INT, description="runs to skip"),
        ],
    )
    def get(self, request: Request) -> Response:
        given = {name: request.query_params.get(name, "") for name in ("version", "check", "status")}
        pages = Pages()
        shown = pages.paginate_queryset(queries.matching(queries.runs(_user(request)), **given), request, self)
        return pages.get_paginated_response(RunSummary(shown, many=True, context={"request": request}).data)


class RunDetail(APIView):
    @extend_schema(responses=RunData, operation_id="run_read")
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """Status, progress and, once there is one, the result."""
        return Response(RunData(queries.run(_user(request), pk), context={"request": request}).data)


class RunCancel(APIView):
    @extend_schema(request=Reason, responses=RunData, operation_id="run_cancel")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        run = queries.run(_user(request), pk)
        runs.cancel(run=run, actor=_user(request), reason=_reason(request))
        return Response(RunData(run, context={"request": request}).data)


class RunRetry(APIView):
    @extend_schema(request=Reason, responses={202: RunData}, operation_id="run_retry")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Do a failed or cancelled run again, with the same parameters."""
        run = queries.run(_user(request), pk)
        runs.retry(run=run, actor=_user(request), reason=_reason(request))
        shown = RunData(run, context={"request": request}).data
        return Response(shown, status=202, headers={"Location": shown["url"]})


class CheckList(APIView):
    @extend_schema(responses=CheckData(many=True), operation_id="check_list")
    def get(self, request: Request) -> Response:
        """The checks there are, what each answers, and its parameters."""
        return Response(
            [
                {
                    "name": check.NAME,
                    "version": check.VERSION,
                    "title": check.TITLE,
                    "answers": check.ANSWERS,
                    "params": check.SCHEMA,
                }
                for check in checks.ALL.values()
            ]
        )


def _user(request: Request) -> User:
    return cast(User, request.user)


def _dataset(request: Request, pk: uuid.UUID) -> Dataset:
    try:
        return registry.dataset(_user(request), pk)
    except Http404 as error:
        sentence = f"There is no dataset {pk} that you may see; GET datasets/ lists yours."
        raise BadInput(sentence, where="dataset") from error


def _reason(request: Request) -> str:
    return str(_given(request, Reason)["reason"])


def _given(request: Request, wanted: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """The body, held against a serializer; a field that it does not have is refused, for a typo would change much."""
    data = body(request)
    read = wanted(data=data)
    refuse_unknown(data, set(read.fields))
    read.is_valid(raise_exception=True)
    return dict(read.validated_data)
