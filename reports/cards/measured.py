"""What the checks measured: the results of the latest succeeded run of each, as tables."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from audits import checks, queries, results
from audits.checks import presenting
from audits.models import Run
from registry.models import Version
from reports.cards.shape import Cell, Evaluation, Item, Measured, Table

# what the sections of a card ask for by name
OF_THE_CARD = {"performance", "fairness", "explainability"}
MOST_ROWS = 50
MOST_FEATURES = 15

RATES = {
    "selection_rate": "Selection rate",
    "true_positive_rate": "True positive rate",
    "false_positive_rate": "False positive rate",
    "false_negative_rate": "False negative rate",
    "precision": "Precision",
    "accuracy": "Accuracy",
}
DISPARITIES = RATES | {"equalized_odds": "Equalized odds"}
# in the order a reader meets them: our name, the label, and the name of the Hugging Face metric
PERFORMANCE = (
    ("auc", "AUC", "roc_auc"),
    ("gini", "Gini", "gini"),
    ("ks", "Kolmogorov–Smirnov", "ks"),
    ("log_loss", "Log loss", "log_loss"),
    ("brier", "Brier score", "brier_score"),
    ("ece", "Expected calibration error", "expected_calibration_error"),
    ("accuracy", "Accuracy", "accuracy"),
    ("balanced_accuracy", "Balanced accuracy", "balanced_accuracy"),
    ("precision", "Precision", "precision"),
    ("recall", "Recall", "recall"),
    ("specificity", "Specificity", "specificity"),
    ("f1", "F1", "f1"),
    ("base_rate", "Base rate", "base_rate"),
)


@dataclass(frozen=True)
class Measurement:
    """A succeeded run with its result."""

    run: Run
    result: dict[str, Any]

    @property
    def source(self) -> str:
        return f"run {self.run.pk}"


def latest(version: Version, check: str) -> Measurement | None:
    run = queries.latest_succeeded(version, check)
    # a record that was altered since is not there in the past
    return Measurement(run, json.loads(bytes(run.record))["result"]) if run is not None and run.record else None


def mend(check: str) -> str:
    return f"Run the check {check} on this version."


def measured(found: Any) -> Measured:
    """A measure of a result: canonical JSON writes 1.0 as 1, so whole numbers are read as measures too."""
    parts = found if isinstance(found, dict) else {"value": found}
    value, low, high = (None if (part := parts.get(name)) is None else float(part) for name in ("value", "low", "high"))
    return Measured(value, low, high)


def measures_reported(found: Measurement | None) -> Item:
    label = "Measures of performance"
    if found is None:
        return Item(label=label, mend=mend("performance"))
    names = [title for name, title, _ in PERFORMANCE if name in found.result]
    return Item(label=label, value=", ".join(names), source=found.source, mend=mend("performance"))


def performance(found: Measurement | None) -> Item:
    label = "Unitary results: performance"
    if found is None:
        return Item(label=label, mend=mend("performance"))
    rows: list[tuple[Cell, ...]] = [
        (title, measured(found.result[name])) for name, title, _ in PERFORMANCE if name in found.result
    ]
    return Item(
        label=label,
        value=Table(columns=("Measure", "Value"), rows=rows, note=of_rows(found)),
        source=found.source,
        mend=mend("performance"),
        chart="performance",
        result=found.result,
    )


def of_rows(found: Measurement) -> str:
    rows = found.result.get("n") or found.result.get("rows")
    sentence = f"{rows:,} rows of {found.run.dataset.name}" if rows else found.run.dataset.name
    if (threshold := found.result.get("threshold")) is not None:
        sentence += f", decided at a threshold of {threshold:g}"
    if confidence := found.result.get("confidence"):
        sentence += f"; with {100 * confidence:g}% intervals, where one can be given"
    return f"{sentence}."


def named(group: dict[str, Any] | None) -> str:
    """A group by its values alone: the heading above names the attributes, in the same order."""
    if group is None:
        return "–"
    return ", ".join("missing" if value is None else str(value) for value in group.values())


def fairness(found: Measurement | None) -> list[Item]:
    """The unitary results, attribute by attribute, and the intersectional ones."""
    unitary, crossed = "Unitary results: fairness", "Intersectional results: fairness"
    if found is None:
        return [Item(label=unitary, mend=mend("fairness")), Item(label=crossed, mend=mend("fairness"))]
    kinds = list(dict.fromkeys(tuple(row["group"]) for row in found.result["groups"]))
    items = [item for kind in kinds for item in compared(found, kind)]
    if not any(len(kind) > 1 for kind in kinds):
        items.append(Item(label=crossed, mend="Run the check fairness with two or more sensitive attributes crossed."))
    return items


def compared(found: Measurement, attributes: tuple[str, ...]) -> Iterable[Item]:
    heading = "Unitary results" if len(attributes) == 1 else "Intersectional results"
    by = " and ".join(attributes)
    groups = [row for row in found.result["groups"] if tuple(row["group"]) == attributes]
    yield Item(
        label=f"{heading}: rates by {by}",
        value=rates(groups, of_rows(found)),
        source=found.source,
        mend=mend("fairness"),
        chart="fairness",
        result=found.result | {"groups": groups},
    )
    gaps = [row for row in found.result["disparities"] if sorted(row["attributes"]) == sorted(attributes)]
    if gaps:
        label = f"{heading}: disparities between groups of {by}"
        yield Item(label=label, value=disparities(gaps), source=found.source)


def rates(groups: list[dict[str, Any]], note: str) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (named(row["group"]), row["n"], *(measured(row[rate]) for rate in RATES)) for row in groups[:MOST_ROWS]
    ]
    if len(groups) > MOST_ROWS:
        note += f" The first {MOST_ROWS} of {len(groups)} groups; the run holds all."
    return Table(columns=("Group", "Rows", *RATES.values()), rows=rows, note=note)


def disparities(gaps: list[dict[str, Any]]) -> Table:
    """One line a measure, with its ratio, its difference and the two groups that span it."""
    by_metric: dict[str, dict[str, dict[str, Any]]] = {}
    for gap in gaps:
        by_metric.setdefault(gap["metric"], {})[gap["kind"]] = gap
    rows: list[tuple[Cell, ...]] = []
    for metric, kinds in by_metric.items():
        spanned = kinds.get("ratio") or kinds["difference"]
        pair = [measured(kinds[kind]) if kind in kinds else None for kind in ("ratio", "difference")]
        rows.append((DISPARITIES.get(metric, metric), *pair, named(spanned["worst"]), named(spanned["reference"])))
    note = "Ratio: smallest rate over largest. Difference: largest less smallest. These are measures, not verdicts."
    return Table(columns=("Measure", "Ratio", "Difference", "Worst group", "Reference group"), rows=rows, note=note)


def explanation(found: Measurement | None) -> Item:
    label = "What drives the output"
    if found is None:
        return Item(label=label, mend=mend("explainability"))
    ranked = found.result["importance"]
    rows: list[tuple[Cell, ...]] = [
        (row["feature"], *(measured(row[name]) for name in ("mean_abs", "mean", "share")))
        for row in ranked[:MOST_FEATURES]
    ]
    note = f"Mean size and mean of the Shapley values ({found.result['game']}), in the unit of the output."
    if len(ranked) > MOST_FEATURES:
        note += f" The first {MOST_FEATURES} of {len(ranked)} features."
    columns = ("Feature", "Mean size", "Mean", "Share")
    return Item(
        label=label,
        value=Table(columns=columns, rows=rows, note=note),
        source=found.source,
        mend=mend("explainability"),
        chart="explainability",
        result=found.result,
    )


def further(version: Version) -> list[Item]:
    """The key figures of every other check that was run: the newest run of each."""
    found = (latest(version, name) for name in checks.ALL if name not in OF_THE_CARD)
    return [key_figures(each) for each in found if each is not None]


def key_figures(found: Measurement) -> Item:
    check = checks.get(found.run.check_name)
    rows: list[tuple[Cell, ...]] = [(each.label, printed(each)) for each in check.figures(found.result)]
    note = f"Measured on {found.run.dataset.name}; the run holds all of the result."
    return Item(label=check.TITLE, value=Table(columns=("Measure", "Value"), rows=rows, note=note), source=found.source)


def sections(found: Measurement) -> Iterable[Item]:
    """The whole result, as its check describes it: its tables, and its charts beside the table they stand next to."""
    for section in checks.get(found.run.check_name).sections(found.result):
        figures = [each for part in section.parts if isinstance(part, presenting.Figures) for each in part.figures]
        tables = [part for part in section.parts if isinstance(part, presenting.Table)]
        specs = [part for part in section.parts if isinstance(part, presenting.Chart)]
        tables += [chart.table for chart in specs if chart.table is not None]
        drawn: dict[str, Any] = {"chart": "section", "result": {"charts": specs}} if specs else {}
        if figures:
            listed: list[tuple[Cell, ...]] = [(each.label, printed(each)) for each in figures]
            value = Table(columns=("Measure", "Value"), rows=listed, note=section.lead)
            yield Item(label=section.title or "Key figures", value=value, source=found.source)
        for table in tables:
            label = f"{section.title}: {table.caption}" if section.title else table.caption
            yield Item(label=label, value=tabled(table), source=found.source, **drawn)
            drawn = {}


def tabled(table: presenting.Table) -> Table:
    note = table.note
    if len(table.rows) > MOST_ROWS:
        note = f"{note} The first {MOST_ROWS} of {len(table.rows):,} rows; the run holds all.".strip()
    kinds = [column.kind for column in table.columns]
    rows = [
        tuple(printed(value, kind) for value, kind in zip(row, kinds, strict=True)) for row in table.rows[:MOST_ROWS]
    ]
    return Table(columns=tuple(column.title for column in table.columns), rows=rows, note=note)


def printed(value: presenting.Cell, kind: str = "number") -> Cell:
    """A cell of a check's table as a document's: a plain measure keeps its limits, all else is in words."""
    if isinstance(value, presenting.Figure):
        if isinstance(value.value, str) or value.value is None:
            return results.figure(value).text
        return Measured(float(value.value), value.low, value.high, value.kind)
    if value is None or isinstance(value, str) or (kind == "text" and not isinstance(value, float)):
        return value
    if kind in {"share", "signed"}:
        return Measured(float(value), kind="share" if kind == "share" else "signed")
    return round(value) if kind == "count" else float(value)


def limitations(*found: Measurement | None) -> list[str]:
    return [sentence for each in found if each for sentence in each.result.get("limitations", [])]


def groups_measured(found: Measurement | None) -> Item:
    label = "Groups compared"
    if found is None:
        return Item(label=label, mend=mend("fairness"))
    by: dict[str, list[str]] = {}
    for row in found.result["groups"]:
        if len(row["group"]) == 1:
            [(name, value)] = row["group"].items()
            by.setdefault(name, []).append("missing" if value is None else str(value))
    sentences = [f"{name}: {', '.join(values)}" for name, values in by.items()]
    return Item(label=label, value=sentences, source=found.source, mend=mend("fairness"))


def evaluation(found: Measurement) -> Evaluation:
    measures = [
        (hugging_face, title, value)
        for name, title, hugging_face in PERFORMANCE
        if (value := measured(found.result.get(name)).value) is not None
    ]
    return Evaluation(
        run_id=str(found.run.pk),
        result_digest=found.run.result_digest,
        dataset=found.run.dataset.name,
        dataset_digest=found.run.dataset.digest,
        measures=measures,
    )
