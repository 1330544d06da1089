"""A model on its way to production: what every test of the gate starts from, through the functions people use.

Only the runs are made here instead of by a worker: their results are canonical records like any other.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from audits.events import Event
from audits.models import Job, Run
from governance import policies, promotion, signoff, tiering
from governance.models import Policy, Promotion
from people.models import Meaning, Unit, User
from people.roles import Role
from people.signing import Password
from registry import datasets, environments, inventory, versions
from registry.models import Dataset, Environment, RegisteredModel, Version
from tests.personas import PASSWORD, WHY
from trail.actors import SYSTEM
from trail.canonical import canonical_result, digest
from trail.record import recording

TIER_2 = {
    "exposure": 2, "purpose": 3, "data": 2, "methodology": 1, "implementation": 1, "extent_of_use": 2, "opacity": 2,
    "annex_iii_high_risk": True, "aedt": False, "covered_admt": False, "consumer_credit_decision": True,
    "financial_statements": False, "regulatory_capital": False, "fully_automated_decision": False,
}  # fmt: skip
FIELDS = {
    "purpose": "Supports decisions on instalment loans.",
    "data_sources": "German credit, UCI.",
    "limitations": "One bank, 1973 to 1975.",
}
ASKED = {
    Role.OWNER: Meaning.RESPONSIBILITY,
    Role.VALIDATOR: Meaning.REVIEW,
    Role.HEAD_OF_MODEL_RISK: Meaning.APPROVAL,
}


def ratio(value: float | None, *attributes: str) -> dict[str, Any]:
    return {"metric": "selection_rate", "kind": "ratio", "attributes": list(attributes), "value": value}


RESULTS: dict[str, dict[str, Any]] = {
    "fairness": {"groups": [], "disparities": [ratio(0.91, "sex")], "excluded": []},
    "explainability": {"importance": []},
    "performance": {"auc": {"value": 0.78, "low": 0.72, "high": 0.83}},
}
PARAMS: dict[str, dict[str, Any]] = {
    "fairness": {"target": "good", "favourable": "yes", "threshold": 0.5, "sensitive": ["sex"], "min_group": 2},
    "explainability": {"target": "good", "favourable": "yes"},
    "performance": {"target": "good", "favourable": "yes", "threshold": 0.5},
}


@dataclass
class Story:
    people: dict[Role, User]
    developer: User
    unit: Unit
    model: RegisteredModel
    version: Version
    training: Dataset
    holdout: Dataset
    production: Environment
    policy: Policy

    @property
    def owner(self) -> User:
        return self.people[Role.OWNER]

    @property
    def head(self) -> User:
        return self.people[Role.HEAD_OF_MODEL_RISK]

    @property
    def validator(self) -> User:
        return self.people[Role.VALIDATOR]

    def measure(self, *checks: str, **changed: Any) -> None:
        for check in checks or RESULTS:
            run(self.version, check, self.holdout, by=self.validator, **changed)

    def request(self, target: Environment | None = None) -> Promotion:
        return promotion.request(
            version=self.version, target=target or self.production, comment="Ready", actor=self.developer, reason=WHY
        )

    def sign(self, asked: Promotion, role: Role, **changed: Any) -> Any:
        given = {
            "meaning": ASKED[role],
            "credential": Password(PASSWORD),
            "comment": "Seen",
            "actor": self.people[role],
        } | changed
        return signoff.sign(promotion=asked, role=role, **given)

    def sign_all(self, asked: Promotion) -> None:
        for role in ASKED:
            self.sign(asked, role)

    def released(self) -> Promotion:
        self.measure()
        asked = self.request()
        self.sign_all(asked)
        return promotion.release(promotion=asked, actor=self.owner, reason=WHY)

    def publish(self, text: str) -> Policy:
        return policies.publish(unit=self.unit.parent, name="promotion", text=text, actor=self.head, reason=WHY)

    def next_version(self, artifact: bytes) -> Version:
        self.version = add_version(self.model, artifact, self.training, self.developer)
        return self.version


def run(
    version: Version,
    check: str,
    dataset: Dataset,
    *,
    by: User,
    result: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
    source: dict[str, Any] | None = None,
    days_ago: float = 0,
    status: str = "succeeded",
) -> Run:
    """A run as the worker leaves it."""
    done = status == "succeeded"
    found = (result or RESULTS[check]) | {"source": source or {"kind": "artifact", "digest": version.digest}}
    with recording(Event.RUN_SUCCEEDED if done else Event.RUN_REQUESTED, actor=by, reason=WHY) as entry:
        made = Run(
            version=version,
            check_name=check,
            check_version="1",
            dataset=dataset,
            params=PARAMS[check] | (params or {}),
            job=Job.objects.create(kind="run", status=status, error="" if done else "It broke."),
            requested_by=by,
            finished_at=timezone.now() - timedelta(days=days_ago) if done else None,
        )
        if done:
            made.record = canonical_result({"run": _stated(made), "result": found})
            made.result_digest = digest(made.record)
        entry.about = entry.create(made)
        entry.facts = {"check": check, "result_digest": made.result_digest}
    return made


def _stated(made: Run) -> dict[str, Any]:
    return {
        "id": str(made.pk),
        "check": made.check_name,
        "params": made.params,
        "version": {"id": str(made.version.pk)},
        "dataset": {"id": str(made.dataset.pk)},
        "artifact_digest": made.version.digest,
    }


def table(unit: Unit, name: str, rows: str, by: User) -> Dataset:
    roles = {"age": "feature", "sex": "sensitive", "good": "target"}
    file = io.BytesIO(f"age,sex,good\n{rows}".encode())
    return datasets.upload(unit=unit, name=name, file=file, file_name="data.csv", roles=roles, actor=by, reason=WHY)


def add_version(model: RegisteredModel, artifact: bytes, training: Dataset, by: User) -> Version:
    return versions.register(
        model=model,
        artifact=io.BytesIO(artifact) if artifact else None,
        file_name="scorecard.skops" if artifact else "",
        trained_on=[training],
        actor=by,
        reason=WHY,
    )


def begin(bank: Any, people: dict[Role, User], developer: User, artifact: bytes) -> Story:
    owner = people[Role.OWNER]
    policy = policies.publish(
        unit=bank.root, name="promotion", text=policies.DEFAULT, actor=people[Role.HEAD_OF_MODEL_RISK], reason=WHY
    )
    fields = FIELDS | {"owner": owner, "developer": developer}
    model = inventory.register(unit=bank.retail, name="Scorecard", fields=fields, actor=owner, reason=WHY)
    tiering.assess(model=model, answers=TIER_2, actor=owner, reason=WHY)
    training = table(bank.retail, "Training rows", "30,male,yes\n40,female,no\n", developer)
    holdout = table(bank.retail, "Held-out rows", "31,male,yes\n41,female,no\n", developer)
    production = environments.open_environment(
        unit=bank.root, slug="production", name="Production", actor=SYSTEM, reason=WHY
    )
    version = add_version(model, artifact, training, developer)
    return Story(people, developer, bank.retail, model, version, training, holdout, production, policy)
