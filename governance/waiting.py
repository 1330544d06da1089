"""How much waits for someone, and how things stand: numbers cheap enough to stand beside a page."""

from __future__ import annotations

from governance import policies
from governance.models import Promotion
from governance.policies import Gate
from people.models import Signature, User
from people.queries import may, roles_at, within
from people.roles import Duty
from registry.models import RegisteredModel, Version
from registry.stages import Stage
from trail import moments


def signatures(user: User) -> int:
    """How many open promotions ask for a signature that this person's roles could give and nobody has given.

    Counted without judging evidence or separation of duties: the inbox does that.
    """
    if not any(may(user, Duty.SIGN, path) for path in user.unit_paths):
        return 0
    joined = Promotion.objects.select_related("version__model__unit", "target")
    found = list(joined.filter(within(user, "version__model__unit__path"), status=Promotion.Status.OPEN))
    given = set(Signature.objects.filter(about_id__in=[each.pk for each in found]).values_list("about_id", "role"))
    gates = _gates(found)
    return sum(
        any(
            asked["role"] in roles_at(user, each.unit_path) and (each.pk, asked["role"]) not in given
            for asked in (gate["signatures"] if gate else [])
        )
        for each, gate in zip(found, gates, strict=True)
    )


def _gates(found: list[Promotion]) -> list[Gate | None]:
    in_force = {path: policies.in_force(path) for path in {each.unit_path for each in found}}
    return [
        policies.gate_of(in_force[each.unit_path], tier=each.version.model.tier, target=each.target.slug)[0]
        for each in found
    ]


def standing(user: User) -> dict[str, int]:
    """The few numbers over everything the user may see."""
    models = RegisteredModel.objects.filter(within(user, "unit__path"))
    promotions = Promotion.objects.filter(within(user, "version__model__unit__path"))
    return {
        "models": models.count(),
        "untiered": models.filter(tier=None).count(),
        "overdue": models.filter(next_review_on__lt=moments.now().date()).count(),
        "live": Version.objects.filter(within(user, "model__unit__path"), stage=Stage.PRODUCTION).count(),
        "open": promotions.filter(status=Promotion.Status.OPEN).count(),
    }
