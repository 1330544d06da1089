"""Where the pages of the registry's things stand, for whoever has an id, and the id for whoever has a slug."""

from __future__ import annotations

from django.urls import reverse

from registry.models import RegisteredModel
from trail.things import uuids


def model_pages(ids: list[str]) -> dict[str, str]:
    slugs = RegisteredModel.objects.filter(pk__in=uuids(ids)).values_list("pk", "slug")
    return {str(pk): reverse("registry:model-detail", kwargs={"slug": slug}) for pk, slug in slugs}


def model_id(slug: str) -> str:
    found = RegisteredModel.objects.filter(slug=slug).values_list("pk", flat=True).first()
    return slug if found is None else str(found)
