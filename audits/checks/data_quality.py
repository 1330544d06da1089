"""Data quality: can the rows be trusted, do they give the outcome away, whom do they stand for?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audits.charts import specs
from audits.checks import columns, params
from audits.checks.context import Context, Measured
from audits.checks.presenting import Chart, Column, Figure, Figures, Note, Part, Section, Table
from registry import reading
from registry.models import ColumnRole, Dataset, Version
from trail.errors import BadInput

NAME = "data_quality"
VERSION = "1"
TITLE = "Data quality"
ANSWERS = (
    "Says what a reviewer would trip over in the rows: cells that are missing, of another type or out of range, "
    "duplicates, constants and huge values, each with its place; which single columns give the outcome away; how well "
    "the features tell a sensitive attribute; how many rows stand in the training data as well; and whether groups "
    "have the shares they have in a population. Not for whether values are true: it sees how they are written, not "
    "what they stand for, and a hint of leakage may be an honest, strong predictor."
)
NEAR_PERFECT = 0.99
LARGEST = 12
SHARES = {"type": "object", "minProperties": 1, "additionalProperties": {"type": "number", "minimum": 0}}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "columns": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "uniqueItems": True,
            "title": "Columns",
            "description": "The columns to look at; by default all but those with the role ignored.",
            "x-columns": "any",
        },
        "reference": {
            "type": "string",
            "title": "Reference dataset",
            "description": "A dataset with the types, ranges and categories that are expected.",
            "x-dataset": True,
        },
        "expected": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "type": {"enum": ["number", "integer", "boolean", "date", "text"]},
                    "min": {"type": "number"},
                    "max": {"type": "number"},
                    "nullable": {"type": "boolean"},
                    "unique": {"type": "boolean"},
                    "values": {"type": "array", "items": {"type": ["string", "number", "boolean"]}, "minItems": 1},
                },
            },
            "default": {},
            "title": "Expected schema",
            "description": "What single columns must be: type, min, max, nullable, unique, values.",
            "x-advanced": True,
        },
        "target": params.TARGET | {"x-column": "few"},
        "favourable": params.FAVOURABLE,
        "leak": {
            "type": "number",
            "exclusiveMinimum": 0.5,
            "maximum": 1,
            "default": 0.95,
            "title": "AUC that hints at leakage",
            "description": "A single column that tells the outcome this well on held-out rows is named.",
        },
        "time": {
            "type": "string",
            "title": "Time of the outcome",
            "description": "A column of dates; features dated later are named. By default the one with the role time.",
            "x-column": "any",
        },
        "sensitive": {
            "type": "array",
            "items": {"type": "string"},
            "uniqueItems": True,
            "title": "Sensitive columns",
            "description": "Looked for in the features, and compared with the population; by default those with the "
            "role sensitive.",
            "x-columns": "any",
        },
        "training": {
            "type": "string",
            "title": "Training dataset",
            "description": "Rows that stand in it as well are counted.",
            "x-dataset": True,
        },
        "digits": {
            "type": "integer",
            "minimum": 1,
            "maximum": 15,
            "title": "Digits for near overlap",
            "description": "Counts rows as the same when numbers agree to so many digits.",
            "x-advanced": True,
        },
        "population": {
            "type": "string",
            "title": "Population dataset",
            "description": "A sample of those the model is meant for.",
            "x-dataset": True,
        },
        "shares": {
            "type": "object",
            "additionalProperties": SHARES,
            "default": {},
            "title": "Shares in the population",
            "description": "Stated shares instead of a sample, such as the census has them.",
            "x-advanced": True,
        },
        "confidence": params.CONFIDENCE,
        "seed": params.SEED,
    },
}


# ---- asked


def prepare(version: Version, dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    stated = params.complete(SCHEMA, given)
    ignored = set(dataset.names(ColumnRole.IGNORED))
    names = stated.get("columns") or [one["name"] for one in dataset.columns if one["name"] not in ignored]
    for name in names:
        columns.named(dataset, name, "columns")
    sensitive = stated.get("sensitive", dataset.names(ColumnRole.SENSITIVE))
    for name in sensitive:
        columns.named(dataset, name, "sensitive")
    for name, shares in stated["shares"].items():
        columns.named(dataset, name, "shares")
        if abs(sum(shares.values()) - 1) > 0.01:
            raise columns.bad("shares", f"The shares of “{name}” add up to {sum(shares.values()):g}, not to 1.")
    for name, rule in stated["expected"].items():
        if rule.get("min", 0) > rule.get("max", rule.get("min", 0)):
            raise columns.bad("expected", f"“{name}” is to be at least {rule['min']} and at most {rule['max']}.")
    if "digits" in stated and "training" not in stated:
        raise columns.bad("digits", "Digits are for the overlap: name the dataset in “training”.")
    kept = ("expected", "leak", "digits", "shares", "confidence", "seed", "reference", "training", "population")
    found = {name: stated[name] for name in kept if name in stated}
    return found | {"columns": names, "sensitive": sensitive} | outcome(dataset, stated) | timed(dataset, stated)


def outcome(dataset: Dataset, stated: dict[str, Any]) -> dict[str, Any]:
    """The target and its favourable value; by default only where there is one without a doubt."""
    names = [stated["target"]] if "target" in stated else dataset.names(ColumnRole.TARGET)
    if len(names) != 1:
        return {}
    try:
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


def timed(dataset: Dataset, stated: dict[str, Any]) -> dict[str, Any]:
    names = [stated["time"]] if "time" in stated else dataset.names(ColumnRole.TIME)
    if len(names) != 1:
        return {}
    kind = columns.named(dataset, names[0], "time")["type"]
    if kind != "date":
        if "time" in stated:
            raise columns.bad("time", f"{dataset.file_name}, column “{names[0]}” holds {kind}, not dates.")
        return {}
    return {"time": names[0]}


# ---- measured


def run(context: Context) -> Measured:
    stated, dataset = context.params, context.dataset
    context.progress(0.02, "Reading the data")
    features = [name for name in dataset.names(ColumnRole.FEATURE) if name in stated["columns"]]
    more = [*stated["sensitive"], *stated["shares"], *(stated[name] for name in ("target", "time") if name in stated)]
    frame = reading.frame(dataset, list(dict.fromkeys([*stated["columns"], *more])))
    limitations: list[str] = []
    context.progress(0.15, "Looking through the rows")
    findings = list(faults(context, frame[stated["columns"]]))
    context.progress(0.35, "Looking for leakage")
    leaks, leaky = leakage_of(context, frame, features, limitations)
    findings += leaky + dated_later(context, frame, features)
    context.progress(0.5, "Looking for sensitive attributes in the features")
    proxies = proxies_of(context, frame, features, limitations)
    context.progress(0.75, "Comparing with the training data")
    overlap, twice = overlap_of(context, frame[stated["columns"]], limitations)
    findings += twice
    context.progress(0.85, "Comparing with the population")
    shares = represented(context, frame, limitations)
    placed(dataset, findings)
    order = sorted(findings, key=lambda one: (-one["share"], one["rule"], one["column"] or ""))
    result = {
        "rows": dataset.row_count,
        "columns": len(stated["columns"]),
        "findings": order,
        "counts": {rule: sum(one["rule"] == rule for one in order) for rule in dict.fromkeys(o["rule"] for o in order)},
        "missing_share": float(frame[stated["columns"]].isna().to_numpy().mean()),
        "duplicate_share": next((one["share"] for one in order if one["rule"] == "duplicate rows"), 0.0),
        "leakage": leaks,
        "proxies": proxies,
        "overlap": overlap,
        "representativeness": shares,
        "confidence": stated["confidence"],
        "limitations": limitations,
    }
    return Measured(result, libraries())


def libraries() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("scipy", "scikit-learn")}


def faults(context: Context, frame: Any) -> Iterator[dict[str, Any]]:
    from audits.measures import quality

    stated, dataset = context.params, context.dataset
    yield from quality.missing(frame)
    yield from quality.duplicates(frame, [name for name in dataset.names(ColumnRole.IDENTIFIER) if name in frame])
    yield from quality.constants(frame)
    yield from quality.mixed(frame)
    yield from quality.huge(frame)
    yield from quality.ranges(frame, stated["expected"])
    yield from types(
        frame, dataset, {name: rule["type"] for name, rule in stated["expected"].items() if "type" in rule}
    )
    if "reference" in stated:
        yield from against(context, frame)


def types(frame: Any, dataset: Dataset, expected: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Columns of another type than expected; a whole number is a number as well."""
    from audits.measures import quality

    for name, kind in expected.items():
        column = dataset.column(name)
        if column is None or name not in frame or column["missing"] == dataset.row_count:
            continue
        if column["type"] != kind and (kind, column["type"]) != ("number", "integer"):
            said = f"Holds {column['type']}, not {kind}."
            yield from quality.found("type", name, frame[name].notna(), said, "Write it with the type expected.")


def against(context: Context, frame: Any) -> Iterator[dict[str, Any]]:
    """What differs from the reference dataset: columns, types, ranges, categories."""
    import numpy as np

    from audits.measures import quality

    reference = context.other_dataset("reference")
    records = {one["name"]: one for one in reference.columns if "ignored" not in one["roles"]}
    shared = [name for name in frame if name in records]
    theirs = reading.frame(reference, shared) if shared else frame[[]]
    rules: dict[str, dict[str, Any]] = {name: {} for name in records if context.dataset.column(name) is None}
    for name in shared:
        known = theirs[name].dropna()
        if quality.is_number(known) and quality.is_number(frame[name]) and len(known):
            rules[name] = {"min": float(known.min()), "max": float(known.max())}
        elif records[name]["values"] and records[name]["type"] == "text":
            rules[name] = {"values": list(records[name]["values"])}
    yield from quality.ranges(frame, rules)
    yield from types(
        frame, context.dataset, {name: records[name]["type"] for name in shared if len(theirs[name].dropna())}
    )
    for name in frame:
        if name not in records:
            everywhere = np.ones(len(frame), dtype=bool)
            mend = "Leave it out, or add it to the reference."
            yield from quality.found("new column", name, everywhere, "The reference does not have it.", mend)


def hits(context: Context, frame: Any) -> tuple[Any, Any]:
    """Which rows have a known outcome, and for these whether it is the favourable one."""
    import numpy as np

    target = frame[context.params["target"]]
    known = target.notna().to_numpy()
    wanted = columns.spelled(context.params["favourable"])
    return known, np.array([columns.spelled(value) == wanted for value in target[known]], dtype=bool)


def leakage_of(
    context: Context, frame: Any, features: list[str], limitations: list[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """How well each feature alone tells the outcome, and findings for those that do so too well."""
    from audits.measures import leakage

    stated = context.params
    names = [name for name in features if name != stated.get("target")]
    if "target" not in stated or not names:
        limitations.append("Leakage is not looked for: there is no target with two outcomes, or no feature.")
        return [], []
    known, happened = hits(context, frame)
    rows, findings = [], []
    for place, name in enumerate(names):
        context.progress(0.35 + 0.15 * place / len(names), f"Looking for leakage in {name}")
        values = frame[name][known]
        area = leakage.held_out_auc(values, happened, seed=stated["seed"])
        rows.append({"feature": name, "auc": area, "explained": leakage.explained(values, happened)})
        if area is not None and area >= stated["leak"]:
            findings.append(leak(name, area, stated["target"]))
    if any(row["auc"] is None for row in rows):
        limitations.append("Leakage can’t be told: an outcome occurs in fewer than five rows.")
    return sorted(rows, key=lambda row: (-(row["auc"] or 0), row["feature"])), findings


def leak(name: str, area: float, target: str) -> dict[str, Any]:
    return {
        "rule": "target proxy",
        "column": name,
        "rows": None,
        "share": 1.0,
        "severity": "near-perfect" if area >= NEAR_PERFECT else "strong",
        "sentence": f"Alone it tells “{target}” on held-out rows with an AUC of {area:.3f}.",
        "mend": "Find out whether it was known before the outcome; if not, take it out and train again.",
        "row": None,
    }


def dated_later(context: Context, frame: Any, features: list[str]) -> list[dict[str, Any]]:
    """Features that are dates, in rows where they lie after the time of the outcome."""
    import pandas as pd

    from audits.measures import quality

    stated = context.params
    if "time" not in stated:
        return []

    def day(name: str) -> Any:
        return pd.to_datetime(frame[name].astype("str").str.slice(0, 10).where(frame[name].notna()), errors="coerce")

    result = []
    for name in features:
        if name != stated["time"] and (context.dataset.column(name) or {}).get("type") == "date":
            said = f"Dated after “{stated['time']}”, so it can’t have been known then."
            mend = "Take the value as it stood before the outcome."
            result += quality.found("later than the outcome", name, day(name) > day(stated["time"]), said, mend)
    return result


def proxies_of(context: Context, frame: Any, features: list[str], limitations: list[str]) -> list[dict[str, Any]]:
    """For each sensitive attribute, the features that hold it, alone and together."""
    from audits.measures import proxies

    stated, result = context.params, []
    for place, name in enumerate(stated["sensitive"]):
        context.progress(0.5 + 0.25 * place / len(stated["sensitive"]), f"Looking for {name} in the features")
        others = [one for one in features if one not in {name, stated.get("target")}]
        if not others:
            limitations.append(f"No feature is left to look for “{name}” in.")
            continue
        together = proxies.together(frame[others], frame[name], seed=stated["seed"])
        if together["reason"]:
            limitations.append(f"“{name}” can’t be looked for in the features: {together['reason']}.")
        alone = proxies.features(frame[others], frame[name], seed=stated["seed"])
        result.append({"attribute": name, "together": together, "features": alone})
    return result


def overlap_of(
    context: Context, frame: Any, limitations: list[str]
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    from audits.measures import quality

    stated = context.params
    if "training" not in stated:
        return None, []
    training = context.other_dataset("training")
    kept = [name for name in frame if name not in context.dataset.names(ColumnRole.IDENTIFIER)]
    shared = [name for name in kept if training.column(name) is not None]
    if not shared:
        limitations.append(f"{training.name} shares no column to find rows by.")
        return None, []
    if training.sha256 == context.dataset.sha256:
        limitations.append("The training dataset is the same file, so every row stands in it.")
    theirs = reading.frame(training, shared)
    exact = quality.overlap(frame[kept], theirs)
    flags = exact.pop("flags")
    exact["training"] = {"name": training.name, "digest": training.digest, "rows": training.row_count}
    exact["near"] = None
    if "digits" in stated:
        near = quality.overlap(frame[kept], theirs, digits=stated["digits"])
        exact["near"] = {"digits": stated["digits"], "rows": near["rows"], "share": near["share"]}
    said = f"Rows stand in {training.name} as well, compared in {len(shared)} columns."
    mend = "Take them out of the test data, unless so few different rows exist that they meet by chance."
    return exact, quality.found("in the training data", None, flags, said, mend)


def represented(context: Context, frame: Any, limitations: list[str]) -> list[dict[str, Any]]:
    """The shares of groups against stated ones, or against a sample of the population."""
    from audits.measures import representativeness as measure
    from audits.measures.quality import spelled

    stated, result = context.params, []

    def tally(column: Any) -> dict[str, int]:
        counts = column.dropna().map(spelled).value_counts()
        return {str(name): int(count) for name, count in counts.items()}

    for name, shares in stated["shares"].items():
        found = measure.against_shares(tally(frame[name]), shares, stated["confidence"])
        result.append({"column": name, "against": "stated shares"} | found)
    if "population" in stated:
        population = context.other_dataset("population")
        wanted = [name for name in stated["sensitive"] if name not in stated["shares"]]
        lacking = [name for name in wanted if population.column(name) is None]
        if lacking:
            limitations.append(f"{population.name} has no column {columns.listed(lacking)} to compare with.")
        shared = [name for name in wanted if name not in lacking]
        if not wanted:
            limitations.append("No sensitive column is named to compare with the population.")
        theirs = reading.frame(population, shared) if shared else None
        for name in shared:
            pair = grouped(theirs[name], frame[name])  # type: ignore[index]
            found = measure.against_sample(tally(pair[1]), tally(pair[0]), stated["confidence"])
            result.append({"column": name, "against": population.name} | found)
    for row in result:
        if row["smallest_expected"] < 5:
            limitations.append(f"“{row['column']}” has groups too small for chi-square; its p-value is rough.")
        if row["left_out"]:
            limitations.append(f"“{row['column']}” holds groups without a share: {columns.listed(row['left_out'])}.")
    return result


def grouped(population: Any, ours: Any) -> tuple[Any, Any]:
    """Numbers with many values are cut at the population's quarters, so that they make groups."""
    import numpy as np
    import pandas as pd

    from audits.measures import drift, quality

    if not (quality.is_number(population) and quality.is_number(ours)) or population.nunique() <= LARGEST:
        return population, ours
    edges = drift.edges_of(np.sort(population.dropna().to_numpy(dtype=float)), 4)
    named = [f"≤ {edges[0]:g}", *(f"≤ {edge:g}" for edge in edges[1:]), f"> {edges[-1]:g}"]

    def cut(column: Any) -> Any:
        places = np.searchsorted(edges, column.to_numpy(dtype=float), side="left")
        return pd.Series([named[place] for place in places], dtype=object).where(column.notna().to_numpy())

    return cut(population), cut(ours)


def placed(dataset: Dataset, findings: list[dict[str, Any]]) -> None:
    """Give each finding the line of its first row, where the file has lines."""
    lines = columns.lines(dataset, {one["row"] for one in findings if one["row"] is not None})
    for one in findings:
        one["line"] = lines.get(one["row"])
        column = dataset.column(one["column"]) if one["rule"] == "missing" else None
        if column and dataset.format == Dataset.Format.CSV:
            one["line"] = column["first_missing"]


# ---- shown


def figures(result: Mapping[str, Any]) -> list[Figure]:
    shown = [
        Figure("Findings", len(result["findings"]), hint="measures with a place, not verdicts", kind="count"),
        Figure("Missing cells", result["missing_share"], kind="share"),
        Figure("Duplicate rows", result["duplicate_share"], kind="share"),
    ]
    if result["leakage"]:
        best = result["leakage"][0]
        shown.append(Figure("Strongest single feature", best["auc"], hint=f"AUC of {best['feature']}, held out"))
    shown += [
        Figure.of(f"{row['attribute']} in the features", row["together"], hint="AUC, held out")
        if row["together"]["auc"] is None
        else Figure(f"{row['attribute']} in the features", row["together"]["auc"], hint="AUC, held out")
        for row in result["proxies"]
    ]
    if result["overlap"]:
        shown.append(Figure("In the training data", result["overlap"]["share"], hint="share of rows", kind="share"))
    return shown


def sections(result: Mapping[str, Any]) -> list[Section]:
    lead = (
        f"{result['rows']:,} rows, {result['columns']} columns; a finding says how much it touches, not how bad it is."
    )
    found = [Section(lead=lead, parts=[Figures(figures(result))]), Section("Findings", "", [listed(result)])]
    if result["leakage"]:
        found.append(leakage_section(result["leakage"]))
    if result["proxies"]:
        lead = "How well the features tell each attribute on held-out rows; 0.5 is chance, 1 is certainty"
        found.append(
            Section(
                "Sensitive attributes in the features", lead, [part for row in result["proxies"] for part in proxy(row)]
            )
        )
    if result["overlap"]:
        found.append(overlap_section(result["overlap"]))
    if result["representativeness"]:
        lead = "Shares of groups against a population; outside says that its share is beyond the sample's limits"
        parts = [shares(row) for row in result["representativeness"]]
        found.append(Section("Representativeness", lead, parts))
    return found


def listed(result: Mapping[str, Any]) -> Part:
    if not result["findings"]:
        return Note("success", "No finding", "Nothing that was looked for was found.")
    shown = [
        Column("Rule"),
        Column("Column"),
        Column("Severity"),
        Column("Rows", "count"),
        Column("Share", "share"),
        Column("First place"),
        Column("What"),
        Column("Mend"),
    ]
    rows = [
        [
            one["rule"],
            one["column"] or "–",
            one["severity"],
            one["rows"],
            one["share"] if one["rows"] is not None else None,
            f"line {one['line']}" if one["line"] else f"row {one['row']}" if one["row"] else "–",
            one["sentence"],
            one["mend"],
        ]
        for one in result["findings"]
    ]
    return Table("Findings, those that touch most first", shown, rows, paged=True)


def leakage_section(rows: list[dict[str, Any]]) -> Section:
    known = [row for row in rows if row["auc"] is not None]
    parts: list[Part] = []
    if known:
        drawn = [{"label": row["feature"], "value": row["auc"]} for row in known[:LARGEST]]
        answer = f"{known[0]['feature']} tells the outcome best by itself."
        parts.append(Chart("Single features", answer, specs.ranked(drawn, title="AUC on held-out rows")))
    shown = [Column("Feature"), Column("AUC", "number", "held out"), Column("Explained", "share", "of the entropy")]
    cells = [[row["feature"], row["auc"], row["explained"]] for row in rows]
    parts.append(Table("How well each feature alone tells the outcome", shown, cells, paged=True))
    return Section("Leakage", "A feature that does nearly all by itself is often a copy of the outcome", parts)


def proxy(row: Mapping[str, Any]) -> list[Part]:
    shown = [
        Column("Feature"),
        Column("AUC", "number", "held out, for the group it tells best"),
        Column("Group"),
        Column("Explained", "share", "of the attribute’s entropy"),
    ]
    rows = [[one["feature"], one["auc"], one["group"], one["explained"]] for one in row["features"]]
    if row["together"]["auc"] is not None:
        rows.insert(0, ["All together (a tree)", row["together"]["auc"], row["together"]["group"], None])
    return [Table(f"What holds {row['attribute']}", shown, rows, paged=True)]


def overlap_section(found: Mapping[str, Any]) -> Section:
    cells: list[list[Any]] = [["Equal", found["rows"], found["share"]]]
    if found["near"]:
        cells.append([f"Equal to {found['near']['digits']} digits", found["near"]["rows"], found["near"]["share"]])
    lead = f"Of {found['distinct']:,} different rows, compared in {len(found['columns'])} columns"
    shown = [Column("Compared"), Column("Rows", "count"), Column("Share", "share")]
    return Section("Overlap with the training data", lead, [Table("Rows that stand in both", shown, cells)])


def shares(row: Mapping[str, Any]) -> Table:
    shown = [
        Column("Group"),
        Column("Rows", "count"),
        Column("Share", "share"),
        Column("Population", "share"),
        Column("Difference", "signed", "standardised"),
        Column("Limits"),
    ]
    rows = [
        [
            one["group"],
            one["rows"],
            Figure.of("", one["share"], kind="share"),
            one["population"],
            one["standardised_difference"],
            "outside" if one["outside"] else "within",
        ]
        for one in row["groups"]
    ]
    p = row["chi_square"]["p"]
    note = "" if p is None else f"Chi-square {row['chi_square']['value']:.3g}, p = {p:.2g}."
    return Table(f"{row['column']} against {row['against']}", shown, rows, note)
