"""Change over time: each window of the current data against the reference, and against the window before it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audits.measures import discrimination, drift
from audits.measures.drift_thresholds import adjusted, answer
from audits.measures.errors import Unmeasurable
from audits.measures.intervals import newcombe, wilson

WINDOWS = ("value", "day", "week", "month", "quarter", "year")
MOST_WINDOWS = 120
Codes = NDArray[np.int64]


def periods(times: Any, window: str) -> Any:
    """The window of each row as text that sorts in time, None where the time is missing; (n,).

    `times` are ISO dates with or without a time of day; for `value` each different value is a window, in its own order.
    A week starts on Monday and is named by that day. Times with an offset are read as written, without it.
    """
    if window not in WINDOWS:
        raise Unmeasurable(param="window", sentence=f"window is {window!r}; choose from {', '.join(WINDOWS)}.")
    given = pd.Series(times).reset_index(drop=True)
    there = given.notna()
    if window == "value":
        return _valued(given, there)
    days = pd.to_datetime(given.where(there).astype("str").str.slice(0, 10).where(there), errors="coerce")
    odd = there & days.isna()
    if odd.any():
        row = int(np.argmax(odd.to_numpy()))
        sentence = f"the time in row {row + 1} is “{str(given[row])[:40]}”, no date; write it like 2026-01-31."
        raise Unmeasurable(param="time", sentence=sentence)
    starts = {"day": "D", "week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}[window]
    spans = days.dt.to_period(starts)
    named = spans.dt.start_time.dt.strftime("%Y-%m-%d") if window == "week" else spans.astype("str")
    return _counted(np.array([name if ok else None for name, ok in zip(named, there, strict=True)], dtype=object))


def _valued(given: Any, there: Any) -> Any:
    if pd.api.types.is_numeric_dtype(given) and not pd.api.types.is_bool_dtype(given):
        ranks = {value: f"{value:g}" for value in sorted(given[there].unique())}
        return _counted(np.array([ranks.get(value) for value in given], dtype=object))
    return _counted(
        np.array([str(value) if ok else None for value, ok in zip(given, there, strict=True)], dtype=object)
    )


def _counted(labels: Any) -> Any:
    count = len({label for label in labels if label is not None})
    if not 0 < count <= MOST_WINDOWS:
        sentence = f"the time column makes {count} windows; choose a window that makes 1 to {MOST_WINDOWS}."
        raise Unmeasurable(param="window", sentence=sentence)
    return labels


def ordered(labels: Any) -> list[str]:
    """The windows in the order of time: numbers by value, else as text."""
    found = {label for label in labels if label is not None}
    try:
        return sorted(found, key=float)
    except ValueError:
        return sorted(found)


def codes(values: Any, bins: Mapping[str, Any], known: Collection[str] = ()) -> Codes:
    """The bin of each row, -1 where the value is missing or infinite; `bins` as drift.numbers or categories has it,
    `known` the reference's categories, of which the rarer ones share a bin."""
    if bins["edges"] is not None:
        numbers = np.asarray(values, dtype=np.float64)
        placed = np.searchsorted(np.asarray(bins["edges"]), numbers, side="left")
        return np.where(np.isfinite(numbers), placed, -1)
    places = {name: place for place, name in enumerate(bins["categories"])}
    others, unseen = places.get(drift.OTHERS, -1), places.get(drift.UNSEEN, -1)
    column = pd.Series(values)
    found = {value: drift.spelled(value) for value in column.dropna().unique()}
    placed_at = {value: places.get(name, others if name in known else unseen) for value, name in found.items()}
    return np.asarray([placed_at.get(value, -1) for value in column], dtype=np.int64)


def over_time(
    labels: Any,
    columns: Mapping[str, tuple[Codes, Sequence[int]]],
    *,
    threshold: float,
    alpha: float,
    multiplicity: str,
) -> list[dict[str, Any]]:
    """PSI of every column in every window, on the reference's bins: against the reference, and the window before.

    `columns`: the bin of each row (-1 missing), and the reference's counts in the same bins. Answers are adjusted over
    all columns and windows together.
    """
    names = ordered(labels)
    place = {name: index for index, name in enumerate(names)}
    rows = np.array([place.get(label, -1) for label in labels])
    found: list[dict[str, Any]] = []
    tests = max(1, len(names) * len(columns))
    level = alpha if multiplicity == "none" else alpha / tests
    for column, (bins, reference) in columns.items():
        held = (rows >= 0) & (bins >= 0)
        width = len(reference)
        table = np.bincount(rows[held] * width + bins[held], minlength=len(names) * width).reshape(len(names), width)
        everywhere = np.bincount(rows[rows >= 0], minlength=len(names))
        base = np.asarray(reference, dtype=np.int64)
        for index, name in enumerate(names):
            found.append(
                {
                    "column": column,
                    "window": name,
                    "n": int(table[index].sum()),
                    "missing": int(everywhere[index] - table[index].sum()),
                    "against_reference": _pair(base, table[index], level),
                    "against_before": _pair(table[index - 1], table[index], level) if index else None,
                }
            )
    for side in ("against_reference", "against_before"):
        compared = [row[side] for row in found if row[side] is not None]
        raised = adjusted([one["p"] for one in compared], multiplicity)
        for one, p in zip(compared, raised, strict=True):
            one["p_adjusted"] = p
            one["answer"], one["why"] = answer(one["psi"], p, one["critical"], threshold=threshold, alpha=alpha)
    return found


def _pair(reference: Codes, current: Codes, alpha: float) -> dict[str, Any]:
    if reference.sum() == 0 or current.sum() == 0:
        return {"psi": None, "critical": None, "p": None}
    test = drift.psi_test(reference, current, alpha)
    return {"psi": drift.psi(reference, current), "critical": test["critical"], "p": test["p"]}


# ---- concept drift


def outcomes(target: Any, score: Any, decision: Any, confidence: float) -> dict[str, Any]:
    """How the model does where the outcome is known: labels may come late, so rows without one are counted, not used.

    target: (n,) of 1.0, 0.0 and NaN; score: (n,) of numbers, higher for the positive outcome, or None; decision: (n,)
    of 1.0, 0.0 and NaN, or None. Base rate and accuracy have Wilson limits, AUC DeLong's.
    """
    actual = np.asarray(target, dtype=np.float64)
    known = ~np.isnan(actual)
    positives, labelled = int((actual == 1).sum()), int(known.sum())
    found: dict[str, Any] = {
        "n": len(actual),
        "labelled": labelled,
        "positives": positives,
        "base_rate": wilson(positives, labelled, confidence).as_json(),
    }
    if score is not None:
        found["auc"] = _auc(actual, np.asarray(score, dtype=np.float64), confidence)
    if decision is not None:
        decided = np.asarray(decision, dtype=np.float64)
        held = known & ~np.isnan(decided)
        right = int((actual[held] == decided[held]).sum())
        found["right"], found["decided"] = right, int(held.sum())
        found["accuracy"] = wilson(right, int(held.sum()), confidence).as_json()
    return found


def _auc(actual: Any, score: Any, confidence: float) -> dict[str, Any]:
    held = ~np.isnan(actual) & np.isfinite(score)
    happened = actual[held] == 1
    if happened.all() or not happened.any():
        return {"value": None, "low": None, "high": None, "reason": "only one outcome is known"}
    area, reason = discrimination.auc(discrimination.ranking(happened, score[held]), confidence)
    return {**area.as_json(), "reason": reason}


def changed(before: Mapping[str, Any], after: Mapping[str, Any], confidence: float) -> dict[str, Any]:
    """What changed from one sample's outcomes to another's: differences with limits. A change whose limits leave out 0
    is more than chance. Rates have Newcombe's limits; AUC's are joined from both intervals in the same way (MOVER,
    Zou and Donner 2008), since the samples are independent."""
    found: dict[str, Any] = {
        "base_rate": newcombe(
            after["positives"], after["labelled"], before["positives"], before["labelled"], confidence
        ).as_json()
    }
    if "accuracy" in after and "accuracy" in before:
        found["accuracy"] = newcombe(
            after["right"], after["decided"], before["right"], before["decided"], confidence
        ).as_json()
    if "auc" in after and "auc" in before:
        found["auc"] = _joined(after["auc"], before["auc"])
    for one in found.values():
        known = one["low"] is not None
        beyond = known and (one["low"] > 0 or one["high"] < 0)
        one["answer"] = "change" if beyond else "no change shown" if known else "not enough data"
    return found


def _joined(after: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    if after["value"] is None or before["value"] is None:
        return {"value": None, "low": None, "high": None}
    gap = after["value"] - before["value"]
    if after["low"] is None or before["low"] is None:
        return {"value": gap, "low": None, "high": None}
    low = gap - sqrt((after["value"] - after["low"]) ** 2 + (before["high"] - before["value"]) ** 2)
    high = gap + sqrt((after["high"] - after["value"]) ** 2 + (before["value"] - before["low"]) ** 2)
    return {"value": gap, "low": low, "high": high}
