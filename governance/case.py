"""Everything a promotion is judged by, read afresh and once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet

from audits.models import Job, Run
from governance import policies
from governance.models import Policy, Promotion, TierAssessment
from governance.policies import Gate
from people.models import Unit
from registry.models import Dataset, Lineage, RegisteredModel, Version
from trail.canonical import canonical_result, digest
from trail.errors import Objection


@dataclass(frozen=True)
class Case:
    promotion: Promotion
    version: Version
    model: RegisteredModel
    unit: Unit
    assessment: TierAssessment | None
    policy: Policy | None
    # what the policy asks; without it nothing is allowed, and `standing` says why
    gate: Gate | None
    standing: list[Objection]
    # the run each evidence rule of the gate relies on, in its order
    runs: list[Run | None]
    trained_on: list[Dataset]

    @property
    def target(self) -> str:
        return self.promotion.target.slug

    @property
    def rules(self) -> list[dict[str, Any]]:
        return list(self.gate["evidence"]) if self.gate else []


def read(promotion: Promotion, *, lock: bool = False) -> Case:
    """The promotion as the database has it now. Locks model, version and promotion, in this order, if asked to."""
    if lock:
        version_id = promotion.version_id
        _lock(RegisteredModel.objects.filter(versions=version_id))
        _lock(Version.objects.filter(pk=version_id))
        _lock(Promotion.objects.filter(pk=promotion.pk))
    joined = "version__model__unit", "version__artifact", "version__created_by", "target", "requested_by"
    promotion = Promotion.objects.select_related(*joined).get(pk=promotion.pk)
    version = promotion.version
    model = version.model
    policy = policies.applicable(version)
    gate, standing = policies.gate_of(policy, tier=model.tier, target=promotion.target.slug)
    return Case(
        promotion=promotion,
        version=version,
        model=model,
        unit=model.unit,
        assessment=model.tier_assessments.select_related("assessed_by").first(),
        policy=policy,
        gate=gate,
        standing=standing,
        runs=[chosen(version, rule) for rule in (gate["evidence"] if gate else [])],
        trained_on=[
            edge.from_dataset
            for edge in version.sources.filter(kind=Lineage.Kind.TRAINED_ON).select_related("from_dataset")
            if edge.from_dataset
        ],
    )


def chosen(version: Version, rule: dict[str, Any]) -> Run | None:
    """The newest run that counts: an older one that came out better can't be picked instead."""
    runs = version.runs.filter(check_name=rule["check"], job__status=Job.Status.SUCCEEDED)
    ordered = runs.select_related("dataset").order_by("-finished_at", "-requested_at")
    return next((run for run in ordered.defer("record") if fits(run, rule)), None)


def fits(run: Run, rule: dict[str, Any]) -> bool:
    return all(_holds(run.params.get(name), wanted) for name, wanted in rule.get("where", {}).items())


def _holds(given: Any, wanted: Any) -> bool:
    if isinstance(given, list):
        return set(wanted if isinstance(wanted, list) else [wanted]) <= set(given)
    return bool(given == wanted)


def documents(case: Case) -> dict[str, str]:
    """Each document the policy asks for, as text; empty if there is none."""
    sections = dict(case.version.card_sections.values_list("section", "text"))
    return {name: document(case.model, sections, name) for name in (case.gate or {"documents": []})["documents"]}


def document(model: RegisteredModel, sections: dict[str, str], name: str) -> str:
    """An inventory field, a custom field or a card section, as text. “Not stated” is not a statement."""
    kind, _, rest = name.rpartition(".")
    if kind == "card":
        return sections.get(rest, "").strip()
    value = model.custom.get(rest) if kind == "custom" else getattr(model, name, None)
    if isinstance(value, Model):
        return str(value.pk)
    return "" if value is None or value == "unknown" else str(value).strip()


def documents_digest(case: Case) -> str:
    """Over every section of the card, asked for or not, and the fields the policy asks for."""
    sections = {section.section: section.text for section in _sections(case.version)}
    return digest(canonical_result({"card": sections, "fields": documents(case)}))


def _sections(version: Version) -> QuerySet[Any]:
    return version.card_sections.order_by("section")


def _lock(rows: QuerySet[Any]) -> None:
    list(rows.select_for_update(of=("self",)).order_by("pk").only("pk"))
