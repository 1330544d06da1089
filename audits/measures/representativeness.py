"""Do the groups of a sample stand in it as they do in a population?

Sources: Pearson's chi-square (1900); Wilson (1927); the standardised difference of proportions as in Austin,
Communications in Statistics 38 (2009) 1228-1234.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np
from scipy import stats

from audits.measures import drift
from audits.measures.errors import Unmeasurable
from audits.measures.intervals import wilson

ROUNDING = 0.01


def against_shares(counts: Mapping[str, int], shares: Mapping[str, float], confidence: float) -> dict[str, Any]:
    """Counts of groups against stated shares of a population, which are exact and add up to 1.

    Rows of groups without a share are left out and named. Chi-square is that of fit, df groups - 1.
    """
    if not shares or min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > ROUNDING:
        total = sum(shares.values())
        sentence = f"the shares add up to {total:g}; give each group's share so that they add up to 1."
        raise Unmeasurable(param="shares", sentence=sentence)
    total_share = sum(shares.values())
    n = sum(counts.get(group, 0) for group in shares)
    if n == 0:
        raise Unmeasurable(param="shares", sentence="no row holds any of the groups whose shares are given.")
    rows = [_row(group, counts.get(group, 0), n, share / total_share, confidence) for group, share in shares.items()]
    impossible = [row["group"] for row in rows if row["population"] == 0 and row["rows"]]
    expected = np.array([n * row["population"] for row in rows if row["population"] > 0])
    observed = np.array([row["rows"] for row in rows if row["population"] > 0], dtype=float)
    value = float(((observed - expected) ** 2 / expected).sum())
    df = len(expected) - 1
    known = df > 0 and not impossible
    return {
        "n": n,
        "groups": rows,
        "left_out": {group: count for group, count in counts.items() if group not in shares},
        "chi_square": {
            "value": value if known else None,
            "df": df,
            "p": float(stats.chi2.sf(value, df)) if known else None,
        },
        "smallest_expected": float(expected.min()),
    }


def against_sample(counts: Mapping[str, int], population: Mapping[str, int], confidence: float) -> dict[str, Any]:
    """Counts of groups against those of a sample of the population. Chi-square is that of homogeneity."""
    names = sorted(set(counts) | set(population), key=lambda name: (-population.get(name, 0), name))
    n, m = sum(counts.values()), sum(population.values())
    if n == 0 or m == 0:
        raise Unmeasurable(param="population", sentence="one of the two samples has no rows to compare.")
    rows = [_row(name, counts.get(name, 0), n, population.get(name, 0) / m, confidence) for name in names]
    table = [np.array([each.get(name, 0) for name in names]) for each in (population, counts)]
    smallest = float((table[0] + table[1]).min() / (n + m) * min(n, m))
    return {
        "n": n,
        "groups": rows,
        "left_out": {},
        "chi_square": drift.chi_square(*table),
        "smallest_expected": smallest,
    }


def _row(group: str, count: int, n: int, share: float, confidence: float) -> dict[str, Any]:
    found = wilson(count, n, confidence).as_json()
    p = count / n
    spread = sqrt((p * (1 - p) + share * (1 - share)) / 2)
    outside = found["low"] is not None and found["high"] is not None and not found["low"] <= share <= found["high"]
    return {
        "group": group,
        "rows": count,
        "share": found,
        "population": share,
        "standardised_difference": (p - share) / spread if spread > 0 else None,
        "outside": outside,
    }
