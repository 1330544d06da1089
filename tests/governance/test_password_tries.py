"""A stolen session or token is not yet a signature: guessing the password of someone who may sign is stopped."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from governance import promotion, signoff
from governance.models import Promotion
from people.models import Meaning, Signature
from people.roles import Role
from people.signing import MOST_WRONG_TRIES
from registry import inventory, versions
from tests.governance.story import Story
from tests.personas import PASSWORD, WHY
from trail.errors import BadInput, Refused
from trail.models import Entry

TRIES = 16
REFUSED = "trail.attempt.refused"


def wrong_tries() -> int:
    return sum("wrong_password" in entry.content["facts"]["codes"] for entry in Entry.objects.filter(type=REFUSED))


def attempt(asked: Promotion, story: Story, **given: Any) -> list[str]:
    stated = {"role": Role.VALIDATOR, "meaning": Meaning.REVIEW, "password": "guess", "comment": ""} | given
    try:
        signoff.sign(promotion=asked, actor=story.validator, **stated)
    except Refused as refused:
        return [objection.code for objection in refused.objections]
    except BadInput as bad:
        return [f"bad {bad.where}"]
    return ["signed"]


def request_of_another_model(story: Story, name: str) -> Promotion:
    model = inventory.register(unit=story.unit, name=name, fields={}, actor=story.owner, reason=WHY)
    version = versions.register(model=model, artifact=None, actor=story.developer, reason=WHY)
    return promotion.request(version=version, target=story.production, actor=story.developer, reason=WHY)


@pytest.mark.django_db(transaction=True)
def test_tries_made_side_by_side_are_counted_like_tries_one_after_the_other(story: Story) -> None:
    """At many models, so that no lock on one of them puts the tries in a row by chance."""
    asked = [request_of_another_model(story, f"Model {number}") for number in range(TRIES)]
    gate, said = threading.Barrier(TRIES), []

    def guess(one: Promotion) -> None:
        gate.wait()
        try:
            said.extend(attempt(one, story))
        finally:
            connection.close()

    threads = [threading.Thread(target=guess, args=[one]) for one in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count("wrong_password") == MOST_WRONG_TRIES
    assert said.count("too_many_tries") == TRIES - MOST_WRONG_TRIES
    assert wrong_tries() == MOST_WRONG_TRIES
    assert not Signature.objects.exists()


UNRECORDABLE = {
    "a reason too long for an entry": {"reason": "x" * 70_000},
    "a comment too long for an entry": {"comment": "x" * 70_000},
    "half a character": {"reason": "\ud800"},
    "half a character in the comment": {"comment": "\ud800", "reason": "Because"},
    "a character no database stores": {"reason": "\0"},
}


@pytest.mark.django_db
@pytest.mark.parametrize("given", UNRECORDABLE.values(), ids=UNRECORDABLE)
def test_what_can_t_be_recorded_is_refused_before_the_password_is_tried(story: Story, given: dict[str, str]) -> None:
    story.measure()
    asked = story.request()
    wrong, right = attempt(asked, story, **given), attempt(asked, story, password=PASSWORD, **given)
    assert wrong == right
    assert wrong[0].startswith("bad ")


@pytest.mark.django_db
def test_a_refused_attempt_with_a_long_reason_is_still_on_record(story: Story) -> None:
    story.measure()
    asked = story.request()
    assert "wrong_password" in attempt(asked, story, reason="\x01" * 10_000)
    assert wrong_tries() == 1
