"""Every rate and aggregate of fairlearn's MetricFrame, over made-up data with ties and empty cells."""

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equal_opportunity_ratio,
    false_negative_rate,
    false_positive_rate,
    selection_rate,
    true_negative_rate,
    true_positive_rate,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, precision_score, zero_one_loss

from audits.measures import fairness

METRICS = {
    "selection_rate": selection_rate,
    "true_positive_rate": lambda y, p: true_positive_rate(y, p, pos_label=1),
    "true_negative_rate": lambda y, p: true_negative_rate(y, p, pos_label=1),
    "false_positive_rate": lambda y, p: false_positive_rate(y, p, pos_label=1),
    "false_negative_rate": lambda y, p: false_negative_rate(y, p, pos_label=1),
    "precision": lambda y, p: precision_score(y, p, zero_division=np.nan),
    "negative_predictive_value": lambda y, p: precision_score(y, p, pos_label=0, zero_division=np.nan),
    "accuracy": accuracy_score,
    "zero_one_loss": zero_one_loss,
    "f1_score": lambda y, p: f1_score(y, p, zero_division=np.nan),
    "balanced_accuracy": balanced_accuracy_score,
}
CELLS = ((1, 1), (1, 0), (0, 1), (0, 0))
TABLES = st.lists(st.tuples(*[st.integers(1, 12)] * 4), min_size=2, max_size=5)


def frame(table):
    """Rows of a table of counts: each group has every outcome with every decision."""
    rows = [
        (y, p, f"g{place}")
        for place, counts in enumerate(table)
        for (y, p), n in zip(CELLS, counts, strict=True)
        for _ in range(n)
    ]
    return pd.DataFrame(rows, columns=["target", "prediction", "group"])


def compared(table, **options):
    rows = frame(table)
    given_to = {"y_true": rows["target"], "y_pred": rows["prediction"], "sensitive_features": rows["group"]}
    found = fairness.assess(
        target=rows["target"],
        prediction=rows["prediction"],
        sensitive={"group": rows["group"]},
        favourable=1,
        **options,
    )
    return found, given_to


@settings(max_examples=15, deadline=None)
@given(TABLES)
def test_rates_and_aggregates_are_those_of_fairlearn(table):
    found, given_to = compared(table)
    theirs = MetricFrame(metrics=METRICS, **given_to)
    for row in found["groups"]:
        expected = theirs.by_group.loc[row["group"]["group"]]
        for name in METRICS:
            assert row[name]["value"] == pytest.approx(expected[name], abs=1e-12)
            assert row[name]["low"] <= row[name]["value"] <= row[name]["high"]
    expected = {
        "group_min": theirs.group_min(),
        "group_max": theirs.group_max(),
        "difference": theirs.difference(),
        "ratio": theirs.ratio(),
        "difference_to_overall": theirs.difference(method="to_overall"),
        "ratio_to_overall": theirs.ratio(method="to_overall"),
    }
    rows = {row["metric"]: row for row in found["aggregates"]}
    for name in METRICS:
        for part, values in expected.items():
            assert rows[name][part] == pytest.approx(values[name], abs=1e-12), (name, part)


@settings(max_examples=10, deadline=None)
@given(TABLES)
def test_the_criteria_are_those_of_fairlearn(table):
    found, given_to = compared(table)
    gaps = {(row["criterion"], row["kind"]): row["value"] for row in found["disparities"]}
    assert gaps["demographic parity", "ratio"] == pytest.approx(demographic_parity_ratio(**given_to), abs=1e-12)
    assert gaps["demographic parity", "difference"] == pytest.approx(
        demographic_parity_difference(**given_to), abs=1e-12
    )
    assert gaps["equal opportunity", "ratio"] == pytest.approx(equal_opportunity_ratio(**given_to), abs=1e-12)
    assert gaps["equal opportunity", "difference"] == pytest.approx(equal_opportunity_difference(**given_to), abs=1e-12)
    precision = MetricFrame(metrics=METRICS["precision"], **given_to)
    assert gaps["predictive parity", "difference"] == pytest.approx(precision.difference(), abs=1e-12)


def test_what_has_no_value_in_any_group_has_no_aggregate():
    found = fairness.assess(target=[0, 0, 0, 0], prediction=[0, 0, 0, 1], sensitive={"g": list("aabb")}, favourable=1)
    rows = {row["metric"]: row for row in found["aggregates"]}
    assert rows["true_positive_rate"]["difference"] is None
    assert rows["selection_rate"]["ratio"] == 0
    assert [row["undefined"]["f1_score"] for row in found["groups"] if "f1_score" in row["undefined"]] == [
        "no row is favourable in target or prediction"
    ]


def test_tables_made_elsewhere_say_the_same_as_rows():
    table = [(5, 2, 3, 7), (9, 4, 1, 1), (2, 2, 2, 2)]
    found, _ = compared(table, replicates=100, seed=4)
    counts = np.array(table)[:, [0, 2, 3, 1]]  # tp, fp, tn, fn
    made = fairness.Table(("group",), [{"group": f"g{place}"} for place in range(3)], counts)
    assert fairness.of_counts([made], replicates=100, seed=4) == {
        name: value for name, value in found.items() if name != "favourable"
    }


def test_tables_of_different_rows_are_told_apart():
    one, other = (
        fairness.Table((name,), [{name: "a"}, {name: "b"}], np.array([[3, 0, size, 0], [4, 0, 4, 0]]))
        for name, size in (("sex", 3), ("race", 4))
    )
    sentence = "The tables have different totals, so they can't be of the same rows: sex 14, race 15."
    assert fairness.of_counts([one, other])["limitations"] == [sentence]


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ([], "no counts"),
        ([fairness.Table(("g",), [{"g": 1}], np.zeros((1, 4), dtype=int))], "no counts"),
        ([fairness.Table(("g",), [{"g": 1}], np.array([[5, -1, 2, 2]]))], "negative"),
        ([fairness.Table(("g",), [{"g": 1}, {"g": 2}], np.array([[5, 1, 2, 2]]))], "2 groups"),
    ],
)
def test_counts_that_cannot_be_are_refused(tables, sentence):
    with pytest.raises(fairness.Unmeasurable, match=sentence):
        fairness.of_counts(tables)
