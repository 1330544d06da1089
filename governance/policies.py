"""Policies: published as text, versioned, never changed; and which of them judges a version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audits import checks
from governance import policy_text
from governance.events import Event
from governance.models import Policy
from people.access import require
from people.membership import By
from people.models import Meaning, Unit, User
from people.roles import Duty, Role
from registry.cards import SECTIONS
from registry.models import CustomField, RegisteredModel, Version
from registry.queries import line
from trail.canonical import digest
from trail.errors import BadInput, Objection
from trail.record import recording

DEFAULT = (Path(__file__).parent / "policies" / "default.yaml").read_text()
JUDGING = (Meaning.REVIEW.value, Meaning.APPROVAL.value)
DEPENDENT = (Role.OWNER.value, Role.DEVELOPER.value)
# What a policy can't ask for as a document: it is written by governance, or says nothing of the model.
NOT_DOCUMENTS = {"id", "unit", "slug", "tier", "custom", "source", "source_key", "registered_at"}

Gate = Mapping[str, Any]


def publish(*, unit: Unit, name: str, text: str, actor: By, reason: str) -> Policy:
    """Publish the next version of the policy `name` of a unit. It judges every promotion from now on, open ones too.

    It would replace those of the units above for this one, so it takes leave in each of those units.
    """
    with recording(Event.POLICY_PUBLISHED, actor=actor, reason=reason, subject=unit) as entry:
        if isinstance(actor, User):
            for path in {unit.path, *_published_above(unit)}:
                require(actor, Duty.PUBLISH_POLICY, path)
        unit = Unit.objects.select_for_update(of=("self",)).get(pk=unit.pk)
        refuse_unsound(policy_text.load(text), unit)
        last = unit.policies.filter(name=name).order_by("-version").first()
        if last and last.text == text:
            raise BadInput(f"This is word for word {last}, which is in force already.", where="text", status=409)
        policy = Policy(
            unit=unit,
            name=_slug(name),
            version=last.version + 1 if last else 1,
            text=text,
            digest=digest(text.encode()),
            published_by=actor if isinstance(actor, User) else None,
        )
        entry.create(policy, "name", "version", "digest")
        entry.about = policy
        entry.facts = {"unit": unit.path, "replaces": last and last.digest}
    return policy


def _published_above(unit: Unit) -> set[str]:
    """The units above that have a policy."""
    return set(Policy.objects.filter(unit__path__in=line(unit.path)).values_list("unit__path", flat=True))


def applicable(version: Version) -> Policy | None:
    return in_force(version.model.unit.path)


def in_force(path: str) -> Policy | None:
    """The newest policy of the unit and those above it. A unit's own holds until one above publishes again, so that
    nobody keeps a weaker one by having been first."""
    found = Policy.objects.filter(unit__path__in=line(path)).select_related("unit")
    return found.order_by("-published_at", "-version").first()


def gate_of(policy: Policy | None, *, tier: int | None, target: str) -> tuple[Gate | None, list[Objection]]:
    """What the policy asks for this tier and target, or why nobody can say: then nothing is allowed."""
    if policy is None:
        sentence = "No policy has been published for this unit or any unit above it."
        return None, [Objection("no_policy", sentence, "The head of model risk can publish one.")]
    if digest(policy.text.encode()) != policy.digest:
        return None, [Objection("policy_altered", f"The text of {policy} is not the one that was published.")]
    if tier is None:
        return None, [Objection("no_tier", "The model has no tier.", "Answer the tiering questionnaire.")]
    try:
        tiers = policy_text.load(policy.text)["tiers"]
    except BadInput as bad:
        return None, [
            Objection("policy_unreadable", f"{policy} can't be read: {bad.sentence}", "Publish a new version.")
        ]
    if gate := tiers.get(f"T{tier}", {}).get(target):
        return gate, []
    sentence = f"{policy} says nothing about tier {tier} in {target}, and what is not named is not allowed."
    return None, [Objection("policy_silent", sentence, "Publish a version that names it.")]


def refuse_unsound(content: Mapping[str, Any], unit: Unit) -> None:
    """What a schema can't see: unknown checks or documents, a role asked twice, nobody independent to approve."""
    known = documents(unit)
    for tier, targets in content["tiers"].items():
        for target, gate in targets.items():
            where = f"tiers.{tier}.{target}"
            for place, name in enumerate(gate["documents"]):
                if name not in known:
                    at = f"{where}.documents[{place}]"
                    raise BadInput(f"{at}: “{name}” is no inventory field or card section here.", where=at)
            for place, rule in enumerate(gate["evidence"]):
                if rule["check"] not in checks.ALL:
                    at = f"{where}.evidence[{place}].check"
                    raise BadInput(
                        f"{at}: there is no check “{rule['check']}”; there are {', '.join(checks.ALL)}.", where=at
                    )
            _refuse_unsound_signatures(gate["signatures"], f"{where}.signatures")


def _refuse_unsound_signatures(signatures: list[dict[str, str]], where: str) -> None:
    roles = [asked["role"] for asked in signatures]
    if twice := {role for role in roles if roles.count(role) > 1}:
        raise BadInput(f"{where}: the role {min(twice)} is asked twice; ask each role once.", where=where)
    if bad := [asked["role"] for asked in signatures if asked["role"] in DEPENDENT and asked["meaning"] in JUDGING]:
        raise BadInput(f"{where}: the {bad[0]} can't review or approve their own model.", where=where)
    if not independent(signatures):
        sentence = "someone beside the validator must review or approve, and neither owner nor developer can"
        raise BadInput(f"{where}: {sentence}.", where=where)


def independent(signatures: list[dict[str, str]]) -> bool:
    """Whether someone judges who is neither owner, developer nor (alone) the validator."""
    judges = {asked["role"] for asked in signatures if asked["meaning"] in JUDGING}
    return bool(judges - {*DEPENDENT, Role.VALIDATOR.value})


def documents(unit: Unit) -> set[str]:
    """Everything a policy of this unit may ask to be filled."""
    fields = {field.name for field in RegisteredModel._meta.concrete_fields} - NOT_DOCUMENTS
    custom = CustomField.objects.filter(unit__path__in=line(unit.path)).values_list("name", flat=True)
    return fields | {f"custom.{name}" for name in custom} | {f"card.{section.key}" for section in SECTIONS}


def _slug(name: str) -> str:
    if (
        not name
        or len(name) > 60
        or not all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in name)
    ):
        raise BadInput("A policy's name has 1 to 60 letters, digits, hyphens or underscores.", where="name")
    return name
