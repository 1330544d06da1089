"""Several classes: one against the rest, as the two-outcome measures have it, and accuracy over all."""

import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from audits.measures import class_gaps, fairness
from audits.measures.errors import Unmeasurable

CLASSES = ["gold", "none", "silver"]
ROWS = st.lists(
    st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES), st.sampled_from("ab"), st.sampled_from([1, 2, None])),
    min_size=3,
    max_size=50,
)


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_each_class_is_what_two_outcomes_make_of_it(rows):
    target, prediction, one, other = (list(column) for column in zip(*rows, strict=True))
    assume(not set(target).isdisjoint(prediction))  # else they are written with other labels, and refused
    sensitive = {"one": one, "other": other}
    found = class_gaps.assess(target=target, prediction=prediction, sensitive=sensitive)
    json.dumps(found, allow_nan=False)
    pairs = list(zip(target, prediction, strict=True))
    classes = found["classes"]
    assert found["overall"]["confusion"] == [[pairs.count((was, said)) for said in classes] for was in classes]
    for name in found["classes"]:
        said = fairness.assess(
            target=[value == name for value in target],
            prediction=[value == name for value in prediction],
            sensitive=sensitive,
            favourable=True,
        )
        for part in ("groups", "disparities", "aggregates", "comparisons", "impact"):
            ours = [
                {key: value for key, value in row.items() if key != "class"}
                for row in found[part]
                if row["class"] == name
            ]
            assert ours == said[part]


def test_accuracy_is_over_all_classes():
    generator = np.random.default_rng(4)
    group, target = generator.choice(["a", "b"], 400), generator.choice(CLASSES, 400)
    wrong = generator.random(400) < np.where(group == "a", 0.5, 0.1)
    prediction = np.where(wrong, "none", target)
    found = class_gaps.assess(target=target, prediction=prediction, sensitive={"g": group})
    assert found["overall"]["accuracy"]["value"] == pytest.approx(accuracy_score(target, prediction), abs=1e-12)
    rates = {row["group"]["g"]: row["accuracy"]["value"] for row in found["groups"] if row["class"] is None}
    for name in "ab":
        assert rates[name] == pytest.approx(accuracy_score(target[group == name], prediction[group == name]), abs=1e-12)
    [gap] = [row for row in found["disparities"] if row["class"] is None and row["kind"] == "difference"]
    assert (gap["metric"], gap["worst"], gap["answer"]) == ("accuracy", {"g": "a"}, "breach")


def test_progress_rises_over_the_classes():
    heard: list[float] = []
    class_gaps.assess(
        target=CLASSES * 4,
        prediction=CLASSES * 4,
        sensitive={"g": list("aabb") * 3},
        replicates=10,
        on_progress=heard.append,
    )
    assert heard == sorted(heard)
    assert heard[-1] < 1


@pytest.mark.parametrize(
    ("changes", "param", "sentence"),
    [
        ({"prediction": ["x", "y", "z"]}, "prediction", "write both with the same labels"),
        ({"prediction": ["gold", None, "none"]}, "prediction", "missing in row 2"),
        (
            {"target": list(range(60)), "prediction": list(range(60)), "sensitive": {"g": ["a"] * 60}},
            "target",
            "60 classes",
        ),
        ({"confidence": 2}, "confidence", "such as 0.95"),
    ],
)
def test_classes_that_cannot_be_compared_are_refused(changes, param, sentence):
    given_to = {"target": CLASSES, "prediction": CLASSES, "sensitive": {"g": ["a", "b", "b"]}}
    with pytest.raises(Unmeasurable, match=sentence) as refusal:
        class_gaps.assess(**(given_to | changes))
    assert refusal.value.param == param
