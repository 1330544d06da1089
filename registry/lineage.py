"""What was made from what: dataset → version, version → version, model → model. Never in a circle."""

from __future__ import annotations

from people.access import require
from people.models import User
from people.queries import sees
from people.roles import Duty
from registry.events import Event
from registry.models import Dataset, Lineage, RegisteredModel, Version
from trail.errors import BadInput
from trail.record import Draft, recording

Source = Dataset | Version | RegisteredModel
Target = Version | RegisteredModel
Kind = Lineage.Kind

ENDS: dict[Kind, tuple[type[Source], type[Target]]] = {
    Kind.TRAINED_ON: (Dataset, Version),
    Kind.EVALUATED_ON: (Dataset, Version),
    Kind.DERIVED_FROM: (Version, Version),
    Kind.FEEDS: (RegisteredModel, RegisteredModel),
}
FIELDS: dict[type, str] = {Dataset: "dataset", Version: "version", RegisteredModel: "model"}


def connect(*, kind: Kind, source: Source, target: Target, actor: User, reason: str) -> Lineage:
    """Record one edge. For `feeds` the source is the model whose output the target takes in."""
    with recording(Event.LINEAGE_ADDED, actor=actor, reason=reason, subject=target) as entry:
        require(actor, Duty.REGISTER, target.unit_path)
        edge = add(entry, kind=kind, source=source, target=target, actor=actor)
        entry.about = edge
    return edge


def add(entry: Draft, *, kind: Kind, source: Source, target: Target, actor: User) -> Lineage:
    """Add an edge in the caller's recording, or refuse it."""
    from_type, to_type = ENDS[kind]
    if not isinstance(source, from_type) or not isinstance(target, to_type):
        raise BadInput(
            f"An edge of kind {kind.value} goes from a {FIELDS[from_type]} to a {FIELDS[to_type]}; give those.",
            where="kind",
        )
    if not sees(actor, source.unit_path):
        raise BadInput(f"There is no {FIELDS[from_type]} {source.pk} that you may see.", where="from")
    ends = {f"from_{FIELDS[from_type]}": source, f"to_{FIELDS[to_type]}": target}
    if Lineage.objects.filter(kind=kind, **ends).exists():
        raise BadInput(f"It is on record already that {Lineage(kind=kind, **ends)}.", where="to", status=409)
    if isinstance(source, to_type):
        _refuse_circle(kind, source, target)
    edge = entry.create(Lineage(kind=kind, **ends))
    entry.facts.setdefault("lineage", []).append(
        {"kind": kind.value, "from": str(source.pk), "label": str(source)[:200], "to": str(target.pk)}
    )
    return edge


def _refuse_circle(kind: Kind, source: Source, target: Target) -> None:
    """Walk upstream from the source, a generation a query; meeting the target would close a circle."""
    if source.pk == target.pk:
        raise BadInput(f"{target} can’t come from itself; choose another source.", where="from")
    end = FIELDS[ENDS[kind][0]]
    met = generation = {source.pk}
    while generation:
        above = Lineage.objects.filter(**{"kind": kind, f"to_{end}__in": generation})
        generation = set(above.values_list(f"from_{end}", flat=True)) - met
        if target.pk in generation:
            raise BadInput(
                f"{source} itself comes from {target}, so this would be a circle; turn the edge round or leave it out.",
                where="from",
            )
        met = met | generation
