"""What the lists of the registry show beside the rows themselves: what can be filtered by, and the figures on top."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from people.models import Unit, User, live
from people.queries import within
from registry import queries
from registry.models import Dataset, Deployment, RegisteredModel, Version
from registry.queries import line
from registry.stages import Stage


def models(user: User, *, sort: str = "", **filters: str) -> QuerySet[RegisteredModel]:
    """The models that meet the filters, each with the number of its version in production; an unknown sort is none."""
    known = sort if sort.removeprefix("-") in queries.SORTS else ""
    live = Version.objects.filter(model=OuterRef("pk"), stage=Stage.PRODUCTION).order_by("-number")
    return queries.search(user, sort=known, **filters).annotate(live_number=Subquery(live.values("number")[:1]))


def figures(user: User) -> dict[str, int]:
    """How many models there are, how many have no tier, and how many run in production."""
    seen = within(user, "unit__path")
    found: dict[str, int] = RegisteredModel.objects.filter(seen).aggregate(
        models=Count("pk"), untiered=Count("pk", filter=Q(tier=None))
    )
    live = Version.objects.filter(within(user, "model__unit__path"), stage=Stage.PRODUCTION)
    return found | live.aggregate(in_production=Count("model", distinct=True))


def owners(user: User) -> list[tuple[str, str]]:
    """E-mail and name of whoever owns a model the user sees."""
    owned = RegisteredModel.objects.filter(within(user, "unit__path")).exclude(owner=None)
    return list(owned.order_by("owner__name").values_list("owner__email", "owner__name").distinct())


def people_of(unit: Unit) -> QuerySet[User]:
    """Whoever holds a role in the unit or above it: who can own or develop a model there."""
    held = live("grants__") & Q(grants__unit__path__in=line(unit.path))
    return User.objects.filter(held, is_active=True).distinct()


def versions_of(model: RegisteredModel) -> QuerySet[Version]:
    """The model's versions, newest first, each with how many checks ran on it."""
    counted: dict[str, Any] = {"run_count": Count("runs")}
    return model.versions.select_related("artifact", "created_by").annotate(**counted).order_by("-number")


def deployments_of(model: RegisteredModel) -> QuerySet[Deployment]:
    """Where its versions run and ran, newest first."""
    return Deployment.objects.filter(version__model=model).select_related("version__model", "environment")


def datasets(user: User, *, q: str = "", unit: str = "") -> QuerySet[Dataset]:
    """The datasets that meet the filters, newest first."""
    found = queries.datasets(user)
    for word in q.split():
        found = found.filter(Q(name__icontains=word) | Q(file_name__icontains=word) | Q(licence__icontains=word))
    if unit:
        found = found.filter(Q(unit__path=unit) | Q(unit__path__startswith=f"{unit}/"))
    return found


def runs_on(user: User, dataset: Dataset) -> QuerySet[Any]:
    """The checks that ran on a dataset, newest first, as far as the user sees their models."""
    seen = within(user, "version__model__unit__path")
    found: QuerySet[Any] = dataset.runs.filter(seen).defer("record").select_related("version__model", "job")
    return found.order_by("-requested_at")
