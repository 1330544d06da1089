"""What reports reads: packs a user may see, and the entries of the trail about a version."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.http import Http404

from audits.models import Run
from governance.models import GateEvaluation, Policy, Promotion, TierAssessment
from people.events import Event as People
from people.models import Signature, User
from people.queries import within
from registry.models import CardSection, Dataset, Deployment, Lineage, RegisteredModel, Version
from registry.queries import at_or_below
from reports.models import Engagement, Pack, PackVersion
from trail.events import Event
from trail.models import Anchor, Checkpoint, Entry, Leaf
from trail.queries import about

# who a signer is and may do: entries about people that belong to what they signed
OF_SIGNERS = [
    each.value
    for each in (
        People.ROLE_GRANTED, People.ROLE_REVOKED, People.PASSKEY_ADDED, People.PASSKEY_REMOVED, People.METHODS_RESET,
        People.USER_SUSPENDED,
    )
]  # fmt: skip
ERASED = Event.ERASED.value


def packs(user: User) -> QuerySet[Pack]:
    """The packs whose versions the user may see, every one of them."""
    hidden = PackVersion.objects.filter(pack=OuterRef("pk")).exclude(within(user, "version__model__unit__path"))
    return Pack.objects.filter(~Exists(hidden)).select_related("job", "requested_by")


def pack(user: User, pk: UUID) -> Pack:
    if (found := packs(user).filter(pk=pk).first()) is None:
        raise Http404
    return found


def versions_in(pack: Pack) -> QuerySet[Version]:
    """The versions of a pack, in its order."""
    found = Version.objects.filter(pk__in=PackVersion.objects.filter(pack=pack).values("version"))
    placed = PackVersion.objects.filter(pack=pack, version=OuterRef("pk")).values("position")
    return found.select_related("model__unit", "artifact", "created_by").order_by(Subquery(placed[:1]))


def version_to_pack(pk: UUID) -> Version:
    return Version.objects.select_related("model__unit", "model__owner", "model__developer", "artifact").get(pk=pk)


def only_version(pack: Pack) -> Version | None:
    """The version of a pack that has one alone."""
    found = list(versions_in(pack)[:2])
    return found[0] if len(found) == 1 else None


def unit_paths(pack: Pack) -> set[str]:
    return set(PackVersion.objects.filter(pack=pack).values_list("version__model__unit__path", flat=True))


def versions_of_unit(path: str) -> QuerySet[Version]:
    """Of every model of the unit and those below: the newest version, and whichever is deployed."""
    newest = Version.objects.filter(model=OuterRef("model")).order_by("-number").values("pk")[:1]
    deployed = Deployment.objects.filter(version=OuterRef("pk"), ended_at=None)
    found = Version.objects.filter(at_or_below("model__unit__path", path))
    return found.filter(Q(pk=Subquery(newest)) | Exists(deployed)).order_by("model__slug", "-number")


def live(ids: list[UUID]) -> list[Version]:
    """The versions as they are, in this order."""
    found = Version.objects.filter(pk__in=ids).select_related("model__unit", "artifact")
    by_id = {version.pk: version for version in found}
    return [by_id[pk] for pk in ids if pk in by_id]


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


def entries_behind(version: Version, policy: Policy | None) -> QuerySet[Leaf]:
    """Those, and what an outsider needs to judge them: the publication of the policy, what its signers may do, and by
    which passkeys they are known."""
    ids = subjects(version) + ([policy.pk] if policy else [])
    signers = set(signatures(version).values_list("signer_id", flat=True))
    told = Q(entry__subject_id__in=[str(each) for each in ids])
    told |= Q(entry__subject_id__in=[str(each) for each in signers], entry__type__in=OF_SIGNERS)
    return Leaf.objects.filter(told).select_related("entry__payload").order_by("index")


def erasures(ids: set[str], *, before: int) -> set[int]:
    """The places of the entries that say what was erased of these entries."""
    found = Leaf.objects.filter(entry__type=ERASED, index__lt=before).select_related("entry__payload")
    return {leaf.index for leaf in found.iterator() if not ids.isdisjoint(erased_by(leaf.entry))}


def erased_by(entry: Entry) -> Collection[str]:
    listed = entry.content["facts"].get("entries")
    return listed if isinstance(listed, dict) else ()


def leaves_at(indexes: list[int]) -> QuerySet[Leaf]:
    return Leaf.objects.filter(index__in=indexes).select_related("entry__payload")


def anchors() -> QuerySet[Anchor]:
    """The newest checkpoint that each place outside holds."""
    newer = Anchor.objects.filter(kind=OuterRef("kind"), target=OuterRef("target"), pk__gt=OuterRef("pk"))
    return Anchor.objects.filter(~Exists(newer)).order_by("kind", "target")


def time_stamp(checkpoint: Checkpoint) -> Anchor | None:
    """An authority's token over this very checkpoint."""
    over = Anchor.objects.filter(kind=Anchor.Kind.TSA, size=checkpoint.size, root=checkpoint.root)
    return over.order_by("at").first()


def models_of_unit(path: str) -> QuerySet[RegisteredModel]:
    """The models of the unit and of those below."""
    return RegisteredModel.objects.filter(at_or_below("unit__path", path)).select_related("unit").order_by("name")


def newest_versions(models: QuerySet[RegisteredModel]) -> QuerySet[Version]:
    """The newest version of each of these models."""
    newest = Version.objects.filter(model=OuterRef("model")).order_by("-number").values("pk")[:1]
    return Version.objects.filter(model__in=models, pk=Subquery(newest))


def engagements(user: User) -> QuerySet[Engagement]:
    """The audits of the units the user may see."""
    found = Engagement.objects.filter(within(user, "unit__path"))
    return found.select_related("unit", "auditor__unit", "grant", "opened_by")


def engagement(user: User, pk: UUID) -> Engagement:
    if (found := engagements(user).filter(pk=pk).first()) is None:
        raise Http404
    return found
