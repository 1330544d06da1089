"""Versions: the thing that is checked, signed and promoted, bound to its artifact's digest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Max

from people.access import require
from people.models import User
from people.roles import Duty
from registry import artifacts, lineage, storage, words
from registry.events import Event
from registry.models import Dataset, Lineage, RegisteredModel, Version
from trail.canonical import canonical_result
from trail.canonical import digest as digest_of
from trail.errors import BadInput
from trail.record import recording

MOST_FACTS = 100_000  # bytes


def register(
    *,
    model: RegisteredModel,
    artifact: storage.Source | None,
    file_name: str = "",
    digest: str = "",
    label: str = "",
    notes: str = "",
    facts: Mapping[str, Any] | None = None,
    trained_on: Sequence[Dataset] = (),
    derived_from: Version | None = None,
    actor: User,
    reason: str,
) -> Version:
    """The model's next version. Without an artifact, checks measure predictions that a dataset brings."""
    label, notes = words.line(label, where="label", most=60), words.text(notes, where="notes")
    said = sound_facts(facts or {})
    if digest and artifact is None:
        raise BadInput("A digest is stated, but no artifact came with it; send the file too.", where="artifact")
    with recording(Event.VERSION_REGISTERED, actor=actor, reason=reason, subject=model) as entry:
        require(actor, Duty.REGISTER, model.unit_path)
        RegisteredModel.objects.select_for_update().get(pk=model.pk)
        kept = None
        if artifact is not None:
            kept = artifacts.keep(entry, artifact, name=file_name or "artifact", claimed_digest=digest)
        last = model.versions.aggregate(last=Max("number"))["last"] or 0
        version = Version(
            model=model, number=last + 1, label=label, notes=notes, artifact=kept, facts=said, created_by=actor
        )
        entry.about = entry.create(version, "number", "stage")
        entry.facts |= {
            "model": model.slug,
            "version": version.number,
            "facts_digest": digest_of(canonical_result(said)),
        }
        for dataset in dict.fromkeys(trained_on):
            lineage.add(entry, kind=Lineage.Kind.TRAINED_ON, source=dataset, target=version, actor=actor)
        if derived_from is not None:
            lineage.add(entry, kind=Lineage.Kind.DERIVED_FROM, source=derived_from, target=version, actor=actor)
    return version


def sound_facts(facts: Any) -> dict[str, Any]:
    """What a version says of itself, as JSON can hold it: one object, no NaN, no infinity."""
    if not isinstance(facts, Mapping):
        raise BadInput('facts must be a JSON object, such as {"max_depth": 3}.', where="facts")
    said = dict(facts)
    _refuse_infinite(said, "facts")
    try:
        size = len(canonical_result(said))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"facts can’t be kept as they are: {error}", where="facts") from error
    if size > MOST_FACTS:
        raise BadInput(f"facts hold {size:,} bytes; at most {MOST_FACTS:,} fit, so leave some out.", where="facts")
    return said


def _refuse_infinite(value: Any, where: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInput(f"{where} is {value}, which JSON can’t hold; leave it out or give null.", where=where)
    if isinstance(value, str):
        words.text(value, where=where, most=MOST_FACTS)
    children = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in children:
        words.text(str(key), where=where, most=MOST_FACTS)
        _refuse_infinite(item, f"{where}.{key}")
