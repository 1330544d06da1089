"""Agreement with fairlearn over made-up data, ties and empty cells included."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    MetricFrame,
    equalized_odds_difference,
    equalized_odds_ratio,
    false_negative_rate,
    false_positive_rate,
    selection_rate,
    true_negative_rate,
    true_positive_rate,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_score

from audits.measures import fairness

METRICS = {
    "selection_rate": selection_rate,
    "true_positive_rate": partial(true_positive_rate, pos_label=1),
    "false_positive_rate": partial(false_positive_rate, pos_label=1),
    "true_negative_rate": partial(true_negative_rate, pos_label=1),
    "false_negative_rate": partial(false_negative_rate, pos_label=1),
    "precision": partial(precision_score, pos_label=1, zero_division=0),
    "accuracy": accuracy_score,
}
ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 1), st.sampled_from("fm"), st.sampled_from("abc")),
    min_size=2,
    max_size=60,
)


def compare(rows, sensitive_names):
    frame = pd.DataFrame(rows, columns=["target", "prediction", "sex", "area"])
    sensitive = {name: frame[name] for name in sensitive_names}
    found = fairness.assess(
        target=frame["target"],
        prediction=frame["prediction"],
        sensitive=sensitive,
        favourable=1 if (frame[["target", "prediction"]] == 1).any(axis=None) else 0,
        min_group=1,
    )
    expected = MetricFrame(
        metrics=METRICS,
        y_true=frame["target"],
        y_pred=frame["prediction"],
        sensitive_features=frame[list(sensitive_names)],
    )
    return frame, found, expected


def by_group(found, names):
    """Our rates shaped as fairlearn's by_group; NaN where we say undefined."""
    rows = [row for row in found["groups"] if tuple(row["group"]) == names]
    keys = [tuple(row["group"].values()) for row in rows]
    index = pd.MultiIndex.from_tuples(keys, names=names) if len(names) > 1 else pd.Index([k for (k,) in keys])
    values = [[np.nan if row[m]["value"] is None else row[m]["value"] for m in METRICS] for row in rows]
    return pd.DataFrame(values, index=index, columns=list(METRICS))


def assert_equal(rows, names):
    frame, found, expected = compare(rows, names)
    ours, theirs = by_group(found, names), expected.by_group.dropna(how="all")
    theirs = theirs.loc[ours.index]
    assert np.allclose(ours.fillna(0), theirs, rtol=0, atol=1e-12)  # 0 over 0: null here, 0 in fairlearn
    theirs = theirs.mask(ours.isna())
    lowest, highest = theirs.min(), theirs.max()
    for row in found["disparities"]:
        if row["attributes"] != list(names) or row["metric"] == "equalized_odds":
            continue
        metric = row["metric"]
        if theirs[metric].notna().sum() < 2:
            assert row["value"] is None
        elif row["kind"] == "difference":
            assert row["value"] == pytest.approx(highest[metric] - lowest[metric], abs=1e-12)
        elif highest[metric] == 0:
            assert row["value"] is None
        else:
            assert row["value"] == pytest.approx(lowest[metric] / highest[metric], abs=1e-12)
    if ours.isna().any(axis=None) or len(ours) < 2:
        return
    assert_equal_disparities(frame, found, expected, names)


def assert_equal_disparities(frame, found, expected, names):
    """With every rate defined, fairlearn's own disparities must come out."""
    ratios, differences = expected.ratio(method="between_groups"), expected.difference()
    given_to = {"y_true": frame["target"], "y_pred": frame["prediction"], "sensitive_features": frame[list(names)]}
    odds = {"ratio": equalized_odds_ratio(**given_to), "difference": equalized_odds_difference(**given_to)}
    for row in found["disparities"]:
        if row["attributes"] != list(names):
            continue
        if row["metric"] == "equalized_odds":
            theirs = odds[row["kind"]]
        else:
            theirs = (ratios if row["kind"] == "ratio" else differences)[row["metric"]]
        if np.isnan(theirs):
            continue  # fairlearn's 0 to 0
        assert row["value"] == pytest.approx(theirs, abs=1e-12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ROWS.filter(lambda rows: any(t or p for t, p, _, _ in rows)))
def test_one_attribute_equals_fairlearn(rows):
    assert_equal(rows, ("sex",))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ROWS.filter(lambda rows: any(t or p for t, p, _, _ in rows)))
def test_an_intersection_equals_fairlearn(rows):
    assert_equal(rows, ("sex", "area"))


def test_a_large_sample_equals_fairlearn():
    """Every cell filled, so that nothing is left out of the comparison."""
    generator = np.random.default_rng(8)
    rows = list(
        zip(
            generator.integers(0, 2, 3000),
            generator.integers(0, 2, 3000),
            generator.choice(list("fm"), 3000),
            generator.choice(list("abc"), 3000),
            strict=True,
        )
    )
    for names in (("sex",), ("sex", "area")):
        frame, found, expected = compare(rows, names)
        assert not by_group(found, names).isna().any(axis=None)
        assert_equal_disparities(frame, found, expected, names)
        assert_equal(rows, names)


def test_a_group_without_positives_is_where_the_two_differ():
    rows = [(1, 1, "f", "a"), (0, 0, "f", "a"), (0, 1, "m", "a"), (0, 0, "m", "a")]
    _, found, expected = compare(rows, ("sex",))
    assert expected.by_group["true_positive_rate"]["m"] == 0
    assert np.isnan(by_group(found, ("sex",))["true_positive_rate"]["m"])
