"""The pages of governance: who sees them, what they show, and how a refusal reads."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from governance import policies, promotion, signoff, waiting
from governance.events import Event
from governance.models import Policy, Promotion
from people.models import Signature, User
from people.roles import Role
from registry.stages import Stage
from tests.governance.story import TIER_2, Story
from tests.personas import PASSWORD, WHY
from trail.canonical import digest
from trail.models import Entry
from trail.record import recording

pytestmark = pytest.mark.django_db

Page = Callable[[User], Client]
FORM = TIER_2 | {name: "yes" if answer else "no" for name, answer in TIER_2.items() if isinstance(answer, bool)}


def text(answer: Any) -> str:
    """What a reader sees: no tags, entities resolved, one space between words."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def part(answer: Any, id_: str) -> str:
    """The source from the element with this id on."""
    source = answer.content.decode()
    assert f'id="{id_}"' in source
    return source.split(f'id="{id_}"', 1)[1]


def url(name: str, *args: Any) -> str:
    return reverse(f"governance:{name}", args=args)


@pytest.fixture
def asked(story: Story) -> Promotion:
    story.measure()
    return story.request()


def addresses(story: Story, asked: Promotion) -> list[str]:
    return [
        url("version-detail", story.version.pk),
        url("promotion-detail", asked.pk),
        url("tiering", story.model.slug),
        url("policy-detail", story.policy.pk),
    ]


def signing(role: Role, asked: Promotion, **changed: Any) -> dict[str, Any]:
    meaning = signoff.asked(signoff.read(asked))[role]
    given = {"role": role.value, "meaning": meaning.value, "password": PASSWORD, "comment": "Seen."}
    return given | {"dossier_digest": signoff.dossier_digest(asked)} | changed


class TestWhoSees:
    def test_everyone_of_the_bank_sees_the_pages(self, story: Story, asked: Promotion, page: Page) -> None:
        for user in story.people.values():
            for address in ("/", url("promotion-list"), url("policy-list"), *addresses(story, asked)):
                answer = page(user).get(address)
                assert answer.status_code == 200, f"{address} as {user}"
                assert "<h1>" in answer.content.decode()

    def test_an_outsider_finds_nothing(self, story: Story, asked: Promotion, outsider: User, page: Page) -> None:
        client = page(outsider)
        for address in addresses(story, asked):
            assert client.get(address).status_code == 404, address
        sent = [
            ("promotion-request", story.version.pk),
            ("version-retire", story.version.pk),
            ("promotion-statement", asked.pk),
            ("promotion-sign", asked.pk),
            ("promotion-release", asked.pk),
            ("promotion-reject", asked.pk),
            ("promotion-withdraw", asked.pk),
            ("tiering", story.model.slug),
            ("tiering-preview", story.model.slug),
        ]
        for name, key in sent:
            assert client.post(url(name, key), {"reason": WHY}).status_code == 404, name
        assert "Scorecard" not in text(client.get(url("promotion-list")))
        assert "Nothing waits for you" in text(client.get("/"))

    def test_acts_are_not_done_by_following_a_link(self, asked: Promotion, story: Story, page: Page) -> None:
        for name in ("sign", "release", "reject", "withdraw"):
            assert page(story.owner).get(url(f"promotion-{name}", asked.pk)).status_code == 405

    def test_a_form_of_another_site_is_refused(self, asked: Promotion, story: Story) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(story.owner, backend="people.backends.EmailBackend")
        answer = client.post(url("promotion-withdraw", asked.pk), {"reason": WHY})
        assert answer.status_code == 403
        asked.refresh_from_db()
        assert asked.is_open


class TestInbox:
    def test_it_asks_for_the_signature_of_each_role(self, story: Story, asked: Promotion, page: Page) -> None:
        shown = text(page(story.validator).get("/"))
        assert "Scorecard v1 to Production" in shown
        assert "Your signature as validator: “I reviewed this”." in shown
        assert waiting.signatures(story.validator) == 1

    def test_what_is_signed_no_longer_waits(self, story: Story, asked: Promotion, page: Page) -> None:
        story.sign(asked, Role.VALIDATOR)
        assert "Nothing waits for you" in text(page(story.validator).get("/"))
        assert waiting.signatures(story.validator) == 0

    def test_a_full_house_of_signatures_waits_for_its_release(self, story: Story, asked: Promotion, page: Page) -> None:
        story.sign_all(asked)
        assert "Ready to release" in text(page(story.owner).get("/"))

    def test_nobody_who_does_not_sign_is_counted(self, story: Story, asked: Promotion, auditor: User) -> None:
        assert waiting.signatures(auditor) == 0
        assert waiting.signatures(story.developer) == 0


class TestDossier:
    def test_it_shows_figures_and_no_verdict(self, story: Story, page: Page) -> None:
        story.measure()
        shown = text(page(story.owner).get(url("version-detail", story.version.pk)))
        assert "AUC 0.780 0.720 to 0.830" in shown
        assert "Selection-rate ratio, sex 0.910" in shown
        assert "Training rows" in shown

    def test_a_failed_newer_run_stands_beside_the_older_result(self, story: Story, page: Page) -> None:
        story.measure("performance")
        story.measure("performance", status="failed")
        shown = text(page(story.owner).get(url("version-detail", story.version.pk)))
        assert "Newest Failed" in shown
        assert "AUC 0.780" in shown

    def test_a_promotion_is_asked_for(self, story: Story, page: Page) -> None:
        sent = {"target": str(story.production.pk), "comment": "Better <on> every group"}
        answer = page(story.developer).post(url("promotion-request", story.version.pk), sent, follow=True)
        made = Promotion.objects.get()
        assert answer.redirect_chain == [(url("promotion-detail", made.pk), 302)]
        assert "Better <on> every group" in text(answer)
        assert "<on>" not in answer.content.decode()

    def test_a_second_request_is_refused_in_place(self, story: Story, asked: Promotion, page: Page) -> None:
        sent = {"target": str(story.production.pk), "comment": "Once more"}
        answer = page(story.developer).post(url("promotion-request", story.version.pk), sent)
        assert answer.status_code == 409
        shown = text(answer)
        assert "Scorecard v1 is being promoted to Production already." in shown
        assert "Once more" in shown  # nothing typed is lost
        assert Promotion.objects.count() == 1

    def test_a_request_without_a_target_says_so(self, story: Story, page: Page) -> None:
        answer = page(story.developer).post(url("promotion-request", story.version.pk), {"comment": "x"})
        assert answer.status_code == 422
        assert "Target" in text(answer)

    def test_the_request_is_greyed_for_who_may_not(self, story: Story, auditor: User, page: Page) -> None:
        source = part(page(auditor).get(url("version-detail", story.version.pk)), "request")
        assert 'aria-disabled="true"' in source
        assert "Ada Auditor (Auditor here) may not request a promotion in this unit." in html.unescape(source)

    def test_retiring_needs_its_reason_and_a_role_that_may(self, story: Story, page: Page) -> None:
        address = url("version-retire", story.version.pk)
        assert page(story.owner).post(address, {"reason": ""}).status_code == 422
        refused = page(story.developer).post(address, {"reason": WHY})
        assert refused.status_code == 409
        assert "may not release" in text(refused)
        assert page(story.owner).post(address, {"reason": "Replaced"}).status_code == 302
        story.version.refresh_from_db()
        assert story.version.stage == Stage.RETIRED
        assert Entry.objects.get(type="governance.version.retired").reason == "Replaced"


class TestPromotion:
    def test_it_shows_every_requirement(self, story: Story, asked: Promotion, page: Page) -> None:
        answer = page(story.owner).get(url("promotion-detail", asked.pk))
        shown = text(answer)
        assert "of 14 met" in shown
        for title in ("Fairness between groups", "Documents", "Lineage", "Validator: I reviewed this"):
            assert title in shown
        assert "The Validator has not signed." in shown
        assert "Ready" in shown  # what the requester said

    def test_following_the_comment_leaves_the_password_out(self, story: Story, asked: Promotion, page: Page) -> None:
        source = page(story.validator).get(url("promotion-detail", asked.pk)).content.decode()
        followed = source.split(f'hx-post="{url("promotion-statement", asked.pk)}"', 1)[1].split("<form", 1)[0]
        assert 'name="comment"' in followed
        assert 'form="sign-form"' in followed
        assert "password" not in followed

    def test_the_statement_shown_is_what_is_signed(self, story: Story, asked: Promotion, page: Page) -> None:
        client = page(story.validator)
        given = {"role": "validator", "comment": "Repeated “on” the file."}
        shown = client.post(url("promotion-statement", asked.pk), given).content.decode()
        canonical = html.unescape(re.findall(r"<pre[^>]*>(.*?)</pre>", shown, re.DOTALL)[1])
        shown_at = re.search(r'name="shown_at" value="([^"]+)"', shown)
        assert shown_at is not None
        sent = signing(Role.VALIDATOR, asked, comment=given["comment"], shown_at=shown_at[1])
        assert client.post(url("promotion-sign", asked.pk), sent).status_code == 302
        signature = Signature.objects.get()
        assert bytes(signature.statement).decode() == canonical
        assert digest(canonical.encode()) == signature.digest
        assert signature.digest in shown

    def test_the_words_hold_all_that_the_bytes_hold(self, story: Story, asked: Promotion, page: Page) -> None:
        shown = page(story.validator).get(url("promotion-detail", asked.pk), {"role": "validator"}).content.decode()
        words, canonical = (html.unescape(pre) for pre in re.findall(r"<pre[^>]*>(.*?)</pre>", shown, re.DOTALL)[:2])
        assert yaml.safe_load(words) == json.loads(canonical)

    def test_the_developers_own_attempt_is_refused_shown_and_recorded(
        self, story: Story, asked: Promotion, page: Page
    ) -> None:
        client = page(story.developer)
        greyed = part(client.get(url("promotion-detail", asked.pk), {"role": "validator"}), "sign-form")
        assert 'aria-disabled="true"' in greyed.split("</form>")[0]
        assert "nobody validates their own work" in greyed
        answer = client.post(url("promotion-sign", asked.pk), signing(Role.VALIDATOR, asked))
        assert answer.status_code == 409
        assert "Not signed; the attempt is recorded" in text(answer)
        assert "Dev Developer developed this version, and nobody validates their own work." in text(answer)
        entry = Entry.objects.get(type="trail.attempt.refused")
        assert entry.actor_name == "Dev Developer"
        assert "developer_validates" in entry.content["facts"]["codes"]
        assert entry.content["facts"]["attempted"] == "governance.signature.signed"
        assert not Signature.objects.exists()

    def test_a_wrong_password_is_refused_and_the_comment_kept(self, story: Story, asked: Promotion, page: Page) -> None:
        sent = signing(Role.VALIDATOR, asked, password="not it", comment="Seen twice")
        answer = page(story.validator).post(url("promotion-sign", asked.pk), sent)
        assert answer.status_code == 409
        assert "The password is not right; nothing was done." in text(answer)
        assert "Seen twice" in text(answer)
        assert "not it" not in answer.content.decode()

    def test_no_password_is_said_beside_the_field(self, story: Story, asked: Promotion, page: Page) -> None:
        answer = page(story.validator).post(
            url("promotion-sign", asked.pk), signing(Role.VALIDATOR, asked, password="")
        )
        assert answer.status_code == 422
        assert "Your password : This field is required." in text(answer)

    def test_what_changed_since_it_was_shown_is_not_signed(self, story: Story, asked: Promotion, page: Page) -> None:
        client, stale = page(story.validator), signing(Role.VALIDATOR, asked)
        story.measure("performance")
        answer = client.post(url("promotion-sign", asked.pk), stale)
        assert answer.status_code == 409
        assert "What you were shown has changed since, so nothing was signed." in text(answer)
        # the page that says so shows what would be signed now, and takes that
        fresh = re.search(r'name="dossier_digest" value="([^"]+)"', answer.content.decode())
        assert fresh is not None
        assert fresh[1] != stale["dossier_digest"]
        assert client.post(url("promotion-sign", asked.pk), stale | {"dossier_digest": fresh[1]}).status_code == 302

    def test_a_release_is_refused_with_each_reason(self, story: Story, asked: Promotion, page: Page) -> None:
        answer = page(story.owner).post(url("promotion-release", asked.pk), {"reason": WHY})
        assert answer.status_code == 409
        shown = text(answer)
        assert "Refused; the attempt is recorded" in shown
        assert "The Head of model risk has not signed." in shown
        assert "Blocked, 3 reasons" in shown  # the evaluation is kept
        assert 'aria-disabled="true"' in part(answer, "release")

    def test_signed_and_released_it_shows_its_attestation_and_receipt(
        self, story: Story, asked: Promotion, page: Page
    ) -> None:
        for role in (Role.OWNER, Role.VALIDATOR, Role.HEAD_OF_MODEL_RISK):
            sent = page(story.people[role]).post(url("promotion-sign", asked.pk), signing(role, asked))
            assert sent.status_code == 302, text(sent)
        client = page(story.owner)
        answer = client.post(url("promotion-release", asked.pk), {"reason": "All is met"}, follow=True)
        asked.refresh_from_db()
        index = Entry.objects.get(type="governance.promotion.released").leaf.index
        shown = text(answer)
        assert asked.status == Promotion.Status.RELEASED
        assert "as the gate saw them at the release" in shown
        assert f"Entry {index} of a log of" in shown
        assert digest(asked.attestation.encode()) in answer.content.decode()
        envelope = client.get(url("promotion-attestation", asked.pk))
        assert envelope.content.decode() == asked.attestation
        assert 'id="sign-panel"' not in answer.content.decode()

    def test_there_is_no_attestation_before_the_release(self, story: Story, asked: Promotion, page: Page) -> None:
        assert page(story.owner).get(url("promotion-attestation", asked.pk)).status_code == 404

    def test_a_stale_signature_is_named(self, story: Story, asked: Promotion, page: Page) -> None:
        story.sign(asked, Role.VALIDATOR)
        story.measure("performance")
        shown = text(page(story.owner).get(url("promotion-detail", asked.pk)))
        assert "What Vera Validator signed as Validator has changed since." in shown
        assert "Stale What was signed has changed." in shown

    def test_rejecting_and_withdrawing(self, story: Story, asked: Promotion, page: Page) -> None:
        refused = page(story.validator).post(url("promotion-withdraw", asked.pk), {"reason": WHY})
        assert refused.status_code == 409
        assert "Vera Validator neither asked for this promotion nor owns the model." in text(refused)
        assert page(story.validator).post(url("promotion-reject", asked.pk), {"reason": ""}).status_code == 422
        answer = page(story.validator).post(url("promotion-reject", asked.pk), {"reason": "Too few rows"}, follow=True)
        assert "Rejected" in text(answer)
        assert "Too few rows" in text(answer)

    def test_it_says_what_differs_from_what_is_live(self, story: Story, scorecard_file: bytes, page: Page) -> None:
        story.released()
        story.next_version(scorecard_file)
        result = {"auc": {"value": 0.81, "low": 0.75, "high": 0.86}}
        story.measure("fairness", "explainability")
        story.measure("performance", result=result)
        shown = text(page(story.owner).get(url("promotion-detail", story.request().pk)))
        assert "v1 is in Production now" in shown
        assert "AUC was 0.780 → , now 0.810" in shown

    def test_without_a_policy_it_says_that_nothing_can_go(self, story: Story, asked: Promotion, page: Page) -> None:
        with recording(Event.POLICY_PUBLISHED, actor=story.head, reason=WHY, subject=story.unit):
            Policy.objects.filter(pk=story.policy.pk).update(text=story.policy.text + "\n# altered")
        answer = page(story.validator).get(url("promotion-detail", asked.pk))
        assert "The text of promotion v1 is not the one that was published." in text(answer)
        assert 'aria-disabled="true"' in part(answer, "sign-panel")


class TestTiering:
    def test_the_preview_keeps_nothing(self, story: Story, page: Page) -> None:
        before = Entry.objects.count()
        sent = FORM | {"exposure": "4", "regulatory_capital": "yes"}
        answer = page(story.owner).post(url("tiering-preview", story.model.slug), sent, headers={"HX-Request": "true"})
        shown = text(answer)
        assert "<html" not in answer.content.decode()
        assert "Materiality 4 of 4" in shown
        assert "Tier 1 or stricter" in shown
        assert 'id="effect-exposure" hx-swap-oob="true"' in answer.content.decode()
        assert Entry.objects.count() == before

    def test_the_preview_without_scripts_is_the_page(self, story: Story, page: Page) -> None:
        answer = page(story.owner).post(url("tiering-preview", story.model.slug), FORM | {"exposure": "4"})
        assert "Materiality 4 of 4" in text(answer)
        assert re.search(r'name="exposure" value="4"[^>]*checked', answer.content.decode())

    def test_open_questions_are_counted(self, story: Story, page: Page) -> None:
        sent = {name: value for name, value in FORM.items() if name != "opacity"}
        answer = page(story.owner).post(url("tiering-preview", story.model.slug), sent, headers={"HX-Request": "true"})
        assert "1 of 14 questions is open." in text(answer)

    def test_an_assessment_sets_the_tier(self, story: Story, page: Page) -> None:
        sent = FORM | {"exposure": "4", "reason": "Whole portfolio now"}
        answer = page(story.owner).post(url("tiering", story.model.slug), sent, follow=True)
        story.model.refresh_from_db()
        assert story.model.tier == 1
        assert "Scorecard is tier 1." in text(answer)

    def test_an_unanswered_question_and_a_missing_reason_are_named(self, story: Story, page: Page) -> None:
        sent = {name: value for name, value in FORM.items() if name != "exposure"}
        answer = page(story.owner).post(url("tiering", story.model.slug), sent)
        assert answer.status_code == 422
        assert "2 things need mending" in text(answer)
        assert "Choose an answer." in text(answer)

    def test_the_override_is_greyed_for_the_owner_and_refused(self, story: Story, page: Page) -> None:
        client = page(story.owner)
        source = part(client.get(url("tiering", story.model.slug)), "override")
        assert "nobody overrides the tier of their own model" in source
        sent = FORM | {"reason": WHY, "override_tier": "1", "override_reason": "I say so"}
        answer = client.post(url("tiering", story.model.slug), sent)
        assert answer.status_code == 409
        assert "nobody overrides the tier of their own model" in text(answer)

    def test_the_head_overrides_with_a_reason(self, story: Story, page: Page) -> None:
        client, sent = page(story.head), FORM | {"reason": WHY, "override_tier": "1"}
        silent = client.post(url("tiering", story.model.slug), sent)
        assert silent.status_code == 422
        assert "An override needs its reason." in text(silent)
        client.post(url("tiering", story.model.slug), sent | {"override_reason": "New regulation"})
        story.model.refresh_from_db()
        assert story.model.tier == 1
        assert "Overrode tier 2: New regulation" in text(client.get(url("tiering", story.model.slug)))


class TestPolicies:
    def test_it_says_what_each_tier_and_target_needs(self, story: Story, page: Page) -> None:
        shown = text(page(story.developer).get(url("policy-detail", story.policy.pk)))
        assert "auc.value at least 0.7." in shown
        assert "Head of model risk I approve this" in shown
        assert "In force" in shown

    def test_a_new_version_is_published(self, story: Story, page: Page) -> None:
        client = page(story.head)
        start = client.get(url("policy-new"), {"from": story.policy.pk})
        assert "title: House policy" in html.unescape(start.content.decode())
        changed = policies.DEFAULT.replace("min: 0.7", "min: 0.75").replace("\n", "\r\n")
        sent = {"unit": str(story.policy.unit_id), "name": "promotion", "text": changed, "reason": "Stricter"}
        answer = client.post(url("policy-new"), sent, follow=True)
        made = Policy.objects.get(version=2)
        assert made.text == policies.DEFAULT.replace("min: 0.7", "min: 0.75")
        assert "promotion v2" in text(answer)
        assert "Replaced" in text(client.get(url("policy-detail", story.policy.pk)))

    def test_what_is_wrong_with_the_text_is_named(self, story: Story, page: Page) -> None:
        sent = {"unit": str(story.policy.unit_id), "name": "promotion", "reason": WHY}
        text_ = policies.DEFAULT.replace("min: 0.7", "min: seven")
        answer = page(story.head).post(url("policy-new"), sent | {"text": text_})
        assert answer.status_code == 422
        assert "'seven' is not of type 'number'" in text(answer)
        same = page(story.head).post(url("policy-new"), sent | {"text": policies.DEFAULT})
        assert same.status_code == 409
        assert "word for word" in text(same)

    def test_only_who_may_publishes(self, story: Story, page: Page) -> None:
        source = page(story.owner).get(url("policy-list")).content.decode()
        assert 'aria-disabled="true"' in source
        sent = {"unit": str(story.policy.unit_id), "name": "mine", "text": policies.DEFAULT, "reason": WHY}
        assert page(story.owner).post(url("policy-new"), sent).status_code == 422
        assert Policy.objects.count() == 1


class TestLists:
    def test_filters_narrow_and_show_as_chips(self, story: Story, asked: Promotion, page: Page) -> None:
        client = page(story.developer)
        assert "Scorecard v1" in text(client.get(url("promotion-list"), {"status": "open", "mine": "requested"}))
        none = client.get(url("promotion-list"), {"status": "released"})
        assert "No promotion matches" in text(none)
        assert "Status: Released" in text(none)
        assert client.get(url("promotion-list"), {"status": "odd"}).status_code == 422

    def test_more_promotions_take_no_more_queries(
        self, story: Story, page: Page, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        client = page(story.owner)
        client.get(url("promotion-list"))
        for _ in range(4):
            promotion.withdraw(promotion=story.request(), actor=story.developer, reason=WHY)
        with django_assert_max_num_queries(10):
            assert text(client.get(url("promotion-list"))).count("Scorecard v1") == 4

    def test_the_count_beside_every_page_is_cheap(
        self, story: Story, asked: Promotion, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        fresh = User.objects.get(pk=story.validator.pk)
        with django_assert_max_num_queries(6):
            assert waiting.signatures(fresh) == 1
