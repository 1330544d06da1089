"""A result in the order in which a page shows it, with its charts. Nothing is measured here."""

from __future__ import annotations

import json
from typing import Any

from audits import charts
from audits.models import Run

DRAWN = ("selection_rate", "true_positive_rate", "false_positive_rate")
# What each rate is called above its column, and in full.
RATES = {
    "selection_rate": ("Selection", "selection rate: the share that gets the favourable decision"),
    "true_positive_rate": ("TPR", "true positive rate: the share of favourable outcomes that gets it"),
    "false_positive_rate": ("FPR", "false positive rate: the share of other outcomes that gets it"),
    "false_negative_rate": ("FNR", "false negative rate: the share of favourable outcomes that does not"),
    "precision": ("Precision", "precision: the share of favourable decisions that were right"),
    "accuracy": ("Accuracy", "accuracy: the share of right decisions"),
}
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
    """One part per set of attributes: its groups, drawn and as a table, and the gaps between them."""
    parts: dict[frozenset[str], dict[str, Any]] = {}
    for row in result["groups"]:
        names = list(row["group"])
        if frozenset(names) not in parts:
            drawn = charts.rates(result, attributes=names, metrics=DRAWN)
            parts[frozenset(names)] = {"title": " × ".join(names), "svg": drawn, "groups": [], "gaps": []}
        parts[frozenset(names)]["groups"].append(row | {"rates": [row[rate] for rate in RATES]})
    for gap in result["disparities"]:
        pair(parts[frozenset(gap["attributes"])]["gaps"], gap)
    return {"parts": list(parts.values()), "rates": list(RATES.values())}


def pair(gaps: list[dict[str, Any]], gap: dict[str, Any]) -> None:
    """Put a ratio and a difference of one rate between the same two groups into one row."""
    same = ("metric", "worst", "reference")
    for row in gaps:
        if all(row[name] == gap[name] for name in same):
            row[gap["kind"]] = gap
            return
    gaps.append({name: gap[name] for name in same} | {gap["kind"]: gap})


def performance(result: dict[str, Any]) -> dict[str, Any]:
    figures = [
        {"label": label, "hint": hint, "estimate": result[name]}
        for name, (label, hint) in KEY_FIGURES.items()
        if name in result
    ]
    return {
        "figures": figures,
        "roc_svg": charts.roc(result) if result.get("roc") else None,
        "calibration_svg": charts.calibration(result) if result.get("calibration") else None,
    }


def explainability(result: dict[str, Any]) -> dict[str, Any]:
    found = result["additivity"]
    sentence = (
        f"Base and contributions miss the model's output by at most {found['max_abs_error']:.2g}; up to "
        f"{found['tolerance']:.2g} is allowed for rounding."
    )
    return {
        "importance_svg": charts.importance(result),
        "additivity": sentence,
        "one_base": len({reason["base"] for reason in result["reasons"]}) == 1,
    }
