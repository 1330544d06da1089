"""What is wrong with the rows themselves: duplicates, constants, mixed types, huge values, overlap with other rows.

A finding is a measure with a place: {"rule", "column", "rows", "share", "severity", "sentence", "mend", "row"}. Rows
count from 1 below the header. `severity` says how much of the data it touches, not how bad that is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

WHOLE = 2.0**53  # beyond it, not every whole number has a float64 of its own
SINGLE = float(np.finfo(np.float32).max)
FAR = 1000  # interquartile ranges from the median
FEW, MANY = 0.01, 0.5
SHOWN = 5

Finding = dict[str, Any]


def severity(share: float) -> str:
    """few rows: under one in a hundred; many rows: under half; most rows; every row."""
    if share >= 1:
        return "every row"
    return "few rows" if share < FEW else "many rows" if share < MANY else "most rows"


def found(rule: str, column: str | None, at: Any, sentence: str, mend: str) -> list[Finding]:
    """The finding for the rows where `at`, (n,) of bools, is true; none if there are none."""
    flags = np.asarray(at, dtype=bool)
    rows = int(flags.sum())
    if not rows:
        return []
    share = rows / len(flags)
    return [
        {
            "rule": rule,
            "column": column,
            "rows": rows,
            "share": share,
            "severity": severity(share),
            "sentence": sentence,
            "mend": mend,
            "row": int(np.argmax(flags)) + 1,
        }
    ]


def is_number(column: Any) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def missing(frame: Any) -> list[Finding]:
    """Cells without a value, by column."""
    mend = "Find out why they are missing; fill them in, or say in the model's limitations how they are treated."
    return [
        one
        for name in frame.columns
        for one in found("missing", name, frame[name].isna(), "Cells hold no value.", mend)
    ]


def duplicates(frame: Any, identifiers: Sequence[str] = ()) -> list[Finding]:
    """Rows equal to an earlier one in every column but the identifiers, and identifiers that occur again."""
    others = [name for name in frame.columns if name not in identifiers]
    again = frame[others].duplicated() if others else np.zeros(len(frame), dtype=bool)
    result = found(
        "duplicate rows",
        None,
        again,
        "Rows equal an earlier row in every column but the identifiers.",
        "Check that they are different cases; else keep one of each.",
    )
    for name in identifiers:
        column = frame[name]
        mend = "Give each case an identifier of its own, or drop the repetition."
        result += found("duplicate identifiers", name, column.notna() & column.duplicated(), "Values repeat.", mend)
    return result


def constants(frame: Any) -> list[Finding]:
    """Columns with one value, or none, in every row."""
    result = []
    for name in frame.columns:
        values = frame[name].dropna().unique()
        if len(values) > 1:
            continue
        said = f"Every value is “{str(values[0])[:40]}”." if len(values) else "No row holds a value."
        mend = "Leave the column out: it tells nothing apart. If it should vary, look at how it was exported."
        result += found("constant", name, frame[name].notna() if len(values) else frame[name].isna(), said, mend)
    return result


def mixed(frame: Any) -> list[Finding]:
    """Text columns in which most values are numbers: the others made the whole column text."""
    result = []
    for name in frame.columns:
        column = frame[name]
        if is_number(column) or pd.api.types.is_bool_dtype(column):
            continue
        there = column.notna()
        numeric = pd.to_numeric(column.where(there), errors="coerce").notna() & there
        if numeric.sum() * 2 > there.sum() > numeric.sum():
            odd = there & ~numeric
            example = str(column[odd].iloc[0])[:40]
            said = f"Most values are numbers, but not these, such as “{example}”, so the column is read as text."
            result += found("mixed types", name, odd, said, "Write them as numbers, or leave the cells empty.")
    return result


def huge(frame: Any) -> list[Finding]:
    """Numbers that are infinite, too large to be held exactly, or very far from the rest."""
    result = []
    for name in frame.columns:
        if not is_number(frame[name]):
            continue
        numbers = frame[name].to_numpy(dtype=np.float64)
        size = np.abs(numbers)
        mend = "Look whether it is a code for “missing”, or another unit; mend it or leave the cell empty."
        result += found("infinite", name, np.isinf(numbers), "Values are infinite.", mend)
        result += found("beyond single precision", name, np.isfinite(size) & (size > SINGLE), "Above 3.4e38.", mend)
        result += found(
            "beyond whole numbers", name, (size > WHOLE) & (size <= SINGLE), "Above 2^53, where digits get lost.", mend
        )
        known = numbers[np.isfinite(numbers)]
        if len(known):
            low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
            with np.errstate(over="ignore", invalid="ignore"):
                away = np.isfinite(numbers) & (np.abs(numbers - middle) > FAR * (high - low))
            if high > low:
                said = f"Further than {FAR:,} interquartile ranges from the median {middle:g}."
                result += found("far out", name, away, said, mend)
    return result


def ranges(frame: Any, expected: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """What an expected schema forbids: columns that are not there, another type, values outside the stated ones.

    `expected`: for each column any of `type` (number, integer, boolean, date, text), `min`, `max`, `nullable` (true
    unless said), `unique`, `values`.
    """
    result: list[Finding] = []
    for name, rule in expected.items():
        if name not in frame.columns:
            mend = "Add the column, or mend its name."
            everywhere = np.ones(len(frame), dtype=bool)
            result += found("no such column", name, everywhere, "The column is not in the data.", mend)
            continue
        column = frame[name]
        there = column.notna()
        if rule.get("nullable") is False:
            result += found("null forbidden", name, ~there, "Cells are empty that must not be.", "Fill them in.")
        if rule.get("unique"):
            mend = "Make each value occur once."
            result += found("not unique", name, there & column.duplicated(), "Values occur again.", mend)
        if "values" in rule:
            allowed = {spelled(value) for value in rule["values"]}
            odd = there & ~column.map(spelled, na_action="ignore").isin(allowed)
            result += found("unexpected value", name, odd, _examples(column, odd), "Mend the values or the schema.")
        result += _bounds(name, column, rule)
    return result


def _bounds(name: str, column: Any, rule: Mapping[str, Any]) -> list[Finding]:
    if "min" not in rule and "max" not in rule:
        return []
    if not is_number(column):
        mend = "Write numbers only, or take the range from the schema."
        return found("no numbers", name, column.notna(), "A range is stated, but the column is not numeric.", mend)
    numbers = column.to_numpy(dtype=np.float64)
    low, high = rule.get("min", -np.inf), rule.get("max", np.inf)
    odd = (numbers < low) | (numbers > high)
    said = f"Outside {rule.get('min', '−∞')} to {rule.get('max', '∞')}: {_examples(column, odd)}"
    return found("out of range", name, odd, said, "Mend the values, or widen the range if they are right.")


def spelled(value: Any) -> str:
    """One spelling for one value, so that 1, 1.0 and "1" are the same."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, int | float | np.number) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _examples(column: Any, odd: Any) -> str:
    shown = list(dict.fromkeys(str(value)[:40] for value in column[np.asarray(odd)].head(1000)))[:SHOWN]
    return "such as " + ", ".join(f"“{value}”" for value in shown) + "."


# ---- overlap


def hashes(frame: Any, *, digits: int | None = None) -> Any:
    """A 64-bit hash for each row, (n,); equal rows have equal hashes, in every frame with the same columns.

    Numbers are compared as numbers, whatever their type, and with `digits` rounded to so many significant ones.
    """
    alike = pd.DataFrame({str(place): _alike(frame[name], digits) for place, name in enumerate(frame.columns)})
    return pd.util.hash_pandas_object(alike, index=False).to_numpy()


def _alike(column: Any, digits: int | None) -> Any:
    if not is_number(column):
        return column.map(spelled, na_action="ignore").astype(object).where(column.notna(), None).reset_index(drop=True)
    numbers = column.to_numpy(dtype=np.float64) + 0.0  # -0.0 is 0.0
    if digits is not None:
        known = np.isfinite(numbers) & (numbers != 0)
        with np.errstate(over="ignore", invalid="ignore"):
            scale = 10.0 ** (digits - 1 - np.floor(np.log10(np.abs(numbers[known]))))
            rounded = np.round(numbers[known] * scale) / scale
        numbers[known] = np.where(np.isfinite(rounded), rounded, numbers[known])
    return pd.Series(numbers)


def overlap(frame: Any, other: Any, *, digits: int | None = None) -> dict[str, Any]:
    """How many rows of the frame also occur in the other, compared in the columns of both.

    `rows`, their `share`, and how many `distinct` rows the frame holds: with few distinct rows an overlap is chance.
    """
    shared = [name for name in frame.columns if name in set(other.columns)]
    if not shared:
        return {"columns": [], "rows": None, "share": None, "distinct": None, "flags": None}
    ours, theirs = (hashes(each[shared], digits=digits) for each in (frame, other))
    flags = np.isin(ours, np.unique(theirs))
    return {
        "columns": shared,
        "rows": int(flags.sum()),
        "share": float(flags.mean()),
        "distinct": len(np.unique(ours)),
        "flags": flags,
    }
