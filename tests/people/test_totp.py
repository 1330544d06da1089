"""Authenticator apps: a code is good for its person, its moment, and once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from people import credentials, signing, totp
from people.events import Event
from people.models import Authenticator, User
from people.signing import Code, Password, shown_moment
from tests.passkeys import add as add_passkey
from tests.personas import PASSWORD, WHY
from trail.errors import BadInput, Refused
from trail.models import Entry

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
STATEMENT = b'{"act":"test"}'
# RFC 6238, appendix B, its last six digits
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
RFC = [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")]


def add(person: User, secret: str, **given: Any) -> Authenticator:
    stated = {
        "sealed": totp.seal(secret, person),
        "code": pyotp.TOTP(secret).now(),
        "credential": Password(PASSWORD),
        "shown_at": shown_moment(),
    }
    return credentials.add_authenticator(person=person, **stated | given)


def proven(person: User, code: str) -> list[str]:
    return [objection.code for objection in signing.prove(person, Code(code), STATEMENT).objections]


@pytest.fixture
def secret() -> str:
    return totp.new_secret()


class TestCodes:
    @pytest.mark.parametrize(("seconds", "code"), RFC)
    def test_they_are_those_of_the_standard(self, seconds: int, code: str) -> None:
        with time_machine.travel(seconds, tick=False):
            assert totp.step_of(RFC_SECRET, code, after=0) == seconds // 30

    @pytest.mark.parametrize(("late", "is_good"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
    def test_clocks_may_differ_by_one_step(self, secret: str, late: int, is_good: bool) -> None:
        with time_machine.travel(NOW, tick=False):
            code = pyotp.TOTP(secret).at(NOW + timedelta(seconds=late))
            assert (totp.step_of(secret, code, after=0) is not None) is is_good

    @pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "-12345", "\0", "1" * 500])
    def test_what_is_no_code_is_none(self, secret: str, code: str) -> None:
        assert totp.step_of(secret, code, after=0) is None

    def test_blanks_in_it_don_t_matter(self, secret: str) -> None:
        with time_machine.travel(NOW, tick=False):
            code = pyotp.TOTP(secret).now()
            assert totp.step_of(secret, f"{code[:3]} {code[3:]}", after=0)


class TestAdding:
    def test_it_is_recorded_without_its_secret(self, owner: User, secret: str) -> None:
        made = add(owner, secret)
        entry = Entry.objects.get(type=Event.TOTP_ADDED.value)
        assert entry.content["facts"] == {"proof": "password"}
        assert entry.sentence == "Olga Owner added the authenticator app of Olga Owner"
        assert totp.unseal(made.secret, owner) == secret
        assert kept_anywhere(secret) == []
        assert kept_anywhere(made.secret) == ["people_authenticator"]

    def test_the_app_must_show_the_right_code(self, owner: User, secret: str) -> None:
        with pytest.raises(BadInput, match="another code"):
            add(owner, secret, code="000000" if pyotp.TOTP(secret).now() != "000000" else "000001")
        assert not Authenticator.objects.exists()

    def test_it_needs_the_password(self, owner: User, secret: str) -> None:
        with pytest.raises(Refused) as error:
            add(owner, secret, credential=Password("guess"))
        assert [each.code for each in error.value.objections] == ["wrong_password"]

    def test_and_the_passkey_of_who_has_one(self, owner: User, secret: str) -> None:
        add_passkey(owner)
        with pytest.raises(Refused) as error:
            add(owner, secret)
        assert [each.code for each in error.value.objections] == ["stronger_credential"]

    def test_there_is_one(self, owner: User, secret: str) -> None:
        with time_machine.travel(NOW, tick=False):
            add(owner, secret)
        with time_machine.travel(NOW + timedelta(minutes=2), tick=False), pytest.raises(Refused) as error:
            add(owner, totp.new_secret(), credential=Code(pyotp.TOTP(secret).now()))
        assert [each.code for each in error.value.objections] == ["one_authenticator"]

    def test_a_qr_code_lasts_ten_minutes(self, owner: User, secret: str) -> None:
        with time_machine.travel(NOW, tick=False):
            sealed = totp.seal(secret, owner)
        with time_machine.travel(NOW + timedelta(minutes=11), tick=False), pytest.raises(BadInput, match="ten minutes"):
            add(owner, secret, sealed=sealed)

    def test_a_secret_sealed_for_another_is_not_taken(self, owner: User, developer: User, secret: str) -> None:
        with pytest.raises(BadInput):
            add(owner, secret, sealed=totp.seal(secret, developer))


def kept_anywhere(text: str) -> list[str]:
    """The tables in which the text stands."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            cells = (cell for row in cursor.fetchall() for cell in row)
            if any(text in (bytes(cell).decode("latin-1") if is_binary(cell) else str(cell)) for cell in cells):
                found.append(table)
    return found


def is_binary(cell: Any) -> bool:
    return isinstance(cell, bytes | memoryview)


class TestUsing:
    @pytest.fixture(autouse=True)
    def added(self, owner: User, secret: str) -> None:
        with time_machine.travel(NOW, tick=False):
            add(owner, secret)

    def test_the_code_that_set_it_up_proves_nothing_more(self, owner: User, secret: str) -> None:
        with time_machine.travel(NOW, tick=False):
            assert proven(owner, pyotp.TOTP(secret).now()) == ["wrong_code"]
        with time_machine.travel(NOW + timedelta(seconds=30), tick=False):
            assert proven(owner, pyotp.TOTP(secret).now()) == []
            assert proven(owner, pyotp.TOTP(secret).at(NOW)) == ["wrong_code"]

    def test_the_password_alone_no_longer_does(self, owner: User) -> None:
        found = signing.prove(owner, Password(PASSWORD), STATEMENT)
        assert [each.code for each in found.objections] == ["stronger_credential"]

    def test_who_has_no_app_is_told(self, developer: User) -> None:
        assert proven(developer, "123456") == ["no_authenticator"]

    def test_a_row_that_was_moved_to_another_person_opens_nothing(
        self, owner: User, developer: User, secret: str
    ) -> None:
        """Who can write the database can't give their own app to someone else."""
        with time_machine.travel(NOW, tick=False):
            theirs = totp.new_secret()
            add(developer, theirs)
            mine = Authenticator.objects.get(user=developer)
            held = signing.held(owner)
            assert held.authenticator is not None
            held.authenticator.secret = mine.secret
            found = signing._by_code(owner, held, pyotp.TOTP(theirs).at(NOW + timedelta(seconds=30)))
        assert [each.code for each in found.objections] == ["code_unreadable"]

    def test_nor_does_another_key_of_the_installation(self, owner: User, secret: str, settings: Any) -> None:
        settings.SECRET_KEY = "another"
        with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
            assert proven(owner, pyotp.TOTP(secret).now()) == ["code_unreadable"]

    def test_it_is_removed_with_a_code(self, owner: User, secret: str) -> None:
        mine = Authenticator.objects.select_related("user__unit").get()
        with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
            with pytest.raises(Refused) as error:
                credentials.remove_authenticator(
                    authenticator=mine, credential=Password(PASSWORD), shown_at=shown_moment()
                )
            assert [each.code for each in error.value.objections] == ["stronger_credential"]
            code = Code(pyotp.TOTP(secret).now())
            credentials.remove_authenticator(authenticator=mine, credential=code, shown_at=shown_moment())
        assert Entry.objects.get(type=Event.TOTP_REMOVED.value).content["facts"] == {"proof": "totp"}
        assert not signing.held(owner).has_stronger

    def test_an_administrator_takes_it_away_when_it_is_lost(self, owner: User, administrator: User) -> None:
        credentials.reset(person=owner, actor=administrator, reason=WHY)
        assert Entry.objects.get(type="people.methods.reset").content["facts"]["authenticator"] is True
        assert proven(owner, "123456") == ["methods_reset"]


class TestPages:
    ADDRESS = "/account/authenticators/new/"

    def asked(self, client: Any) -> dict[str, str]:
        shown = client.get(self.ADDRESS).content.decode()
        assert "data:image/svg+xml" in shown
        found = {name: re.search(rf'name="{name}"[^>]* value="([^"]+)"', shown) for name in ("shown_at", "sealed")}
        secret = re.search(r'data-copy="([A-Z2-7]{32})"', shown)
        assert secret
        return {name: match[1] for name, match in found.items() if match} | {"secret": secret[1]}

    def test_added_and_removed(self, owner: User, page: Any) -> None:
        client = page(owner)
        with time_machine.travel(timezone.now(), tick=False) as clock:
            given = self.asked(client)
            code = pyotp.TOTP(given["secret"]).now()
            answer = client.post(self.ADDRESS, given | {"confirmation": code, "password": PASSWORD}, follow=True)
            assert answer.redirect_chain == [("/account/", 302)]
            assert "Authenticator app" in answer.content.decode()
            clock.shift(60)
            address = f"/authenticators/{Authenticator.objects.get().pk}/remove/"
            assert client.post(address, {"code": ""}).status_code == 422
            assert client.post(address, {"code": pyotp.TOTP(given["secret"]).now()}).status_code == 302
        assert not signing.held(owner).has_stronger

    def test_a_wrong_code_keeps_the_qr_code(self, owner: User, page: Any) -> None:
        client = page(owner)
        given = self.asked(client)
        answer = client.post(self.ADDRESS, given | {"confirmation": "abc", "password": PASSWORD})
        assert answer.status_code == 422
        assert given["secret"] in answer.content.decode()
        assert PASSWORD not in answer.content.decode()

    def test_another_s_is_not_there(self, owner: User, developer: User, secret: str, page: Any) -> None:
        made = add(owner, secret)
        assert page(developer).get(f"/authenticators/{made.pk}/remove/").status_code == 404
