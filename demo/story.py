"""The story of the first run, told through the same functions that people use.

A retail bank's credit scorecard on real data goes all the way to production; its gradient-boosted challenger waits for
signatures; around them, 3,611 public records of the US federal AI inventory.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from django.core.files import File
from django.utils import timezone

from audits import jobs, runs
from demo import train
from demo.people import DOMAIN, PASSWORD, PEOPLE, UNITS, get
from governance import policies, promotion, signoff, tiering
from people import membership
from people.models import Meaning, Unit
from people.roles import Role
from people.signing import Password
from registry import cards, datasets, environments, importing, inventory, mapping, versions
from registry.models import Dataset, Environment, RegisteredModel, Version
from reports import engagements
from trail.actors import SYSTEM

HERE = Path(__file__).parent
FEDERAL = HERE / "data" / "us_federal_inventory_2025" / "2025_individually_reported_AI_use_cases.csv"
MAPPING = HERE / "mappings" / "us_federal_inventory_2025.yaml"
TEXTS = yaml.safe_load((HERE / "texts.yaml").read_text())
WHY = "Set up the demo"
THRESHOLD = 0.5
Say = Callable[[str], None]


def tell(say: Say) -> None:
    say("people and units")
    root = open_organisation()
    retail = Unit.objects.get(path="meridian/retail-credit")
    production = open_environments(root)
    policies.publish(unit=root, name="promotion", text=policies.DEFAULT, actor=get("risk"), reason=WHY)
    say("the US federal AI use-case inventory 2025, 3,611 records")
    import_portfolio(root)
    with tempfile.TemporaryDirectory() as folder:
        say("training the scorecard and its challenger on German credit")
        subprocess.run([sys.executable, "-m", "demo.train", folder], check=True, cwd=HERE.parent)
        model, scorecard, holdout = register_scorecard(retail, Path(folder))
        say("checking the scorecard: fairness, explainability, performance, data, drift and robustness")
        check(scorecard, holdout)
        check_further(scorecard, holdout)
        say("signatures and release of the scorecard")
        promote(scorecard, production)
        say("the challenger: registered, checked, waiting for signatures")
        challenger = register_challenger(model, scorecard, Path(folder))
    check(challenger, holdout)
    measure(challenger, holdout, "comparison", {"champion": str(scorecard.pk), "favourable": train.FAVOURABLE})
    waiting = promotion.request(
        version=challenger,
        target=production,
        comment="Same data, same threshold; reads non-linear effects of duration and amount.",
        actor=get("developer"),
        reason="The challenger is ready for review",
    )
    sign(waiting, "owner", Role.OWNER, Meaning.RESPONSIBILITY, "I answer for the use of the challenger.")
    say("internal audit’s visit: a sample by lot, a request and its answer")
    visit(root, model)


def open_organisation() -> Unit:
    root = membership.open_unit(name="Meridian", parent=None, actor=SYSTEM, reason=WHY)
    for name in UNITS:
        membership.open_unit(name=name, parent=root, actor=SYSTEM, reason=WHY)
    units = {unit.path: unit for unit in Unit.objects.all()}
    for person in PEOPLE:
        user = membership.add_user(
            email=f"{person.login}@{DOMAIN}",
            name=person.name,
            unit=units[person.home],
            password=PASSWORD,
            actor=SYSTEM,
            reason=WHY,
        )
        membership.grant(user=user, role=person.role, unit=units[person.at], actor=SYSTEM, reason=WHY)
    return root


def open_environments(root: Unit) -> Environment:
    for slug in ("staging", "production"):
        environment = environments.open_environment(
            unit=root, slug=slug, name=slug.capitalize(), actor=SYSTEM, reason=WHY
        )
    return environment


def import_portfolio(root: Unit) -> None:
    unit = membership.open_unit(name="US Federal AI Inventory 2025", parent=root, actor=SYSTEM, reason=WHY)
    report = importing.import_models(
        path=FEDERAL,
        mapping=mapping.load(MAPPING),
        unit=unit,
        dry_run=False,
        actor=SYSTEM,
        reason="Public record, imported whole",
    )
    if report.refused:
        raise RuntimeError(
            f"{len(report.refused)} rows of the federal inventory were refused; the first: {report.refused[0]}"
        )


def register_scorecard(retail: Unit, folder: Path) -> tuple[RegisteredModel, Version, Dataset]:
    owner, developer = get("owner"), get("developer")
    fields: dict[str, Any] = TEXTS["model"] | {"owner": owner, "developer": developer}
    model = inventory.register(
        unit=retail,
        name="German credit scorecard",
        fields=fields,
        actor=owner,
        reason="A new scorecard for instalment loans",
    )
    answers = TEXTS["tiering"]
    tiering.assess(model=model, answers=answers, actor=owner, reason="First assessment, before development ends")
    training = upload(retail, folder / "german_credit_train.csv", "German credit, training rows")
    holdout = upload(retail, folder / "german_credit_holdout.csv", "German credit, held-out rows")
    with (folder / "scorecard.skops").open("rb") as file:
        scorecard = versions.register(
            model=model,
            artifact=File(file),
            file_name="scorecard.skops",
            label="1.0",
            notes="Logistic regression on one-hot attributes.",
            facts={"algorithm": "logistic regression", "C": "0.2", "seed": train.SEED},
            trained_on=[training],
            actor=developer,
            reason="First version, ready for checks",
        )
    document(scorecard, "scorecard")
    return model, scorecard, holdout


def register_challenger(model: RegisteredModel, scorecard: Version, folder: Path) -> Version:
    training = Dataset.objects.get(name="German credit, training rows")
    with (folder / "challenger.json").open("rb") as file:
        challenger = versions.register(
            model=model,
            artifact=File(file),
            file_name="challenger.json",
            label="2.0 challenger",
            notes="120 boosted trees of depth 3 on the same rows.",
            facts={
                "algorithm": "gradient boosting",
                "trees": 120,
                "depth": 3,
                "seed": train.SEED,
                "labels": ["bad", "good"],
            },
            trained_on=[training],
            derived_from=scorecard,
            actor=get("developer"),
            reason="A challenger to the scorecard in use",
        )
    document(challenger, "challenger")
    return challenger


def document(version: Version, which: str) -> None:
    for section, text in (TEXTS["card"] | TEXTS[f"card_{which}"]).items():
        cards.write_section(version=version, section=section, text=text, actor=get("developer"), reason="Documentation")


def upload(unit: Unit, path: Path, name: str) -> Dataset:
    header = path.read_text().splitlines()[0].split(",")
    roles: dict[str, str | list[str]] = dict.fromkeys(header, "feature")
    roles |= dict.fromkeys(train.SENSITIVE, "sensitive") | {train.TARGET: "target"}
    with path.open("rb") as file:
        return datasets.upload(
            unit=unit,
            name=name,
            file=File(file),
            file_name=path.name,
            roles=roles,
            description=TEXTS["dataset"]["description"],
            licence=TEXTS["dataset"]["licence"],
            actor=get("developer"),
            reason="Data of the German credit study",
        )


def check(version: Version, dataset: Dataset) -> None:
    age = {"age_in_years": {"edges": [25], "right": True}}
    wanted: dict[str, dict[str, Any]] = {
        "fairness": {
            "favourable": train.FAVOURABLE,
            "threshold": THRESHOLD,
            "sensitive": ["sex", "age_in_years"],
            "bins": age,
        },
        "performance": {"favourable": train.FAVOURABLE, "threshold": THRESHOLD},
        "explainability": {"favourable": train.FAVOURABLE, "rows": 150},
    }
    for name, params in wanted.items():
        measure(version, dataset, name, params)


def check_further(version: Version, dataset: Dataset) -> None:
    """What the policy doesn't ask for and a validator looks at all the same."""
    training = str(Dataset.objects.get(name="German credit, training rows").pk)
    measure(version, dataset, "data_quality", {"training": training})
    measure(version, dataset, "drift", {"reference": training})
    measure(version, dataset, "robustness", {"favourable": train.FAVOURABLE})


def measure(version: Version, dataset: Dataset, check: str, params: dict[str, Any]) -> None:
    run = runs.request(
        version=version,
        check=check,
        dataset=dataset,
        params=params,
        actor=get("validator"),
        reason="Evidence for the promotion to production",
    )
    jobs.work(run.job_id)
    run.job.refresh_from_db()
    if run.job.status != "succeeded":
        raise RuntimeError(f"The check {check} of {version} did not succeed: {run.job.error}")


def promote(version: Version, production: Environment) -> None:
    asked = promotion.request(
        version=version,
        target=production,
        comment="Replaces the manual scoring sheet.",
        actor=get("developer"),
        reason="Ready for production",
    )
    sign(asked, "owner", Role.OWNER, Meaning.RESPONSIBILITY, "Use as described in the card.")
    sign(asked, "validator", Role.VALIDATOR, Meaning.REVIEW, "Checks repeated on the held-out rows.")
    sign(asked, "risk", Role.HEAD_OF_MODEL_RISK, Meaning.APPROVAL, "Approved for instalment loans up to DM 20,000.")
    promotion.release(promotion=asked, actor=get("owner"), reason="All requirements are met")


def visit(root: Unit, model: RegisteredModel) -> None:
    auditor = get("auditor")
    opened = engagements.open_engagement(
        title="Model risk review 2026",
        unit=root,
        auditor=auditor,
        ends_at=timezone.now() + timedelta(days=60),
        actor=get("admin"),
        reason="In the audit plan",
    )
    engagements.draw(engagement=opened, size=5, seed="2026-Q4", actor=auditor, reason="The plan asks for five models")
    asked = engagements.ask(
        engagement=opened, text="Who decided on the threshold of 0.5, and when?", model=model, actor=auditor
    )
    engagements.answer(
        asked=asked, text="The credit committee; the scorecard’s card says why.", actor=get("compliance")
    )
    engagements.ask(engagement=opened, text="Complaints about declined applications.", model=None, actor=auditor)


def sign(asked: Any, login: str, role: Role, meaning: Meaning, comment: str) -> None:
    signoff.sign(
        promotion=asked, role=role, meaning=meaning, credential=Password(PASSWORD), comment=comment, actor=get(login)
    )
