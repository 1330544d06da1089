"""Impact ratios as New York City's rule prints them, four fifths, small and unknown categories."""

import numpy as np
import pytest

from audits.measures import fairness
from audits.measures.impact import impact


def ratios(published, **options):
    """The impact table of {category: [n, chosen, ratio]}."""
    return impact(
        attributes=("category",),
        groups=[{"category": name} for name in published],
        chosen=np.array([row[1] for row in published.values()]),
        n=np.array([row[0] for row in published.values()]),
        rate="selection_rate",
        confidence=0.95,
        **options,
    )


def by_category(found):
    return {row["group"]["category"]: row for row in found["categories"]}


@pytest.mark.parametrize(("table", "digits"), [("sex", 3), ("race", 2), ("intersectional", 3)])
def test_the_selection_rates_of_the_rule(oracles, table, digits):
    published = oracles["ll144_rule_example1"][table]
    found = by_category(ratios(published))
    assert {name: round(row["impact_ratio"]["value"], digits) for name, row in found.items()} == {
        name: ratio for name, (_, _, ratio) in published.items()
    }


@pytest.mark.parametrize("table", ["sex", "race", "intersectional"])
def test_the_scoring_rates_of_the_rule(oracles, table):
    example = oracles["ll144_rule_example2_scoring"]
    crossed = {f"{sex} {name}": row for sex in ("male", "female") for name, row in example.get(sex, {}).items()}
    published = crossed if table == "intersectional" else example[table]
    found = by_category(ratios(published))
    assert {name: round(row["impact_ratio"]["value"], 2) for name, row in found.items()} == {
        name: ratio for name, (_, _, ratio) in published.items()
    }


def test_only_the_smallest_category_of_the_example_is_below_four_fifths(oracles):
    found = by_category(ratios(oracles["ll144_rule_example1"]["intersectional"]))
    assert [name for name, row in found.items() if not row["four_fifths"]] == ["AIAN-F"]
    assert {name for name, row in found.items() if row["small"]} == {"NHPI-F", "AIAN-M", "AIAN-F"}
    assert found["AIAN-F"]["share"] == pytest.approx(0.0066, abs=5e-5)


def test_small_categories_may_be_left_out_with_their_size_and_rate_stated(oracles):
    found = by_category(ratios(oracles["ll144_rule_example1"]["intersectional"], leave_out_small=True))
    left = found["AIAN-F"]
    assert (left["n"], left["impact_ratio"]["value"], left["four_fifths"]) == (17, None, None)
    assert left["rate"]["value"] == pytest.approx(7 / 17)
    assert "less than 2%" in left["impact_ratio"]["reason"]
    assert found["HM"]["impact_ratio"]["value"] == pytest.approx(0.841, abs=5e-4)


def test_the_totals_of_the_rule_disagree_and_that_is_said(oracles):
    example = oracles["ll144_rule_example1"]
    tables = [
        fairness.Table(
            (name,),
            [{name: category} for category in example[name]],
            np.array([[chosen, 0, n - chosen, 0] for n, chosen, _ in example[name].values()]),
        )
        for name in ("sex", "race")
    ]
    sentence = "The tables have different totals, so they can't be of the same rows: sex 2571, race 2584."
    assert fairness.of_counts(tables)["limitations"] == [sentence]


def test_exactly_four_fifths_is_not_below():
    found = by_category(ratios({"a": [10, 5], "b": [10, 4], "c": [1000, 399]}))
    assert (found["b"]["four_fifths"], found["c"]["four_fifths"]) == (True, False)


def test_a_rate_of_nothing_everywhere_has_no_ratio():
    found = ratios({"a": [10, 0], "b": [5, 0]})
    assert {row["impact_ratio"]["value"] for row in found["categories"]} == {None}


def test_rows_of_unknown_category_are_counted_apart():
    """Missing in one of two crossed attributes is enough; the shares are of the rows that are known."""
    found = fairness.assess(
        target=[1, 1, 0, 1, 0, 1],
        prediction=[1, 0, 0, 1, 1, 1],
        sensitive={"sex": ["f", "f", None, "m", "m", "m"], "race": ["x", None, "x", "x", "y", "y"]},
        favourable=1,
    )
    sex, race, both = found["impact"]
    assert [part["unknown"] for part in (sex, race, both)] == [1, 1, 2]
    assert [row["group"] for row in both["categories"]] == [
        {"sex": "f", "race": "x"},
        {"sex": "m", "race": "x"},
        {"sex": "m", "race": "y"},
    ]
    assert sum(row["share"] for row in sex["categories"]) == pytest.approx(1)
    assert {"sex": None} in [row["group"] for row in found["groups"]]


def test_a_scoring_rate_is_the_share_strictly_above_the_median_of_all():
    score = [1.0, 2.0, 2.0, 3.0, 4.0, 2.0]
    sex = ["f", "f", "f", "m", "m", None]
    found = fairness.assess(
        target=[0, 1, 0, 1, 0, 1], prediction=[0, 1, 0, 1, 0, 1], score=score, sensitive={"sex": sex}, favourable=1
    )
    [part] = [part for part in found["impact"] if part["rate"] == "scoring_rate"]
    assert found["scores"]["median"] == 2
    assert {row["group"]["sex"]: row["chosen"] for row in part["categories"]} == {"f": 0, "m": 2}
    assert part["unknown"] == 1
