"""A new validator gets a passkey in a real browser, signs with it, and then changes how they prove who they are."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import Running

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journeys")]

PASSWORD = "a long enough one for a validator"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def newcomer(http: Any) -> dict[str, str]:
    """A validator who was added today, so that the demo's people stay as they are."""
    admin = http("admin", "read", "write")
    given = {"email": "vim@demo.example", "name": "Vim Newcomer", "unit": "meridian/model-risk"}
    added = admin.post("users/", given)
    assert added.status == 201, added.body
    user = added.json["user"]["id"]
    role = {"role": "validator", "unit": "meridian", "reason": "New in the team"}
    assert admin.post(f"users/{user}/roles/", role).status == 201
    return {"email": given["email"], "link": added.json["set_password_path"]}


@pytest.fixture(scope="module")
def page(running: Running, browser: Browser, newcomer: dict[str, str]) -> Page:
    page = browser.new_context(base_url=running.url).new_page()
    page.goto(newcomer["link"])
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Set it").click()
    page.get_by_label("E-mail").fill(newcomer["email"])
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Inbox")
    return page


class Devices:
    """The authenticators at hand, one of which its person touches when the browser asks."""

    def __init__(self, page: Page) -> None:
        self.session = page.context.new_cdp_session(page)
        self.session.send("WebAuthn.enable")
        self.touched = ""

    def touch(self, transport: str) -> None:
        """Plug in a new one, and touch it from now on."""
        if self.touched:
            off = {"authenticatorId": self.touched, "enabled": False}
            self.session.send("WebAuthn.setAutomaticPresenceSimulation", off)
        options = AUTHENTICATOR | {"transport": transport}
        self.touched = self.session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]


@pytest.fixture(scope="module")
def devices(page: Page) -> Devices:
    made = Devices(page)
    made.touch("internal")
    return made


def is_fine(page: Page, theme: Any) -> None:
    """Accessible in this theme, and nothing lies beside a phone's screen."""
    page.set_viewport_size({"width": 360, "height": 780})
    page.emulate_media(color_scheme=theme)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.set_viewport_size({"width": 1280, "height": 900})


def look(page: Page) -> None:
    for theme in ("light", "dark"):
        is_fine(page, theme)


def test_a_passkey_is_made_signs_and_is_replaced(page: Page, devices: Devices) -> None:
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)

    page.goto("/account/")
    look(page)
    page.get_by_role("link", name="Add a passkey").click()
    look(page)
    page.get_by_label("Name").fill("Work laptop")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("main")).to_contain_text("The passkey “Work laptop” is added.")
    expect(page.locator("#methods")).to_contain_text("Work laptop")
    look(page)

    page.goto("/promotions/?status=open")
    page.locator("tbody a").first.click()
    sign = page.locator("#sign-panel")
    expect(sign.get_by_label("Your password")).to_have_count(0)
    # the comment is part of what is signed: pressed at once, before the statement has followed it
    sign.get_by_label("Comment").fill("Read the dossier,\nand the runs.")
    look(page)
    sign.get_by_role("button", name="Sign with your passkey").click()
    expect(page.locator("main")).to_contain_text("Signed as Validator with your passkey")
    mine = page.locator("#signatures tr", has_text="Vim Newcomer")
    expect(mine).to_contain_text("with passkey")
    expect(mine).to_contain_text("Counts")
    look(page)

    secret = add_an_app(page)
    add_a_second(page, devices)
    remove_the_first(page, secret)
    assert problems == []


def add_an_app(page: Page) -> str:
    """The proof is the passkey's answer; the password is not even asked for."""
    page.goto("/account/")
    page.get_by_role("link", name="Add an authenticator app").click()
    look(page)
    secret = page.locator("main [data-copy]").get_attribute("data-copy") or ""
    page.get_by_label("The code it shows now").fill(pyotp.TOTP(secret).now())
    expect(page.get_by_label("Your password")).to_have_count(0)
    page.get_by_role("button", name="Add with your passkey").click()
    expect(page.locator("main")).to_contain_text("The authenticator app is added.")
    return secret


def add_a_second(page: Page, devices: Devices) -> None:
    """The laptop proves who asks and can't hold another; the key ring then makes it, and nothing is asked twice."""
    page.goto("/account/passkeys/new/")
    look(page)
    page.get_by_label("Name").fill("Key ring")
    page.get_by_role("button", name="Add with your passkey").click()
    expect(page.locator("[data-passkey-said]")).to_contain_text("This device holds a passkey of yours")
    devices.touch("usb")
    page.get_by_role("button", name="Add with your passkey").click()
    expect(page.locator("main")).to_contain_text("The passkey “Key ring” is added.")


def remove_the_first(page: Page, secret: str) -> None:
    """With a code, by someone who left the laptop elsewhere."""
    page.get_by_role("link", name=re.compile("Remove the passkey Work laptop")).click()
    look(page)
    wait_for_the_next_code()
    page.get_by_label("Code of your authenticator app").fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="Remove with the code").click()
    expect(page.locator("main")).to_contain_text("The passkey “Work laptop” is removed.")
    expect(page.locator("#methods")).not_to_contain_text("Work laptop")
    expect(page.locator("#lately")).to_contain_text("removed the passkey “Work laptop”")


def wait_for_the_next_code() -> None:
    """The one that set the app up is spent."""
    time.sleep(30 - time.time() % 30 + 0.5)


def test_without_a_device_the_page_says_what_happened(page: Page, running: Running) -> None:
    """A page at another address than the one passkeys are bound to is refused by the browser itself."""
    elsewhere = page.context.new_page()
    elsewhere.goto(running.url.replace("localhost", "127.0.0.1"))
    elsewhere.get_by_label("E-mail").fill("vim@demo.example")
    elsewhere.get_by_label("Password").fill(PASSWORD)
    elsewhere.get_by_role("button", name="Sign in").click()
    elsewhere.goto(running.url.replace("localhost", "127.0.0.1") + "/account/passkeys/new/")
    elsewhere.get_by_label("Name").fill("Phished")
    elsewhere.get_by_role("button", name="Add with your passkey").click()
    expect(elsewhere.locator("[data-passkey-said]")).to_contain_text("not the one that passkeys are bound to")


def test_the_evidence_of_the_signature_is_in_the_api(http: Any) -> None:
    promotions = http("auditor", "read").get("promotions/?status=open").json["results"]
    shown = http("auditor", "read").get(f"promotions/{promotions[0]['id']}/").json
    signature = next(
        each["signature"] for each in shown["signatures"] if each["signature"]["signer_name"] == "Vim Newcomer"
    )
    assert signature["method"] == "passkey", json.dumps(signature)
