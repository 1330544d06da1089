"""The visual language holds its own rules: contrast in both themes, nothing inline, no name without a drawing."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CSS = sorted((ROOT / "static/countersign/css").glob("*.css"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
COMPONENTS = sorted((ROOT / "templates/components").glob("*.html"))
TOKENS = dict(re.findall(r"(--[\w-]+):\s*([^;]+);", (ROOT / "static/countersign/css/tokens.css").read_text()))

GROUNDS = ["page", "surface", "raised", "well", "hover"]
TONES = ["good", "bad", "wait", "warn", "refused", "neutral"]
READ = [
    *[(ink, ground) for ink in ["ink", "ink-2", "ink-3", "accent", "accent-strong", "bad"] for ground in GROUNDS],
    *[(tone, ground) for tone in TONES for ground in [f"{tone}-soft", "surface", "page"]],
    *[(ink, f"{tone}-soft") for tone in TONES for ink in ["ink", "ink-2", "accent"]],
    *[("on-accent", fill) for fill in ["accent-fill", "accent-fill-hover"]],
    *[(ink, "accent-soft") for ink in ["ink", "ink-2", "accent-strong"]],
    ("page", "ink"),
]
SEEN = [*[("control", ground) for ground in ["surface", "page"]], *[("focus", ground) for ground in GROUNDS]]


def colour(name: str, theme: int) -> str:
    """The hex value of a token in one theme: 0 light, 1 dark."""
    value = TOKENS[f"--{name}"]
    if alias := re.fullmatch(r"var\(--([\w-]+)\)", value):
        return colour(alias[1], theme)
    return re.findall(r"#[0-9a-f]{6}", value)[theme if "light-dark" in value else 0]


def luminance(value: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(value[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def test_black_on_white_is_twenty_one():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_text_reads(theme):
    ratios = {pair: contrast(colour(pair[0], theme), colour(pair[1], theme)) for pair in READ}
    assert {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_controls_and_focus_are_seen(theme):
    ratios = {pair: contrast(colour(pair[0], theme), colour(pair[1], theme)) for pair in SEEN}
    assert {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio < 3} == {}


def test_every_used_token_is_set_somewhere():
    css = "\n".join(path.read_text() for path in CSS)
    used = {name for name, fallback in re.findall(r"var\((--[\w-]+)\s*(,)?", css) if not fallback}
    assert used - set(re.findall(r"(--[\w-]+)\s*:", css)) == set()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_inline_and_nothing_from_elsewhere(path):
    text = path.read_text()
    if path.parent.name != "reports":  # a document that is saved and sent carries its own style
        assert "<style" not in text
    assert not re.search(r"\sstyle\s*=|<script(?![^>]*\ssrc=)|\son[a-z]+\s*=\s*[\"']|javascript:", text)
    assert not re.search(r"(?:src|href)\s*=\s*[\"'](?:https?:)?//", text.replace("http://www.w3.org/", ""))


def test_every_icon_asked_for_is_drawn():
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "static/countersign/icons.svg").read_text()))
    asked = set()
    for path in TEMPLATES:
        asked |= set(re.findall(r'components/icon\.html" with name="([\w-]+)"', path.read_text()))
        asked |= set(re.findall(r'\bicon="([\w-]+)"', path.read_text()))
    assert asked - drawn == set()


def test_every_domain_value_has_its_sign():
    from audits.models import Job
    from governance.models.promotion import Promotion
    from registry.stages import Stage

    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "static/countersign/icons.svg").read_text()))
    assert {*Stage.values, *Job.Status.values, *Promotion.Status.values} - drawn == set()


def test_every_component_is_documented():
    guide = (ROOT / "docs/design.md").read_text()
    assert [path.name for path in COMPONENTS if f"`{path.name}`" not in guide] == []
