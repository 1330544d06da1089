"""A result in the order in which a page shows it. Nothing is measured here."""

from __future__ import annotations

import json
from typing import Any

from audits.models import Run

RATES = [
    "selection_rate", "true_positive_rate", "false_positive_rate", "false_negative_rate", "precision", "accuracy",
]  # fmt: skip
KEY_FIGURES = {
    "auc": ("AUC", "1 separates perfectly, 0.5 not at all"),
    "gini": ("Gini", "2 AUC − 1"),
    "ks": ("KS", "largest gap between the outcomes' score distributions"),
    "brier": ("Brier score", "mean squared error of the probability; lower is better"),
    "log_loss": ("Log loss", "in nats; lower is better"),
    "ece": ("Calibration error", "mean gap between score and observed rate"),
    "accuracy": ("Accuracy", "share of right decisions"),
    "balanced_accuracy": ("Balanced accuracy", "mean of recall and specificity"),
    "precision": ("Precision", "share of favourable decisions that were right"),
    "recall": ("Recall", "share of favourable outcomes found"),
    "specificity": ("Specificity", "share of other outcomes found"),
    "f1": ("F1", "harmonic mean of precision and recall"),
}


def shown(run: Run) -> dict[str, Any] | None:
    """The record of a run that succeeded, with its result arranged for its check's template."""
    if not run.record:
        return None
    record: dict[str, Any] = json.loads(bytes(run.record))
    arrange = {"fairness": fairness, "performance": performance, "explainability": explainability}[run.check_name]
    return {"evidence": record["run"], "result": record["result"], **arrange(record["result"])}


def fairness(result: dict[str, Any]) -> dict[str, Any]:
    """One part per set of attributes: its groups, and the gaps between them."""
    parts: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in result["groups"]:
        names = tuple(row["group"])
        part = parts.setdefault(names, {"title": " × ".join(names), "groups": [], "disparities": []})
        part["groups"].append(row | {"rates": [row[rate] for rate in RATES]})
    for gap in result["disparities"]:
        parts[tuple(gap["attributes"])]["disparities"].append(gap)
    return {"parts": list(parts.values()), "rates": RATES}


def performance(result: dict[str, Any]) -> dict[str, Any]:
    figures = [
        {"label": label, "hint": hint, "estimate": result[name]}
        for name, (label, hint) in KEY_FIGURES.items()
        if name in result
    ]
    return {"figures": figures}


def explainability(result: dict[str, Any]) -> dict[str, Any]:
    largest = max((row["mean_abs"] for row in result["importance"]), default=0)
    bars = [row | {"percent": 100 * row["mean_abs"] / largest if largest else 0} for row in result["importance"]]
    found = result["additivity"]
    sentence = (
        f"Base and contributions miss the model's output by at most {found['max_abs_error']:.2g}; up to "
        f"{found['tolerance']:.2g} is allowed for rounding."
    )
    return {"importance": bars, "additivity": sentence}
