"""What reports reads: packs a user may see, and the entries of the trail about a version."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import Http404

from audits.models import Run
from governance.models import GateEvaluation, Promotion, TierAssessment
from people.models import Signature, User
from people.queries import within
from registry.models import CardSection, Dataset, Lineage, Version
from reports.models import Pack
from trail.models import Leaf
from trail.queries import about


def packs(user: User) -> QuerySet[Pack]:
    found = Pack.objects.filter(within(user, "version__model__unit__path"))
    return found.select_related("version__model__unit", "job", "requested_by")


def pack(user: User, pk: UUID) -> Pack:
    if (found := packs(user).filter(pk=pk).first()) is None:
        raise Http404
    return found


def runs(version: Version) -> QuerySet[Run]:
    return Run.objects.filter(version=version).select_related("dataset", "job", "requested_by").order_by("requested_at")


def promotions(version: Version) -> QuerySet[Promotion]:
    found = Promotion.objects.filter(version=version).select_related(
        "version__model__unit", "target", "requested_by", "closed_by", "policy"
    )
    return found.order_by("requested_at")


def signatures(version: Version) -> QuerySet[Signature]:
    ids = promotions(version).values_list("pk", flat=True)
    return Signature.objects.filter(about_id__in=list(ids)).select_related("signer").order_by("signed_at", "pk")


def subjects(version: Version) -> list[object]:
    """The ids of everything that a card or pack of the version states."""
    edges = Lineage.objects.filter(to_version=version)
    datasets = Dataset.objects.filter(Q(runs__version=version) | Q(used_by__to_version=version))
    evaluations = GateEvaluation.objects.filter(asked_about(version))
    rows = [
        runs(version),
        promotions(version),
        signatures(version),
        evaluations,
        datasets,
        edges,
        CardSection.objects.filter(version=version),
        TierAssessment.objects.filter(model=version.model),
    ]
    ids = {pk for found in rows for pk in found.values_list("pk", flat=True)}
    return sorted({version.pk, version.model_id, *ids}, key=str)


def asked_about(version: Version) -> Q:
    """Gate evaluations of the version. A pipeline asks by digest; the same artifact elsewhere is another unit's."""
    by_digest = Q(digest=version.digest, unit=version.unit_path) if version.digest else Q(pk__in=[])
    return Q(promotion__version=version) | by_digest


def entries_about(version: Version) -> QuerySet[Leaf]:
    """The trail's entries about the version and what stands behind it, oldest first."""
    return about(subjects(version))
