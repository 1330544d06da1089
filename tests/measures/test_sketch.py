"""The sketch: cells in the order of the numbers, parts that add up, and bounds that hold."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from audits.measures import drift, sketch
from audits.measures.errors import Unmeasurable

FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)
SAMPLE = st.lists(FLOATS, min_size=1, max_size=60)
TIED = st.lists(st.integers(-5, 300).map(float), min_size=2, max_size=60)


@settings(max_examples=50, deadline=None)
@given(SAMPLE)
def test_each_number_lies_in_its_cell_and_cells_are_in_order(values):
    low, high = sketch.bounds()
    for value in values:
        (cell,) = np.flatnonzero(sketch.of([value]).counts)
        assert low[cell] <= value <= high[cell]
    held = slice(sketch.CENTRE - sketch.INFINITE + 1, sketch.CENTRE + sketch.INFINITE)
    assert (low[held][1:] > high[held][:-1]).all()
    assert (low[held] <= high[held]).all()


def test_round_numbers_have_a_cell_of_their_own():
    low, high = sketch.bounds()
    for value in (0.0, -0.0, 1.0, -1.0, 0.5, 77.0, 255.0, -3.25):
        (cell,) = np.flatnonzero(sketch.of([value]).counts)
        assert low[cell] == high[cell] == value


def test_missing_and_infinite_numbers_are_counted_apart():
    made = sketch.of([1.0, np.nan, np.inf, -np.inf, 1e300])
    assert (made.missing, made.infinite, made.finite().sum()) == (1, 3, 1)


@settings(max_examples=25, deadline=None)
@given(SAMPLE, SAMPLE)
def test_sketches_of_parts_add_up(one, two):
    both = sketch.of(one).merge(sketch.of(two))
    assert (both.counts == sketch.of(one + two).counts).all()


@settings(max_examples=50, deadline=None)
@given(st.one_of(SAMPLE, TIED), st.one_of(SAMPLE, TIED))
def test_the_bounds_hold(reference, current):
    exact = drift.numbers(reference, current)
    about = drift.sketched(sketch.of(reference), sketch.of(current))
    gap = exact["ks"]["value"] - about["ks"]["value"]
    assert -1e-12 <= gap <= about["ks"]["bound"] + 1e-12
    if exact["wasserstein"]["value"] is not None:
        off = abs(exact["wasserstein"]["value"] - about["wasserstein"]["value"])
        assert off <= about["wasserstein"]["bound"] * (1 + 1e-9) + 1e-12 * max(map(abs, reference + current))
    again = drift.numbers(reference, current, edges=about["bins"]["edges"])
    assert again["bins"] == about["bins"]
    assert again["psi"]["value"] == about["psi"]["value"]


@settings(max_examples=50, deadline=None)
@given(st.one_of(SAMPLE, TIED), st.one_of(SAMPLE, TIED), st.lists(FLOATS, min_size=1, max_size=5, unique=True))
def test_psi_for_given_edges_lies_between_its_limits(reference, current, edges):
    cuts = sorted(edges)
    exact = drift.numbers(reference, current, edges=cuts)["psi"]["value"]
    about = drift.sketched(sketch.of(reference), sketch.of(current), edges=cuts)["psi"]
    assert about.get("least", about["value"]) - 1e-9 <= exact <= about.get("most", about["value"]) + 1e-9


@settings(max_examples=30, deadline=None)
@given(TIED, TIED)
def test_small_whole_numbers_are_measured_exactly(reference, current):
    reference, current = ([min(value, 255.0) for value in values] for values in (reference, current))
    about = drift.sketched(sketch.of(reference), sketch.of(current))
    assert about["ks"]["value"] == pytest.approx(stats.ks_2samp(reference, current, method="asymp").statistic)
    assert about["ks"]["bound"] == about["wasserstein"]["bound"] == about["largest_cell"] == 0
    assert about["wasserstein"]["value"] == pytest.approx(stats.wasserstein_distance(reference, current), abs=1e-12)
    bins = drift.numbers(reference, current)["bins"]
    assert [about["bins"][side] for side in ("reference", "current")] == [bins["reference"], bins["current"]]


def test_a_parquet_file_is_read_by_columns(tmp_path):
    drawn = np.random.default_rng(3)
    table = pd.DataFrame({"x": drawn.normal(size=1000).astype("float32"), "count": drawn.integers(0, 9, 1000)})
    table["gaps"] = pd.array([None, *range(999)], dtype="Int64")
    table["words"] = "a"
    table.to_parquet(tmp_path / "t.parquet", row_group_size=300)
    found = sketch.of_parquet(tmp_path / "t.parquet", ["x", "count", "gaps"], threads=2)
    assert (found["x"].counts == sketch.of(table["x"]).counts).all()
    assert (found["count"].counts == sketch.of(table["count"]).counts).all()
    assert (found["gaps"].missing, found["gaps"].counts.sum()) == (1, 999)
    assert sketch.numbers_of_parquet(tmp_path / "t.parquet", "gaps")[1] == 0
    with pytest.raises(Unmeasurable, match=r"words holds .*string, not numbers"):
        sketch.of_parquet(tmp_path / "t.parquet", ["words"])
