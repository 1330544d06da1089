from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from audits import jobs, runs
from audits.models import Run
from people.models import User
from people.signing import Password
from tests.personas import PASSWORD, WHY

# the scorecard's classes are False and True; the file says bad and good
LABELS = {"labels": ["bad", "good"]}


@pytest.fixture
def measured(version: Any, dataset: Any, developer: User) -> Callable[..., Run]:
    """`measured(check, **params)`: a real run of the version on German credit, done."""

    def run(check: str, **params: Any) -> Run:
        asked = runs.request(
            version=version, check=check, dataset=dataset, params=params | LABELS, actor=developer, reason=WHY
        )
        assert jobs.work(asked.job_id)
        asked.refresh_from_db()
        asked.job.refresh_from_db()
        assert asked.job.status == "succeeded", asked.job.error
        return asked

    return run


@pytest.fixture
def fairness(measured: Callable[..., Run]) -> Run:
    return measured("fairness", bins={"age_in_years": [25, 40]})


@pytest.fixture
def performance(measured: Callable[..., Run]) -> Run:
    return measured("performance")


@pytest.fixture
def explainability(measured: Callable[..., Run]) -> Run:
    return measured("explainability", rows=20, background=20)


POLICY = """\
title: What a test asks
effective_from: "2026-01-01"
sources: []
tiers:
  T3:
    staging:
      artifact: optional
      evidence:
        - check: performance
          max_age_days: 30
      documents: [owner]
      signatures:
        - {role: owner, meaning: responsibility}
        - {role: head_of_model_risk, meaning: approval}
      expires_months: 6
    production:
      evidence:
        - check: performance
          max_age_days: 30
          thresholds:
            - measure: "auc.value"
              min: 0.5
              why: "Better than a coin."
              source: {text: "House number.", status: "house default", verified_on: "2026-01-01"}
      documents: [owner, purpose]
      signatures:
        - {role: owner, meaning: responsibility}
        - {role: validator, meaning: review}
        - {role: head_of_model_risk, meaning: approval}
      expires_months: 12
"""


@pytest.fixture
def policy(bank: Any, risk_officer: User) -> Any:
    from governance import policies

    return policies.publish(unit=bank.root, name="house", text=POLICY, actor=risk_officer, reason=WHY)


@pytest.fixture
def tiered(model: Any, owner: User) -> Any:
    from governance import tiering

    answers = {question.id: False if question.floor else 2 for question in tiering.scheme().questions}
    tiering.assess(model=model, answers=answers, actor=owner, reason=WHY)
    model.refresh_from_db()
    assert model.tier == 3
    return model


@pytest.fixture
def ready(tiered: Any, policy: Any, performance: Run) -> None:
    """The version's model is tiered, a policy is in force, and the check it asks for is done."""


@pytest.fixture
def promotion(version: Any, ready: None, environment: Any, developer: User) -> Any:
    from governance import promotion

    return promotion.request(version=version, target=environment, comment="Ready.", actor=developer, reason=WHY)


@pytest.fixture
def released(promotion: Any, owner: User, validator: User, risk_officer: User) -> Any:
    from governance import promotion as promotions
    from governance import signoff

    signed = [
        (owner, "owner", "responsibility"),
        (validator, "validator", "review"),
        (risk_officer, "head_of_model_risk", "approval"),
    ]
    for signer, role, meaning in signed:
        signoff.sign(
            promotion=promotion,
            role=role,
            meaning=meaning,
            credential=Password(PASSWORD),
            comment=f"Seen by {signer.name}.",
            actor=signer,
        )
    return promotions.release(promotion=promotion, actor=owner, reason="Everything is met")


@pytest.fixture
def built() -> Callable[..., Any]:
    """`built(version or versions, actor)`: an evidence pack, asked for and built by a worker."""
    from reports import packs

    def build(version: Any, actor: User, **asked: Any) -> Any:
        versions = version if isinstance(version, list) else [version]
        pack = packs.request(versions=versions, actor=actor, reason=WHY, **asked)
        jobs.work(pack.job_id)
        pack.refresh_from_db()
        pack.job.refresh_from_db()
        return pack

    return build
