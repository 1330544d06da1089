"""As of a past moment: what was seen then is what is shown now, whatever happened since."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from audits import jobs, leases, runs
from audits.models import Run
from governance import promotion, signoff
from people.models import Meaning, User
from people.roles import Role
from people.signing import Password
from registry import cards, inventory
from registry.models import Dataset, Environment, RegisteredModel, Version
from reports import packs
from tests.personas import PASSWORD, WHY
from tests.reports import conftest as reports
from trail import guard, past

LABELS, tiered, policy = reports.LABELS, reports.tiered, reports.policy
SIGNS = {
    Role.OWNER: Meaning.RESPONSIBILITY,
    Role.VALIDATOR: Meaning.REVIEW,
    Role.HEAD_OF_MODEL_RISK: Meaning.APPROVAL,
}
# what a page holds that is about the reader or the clock, not about what is shown
VARYING: list[tuple[str, Any]] = [
    (r'<aside class="messages".*?</aside>', ""),
    (r'<input type="hidden" name="csrfmiddlewaretoken" value="\w+">', ""),
    (r"as_of=[^\"&]+(?:&amp;)?", ""),
    (r'href="\?"', 'href=""'),
    (r"just then", "just now"),
    (r"(minutes?|hours?) before\b", r"\1 ago"),
    (r"of a log of \d+ entries", ""),
    # what would be signed says when it was shown
    (r'<div class="stack" id="statement".*?(?=<form class="form" id="sign-form")', ""),
    # names in a JSON field, which images sort
    (r"(?<=<tbody>).*?(?=</tbody>)", lambda rows: "".join(sorted(rows[0].split("<tr>")))),
    # what a worker left on its job's row, which is in no entry
    (r"<div><dt>Computing</dt>.*?</dd></div>", ""),
    (r"<div>\s*<dt>(?:Took|Attempts?)</dt>\s*<dd>[^<]*</dd>\s*</div>", ""),
]
# of the addresses, as many are read at each step
SOME = 10
OPERATIONAL = {"attempts", "used", "remaining_seconds", "progress", "started_at", "duration", "finished_at"}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def past_root(settings: Any, tmp_path: Any) -> Any:
    settings.PAST_ROOT = tmp_path / "past"
    return settings.PAST_ROOT


@dataclass
class Life:
    """A version from its first run to its release, and what came after it."""

    version: Version
    dataset: Dataset
    target: Environment
    people: dict[Role, User]
    developer: User

    def steps(self) -> Iterator[str]:
        performance = self.asked("performance")
        yield "a run waits"
        jobs.work(performance.job_id)
        yield "it is done"
        fairness = self.asked("fairness", bins={"age_in_years": [25, 40]})
        runs.cancel(run=fairness, actor=self.developer, reason=WHY)
        yield "another is cancelled"
        runs.retry(run=fairness, actor=self.developer, reason=WHY)
        yield "and asked for again"
        promoted = promotion.request(
            version=self.version, target=self.target, comment="Ready", actor=self.developer, reason=WHY
        )
        yield "a promotion"
        for role, meaning in SIGNS.items():
            signer, credential = self.people[role], Password(PASSWORD)
            signoff.sign(
                promotion=promoted, role=role, meaning=meaning, credential=credential, comment="Seen", actor=signer
            )
            yield f"signed by the {role.label}"
        owner, model = self.people[Role.OWNER], self.version.model
        promotion.release(promotion=promoted, actor=owner, reason=WHY)
        yield "released"
        inventory.update(model=model, fields={"purpose": "Something else."}, actor=owner, reason=WHY)
        cards.write_section(version=self.version, section="factors", text="Age.", actor=self.developer, reason=WHY)
        yield "described anew"
        inventory.register(unit=model.unit, name="Board report", fields={}, actor=owner, reason=WHY)
        pack = packs.request(versions=[self.version], actor=owner, reason=WHY)
        yield "another model, and a pack waits"
        lease = leases.claim(pack.job_id)
        assert lease is not None
        packs.failed(lease, "The disk is full.")
        promotion.retire(version=self.version, actor=owner, reason=WHY)
        yield "the pack failed, and the version is retired"

    def asked(self, check: str, **params: Any) -> Run:
        given = params | LABELS
        return runs.request(
            version=self.version, check=check, dataset=self.dataset, params=given, actor=self.developer, reason=WHY
        )

    def addresses(self) -> list[str]:
        """Lists with filters, pages, dossiers and cards of what the life is about, pages and API."""
        version, slug = self.version.pk, self.version.model.slug
        both = [
            "models/", "models/?tier=3", f"models/{slug}/", f"versions/{version}/", "promotions/?status=open",
            "runs/?status=succeeded", "datasets/",
            *[f"promotions/{each.pk}/" for each in self.version.promotions.all()],
            *[f"runs/{each.pk}/" for each in self.version.runs.all()],
        ]  # fmt: skip
        return [
            *[f"/{each}" for each in both], "/", "/people/", f"/versions/{version}/card/",
            f"/versions/{version}/packs/",
            *[f"/api/v1/{each}" for each in both], "/api/v1/models/?q=board&limit=1", "/api/v1/lineage/",
            "/api/v1/packs/", "/api/v1/users/", "/api/v1/trail/?limit=5", "/api/v1/trail/?type=governance",
            # its download is itself an entry, so the card comes last
            f"/api/v1/versions/{version}/card.json",
        ]  # fmt: skip


class Reader:
    """Someone who reads pages and API."""

    def __init__(self, user: User, api: Callable[..., APIClient], page: Callable[[User], Client]) -> None:
        self.clients = {True: api(user), False: page(user)}

    def get(self, address: str, at: datetime | None = None) -> Any:
        path, _, query = address.partition("?")
        data = dict(pair.split("=") for pair in query.split("&") if pair)
        return self.clients[address.startswith("/api/")].get(path, data | ({"as_of": at.isoformat()} if at else {}))


def shown(answer: Any) -> Any:
    """What an answer says, without what varies from one reading to the next."""
    said = [answer.status_code, answer["Content-Type"]]
    if "json" in answer["Content-Type"]:
        return [*said, settled(json.loads(answer.content))]
    text = answer.content.decode()
    text = text[max(text.find("<main"), 0) :].partition("</main>")[0]
    for pattern, instead in VARYING:
        text = re.sub(pattern, instead, text, flags=re.DOTALL)
    return [*said, [line.strip() for line in text.splitlines() if line.strip()]]


def settled(value: Any, name: str = "") -> Any:
    match value:
        case dict():
            return {key: settled(each, key) for key, each in value.items() if key not in OPERATIONAL}
        case list():
            return [settled(each) for each in value]
        case str() if name in {"next", "previous"}:
            return re.sub(r"as_of=[^&]+&?", "", value)
    return value


@pytest.fixture
def life(
    tiered: RegisteredModel,
    version: Version,
    dataset: Dataset,
    policy: Any,
    environment: Environment,
    developer: User,
    owner: User,
    validator: User,
    risk_officer: User,
) -> Life:
    people = {Role.OWNER: owner, Role.VALIDATOR: validator, Role.HEAD_OF_MODEL_RISK: risk_officer}
    return Life(version, dataset, environment, people, developer)


def test_what_was_seen_at_each_step_is_what_is_shown_of_it(
    life: Life, administrator: User, api: Callable[..., APIClient], page: Callable[[User], Client]
) -> None:
    reader, chance, seen = Reader(administrator, api, page), random.Random(3), []
    for step in life.steps():
        moment, found = timezone.now(), life.addresses()
        some = sorted(chance.sample(range(len(found)), SOME))
        seen.append((step, moment, {found[place]: shown(reader.get(found[place])) for place in some}))
    chance.shuffle(seen)
    wrong = [
        f"{address} as of “{step}”"
        for step, moment, before in seen
        for address, said in before.items()
        if shown(reader.get(address, moment)) != said
    ]
    assert not wrong, "\n".join(wrong)


def test_a_result_that_was_altered_since_is_neither_shown_nor_packed(
    life: Life, owner: User, page: Callable[[User], Client]
) -> None:
    """The trail holds its digest alone, and the live bytes no longer fit it."""
    run = life.asked("performance")
    jobs.work(run.job_id)
    at = timezone.now()
    reader = page(owner)
    with past.as_of(at):
        assert Run.objects.get(pk=run.pk).record == Run.objects.using("default").get(pk=run.pk).record
    with guard.opened():
        Run.objects.filter(pk=run.pk).update(record=b'{"run": {}, "result": {"auc": {"value": 1}}}')
    with past.as_of(at):
        seen = Run.objects.get(pk=run.pk)
        assert (bytes(seen.record), seen.result_digest) == (b"", Run.objects.using("default").get().result_digest)
    for address in (f"/versions/{life.version.pk}/", f"/runs/{run.pk}/", f"/versions/{life.version.pk}/card/"):
        answer = reader.get(address, {"as_of": at.isoformat()})
        assert answer.status_code == 200, address
        assert "1 content of which the trail holds only the digest is no longer there" in answer.content.decode()
    pack = packs.request(versions=[life.version], actor=owner, reason=WHY, as_of=at)
    jobs.work(pack.job_id)
    pack.job.refresh_from_db()
    assert pack.job.status == "failed"
    assert pack.job.error.startswith(f"No longer there as the trail recorded it: audits.run {run.pk} record.")
