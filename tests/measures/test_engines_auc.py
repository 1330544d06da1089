"""AUC per group from histograms: within its stated bound of scikit-learn's, and exact where it says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from audits.measures import binned_auc
from audits.measures.binned_auc import by_group
from audits.measures.errors import Unmeasurable

Drawn = tuple[Any, Any, Any]


@st.composite
def rows(draw: st.DrawFn) -> Drawn:
    size = draw(st.integers(1, 80))
    scores = draw(st.sampled_from([st.sampled_from([0.0, 0.5, 1.0]), st.floats(-1e3, 1e3), st.floats(0, 1)]))
    return (
        np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size))),
        np.array(draw(st.lists(scores, min_size=size, max_size=size))),
        np.array(draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))),
    )


@settings(max_examples=50, deadline=None)
@given(drawn=rows(), bins=st.sampled_from([1, 3, 64, 65_536]))
def test_areas_lie_within_their_bound_of_scikit_learn_s(drawn: Drawn, bins: int) -> None:
    target, score, codes = drawn
    exact = by_group(target=target, score=score, codes=codes, groups=3)
    binned = by_group(target=target, score=score, codes=codes, groups=3, bins=bins, exact=0, tolerance=1)
    for code in range(3):
        held = codes == code
        if len(set(target[held])) < 2:
            assert exact[code].value is binned[code].value is exact[code].bound is None
            assert exact[code].reason == binned[code].reason == binned_auc.ONE_OUTCOME
            continue
        oracle = roc_auc_score(target[held], score[held])
        assert exact[code].bound == 0
        assert exact[code].value == pytest.approx(oracle, abs=1e-12)
        assert abs(binned[code].value - oracle) <= binned[code].bound + 1e-12


def test_a_bound_that_is_too_wide_has_the_group_sorted() -> None:
    drawn = np.random.default_rng(5)
    score = np.concatenate([drawn.random(2000), drawn.lognormal(0, 3, 2000)])
    target, codes = drawn.random(4000) < 0.4, np.repeat([0, 1], 2000)
    wide = by_group(target=target, score=score, codes=codes, groups=2, bins=4096, exact=0, tolerance=1)
    found = by_group(target=target, score=score, codes=codes, groups=2, bins=4096, exact=0, tolerance=0.01)
    assert wide[0].bound > 0.01
    for code in (0, 1):
        oracle = roc_auc_score(target[codes == code], score[codes == code])
        assert found[code].value == pytest.approx(oracle, abs=found[code].bound + 1e-12)
        assert found[code].bound <= 0.01
    assert found[0].bound == 0


def test_the_bound_is_reached_when_a_bin_holds_pairs_in_one_order() -> None:
    target, score = np.array([False, True]), np.array([0.4, 0.6])
    (area,) = by_group(target=target, score=score, codes=np.zeros(2, int), groups=1, bins=1, exact=0, tolerance=1)
    assert (area.value, area.bound) == (0.5, 0.5)


def test_bins_hold_every_row_once_over_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.random.default_rng(6)
    given = {
        "positive": drawn.random(1000) < 0.5,
        "score": drawn.normal(size=1000),
        "codes": drawn.integers(0, 4, 1000),
    }
    whole = binned_auc.histogram(**given, groups=4, bins=37)
    monkeypatch.setattr(binned_auc, "BLOCK", 64)
    assert (binned_auc.histogram(**given, groups=4, bins=37) == whole).all()
    for code in range(4):
        for outcome in (0, 1):
            held = given["score"][(given["codes"] == code) & (given["positive"] == outcome)]
            extent = given["score"].min(), given["score"].max()
            assert whole[code, outcome].tolist() == np.histogram(held, bins=37, range=extent)[0].tolist()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"score": [0.1, float("nan"), 0.2]}, "score is missing in row 2"),
        ({"score": [0.1, float("inf"), 0.2]}, "score is infinite in row 2"),
        ({"score": [-1e308, 0, 1e308]}, "too far for bins of equal width"),
        ({"target": [0, 2, 1]}, "target holds"),
        ({"codes": [0, 1, 2]}, "whole numbers from 0 to 1"),
        ({"codes": [0, -1, 1]}, "whole numbers from 0 to 1"),
        ({"codes": [0.5, 0, 1]}, "whole numbers from 0 to 1"),
        ({"codes": [0, 1]}, "one value per row"),
        ({"bins": 0}, "bins is 0"),
    ],
)
def test_what_has_no_area_is_refused(changed: dict[str, Any], sentence: str) -> None:
    given = {"target": [0, 1, 1], "score": [0.1, 0.2, 0.3], "codes": [0, 1, 1], "groups": 2, "exact": 0}
    with pytest.raises(Unmeasurable, match=sentence):
        by_group(**(given | changed))


@pytest.mark.parametrize("score", [0.0, 5e-324, 1e308])
def test_a_constant_score_decides_nothing(score: float) -> None:
    target, scores = np.array([0, 1, 1, 0]), np.full(4, score)
    (area,) = by_group(target=target, score=scores, codes=np.zeros(4, int), groups=1, exact=0, tolerance=1)
    assert (area.value, area.bound) == (0.5, 0.5)
