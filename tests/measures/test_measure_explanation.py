"""Explanation: what contributions sum up to, on exact Shapley values and on a real booster's."""

import json
from itertools import combinations
from math import factorial

import numpy as np
import pytest
import xgboost

from audits.measures import explanation
from audits.measures.errors import NotAdditive, Unmeasurable

FEATURES = ["income", "age", "debt"]


def model(x):
    return 2 * x[:, 0] - x[:, 1] + x[:, 0] * x[:, 2]


def shapley(x, background):
    """Exact interventional Shapley values by every coalition."""
    size = len(FEATURES)

    def worth(coalition):
        mixed = background.copy()
        mixed[:, list(coalition)] = x[list(coalition)]
        return model(mixed).mean()

    values = np.zeros(size)
    for feature in range(size):
        others = [other for other in range(size) if other != feature]
        for count in range(size):
            weight = factorial(count) * factorial(size - count - 1) / factorial(size)
            for coalition in combinations(others, count):
                values[feature] += weight * (worth((*coalition, feature)) - worth(coalition))
    return values


@pytest.fixture(scope="module")
def explained():
    data = np.random.default_rng(5).normal(size=(20, 3))
    values = np.array([shapley(row, data) for row in data])
    return {"values": values, "base": float(model(data).mean()), "output": model(data), "data": data}


def summarise(explained, **changes):
    given = {**explained, "features": FEATURES, "rows": list(range(100, 120)), "game": "interventional"}
    return explanation.summarise(**{**given, **changes})


def test_exact_shapley_values_add_up(explained):
    result = summarise(explained)
    assert result["additivity"]["holds"] is True
    assert result["additivity"]["max_abs_error"] < 1e-13
    assert (result["game"], result["base"]) == ("interventional", pytest.approx(explained["base"]))
    json.dumps(result, allow_nan=False)


def test_importance_is_the_mean_size_the_largest_first(explained):
    rows = summarise(explained)["importance"]
    sizes = [row["mean_abs"] for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    for row in rows:
        column = explained["values"][:, FEATURES.index(row["feature"])]
        assert row["mean_abs"] == pytest.approx(np.abs(column).mean())
        assert row["mean"] == pytest.approx(column.mean())


def test_the_reasons_of_a_row_are_its_largest_contributions_and_the_rest(explained):
    for place, reason in enumerate(summarise(explained, top=2)["reasons"]):
        assert reason["row"] == 100 + place
        first, second = reason["contributions"]
        assert abs(first["contribution"]) >= abs(second["contribution"]) >= abs(reason["rest"])
        whole = reason["base"] + first["contribution"] + second["contribution"] + reason["rest"]
        assert whole == pytest.approx(reason["output"], abs=1e-12)
        assert first["value"] == pytest.approx(explained["data"][place, FEATURES.index(first["feature"])])


def test_text_missing_and_numpy_cells_are_written_as_json(explained):
    cells = np.array([["own", None, np.float64(3.0)]] * 20, dtype=object)
    contributions = summarise(explained, data=cells, top=3)["reasons"][0]["contributions"]
    assert {row["feature"]: row["value"] for row in contributions} == {"income": "own", "age": None, "debt": 3}
    json.dumps(contributions, allow_nan=False)


def test_nothing_contributing_has_no_share(explained):
    result = summarise(explained, values=np.zeros((20, 3)), output=np.full(20, explained["base"]))
    assert [row["share"] for row in result["importance"]] == [None, None, None]
    assert result["additivity"]["holds"] is True


def test_values_that_do_not_add_up_are_reported_and_refused(explained):
    wrong = explained["output"].copy()
    wrong[6] += 0.01
    assert summarise(explained, output=wrong)["additivity"]["holds"] is False
    given = {"values": explained["values"], "base": explained["base"]}
    with pytest.raises(NotAdditive, match=r"In row 7 .* miss the output by 0.01, more than") as refusal:
        explanation.check_additivity(**given, output=wrong)
    assert isinstance(refusal.value, ValueError)
    assert explanation.check_additivity(**given, output=wrong, relative=0.1).row == 6
    assert explanation.check_additivity(**given, output=explained["output"]).holds


def test_the_tolerance_follows_the_scale_of_the_output(explained):
    large = {key: np.asarray(explained[key]) * 1e6 for key in ("values", "base", "output")}
    small = explanation.check_additivity(**{key: explained[key] for key in large})
    assert explanation.check_additivity(**large).tolerance == pytest.approx(small.tolerance * 1e6)


def test_a_boosters_own_contributions_add_up_to_its_margin_but_not_to_its_probability():
    generator = np.random.default_rng(3)
    data = generator.normal(size=(300, 3)).astype(np.float32)
    target = (data[:, 0] + data[:, 1] * data[:, 2] + generator.normal(size=300) > 0).astype(int)
    rows = xgboost.DMatrix(data, label=target)
    settings = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1, "seed": 0}
    booster = xgboost.train(settings, rows, num_boost_round=20)
    found = booster.predict(rows, pred_contribs=True)
    given = {"values": found[:, :-1], "base": found[:, -1]}
    margin = booster.predict(rows, output_margin=True)
    assert explanation.check_additivity(**given, output=margin).max_abs_error < 1e-5
    with pytest.raises(NotAdditive, match=r"margin or probability"):
        explanation.check_additivity(**given, output=booster.predict(rows))
    result = summarise({**given, "output": margin, "data": data}, rows=list(range(300)), game="path-dependent")
    assert result["importance"][0]["feature"] == "income"


@pytest.mark.parametrize(
    ("changes", "param", "sentence"),
    [
        ({"values": np.zeros((20, 3, 2))}, "values", "has 3 dimensions; pass rows by features"),
        ({"values": np.zeros((0, 3))}, "values", "no rows or no columns"),
        ({"values": np.full((20, 3), np.nan)}, "values", "missing in row 1"),
        ({"values": np.full((20, 3), np.inf)}, "values", "infinite in row 1"),
        ({"output": np.zeros(19)}, "output", "values has 20 rows; pass one output per row"),
        ({"output": [*range(19), np.nan]}, "output", "missing in row 20"),
        ({"base": np.zeros(7)}, "base", "pass one base or one per row"),
        ({"features": ["a", "b"]}, "features", "make them match"),
        ({"rows": [1]}, "rows", "make them match"),
        ({"data": np.zeros((20, 4))}, "data", "make them match"),
        ({"top": 0}, "top", "at least 1"),
    ],
)
def test_input_without_a_right_answer_is_refused_by_name(explained, changes, param, sentence):
    with pytest.raises(Unmeasurable, match=sentence) as refusal:
        summarise(explained, **changes)
    assert refusal.value.param == param
