"""What chance alone does to a measure of drift: critical values, p-values, and their adjustment over many columns.

Sources: Yurdakul, "Statistical properties of population stability index", Western Michigan University (2018): without
drift, PSI is distributed as (1/n + 1/m) times chi-square with bins - 1 degrees of freedom; Holm, Scandinavian Journal
of Statistics 6 (1979) 65-70; Benjamini and Hochberg, JRSS B 57 (1995) 289-300.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
from scipy import stats

from audits.measures.errors import Unmeasurable

DRIFT, NONE, UNCLEAR = "drift", "no drift", "not enough data"
EXACT_KS = 10_000
MULTIPLICITY = ("none", "bonferroni", "holm", "bh")
# In wide use and without a source: below the first stable, above the second act.
FOLKLORE = {"watch": 0.1, "act": 0.25}


def psi_critical(n: int, m: int, bins: int, alpha: float) -> float | None:
    """The PSI that chance alone exceeds with probability alpha, for samples of n and m rows; None below two bins."""
    return float((1 / n + 1 / m) * stats.chi2.isf(alpha, bins - 1)) if bins > 1 else None


def psi_p(psi: float, n: int, m: int, bins: int) -> float | None:
    """The probability of a PSI this large or larger without drift; None below two bins."""
    return float(stats.chi2.sf(psi / (1 / n + 1 / m), bins - 1)) if bins > 1 else None


def ks_critical(n: int, m: int, alpha: float) -> float:
    """The KS statistic that chance alone exceeds with probability alpha; with ties the true probability is smaller."""
    return float(min(1.0, stats.kstwo.isf(alpha, max(1, round(n * m / (n + m))))))


def ks_p(statistic: float, n: int, m: int) -> float:
    """The probability of a KS statistic this large without drift, as scipy.stats.ks_2samp has it for large samples.

    Above 10,000 (n m / (n + m)) by Kolmogorov's limit with Vrbik's correction (Applied Mathematics 11, 2020), since the
    exact one takes half a second there.
    """
    size = max(1, round(n * m / (n + m)))
    if size <= EXACT_KS:
        return float(np.clip(stats.kstwo.sf(statistic, size), 0, 1))
    z = statistic * sqrt(size)
    return float(stats.kstwobign.sf(z + 1 / (6 * sqrt(size)) + (z - 1) / (4 * size)))


def adjusted(p: Sequence[float | None], method: str) -> list[float | None]:
    """p-values adjusted over those that are not None; each may then be held against the one alpha.

    holm and bonferroni bound the chance of any false alarm, bh the expected share of false ones among the alarms.
    """
    if method not in MULTIPLICITY:
        sentence = f"multiplicity is {method!r}; choose from {', '.join(MULTIPLICITY)}."
        raise Unmeasurable(param="multiplicity", sentence=sentence)
    known = [place for place, value in enumerate(p) if value is not None]
    found = np.array([p[place] for place in known], dtype=float)
    result: list[float | None] = [None] * len(p)
    for place, value in zip(known, _adjusted(found, method), strict=True):
        result[place] = float(value)
    return result


def _adjusted(p: Any, method: str) -> Any:
    count, order = len(p), np.argsort(p, kind="stable")
    if method == "none" or not count:
        return p
    if method == "bonferroni":
        return np.minimum(1, p * count)
    raised = np.empty(count)
    if method == "holm":
        raised[order] = np.maximum.accumulate(p[order] * np.arange(count, 0, -1))
    else:
        raised[order] = np.minimum.accumulate((p[order] * count / np.arange(1, count + 1))[::-1])[::-1]
    return np.minimum(1, raised)


def answer(
    psi: float | None, p: float | None, critical: float | None, *, threshold: float, alpha: float
) -> tuple[str, str]:
    """One of three answers, and why. `p` is adjusted, `critical` is what chance may do to the PSI of such samples.

    Drift is a PSI of at least `threshold` that chance doesn't explain. No drift is a smaller PSI in samples large
    enough that chance alone stays below the threshold. Anything else is not enough data.
    """
    if psi is None or p is None or critical is None:
        return UNCLEAR, "nothing to compare"
    if psi >= threshold and p <= alpha:
        return DRIFT, f"PSI {psi:.3g} is {threshold:g} or more, and chance does not explain it (p = {p:.2g})"
    if psi < threshold and critical <= threshold:
        return NONE, f"PSI {psi:.3g} is below {threshold:g}, which chance alone seldom reaches here ({critical:.3g})"
    return UNCLEAR, f"with so few rows chance alone makes a PSI of {critical:.3g}"
