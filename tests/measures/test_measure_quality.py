"""Data quality: findings with their place, leakage, proxies, overlap, representativeness, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import mutual_info_score, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from audits.measures import leakage, proxies, quality, representativeness
from audits.measures.errors import Unmeasurable


def only(findings, rule):
    (one,) = [finding for finding in findings if finding["rule"] == rule]
    return one


# ---- rows


def test_missing_cells_are_found_with_the_first_row():
    table = pd.DataFrame({"a": [1.0, np.nan, np.nan, 4.0], "b": list("wxyz")})
    (one,) = quality.missing(table)
    assert (one["column"], one["rows"], one["share"], one["row"]) == ("a", 2, 0.5, 2)
    assert one["severity"] == "most rows"
    assert one["mend"]


@pytest.mark.parametrize(
    ("share", "said"), [(0.0099, "few rows"), (0.01, "many rows"), (0.5, "most rows"), (1.0, "every row")]
)
def test_severity_is_a_share(share, said):
    assert quality.severity(share) == said


def test_duplicates_leave_the_identifiers_out():
    table = pd.DataFrame({"id": [1, 2, 3, 3], "x": [5, 5, 6, 7], "y": list("aabc")})
    findings = quality.duplicates(table, ["id"])
    assert only(findings, "duplicate rows")["row"] == 2
    assert (only(findings, "duplicate identifiers")["column"], only(findings, "duplicate identifiers")["row"]) == (
        "id",
        4,
    )
    assert quality.duplicates(table, []) == []


def test_constant_and_empty_columns():
    table = pd.DataFrame({"same": [1, 1], "gone": [np.nan, np.nan], "fine": [1, 2]})
    assert [(one["column"], one["rows"]) for one in quality.constants(table)] == [("same", 2), ("gone", 2)]


def test_numbers_among_text_are_mixed_types():
    table = pd.DataFrame({"x": ["1", "2.5", "n.a.", None], "words": ["a", "b", "3", "c"]}, dtype="str")
    (one,) = quality.mixed(table)
    assert (one["column"], one["rows"], one["row"]) == ("x", 1, 3)
    assert "“n.a.”" in one["sentence"]


def test_infinite_huge_and_far_values():
    numbers = [*map(float, range(20)), np.inf, 1e300, 2.0**60, np.nan]
    findings = quality.huge(pd.DataFrame({"x": numbers}))
    assert {one["rule"]: (one["rows"], one["row"]) for one in findings} == {
        "infinite": (1, 21),
        "beyond single precision": (1, 22),
        "beyond whole numbers": (1, 23),
        "far out": (2, 22),
    }
    assert quality.huge(pd.DataFrame({"x": [-1.7e308, 1.7e308, 0.0]})) != []


def test_an_expected_schema():
    table = pd.DataFrame({"age": [17.0, 40.0, np.nan], "sex": ["f", "m", "?"], "id": [1, 1, 2]})
    expected = {
        "age": {"min": 18, "nullable": False},
        "sex": {"values": ["f", "m"], "min": 0},
        "id": {"unique": True, "values": [1.0, "2"]},
        "income": {},
    }
    findings = quality.ranges(table, expected)
    assert [(one["rule"], one["column"], one["row"]) for one in findings] == [
        ("null forbidden", "age", 3),
        ("out of range", "age", 1),
        ("unexpected value", "sex", 3),
        ("no numbers", "sex", 1),
        ("not unique", "id", 2),
        ("no such column", "income", 1),
    ]


# ---- overlap


def test_rows_that_occur_in_the_training_data():
    ours = pd.DataFrame({"x": [1, 2, 3], "y": ["a", "b", None], "more": [0, 0, 0]})
    theirs = pd.DataFrame({"y": ["b", "a", None], "x": [2.0, 9.0, 3.0]})
    found = quality.overlap(ours, theirs)
    assert (found["rows"], found["share"], found["distinct"]) == (2, 2 / 3, 3)
    assert list(found["flags"]) == [False, True, True]
    assert quality.overlap(ours[["more"]], theirs)["rows"] is None


def test_near_rows_overlap_when_rounded():
    ours, theirs = pd.DataFrame({"x": [1.2341, -0.0, 5e-320]}), pd.DataFrame({"x": [1.2339, 0.0, 7.0]})
    assert quality.overlap(ours, theirs)["rows"] == 1
    assert quality.overlap(ours, theirs, digits=3)["rows"] == 2


# ---- leakage


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60))
@example([(0, True)] * 4 + [(1, True), (2, True)])  # whose shares add up to a little less than 1
def test_mutual_information_is_that_of_scikit_learn(rows):
    values, outcome = (list(side) for side in zip(*rows, strict=True))
    words = pd.Series([f"c{value}" for value in values])
    found = leakage.explained(words, outcome)
    if len(set(outcome)) == 1:
        assert found is None
        return
    chance = (len(set(values)) - 1) * (len(set(outcome)) - 1) / (2 * len(rows))
    entropy = stats.entropy(np.bincount(np.array(outcome, dtype=int)))
    expected = (mutual_info_score(values, outcome) - chance) / entropy
    assert found == pytest.approx(min(1, max(0, expected)), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=7))
def test_the_auc_of_counts_is_that_of_rows(rows):
    rates, positive, negative = (np.array(side, dtype=float) for side in zip(*rows, strict=True))
    if not positive.sum() or not negative.sum():
        return
    outcome = np.repeat([1] * len(rates) + [0] * len(rates), np.concatenate([positive, negative]).astype(int))
    scores = np.repeat(np.concatenate([rates, rates]), np.concatenate([positive, negative]).astype(int))
    assert leakage._auc(rates, positive, negative) == pytest.approx(roc_auc_score(outcome, scores))


def test_a_copy_of_the_outcome_is_told_from_noise_and_from_identifiers():
    drawn = np.random.default_rng(1)
    outcome = drawn.random(600) < 0.3
    assert leakage.held_out_auc(np.where(outcome, "paid", "open"), outcome) == 1
    assert leakage.held_out_auc(np.abs(outcome - 0.5) + outcome * 2.0, outcome) == 1
    assert leakage.held_out_auc([f"id{n}" for n in range(600)], outcome) == 0.5
    assert abs(leakage.held_out_auc(drawn.normal(size=600), outcome) - 0.5) < 0.1
    assert leakage.explained([f"id{n}" for n in range(600)], outcome) < 0.5
    hidden = np.where(outcome, np.nan, 1.0)  # the outcome is told by what is missing
    assert leakage.held_out_auc(hidden, outcome) == 1


def test_leakage_can_not_be_told_from_a_few_rows():
    assert leakage.held_out_auc([1, 2, 3, 4], [True, False, True, False]) is None
    assert leakage.held_out_auc([1.0] * 20, [True] * 20) is None
    assert leakage.held_out_auc([np.nan] * 20, [True, False] * 10) == 0.5
    with pytest.raises(Unmeasurable, match="2 rows"):
        leakage.held_out_auc([1, 2, 3], [True, False])


# ---- proxies


def test_a_proxy_is_found_alone_and_together():
    drawn = np.random.default_rng(2)
    sex = np.where(drawn.random(800) < 0.4, "f", "m")
    table = pd.DataFrame(
        {
            "title": np.where(sex == "f", "Ms", "Mr"),
            "height": np.where(sex == "f", 165, 178) + drawn.normal(0, 8, 800),
            "noise": drawn.normal(size=800),
        }
    )
    ranked = proxies.features(table, sex)
    assert [row["feature"] for row in ranked] == ["title", "height", "noise"]
    assert (ranked[0]["auc"], ranked[0]["explained"]) == (1, pytest.approx(1, abs=0.01))
    assert proxies.together(table, sex)["auc"] == 1
    assert proxies.together(table[["noise"]], sex)["auc"] < 0.6
    assert proxies.together(table, sex, seed=3) == proxies.together(table, sex, seed=3)


def test_numeric_attributes_are_halved_and_missing_is_a_group():
    assert sorted(set(proxies.groups_of([*range(21), np.nan]))) == ["> 10", "not stated", "≤ 10"]
    assert sorted(set(proxies.groups_of(["a", None]))) == ["a", "not stated"]
    assert sorted(set(proxies.groups_of([1, 2.0]))) == ["1", "2"]


def test_proxies_of_one_group_or_few_rows_are_undefined():
    table = pd.DataFrame({"x": [1.0, 2.0, np.inf]})
    found = proxies.together(table, ["a", "a", "b"])
    assert found["auc"] is None
    assert found["reason"]
    assert proxies.features(table, ["a", "a", "b"])[0]["auc"] is None


def test_the_tree_survives_missing_infinite_and_text():
    table = pd.DataFrame(
        {"x": [np.inf, 1.0, np.nan, -np.inf] * 10, "t": ["a", None, "b", "c"] * 10, "e": [np.nan] * 40}
    )
    assert proxies.together(table, ["f", "m", "f", "m"] * 10)["auc"] == 1


# ---- representativeness


def test_shares_are_held_against_stated_ones():
    found = representativeness.against_shares({"f": 30, "m": 70, "x": 2}, {"f": 0.5, "m": 0.5}, 0.95)
    theirs = stats.chisquare([30, 70], [50, 50])
    assert (found["chi_square"]["value"], found["chi_square"]["p"]) == pytest.approx((theirs.statistic, theirs.pvalue))
    female = found["groups"][0]
    limits = proportion_confint(30, 100, method="wilson")
    assert (female["share"]["low"], female["share"]["high"]) == pytest.approx(limits)
    assert female["standardised_difference"] == pytest.approx(-0.2 / np.sqrt((0.21 + 0.25) / 2))
    assert female["outside"]
    assert found["left_out"] == {"x": 2}


def test_shares_are_held_against_a_sample_of_the_population():
    found = representativeness.against_sample({"f": 30, "m": 70}, {"f": 480, "m": 500, "x": 20}, 0.95)
    theirs = stats.chi2_contingency([[500, 480, 20], [70, 30, 0]], correction=False)
    assert found["chi_square"]["p"] == pytest.approx(theirs.pvalue)
    assert found["smallest_expected"] == pytest.approx(20 / 1100 * 100)


def test_impossible_populations_are_refused_or_undefined():
    for shares in ({}, {"f": 0.5, "m": 0.2}, {"f": 1.5, "m": -0.5}):
        with pytest.raises(Unmeasurable, match="add up"):
            representativeness.against_shares({"f": 1}, shares, 0.95)
    with pytest.raises(Unmeasurable, match="no row"):
        representativeness.against_shares({"z": 1}, {"f": 1.0}, 0.95)
    with pytest.raises(Unmeasurable, match="no rows"):
        representativeness.against_sample({}, {"f": 1}, 0.95)
    found = representativeness.against_shares({"f": 1, "m": 1}, {"f": 1.0, "m": 0.0}, 0.95)
    assert found["chi_square"]["p"] is None  # a group that the population does not have at all
    json.dumps(found, allow_nan=False)
