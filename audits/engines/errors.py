"""What an engine says when it can't count."""

from __future__ import annotations

from audits.measures.errors import Unmeasurable

COUNTED = ("fairness",)


class NotCounted(Unmeasurable):
    """The rows can't be counted faithfully where they lie; reading them may still answer."""


def require_counts(check: str) -> None:
    """Refuse to push down a check that looks at rows and not at counts of them."""
    if check not in COUNTED:
        sentence = (
            f"The check “{check}” looks at single rows, so it can't be counted where the data lies; only "
            f"{', '.join(COUNTED)} can. Upload the rows as a Parquet or CSV dataset and run it on them."
        )
        raise NotCounted(param="dataset", sentence=sentence)
