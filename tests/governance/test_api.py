"""The story of a promotion over the API alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from governance import policies
from people.models import User
from people.roles import Role
from tests.governance.story import ASKED, TIER_2, Story
from tests.personas import PASSWORD
from trail.models import Entry

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]


def test_from_request_to_gate(story: Story, api: Api) -> None:
    developer, owner = api(story.developer), api(story.owner)
    question = {"digest": story.version.digest, "target": "production"}
    story.measure()

    asked = developer.post(
        f"/api/v1/versions/{story.version.pk}/promotions/", {"target": "production", "comment": "Go"}
    )
    assert asked.status_code == 201
    url = asked.headers["Location"]
    assert asked.json()["id"] in url
    assert asked.json()["comment"] == "Go"
    assert asked.json()["policy_version"] == "promotion v1"
    assert {each["code"] for each in asked.json()["objections"]} == {"signature_missing"}

    blocked = developer.post("/api/v1/gates/evaluate/", question).json()
    assert blocked["decision"] == "blocked"
    assert {each["code"] for each in blocked["reasons"]} == {"not_released", "signature_missing"}
    assert blocked["attestation"] is None

    refused = owner.post(f"{url}release/")
    assert refused.status_code == 409
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert [each["code"] for each in refused.json()["objections"]] == ["signature_missing"] * 3

    for role, meaning in ASKED.items():
        given = {"role": role.value, "meaning": meaning.value, "password": PASSWORD, "comment": "Seen"}
        given["dossier_digest"] = asked.json()["dossier_digest"]
        signed = api(story.people[role]).post(f"{url}signatures/", given)
        assert signed.status_code == 201, signed.json()
        assert signed.json()["dossier_digest"] == asked.json()["dossier_digest"]

    released = owner.post(f"{url}release/")
    assert released.status_code == 200, released.json()
    shown = released.json()
    assert shown["status"] == "released"
    assert shown["objections"] == []
    assert {each["verdict"] for each in shown["requirements"]} == {"met"}
    assert [each["counts"] for each in shown["signatures"]] == [True] * 3

    allowed = developer.post("/api/v1/gates/evaluate/", question).json()
    assert allowed["decision"] == "allowed"
    assert allowed["reasons"] == []
    assert allowed["attestation"] == shown["attestation"]
    assert allowed["policy_version"] == "promotion v1"

    gone = owner.post(f"/api/v1/versions/{story.version.pk}/retire/", {"reason": "Replaced by a new product"})
    assert gone.json()["stage"] == "retired"
    after = developer.post("/api/v1/gates/evaluate/", question).json()
    assert after["decision"] == "blocked"
    assert {each["code"] for each in after["reasons"]} == {"stage_retired", "deployment_ended"}


def test_the_developers_own_signature_is_refused_and_recorded(story: Story, api: Api) -> None:
    story.measure()
    asked = story.request()
    given = {"role": "validator", "meaning": "review", "password": PASSWORD}
    answer = api(story.developer).post(f"/api/v1/promotions/{asked.pk}/signatures/", given)
    assert answer.status_code == 409
    assert {"role_not_held", "developer_validates"} <= {each["code"] for each in answer.json()["objections"]}
    entry = Entry.objects.get(type="trail.attempt.refused")
    assert entry.actor_id == str(story.developer.pk)
    assert entry.content["facts"]["attempted"] == "governance.signature.signed"


def test_reject_and_withdraw_need_a_reason(story: Story, api: Api) -> None:
    asked = story.request()
    url = f"/api/v1/promotions/{asked.pk}/"
    assert api(story.validator).post(f"{url}reject/").status_code == 422
    rejected = api(story.validator).post(f"{url}reject/", {"reason": "The holdout is too small"})
    assert rejected.status_code == 200
    assert rejected.json()["status"] == "rejected"
    again = story.request()
    url = f"/api/v1/promotions/{again.pk}/"
    withdrawn = api(story.developer).post(f"{url}withdraw/", {"reason": "Found a mistake"})
    assert withdrawn.json()["status"] == "withdrawn"
    reasons = {entry.type: entry.reason for entry in Entry.objects.filter(subject_id__in=[asked.pk, again.pk])}
    assert reasons["governance.promotion.rejected"] == "The holdout is too small"
    assert reasons["governance.promotion.withdrawn"] == "Found a mistake"


def test_a_second_open_promotion_conflicts(story: Story, api: Api) -> None:
    story.request()
    url = f"/api/v1/versions/{story.version.pk}/promotions/"
    answer = api(story.developer).post(url, {"target": "production"})
    assert answer.status_code == 409
    assert answer.json()["objections"][0]["code"] == "already_open"
    assert api(story.developer).post(url, {"target": "moon"}).status_code == 422
    assert api(story.developer).post(url, {}).status_code == 422


@pytest.mark.parametrize("verb", ["signatures", "release", "reject", "withdraw"])
def test_scopes_are_asked_for(story: Story, api: Api, verb: str) -> None:
    asked = story.request()
    client = api(story.owner, scopes=("read", "write", "gate"))
    assert client.post(f"/api/v1/promotions/{asked.pk}/{verb}/", {"reason": "x"}).status_code == 403
    ungated = api(story.owner, scopes=("read", "write", "sign"))
    assert ungated.post("/api/v1/gates/evaluate/", {"digest": "x", "target": "y"}).status_code == 403


def test_an_outsider_sees_nothing(story: Story, outsider: User, api: Api) -> None:
    done = story.released()
    client = api(outsider)
    for url in (f"promotions/{done.pk}/", f"policies/{story.policy.pk}/", f"models/{story.model.slug}/tiering/"):
        assert client.get(f"/api/v1/{url}").status_code == 404, url
    for url in (
        f"promotions/{done.pk}/signatures/",
        f"promotions/{done.pk}/release/",
        f"promotions/{done.pk}/reject/",
        f"promotions/{done.pk}/withdraw/",
        f"versions/{story.version.pk}/promotions/",
        f"versions/{story.version.pk}/retire/",
        f"models/{story.model.slug}/tiering/",
    ):
        assert client.post(f"/api/v1/{url}", {"reason": "x"}).status_code == 404, url
    assert client.get("/api/v1/promotions/").json()["count"] == 0
    assert client.get("/api/v1/policies/").json()["count"] == 0
    assert client.get("/api/v1/inbox/").json() == []
    answer = client.post("/api/v1/gates/evaluate/", {"digest": story.version.digest, "target": "production"}).json()
    assert answer["decision"] == "blocked"
    assert [each["code"] for each in answer["reasons"]] == ["unknown_digest"]
    publish = {"name": "promotion", "text": policies.DEFAULT, "unit": "bank"}
    assert client.post("/api/v1/policies/", publish).status_code == 422


def test_tiering_previews_assesses_and_overrides(story: Story, api: Api) -> None:
    url = f"/api/v1/models/{story.model.slug}/tiering/"
    owner, head = api(story.owner), api(story.head)
    shown = owner.get(url).json()
    assert shown["tier"] == 2
    assert len(shown["scheme"]["questions"]) == 7
    before = Entry.objects.count()
    preview = owner.post(url, {"answers": TIER_2 | {"purpose": 4}, "preview": True})
    assert preview.status_code == 200
    assert preview.json()["tier"] == 1
    assert Entry.objects.count() == before
    stricter = head.post(url, {"answers": TIER_2, "override": {"tier": 1, "reason": "New market"}})
    assert stricter.status_code == 201, stricter.json()
    assert (stricter.json()["computed_tier"], stricter.json()["tier"]) == (2, 1)
    assert owner.get(url).json()["tier"] == 1
    missing = owner.post(url, {"answers": {"purpose": 3}})
    assert missing.status_code == 422
    assert missing.json()["errors"][0]["where"] == "exposure"


def test_publishing_a_policy(story: Story, api: Api) -> None:
    given = {
        "name": "promotion",
        "text": policies.DEFAULT + "\n# tightened\n",
        "unit": "bank",
        "reason": "Yearly review",
    }
    assert api(story.owner).post("/api/v1/policies/", given | {"unit": "bank/retail"}).status_code == 409
    made = api(story.head).post("/api/v1/policies/", given)
    assert made.status_code == 201, made.json()
    assert made.json()["version"] == 2
    assert api(story.owner).get(f"/api/v1/policies/{made.json()['id']}/").json()["text"] == given["text"]


@pytest.mark.parametrize("given", ["sha256:abc", "", "md5:" + "0" * 32, 7, None])
def test_a_malformed_digest_is_unprocessable(story: Story, api: Api, given: object) -> None:
    answer = api(story.developer).post("/api/v1/gates/evaluate/", {"digest": given, "target": "production"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "digest"


def test_the_inbox_of_each(story: Story, api: Api) -> None:
    story.measure()
    asked = story.request()

    def kinds(user: User) -> list[tuple[str, bool]]:
        found = api(user).get("/api/v1/inbox/").json()
        return [(each["kind"], not each["objections"]) for each in found if each["promotion"] == str(asked.pk)]

    assert kinds(story.validator) == [("sign", True)]
    assert kinds(story.head) == [("sign", True)]
    assert kinds(story.developer) == []
    story.sign_all(asked)
    assert kinds(story.validator) == []
    assert kinds(story.owner) == [("release", True)]
    story.measure("performance")
    assert kinds(story.developer) == [("stale", True)]
    assert kinds(story.people[Role.HEAD_OF_MODEL_RISK]) == [("sign", True)]
