"""The principal reasons of each row, in the words of a dictionary of reason codes."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import ArrayLike

from audits.measures.errors import Unmeasurable
from audits.measures.explanation import matrix
from audits.measures.inputs import require_whole
from audits.measures.labels import plain
from audits.measures.mixtures import Floats
from audits.measures.reason_codes_texts import entries, unspecific

# 12 CFR 1002.9, official comment 9(b)(2)-1: more than four reasons are not likely to be helpful.
MOST_REASONS = 4

Entry = Mapping[str, Any]


def reason_codes(
    *,
    values: ArrayLike,
    data: pd.DataFrame,
    rows: Sequence[Hashable],
    codes: Mapping[str, Any],
    most: int = MOST_REASONS,
) -> dict[str, Any]:
    """The up to `most` inputs that lowered each row's output most, each with its code and text.

    values: contributions (n, d) towards the favourable outcome; data: what the model saw, (n, d), whose columns are the
    features; rows: n labels; codes: per feature an entry {"code", "text", optional "below" or "above"} or a list of
    them, of which the first that fits the value counts. An input without a fitting entry keeps its place with a null
    code, and `without` says in how many rows: it is never passed over or called “other”. Reg B, 12 CFR 1002.9(b)(2).
    """
    contributions = matrix(values)
    require_whole("most", most, least=1)
    if contributions.shape != data.shape or len(rows) != len(data):
        sentence = f"values has shape {contributions.shape}, data {data.shape} and rows {len(rows)}; make them match."
        raise Unmeasurable(param="data", sentence=sentence)
    if (refusal := unspecific(codes)) is not None:
        raise Unmeasurable(param="reason_codes", sentence=refusal)
    names, cells = list(data.columns), data.to_numpy(dtype=object)
    found = [
        {"row": plain(label), "reasons": principal(contributions[at], cells[at], names, codes, most)}
        for at, label in enumerate(rows)
    ]
    return {"most": most, "rows": found, "counts": counts(found), "without": without(found)}


def principal(
    values: Floats, cells: Any, names: Sequence[str], codes: Mapping[str, Any], most: int
) -> list[dict[str, Any]]:
    """The inputs that lowered this output, the strongest first; of equal ones the first column."""
    reasons = []
    for place in np.argsort(values, kind="stable")[:most]:
        if values[place] >= 0:
            break
        cell = None if pd.isna(cells[place]) else plain(cells[place])
        entry = fitting(codes.get(names[place]), cell)
        reasons.append(
            {
                "feature": names[place],
                "value": cell,
                "contribution": float(values[place]),
                "code": entry["code"] if entry else None,
                "text": entry["text"] if entry else None,
            }
        )
    return reasons


def fitting(given: Any, cell: Any) -> Entry | None:
    """The first entry whose condition the value meets; one without a condition fits every value."""
    for entry in entries(given):
        conditions = {name: entry[name] for name in ("below", "above") if entry.get(name) is not None}
        if not conditions:
            return entry
        if isinstance(cell, bool) or not isinstance(cell, int | float):
            continue
        if cell < conditions.get("below", np.inf) and cell > conditions.get("above", -np.inf):
            return entry
    return None


def counts(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How many rows each code is a principal reason of, the most frequent first."""
    seen: dict[tuple[str, str], set[int]] = {}
    for at, row in enumerate(found):
        for reason in row["reasons"]:
            if reason["code"] is not None:
                seen.setdefault((reason["code"], reason["text"]), set()).add(at)
    ranked = sorted(seen.items(), key=lambda item: (-len(item[1]), item[0]))
    return [{"code": code, "text": text, "n": len(places)} for (code, text), places in ranked]


def without(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """In how many rows an input is a principal reason and no code fits it."""
    seen: dict[str, int] = {}
    for row in found:
        for reason in row["reasons"]:
            if reason["code"] is None:
                seen[reason["feature"]] = seen.get(reason["feature"], 0) + 1
    ranked = sorted(seen.items(), key=lambda item: (-item[1], item[0]))
    return [{"feature": feature, "n": count} for feature, count in ranked]
