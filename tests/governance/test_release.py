from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from governance import gates, promotion
from governance.models import GateEvaluation, Promotion
from people import membership
from people.roles import Role
from registry import environments
from registry.models import Deployment
from registry.stages import Stage
from tests.governance.story import Story
from tests.personas import WHY
from trail import keys
from trail.actors import SYSTEM
from trail.errors import Refused
from trail.models import Entry

pytestmark = pytest.mark.django_db


def codes(refused: Any) -> set[str]:
    return {objection.code for objection in refused.value.objections}


def test_a_new_promotion_is_blocked_by_default(story: Story) -> None:
    asked = story.request()
    found = {objection.code for objection in gates.objections(asked)}
    assert found == {"evidence_missing", "signature_missing"}
    with pytest.raises(Refused):
        promotion.release(promotion=asked, actor=story.owner, reason=WHY)
    asked.refresh_from_db()
    story.version.refresh_from_db()
    assert asked.is_open
    assert story.version.stage == Stage.DEVELOPMENT
    assert not Deployment.objects.exists()
    assert GateEvaluation.objects.get().decision == "blocked"
    assert Entry.objects.filter(type="trail.attempt.refused", subject_id=str(asked.pk)).count() == 1


def test_everything_met_releases(story: Story) -> None:
    story.measure()
    asked = story.request()
    story.sign_all(asked)
    assert {requirement.verdict for requirement in gates.requirements(asked)} == {"met"}
    assert gates.objections(asked, story.owner) == []
    before = Entry.objects.count()

    done = promotion.release(promotion=asked, actor=story.owner, reason="All is there")

    story.version.refresh_from_db()
    assert story.version.stage == Stage.PRODUCTION
    assert done.status == Promotion.Status.RELEASED
    assert done.policy == story.policy
    assert (done.expires_at.year, done.expires_at.month) == (timezone.now().year + 2, timezone.now().month)
    assert Deployment.objects.get().ended_at is None
    assert Entry.objects.count() == before + 2  # the evaluation, then the release
    entry = Entry.objects.get(type="governance.promotion.released").content
    assert entry["changes"]["stage"] == ["development", "production"]
    assert entry["facts"]["artifact_digest"] == story.version.digest
    assert entry["facts"]["policy"] == story.policy.digest
    assert len(entry["facts"]["signatures"]) == 3
    assert [each.verdict for each in gates.requirements(done)] == ["met"] * len(gates.requirements(done))


def test_the_attestation_verifies_with_a_stock_library(story: Story) -> None:
    done = story.released()
    envelope = Envelope.from_dict(json.loads(done.attestation))
    key = SSlibKey(
        keyid=next(iter(envelope.signatures)),
        keytype="ed25519",
        scheme="ed25519",
        keyval={"public": keys.public_bytes().hex()},
    )
    assert envelope.verify([key], 1)
    statement = json.loads(envelope.payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"][0]["digest"] == {"sha256": story.version.artifact.sha256}
    assert statement["predicateType"] == "https://slsa.dev/verification_summary/v1"
    predicate = statement["predicate"]
    assert predicate["verificationResult"] == "PASSED"
    assert predicate["verifiedLevels"] == ["COUNTERSIGN_TIER_2"]
    assert predicate["policy"]["digest"]["sha256"] == story.policy.digest.removeprefix("sha256:")
    assert len(predicate["inputAttestations"]) == 4  # three runs and the dossier


def test_the_next_release_supersedes_the_one_before(story: Story, scorecard_file: bytes) -> None:
    story.released()
    first = story.version
    story.next_version(scorecard_file)
    story.released()
    first.refresh_from_db()
    assert first.stage == Stage.SUPERSEDED
    live = Deployment.objects.get(ended_at=None)
    assert live.version == story.version
    entry = Entry.objects.filter(type="governance.promotion.released").latest("at").content
    assert [each["version"] for each in entry["facts"]["supersedes"]] == [str(first.pk)]


def test_staging_another_version_leaves_production_alone(story: Story, bank: Any, scorecard_file: bytes) -> None:
    staging = environments.open_environment(unit=bank.root, slug="staging", name="Staging", actor=SYSTEM, reason=WHY)
    story.measure()
    staged = story.request(staging)
    story.sign(staged, Role.OWNER)
    story.sign(staged, Role.HEAD_OF_MODEL_RISK)
    promotion.release(promotion=staged, actor=story.owner, reason=WHY)
    story.version.refresh_from_db()
    assert story.version.stage == Stage.STAGING
    story.released()
    first = story.version

    story.next_version(scorecard_file)
    story.measure()
    staged = story.request(staging)
    story.sign(staged, Role.OWNER)
    story.sign(staged, Role.HEAD_OF_MODEL_RISK)
    promotion.release(promotion=staged, actor=story.owner, reason=WHY)
    first.refresh_from_db()
    assert first.stage == Stage.PRODUCTION
    live = Deployment.objects.filter(ended_at=None)
    assert {(each.version_id, each.environment.slug) for each in live} == {
        (first.pk, "production"),
        (story.version.pk, "staging"),
    }


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VALIDATOR, Role.COMPLIANCE_OFFICER])
def test_who_may_not_release_is_refused_though_all_is_met(story: Story, role: Role) -> None:
    story.measure()
    asked = story.request()
    story.sign_all(asked)
    with pytest.raises(Refused) as refused:
        promotion.release(promotion=asked, actor=story.people[role], reason=WHY)
    assert codes(refused) == {"may_not_release"}


@pytest.mark.parametrize("also", [Role.ADMINISTRATOR, Role.AUDITOR])
def test_who_grants_roles_or_audits_does_not_release_whatever_else_they_hold(story: Story, also: Role) -> None:
    story.measure()
    asked = story.request()
    story.sign_all(asked)
    executive = story.people[Role.ACCOUNTABLE_EXECUTIVE]
    membership.grant(user=executive, role=also, unit=story.unit, actor=SYSTEM, reason=WHY)
    with pytest.raises(Refused) as refused:
        promotion.release(promotion=asked, actor=executive, reason=WHY)
    assert codes(refused) == {f"{also.value}_signs"}


def test_releasing_twice_is_refused(story: Story) -> None:
    done = story.released()
    with pytest.raises(Refused) as refused:
        promotion.release(promotion=done, actor=story.owner, reason=WHY)
    assert codes(refused) == {"not_open"}
    assert Deployment.objects.count() == 1


def test_an_altered_artifact_is_found_at_release(story: Story) -> None:
    story.measure()
    asked = story.request()
    story.sign_all(asked)
    path = Path(default_storage.path(story.version.artifact.path))
    kept = path.read_bytes()
    path.chmod(0o640)
    try:
        path.write_bytes(kept + b"\0")
        with pytest.raises(Refused) as refused:
            promotion.release(promotion=asked, actor=story.owner, reason=WHY)
    finally:
        path.write_bytes(kept)
    assert codes(refused) == {"artifact_changed"}
    assert gates.judge(promotion=asked, actor=story.owner).decision == "allowed"


def test_a_revoked_role_takes_its_signature_along(story: Story) -> None:
    from people import membership
    from people.models import RoleGrant

    story.measure()
    asked = story.request()
    story.sign_all(asked)
    grant = RoleGrant.objects.get(user=story.validator, revoked_at=None)
    membership.revoke(grant=grant, actor=SYSTEM, reason=WHY)
    with pytest.raises(Refused) as refused:
        promotion.release(promotion=asked, actor=story.owner, reason=WHY)
    assert codes(refused) == {"signature_void"}


def test_a_signer_who_becomes_the_developer_counts_no_more(story: Story) -> None:
    from registry import inventory

    story.measure()
    asked = story.request()
    story.sign_all(asked)
    inventory.update(model=story.model, fields={"developer": story.validator}, actor=story.owner, reason=WHY)
    found = {objection.code for objection in gates.objections(asked)}
    assert {"signature_stale"} <= found


@pytest.mark.django_db(transaction=True)
def test_two_releases_at_once_make_one(story: Story) -> None:
    story.measure()
    asked = story.request()
    story.sign_all(asked)
    start, outcomes = threading.Barrier(2), []

    def release() -> None:
        start.wait()
        try:
            promotion.release(promotion=asked, actor=story.owner, reason=WHY)
            outcomes.append("released")
        except Refused as refused:
            outcomes.append(refused.objections[0].code)
        finally:
            connection.close()

    threads = [threading.Thread(target=release) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["not_open", "released"]
    assert Deployment.objects.count() == 1
    assert Entry.objects.filter(type="governance.promotion.released").count() == 1
    assert not transaction.get_connection().in_atomic_block
