"""How well lists are ranked, query by query.

Where scores tie, each measure is its mean over all orders of the tied rows (McSherry and Najork, ECIR 2008, LNCS 4956,
414-421), so that the order of the file decides nothing.
"""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.errors import Unmeasurable
from audits.measures.inputs import finite, require_confidence, require_same_rows, require_whole
from audits.measures.intervals import Estimate, quantile
from audits.measures.labels import levels

Floats = NDArray[np.float64]
MEASURES = ("ndcg", "map", "mrr", "precision")
MOST_GAIN = 50  # 2^50 still counts in whole numbers


def assess(
    *,
    query: Any,
    relevance: Any,
    score: Any,
    k: int = 10,
    relevant_from: float = 1.0,
    gain: str = "linear",
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Means over queries, each with its normal interval between queries.

    query: (n,) labels, a missing one being a query of its own; relevance: (n,) numbers of at least 0; score: (n,),
    higher first. NDCG@k: gains (relevance, or 2^relevance - 1 if `exponential`) over log2(place + 1), summed over the
    first k places and divided by the best possible sum. Rows of at least `relevant_from` are relevant to the others:
    MAP, MRR (both over the whole list) and precision@k (over k, or over the rows of a shorter list). Queries without
    relevant rows, or without any gain, are left out of the measures they make undefined, and counted.
    """
    require_same_rows({"query": query, "relevance": relevance, "score": score})
    require_confidence(confidence)
    require_whole("k", k, least=1)
    grade, scores = finite("relevance", relevance), finite("score", score)
    gains = gained(grade, gain)
    codes, names = levels(query)
    relevant = grade >= relevant_from
    order = np.lexsort((-scores, codes))
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    values = np.full((len(names), len(MEASURES)), np.nan)
    for at, rows in enumerate(np.split(order, starts[1:])):
        values[at] = one(scores[rows], gains[rows], relevant[rows], k)
    without = int(np.isnan(values[:, 1]).sum())
    said = [f"{without} of {len(names)} queries have no relevant row and are left out."] if without else []
    return {
        "n": len(grade),
        "queries": len(names),
        "without_relevant": without,
        "k": k,
        "relevant_from": float(relevant_from),
        "gain": gain,
        "confidence": confidence,
        **{name: averaged(values[:, at], confidence) for at, name in enumerate(MEASURES)},
        "worst": worst(names, values),
        "limitations": said,
    }


def gained(grade: Floats, gain: str) -> Floats:
    if gain not in {"linear", "exponential"}:
        raise Unmeasurable(param="gain", sentence=f"gain is {gain!r}; pass 'linear' or 'exponential'.")
    if (grade < 0).any():
        row = int(np.argmax(grade < 0)) + 1
        raise Unmeasurable(param="relevance", sentence=f"relevance is negative in row {row}; pass 0 or more.")
    if gain == "exponential" and grade.max() > MOST_GAIN:
        sentence = f"relevance is {grade.max():g}, too large a power of 2; use the linear gain."
        raise Unmeasurable(param="relevance", sentence=sentence)
    return grade if gain == "linear" else 2**grade - 1


def one(score: Floats, gains: Floats, relevant: NDArray[np.bool_], k: int) -> list[float]:
    """NDCG@k, average precision, reciprocal rank and precision@k of one query sorted by score; NaN if undefined."""
    n = len(score)
    discount = np.where(np.arange(n) < k, 1 / np.log2(np.arange(n) + 2), 0.0)
    starts = np.flatnonzero(np.concatenate([[True], np.diff(score) != 0]))
    sizes = np.diff(starts, append=n)
    # each place of a tie holds the tie's mean
    expected = np.repeat(np.add.reduceat(gains, starts) / sizes, sizes)
    share = np.repeat(np.add.reduceat(relevant.astype(float), starts) / sizes, sizes)
    best = float(np.sort(gains)[::-1] @ discount)
    ndcg = float(expected @ discount) / best if best else np.nan
    if not relevant.any():
        return [ndcg, np.nan, np.nan, np.nan]
    held = np.add.reduceat(relevant.astype(np.int64), starts)
    return [
        ndcg,
        average_precision(starts, sizes, held) / int(held.sum()),
        reciprocal_rank(starts, sizes, held),
        float(share[:k].mean()),
    ]


def average_precision(starts: NDArray[np.int64], sizes: NDArray[np.int64], held: NDArray[np.int64]) -> float:
    """Sum over relevant rows of the expected precision at their place."""
    total, before = 0.0, 0
    for start, size, found in zip(starts, sizes, held, strict=True):
        places = np.arange(size)
        others = (found - 1) / (size - 1) if size > 1 else 0.0
        total += float((found / size * (before + places * others + 1) / (start + places + 1)).sum())
        before += int(found)
    return total


def reciprocal_rank(starts: NDArray[np.int64], sizes: NDArray[np.int64], held: NDArray[np.int64]) -> float:
    """Expected 1 / place of the first relevant row, which lies in the first tie that holds one."""
    first = int(np.argmax(held > 0))
    start, size, found = int(starts[first]), int(sizes[first]), int(held[first])
    value, none_before = 0.0, 1.0
    for place in range(size - found + 1):
        here = found / (size - place)
        value += none_before * here / (start + place + 1)
        none_before *= 1 - here
    return value


def averaged(values: Floats, confidence: float) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    if not len(known):
        return Estimate().as_json() | {"queries": 0, "reason": "no query has a relevant row"}
    value = float(known.mean())
    if len(known) == 1:
        return Estimate(value).as_json() | {"queries": 1, "reason": "a single query has no interval"}
    reach = quantile(confidence) * float(known.std(ddof=1)) / sqrt(len(known))
    return Estimate(value, max(0.0, value - reach), min(1.0, value + reach)).as_json() | {"queries": len(known)}


def worst(names: list[Any], values: Floats, most: int = 10) -> list[dict[str, Any]]:
    """The queries with the lowest NDCG."""
    ndcg = values[:, 0]
    known = np.flatnonzero(~np.isnan(ndcg))
    return [
        {"query": names[at], "ndcg": float(ndcg[at])} for at in known[np.argsort(ndcg[known], kind="stable")][:most]
    ]
