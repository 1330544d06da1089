"""The style guide in a real browser, under the real policy: accessible in both themes, at three widths."""

from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.test import RequestFactory
from playwright.sync_api import Page, Route

pytestmark = pytest.mark.xdist_group("journeys")  # one browser a run
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
POLICY = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'"


def styleguide() -> str:
    context = {
        "user": SimpleNamespace(is_authenticated=True, name="Ingrid Solberg", email="i@bank.test"),
        "nav": "models",
    }
    return render_to_string("styleguide.html", context, RequestFactory().get("/"))


def serve(page: Page, html: str) -> None:
    """The page from this process: no server, no database."""

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path == "/":
            route.fulfill(body=html, content_type="text/html", headers={"Content-Security-Policy": POLICY})
        else:
            route.fulfill(path=finders.find(path.removeprefix("/static/")))

    page.route("**/*", answer)
    page.goto("http://localhost/")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 360])
def test_the_styleguide_is_accessible(browser, theme, width):
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=theme)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    serve(page, styleguide())
    found = Axe().run(page, options={"runOnly": RULES})
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") == width, "the page scrolls sideways"
    assert complaints == []
    page.close()


def test_the_reader_chooses_the_theme_and_it_stays(browser):
    page = browser.new_page(color_scheme="light")
    serve(page, styleguide())
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.check(".theme-switch input[value=dark]", force=True)
    assert page.evaluate(ground) != light
    page.reload()
    assert page.get_attribute("html", "data-theme") == "dark"
    assert page.is_checked(".theme-switch input[value=dark]")
    page.close()


def test_a_telephone_folds_the_navigation_behind_a_button(browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    serve(page, styleguide())
    assert not page.is_visible(".theme-switch")
    page.click(".menu-button")
    assert page.is_visible(".theme-switch")
    page.keyboard.press("Escape")
    assert not page.is_visible(".theme-switch")
    assert page.evaluate("document.activeElement.className") == "menu-button"
    page.close()
