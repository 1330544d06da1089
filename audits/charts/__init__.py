"""A result drawn as SVG, for the page and for print alike. Every chart stands beside a table with the same numbers.

Each function takes a result and gives SVG text that may stand inline under a strict content security policy: no
style, no script, no link. The same result gives the same text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.safestring import SafeString

from audits.charts import specs
from audits.charts.drawing import PAGE, PRINT, svg

__all__ = ["PAGE", "PRINT", "calibration", "drawn", "importance", "rates", "reasons", "roc"]


def rates(
    result: dict[str, Any],
    *,
    attributes: Sequence[str] | None = None,
    metrics: Sequence[str] = ("selection_rate",),
    theme: str = PAGE,
) -> SafeString:
    """Each group's rates with their intervals, for one set of attributes (the first by default)."""
    attributes = list(attributes or result["groups"][0]["group"])
    groups = [row for row in result["groups"] if set(row["group"]) == set(attributes)]
    named = ", ".join(specs.words(metric) for metric in metrics)
    said = f"{named} by {' and '.join(attributes)}, {len(groups)} groups".capitalize()
    shown = sorted(groups, key=lambda row: -row["n"])[: specs.MOST_GROUPS]
    if len(shown) < len(groups):
        said += f", of which the {specs.MOST_GROUPS} largest are drawn"
    kept = [row for row in groups if row in shown]
    return svg(specs.rates(kept, result["overall"], metrics), label=said, theme=theme)


def calibration(result: dict[str, Any], *, theme: str = PAGE) -> SafeString:
    """The observed rate against the mean score, bin by bin; the diagonal is perfect calibration."""
    said = f"Calibration in {result['bins']} bins: observed rate against mean score"
    return svg(specs.calibration(result["calibration"] or []), label=said, theme=theme)


def roc(result: dict[str, Any], *, theme: str = PAGE) -> SafeString:
    """True against false positive rate over all thresholds; the diagonal is guessing."""
    area = result["auc"]["value"]
    said = "ROC curve" if area is None else f"ROC curve with an area of {area:.3f}"
    return svg(specs.roc(result["roc"]), label=said, theme=theme)


def importance(result: dict[str, Any], *, most: int = 15, theme: str = PAGE) -> SafeString:
    """The inputs by the mean size of their contributions."""
    rows = result["importance"][:most]
    said = f"Mean size of the contributions of the {len(rows)} most important inputs"
    return svg(specs.importance(rows), label=said, theme=theme)


def reasons(reason: dict[str, Any], *, theme: str = PAGE) -> SafeString:
    """What each input added to one row's output or took from it."""
    said = f"What moved the output of row {reason['row']} from {reason['base']:.3g} to {reason['output']:.3g}"
    return svg(specs.reasons(reason), label=said, theme=theme)


def drawn(spec: specs.Spec, *, label: str, theme: str = PAGE) -> SafeString:
    """A chart that a check has specified."""
    return svg(spec, label=label, theme=theme)
