"""Charts may stand inline under the strictest policy, read as one image, and are the same each time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from audits import charts
from audits.charts import drawing
from audits.measures import explanation, fairness, performance

HOSTILE = "<script>alert(1)</script> & \"quoted\" 'ß'"
Draw = Callable[[str], str]


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, Any]]:
    random = np.random.default_rng(3)
    target = random.random(400) < 0.5
    score = np.clip(random.normal(0.5, 0.15, 400) + 0.15 * target, 0, 1)
    sensitive = {"sex": random.choice([HOSTILE, "male"], 400), "age": random.choice(["≤25", ">25"], 400)}
    values = random.normal(size=(30, 3))
    return {
        "fairness": fairness.assess(target=target, prediction=score > 0.55, sensitive=sensitive, favourable=True),
        "performance": performance.assess(target=target, score=score, prediction=score > 0.55, threshold=0.55),
        "explainability": explanation.summarise(
            values=values,
            base=0.25,
            output=0.25 + values.sum(axis=1),
            features=["income", HOSTILE, "age"],
            rows=range(1, 31),
            data=values,
            game="linear",
            top=2,
        ),
    }


@pytest.fixture(
    params=["rates", "panels", "calibration", "roc", "importance", "reasons"],
)
def draw(request: pytest.FixtureRequest, results: dict[str, dict[str, Any]]) -> Draw:
    fair, performed, explained = (results[name] for name in ("fairness", "performance", "explainability"))
    metrics = ["selection_rate", "true_positive_rate", "false_positive_rate", "precision"]
    drawings: dict[str, Draw] = {
        "rates": lambda theme: charts.rates(fair, theme=theme),
        "panels": lambda theme: charts.rates(fair, attributes=["sex", "age"], metrics=metrics, theme=theme),
        "calibration": lambda theme: charts.calibration(performed, theme=theme),
        "roc": lambda theme: charts.roc(performed, theme=theme),
        "importance": lambda theme: charts.importance(explained, theme=theme),
        "reasons": lambda theme: charts.reasons(explained["reasons"][0], theme=theme),
    }
    return drawings[request.param]


@pytest.mark.parametrize("theme", [charts.PAGE, charts.PRINT])
def test_nothing_a_strict_policy_forbids(draw: Draw, theme: str) -> None:
    root = ElementTree.fromstring(draw(theme))
    assert {element.tag for element in root.iter()} <= {f"{{{drawing.ROOT}}}{name}" for name in drawing.DRAWN}
    for element in root.iter():
        forbidden = {name for name in element.attrib if name == "style" or name.startswith("on") or "href" in name}
        assert not forbidden


def test_it_is_one_image_with_a_name(draw: Draw) -> None:
    root = ElementTree.fromstring(draw(charts.PAGE))
    assert root.get("role") == "img"
    assert len(root.get("aria-label", "")) > 10
    assert not [element for element in root.iter() if element is not root and element.get("aria-label")]


def test_colours_are_tokens_on_the_page_and_plain_in_print(draw: Draw) -> None:
    page, printed = draw(charts.PAGE), draw(charts.PRINT)
    colours = r'(?:fill|stroke)="([^"]+)"'
    assert all(found == "none" or found.startswith("var(--chart-") for found in re.findall(colours, page))
    assert all(found == "none" or re.fullmatch("#[0-9a-f]{6}", found) for found in re.findall(colours, printed))
    assert "#0000" not in page + printed
    assert "font-family" not in page
    assert drawing.FONT in printed


def test_the_same_result_gives_the_same_text(draw: Draw) -> None:
    one = draw(charts.PRINT)
    drawing.drawn.cache_clear()
    assert draw(charts.PRINT) == one


def test_values_are_drawn_where_they_belong(results: dict[str, dict[str, Any]]) -> None:
    """The dots of the rates panel lie on the axis in the order and the proportion of the rates."""
    fair = results["fairness"]
    root = ElementTree.fromstring(charts.rates(fair, attributes=["age"], theme=charts.PRINT))
    blue = drawing.COLOURS[drawing.MARK][1]
    dots = [
        element.get("transform", "") for element in root.iter(f"{{{drawing.ROOT}}}path") if element.get("fill") == blue
    ]
    places = [float(re.findall(r"[\d.]+", dot)[0]) for dot in dots]
    rates = [row["selection_rate"]["value"] for row in fair["groups"] if list(row["group"]) == ["age"]]
    assert places == pytest.approx([420 * rate for rate in rates], abs=0.01)


def test_a_thousand_groups_are_not_all_drawn(results: dict[str, dict[str, Any]]) -> None:
    group = results["fairness"]["groups"][0]
    many = results["fairness"] | {"groups": [group | {"group": {"town": f"town {at}"}, "n": at} for at in range(1000)]}
    drawn = charts.rates(many)
    assert "of which the 40 largest are drawn" in drawn
    assert "town 999<" in drawn
    assert "town 959<" not in drawn


def test_what_is_undefined_is_left_out(results: dict[str, dict[str, Any]]) -> None:
    empty = {"value": None, "low": None, "high": None}
    groups = [row | {"selection_rate": empty} for row in results["fairness"]["groups"]]
    assert "svg" in charts.rates(results["fairness"] | {"groups": groups})
    nothing = results["performance"] | {"calibration": None, "roc": [], "auc": empty}
    assert "svg" in charts.calibration(nothing)
    assert "ROC curve" in charts.roc(nothing)


def test_a_theme_that_is_none_is_refused(results: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="theme"):
        charts.roc(results["performance"], theme="neon")
