"""Segments: a planted weakness is found, chance is not, and the tests are scipy's."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from audits.measures import segments
from audits.measures.errors import Unmeasurable


def table(n=2000, seed=1):
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": generator.integers(18, 80, n),
            "income": generator.normal(3000, 900, n),
            "region": pd.Series(generator.choice(["north", "south", "east"], n), dtype="str"),
            "owner": generator.random(n) < 0.5,
        }
    )


def members(frame, where):
    inside = np.ones(len(frame), dtype=bool)
    for part in where:
        values = frame[part["feature"]]
        if "is" in part:
            inside &= (values.isna() if part["is"] is None else values == part["is"]).to_numpy()
        else:
            inside &= (
                (values > (-np.inf if part["above"] is None else part["above"]))
                & (values <= (np.inf if part["to"] is None else part["to"]))
            ).to_numpy()
    return inside


def test_a_planted_weakness_is_found_and_holds_in_unseen_rows():
    frame = table()
    weak = (frame["region"] == "south") & frame["owner"]
    loss = (np.random.default_rng(2).random(len(frame)) < np.where(weak, 0.5, 0.1)).astype(float)
    found = segments.search(features=dict(frame), loss=loss, seed=3)
    worst = found["segments"][0]
    assert sorted(part["feature"] for part in worst["where"]) == ["owner", "region"]
    assert {part["is"] for part in worst["where"]} == {"south", True}
    assert worst["difference"]["low"] > 0.3
    assert worst["p_holm"] < 1e-6
    json.dumps(found, allow_nan=False)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_each_segment_is_tested_as_scipy_does_on_the_other_half(seed):
    frame = table(400, seed)
    frame.loc[::7, "income"] = np.nan
    frame.loc[::5, "region"] = None
    loss = np.random.default_rng(seed).random(400) * (1 + frame["owner"])
    found = segments.search(features=dict(frame), loss=loss, seed=seed, least=20)
    order = np.random.default_rng(seed).permutation(400)
    unseen = np.zeros(400, dtype=bool)
    unseen[order[200:]] = True
    for row in found["segments"]:
        inside = members(frame, row["where"])
        assert row["found"]["n"] == (inside & ~unseen).sum()
        assert row["n"] == (inside & unseen).sum()
        if row["p"] is None:
            assert "fewer than 20 unseen rows" in row["reason"]
            continue
        test = stats.ttest_ind(loss[inside & unseen], loss[~inside & unseen], equal_var=False, alternative="greater")
        assert row["p"] == pytest.approx(test.pvalue)
        two = stats.ttest_ind(loss[inside & unseen], loss[~inside & unseen], equal_var=False).confidence_interval()
        assert (row["difference"]["low"], row["difference"]["high"]) == pytest.approx((two.low, two.high))
    p_values = [row["p"] for row in found["segments"] if row["p"] is not None]
    assert [row["p_bh"] for row in found["segments"] if row["p"] is not None] == pytest.approx(
        list(stats.false_discovery_control(p_values))
    )
    json.dumps(found, allow_nan=False)


def test_chance_alone_seldom_passes():
    """40 tables without any weakness: at 5% a false alarm in few of them, where the found half alone shows many."""
    alarms, looks = 0, 0
    for seed in range(40):
        frame = table(400, seed)
        loss = np.random.default_rng(seed + 1000).random(400)
        rows = segments.search(features=dict(frame), loss=loss, seed=seed)["segments"]
        alarms += any(row["p_holm"] is not None and row["p_holm"] < 0.05 for row in rows)
        looks += rows[0]["found"]["difference"] > 0.05
    assert alarms <= 6  # 2 expected, and 6 is almost 3 standard errors
    assert looks > 20


def test_the_same_seed_finds_the_same_and_missing_values_are_a_segment():
    frame = table(600)
    frame.loc[frame.index % 3 == 0, "income"] = np.nan
    loss = np.where(frame["income"].isna(), 1.0, 0.0) + np.random.default_rng(1).random(600) / 10
    first, second = (segments.search(features=dict(frame), loss=loss, pairs=False) for _ in range(2))
    assert first == second
    assert first["segments"][0]["where"] == [{"feature": "income", "is": None}]


def test_rarer_values_are_one_segment_together():
    codes = np.concatenate([np.repeat(np.arange(20), 40), np.arange(100, 300)])
    loss = (codes >= 100) + np.random.default_rng(1).random(len(codes))
    found = segments.search(features={"code": pd.Series([f"c{code}" for code in codes])}, loss=loss, least=20)
    assert found["segments"][0]["where"] == [{"feature": "code", "other": True}]
    assert found["segments"][0]["difference"]["value"] == pytest.approx(1, abs=0.1)


def test_much_the_same_rows_are_listed_once():
    frame = table(800)
    frame["twin"] = frame["region"]
    loss = (frame["region"] == "east").astype(float) + np.random.default_rng(1).random(800)
    found = segments.search(features=dict(frame), loss=loss, pairs=False)["segments"]
    assert [row["where"][0].get("is") for row in found].count("east") == 1


def test_a_loss_that_never_varies_finds_nothing():
    found = segments.search(features=dict(table(200)), loss=np.zeros(200), least=10)
    assert found["segments"] == []


def test_a_feature_that_is_missing_or_constant_throughout_is_no_segment():
    frame = pd.DataFrame({"empty": np.full(200, np.nan), "one": np.ones(200), "same": ["x"] * 200})
    found = segments.search(features=dict(frame), loss=np.random.default_rng(0).random(200), least=10)
    assert (found["tried"], found["segments"]) == (0, [])


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"loss": [0.0] * 10}, "least"),
        ({"loss": [0.0, np.inf] * 60}, "loss"),
        ({"least": 1}, "least"),
        ({"bands": 1}, "bands"),
        ({"confidence": 0}, "confidence"),
    ],
)
def test_input_without_a_right_answer_is_refused(changes, param):
    given_ = {"loss": np.zeros(120)} | changes
    with pytest.raises(Unmeasurable) as refusal:
        segments.search(features={"x": np.arange(len(given_["loss"]))}, **given_)
    assert refusal.value.param == param
