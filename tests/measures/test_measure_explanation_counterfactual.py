"""Counterfactuals, against every possible change of small tables."""

import json
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audits.measures.counterfactual import FAVOURABLE, NONE_FOUND, counterfactuals
from audits.measures.errors import Unmeasurable

JOBS = {"none": 0.0, "part": 0.7, "full": 1.1}


def additive(frame):
    held = frame["job"].map(JOBS).fillna(0.0).to_numpy(dtype=float)
    return (0.3 * frame["a"] + 0.2 * frame["b"]).to_numpy(dtype=float) + held


def turned(data, place, threshold, score, most=3):
    """The fewest changes that turn the row and, of one change, the nearest: by trying everything."""
    row = data.iloc[place]
    for count in range(1, most + 1):
        found = []
        for names in combinations(data.columns, count):
            for values in product(*(data[name].dropna().unique() for name in names)):
                if any(value == row[name] for name, value in zip(names, values, strict=True)):
                    continue
                changed = data.iloc[[place]].astype(object)
                for name, value in zip(names, values, strict=True):
                    changed[name] = [value]
                changed = changed.astype(data.dtypes)
                if score(changed)[0] >= threshold:
                    found.append(sum(far(data, row, *move) for move in zip(names, values, strict=True)))
        if found:
            return count, min(found)
    return None


def far(data, row, name, value):
    if name == "job" or pd.isna(row[name]):
        return 1.0
    deviation = (data[name] - data[name].median()).abs().median()
    return abs(value - row[name]) / (deviation or data[name].std(ddof=0) or 1.0)


tables = st.lists(
    st.tuples(st.integers(0, 4), st.one_of(st.integers(0, 4).map(float), st.none()), st.sampled_from([*JOBS])),
    min_size=2,
    max_size=7,
)


@settings(max_examples=40, deadline=None)
@given(tables, st.floats(0.2, 3.5))
def test_as_few_changes_as_any_search_could_find_and_the_nearest_single_one(rows, threshold):
    data = pd.DataFrame(rows, columns=["a", "b", "job"])
    data["b"] = data["b"].astype(float).fillna(0.0)
    found = counterfactuals(
        score=additive, data=data, places=range(len(data)), rows=range(1, len(data) + 1), threshold=threshold
    )
    json.dumps(found, allow_nan=False)
    for place, row in enumerate(found["rows"]):
        if additive(data)[place] >= threshold:
            assert (row["reason"], row["counterfactuals"]) == (FAVOURABLE, [])
            continue
        best = turned(data, place, threshold, additive)
        if best is None:
            assert (row["reason"], row["counterfactuals"]) == (NONE_FOUND, [])
            continue
        first = row["counterfactuals"][0]
        assert len(first["changes"]) == best[0]
        assert first["distance"] >= best[1] - 1e-9
        if best[0] == 1:
            assert first["distance"] == pytest.approx(best[1])
        for each in row["counterfactuals"]:
            changed = data.iloc[[place]].copy()
            for change in each["changes"]:
                assert change["to"] in data[change["feature"]].tolist()
                changed[change["feature"]] = [change["to"]]
            assert each["score"] == pytest.approx(additive(changed)[0])
            assert each["score"] >= threshold


@pytest.fixture(scope="module")
def people():
    random = np.random.default_rng(8)
    return pd.DataFrame(
        {
            "a": random.normal(size=400),
            "b": random.integers(0, 50, 400),
            "job": random.choice([*JOBS], 400),
            "sex": random.choice(["f", "m"], 400),
        }
    )


def unequal(frame):
    return additive(frame) + 9 * (frame["sex"] == "m").to_numpy()


def test_constraints_hold_and_the_model_is_asked_seldom(people):
    calls = []

    def score(frame):
        calls.append(len(frame))
        assert list(frame.dtypes) == list(people.dtypes)
        return unequal(frame)

    places = np.flatnonzero(unequal(people) < 8)[:20]
    asked = {
        "score": score,
        "data": people,
        "places": places,
        "rows": places,
        "threshold": 8.0,
        "immutable": ["sex"],
        "directions": {"a": "decrease", "b": "increase"},
        "ranges": {"b": [0, 40]},
    }
    found = counterfactuals(**asked)
    assert len(calls) < 20
    assert found["found"] > 0
    for row in found["rows"]:
        for each in row["counterfactuals"]:
            for change in each["changes"]:
                assert change["feature"] in {"b", "job"}  # less of a never helps
                assert change["feature"] != "b" or change["from"] < change["to"] <= 40
    assert counterfactuals(**asked) == found
    free = counterfactuals(**asked | {"immutable": [], "directions": {}})
    assert all(len(row["counterfactuals"]) > 0 for row in free["rows"])


def test_a_single_change_of_a_number_stops_at_the_first_value_that_turns_it(people):
    """More values than the grid has, so the last step is found by moving back."""
    places = np.flatnonzero(people["a"] < -0.5)[:5]
    found = counterfactuals(
        score=lambda frame: frame["a"].to_numpy(), data=people, places=places, rows=places, threshold=0.25
    )
    nearest = people["a"][people["a"] >= 0.25].min()
    assert [row["counterfactuals"][0]["changes"][0]["to"] for row in found["rows"]] == [nearest] * 5
    assert (found["coverage"], found["sparsity"]) == (1.0, 1.0)


def test_a_missing_cell_may_be_filled_but_never_made_and_has_no_direction():
    data = pd.DataFrame({"a": [np.nan, 1.0, 2.0, np.inf], "b": [1.0, np.nan, 1.0, 1.0]})

    def score(frame):
        return frame["a"].replace(np.inf, 9.0).fillna(0.0).to_numpy() + 5 * frame["b"].isna().to_numpy()

    asked = {"score": score, "data": data, "places": [0], "rows": [1], "threshold": 2.0}
    (row,) = counterfactuals(**asked)["rows"]
    assert row["counterfactuals"] == [
        {"changes": [{"feature": "a", "from": None, "to": 2}], "score": 2.0, "distance": 1.0}
    ]
    (row,) = counterfactuals(**asked | {"directions": {"a": "increase"}})["rows"]
    assert row["reason"] == NONE_FOUND


def test_nothing_asked_is_nothing_found(people):
    found = counterfactuals(score=unequal, data=people, places=[], rows=[], threshold=0.5)
    assert (found["rows"], found["asked"], found["coverage"], found["sparsity"]) == ([], 0, None, None)
    beyond = counterfactuals(score=unequal, data=people, places=[0], rows=[1], threshold=1e9)
    assert (beyond["found"], beyond["coverage"], beyond["median_distance"]) == (0, 0.0, None)


@pytest.mark.parametrize(
    ("changes", "param", "sentence"),
    [
        ({"immutable": ["wage"]}, "immutable", "no feature “wage”"),
        ({"directions": {"job": "increase"}}, "directions", "have no order"),
        ({"ranges": {"sex": [0, 1]}}, "ranges", "have no order"),
        ({"threshold": np.nan}, "threshold", "missing"),
        ({"most_changes": 0}, "most_changes", "at least 1"),
        ({"score": lambda frame: np.full(len(frame), np.nan)}, "score", "missing"),
    ],
)
def test_what_has_no_right_answer_is_refused(people, changes, param, sentence):
    given_ = {"score": unequal, "data": people, "places": [0], "rows": [1], "threshold": 8.0} | changes
    with pytest.raises(Unmeasurable, match=sentence) as refusal:
        counterfactuals(**given_)
    assert refusal.value.param == param
