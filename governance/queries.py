"""Reading what was decided: always as someone, who sees that of their units."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404

from governance.models import GateEvaluation, Policy, Promotion
from people.models import Signature, User
from people.queries import within
from trail.errors import BadInput


def promotions(user: User) -> QuerySet[Promotion]:
    """The promotions the user may see, newest first."""
    return Promotion.objects.filter(within(user, "version__model__unit__path")).select_related(
        "version__model__unit",
        "version__model__owner",
        "version__artifact",
        "target__unit",
        "requested_by",
        "closed_by",
    )


def promotion(user: User, id: UUID | str) -> Promotion:
    return get_object_or_404(promotions(user), pk=_id(id))


def matching(
    found: QuerySet[Promotion], *, user: User, status: str = "", target: str = "", mine: str = "", q: str = ""
) -> QuerySet[Promotion]:
    """Narrow a list: by status, by target, to what the user requested or signed, by words in the model's name."""
    if status:
        if status not in Promotion.Status.values:
            raise BadInput(
                f"There is no status “{status[:40]}”; there are {', '.join(Promotion.Status.values)}.", where="status"
            )
        found = found.filter(status=status)
    if target:
        found = found.filter(target__slug=target)
    if mine == "requested":
        found = found.filter(requested_by=user)
    elif mine == "signed":
        signed = Signature.objects.filter(signer=user, about_type=Promotion._meta.label_lower)
        found = found.filter(pk__in=signed.values("about_id"))
    elif mine:
        raise BadInput(f"“mine” takes requested or signed, not “{mine[:40]}”.", where="mine")
    for word in q.split():
        found = found.filter(version__model__name__icontains=word)
    return found


def policies(user: User) -> QuerySet[Policy]:
    """The policies of the user's units and of those above them, which judge their versions too."""
    above = {
        "/".join(parts[: depth + 1])
        for path in user.unit_paths
        for parts in [path.split("/")]
        for depth in range(len(parts))
    }
    seen = Policy.objects.filter(within(user, "unit__path")) | Policy.objects.filter(unit__path__in=above)
    return seen.select_related("unit", "published_by").order_by("unit__path", "name", "-version")


def policy(user: User, id: UUID | str) -> Policy:
    return get_object_or_404(policies(user), pk=_id(id))


def evaluations(user: User) -> QuerySet[GateEvaluation]:
    """What the gate answered, newest first."""
    return GateEvaluation.objects.filter(within(user, "unit")).select_related("asked_by", "policy", "promotion")


def _id(id: UUID | str) -> UUID:
    try:
        return id if isinstance(id, UUID) else UUID(str(id))
    except ValueError as error:
        raise Http404 from error
