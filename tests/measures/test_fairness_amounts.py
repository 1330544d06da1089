"""Errors of amounts per group, as sklearn and fairlearn have them."""

import json

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score, root_mean_squared_error

from audits.measures import regression_gaps
from audits.measures.errors import Unmeasurable

METRICS = {
    "mean_absolute_error": mean_absolute_error,
    "mean_squared_error": mean_squared_error,
    "root_mean_squared_error": root_mean_squared_error,
    "mean_prediction": lambda _, said: np.mean(said),
    "mean_error": lambda happened, said: np.mean(said - happened),
}
AMOUNTS = st.floats(-1e6, 1e6, width=32)
ROWS = st.lists(st.tuples(AMOUNTS, AMOUNTS, st.sampled_from("abc")), min_size=2, max_size=40)


def assess(target, prediction, group, **options):
    return regression_gaps.assess(target=target, prediction=prediction, sensitive={"g": group}, **options)


@settings(max_examples=20, deadline=None)
@given(ROWS)
def test_every_group_is_what_sklearn_makes_of_its_rows(rows):
    frame = pd.DataFrame(rows, columns=["target", "prediction", "g"])
    found = assess(frame["target"], frame["prediction"], frame["g"], min_group=1)
    json.dumps(found, allow_nan=False)
    theirs = MetricFrame(
        metrics=METRICS, y_true=frame["target"], y_pred=frame["prediction"], sensitive_features=frame["g"]
    )
    largest = np.abs(frame[["target", "prediction"]].to_numpy()).max()
    for row in found["groups"]:
        expected = theirs.by_group.loc[row["group"]["g"]]
        for name in METRICS:
            size = largest**2 if name == "mean_squared_error" else largest
            if name != "root_mean_squared_error":  # a root of next to nothing shows rounding
                assert row[name]["value"] == pytest.approx(expected[name], rel=1e-9, abs=1e-12 * size)
    for row in found["disparities"]:
        if row["metric"] in {"mean_error", "mean_absolute_error"} and row["value"] is not None:
            assert row["value"] == pytest.approx(theirs.difference()[row["metric"]], rel=1e-9, abs=1e-12 * largest)


def made():
    generator = np.random.default_rng(6)
    group = generator.choice(["a", "b"], 200)
    target = generator.normal(50, 10, 200)
    return target, target + generator.normal(0, 4, 200) + 3 * (group == "b"), group


def test_limits_are_students_and_those_of_the_gap_nearly_welchs():
    target, prediction, group = made()
    found = assess(target, prediction, group, tolerance=1)
    spreads = {}
    for row in found["groups"]:
        errors = (prediction - target)[group == row["group"]["g"]]
        spread = t.ppf(0.975, len(errors) - 1) * errors.std(ddof=1) / np.sqrt(len(errors))
        assert row["mean_error"]["high"] == pytest.approx(errors.mean() + spread)
        assert row["r2"] == pytest.approx(
            r2_score(*(part[group == row["group"]["g"]] for part in (target, prediction)))
        )
        spreads[row["group"]["g"]] = spread
    [gap] = [row for row in found["disparities"] if row["metric"] == "mean_error"]
    assert (gap["worst"], gap["reference"], gap["answer"]) == ({"g": "a"}, {"g": "b"}, "breach")
    assert gap["value"] - gap["low"] == pytest.approx(np.hypot(*spreads.values()))


def test_far_from_zero_the_digits_are_kept():
    """Amounts of a billion with errors of a cent."""
    target = 1e9 + np.arange(40.0)
    errors = np.where(np.arange(40) % 2, 0.01, -0.02)
    found = assess(target, target + errors, np.arange(40) % 2)
    assert [row["mean_error"]["value"] for row in found["groups"]] == pytest.approx([-0.02, 0.01], rel=1e-4)


def test_intersections_missing_values_and_small_groups():
    target, prediction = [1.0, 2.0, 3.0, 4.0, 5.0], [1.5, 2.0, 2.0, 4.0, 9.0]
    sensitive = {"sex": ["f", "f", "m", "m", None], "area": ["n", "s", "n", "s", "s"]}
    found = regression_gaps.assess(target=target, prediction=prediction, sensitive=sensitive)
    assert {"sex": None} in [row["group"] for row in found["groups"]]
    assert {"sex": None} in [row["group"] for row in found["excluded"]]
    assert {tuple(row["attributes"]) for row in found["disparities"]} == {("sex",), ("area",)}
    assert found["limitations"] == ["No difference for sex and area: fewer than two groups have at least 2 rows."]
    [alone] = [row for row in found["groups"] if row["group"] == {"sex": None}]
    assert alone["mean_error"] == {"value": 4.0, "low": None, "high": None}
    assert alone["r2"] is None
    json.dumps(found, allow_nan=False)


def test_a_single_row_counts_but_proves_nothing():
    found = assess([1.0, 2.0, 9.0], [1.0, 2.0, 5.0], ["a", "a", "b"], min_group=1, tolerance=0.5)
    [gap] = [row for row in found["disparities"] if row["metric"] == "mean_error"]
    assert (gap["value"], gap["low"], gap["high"]) == (4.0, None, None)
    assert gap["answer"] == "not enough evidence"


@pytest.mark.parametrize(
    ("changes", "param", "sentence"),
    [
        ({"target": [1.0, np.inf]}, "target", "infinite in row 2"),
        ({"prediction": [1.0, np.nan]}, "prediction", "missing in row 2"),
        ({"prediction": [1.0, 1e90]}, "prediction", "row 2, too large"),
        ({"target": ["a", "b"]}, "target", "holds text"),
        ({"target": [1.0]}, "prediction", "has 2 rows but target has 1"),
        ({"tolerance": -1}, "tolerance", "0 or more"),
        ({"tolerance": float("nan")}, "tolerance", "0 or more"),
        ({"sensitive": {}}, "sensitive", "names no attribute"),
    ],
)
def test_amounts_that_cannot_be_compared_are_refused(changes, param, sentence):
    given_to = {"target": [1.0, 2.0], "prediction": [1.0, 2.0], "sensitive": {"g": ["a", "b"]}}
    with pytest.raises(Unmeasurable, match=sentence) as refusal:
        regression_gaps.assess(**(given_to | changes))
    assert refusal.value.param == param
