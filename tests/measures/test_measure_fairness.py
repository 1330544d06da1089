"""Fairness: published numbers, groups, exclusions and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest

from audits.measures import counts, disparities, fairness
from audits.measures.errors import Unmeasurable


def disparity(result, metric, kind, attributes=None):
    [found] = [
        row
        for row in result["disparities"]
        if (row["metric"], row["kind"]) == (metric, kind) and attributes in (None, row["attributes"])
    ]
    return found


def group(result, **values):
    [found] = [row for row in result["groups"] if row["group"] == values]
    return found


def from_counts(table):
    """Labels and group names of {group: [n, favourable]}."""
    names = np.repeat(list(table), [n for n, _ in table.values()])
    labels = np.concatenate([np.r_[np.ones(k), np.zeros(n - k)] for n, k in table.values()])
    return labels, names


def decisions(labels, names, **options):
    """Decisions alone: the outcome stands in for its own prediction."""
    return fairness.assess(target=labels, prediction=labels, sensitive={"group": names}, favourable=1, **options)


@pytest.mark.parametrize("cut", ["age>25", "age>=25"])
def test_german_credit_by_age(german, oracles, cut):
    old = german["age"] > 25 if cut == "age>25" else german["age"] >= 25
    result = decisions(german["class"], old)
    assert disparity(result, "selection_rate", "ratio")["value"] == pytest.approx(
        oracles["german_full"][cut]["DI"], abs=1e-12
    )
    gap = disparity(result, "selection_rate", "difference")
    assert gap["value"] == pytest.approx(-oracles["german_full"][cut]["SPD"], abs=1e-12)
    assert (gap["worst"], gap["reference"]) == ({"group": False}, {"group": True})


def test_german_credit_by_sex(german, oracles):
    expected = oracles["german_full"]["sex(A92/A95 female)"]
    result = decisions(german["class"], german["sex"])
    for name in ("male", "female"):
        row = group(result, group=name)
        assert [row["n"], row["tp"]] == expected[name]
    found = disparity(result, "selection_rate", "ratio")
    assert found["value"] == pytest.approx(expected["DI"], abs=1e-12)
    assert found["low"] < found["value"] < found["high"]


def test_german_credit_in_the_aif360_tutorial(german, oracles):
    chosen = german.iloc[np.random.RandomState(0).permutation(1000)[:700]]
    result = decisions(chosen["class"], chosen["age"] >= 25)
    gap = disparity(result, "selection_rate", "difference")["value"]
    assert gap == pytest.approx(-oracles["aif360_german_age_tutorial"]["recomputed"], abs=1e-12)


@pytest.mark.parametrize("rows", ["all", "dropna"])
def test_adult_by_sex(oracles, rows):
    expected = oracles["adult_sex"][rows]
    result = decisions(*from_counts({name: expected[name] for name in "FM"}))
    ratio = disparity(result, "selection_rate", "ratio")["value"]
    gap = disparity(result, "selection_rate", "difference")["value"]
    assert (ratio, -gap) == pytest.approx((expected["DI"], expected["SPD"]), abs=1e-12)


def test_taiwan_by_sex(oracles):
    expected = oracles["taiwan"]
    result = decisions(*from_counts({sex: expected[sex] for sex in ("male", "female")}))
    assert result["rows"] == expected["rows"]
    assert result["overall"]["base_rate"]["value"] == expected["default"] / expected["rows"]
    found = disparity(result, "selection_rate", "ratio")["value"]
    assert found == pytest.approx((3763 / 18112) / (2873 / 11888), abs=1e-12)


def test_the_fairlearn_guide(oracles):
    guide = oracles["fairlearn_guide"]
    result = fairness.assess(
        target=guide["y_true"], prediction=guide["y_pred"], sensitive={"sf": guide["sf"]}, favourable=1
    )
    for name, expected in guide["by_group"].items():
        row = group(result, sf=name)
        rates = [row[rate]["value"] for rate in ("true_positive_rate", "false_positive_rate", "selection_rate")]
        assert [*rates, row["n"]] == pytest.approx(expected, abs=1e-12)
    for rate, short in (("true_positive_rate", "tpr"), ("false_positive_rate", "fpr"), ("selection_rate", "sel")):
        assert result["overall"][rate]["value"] == pytest.approx(guide["overall"][short], abs=1e-12)
    for metric, kind, short in (
        ("selection_rate", "ratio", "dp_ratio"),
        ("selection_rate", "difference", "dp_diff"),
        ("equalized_odds", "ratio", "eo_ratio"),
        ("equalized_odds", "difference", "eo_diff"),
    ):
        assert disparity(result, metric, kind)["value"] == pytest.approx(guide[short], abs=1e-12)
    assert disparity(result, "equalized_odds", "difference")["component"] == "false_positive_rate"


@pytest.mark.parametrize(("table", "digits"), [("sex", 3), ("race", 2), ("intersectional", 3)])
def test_the_selection_rates_of_the_new_york_rule(oracles, table, digits):
    published = oracles["ll144_rule_example1"][table]
    result = decisions(*from_counts({name: (n, k) for name, (n, k, _) in published.items()}))
    rates = {row["group"]["group"]: row["selection_rate"]["value"] for row in result["groups"]}
    highest = max(rates.values())
    assert {name: round(rate / highest, digits) for name, rate in rates.items()} == {
        name: ratio for name, (_, _, ratio) in published.items()
    }
    found = disparity(result, "selection_rate", "ratio")
    assert round(found["value"], digits) == min(ratio for _, _, ratio in published.values())


def test_the_new_york_ratios_need_unrounded_rates(oracles):
    published = oracles["ll144_rule_example1"]["intersectional"]
    rounded = {name: round(k / n, 2) for name, (n, k, _) in published.items()}
    broken = [name for name, rate in rounded.items() if round(rate / rounded["WM"], 3) != published[name][2]]
    assert "HM" in broken
    result = decisions(*from_counts({name: published[name][:2] for name in ("HM", "WM")}))
    assert round(disparity(result, "selection_rate", "ratio")["value"], 3) == published["HM"][2]


def test_the_scoring_rates_of_the_new_york_rule(oracles):
    published = oracles["ll144_rule_example2_scoring"]["race"]
    result = decisions(*from_counts({name: (n, k) for name, (n, k, _) in published.items()}))
    rates = {row["group"]["group"]: row["selection_rate"]["value"] for row in result["groups"]}
    assert {name: round(rate / max(rates.values()), 2) for name, rate in rates.items()} == {
        name: ratio for name, (_, _, ratio) in published.items()
    }


SEX = ["f", "f", "f", "m", "m", "m", "m", "m"]
AREA = ["n", "s", "n", "n", "s", None, "s", "n"]
TARGET = [1, 0, 1, 1, 0, 1, 0, 1]
PREDICTION = [1, 0, 0, 1, 1, 1, 0, 1]
BOTH = {"sex": SEX, "area": AREA}


def small(**changes):
    given = {"target": TARGET, "prediction": PREDICTION, "sensitive": BOTH, "favourable": 1}
    return fairness.assess(**{**given, **changes})


def test_groups_are_each_attribute_and_the_intersection_with_missing_values_last():
    result = small()
    assert [row["group"] for row in result["groups"]] == [
        {"sex": "f"},
        {"sex": "m"},
        {"area": "n"},
        {"area": "s"},
        {"area": None},
        {"sex": "f", "area": "n"},
        {"sex": "f", "area": "s"},
        {"sex": "m", "area": "n"},
        {"sex": "m", "area": "s"},
        {"sex": "m", "area": None},
    ]
    row = group(result, sex="m", area="s")
    assert [row[cell] for cell in ("n", "tp", "fp", "tn", "fn")] == [2, 0, 1, 1, 0]
    json.dumps(result, allow_nan=False)


def test_intersections_can_be_left_out_or_named():
    three = {**BOTH, "age": [1, 1, 2, 2, 2, 1, 1, 2]}
    alone = {("sex",), ("area",), ("age",)}
    for intersections, crossed in (
        (True, {("sex", "area", "age")}),
        (False, set()),
        ([["age", "sex"]], {("age", "sex")}),
        ([["age", "sex"], ["area", "sex"], ["age", "sex"]], {("age", "sex"), ("area", "sex")}),
    ):
        result = small(sensitive=three, intersections=intersections)
        assert {tuple(row["group"]) for row in result["groups"]} == alone | crossed
        for names in alone | crossed:
            assert sum(row["n"] for row in result["groups"] if tuple(row["group"]) == names) == 8


def test_a_group_of_one_is_reported_but_not_compared():
    result = small()
    excluded = [row["group"] for row in result["excluded"]]
    assert excluded == [{"area": None}, {"sex": "f", "area": "s"}, {"sex": "m", "area": None}]
    assert group(result, area=None)["n"] == 1
    assert "1 row;" in result["excluded"][0]["reason"]
    for row in result["disparities"]:
        assert row["worst"] not in excluded
        assert row["reference"] not in excluded
    assert small(min_group=1)["excluded"] == []
    assert disparity(small(min_group=1), "selection_rate", "ratio", ["sex", "area"])["worst"] == {
        "sex": "f",
        "area": "s",
    }


def test_an_undefined_rate_is_null_with_its_reason_and_skipped():
    result = fairness.assess(
        target=[1, 1, 0, 1, 0, 0], prediction=[1, 0, 1, 1, 0, 0], sensitive={"g": list("aabbcc")}, favourable=1
    )
    row = group(result, g="c")
    assert row["true_positive_rate"] == {"value": None, "low": None, "high": None}
    assert row["undefined"]["true_positive_rate"] == "no row has the favourable outcome in the target"
    assert set(row["undefined"]) == {
        "true_positive_rate",
        "false_negative_rate",
        "precision",
        "false_discovery_rate",
        "balanced_accuracy",
        "f1_score",
    }
    gap = disparity(result, "true_positive_rate", "difference")
    assert gap["value"] == 0.5
    assert [skipped["group"] for skipped in gap["skipped"]] == [{"g": "c"}]


def test_a_ratio_of_nothing_to_nothing_is_null_and_the_other_rate_decides():
    result = fairness.assess(
        target=[1, 1, 0, 1, 1, 0], prediction=[1, 0, 0, 1, 1, 0], sensitive={"g": list("aaabbb")}, favourable=1
    )
    ratio = disparity(result, "false_positive_rate", "ratio")
    assert (ratio["value"], ratio["worst"], ratio["low"]) == (None, None, None)
    assert "0 to 0" in ratio["reason"]
    assert disparity(result, "false_positive_rate", "difference")["value"] == 0
    odds = disparity(result, "equalized_odds", "ratio")
    assert (odds["value"], odds["component"]) == (0.5, "true_positive_rate")


def test_equalized_odds_is_null_when_one_rate_cannot_be_compared():
    result = fairness.assess(target=[1, 1, 1, 0], prediction=[1, 0, 1, 1], sensitive={"g": list("aabb")}, favourable=1)
    odds = disparity(result, "equalized_odds", "difference")
    assert (odds["value"], odds["reason"]) == (None, "fewer than two groups have a defined rate")
    assert {skipped["metric"] for skipped in odds["skipped"]} == {"false_positive_rate"}


def test_one_group_leaves_no_disparity_and_says_so():
    result = small(sensitive={"sex": ["f"] * 8})
    assert result["disparities"] == []
    assert result["limitations"] == ["No disparity for sex: fewer than two groups have at least 2 rows."]


def test_worst_is_the_group_turned_down_more_often():
    result = fairness.assess(target=[1, 1, 1, 1], prediction=[1, 1, 1, 0], sensitive={"g": list("aabb")}, favourable=1)
    for metric in ("selection_rate", "true_positive_rate", "false_negative_rate", "accuracy"):
        found = disparity(result, metric, "difference")
        assert (found["worst"], found["reference"]) == ({"g": "b"}, {"g": "a"})


def test_equal_groups_name_two_groups():
    result = fairness.assess(target=[1, 0, 1, 0], prediction=[1, 0, 1, 0], sensitive={"g": list("aabb")}, favourable=1)
    found = disparity(result, "selection_rate", "ratio")
    assert (found["value"], found["worst"], found["reference"]) == (1.0, {"g": "a"}, {"g": "b"})


@pytest.mark.parametrize(
    "target",
    [
        TARGET,
        [float(label) for label in TARGET],
        [str(label) for label in TARGET],
        [f"{label}.0" for label in TARGET],
        np.array(TARGET, dtype=bool),
        pd.Series(TARGET, dtype="category"),
        pd.Series([str(bool(label)) for label in TARGET]),
    ],
    ids=["int", "float", "text", "decimal text", "bool", "category", "True and False"],
)
@pytest.mark.parametrize("favourable", [1, "1", 1.0, True, np.int64(1), "true"])
def test_one_is_one_however_it_is_written(target, favourable):
    result = small(target=target, favourable=favourable)
    assert result["groups"] == small()["groups"]
    assert result["disparities"] == small()["disparities"]


def test_multinomial_intervals_repeat_and_do_not_depend_on_the_chunk(monkeypatch):
    result = small(replicates=500, seed=3)
    assert result["disparities"] == small(replicates=500, seed=3)["disparities"]
    assert result["disparities"] != small(replicates=500, seed=4)["disparities"]
    assert {row["interval"] for row in result["disparities"] if row["value"] is not None} == {"multinomial"}
    monkeypatch.setattr(disparities, "CHUNK", 100)
    assert small(replicates=500, seed=3)["disparities"] == result["disparities"]
    json.dumps(result, allow_nan=False)


def test_the_multinomial_agrees_in_law_with_resampling_rows(german):
    """Quantiles of the gap over redrawn tables against redrawn rows, 4,000 of each."""
    favourable, female = (german["class"] == 1).to_numpy(), (german["sex"] == "female").to_numpy()
    generator = np.random.default_rng(11)
    drawn = generator.integers(0, 1000, size=(4000, 1000))
    women = female[drawn].sum(axis=1)
    good_women = (female & favourable)[drawn].sum(axis=1)
    rate_women, rate_men = good_women / women, (favourable[drawn].sum(axis=1) - good_women) / (1000 - women)
    gaps = np.abs(rate_men - rate_women)
    result = decisions(german["class"], german["sex"], replicates=4000, seed=5)
    found = disparity(result, "selection_rate", "difference")
    assert (found["low"], found["high"]) == pytest.approx(tuple(np.quantile(gaps, [0.025, 0.975])), abs=0.006)
    assert found["replicates_defined"] == 4000


def test_resampling_leaves_excluded_groups_out_of_the_gap():
    """The one row of group c would make every gap 1; without it the gap is 0 in every redrawn table."""
    names, prediction = [*"ab" * 20, "c"], [1] * 40 + [0]
    result = fairness.assess(
        target=[1] * 41, prediction=prediction, sensitive={"g": names}, favourable=1, replicates=200
    )
    found = disparity(result, "selection_rate", "difference")
    assert (found["value"], found["low"], found["high"], found["replicates_defined"]) == (0, 0, 0, 200)


def test_a_redrawn_table_without_one_rate_has_no_equalized_odds():
    """Group b has a single unfavourable row, which about a third of the redrawn tables lose."""
    result = fairness.assess(
        target=[1, 1, 0, 0, 1, 1, 1, 0],
        prediction=[1, 0, 1, 0, 1, 0, 1, 1],
        sensitive={"g": list("aaaabbbb")},
        favourable=1,
        replicates=1000,
    )
    ratio, difference = (disparity(result, "equalized_odds", kind) for kind in ("ratio", "difference"))
    assert 500 < ratio["replicates_defined"] == difference["replicates_defined"] < 750


def test_a_wide_crossing_is_counted_alike_by_lookup_and_by_sorting(monkeypatch):
    expected = small()
    monkeypatch.setattr(counts, "DENSE", 3)
    assert small() == expected


def test_more_than_two_labels_are_collapsed_openly():
    result = small(target=["a", "b", "c", "a", "b", "c", "a", "b"], prediction=["a"] * 8, favourable="a")
    assert result["limitations"] == ["There are 3 labels ('a', 'b', 'c'); every label but 'a' counts as unfavourable."]


@pytest.mark.parametrize(
    ("changes", "param", "sentence"),
    [
        ({"favourable": "yes"}, "favourable", "never occurs in target or prediction; pass one of: '0', '1'"),
        ({"favourable": None}, "favourable", "never occurs"),
        ({"prediction": ["good", "bad"] * 4}, "prediction", "write both with the same labels"),
        ({"prediction": PREDICTION[:-1]}, "prediction", "prediction has 7 rows but target has 8"),
        ({"sensitive": {"sex": SEX[:-1]}}, "sensitive attribute 'sex'", "has 7 rows but target has 8"),
        ({"sensitive": {}}, "sensitive", "names no attribute"),
        ({"target": [1, None, 1, 1, 0, None, 0, 1]}, "target", r"missing in row 2 \(2 missing in all\)"),
        ({"prediction": [1.0] * 7 + [float("nan")]}, "prediction", "missing in row 8"),
        ({"target": [[1, 0]] * 8}, "target", "one-dimensional"),
        ({"target": [], "prediction": [], "sensitive": {"sex": []}}, "target", "has no rows"),
        ({"intersections": [["sex", "age"]]}, "intersections", "different attributes of: 'sex', 'area'"),
        ({"intersections": [["sex"]]}, "intersections", "two or more"),
        ({"intersections": [["sex", "sex"]]}, "intersections", "different"),
        ({"confidence": 95}, "confidence", "such as 0.95"),
        ({"replicates": -1}, "replicates", "at least 0"),
        ({"replicates": 2.5}, "replicates", "whole number"),
        ({"seed": "x"}, "seed", "whole number"),
        ({"min_group": 0}, "min_group", "at least 1"),
    ],
)
def test_input_without_a_right_answer_is_refused_by_name(changes, param, sentence):
    with pytest.raises(Unmeasurable, match=sentence) as refusal:
        small(**changes)
    assert refusal.value.param == param
    assert refusal.value.sentence == str(refusal.value)


def test_a_column_of_numbers_must_be_gathered_into_bands():
    labels = np.arange(3000) % 2
    with pytest.raises(Unmeasurable, match=r"income makes 3000 groups.*bands"):
        fairness.assess(target=labels, prediction=labels, sensitive={"income": np.arange(3000)}, favourable=1)
    crossed = {"row": np.arange(3000) // 60, "column": np.arange(3000) % 60}
    with pytest.raises(Unmeasurable, match=r"row and column makes 3000 groups.*cross fewer"):
        fairness.assess(target=labels, prediction=labels, sensitive=crossed, favourable=1)


@pytest.mark.parametrize(
    ("values", "groups"),
    [
        (pd.array([10, 9, None, 10], dtype="Int64"), [9, 10, None]),
        (pd.array([True, False, None, True], dtype="boolean"), [False, True, None]),
        (np.array([1.5, np.nan, 2.0, 1.5]), [1.5, 2, None]),
        (np.array([1.5, np.inf, 2.0, 1.5]), [1.5, 2, "inf"]),
        (pd.Categorical(["b", "a", None, "b"]), ["a", "b", None]),
        (pd.to_datetime(pd.Series(["2020-01-02", None, "2019-01-02", "2020-01-02"])), None),
        (["b", 2, None, "b"], [2, "b", None]),
    ],
    ids=["whole", "boolean", "float", "infinite", "category", "date", "mixed"],
)
def test_groups_of_any_type_are_sorted_and_written_as_json(values, groups):
    labels = [1, 0, 1, 0]
    result = fairness.assess(target=labels, prediction=labels, sensitive={"g": values}, favourable=1)
    written = json.loads(json.dumps(result, allow_nan=False))
    expected = groups or ["2019-01-02T00:00:00", "2020-01-02T00:00:00", None]
    assert [row["group"]["g"] for row in written["groups"]] == expected
    assert sum(row["n"] for row in written["groups"]) == 4
