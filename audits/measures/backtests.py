"""Back-tests: did events happen as often, and as independently of each other, as they were forecast to?"""

from math import log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom, binomtest, chi2, norm

from audits.measures.comparisons import adjust
from audits.measures.errors import Unmeasurable
from audits.measures.inputs import booleans, finite, require_same_rows
from audits.measures.intervals import wilson

Events = NDArray[np.bool_]

YELLOW, RED = 0.95, 0.9999
# Of 250 days at 1 %: the multiplier of the standards since 2023 (MAR99), and what was added to 3 before (1996).
BASEL_DAYS, BASEL_CHANCE = 250, 0.01
MULTIPLIERS = {5: (1.70, 0.40), 6: (1.76, 0.50), 7: (1.83, 0.65), 8: (1.88, 0.75), 9: (1.92, 0.85)}
GREEN_MULTIPLIER, RED_MULTIPLIER = (1.50, 0.0), (2.00, 1.00)


def require_chance(expected: float) -> None:
    if isinstance(expected, bool) or not 0 < expected < 1:
        sentence = f"expected is {expected!r}; pass a chance between 0 and 1, such as 0.01."
        raise Unmeasurable(param="expected", sentence=sentence)


def require_events(events: int, n: int) -> None:
    if not 0 <= events <= n or n == 0:
        raise Unmeasurable(param="events", sentence=f"{events} events in {n} rows are impossible.")


def binomial(events: int, n: int, expected: float) -> dict[str, float]:
    """Exact p-values of `events` in `n` independent rows of chance `expected`: as many or more, and two-sided."""
    require_chance(expected)
    require_events(events, n)
    both = binomtest(events, n, expected)
    return {"p_upper": float(binom.sf(events - 1, n, expected)), "p_two_sided": float(both.pvalue)}


def traffic_light(events: int, n: int, expected: float) -> dict[str, Any]:
    """The Basel zone: green while P(X <= events) < 95%, red from 99.99% on, yellow between; X binomial.

    Basel Committee, Supervisory framework for the use of "backtesting" (1996); the multiplier and the plus factor are
    those of 250 days at 1% and null for other samples. `yellow_from` and `red_from` are the first counts of the zones.
    """
    require_chance(expected)
    require_events(events, n)
    cumulative = float(binom.cdf(events, n, expected))
    zone = "green" if cumulative < YELLOW else "yellow" if cumulative < RED else "red"
    multiplier, plus = (None, None)
    if (n, expected) == (BASEL_DAYS, BASEL_CHANCE):
        ends = {"green": GREEN_MULTIPLIER, "red": RED_MULTIPLIER}
        multiplier, plus = ends[zone] if zone in ends else MULTIPLIERS[events]
    return {
        "zone": zone,
        "cumulative": cumulative,
        "yellow_from": int(binom.ppf(YELLOW, n, expected)),
        "red_from": int(binom.ppf(RED, n, expected)),
        "multiplier": multiplier,
        "plus_factor": plus,
    }


def likelihood(hits: int, misses: int, chance: float) -> float:
    """Logarithm of chance^hits (1 - chance)^misses, 0 to the power 0 being 1."""
    return (hits * log(chance) if hits else 0.0) + (misses * log(1 - chance) if misses else 0.0)


def kupiec(events: int, n: int, expected: float) -> dict[str, float]:
    """Likelihood ratio of the observed against the expected share, chi-square with 1 degree of freedom.

    Kupiec, Journal of Derivatives 3 (1995) 73-84 (proportion of failures).
    """
    require_chance(expected)
    require_events(events, n)
    observed = likelihood(events, n - events, events / n)
    statistic = max(0.0, 2 * (observed - likelihood(events, n - events, expected)))
    return {"statistic": statistic, "df": 1, "p_value": float(chi2.sf(statistic, 1))}


def christoffersen(events: Events) -> dict[str, Any]:
    """Whether an event is as likely after an event as after none, over events (n,) in time order.

    Likelihood ratio of a first-order chain against independence, chi-square with 1 degree of freedom. Christoffersen,
    International Economic Review 39 (1998) 841-862. Null, with a reason, where no event has a row after it.
    """
    before, after = events[:-1], events[1:]
    table = {f"n{a}{b}": int(((before == a) & (after == b)).sum()) for a in (0, 1) for b in (0, 1)}
    n00, n01, n10, n11 = table.values()
    nothing = {"statistic": None, "df": 1, "p_value": None}
    if n10 + n11 == 0 or n00 + n01 == 0:
        what = "no event" if n10 + n11 == 0 else "nothing but events"
        return table | nothing | {"reason": f"{what} has a row after it"}
    together = likelihood(n01 + n11, n00 + n10, (n01 + n11) / (len(events) - 1))
    apart = likelihood(n01, n00, n01 / (n00 + n01)) + likelihood(n11, n10, n11 / (n10 + n11))
    statistic = max(0.0, 2 * (apart - together))
    return table | {"statistic": statistic, "df": 1, "p_value": float(chi2.sf(statistic, 1))}


def conditional_coverage(frequency: dict[str, float], independence: dict[str, Any]) -> dict[str, Any]:
    """Kupiec's and Christoffersen's statistics added, chi-square with 2 degrees of freedom."""
    if independence["statistic"] is None:
        return {"statistic": None, "df": 2, "p_value": None, "reason": independence["reason"]}
    statistic = frequency["statistic"] + independence["statistic"]
    return {"statistic": statistic, "df": 2, "p_value": float(chi2.sf(statistic, 2))}


def jeffreys(events: int, n: int, expected: float) -> float:
    """Chance, given the rows, that the true rate is `expected` or less; small where events are under-forecast.

    The distribution function of Beta(events + 1/2, n - events + 1/2) at `expected`: the one-sided test of the ECB's
    instructions for reporting the validation results of internal models (2019), 2.5.3.1.
    """
    require_chance(expected)
    require_events(events, n)
    return float(beta.cdf(expected, events + 0.5, n - events + 0.5))


def spiegelhalter(events: Events, chance: NDArray[np.float64]) -> dict[str, Any]:
    """Whether chances that differ by row fit: z = sum (y - p)(1 - 2p) / sqrt(sum (1 - 2p)^2 p (1 - p)), two-sided.

    Spiegelhalter, Statistics in Medicine 5 (1986) 421-433.
    """
    weight = 1 - 2 * chance
    variance = float((weight**2 * chance * (1 - chance)).sum())
    if variance <= 0:
        return {"z": None, "p_value": None, "reason": "every chance is 0, 0.5 or 1"}
    z = float(((events - chance) * weight).sum()) / sqrt(variance)
    return {"z": z, "p_value": float(2 * norm.sf(abs(z)))}


def exceptions(*, events: Any, expected: float, confidence: float = 0.95) -> dict[str, Any]:
    """Events (n,) in time order, each forecast with the chance `expected`: tests of their number and of their order."""
    require_same_rows({"events": events})
    happened = booleans("events", events)
    n, count = len(happened), int(happened.sum())
    frequency, independence = kupiec(count, n, expected), christoffersen(happened)
    return {
        "n": n,
        "events": count,
        "expected": expected,
        "expected_events": expected * n,
        "rate": wilson(count, n, confidence).as_json(),
        "binomial": binomial(count, n, expected),
        "traffic_light": traffic_light(count, n, expected),
        "kupiec": frequency,
        "christoffersen": independence,
        "conditional_coverage": conditional_coverage(frequency, independence),
    }


def grades(
    *, events: Any, chance: Any, grade: NDArray[np.int64], names: list[Any], confidence: float = 0.95
) -> dict[str, Any]:
    """Events (n,) forecast with chances (n,) from 0 to 1, by grade; grade: (n,) codes of `names`.

    In a grade the mean chance stands for each row: `p_jeffreys` and `p_binomial` are one-sided, small where events
    are under-forecast, and null where the mean chance is 0 or 1; `p_holm` adjusts Jeffreys' for the number of grades.
    """
    require_same_rows({"events": events, "chance": chance, "grade": grade})
    happened, forecast = booleans("events", events), finite("chance", chance)
    outside = (forecast < 0) | (forecast > 1)
    if outside.any():
        first = int(np.argmax(outside))
        sentence = f"chance is {forecast[first]:g} in row {first + 1}; pass shares between 0 and 1."
        raise Unmeasurable(param="chance", sentence=sentence)
    sizes = np.bincount(grade, minlength=len(names))
    counts = np.bincount(grade, weights=happened, minlength=len(names)).astype(int)
    sums = np.bincount(grade, weights=forecast, minlength=len(names))
    rows = [
        graded(name, int(n), int(count), float(total / n), confidence)
        for name, n, count, total in zip(names, sizes, counts, sums, strict=True)
        if n
    ]
    tested = [row for row in rows if row["p_jeffreys"] is not None]
    for row, adjusted in zip(tested, adjust([row["p_jeffreys"] for row in tested], "holm"), strict=True):
        row["p_holm"] = float(adjusted)
    n, count = len(happened), int(happened.sum())
    return {
        "n": n,
        "events": count,
        "expected_events": float(forecast.sum()),
        "rate": wilson(count, n, confidence).as_json(),
        "spiegelhalter": spiegelhalter(happened, forecast),
        "overall": graded(None, n, count, float(forecast.mean()), confidence),
        "grades": rows,
    }


def graded(name: Any, n: int, events: int, chance: float, confidence: float) -> dict[str, Any]:
    row = {"grade": name, "n": n, "events": events, "chance": chance, "rate": wilson(events, n, confidence).as_json()}
    if not 0 < chance < 1:
        return row | dict.fromkeys(("p_jeffreys", "p_binomial", "zone", "p_holm"))
    return row | {
        "p_jeffreys": jeffreys(events, n, chance),
        "p_binomial": binomial(events, n, chance)["p_upper"],
        "zone": traffic_light(events, n, chance)["zone"],
        "p_holm": None,
    }
