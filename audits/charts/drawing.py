"""From a specification to SVG text that may stand in a page under a strict content security policy."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

from django.utils.safestring import SafeString

PAGE, PRINT = "page", "print"
# Wider than most, so that what fits in it fits in the page's own typeface.
FONT = "DejaVu Sans"

# Each role of a colour is drawn as a hue of its own and replaced afterwards.
INK, QUIET, GRID, MARK, MARK_2 = "#000001", "#000002", "#000003", "#000004", "#000005"
# A drawn chart lies on paper in both themes; a page may still give the roles other colours.
COLOURS = {
    INK: ("--chart-ink", "#1a1d26"),
    QUIET: ("--chart-quiet", "#636873"),
    GRID: ("--chart-grid", "#e3e3de"),
    MARK: ("--chart-1", "#3b3fa3"),
    MARK_2: ("--chart-2", "#a35c00"),
}
ROOT = "http://www.w3.org/2000/svg"
KEPT = {
    "d", "fill", "fill-opacity", "font-family", "font-size", "font-weight", "height", "opacity", "stroke",
    "stroke-dasharray", "stroke-linecap", "stroke-miterlimit", "stroke-opacity", "stroke-width", "text-anchor",
    "transform", "viewBox", "width", "x", "x1", "x2", "y", "y1", "y2",
}  # fmt: skip
DRAWN = {"svg", "g", "path", "line", "rect", "circle", "text", "tspan"}
CONFIG: dict[str, Any] = {
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": GRID,
        "domainColor": QUIET,
        "tickColor": QUIET,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelLimit": 320,
        "titlePadding": 8,
    },
}


def svg(spec: dict[str, Any], *, label: str, theme: str = PAGE) -> SafeString:
    """The chart as one `<svg role="img">` with `label` as its name."""
    if theme not in {PAGE, PRINT}:
        raise ValueError(f"There is no theme {theme!r}; choose {PAGE} or {PRINT}.")
    whole = spec | {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": None,
        "padding": 6,
        "config": CONFIG | spec.get("config", {}),
    }
    return drawn(json.dumps(whole, sort_keys=True), label, theme)


@lru_cache(maxsize=256)
def drawn(spec: str, label: str, theme: str) -> SafeString:
    """Drawing takes a tenth of a second, and a result never changes."""
    import vl_convert

    text = vl_convert.vegalite_to_svg(vl_spec=spec)
    root = ElementTree.fromstring(text)  # noqa: S314 - our own drawing, made just now
    clean(root, theme)
    root.attrib |= {"role": "img", "aria-label": label, "focusable": "false"}
    ElementTree.register_namespace("", ROOT)
    return SafeString(ElementTree.tostring(root, encoding="unicode"))


def clean(element: ElementTree.Element, theme: str) -> None:
    """Keep shapes and text, and of their attributes only how they look; a name for each mark would be read aloud."""
    for child in list(element):
        if child.tag.removeprefix(f"{{{ROOT}}}") not in DRAWN or child.get("display") == "none":
            element.remove(child)
        else:
            clean(child, theme)
    element.attrib = {
        name: coloured(value, theme)
        for name, value in element.attrib.items()
        if name in KEPT and not (name == "font-family" and theme == PAGE)
    }


def coloured(value: str, theme: str) -> str:
    if value not in COLOURS:
        return value
    token, colour = COLOURS[value]
    return f"var({token}, {colour})" if theme == PAGE else colour
