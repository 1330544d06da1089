"""Scores per group: AUC, calibration, distances; exact and in bins; what is refused or stated."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t, wasserstein_distance
from sklearn.metrics import roc_auc_score

from audits.measures import fairness, scores_by_group
from audits.measures.calibration import bins_of, expected_error
from audits.measures.errors import Unmeasurable

ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.6, 0.9, 1.0]), st.sampled_from("abc")),
    min_size=2,
    max_size=60,
).filter(lambda rows: any(actual for actual, _, _ in rows))


def assess(actual, score, group, **options):
    actual = np.asarray(actual)
    return fairness.assess(
        target=actual, prediction=actual, score=score, sensitive={"g": group}, favourable=1, **options
    )


def of_group(rows, name, key="group"):
    [found] = [row for row in rows if row[key] == {"g": name}]
    return found


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_each_group_is_what_scipy_and_sklearn_make_of_its_rows(rows):
    actual, score, group = map(np.array, zip(*rows, strict=True))
    found = assess(actual, score, group, min_group=1)
    json.dumps(found, allow_nan=False)
    for name in np.unique(group):
        here = group == name
        row = of_group(found["scores"]["groups"], name)
        assert row["mean_score"]["value"] == pytest.approx(score[here].mean(), abs=1e-12)
        assert row["calibration_gap"]["value"] == pytest.approx((actual[here] - score[here]).mean(), abs=1e-12)
        expected = bins_of(actual[here], score[here], 10, 0.95)
        assert [part["n"] for part in row["calibration"]] == [part["n"] for part in expected]
        assert row["ece"] == pytest.approx(expected_error(expected), abs=1e-12)
        if len(set(actual[here])) == 2:
            assert row["auc"]["value"] == pytest.approx(roc_auc_score(actual[here], score[here]), abs=1e-12)
        else:
            assert (row["auc"]["value"], row["auc"]["reason"]) == (None, "the group holds a single outcome")
    for row in found["scores"]["distances"]:
        one, other = score[group == row["group"]["g"]], score[group == row["reference"]["g"]]
        expected = max(abs((one <= at).mean() - (other <= at).mean()) for at in score)
        assert row["ks"] == pytest.approx(expected, abs=1e-12)
        assert row["wasserstein"] == pytest.approx(wasserstein_distance(one, other), abs=1e-12)


def made(count, seed=3):
    """Outcomes, scores that follow them in group b more than in a, and groups; one group is small."""
    generator = np.random.default_rng(seed)
    group = generator.choice(["a", "b", "c"], count, p=[0.6, 0.39, 0.01])
    score = generator.beta(2, 3, count)
    actual = generator.random(count) < np.where(group == "b", score, 0.3 + 0.4 * score)
    return actual, score, group


def test_intervals_of_means_are_students_and_gaps_join_them():
    actual, score, group = made(300)
    found = assess(actual, score, group)["scores"]
    limits = {}
    for name in "ab":
        values = score[group == name]
        spread = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        row = of_group(found["groups"], name)["mean_score"]
        assert (row["low"], row["high"]) == pytest.approx((values.mean() - spread, values.mean() + spread))
        limits[name] = values.mean(), spread
    row = of_group(found["distances"], "b")["mean_difference"]
    assert row["value"] == pytest.approx(limits["b"][0] - limits["a"][0])
    assert row["high"] - row["value"] == pytest.approx(np.hypot(limits["a"][1], limits["b"][1]))


def test_a_gap_in_auc_is_found_and_answered():
    actual, score, group = made(4000)
    found = assess(actual, score, group, min_group=100, tolerance_difference=0.02)["scores"]
    [gap] = [row for row in found["disparities"] if row["metric"] == "auc"]
    assert (gap["worst"], gap["reference"], gap["answer"]) == ({"g": "a"}, {"g": "b"}, "breach")
    areas = [of_group(found["groups"], name)["auc"]["value"] for name in "ba"]
    assert gap["value"] == pytest.approx(areas[0] - areas[1], abs=1e-15)


def test_bins_put_nothing_off_by_more_than_they_say(monkeypatch):
    actual, score, group = made(20_000)
    exact = assess(actual, score, group)["scores"]
    monkeypatch.setattr(scores_by_group, "EXACT_ROWS", 1000)
    monkeypatch.setattr(scores_by_group, "MOST_AUC_ERROR", 1e-3)
    monkeypatch.setattr(scores_by_group, "MOST_BINS", 1 << 14)
    monkeypatch.setattr(scores_by_group, "CHUNK", 3000)
    found = assess(actual, score, group)
    binned = found["scores"]
    assert (exact["exact"], binned["exact"]) == (True, False)
    assert any("16,384 bins" in sentence for sentence in found["limitations"])
    for name in "abc":
        ours, theirs = (of_group(part["groups"], name) for part in (binned, exact))
        assert (ours["auc"]["error"] > 0) == (name != "c")  # the small group was ranked row by row
        assert ours["auc"]["error"] <= 1e-3
        assert abs(ours["auc"]["value"] - theirs["auc"]["value"]) <= ours["auc"]["error"] + 1e-12
        assert ours["calibration"] == theirs["calibration"]
    for name in "bc":
        ours, theirs = (of_group(part["distances"], name) for part in (binned, exact))
        for what in ("ks", "wasserstein"):
            assert abs(ours[what] - theirs[what]) <= ours[f"{what}_error"]


def test_an_area_that_bins_could_put_off_is_ranked_row_by_row(monkeypatch):
    """All scores but one lie in a single bin of sixteen thousand."""
    actual, score, group = made(2000)
    score = score / 1e6
    score[0] = 1.0
    monkeypatch.setattr(scores_by_group, "EXACT_ROWS", 100)
    monkeypatch.setattr(scores_by_group, "MOST_BINS", 1 << 14)
    found = assess(actual, score, group)["scores"]
    assert not found["exact"]
    for name in "abc":
        here = group == name
        row = of_group(found["groups"], name)["auc"]
        assert row["value"] == pytest.approx(roc_auc_score(actual[here], score[here]), abs=1e-12)
        assert row["error"] == 0


def test_scores_that_are_no_probabilities_have_no_calibration():
    actual, score, group = made(100)
    found = assess(actual, 100 * score, group)
    assert {row["metric"] for row in found["scores"]["disparities"]} == {"auc", "mean_score"}
    assert "answer" not in next(row for row in found["scores"]["disparities"] if row["metric"] == "mean_score")
    assert found["scores"]["overall"]["calibration"] is None
    assert any("they are not probabilities" in sentence for sentence in found["limitations"])


def test_a_constant_score_ranks_nobody_and_that_is_said():
    found = assess([1, 0, 1, 0], [0.5] * 4, list("aabb"))
    assert any("Every row has the same score" in sentence for sentence in found["limitations"])
    row = of_group(found["scores"]["groups"], "a")
    assert (row["auc"]["value"], row["auc"]["low"]) == (0.5, None)
    [gap] = [row for row in found["scores"]["disparities"] if row["metric"] == "auc"]
    assert (gap["value"], gap["answer"]) == (0, "not enough evidence")


def test_one_row_and_one_outcome_are_no_reason_to_fail():
    found = assess([1], [0.5], ["a"])
    json.dumps(found, allow_nan=False)
    assert found["scores"]["disparities"] == []
    assert found["scores"]["overall"]["mean_score"] == {"value": 0.5, "low": None, "high": None}
    assert assess([1, 1, 1], [0.5, 0.4, 0.1], ["a", "a", "b"])["scores"]["overall"]["auc"]["value"] is None


@pytest.mark.parametrize(
    ("score", "sentence"),
    [
        ([0.1, np.nan, 0.2, 0.3], "missing in row 2"),
        ([0.1, 0.2, np.inf, 0.3], "infinite in row 3"),
        ([0.1, 0.2, 0.3, -1e200], "row 4, too large to be squared"),
        ([0.1, 0.2, 0.3], "has 3 rows but target has 4"),
        (["a", "b", "c", "d"], "holds text"),
    ],
)
def test_scores_that_cannot_be_compared_are_refused(score, sentence):
    with pytest.raises(Unmeasurable, match=sentence) as refusal:
        assess([1, 0, 1, 0], score, list("aabb"))
    assert refusal.value.param == "score"
