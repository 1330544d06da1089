"""Who made a model, so that nobody judges their own work; handing it to someone else on paper does not undo that."""

from __future__ import annotations

from uuid import UUID

from people.models import User
from registry.models import RegisteredModel, Version
from trail.models import Entry

FIELDS = ("owner", "developer")


def developers(version: Version) -> set[User]:
    """Who uploaded the version, or its artifact anywhere else, and who is or ever was on record as the model's
    developer."""
    same = Version.objects.filter(artifact=version.artifact) if version.artifact else Version.objects.none()
    uploaded = same.values_list("created_by", flat=True)
    ids = {version.created_by_id, version.model.developer_id, *uploaded, *_once(version.model, "developer")}
    return _people(ids)


def makers(model: RegisteredModel) -> set[User]:
    """Everyone who is or was on record as the model's owner or developer, or uploaded one of its versions, also as the
    version of another model."""
    artifacts = model.versions.exclude(artifact=None).values("artifact")
    elsewhere = Version.objects.filter(artifact__in=artifacts).values_list("created_by", flat=True)
    ids = {model.owner_id, model.developer_id, *model.versions.values_list("created_by", flat=True), *elsewhere}
    return _people(ids.union(*(_once(model, field) for field in FIELDS)))


def _once(model: RegisteredModel, field: str) -> set[str]:
    """Who the trail says was in `field` of the inventory entry, at any time."""
    found: set[str] = set()
    for entry in Entry.objects.filter(subject_type=model._meta.label_lower, subject_id=str(model.pk)):
        changes = entry.content["changes"]
        for name in (field, f"{field}_id"):
            found |= {str(value) for value in changes.get(name, []) if value}
    return found


def _people(ids: set[UUID | str | None]) -> set[User]:
    return set(User.objects.filter(pk__in={str(id_) for id_ in ids if id_}).select_related("unit"))
