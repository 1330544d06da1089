"""What someone may see of the registry. Anything outside their units does not exist for them."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import OrderBy
from django.http import Http404

from people.models import Unit, User
from people.queries import units_for, within
from registry import words
from registry.models import CardSection, CustomField, Dataset, Environment, Lineage, RegisteredModel, Version
from registry.stages import Stage
from trail.errors import BadInput

Row = TypeVar("Row", bound=Model)

SORTS = {
    "name": "name",
    "tier": "tier",
    "unit": "unit__path",
    "lifecycle": "lifecycle",
    "stage": "latest_stage",
    "version": "latest_number",
    "registered_at": "registered_at",
    "next_review_on": "next_review_on",
}
SEARCHED = ("name", "slug", "purpose", "vendor", "product", "technique")
NONE = "none"  # as a filter: the rows that have no such thing


def models(user: User) -> QuerySet[RegisteredModel]:
    """The models, each with its latest version's id, number and stage, in a query."""
    latest = Version.objects.filter(model=OuterRef("pk")).order_by("-number")
    return (
        RegisteredModel.objects.filter(within(user, "unit__path"))
        .select_related("unit", "owner", "developer")
        .annotate(
            latest_id=Subquery(latest.values("pk")[:1]),
            latest_number=Subquery(latest.values("number")[:1]),
            latest_stage=Subquery(latest.values("stage")[:1]),
        )
    )


def model(user: User, slug: str) -> RegisteredModel:
    return _one(models(user).filter(slug=slug))


def model_by_id(user: User, id: UUID | str) -> RegisteredModel:
    return _one(models(user), id)


def at_or_below(field: str, path: str) -> Q:
    return Q(**{field: path}) | Q(**{f"{field}__startswith": f"{path}/"})


def search(
    user: User,
    *,
    q: str = "",
    tier: str = "",
    stage: str = "",
    unit: str = "",
    lifecycle: str = "",
    owner: str = "",
    origin: str = "",
    sort: str = "",
) -> QuerySet[RegisteredModel]:
    """The models that meet every filter given. `stage` finds a model with any version in that stage."""
    found = models(user)
    for word in q.split():
        found = found.filter(_any_field(word))
    if tier:
        found = found.filter(tier=None) if tier == NONE else found.filter(tier=_tier(tier))
    if stage:
        found = _in_stage(found, stage)
    if unit:
        found = found.filter(at_or_below("unit__path", unit))
    if lifecycle:
        found = found.filter(lifecycle="" if lifecycle == NONE else lifecycle)
    if owner:
        found = found.filter(owner=None) if owner == NONE else found.filter(owner__email__iexact=owner)
    if origin:
        found = found.filter(origin=_among(origin, RegisteredModel.Origin.values, "origin"))
    return found.order_by(*_order(sort))


def lifecycles(user: User) -> list[str]:
    """The life-cycle statuses in use, for a filter to offer."""
    used = RegisteredModel.objects.filter(within(user, "unit__path")).exclude(lifecycle="")
    return list(used.order_by("lifecycle").values_list("lifecycle", flat=True).distinct())


def versions(user: User) -> QuerySet[Version]:
    return Version.objects.filter(within(user, "model__unit__path")).select_related(
        "model__unit", "model__owner", "model__developer", "artifact", "created_by"
    )


def version(user: User, id: UUID | str) -> Version:
    return _one(versions(user), id)


def card_sections(version: Version) -> dict[str, CardSection]:
    return {written.section: written for written in version.card_sections.select_related("written_by")}


def datasets(user: User) -> QuerySet[Dataset]:
    return Dataset.objects.filter(within(user, "unit__path")).select_related("unit", "uploaded_by")


def dataset(user: User, id: UUID | str) -> Dataset:
    return _one(datasets(user), id)


def environments(user: User) -> QuerySet[Environment]:
    """The environments of the units the user sees, and of those above them: a bank's production is its units'."""
    above = {path for seen in units_for(user).values_list("path", flat=True) for path in line(seen)}
    return Environment.objects.filter(unit__path__in=above).select_related("unit").order_by("slug", "unit__path")


def environments_for(version: Version) -> QuerySet[Environment]:
    """Where this version can be promoted to: the environments of its unit and those above it, nearest first."""
    return (
        Environment.objects.filter(unit__path__in=line(version.unit_path))
        .select_related("unit")
        .order_by("slug", "-unit__path")
    )


def custom_fields(user: User) -> QuerySet[CustomField]:
    return CustomField.objects.filter(within(user, "unit__path")).select_related("unit")


def units(user: User) -> QuerySet[Unit]:
    return units_for(user).select_related("parent").order_by("path")


def unit(user: User, path: str) -> Unit:
    """The unit at `path`, for input that names one."""
    path = words.line(path, where="unit", most=500)
    found = units_for(user).filter(path=path).first()
    if found is None:
        raise BadInput(f"There is no unit {path[:200]} that you may see; GET units/ lists yours.", where="unit")
    return found


def line(path: str) -> list[str]:
    """The unit's path and those above it."""
    parts = path.split("/")
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def lineage(user: User) -> QuerySet[Lineage]:
    """The edges whose both ends the user may see."""
    from_ = (
        within(user, "from_dataset__unit__path")
        | within(user, "from_version__model__unit__path")
        | within(user, "from_model__unit__path")
    )
    to = within(user, "to_version__model__unit__path") | within(user, "to_model__unit__path")
    return (
        Lineage.objects.filter(from_, to)
        .select_related("from_dataset__unit", "from_version__model__unit", "from_model__unit")
        .select_related("to_version__model__unit", "to_model__unit")
        .order_by("pk")
    )


def _one(rows: QuerySet[Row], id: UUID | str | None = None) -> Row:
    if id is not None:
        rows = rows.filter(pk=_uuid(id))
    row = rows.first()
    if row is None:
        raise Http404
    return row


def _uuid(id: UUID | str) -> UUID:
    try:
        return id if isinstance(id, UUID) else UUID(str(id))
    except ValueError as error:
        raise Http404 from error


def _any_field(word: str) -> Q:
    found = Q()
    for field in SEARCHED:
        found |= Q(**{f"{field}__icontains": word})
    return found


def _in_stage(found: QuerySet[RegisteredModel], stage: str) -> QuerySet[RegisteredModel]:
    if stage == NONE:
        return found.filter(versions=None)
    inside = Version.objects.filter(model=OuterRef("pk"), stage=_among(stage, Stage.values, "stage"))
    return found.filter(Exists(inside))


def _tier(tier: str) -> int:
    return int(_among(tier, ["1", "2", "3", "4"], "tier"))


def _among(value: str, allowed: list[str], where: str) -> str:
    if value not in allowed:
        raise BadInput(f"{where} can’t be “{value[:60]}”; choose from {', '.join(allowed)}.", where=where)
    return value


def _order(sort: str) -> list[str | OrderBy]:
    """The sort asked for, empty values last, and the id to keep pages stable."""
    name = sort.removeprefix("-") or "name"
    field = F(SORTS[_among(name, list(SORTS), "ordering")])
    first = field.desc(nulls_last=True) if sort.startswith("-") else field.asc(nulls_last=True)
    return [first, "slug"]
