"""Back-tests: the Basel table, scipy's exact tests, and the likelihoods written out."""

import json
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from audits.measures import backtests
from audits.measures.errors import Unmeasurable


def test_the_basel_table(oracles):
    oracle = oracles["basel_traffic_light"]
    lights = [backtests.traffic_light(events, oracle["n"], oracle["p"]) for events in range(11)]
    # the table is cut to two decimals at its end, rounded elsewhere
    assert [100 * light["cumulative"] for light in lights] == pytest.approx(oracle["cum_pct_0..10"], abs=6e-3)
    assert [light["zone"] for light in lights] == ["green"] * 5 + ["yellow"] * 5 + ["red"]
    assert [light["plus_factor"] for light in lights[5:]] == oracle["plus_factor_5..10"]
    assert [light["multiplier"] for light in lights] == [1.5] * 5 + [1.7, 1.76, 1.83, 1.88, 1.92, 2.0]
    assert (lights[0]["yellow_from"], lights[0]["red_from"]) == (5, 10)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.001, 0.999))
def test_other_samples_have_zones_without_a_multiplier(counts, expected):
    events, n = counts
    light = backtests.traffic_light(events, n, expected)
    zone = "red" if events >= light["red_from"] else "yellow" if events >= light["yellow_from"] else "green"
    assert light["zone"] == zone
    assert light["multiplier"] is None
    assert light["plus_factor"] is None


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.01, 0.99))
def test_numbers_of_events_against_scipy(counts, expected):
    events, n = counts
    found = backtests.binomial(events, n, expected)
    upper = stats.binomtest(events, n, expected, alternative="greater").pvalue
    assert found["p_upper"] == pytest.approx(upper, rel=1e-9, abs=1e-12)
    ratio = backtests.kupiec(events, n, expected)["statistic"]
    observed = np.array([events, n - events])
    g = stats.power_divergence(observed, [n * expected, n * (1 - expected)], lambda_="log-likelihood")
    assert ratio == pytest.approx(g.statistic, rel=1e-6, abs=1e-8)
    assert backtests.kupiec(events, n, expected)["p_value"] == pytest.approx(g.pvalue, rel=1e-5, abs=1e-9)


def test_kupiecs_region_at_255_days_and_one_percent():
    """Kupiec's table for 95%: fewer than 7 failures in 255 days are accepted at 1%."""
    accepted = [events for events in range(12) if backtests.kupiec(events, 255, 0.01)["p_value"] > 0.05]
    assert max(accepted) == 6
    accepted = [events for events in range(40) if backtests.kupiec(events, 255, 0.05)["p_value"] > 0.05]
    assert (min(accepted), max(accepted)) == (7, 20)


def test_independence_by_the_likelihoods_written_out():
    events = np.array([0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 1, 1, 0], dtype=bool)
    found = backtests.christoffersen(events)
    n00, n01, n10, n11 = 4, 3, 3, 3
    assert [found[name] for name in ("n00", "n01", "n10", "n11")] == [n00, n01, n10, n11]
    together, after_none, after_one = 6 / 13, 3 / 7, 3 / 6
    chain = n00 * log(1 - after_none) + n01 * log(after_none) + n10 * log(1 - after_one) + n11 * log(after_one)
    assert found["statistic"] == pytest.approx(2 * (chain - 7 * log(1 - together) - 6 * log(together)))
    table = [[n00, n01], [n10, n11]]
    g = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    assert (found["statistic"], found["p_value"]) == pytest.approx((g.statistic, g.pvalue))
    both = backtests.exceptions(events=events, expected=0.1)["conditional_coverage"]
    assert both["statistic"] == pytest.approx(found["statistic"] + backtests.kupiec(6, 14, 0.1)["statistic"])


@pytest.mark.parametrize("events", [[0, 0, 0, 1], [0, 0, 0], [1, 1, 1], [1]])
def test_without_a_row_after_an_event_independence_is_undefined(events):
    found = backtests.exceptions(events=np.array(events), expected=0.01)
    assert found["christoffersen"]["statistic"] is None
    assert "has a row after it" in found["conditional_coverage"]["reason"]
    json.dumps(found, allow_nan=False)


def test_jeffreys_is_the_posterior_chance_of_a_rate_as_low_as_forecast():
    density = stats.beta(4.5, 96.5).pdf
    expected, _ = integrate.quad(density, 0, 0.02)
    assert backtests.jeffreys(4, 100, 0.02) == pytest.approx(expected, abs=1e-9)
    assert backtests.jeffreys(0, 100, 0.02) > 0.9
    assert backtests.jeffreys(10, 100, 0.02) < 0.05


def test_grades_are_tested_each_with_its_mean_chance_and_together():
    events = np.array([0] * 95 + [1] * 5 + [0] * 40 + [1] * 10)
    chance = np.array([0.04] * 100 + [0.05] * 50)
    found = backtests.grades(events=events, chance=chance, grade=np.repeat([0, 1], [100, 50]), names=["A", "B"])
    assert [(row["grade"], row["n"], row["events"]) for row in found["grades"]] == [("A", 100, 5), ("B", 50, 10)]
    assert found["grades"][1]["p_jeffreys"] == pytest.approx(stats.beta(10.5, 40.5).cdf(0.05))
    assert found["grades"][1]["p_binomial"] == pytest.approx(stats.binom(50, 0.05).sf(9))
    p_values = [row["p_jeffreys"] for row in found["grades"]]
    assert found["grades"][1]["p_holm"] == pytest.approx(2 * min(p_values))
    assert found["grades"][0]["p_holm"] == pytest.approx(max(p_values))
    assert found["grades"][1]["zone"] == "red"
    weights = 1 - 2 * chance
    z = ((events - chance) * weights).sum() / np.sqrt((weights**2 * chance * (1 - chance)).sum())
    assert found["spiegelhalter"]["z"] == pytest.approx(z)
    assert (found["events"], found["expected_events"]) == (15, pytest.approx(6.5))


def test_a_grade_whose_chance_is_zero_is_not_tested():
    found = backtests.grades(events=[0, 1, 1], chance=[0.0, 0.0, 0.5], grade=np.array([0, 0, 1]), names=["A", "B"])
    assert found["grades"][0]["p_jeffreys"] is None
    assert found["grades"][0]["p_holm"] is None
    assert found["grades"][1]["p_holm"] is not None
    assert found["spiegelhalter"]["reason"] == "every chance is 0, 0.5 or 1"
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("call", "param"),
    [
        (lambda: backtests.exceptions(events=[0, 1], expected=0), "expected"),
        (lambda: backtests.exceptions(events=[0, 2], expected=0.1), "events"),
        (lambda: backtests.exceptions(events=[], expected=0.1), "events"),
        (lambda: backtests.binomial(5, 4, 0.1), "events"),
        (lambda: backtests.grades(events=[0, 1], chance=[0.1, 1.2], grade=np.array([0, 0]), names=["A"]), "chance"),
        (lambda: backtests.grades(events=[0, 1], chance=[0.1, np.inf], grade=np.array([0, 0]), names=["A"]), "chance"),
    ],
)
def test_what_cannot_be_back_tested_is_refused(call, param):
    with pytest.raises(Unmeasurable) as refusal:
        call()
    assert refusal.value.param == param
