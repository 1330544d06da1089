"""A stolen session or token is not yet a signature: guessing the password of someone who may sign is stopped."""

from __future__ import annotations

import threading
from typing import Any

import pyotp
import pytest
from django.db import connection

from governance import promotion, signoff
from governance.models import Promotion
from people import credentials, totp
from people.models import Meaning, Signature
from people.roles import Role
from people.signing import MOST_WRONG_TRIES, WRONG, Assertion, Code, Password, shown_moment
from registry import inventory, versions
from tests.governance.story import Story
from tests.passkeys import Device, add_another
from tests.passkeys import add as passkey_of
from tests.personas import PASSWORD, WHY
from trail.errors import BadInput, Refused
from trail.models import Entry

TRIES = 16
REFUSED = "trail.attempt.refused"
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def wrong_tries() -> int:
    return sum("wrong_password" in entry.content["facts"]["codes"] for entry in Entry.objects.filter(type=REFUSED))


def attempt(asked: Promotion, story: Story, **given: Any) -> list[str]:
    stated = {"role": Role.VALIDATOR, "meaning": Meaning.REVIEW, "credential": Password("guess"), "comment": ""} | given
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
    wrong, right = attempt(asked, story, **given), attempt(asked, story, credential=Password(PASSWORD), **given)
    assert wrong == right
    assert wrong[0].startswith("bad ")


@pytest.mark.django_db
def test_a_refused_attempt_with_a_long_reason_is_still_on_record(story: Story) -> None:
    story.measure()
    asked = story.request()
    assert "wrong_password" in attempt(asked, story, reason="\x01" * 10_000)
    assert wrong_tries() == 1


@pytest.mark.django_db
def test_wrong_tries_of_every_kind_are_counted_together(story: Story) -> None:
    """A password, an act on the account, codes and passkeys: the sixth try is closed, whatever it is."""
    validator, mallory = story.validator, Device()
    asked = story.request()
    assert "wrong_password" in attempt(asked, story)
    with pytest.raises(Refused):
        passkey_of(validator, by=Password("guess"))
    device = passkey_of(validator)
    mallory.id = device.id
    assert "wrong_passkey" in attempt(asked, story, credential=mallory.answer(b"{}"))
    assert "wrong_passkey" in attempt(asked, story, credential=Assertion("{}"))
    for uncounted in (Password("guess"), Code("123456")):  # neither is tried: there is no app, and a passkey stands
        assert not {"wrong_password", "wrong_code"} & set(attempt(asked, story, credential=uncounted))
    with pytest.raises(Refused):
        add_another(validator, mallory, Device())
    assert "too_many_tries" in attempt(asked, story, credential=mallory.answer(b"{}"))
    refused = [entry.content["facts"]["codes"] for entry in Entry.objects.filter(type=REFUSED).order_by("at")]
    assert [bool(WRONG & set(codes)) for codes in refused] == [True] * 4 + [False] * 2 + [True, False]


@pytest.mark.django_db
def test_codes_are_counted(story: Story) -> None:
    credentials.add_authenticator(
        person=story.validator,
        sealed=totp.seal(SECRET, story.validator),
        code=pyotp.TOTP(SECRET).now(),
        credential=Password(PASSWORD),
        shown_at=shown_moment(),
    )
    asked = story.request()
    for _ in range(MOST_WRONG_TRIES):
        assert "wrong_code" in attempt(asked, story, credential=Code("not it"))
    assert "too_many_tries" in attempt(asked, story, credential=Code(pyotp.TOTP(SECRET).now()))
