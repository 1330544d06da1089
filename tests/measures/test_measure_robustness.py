"""Changed inputs: what each change leaves alone, and what scores before and after say."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from audits.measures import robustness
from audits.measures.errors import Unmeasurable


def table(n=400):
    generator = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "age": generator.integers(18, 80, n),
            "income": np.where(np.arange(n) % 9 == 0, np.nan, generator.normal(3000, 900, n)),
            "region": pd.Series(generator.choice(["north", "south", "east"], n), dtype="str").mask(
                np.arange(n) % 7 == 0
            ),
            "owner": generator.random(n) < 0.5,
        }
    )


def generator():
    return np.random.default_rng(5)


def test_noise_has_the_stated_size_and_keeps_types_and_gaps():
    frame = table(20_000)
    changed = robustness.perturbed(frame, noise=0.5, flips=0.2, generator=generator())
    assert (changed.dtypes == frame.dtypes).all()
    assert (changed.isna() == frame.isna()).all(axis=None)
    ratio = (changed["income"] - frame["income"]).std() / frame["income"].std()
    assert ratio == pytest.approx(0.5, abs=0.02)
    known = frame["region"].notna()
    assert (changed["region"] != frame["region"])[known].mean() == pytest.approx(0.2, abs=0.01)
    assert (changed["owner"] != frame["owner"]).mean() == pytest.approx(0.2, abs=0.01)
    pd.testing.assert_frame_equal(changed, robustness.perturbed(frame, noise=0.5, flips=0.2, generator=generator()))


def test_no_noise_changes_nothing():
    pd.testing.assert_frame_equal(robustness.perturbed(table(), noise=0, flips=0, generator=generator()), table())


def test_every_category_but_a_lone_one_is_swapped():
    frame = table().assign(only="x")
    changed = robustness.perturbed(frame, noise=0, flips=1, generator=generator())
    known = frame["region"].notna()
    assert (changed["region"] != frame["region"])[known].all()
    assert set(changed["region"].dropna()) == set(frame["region"].dropna())
    assert (changed["only"] == "x").all()


def test_noise_on_numbers_too_large_is_refused():
    with pytest.raises(Unmeasurable, match="huge holds numbers too large"):
        robustness.perturbed(pd.DataFrame({"huge": [1e308, -1e308]}), noise=1, flips=0, generator=generator())


@pytest.mark.parametrize("name", ["age", "income", "region", "owner"])
def test_one_column_alone_is_missing(name):
    changed = robustness.without(table(), name)
    assert changed[name].isna().all()
    pd.testing.assert_frame_equal(changed.drop(columns=name), table().drop(columns=name))


def test_numbers_go_beyond_their_range_and_categories_do_not():
    frame = table()
    low, high = frame["age"].min(), frame["age"].max()
    assert set(robustness.beyond(frame, "age", 0.5, above=True)["age"]) == {int(np.rint(high + (high - low) / 2))}
    assert set(robustness.beyond(frame, "age", 1, above=False)["age"]) == {2 * low - high}
    for name in ("region", "owner"):
        assert robustness.beyond(frame, name, 1, above=True) is None
    assert robustness.beyond(frame.assign(income=1.0), "income", 1, above=True) is None
    assert robustness.beyond(frame.assign(income=np.nan), "income", 1, above=True) is None


def test_a_scenario_multiplies_then_adds_or_sets():
    changes = {"income": {"multiply": 2, "add": 1}, "region": {"set": "west"}, "age": {"multiply": 0.5}}
    changed = robustness.shifted(table(), changes)
    assert changed["income"].dropna().tolist() == (table()["income"] * 2 + 1).dropna().tolist()
    assert set(changed["region"]) == {"west"}
    assert changed["age"].tolist() == (table()["age"] / 2).tolist()
    assert changed["owner"].tolist() == table()["owner"].tolist()


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"region": {"add": 1}}, "holds no numbers"), ({"income": {"multiply": 1e308}}, "infinite")],
)
def test_a_scenario_without_sense_is_refused(changes, said):
    with pytest.raises(Unmeasurable, match=said), np.errstate(over="ignore"):
        robustness.shifted(table(), changes)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40), st.floats(0.1, 0.9))
def test_moves_are_counted_row_by_row(rows, threshold):
    before, after = np.array(rows).T
    found = robustness.moved(before, after, threshold, 0.95)
    gaps = [b - a for a, b in rows]
    assert found["mean_change"] == pytest.approx(np.mean(gaps), abs=1e-12)
    assert found["largest"] == max(map(abs, gaps)) == abs(gaps[found["largest_row"]])
    crossed = np.mean([(a >= threshold) != (b >= threshold) for a, b in rows])
    assert found["decisions_changed"]["value"] == pytest.approx(crossed)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("rising", [True, False])
def test_a_sweep_shows_where_a_score_turns(rising):
    frame, grid = robustness.sweep(table(50), "income", 8)
    assert (np.diff(grid) > 0).all()
    assert len(frame) == len(grid) * 50
    blocks = frame["income"].to_numpy().reshape(len(grid), 50)
    assert (blocks == grid[:, None]).all()
    assert frame["age"].to_numpy().reshape(len(grid), 50).tolist() == [table(50)["age"].tolist()] * len(grid)
    turn = grid[4]
    scores = np.where(blocks < turn, blocks, 2 * turn - blocks) * (1 if rising else -1)
    # every second row never turns
    scores[:, ::2] = np.arange(len(grid))[:, None] * (1.0 if rising else -1.0)
    found = robustness.monotone(scores, grid, rising=rising, confidence=0.95)
    assert found["rows"]["value"] == 0.5
    assert found["steps"] == pytest.approx(0.5 * 3 / 7)
    assert found["at"][0] >= turn
    assert found["largest"] == pytest.approx(max(np.diff(grid)[4:]))


def test_a_model_that_follows_its_direction_has_no_violation():
    scores = np.tile(np.array([0.1, 0.1, 0.1 - 1e-13, 0.4])[:, None], 3)
    found = robustness.monotone(scores, np.arange(4.0), rising=True, confidence=0.95)
    assert (found["rows"]["value"], found["largest"], found["at"]) == (0, 0.0, None)


def test_one_value_has_no_direction():
    frame, grid = robustness.sweep(table().assign(income=1.0), "income", 8)
    found = robustness.monotone(np.zeros((1, 400)), grid, rising=True, confidence=0.95)
    assert (len(frame), found["steps"], found["reason"]) == (400, None, "one value only")


@pytest.mark.parametrize("column", [{"income": np.nan}, {"income": "text"}])
def test_a_sweep_needs_numbers(column):
    with pytest.raises(Unmeasurable):
        robustness.sweep(table().assign(**column), "income", 5)


def test_outcomes_and_their_auc():
    score = np.array([0.1, 0.6, 0.4, 0.9])
    target = np.array([False, True, True, True])
    found = robustness.outcome(score, 0.5, target, 0.95)
    assert found["auc"]["value"] == roc_auc_score(target, score)
    assert (found["mean_score"], found["decision_rate"]["value"]) == (0.5, 0.5)
    assert robustness.outcome(score, 0.5, None, 0.95)["auc"] is None
    assert robustness.outcome(score, 0.5, np.ones(4, dtype=bool), 0.95)["auc"] is None


def test_one_changed_bit_is_another_digest():
    score = np.array([0.1, 0.2])
    same = robustness.reproduced(score, score.copy())
    assert (same["identical"], same["max_difference"]) == (True, 0)
    other = robustness.reproduced(score, np.array([0.1, np.nextafter(0.2, 1)]))
    assert not other["identical"]
    assert other["digest"] == same["digest"] != other["digest_again"]
    assert 0 < other["max_difference"] < 1e-15


def test_rows_are_drawn_by_the_seed_in_file_order():
    drawn = robustness.sampled(1000, 50, 3)
    assert drawn.tolist() == sorted(set(drawn.tolist()))
    assert drawn.tolist() == robustness.sampled(1000, 50, 3).tolist() != robustness.sampled(1000, 50, 4).tolist()
    assert robustness.sampled(10, 50, 3).tolist() == list(range(10))
