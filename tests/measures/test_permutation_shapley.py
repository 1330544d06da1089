"""Sampled Shapley values of any scoring function: exact sums, honest errors, types kept."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audits.sandbox import permutation
from audits.sandbox.models import Game


def sampled(score, rows, background, *, seed=0, **more) -> Game:
    return permutation.explain(
        score, rows, background, seed=seed, scale="raw", progress=lambda part, stage: None, **more
    )


def exact(score, row: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Shapley values from the mean score of every coalition."""
    width = len(row)
    worth = np.array(
        [
            score(np.where(coalition >> np.arange(width) & 1 == 1, row, background)).mean()
            for coalition in range(1 << width)
        ]
    )
    factorial = np.cumprod([1, *range(1, width + 1)]).astype(float)
    values = np.zeros(width)
    for player in range(width):
        for coalition in range(1 << width):
            if not coalition >> player & 1:
                size = coalition.bit_count()
                share = factorial[size] * factorial[width - 1 - size] / factorial[width]
                values[player] += share * (worth[coalition | 1 << player] - worth[coalition])
    return values


def bent(cells: np.ndarray) -> np.ndarray:
    return np.tanh(cells[:, 0] * cells[:, 1]) + cells[:, 2] * (cells[:, 3] > 0) + 0.3 * cells[:, 4] + cells[:, 5] ** 2


def bent_frame(frame: pd.DataFrame) -> np.ndarray:
    return bent(frame.to_numpy(dtype=float))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(5).normal(size=(400, 6)), columns=list("abcdef"))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    width=st.integers(1, 6),
    usual=st.integers(1, 70),
    evaluations=st.integers(1, 900),
)
def test_values_sum_to_the_output_minus_the_background_mean_whatever_is_spent(seed, width, usual, evaluations):
    cells = np.random.default_rng(seed).normal(size=(4 + usual, 6))

    def score(frame):
        return bent(np.column_stack([frame.to_numpy(), np.ones((len(frame), 6 - width))]))

    frame = pd.DataFrame(cells[:, :width])
    found = sampled(score, frame.head(4), frame.tail(usual), seed=seed, evaluations=evaluations)
    assert found.base == pytest.approx(score(frame.tail(usual)).mean(), abs=1e-12)
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base, score(frame.head(4)), atol=1e-12)


@pytest.mark.parametrize(("usual", "evaluations"), [(40, 2000), (300, 2000), (300, 160)])
def test_the_standard_error_covers_the_true_values(table, usual, evaluations):
    rows, background = table.head(30), table.tail(usual)
    found = sampled(bent_frame, rows, background, evaluations=evaluations)
    true = np.array([exact(bent, row, background.to_numpy()) for row in rows.to_numpy()])
    away = np.abs(found.values - true) / np.maximum(found.errors, 1e-12)
    assert (away[found.errors > 1e-9] < 5).all()
    assert (away < 2).mean() > 0.9
    assert np.linalg.norm(found.values - true) / np.linalg.norm(true) < (0.1 if evaluations == 2000 else 0.4)


def test_more_evaluations_bring_smaller_errors(table):
    few, many = (
        sampled(bent_frame, table.head(20), table.tail(200), evaluations=evaluations) for evaluations in (200, 20_000)
    )
    assert many.errors.mean() < 0.2 * few.errors.mean()


@pytest.mark.parametrize(
    ("evaluations", "usual", "spent"), [(1000, 40, 800), (1000, 300, 1000), (1, 300, 160), (2000, 200, 2000)]
)
def test_evaluations_are_bounded_whatever_the_background(table, evaluations, usual, spent):
    asked = []

    def counted(frame):
        asked.append(len(frame))
        return bent_frame(frame)

    found = sampled(counted, table.head(7), table.tail(usual), evaluations=evaluations)
    assert sum(asked) == 7 * spent + 7 + usual
    assert f"with {spent:,} evaluations a row" in found.notes[0]


def test_the_same_seed_gives_the_same_bytes(table):
    one, other, third = (sampled(bent_frame, table.head(5), table.tail(90), seed=seed) for seed in (1, 1, 2))
    assert one.values.tobytes() == other.values.tobytes() != third.values.tobytes()


@pytest.mark.parametrize("text", [False, True])
def test_every_column_keeps_its_type(text):
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "whole": random.integers(0, 9, 50),
            "small": random.normal(size=50).astype("float32"),
            "flag" if text else "third": random.integers(0, 2, 50).astype(bool if text else "int8"),
        }
    )
    if text:
        table["word"] = random.choice(["a", "b"], 50)
    seen = []

    def score(frame):
        seen.append(frame.dtypes.to_dict())
        return frame["whole"].to_numpy() * frame["small"].to_numpy(dtype=float)

    found = sampled(score, table.head(3), table.tail(30))
    assert all(each == table.dtypes.to_dict() for each in seen)
    assert (found.values[:, 2:] == 0).all()
