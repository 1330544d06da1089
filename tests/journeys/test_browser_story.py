"""The same story in a real browser: a new version is uploaded, checked, refused, signed, released and proven."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from demo.people import PASSWORD
from tests.journeys.conftest import ROOT, Running
from tests.journeys.test_api_story import Trained, trained  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journeys")]

VERIFY = str(ROOT / "clients" / "verify.py")
SLOW = 120_000  # a check starts a child process and imports its libraries
expect.set_options(timeout=30_000)


class People:
    """One browser window for each of the demo's people."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser, self.url, self.open = browser, url, {}

    def __call__(self, login: str) -> Page:
        if login not in self.open:
            page = self.browser.new_context(base_url=self.url, accept_downloads=True).new_page()
            page.goto("/")
            page.get_by_label("E-mail").fill(f"{login}@demo.example")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Inbox")
            self.open[login] = page
        return self.open[login]


@pytest.fixture(scope="module")
def people(running: Running, browser: Browser) -> People:
    return People(browser, running.url)


def start_check(page: Page, version: str, check: str) -> None:
    page.goto(f"{version}")
    page.get_by_role("link", name="Start a check").click()
    page.wait_for_url("**/runs/new/**")
    page.locator("#choice [name=check]").select_option(label=check)
    page.locator("#choice [name=dataset]").select_option(label="German credit, held-out rows")
    start = page.get_by_role("button", name="Start the check")
    expect(start, f"{check} at {page.url}").to_be_visible()
    if (bands := page.locator("#params [name='bins.age_in_years']")).is_visible():
        bands.fill("25")
    if (favourable := page.locator("#params [name=favourable]")).is_visible():
        favourable.select_option("good")
    start.click()
    expect(page.get_by_text("Succeeded").first).to_be_visible(timeout=SLOW)


def sign(page: Page, promotion: str, role: str) -> None:
    page.goto(f"{promotion}?role={role}")
    page.get_by_label("Comment").fill("Read the dossier and the runs.")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.locator("main")).to_contain_text("Signed")


def test_a_new_version_goes_all_the_way(running: Running, people: People, trained: Trained, tmp_path: Path) -> None:  # noqa: F811
    developer = people("developer")
    artifact = tmp_path / "scorecard-3.skops"
    artifact.write_bytes(trained.artifact)
    developer.goto("/models/?q=german")
    developer.get_by_role("link", name="German credit scorecard").click()
    developer.get_by_role("link", name=re.compile("version", re.IGNORECASE)).and_(developer.locator(".button")).click()
    developer.locator("#id_artifact").set_input_files(artifact)
    developer.locator("#id_label").fill("3.0")
    developer.get_by_label("German credit, training rows").check()
    developer.locator("#id_reason").fill("Numbers and codes only")
    developer.get_by_role("button", name="Register the version").click()
    expect(developer.get_by_role("heading", level=1)).to_contain_text("v3 (3.0)")
    version = developer.url.removeprefix(running.url)

    validator = people("validator")
    for check in ("Fairness between groups", "Explanation of the scores", "Performance"):
        start_check(validator, version, check)

    developer.goto(version)
    developer.get_by_label("Target").select_option(label="Production")
    developer.get_by_role("button", name="Request promotion").click()
    expect(developer.get_by_role("heading", name="Requirements")).to_be_visible()
    promotion = developer.url.removeprefix(running.url).split("?")[0].split("#")[0]

    # the developer sees a greyed button with its reasons, and is refused all the same when posting past it
    developer.goto(f"{promotion}?role=validator")
    expect(developer.get_by_role("button", name="Sign", exact=True)).to_have_attribute("aria-disabled", "true")
    token = developer.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    forged = developer.request.post(
        f"{running.url}{promotion}sign/",
        form={"csrfmiddlewaretoken": token, "role": "validator", "meaning": "review", "password": PASSWORD,
              "dossier_digest": "sha256:" + "0" * 64, "comment": ""},
        headers={"Referer": f"{running.url}{promotion}"},
    )  # fmt: skip
    assert forged.status == 409, forged.text()
    auditor = people("auditor")
    auditor.goto("/trail/?type=trail.attempt.refused")
    expect(auditor.locator(".trail__entry").first).to_contain_text("Daniel Okafor tried")

    owner = people("owner")
    owner.goto(promotion)
    expect(owner.get_by_role("button", name="Release to Production")).to_have_attribute("aria-disabled", "true")
    sign(owner, promotion, "owner")
    validator.goto("/")
    validator.get_by_role("link", name=re.compile("German credit scorecard v3")).first.click()
    sign(validator, promotion, "validator")
    sign(people("risk"), promotion, "head_of_model_risk")

    owner.goto(promotion)
    owner.locator("form[action$='/release/']").get_by_label("Reason").fill("Everything asked for is there")
    owner.get_by_role("button", name="Release to Production").click()
    expect(owner.locator("main")).to_contain_text("Released")
    owner.goto(version)
    expect(owner.locator("h1")).to_contain_text("Production")

    download_and_verify(running, auditor, version, tmp_path)


def download_and_verify(running: Running, auditor: Page, version: str, tmp_path: Path) -> None:
    auditor.goto(f"{version}card/")
    with auditor.expect_download(timeout=SLOW) as card:
        auditor.get_by_role("link", name="PDF").click()
    assert Path(card.value.path()).read_bytes().startswith(b"%PDF-")

    auditor.goto(version)
    packs = auditor.locator("#packs")
    packs.get_by_label("What it is for").fill("Yearly audit")
    packs.get_by_role("button", name="Ask for an evidence pack").click()
    link = auditor.get_by_role("link", name=re.compile("^Download")).first
    expect(link).to_be_visible(timeout=SLOW)
    with auditor.expect_download() as pack:
        link.click()
    kept, key = tmp_path / "pack.zip", tmp_path / "key"
    pack.value.save_as(kept)
    key.write_text(running.manage("export_key").stdout)
    done = running.client(VERIFY, str(kept), "--key", str(key))
    assert done.returncode == 0, done.stdout + done.stderr

    altered = bytearray(kept.read_bytes())
    altered[len(altered) // 3] ^= 1
    kept.write_bytes(altered)
    assert running.client(VERIFY, str(kept), "--key", str(key)).returncode == 1


PAGES = ["/", "/models/", "/promotions/", "/runs/", "/datasets/", "/trail/", "/policies/", "/account/", "/people/"]
PAGES += ["/models/german-credit-scorecard/", "/engagements/", "/packs/", "/trail/0/"]


# what a version's page leads to, by the words of its link
LINKS = {
    "promotion": "Production",
    "fairness": "Fairness between groups",
    "explanation": "Explanation of the scores",
    "performance": "Performance",
    "data quality": "Data quality",
    "drift": "Drift and stability",
    "robustness": "Robustness",
}
REST = ["version", *LINKS, "form drift", "form fairness", "card", "person", "engagement", "past"]


def address(page: Page, name: str) -> str:
    """Where a kind of page is found: by walking there from the model, or from the people."""
    if name.startswith("/"):
        return name
    if name == "person":
        page.goto("/people/")
        return page.get_by_role("link", name="Olivia Martin").get_attribute("href") or ""
    if name == "past":
        return f"/models/german-credit-scorecard/?as_of={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if name == "engagement":
        page.goto("/engagements/")
        return page.get_by_role("link", name="Model risk review").get_attribute("href") or ""
    page.goto("/models/german-credit-scorecard/")
    page.get_by_role("link", name=re.compile("v1")).first.click()
    page.wait_for_url("**/versions/**")
    if name in LINKS:
        return page.get_by_role("link", name=LINKS[name]).first.get_attribute("href") or ""
    if name.startswith("form "):
        page.goto(f"{page.url}runs/new/?check={name.removeprefix('form ')}")
        page.locator("#choice [name=dataset]").select_option(label="German credit, held-out rows")
        expect(page.get_by_role("button", name="Start the check")).to_be_visible()
        return page.url
    return {"version": page.url, "card": f"{page.url}card/"}[name]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", [*PAGES, *REST])
def test_a_page_is_accessible_and_fits_a_phone(people: People, theme: Any, name: str) -> None:
    page = people("admin" if name == "person" else "risk")
    page.set_viewport_size({"width": 360, "height": 780})
    page.emulate_media(color_scheme=theme)
    path = address(page, name)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(path)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert problems == []
