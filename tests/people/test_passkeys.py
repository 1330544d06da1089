"""Passkeys on one's own account: made, used, removed, taken away. An answer is good for what was shown, once."""

from __future__ import annotations

import html
import json
import re
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any

import cbor2
import pytest
import time_machine
import webauthn
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from django.test import Client
from django.utils import timezone
from webauthn.helpers.exceptions import WebAuthnException

from people import credentials, membership, passkeys, signing
from people.credentials import FreshSignIn
from people.events import Event
from people.models import Passkey, User
from people.roles import Role
from people.signing import Password, shown_moment
from tests import personas
from tests.passkeys import Device, add, add_another, p256, proof, row, rsa_key, url
from tests.personas import PASSWORD, WHY, Bank
from trail.actors import SYSTEM
from trail.canonical import digest
from trail.errors import BadInput, Refused
from trail.models import Entry

pytestmark = pytest.mark.django_db

CHALLENGE = b"c" * 32
STATEMENT = b'{"act":"test"}'


def codes(error: pytest.ExceptionInfo[Refused]) -> set[str]:
    return {objection.code for objection in error.value.objections}


def entry_of(event: Event) -> Entry:
    return Entry.objects.get(type=event.value)


class TestAdding:
    def test_it_is_recorded_with_its_key(self, owner: User) -> None:
        made = row(add(owner))
        facts = entry_of(Event.PASSKEY_ADDED).content["facts"]
        assert facts == {
            "name": "Laptop",
            "public_key": digest(bytes(made.public_key)),
            "rp_id": "localhost",
            "proof": "password",
        }
        assert entry_of(Event.PASSKEY_ADDED).sentence == "Olga Owner added the passkey “Laptop” of Olga Owner"

    def test_it_needs_the_password(self, owner: User) -> None:
        with pytest.raises(Refused) as error:
            add(owner, by=Password("guess"))
        assert codes(error) == {"wrong_password"}
        assert not Passkey.objects.exists()
        assert Entry.objects.get(type="trail.attempt.refused").content["facts"]["attempted"] == "people.passkey.added"

    def test_the_next_one_needs_the_first(self, owner: User) -> None:
        """A password may have been set with a link that an administrator issued."""
        first = add(owner)
        with pytest.raises(Refused) as error:
            add(owner)
        assert codes(error) == {"stronger_credential"}
        add_another(owner, first, Device())
        assert Passkey.objects.count() == 2
        proofs = [each.content["facts"]["proof"] for each in Entry.objects.filter(type="people.passkey.added")]
        assert sorted(proofs) == ["passkey", "password"]

    def test_the_proof_is_about_this_passkey_and_no_other(self, owner: User) -> None:
        first, mallory = add(owner), Device()
        proven = proof(first, Event.PASSKEY_ADDED, owner, digest(CHALLENGE))
        other = b"d" * 32
        registration = mallory.create({"rp": {"id": "localhost"}, "challenge": url(other)})
        with pytest.raises(Refused) as error:
            credentials.add_passkey(person=owner, name="x", registration=registration, challenge=other, **proven)
        assert codes(error) == {"wrong_passkey"}

    def test_a_proof_of_long_ago_is_none(self, owner: User) -> None:
        with pytest.raises(Refused) as error:
            add(owner, shown_at=shown_moment() - timedelta(minutes=11))
        assert codes(error) == {"shown_stale"}

    def test_one_passkey_is_added_once(self, owner: User, developer: User) -> None:
        device = add(owner)
        with pytest.raises(BadInput, match="added before"):
            add(developer, device)

    @pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\nb", "a\0b"])
    def test_it_has_a_name(self, owner: User, name: str) -> None:
        with pytest.raises(BadInput):
            add(owner, name=name)

    def test_there_is_an_end_to_it(self, owner: User) -> None:
        first = add(owner)
        for _ in range(credentials.MOST_PASSKEYS - 1):
            add_another(owner, first, Device())
        with pytest.raises(Refused) as error:
            add_another(owner, first, Device())
        assert codes(error) == {"too_many_passkeys"}


class TestMade:
    """What a browser sends when it makes a passkey."""

    OPTIONS = {"rp": {"id": "localhost"}, "challenge": url(CHALLENGE)}

    @pytest.mark.parametrize(
        "key", [p256, ed25519.Ed25519PrivateKey.generate, rsa_key], ids=["ES256", "EdDSA", "RS256"]
    )
    def test_it_is_taken(self, key: Any) -> None:
        device = Device(key())
        assert passkeys.made(device.create(self.OPTIONS), CHALLENGE).credential_id == url(device.id)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"origin": "https://localhost.evil.example"},
            {"origin": "http://evil.example"},
            {"rp_id": "evil.example"},
            {"flags": 1},
            {"flags": 4},
            {"client": {"type": "webauthn.get"}},
            {"client": {"challenge": url(b"x" * 32)}},
            {"client": {"crossOrigin": True}},
            {"client": {"origin": 7}},
        ],
        ids=json.dumps,
    )
    def test_what_is_wrong_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(passkeys.Unproven):
            passkeys.made(Device().create(self.OPTIONS, **wrong), CHALLENGE)

    @pytest.mark.parametrize("key", [lambda: ec.generate_private_key(ec.SECP384R1()), lambda: rsa_key(1024)])
    def test_a_key_that_others_could_not_check_is_refused(self, key: Any) -> None:
        with pytest.raises(passkeys.Unproven):
            passkeys.made(Device(key()).create(self.OPTIONS), CHALLENGE)

    @pytest.mark.parametrize("sent", ["", "{}", "[]", "7", "[" * 9000, '{"id": 1}', "x" * 30_000, "\ud800", '"' * 99])
    def test_what_is_no_answer_is_refused(self, sent: str, owner: User) -> None:
        with pytest.raises(passkeys.Unproven):
            passkeys.made(sent, CHALLENGE)
        with pytest.raises(passkeys.Unproven):
            passkeys.asserted(sent, [])

    def test_whatever_byte_is_changed_nothing_breaks(self) -> None:
        sent = json.loads(Device().create(self.OPTIONS))
        for name in ("attestationObject", "clientDataJSON"):
            whole = sent["response"][name]
            for at in range(0, len(whole), 3):
                altered = whole[:at] + ("A" if whole[at] != "A" else "B") + whole[at + 1 :]
                try:
                    passkeys.made(json.dumps(sent | {"response": sent["response"] | {name: altered}}), CHALLENGE)
                except passkeys.Unproven:
                    continue


class TestOrigins:
    @pytest.mark.parametrize(
        ("rp_id", "origins", "origin", "fits"),
        [
            ("localhost", [], "http://localhost:8000", True),
            ("localhost", [], "https://localhost", True),
            ("localhost", [], "http://localhost.evil.example", False),
            ("localhost", [], "http://127.0.0.1:8000", False),
            ("bank.example", [], "https://bank.example", True),
            ("bank.example", [], "http://bank.example", False),
            ("bank.example", [], "https://blog.bank.example", False),
            ("bank.example", [], "https://bank.example:8443", False),
            ("bank.example", ["https://mrm.bank.example"], "https://mrm.bank.example", True),
            ("bank.example", ["https://mrm.bank.example"], "https://bank.example", False),
        ],
    )
    def test_which_pages_may_use_one(self, settings: Any, rp_id: str, origins: list[str], origin: str, fits: bool):
        settings.RP_ID, settings.PASSKEY_ORIGINS = rp_id, origins
        assert passkeys.origin_fits(origin) is fits


class TestEvidence:
    """What is kept of an answer is enough to check it without a server, and nothing in it can be changed."""

    @pytest.fixture(params=[p256, ed25519.Ed25519PrivateKey.generate, rsa_key], ids=["ES256", "EdDSA", "RS256"])
    def device(self, owner: User, request: pytest.FixtureRequest) -> Device:
        return add(owner, Device(request.param()))

    @pytest.fixture
    def evidence(self, device: Device) -> dict[str, str]:
        return passkeys.asserted(device.answer(STATEMENT).json, [row(device)])[1]

    def test_it_holds_and_another_implementation_agrees(self, device: Device, evidence: dict[str, str]) -> None:
        assert passkeys.problem(evidence, STATEMENT) == ""
        assert agreed(device, evidence, STATEMENT)

    def test_it_says_nothing_of_another_statement(self, device: Device, evidence: dict[str, str]) -> None:
        assert passkeys.problem(evidence, STATEMENT + b" ") == "It is about another statement."
        assert not agreed(device, evidence, STATEMENT + b" ")

    @pytest.mark.parametrize("name", ["authenticator_data", "client_data_json", "signature", "public_key"])
    def test_no_byte_of_it_can_be_changed(self, device: Device, evidence: dict[str, str], name: str) -> None:
        whole = b64decode(evidence[name])
        for at in range(len(whole)):
            altered = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
            assert passkeys.problem(evidence | {name: b64encode(altered).decode()}, STATEMENT), f"{name} {at}"

    @pytest.mark.parametrize("evidence", [None, {}, [], {"public_key": 7}, "text"])
    def test_what_is_no_evidence_is_none(self, evidence: Any) -> None:
        assert passkeys.problem(evidence, STATEMENT) == "It can’t be read."

    @pytest.mark.parametrize(
        ("part", "value"), [("rp_id", "evil.example"), ("origin", "http://evil.example"), ("origin", 7)]
    )
    def test_where_it_was_made_can_t_be_changed(self, evidence: dict[str, str], part: str, value: Any) -> None:
        assert passkeys.problem(evidence | {part: value}, STATEMENT)


def agreed(device: Device, evidence: dict[str, str], statement: bytes) -> bool:
    """Whether the library that others use takes it as well."""
    parts = {name: url(b64decode(evidence[name])) for name in evidence if name not in {"rp_id", "origin"}}
    response = {
        "clientDataJSON": parts["client_data_json"],
        "authenticatorData": parts["authenticator_data"],
        "signature": parts["signature"],
    }
    sent = {"id": url(device.id), "rawId": url(device.id), "type": "public-key", "response": response}
    try:
        webauthn.verify_authentication_response(
            credential=sent,
            expected_challenge=bytes.fromhex(digest(statement).removeprefix("sha256:")),
            expected_rp_id=evidence["rp_id"],
            expected_origin=evidence["origin"],
            credential_public_key=cbor2.dumps(device.cose()),
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except WebAuthnException:
        return False
    return True


class TestAnswering:
    @pytest.fixture
    def device(self, owner: User) -> Device:
        return add(owner)

    def prove(self, owner: User, device: Device, **wrong: Any) -> list[str]:
        found = signing.prove(owner, device.answer(STATEMENT, **wrong), STATEMENT)
        return [objection.code for objection in found.objections]

    def test_the_owner_s_answer_is_a_proof(self, owner: User, device: Device) -> None:
        assert self.prove(owner, device) == []

    @pytest.mark.parametrize(
        "wrong",
        [
            {"origin": "http://evil.example"},
            {"origin": "http://localhost.evil.example"},
            {"rp_id": "evil.example"},
            {"flags": 1},
            {"flags": 0},
            {"type": "webauthn.create"},
            {"client": {"crossOrigin": True}},
            {"client": {"challenge": url(b"x" * 32)}},
        ],
        ids=json.dumps,
    )
    def test_any_other_is_none(self, owner: User, device: Device, wrong: dict[str, Any]) -> None:
        assert self.prove(owner, device, **wrong) == ["wrong_passkey"]

    def test_nor_is_another_s(self, owner: User, developer: User, device: Device) -> None:
        assert self.prove(owner, add(developer)) == ["wrong_passkey"]
        assert self.prove(owner, Device(id=device.id)) == ["wrong_passkey"]

    def test_nor_is_a_copy_s(self, owner: User, device: Device) -> None:
        """A counter that stands still is that of a second copy."""
        add_another(owner, device, Device())
        assert row(device).sign_count == device.count == 1
        device.count = 0
        assert self.prove(owner, device) == ["wrong_passkey"]
        assert self.prove(owner, device) == []

    def test_devices_that_do_not_count_are_taken(self, owner: User, device: Device) -> None:
        assert self.prove(owner, device, counts=0) == []

    def test_nor_is_one_that_was_removed(self, owner: User, device: Device) -> None:
        another = add_another(owner, device, Device())
        credentials.remove_passkey(
            passkey=row(device), **proof(another, Event.PASSKEY_REMOVED, owner, str(row(device).pk))
        )
        assert self.prove(owner, device) == ["wrong_passkey"]
        assert self.prove(owner, another) == []

    def test_someone_with_nothing_is_told_what_to_do(self, bank: Bank) -> None:
        person = membership.add_user(
            email="sso@bank.example", name="Sso", unit=bank.root, password=None, actor=SYSTEM, reason=WHY
        )
        found = signing.prove(person, Password("anything"), STATEMENT)
        assert [objection.code for objection in found.objections] == ["no_credential"]


class TestRemoving:
    def test_it_needs_the_passkey_and_not_the_password(self, owner: User) -> None:
        device = add(owner)
        with pytest.raises(Refused) as error:
            credentials.remove_passkey(passkey=row(device), credential=Password(PASSWORD), shown_at=shown_moment())
        assert codes(error) == {"stronger_credential"}
        passkey = row(device)
        credentials.remove_passkey(passkey=passkey, **proof(device, Event.PASSKEY_REMOVED, owner, str(passkey.pk)))
        assert entry_of(Event.PASSKEY_REMOVED).content["facts"]["public_key"] == digest(bytes(passkey.public_key))
        assert not signing.held(owner).has_stronger
        assert signing.prove(owner, Password(PASSWORD), STATEMENT).objections == []

    def test_the_proof_is_about_this_one(self, owner: User) -> None:
        device = add(owner)
        another = add_another(owner, device, Device())
        with pytest.raises(Refused) as error:
            credentials.remove_passkey(
                passkey=row(another), **proof(device, Event.PASSKEY_REMOVED, owner, str(row(device).pk))
            )
        assert codes(error) == {"wrong_passkey"}


class TestFirstOfAll:
    """Who came by single sign-on has nothing here yet, so signing in a moment ago is the proof, once."""

    @pytest.fixture
    def newcomer(self, bank: Bank) -> User:
        return membership.add_user(
            email="nia@bank.example", name="Nia Newcomer", unit=bank.root, password=None, actor=SYSTEM, reason=WHY
        )

    def test_a_fresh_sign_in_adds_the_first(self, newcomer: User) -> None:
        add(newcomer, by=FreshSignIn(timezone.now()))
        assert entry_of(Event.PASSKEY_ADDED).content["facts"]["proof"] == "sign-in"
        with pytest.raises(Refused) as error:
            add(newcomer, by=FreshSignIn(timezone.now()))
        assert codes(error) == {"proof_needed"}

    @pytest.mark.parametrize("ago", [timedelta(minutes=6), timedelta(minutes=-6), None])
    def test_an_old_one_does_not(self, newcomer: User, ago: timedelta | None) -> None:
        with pytest.raises(Refused) as error:
            add(newcomer, by=FreshSignIn(timezone.now() - ago if ago else None))
        assert codes(error) == {"sign_in_again"}

    def test_nor_for_someone_with_a_password(self, owner: User) -> None:
        with pytest.raises(Refused) as error:
            add(owner, by=FreshSignIn(timezone.now()))
        assert codes(error) == {"proof_needed"}


class TestTakenAway:
    """Lost ones are taken away by an administrator; for a day nobody then signs as their person."""

    def test_for_a_day_nobody_signs(self, owner: User, administrator: User) -> None:
        device = add(owner)
        credentials.reset(person=owner, actor=administrator, reason="Lost the laptop")
        entry = entry_of(Event.METHODS_RESET)
        assert entry.content["facts"] == {
            "passkeys": [{"public_key": digest(bytes(row(device).public_key))}],
            "names": ["Laptop"],
            "authenticator": False,
        }
        assert not signing.held(owner).has_stronger
        for credential in (Password(PASSWORD), device.answer(STATEMENT)):
            found = signing.prove(owner, credential, STATEMENT)
            assert [objection.code for objection in found.objections] == ["methods_reset"]
        with pytest.raises(Refused) as error:
            add(owner)
        assert codes(error) == {"methods_reset"}
        with time_machine.travel(timezone.now() + timedelta(hours=24, minutes=1), tick=True):
            assert signing.prove(owner, Password(PASSWORD), STATEMENT).objections == []

    def test_only_an_administrator_over_them_may(self, owner: User, developer: User, bank: Bank) -> None:
        add(owner)
        elsewhere = personas.person("Rob Risk", Role.ADMINISTRATOR, home=bank.risk, at=bank.risk)
        for actor in (developer, elsewhere, owner):
            with pytest.raises(Refused):
                credentials.reset(person=owner, actor=actor, reason=WHY)
        assert signing.held(owner).has_stronger

    def test_nobody_takes_away_their_own_that_way(self, administrator: User) -> None:
        add(administrator)
        with pytest.raises(Refused) as error:
            credentials.reset(person=administrator, actor=administrator, reason=WHY)
        assert codes(error) == {"own_methods"}

    def test_there_must_be_some(self, owner: User, administrator: User) -> None:
        with pytest.raises(BadInput):
            credentials.reset(person=owner, actor=administrator, reason=WHY)

    def test_on_the_page(self, owner: User, administrator: User, page: Any) -> None:
        add(owner)
        client = page(administrator)
        assert "Take them away" in client.get(f"/people/{owner.pk}/").content.decode()
        assert client.post(f"/people/{owner.pk}/methods/reset/", {"reason": ""}).status_code == 422
        assert client.post(f"/people/{owner.pk}/methods/reset/", {"reason": "Lost"}).status_code == 302
        assert "Take them away" not in client.get(f"/people/{owner.pk}/").content.decode()
        shown = page(owner).get("/account/").content.decode()
        assert "took away the passkeys and the authenticator app of Olga Owner" in shown


def option(answer: Any, name: str) -> dict[str, Any]:
    found = re.search(rf'data-{name}-options="([^"]*)"', answer.content.decode())
    assert found is not None
    return json.loads(html.unescape(found[1]))


def shown_at(answer: Any) -> str:
    found = re.search(r'name="shown_at" value="([^"]+)"', answer.content.decode())
    assert found is not None
    return found[1]


class TestPages:
    def add(self, client: Client, device: Device, **given: str) -> Any:
        asked = client.get("/account/passkeys/new/")
        registration = device.create(option(asked, "creation"))
        stated = {"name": "Phone", "registration": registration, "shown_at": shown_at(asked), "password": PASSWORD}
        return client.post("/account/passkeys/new/", stated | given, follow=True)

    def test_added_shown_and_removed(self, owner: User, page: Any) -> None:
        client, device = page(owner), Device()
        answer = self.add(client, device)
        assert answer.redirect_chain == [("/account/", 302)]
        shown = answer.content.decode()
        assert "The passkey “Phone” is added." in html.unescape(shown)
        assert "Olga Owner added the passkey “Phone” of Olga Owner" in html.unescape(shown)
        address = f"/passkeys/{row(device).pk}/remove/"
        asked = client.get(address)
        assert 'name="password"' not in asked.content.decode()
        given = {"shown_at": shown_at(asked), "passkey": device.get(option(asked, "request"))}
        assert client.post(address, given).status_code == 302
        assert signing.held(owner).passkeys == []
        assert client.get(address).status_code == 404

    def test_the_second_is_proven_with_the_first(self, owner: User, page: Any) -> None:
        client, first, second = page(owner), add(owner), Device()
        asked = client.get("/account/passkeys/new/")
        given = {
            "name": "Key",
            "registration": second.create(option(asked, "creation")),
            "passkey": first.get(option(asked, "request")),
            "shown_at": shown_at(asked),
        }
        assert [each["id"] for each in option(asked, "creation")["excludeCredentials"]] == [url(first.id)]
        assert client.post("/account/passkeys/new/", given).status_code == 302
        assert len(signing.held(owner).passkeys) == 2

    def test_a_wrong_password_is_refused_in_place(self, owner: User, page: Any) -> None:
        answer = self.add(page(owner), Device(), password="guess")
        assert answer.status_code == 422
        assert "The password is not right" in answer.content.decode()
        assert "guess" not in answer.content.decode()

    def test_what_a_link_s_password_can_t_do(self, owner: User, page: Any) -> None:
        """Someone who set the password with an administrator's link meets the passkey that is there."""
        add(owner)
        answer = self.add(page(owner), Device())
        assert answer.status_code == 422
        assert "a password alone proves too little" in html.unescape(answer.content.decode())

    def test_an_answer_to_a_challenge_is_taken_once(self, owner: User, page: Any) -> None:
        client, device = page(owner), Device()
        asked = client.get("/account/passkeys/new/")
        given = {
            "name": "Phone",
            "registration": device.create(option(asked, "creation")),
            "shown_at": shown_at(asked),
            "password": "guess",
        }
        assert client.post("/account/passkeys/new/", given).status_code == 422
        answer = client.post("/account/passkeys/new/", given | {"password": PASSWORD})
        assert answer.status_code == 422
        assert not Passkey.objects.exists()

    def test_without_a_browser_that_makes_one_it_says_so(self, owner: User, page: Any) -> None:
        answer = self.add(page(owner), Device(), registration="")
        assert answer.status_code == 422
        assert "The browser made no passkey." in answer.content.decode()

    def test_another_s_is_not_there(self, owner: User, developer: User, page: Any) -> None:
        device = add(owner)
        assert page(developer).get(f"/passkeys/{row(device).pk}/remove/").status_code == 404

    def test_the_first_of_a_newcomer(self, bank: Bank, page: Any, settings: Any) -> None:
        newcomer = membership.add_user(
            email="nia@bank.example", name="Nia Newcomer", unit=bank.root, password=None, actor=SYSTEM, reason=WHY
        )
        client = page(newcomer)
        refused = self.add(client, Device(), password="")
        assert "The first one is added within 5 minutes of signing in." in refused.content.decode()
        session = client.session
        session["opened_at"] = timezone.now().isoformat()
        session.save()
        assert self.add(client, Device(), password="").redirect_chain == [("/account/", 302)]

    def test_signing_in_says_when(self, owner: User, client: Client) -> None:
        client.post("/sign-in/", {"username": owner.email, "password": PASSWORD})
        assert client.session["opened_at"]
