"""Impact ratios as New York City's rule on automated employment decision tools has them, and the four-fifths flag.

6 RCNY 5-300 to 5-304: the impact ratio of a category is its selection rate, or its scoring rate, over that of the
category with the highest. A scoring rate is the share of rows whose score lies above the median of all rows. Rows whose
category is not known are counted apart, and a category of less than 2% of the rows may be left out of the ratios; its
size and rate are still stated. Four fifths: 29 CFR 1607.4(D).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.intervals import mover_ratio, wilson

FOUR_FIFTHS = 0.8
SMALL_SHARE = 0.02


def impact(
    *,
    attributes: tuple[str, ...],
    groups: Sequence[dict[str, Any]],
    chosen: NDArray[np.int64],
    n: NDArray[np.int64],
    rate: str,
    confidence: float,
    leave_out_small: bool = False,
) -> dict[str, Any]:
    """Rates and impact ratios of the categories of one table.

    chosen, n: how many rows of each group were selected, or scored above the median, and how many there are.
    A group in which an attribute is missing is no category. Ratios are of unrounded rates, with MOVER-R limits against
    the category with the highest rate. `four_fifths` is false for a ratio below 4/5.
    """
    known = [place for place, group in enumerate(groups) if None not in group.values() and n[place]]
    total = int(sum(n[place] for place in known))
    small = {place: bool(n[place] < SMALL_SHARE * total) for place in known}
    compared = [place for place in known if not (leave_out_small and small[place])]
    # of equal rates, the category with the most rows
    highest = max(compared, key=lambda place: (chosen[place] / n[place], n[place]), default=None)
    rows = [
        {
            "group": groups[place],
            "n": int(n[place]),
            "share": float(n[place] / total),
            "small": small[place],
            "chosen": int(chosen[place]),
            "rate": wilson(int(chosen[place]), int(n[place]), confidence).as_json(),
            **ratio(place, highest if place in compared else None, chosen, n, confidence),
        }
        for place in known
    ]
    return {
        "attributes": list(attributes),
        "rate": rate,
        "highest": None if highest is None else groups[highest],
        "rows": total,
        "unknown": int(n.sum()) - total,
        "categories": rows,
    }


def ratio(
    place: int, highest: int | None, chosen: NDArray[np.int64], n: NDArray[np.int64], confidence: float
) -> dict[str, Any]:
    """The impact ratio of a category, and whether it is at least four fifths."""
    undefined: dict[str, Any] = {"value": None, "low": None, "high": None}
    if highest is None:
        reason = f"the category is less than {SMALL_SHARE:.0%} of the rows and was left out"
        return {"impact_ratio": undefined | {"reason": reason}, "four_fifths": None}
    if chosen[highest] == 0:
        return {"impact_ratio": undefined | {"reason": "the rate is 0 in every category"}, "four_fifths": None}
    if place == highest:
        return {"impact_ratio": {"value": 1.0, "low": None, "high": None}, "four_fifths": True}
    pair = int(chosen[place]), int(n[place]), int(chosen[highest]), int(n[highest])
    found = mover_ratio(*pair, confidence)
    # in whole numbers, so that exactly four fifths is not below it
    fair = 5 * pair[0] * pair[3] >= 4 * pair[2] * pair[1]
    return {"impact_ratio": found.as_json(), "four_fifths": fair}
