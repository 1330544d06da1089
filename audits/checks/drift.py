"""Drift: is the data that comes in now still like the data the model was made for?"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from audits.charts import specs
from audits.checks import columns, params, scoring
from audits.checks.context import Context, Measured
from audits.checks.presenting import Chart, Column, Figure, Figures, Note, Part, Section, Table
from registry import reading
from registry.models import ColumnRole, Dataset, Version
from trail.errors import BadInput

NAME = "drift"
VERSION = "1"
TITLE = "Drift and stability"
ANSWERS = (
    "Says for each column, score and decision how far the data lies from a reference dataset (PSI, KS, Jensen–Shannon, "
    "Wasserstein, chi-square, new and missing values), whether chance explains it, how it went from window to window, "
    "and, where outcomes are known, whether the model still does as well. Not for a verdict on the model: data may "
    "drift where the model does not care, and the model may fail without drift."
)
EXACT_ROWS = 1_000_000
COARSE = 0.01  # a sketch whose bound of KS is larger is not used
WORST = 3
MODEL = "(score of the model)"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "reference": {
            "type": "string",
            "title": "Reference dataset",
            "description": "The dataset that is compared with, such as that of development; the bins come from it.",
            "x-dataset": True,
        },
        "columns": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "uniqueItems": True,
            "title": "Columns",
            "description": "The columns to compare; by default features, scores and predictions in both datasets.",
            "x-columns": "any",
        },
        "bins": {
            "type": "integer",
            "minimum": 2,
            "maximum": 100,
            "default": 10,
            "title": "Bins",
            "description": "Bins for numbers: quantiles of the reference, equal ones merged, closed on the right.",
        },
        "edges": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 200},
            "default": {},
            "title": "Frozen edges",
            "description": "Edges for single columns, such as those that an earlier result states.",
            "x-advanced": True,
        },
        "threshold": {
            "type": "number",
            "exclusiveMinimum": 0,
            "default": 0.1,
            "title": "PSI that matters",
            "description": "A smaller PSI is no drift, however certain; 0.1 and 0.25 are custom, without a source.",
        },
        "confidence": params.CONFIDENCE,
        "multiplicity": {
            "enum": ["none", "bonferroni", "holm", "bh"],
            "default": "holm",
            "title": "Many columns",
            "description": "How p-values are adjusted over the columns.",
            "x-advanced": True,
        },
        "time": {
            "type": "string",
            "title": "Time column",
            "description": "The column that puts rows in windows; by default the one with the role time.",
            "x-column": "any",
        },
        "window": {
            "enum": ["value", "day", "week", "month", "quarter", "year"],
            "title": "Window",
            "description": "How long a window is; value takes each different value for one. By default month for "
            "dates, else value.",
        },
        "target": params.TARGET | {"x-column": "few", "x-advanced": True},
        "favourable": params.FAVOURABLE | {"x-advanced": True},
        "run_model": {
            "type": "boolean",
            "default": False,
            "title": "Score both datasets with the model",
            "description": "Runs the artifact on both, and compares its scores as well.",
            "x-advanced": True,
        },
        "labels": params.LABELS | {"x-advanced": True},
    },
}


# ---- asked


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    reference = other(stated.get("reference"))
    names = stated.get("columns") or default_columns(dataset, reference)
    for name in names:
        columns.named(dataset, name, "columns")
        columns.named(reference, name, "columns")
    for name in stated["edges"]:
        if name not in names:
            raise columns.bad("edges", f"“{name}” has edges but is not among the columns that are compared.")
        rising(name, stated["edges"][name])
    found = {name: stated[name] for name in ("bins", "edges", "threshold", "confidence", "multiplicity", "run_model")}
    found |= {"reference": str(reference.pk), "columns": names}
    if stated["run_model"]:
        if version.artifact is None:
            raise BadInput(f"{version} has no artifact to score with.", where="params.run_model")
        found |= scoring.artifact(version, dataset, stated)
        for name in dataset.names(ColumnRole.FEATURE):
            columns.named(reference, name, "reference")
    return found | windowed(dataset, stated) | outcome(dataset, reference, stated)


def other(given: str | None) -> Dataset:
    if given is None:
        sentence = "Name the dataset to compare with in “reference”, such as the one of development."
        raise columns.bad("reference", sentence)
    return Dataset.objects.get(pk=given)


def default_columns(dataset: Dataset, reference: Dataset) -> list[str]:
    """Features, scores and predictions that both datasets have."""
    asked = [
        column["name"]
        for column in dataset.columns
        if {ColumnRole.FEATURE, ColumnRole.SCORE, ColumnRole.PREDICTION} & set(column["roles"])
    ]
    names = [name for name in asked if reference.column(name) is not None]
    if not names:
        sentence = f"{reference.name} has none of the features, scores and predictions of {dataset.name}."
        raise columns.bad("reference", sentence if asked else f"Name “columns”: {dataset.name} has no feature.")
    return names


def rising(name: str, edges: list[float]) -> None:
    if sorted(set(edges)) != edges:
        raise columns.bad("edges", f"The edges of “{name}” do not rise from one to the next.")


def windowed(dataset: Dataset, stated: dict[str, Any]) -> dict[str, Any]:
    time = stated.get("time") or columns.with_role(dataset, ColumnRole.TIME, "time")
    if time is None:
        if "window" in stated:
            raise columns.bad("time", f"{dataset.name} has no column with the role time: name one in “time”.")
        return {}
    kind = columns.named(dataset, time, "time")["type"]
    window = stated.get("window", "month" if kind == "date" else "value")
    if window != "value" and kind != "date":
        sentence = f"{dataset.file_name}, column “{time}” holds {kind}, not dates; each value can be a window: “value”."
        raise columns.bad("window", sentence)
    return {"time": time, "window": window}


def outcome(dataset: Dataset, reference: Dataset, stated: dict[str, Any]) -> dict[str, Any]:
    """The target and its favourable value, where both datasets have it; asked for, it must be there."""
    names = [stated["target"]] if "target" in stated else dataset.names(ColumnRole.TARGET)
    if len(names) != 1 or ("target" not in stated and reference.column(names[0]) is None):
        return {}
    try:
        columns.named(reference, names[0], "target")
        few(dataset, names[0])
        return {"target": names[0], "favourable": columns.favourable(dataset, names[0], stated.get("favourable"))}
    except BadInput:
        if "target" in stated or "favourable" in stated:
            raise
        return {}


def few(dataset: Dataset, name: str) -> None:
    """Refuse a target without outcomes that can be told apart; missing ones may come later."""
    if not columns.values(columns.named(dataset, name, "target")):
        sentence = f"{dataset.file_name}, column “{name}” holds no value, or more than 50 different values."
        raise columns.bad("target", sentence)


# ---- measured


def run(context: Context) -> Measured:
    from audits.measures import drift_thresholds as thresholds

    stated, reference = context.params, context.other_dataset("reference")
    alpha = 1 - stated["confidence"]
    planned, apart = plan(context.dataset, reference, stated["columns"])
    tests = max(1, len(planned) + stated["run_model"])
    level = alpha if stated["multiplicity"] == "none" else alpha / tests
    context.progress(0.02, "Reading the data")
    sides = Sides(context, reference, [name for name, _ in planned])
    found: list[dict[str, Any]] = []
    libraries: dict[str, str] = {}
    for place, (name, kind) in enumerate(planned):
        context.progress(0.1 + 0.6 * place / len(planned), f"Comparing {name}")
        found.append({"column": name, "part": part(context.dataset, name)} | sides.compare(name, kind, level))
    if stated["run_model"]:
        context.progress(0.7, "Scoring both datasets")
        measured, libraries = scored(context, reference, level)
        found.append({"column": MODEL, "part": "score"} | measured)
    answered(found, stated, alpha)
    context.progress(0.8, "Looking at the windows")
    said = sides.limitations + limits(found, reference, context.dataset)
    windows, more = over_windows(context, sides, found, alpha)
    concept, late = outcomes(context, reference)
    counted = {one: sum(row["answer"] == one for row in found) for one in ("drift", "no drift", "not enough data")}
    known = [row for row in found if row["psi"]["value"] is not None]
    worst = max(known, key=lambda row: float(row["psi"]["value"]), default=None)
    result = {
        "reference": {"name": reference.name, "digest": reference.digest, "rows": reference.row_count},
        "current": {
            "name": context.dataset.name,
            "digest": context.dataset.digest,
            "rows": context.dataset.row_count,
        },
        **{name: stated[name] for name in ("bins", "threshold", "confidence", "multiplicity")},
        "folklore": thresholds.FOLKLORE,
        "method": "sketch" if sides.large else "exact",
        "columns": found,
        "not_compared": apart,
        "answers": counted,
        "drifted": counted["drift"],
        "missing_changed": sum(row["missing"]["changed"] for row in found),
        "largest_psi": {
            "value": worst["psi"]["value"] if worst else None,
            "column": worst["column"] if worst else None,
            "reason": None if worst else "no column could be compared",
        },
        "windows": windows,
        "concept": concept,
        "limitations": said + more + late,
    }
    return Measured(result, libraries)


def plan(dataset: Dataset, reference: Dataset, names: list[str]) -> tuple[list[tuple[str, str]], list[dict[str, str]]]:
    """Each column with how it is compared, as numbers or as categories; and those that can't be, with the reason."""
    planned, apart = [], []
    for name in names:
        ours, theirs = (columns.named(each, name, "columns") for each in (dataset, reference))
        kinds = {
            "number" if column["type"] in columns.NUMERIC else column["type"]
            for column, each in ((ours, dataset), (theirs, reference))
            if column["missing"] < each.row_count
        } or {"text"}
        if "date" in kinds:
            apart.append({"column": name, "reason": "holds dates, which always move on; name it as “time”"})
        elif "number" in kinds and len(kinds) > 1:
            apart.append({"column": name, "reason": f"holds {ours['type']}, but {theirs['type']} in the reference"})
        else:
            planned.append((name, "number" if kinds == {"number"} else "category"))
    return planned, apart


def part(dataset: Dataset, name: str) -> str:
    roles = set((dataset.column(name) or {}).get("roles", ()))
    return next((role for role in ("score", "prediction", "target") if role in roles), "feature")


class Sides:
    """Both datasets, read once; very long Parquet files are read by columns and batches instead."""

    def __init__(self, context: Context, reference: Dataset, names: list[str]) -> None:
        self.context, self.reference = context, reference
        self.pair = (reference, context.dataset)
        self.large = max(each.row_count for each in self.pair) > EXACT_ROWS and all(
            each.format == Dataset.Format.PARQUET for each in self.pair
        )
        self.limitations: list[str] = []
        self.frames: tuple[Any, Any] | None = None
        if self.large:
            for each in self.pair:
                reading.refuse_altered(each)
        else:
            self.frames = (reading.frame(reference, names), reading.frame(context.dataset, names))

    def values(self, name: str) -> tuple[Any, Any]:
        if self.frames is not None:
            return self.frames[0][name], self.frames[1][name]
        return reading.frame(self.reference, [name])[name], reading.frame(self.context.dataset, [name])[name]

    def compare(self, name: str, kind: str, level: float) -> dict[str, Any]:
        from audits.measures import drift

        if kind == "category":
            return drift.categories(*self.values(name), alpha=level)
        asked = {"bins": self.context.params["bins"], "edges": self.context.params["edges"].get(name), "alpha": level}
        if self.large:
            found = self.sketched(name, asked)
            if found["psi"]["value"] is None or found["ks"]["bound"] <= COARSE:
                return found
            self.limitations.append(f"“{name}” was measured exactly, since the sketch is too coarse for its numbers.")
        return drift.numbers(*(numeric(values) for values in self.values(name)), **asked)

    def sketched(self, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        from django.core.files.storage import default_storage

        from audits.measures import drift, sketch

        if all((each.column(name) or {})["missing"] < each.row_count for each in self.pair):
            made = [sketch.of_parquet(default_storage.path(each.path), [name], threads=1)[name] for each in self.pair]
            return drift.sketched(made[0], made[1], **asked)
        return drift.numbers(*(numeric(values) for values in self.values(name)), **asked)


def numeric(values: Any) -> Any:
    """A column as floats; one that is missing throughout may have been read as text."""
    import numpy as np

    return values.to_numpy(dtype=float) if values.dtype.kind in "ifb" else np.full(len(values), np.nan)


def scored(context: Context, reference: Dataset, level: float) -> tuple[dict[str, Any], dict[str, str]]:
    """The drift of the model's own scores."""
    from audits.measures import drift

    features = context.dataset.names(ColumnRole.FEATURE)
    with scoring.scorer(context) as score:
        made = [score(reading.frame(each, features)) for each in (reference, context.dataset)]
        libraries = dict(score.last.libraries)
    return drift.numbers(*made, bins=context.params["bins"], alpha=level), libraries


def answered(found: list[dict[str, Any]], stated: dict[str, Any], alpha: float) -> None:
    """Adjust the p-values over the columns, and give each column one of three answers."""
    from audits.measures import drift_thresholds as thresholds

    method = stated["multiplicity"]
    raised = thresholds.adjusted([row["test"] and row["test"]["p"] for row in found], method)
    gaps = thresholds.adjusted([row["ks"]["p"] if "ks" in row else None for row in found], method)
    for row, p, gap in zip(found, raised, gaps, strict=True):
        critical = row["test"]["critical"] if row["test"] else None
        answer = thresholds.answer(row["psi"]["value"], p, critical, threshold=stated["threshold"], alpha=alpha)
        row["answer"], row["why"] = answer
        row["p_adjusted"] = p
        if "ks" in row:
            row["ks"]["p_adjusted"] = gap


def limits(found: list[dict[str, Any]], reference: Dataset, dataset: Dataset) -> list[str]:
    said = []
    for row in found:
        name = row["column"]
        if row["psi"]["value"] is None:
            said.append(f"“{name}” can’t be compared: {row['psi']['reason']}.")
        elif row["psi"]["empty_bins"]:
            bins = row["psi"]["empty_bins"]
            what = f"{bins} bins that are" if bins > 1 else "1 bin that is"
            said.append(f"“{name}” has {what} empty on one side; each counts as half a row in PSI.")
        if sum(row["infinite"].values()):
            said.append(f"“{name}” holds {sum(row['infinite'].values())} infinite numbers, which are left out.")
    if reference.sha256 == dataset.sha256:
        said.append("The reference is the same file as the data, so there is nothing to find.")
    return said


def over_windows(
    context: Context, sides: Sides, found: list[dict[str, Any]], alpha: float
) -> tuple[dict[str, Any] | None, list[str]]:
    from audits.measures import windows
    from audits.measures.drift import spelled
    from audits.measures.errors import Unmeasurable

    stated = context.params
    if "time" not in stated:
        return None, []
    if sides.frames is None:
        return None, [f"Windows are not looked at in data of over {EXACT_ROWS:,} rows; upload a window by itself."]
    try:
        labels = windows.periods(reading.frame(context.dataset, [stated["time"]])[stated["time"]], stated["window"])
    except Unmeasurable as error:
        return None, [f"Windows are not looked at: {error.sentence}"]
    coded = {}
    for row in found:
        if row["bins"] is None or row["column"] == MODEL:
            continue
        reference, current = sides.values(row["column"])
        known = set() if row["kind"] == "number" else {spelled(value) for value in reference.dropna().unique()}
        values = numeric(current) if row["kind"] == "number" else current
        coded[row["column"]] = (windows.codes(values, row["bins"], known), row["bins"]["reference"])
    rows = windows.over_time(
        labels, coded, threshold=stated["threshold"], alpha=alpha, multiplicity=stated["multiplicity"]
    )
    undated = sum(label is None for label in labels)
    more = [f"{undated} rows have no time and are in no window."] if undated else []
    return {
        "time": stated["time"],
        "window": stated["window"],
        "names": windows.ordered(labels),
        "undated": undated,
        "columns": rows,
    }, more


def outcomes(context: Context, reference: Dataset) -> tuple[dict[str, Any] | None, list[str]]:
    """How the model does in the reference and in each window, where the outcome is known."""
    from audits.measures import windows
    from audits.measures.errors import Unmeasurable

    stated, confidence = context.params, context.params["confidence"]
    if "target" not in stated:
        return None, []
    before = known_outcomes(context, reference)
    after = known_outcomes(context, context.dataset)
    base = windows.outcomes(before["target"], before["score"], before["decision"], confidence)
    parts: dict[str, Any] = {"all": slice(None)}
    if "time" in stated:
        try:
            labels = windows.periods(reading.frame(context.dataset, [stated["time"]])[stated["time"]], stated["window"])
            parts |= {name: labels == name for name in windows.ordered(labels)}
        except Unmeasurable:  # said with the windows
            pass
    rows = []
    for name, at in parts.items():
        held = {what: None if values is None else values[at] for what, values in after.items()}
        one = windows.outcomes(held["target"], held["score"], held["decision"], confidence)
        rows.append({"window": name, **one, "change": windows.changed(base, one, confidence)})
    late = rows[0]["n"] - rows[0]["labelled"]
    said = [f"The outcome of {late} of {rows[0]['n']} rows is not known yet; they are left out."] if late else []
    found = {"target": stated["target"], "favourable": stated["favourable"], "reference": base, "windows": rows}
    return found, said


def known_outcomes(context: Context, dataset: Dataset) -> dict[str, Any]:
    """(n,) arrays of 1, 0 and NaN for target and decision, and the score, from the columns with these roles."""
    import numpy as np

    stated = context.params
    score = dataset.names(ColumnRole.SCORE)[:1]
    decision = dataset.names(ColumnRole.PREDICTION)[:1]
    score = [name for name in score if columns.named(dataset, name, "score")["type"] in columns.NUMERIC]
    frame = reading.frame(dataset, [stated["target"], *score, *decision])
    wanted = columns.spelled(stated["favourable"])

    def hit(name: str) -> Any:
        cells = frame[name]
        return np.array(
            [
                np.nan if gone else float(columns.spelled(value) == wanted)
                for value, gone in zip(cells, cells.isna(), strict=True)
            ]
        )

    return {
        "target": hit(stated["target"]),
        "score": frame[score[0]].to_numpy(dtype=float) if score else None,
        "decision": hit(decision[0]) if decision else None,
    }


# ---- shown


def figures(result: Mapping[str, Any]) -> list[Figure]:
    columns_ = len(result["columns"])
    worst = result["largest_psi"]
    shown = [
        Figure("Drifted columns", result["drifted"], hint=f"of {columns_} compared", kind="count"),
        Figure.of("Largest PSI", worst, hint=str(worst["column"] or "")),
        Figure("Not enough data", result["answers"]["not enough data"], hint="columns without an answer", kind="count"),
    ]
    shown += [
        Figure.of(f"PSI of {row['column']}", row["psi"], hint=row["answer"])
        for row in result["columns"]
        if row["part"] in {"score", "prediction"}
    ]
    if result["concept"]:
        change = result["concept"]["windows"][0]["change"]
        for name in ("auc", "accuracy"):
            if name in change:
                label = "Change of AUC" if name == "auc" else "Change of accuracy"
                shown.append(Figure.of(label, change[name], hint=change[name]["answer"], kind="signed"))
    return shown


def sections(result: Mapping[str, Any]) -> list[Section]:
    lead = (
        f"{result['current']['name']} ({result['current']['rows']:,} rows) against {result['reference']['name']} "
        f"({result['reference']['rows']:,} rows). Drift is a PSI of {result['threshold']:g} or more that chance does "
        "not explain; not enough data says that chance alone could make as much in so few rows."
    )
    parts: list[Part] = [Figures(figures(result))]
    if result["method"] == "sketch":
        body = "KS and Wasserstein are given with their error bounds; PSI is exact for the edges stated."
        parts.append(Note("info", "Numbers were counted in a sketch", body))
    found = [Section(lead=lead, parts=parts), Section("Columns", "Each column against the reference", [table(result)])]
    if worst := largest(result):
        found.append(Section("Where it moved", "The columns with the largest PSI", [histogram(row) for row in worst]))
    if result["windows"]:
        found.append(windows_section(result))
    if result["concept"]:
        found.append(concept_section(result["concept"]))
    if rows := [row for row in result["columns"] if row.get("novel_count") or row.get("gone_count")]:
        found.append(Section("New and gone categories", "", [novelty(rows)]))
    if result["not_compared"]:
        rows_ = [[row["column"], row["reason"]] for row in result["not_compared"]]
        left = Table("Columns that were left out", [Column("Column"), Column("Why")], rows_)
        found.append(Section("Not compared", "", [left]))
    return found


def largest(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    known = [row for row in result["columns"] if row["psi"]["value"]]
    return sorted(known, key=lambda row: -row["psi"]["value"])[:WORST]


def table(result: Mapping[str, Any]) -> Table:
    shown = [
        Column("Column"),
        Column("PSI", "number", "population stability index; of a characteristic also called CSI"),
        Column("By chance", "number", "what PSI chance alone seldom exceeds in samples of this size"),
        Column("KS", "number", "largest gap between the distribution functions"),
        Column("JS", "number", "Jensen–Shannon distance, logarithms to base 2"),
        Column("Wasserstein", "number", "in standard deviations of the reference"),
        Column("Cramér’s V", "number", "from chi-square of the bins"),
        Column("Missing", "signed", "change of the share of missing cells"),
        Column("Answer"),
    ]
    rows = [
        [
            row["column"],
            row["psi"]["value"],
            (row["test"] or {}).get("critical"),
            row.get("ks", {}).get("value"),
            row.get("jensen_shannon", {}).get("distance"),
            row.get("wasserstein", {}).get("in_sd"),
            row.get("chi_square", {}).get("cramers_v"),
            Figure.of("", row["missing"]["difference"], kind="signed"),
            row["answer"],
        ]
        for row in sorted(result["columns"], key=lambda row: -(row["psi"]["value"] or 0))
    ]
    return Table("Each column, the largest PSI first", shown, rows, paged=True)


def labels(bins: Mapping[str, Any]) -> list[str]:
    """What each bin holds, in words."""
    if bins["edges"] is None:
        return [str(name) for name in bins["categories"]]
    edges = [f"{edge:.6g}" for edge in bins["edges"]]
    between = [f"{low} – {high}" for low, high in pairwise(edges)]
    named = [f"≤ {edges[0]}", *between, f"> {edges[-1]}"]
    return [f"{place + 1}: {name}" if named.count(name) > 1 else name for place, name in enumerate(named)]


def histogram(row: Mapping[str, Any]) -> Chart:
    bins = row["bins"]
    totals = [max(1, sum(bins[side])) for side in ("reference", "current")]
    drawn, rows = [], []
    for place, label in enumerate(labels(bins)):
        shares = [bins[side][place] / total for side, total in zip(("reference", "current"), totals, strict=True)]
        rows.append([label, *shares])
        drawn += [
            {"label": label, "series": name, "value": share}
            for name, share in zip(("reference", "current"), shares, strict=True)
        ]
    shown = [Column("Bin"), Column("Reference", "share"), Column("Current", "share")]
    return Chart(
        row["column"],
        f"PSI {row['psi']['value']:.3f}: {row['answer']}.",
        specs.histogram(drawn, across=row["column"], up="Share of rows"),
        Table(f"Shares of {row['column']} by bin", shown, rows),
    )


def windows_section(result: Mapping[str, Any]) -> Section:
    found = result["windows"]
    named = [row["column"] for row in largest(result)][:2]
    drawn = [
        {
            "at_window": found["names"].index(row["window"]) + 1,
            "psi": row["against_reference"]["psi"],
            "name": row["column"],
        }
        for name in named
        for row in found["columns"]
        if row["column"] == name and row["against_reference"]["psi"] is not None
    ]
    parts: list[Part] = []
    if len(found["names"]) > 1 and drawn:
        spec = specs.lines(drawn, x="at_window", y="psi", across="Window", up="PSI", series="name")
        span = f"{found['names'][0]} to {found['names'][-1]}"
        parts.append(Chart("PSI over time", f"Each window against the reference, {span}.", spec))
    shown = [
        Column("Column"),
        Column("Window"),
        Column("Rows", "count"),
        Column("PSI", "number", "against the reference"),
        Column("By chance", "number"),
        Column("Answer"),
        Column("PSI to the one before", "number"),
        Column("Answer to that"),
    ]
    rows = [
        [
            row["column"],
            row["window"],
            row["n"],
            row["against_reference"]["psi"],
            row["against_reference"]["critical"],
            row["against_reference"]["answer"],
            (row["against_before"] or {}).get("psi"),
            (row["against_before"] or {}).get("answer", "first"),
        ]
        for row in found["columns"]
    ]
    parts.append(Table("Every column in every window", shown, rows, paged=True))
    return Section("Windows", f"By {found['time']}, each {found['window']}", parts)


def concept_section(concept: Mapping[str, Any]) -> Section:
    shown = [
        Column("Window"),
        Column("Rows", "count"),
        Column("Outcome known", "count"),
        Column("Base rate", "share"),
        Column("AUC", "number"),
        Column("Change of AUC", "signed"),
        Column("Accuracy", "share"),
        Column("Change of accuracy", "signed"),
    ]
    rows = []
    for row in [{"window": "reference", **concept["reference"], "change": {}}, *concept["windows"]]:
        change = row["change"]
        rows.append(
            [
                row["window"],
                row["n"],
                row["labelled"],
                Figure.of("", row["base_rate"], kind="share"),
                Figure.of("", row.get("auc")),
                Figure.of("", change.get("auc"), kind="signed"),
                Figure.of("", row.get("accuracy"), kind="share"),
                Figure.of("", change.get("accuracy"), kind="signed"),
            ]
        )
    lead = "How the model does where the outcome is known; a change whose limits leave out 0 is more than chance"
    return Section(
        "Outcomes", lead, [Table("The model in each window, and its change from the reference", shown, rows)]
    )


def novelty(rows: list[dict[str, Any]]) -> Table:
    def said(found: list[dict[str, Any]]) -> str:
        return ", ".join(f"{specs.short(one['category'])} ({one['rows']})" for one in found) or "–"

    shown = [Column("Column"), Column("Unseen in the reference"), Column("Gone")]
    listed = [[row["column"], said(row["novel"]), said(row["gone"])] for row in rows]
    return Table("Categories of one side only, with their rows", shown, listed)
