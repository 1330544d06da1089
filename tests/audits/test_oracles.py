"""Published numbers come out of the API."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from registry.models import Dataset, Version
from tests.conftest import GERMAN, ROOT

pytestmark = pytest.mark.django_db

ORACLES = json.loads((Path(ROOT) / "tests" / "data" / "oracles.json").read_text())


def written(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows([columns, *rows])
    return out.getvalue()


def gap(result: dict[str, Any], kind: str, metric: str = "selection_rate", attributes: Any = None) -> dict[str, Any]:
    """The one disparity of that metric and kind (between those attributes)."""
    found = [
        row
        for row in result["disparities"]
        if (row["metric"], row["kind"]) == (metric, kind) and attributes in (None, row["attributes"])
    ]
    assert len(found) == 1
    return found[0]


def group(result: dict[str, Any], **labels: Any) -> dict[str, Any]:
    found = [row for row in result["groups"] if row["group"] == labels]
    assert len(found) == 1, [row["group"] for row in result["groups"]]
    return found[0]


@pytest.fixture
def german(upload: Callable[..., Dataset]) -> Dataset:
    """German credit; sex comes from UCI's own codes, as the labelled file's column for it is shuffled."""
    labelled = csv.DictReader(io.StringIO(GERMAN.read_text()))
    codes = csv.reader(io.StringIO((GERMAN.parent / "german.csv").read_text()))
    lines = [
        [row["age_in_years"], "female" if code[8] in {"A92", "A95"} else "male", row["creditability"]]
        for row, code in zip(labelled, codes, strict=True)
    ]
    return upload(written(["age", "sex", "creditability"], lines), target="creditability", sensitive=["age", "sex"])


@pytest.mark.parametrize(
    ("bins", "oracle", "labels"),
    [
        ({"edges": [25], "right": True}, "age>25", ("≤25", ">25")),
        ({"edges": [25], "right": False}, "age>=25", ("<25", "≥25")),
        ([25], "age>25", ("≤25", ">25")),
    ],
)
def test_german_credit_by_age_on_either_side_of_the_edge(
    check: Any, bare: Version, german: Dataset, bins: Any, oracle: str, labels: tuple[str, str]
) -> None:
    run = check(
        bare,
        "fairness",
        german,
        prediction="creditability",
        sensitive=["age"],
        bins={"age": bins},
    )
    expected = ORACLES["german_full"][oracle]
    result = run["result"]
    assert run["params"]["favourable"] == "good"
    assert gap(result, "ratio")["value"] == pytest.approx(expected["DI"], abs=1e-12)
    assert gap(result, "difference")["value"] == pytest.approx(-expected["SPD"], abs=1e-12)
    assert gap(result, "ratio")["worst"] == {"age": labels[0]}
    assert gap(result, "ratio")["reference"] == {"age": labels[1]}
    [impact] = result["impact"]
    flags = {row["group"]["age"]: row["four_fifths"] for row in impact["categories"]}
    assert flags == {labels[0]: expected["DI"] >= 0.8, labels[1]: True}
    if "priv" in expected:
        for label, (n, good) in ((labels[1], expected["priv"]), (labels[0], expected["unpriv"])):
            row = group(result, age=label)
            assert (row["n"], row["tp"], row["tn"], row["fp"], row["fn"]) == (n, good, n - good, 0, 0)


def test_german_credit_by_sex(check: Any, bare: Version, german: Dataset) -> None:
    result = check(bare, "fairness", german, prediction="creditability", sensitive=["sex"])["result"]
    expected = ORACLES["german_full"]["sex(A92/A95 female)"]
    assert gap(result, "ratio")["value"] == pytest.approx(expected["DI"], abs=1e-12)
    assert gap(result, "difference")["value"] == pytest.approx(-expected["SPD"], abs=1e-12)
    for sex in ("male", "female"):
        row = group(result, sex=sex)
        assert [row["n"], row["tp"]] == expected[sex]


def test_the_fairlearn_guide(check: Any, bare: Version, upload: Any) -> None:
    oracle = ORACLES["fairlearn_guide"]
    rows = list(zip(oracle["y_true"], oracle["y_pred"], oracle["sf"], strict=True))
    guide = upload(
        written(["happened", "said", "group"], rows), target="happened", prediction="said", sensitive="group"
    )
    run = check(bare, "fairness", guide)
    result = run["result"]
    assert run["params"] | {"target": "happened", "prediction": "said", "sensitive": ["group"]} == run["params"]
    assert run["params"]["favourable"] == "1"
    assert result["overall"]["true_positive_rate"]["value"] == pytest.approx(oracle["overall"]["tpr"], abs=1e-12)
    assert result["overall"]["false_positive_rate"]["value"] == pytest.approx(oracle["overall"]["fpr"], abs=1e-12)
    for label, (tpr, fpr, selection, n) in oracle["by_group"].items():
        row = group(result, group=label)
        assert row["n"] == n
        assert row["true_positive_rate"]["value"] == pytest.approx(tpr, abs=1e-12)
        assert row["false_positive_rate"]["value"] == pytest.approx(fpr, abs=1e-12)
        assert row["selection_rate"]["value"] == pytest.approx(selection, abs=1e-12)
    assert gap(result, "ratio")["value"] == pytest.approx(oracle["dp_ratio"], abs=1e-12)
    assert gap(result, "difference")["value"] == pytest.approx(oracle["dp_diff"], abs=1e-12)
    assert gap(result, "ratio", "equalized_odds")["value"] == pytest.approx(oracle["eo_ratio"], abs=1e-12)
    assert gap(result, "difference", "equalized_odds")["value"] == pytest.approx(oracle["eo_diff"], abs=1e-12)


def from_counts(counts: dict[str, Sequence[int]]) -> str:
    """A table with the published counts: `n` rows a group, `positive` of them with the outcome 1."""
    rows = []
    for sex, (n, positive) in counts.items():
        rows += [[sex, 1]] * positive + [[sex, 0]] * (n - positive)
    return written(["sex", "outcome"], rows)


@pytest.mark.parametrize("which", ["all", "dropna"])
def test_adult_income_by_sex(check: Any, bare: Version, upload: Any, which: str) -> None:
    oracle = ORACLES["adult_sex"][which]
    adult = upload(from_counts({sex: oracle[sex] for sex in "FM"}), target="outcome", sensitive="sex")
    result = check(bare, "fairness", adult, prediction="outcome")["result"]
    assert gap(result, "ratio")["value"] == pytest.approx(oracle["DI"], abs=1e-12)
    assert gap(result, "difference")["value"] == pytest.approx(-oracle["SPD"], abs=1e-12)
    assert gap(result, "ratio")["worst"] == {"sex": "F"}


def test_taiwan_credit_by_sex(check: Any, bare: Version, upload: Any) -> None:
    oracle = ORACLES["taiwan"]
    counts = {sex: oracle[sex] for sex in ("male", "female")}
    taiwan = upload(from_counts(counts), target="outcome", sensitive="sex")
    result = check(bare, "fairness", taiwan, prediction="outcome")["result"]
    assert result["rows"] == oracle["rows"]
    assert result["overall"]["tp"] == oracle["default"]
    for sex, (n, default) in counts.items():
        row = group(result, sex=sex)
        assert (row["n"], row["tp"]) == (n, default)
        assert row["base_rate"]["value"] == pytest.approx(default / n, abs=1e-12)
    assert gap(result, "ratio")["value"] == pytest.approx((3763 / 18112) / (2873 / 11888), abs=1e-12)


def impact(result: dict[str, Any], rate: str, *attributes: str) -> dict[str, Any]:
    """The one table of impact ratios of that rate between those attributes."""
    found = [row for row in result["impact"] if row["rate"] == rate and set(row["attributes"]) == set(attributes)]
    assert len(found) == 1
    return found[0]


def test_the_selection_rates_of_the_new_york_rule(check: Any, bare: Version, upload: Any) -> None:
    """Sex by category, and 250 applicants of whom neither is known."""
    published = ORACLES["ll144_rule_example1"]
    rows = [["", "", 0]] * published["unknown"]
    for name, (n, selected, _) in published["intersectional"].items():
        race, sex = (name[:-2], name[-1]) if "-" in name else (name[:-1], name[-1])
        rows += [[sex, race, 1]] * selected + [[sex, race, 0]] * (n - selected)
    applicants = upload(written(["sex", "race", "outcome"], rows), target="outcome", sensitive=["sex", "race"])
    result = check(bare, "fairness", applicants, prediction="outcome")["result"]
    crossed = impact(result, "selection_rate", "sex", "race")
    assert (crossed["rows"], crossed["unknown"]) == (2571, 250)
    assert sorted(round(row["impact_ratio"]["value"], 3) for row in crossed["categories"]) == sorted(
        ratio for _, _, ratio in published["intersectional"].values()
    )
    below = [row["group"] for row in crossed["categories"] if not row["four_fifths"]]
    assert below == [{"sex": "F", "race": "AIAN"}]
    by_sex = {row["group"]["sex"]: row for row in impact(result, "selection_rate", "sex")["categories"]}
    assert {sex: [row["n"], row["chosen"]] for sex, row in by_sex.items()} == {
        sex: published["sex"][sex][:2] for sex in "MF"
    }


def test_the_scoring_rates_of_the_new_york_rule(check: Any, bare: Version, upload: Any) -> None:
    """The rule prints how many of each category score above the median of all; half of the 168 do."""
    published = ORACLES["ll144_rule_example2_scoring"]
    rows = []
    for sex, table in (("M", published["male"]), ("F", published["female"])):
        for race, (n, above, _) in table.items():
            rows += [[sex, race, 0.9, at % 2] for at in range(above)] + [
                [sex, race, 0.1, at % 2] for at in range(n - above)
            ]
    people = upload(
        written(["sex", "race", "score", "outcome"], rows), target="outcome", score="score", sensitive=["sex", "race"]
    )
    result = check(bare, "fairness", people)["result"]
    assert result["scores"]["median"] == 0.5
    for attribute in ("sex", "race"):
        found = impact(result, "scoring_rate", attribute)["categories"]
        assert {row["group"][attribute]: round(row["impact_ratio"]["value"], 2) for row in found} == {
            name: ratio for name, (_, _, ratio) in published[attribute].items()
        }
    crossed = impact(result, "scoring_rate", "sex", "race")["categories"]
    for row in crossed:
        table = published["male" if row["group"]["sex"] == "M" else "female"]
        assert round(row["impact_ratio"]["value"], 2) == table[row["group"]["race"]][2]


def test_scores_whose_measures_are_known(check: Any, bare: Version, upload: Any) -> None:
    oracle = ORACLES["worked_metrics"]["scores"]
    scored = upload(written(["y", "p"], list(zip(oracle["y"], oracle["p"], strict=True))), target="y", score="p")
    result = check(bare, "performance", scored, bins=5)["result"]
    for name in ("brier", "auc", "gini", "ks"):
        assert result[name]["value"] == pytest.approx(oracle[name], abs=1e-12)
    assert result["ece"]["value"] == pytest.approx(oracle["ece_5_equal_width_left_closed"], abs=1e-12)
    assert result["confusion"] == {"tp": 3, "fp": 3, "tn": 3, "fn": 1}
    assert result["threshold"] == 0.5
