"""Labels as people write them: which rows hold the favourable one, and which group each row is in."""

import re
from datetime import date
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import NDArray

from audits.measures.errors import Unmeasurable

NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
WORDS = {"true": "1", "false": "0"}
BINARY = 2


def plain(value: Any) -> Any:
    """A label as JSON can hold it: text, number, boolean or null."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and isfinite(value):
        return int(value) if value.is_integer() else value
    return value if isinstance(value, str | int) else str(value)


def canonical(value: Any) -> str:
    """One spelling per label, so that 1, 1.0, True, "1" and "true" are the same one."""
    value = plain(value)
    if isinstance(value, str):
        text = value.strip()
        if NUMBER.fullmatch(text) and "." in text:
            return canonical(float(text))
        return WORDS.get(text.lower(), text)
    return str(int(value)) if isinstance(value, bool) else str(value)


def factorize(values: Any) -> tuple[NDArray[np.int64], list[Any]]:
    """Codes (n,) and the distinct labels they stand for; a missing value has code -1."""
    if not hasattr(values, "dtype"):
        values = np.asarray(list(values), dtype=object)
    codes, uniques = pd.factorize(values)
    return np.asarray(codes, dtype=np.int64), list(uniques)


def positives(
    *, target: Any, prediction: Any, favourable: Any
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], list[str]]:
    """Where target and prediction hold the favourable label, and the labels of both in one spelling."""
    wanted = canonical(favourable)
    actual, known = holds(target, wanted)
    predicted, said = holds(prediction, wanted)
    labels = sorted(known | said)
    if wanted not in labels:
        sentence = (
            f"favourable is {favourable!r}, which never occurs in target or prediction; pass one of: {listed(labels)}."
        )
        raise Unmeasurable(param="favourable", sentence=sentence)
    if known.isdisjoint(said) and len(labels) > BINARY:
        sentence = (
            f"prediction holds {listed(sorted(said))} but target holds {listed(sorted(known))}; "
            "write both with the same labels."
        )
        raise Unmeasurable(param="prediction", sentence=sentence)
    return actual, predicted, labels


def holds(values: Any, wanted: str) -> tuple[NDArray[np.bool_], set[str]]:
    """Where `values` has the label `wanted`, and every label it has."""
    codes, uniques = factorize(values)
    spelled = [canonical(value) for value in uniques]
    return np.array([label == wanted for label in spelled])[codes], set(spelled)


def levels(values: Any) -> tuple[NDArray[np.int64], list[Any]]:
    """Codes (n,) from 0 and the groups they stand for, sorted; missing values are the last group, None."""
    codes, uniques = factorize(values)
    names = [plain(value) for value in uniques]
    order = sorted(range(len(names)), key=lambda code: rank(names[code]))
    groups = [names[code] for code in order]
    place = np.empty(len(names) + 1, dtype=np.int64)
    place[order] = np.arange(len(names))
    place[-1] = len(names)  # the code of a missing value is -1, so it reads the last place
    return place[codes], [*groups, None] if (codes == -1).any() else groups


def rank(label: Any) -> tuple[bool, float, str]:
    """Numbers first and by size, then text by alphabet."""
    return (True, 0.0, label) if isinstance(label, str) else (False, float(label), "")


def listed(labels: list[str], most: int = 10) -> str:
    """The first few labels as a sentence has them."""
    shown = ", ".join(repr(label) for label in labels[:most])
    return f"{shown} and {len(labels) - most} more" if len(labels) > most else shown
