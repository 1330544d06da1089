"""How the fairness checks show groups, the gaps between them and what is said of each gap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audits.charts import specs
from audits.checks.presenting import Chart, Column, Figure, Kind, Part, Section, Table, group, words

Row = Mapping[str, Any]

# What each rate is called above its column, and in full.
RATES = {
    "selection_rate": ("Selection", "selection rate: the share that gets the favourable decision"),
    "true_positive_rate": ("TPR", "true positive rate: the share of favourable outcomes that gets it"),
    "false_positive_rate": ("FPR", "false positive rate: the share of other outcomes that gets it"),
    "false_negative_rate": ("FNR", "false negative rate: the share of favourable outcomes that does not"),
    "precision": ("Precision", "precision: the share of favourable decisions that were right"),
    "accuracy": ("Accuracy", "accuracy: the share of right decisions"),
}
MORE_RATES = {
    "true_negative_rate": ("TNR", "true negative rate: the share of other outcomes that does not get it"),
    "negative_predictive_value": ("NPV", "the share of other decisions that were right"),
    "false_discovery_rate": ("FDR", "the share of favourable decisions that were wrong"),
    "false_omission_rate": ("FOR", "the share of other decisions that were wrong"),
    "zero_one_loss": ("Errors", "the share of wrong decisions"),
    "balanced_accuracy": ("Balanced", "balanced accuracy: the mean of true positive and true negative rate"),
    "f1_score": ("F1", "the harmonic mean of precision and true positive rate"),
    "base_rate": ("Base rate", "the share of favourable outcomes"),
}
CELLS = {"tp": "true positives", "fp": "false positives", "tn": "true negatives", "fn": "false negatives"}
DRAWN = ("selection_rate", "true_positive_rate", "false_positive_rate")
MOST_PAGED = 20


def attribute_sets(result: Row) -> list[tuple[str, ...]]:
    """Each attribute alone and the crossings, in the order of the result."""
    return list(dict.fromkeys(tuple(row["group"]) for row in result["groups"]))


def of(rows: Sequence[Row] | None, attributes: tuple[str, ...]) -> list[Row]:
    """The rows about these attributes, in whichever order they were crossed."""
    return [row for row in rows or [] if set(row.get("attributes", row.get("group", ()))) == set(attributes)]


def titled(attributes: Sequence[str]) -> str:
    return " × ".join(attributes)


def columns_of(titles: Mapping[str, tuple[str, str]], kind: Kind = "number") -> list[Column]:
    return [Column(title, kind, hint) for title, hint in titles.values()]


def estimates(row: Row, names: Iterator[str] | Sequence[str]) -> list[Figure | None]:
    """The row's estimates by name; what an older result doesn't have is left out."""
    return [Figure.of("", row[name]) if row.get(name) is not None else None for name in names]


def drawn(rows: Sequence[Row], overall: Row, attributes: Sequence[str]) -> Chart:
    shown = [dict(row) for row in rows[: specs.MOST_GROUPS]]
    answer = "A dot is a group's rate, the line its interval, the dashed line the rate over all rows."
    if len(rows) > len(shown):
        answer += f" The first {len(shown)} of {len(rows)} groups."
    return Chart(f"Rates by {titled(attributes)}", answer, specs.rates(shown, dict(overall), DRAWN))


def rates(rows: Sequence[Row], attributes: Sequence[str]) -> Iterator[Table]:
    counts = [Column(cell, "count", said) for cell, said in CELLS.items()]
    yield Table(
        f"Groups by {titled(attributes)}: counts, and rates with their intervals",
        [Column("Group"), Column("n", "count"), *counts, *columns_of(RATES)],
        [[group(row["group"]), row["n"], *(row[cell] for cell in CELLS), *estimates(row, list(RATES))] for row in rows],
        paged=len(rows) > MOST_PAGED,
    )
    known = {name: said for name, said in MORE_RATES.items() if name in rows[0]}
    if "f1_score" in known:
        yield Table(
            f"Groups by {titled(attributes)}: further rates",
            [Column("Group"), Column("n", "count"), *columns_of(known)],
            [[group(row["group"]), row["n"], *estimates(row, list(known))] for row in rows],
            paged=len(rows) > MOST_PAGED,
        )


def paired(gaps: Sequence[Row]) -> list[dict[str, Any]]:
    """A ratio and a difference of one rate between the same two groups make one row."""
    found: list[dict[str, Any]] = []
    for gap in gaps:
        same = {name: gap.get(name) for name in ("metric", "worst", "reference")}
        row = next((row for row in found if same.items() <= row.items() and gap["kind"] not in row), None)
        if row is None:
            found.append(row := same)
        row[gap["kind"]] = gap
    return found


def gaps(
    rows: Sequence[Row], attributes: Sequence[str], ends: tuple[str, str] = ("Worst off", "Against")
) -> Iterator[Table]:
    """The gaps of one set of attributes, and what their intervals say of the tolerance."""
    if not rows:
        return
    answered = any("answer" in row for row in rows)
    pairs = paired(rows)
    kinds = [kind for kind in ("ratio", "difference") if any(kind in pair for pair in pairs)]
    titles = [Column("Rate"), *(Column(words(kind), "number") for kind in kinds)]
    if answered:
        titles += [Column(f"{words(kind)} beyond tolerance?") for kind in kinds]
    cells = []
    for pair in pairs:
        line: list[Any] = [named(pair), *(Figure.of("", pair[kind]) if kind in pair else None for kind in kinds)]
        if answered:
            line += [said(pair.get(kind)) for kind in kinds]
        cells.append([*line, group(pair["worst"]), group(pair["reference"])])
    tolerances = {row["kind"]: row["tolerance"] for row in rows if "tolerance" in row}
    yield Table(
        f"Gaps between the groups of {titled(attributes)}",
        [*titles, *map(Column, ends)],
        cells,
        noted(tolerances, kinds),
    )
    if skipped := list(
        {(each["metric"], group(each["group"]), each["reason"]) for row in rows for each in row["skipped"]}
    ):
        yield Table(
            f"Groups of {titled(attributes)} that have no such rate",
            [Column("Rate"), Column("Group"), Column("Why")],
            [[words(metric), name, reason] for metric, name, reason in sorted(skipped)],
            paged=len(skipped) > MOST_PAGED,
        )


def named(pair: Row) -> str:
    criterion = next((pair[kind].get("criterion") for kind in ("ratio", "difference") if kind in pair), None)
    name = words(pair["metric"])
    return f"{name} ({criterion})" if criterion and criterion != name.lower() else name


def said(gap: Row | None) -> str | None:
    answer = gap.get("answer") if gap else None
    return words(answer) if answer else None


def noted(tolerances: Mapping[str, float], kinds: Sequence[str]) -> str:
    note = " and ".join({"ratio": "a ratio of 1", "difference": "a difference of 0"}[kind] for kind in kinds)
    sentence = f"{note[:1].upper()}{note[1:]} mean{'s' if len(kinds) == 1 else ''} no gap."
    if not tolerances:
        return sentence
    held = ", ".join(f"{tolerance:g} for a {kind}" for kind, tolerance in tolerances.items())
    return (
        f"{sentence} Tolerance: {held}. Breach: a pair of groups lies wholly beyond it, at a confidence shared among "
        "the pairs. No breach: every pair lies wholly within it. It says what the intervals say; the policy decides."
    )


def comparisons(rows: Sequence[Row], result: Row) -> Iterator[Table]:
    if not rows:
        return
    adjusted = {"holm": "Holm", "benjamini-hochberg": "Benjamini and Hochberg", "none": "not adjusted"}
    titles: list[tuple[str, Kind, str]] = [
        ("Rows", "count", ""),
        ("Difference", "number", "the group's rate less the reference's"),
        ("p", "number", "two-proportion z test, or Fisher's exact test where few rows are expected"),
        ("p, adjusted", "number", "for the number of groups compared"),
        ("Lower by", "number", "how far below the reference's rate could have been shown"),
        ("Higher by", "number", "how far above the reference's rate could have been shown"),
    ]
    cells = [
        [
            group(row["group"]),
            words(row["metric"]),
            row["n"],
            Figure.of("", row["difference"]),
            row["p"],
            row["p_adjusted"],
            row["detectable"]["below"],
            row["detectable"]["above"],
        ]
        for row in rows
    ]
    yield Table(
        f"Each group against the largest, {group(rows[0]['reference'])}, and the smallest gaps this sample could show",
        [Column("Group"), Column("Rate"), *(Column(title, kind, hint) for title, kind, hint in titles)],
        cells,
        f"P-values adjusted over the groups: {adjusted[result['multiplicity']]}. Lower by, higher by: the smallest gap "
        f"that such a test shows in 80% of samples of these sizes, at {1 - result['confidence']:.3g}.",
        paged=len(rows) > MOST_PAGED,
    )


def impact(found: Row, attributes: Sequence[str]) -> Table:
    rate = {"selection_rate": "Selection rate", "scoring_rate": "Scoring rate"}[found["rate"]]
    unknown = f" {found['unknown']:,} rows of unknown category are left out." if found["unknown"] else ""
    left_out = "The share scoring above the median of all rows. " if found["rate"] == "scoring_rate" else ""
    return Table(
        f"{rate}s and impact ratios by {titled(attributes)}",
        [
            Column("Category"),
            Column("n", "count"),
            Column("Share", "share", "of all rows whose category is known"),
            Column(rate, "number"),
            Column("Impact ratio", "number", "the rate over that of the category with the highest"),
            Column("Four fifths"),
        ],
        [
            [
                group(row["group"]) + (" (below 2%)" if row["small"] else ""),
                row["n"],
                row["share"],
                Figure.of("", row["rate"]),
                Figure.of("", row["impact_ratio"]),
                {True: "At least 4/5", False: "Below 4/5", None: "–"}[row["four_fifths"]],
            ]
            for row in found["categories"]
        ],
        f"{left_out}Ratios are of unrounded rates, against {group(found['highest'])}.{unknown}",
        paged=len(found["categories"]) > MOST_PAGED,
    )


def aggregates(rows: Sequence[Row], attributes: Sequence[str]) -> Iterator[Table]:
    if not rows:
        return
    names = ("group_min", "group_max", "difference", "ratio", "difference_to_overall", "ratio_to_overall")
    yield Table(
        f"Extremes between the groups of {titled(attributes)}",
        [Column("Measure"), *(Column(words(name), "number") for name in names)],
        [[words(row["metric"]), *(row[name] for name in names)] for row in rows],
        "Over the groups that are large enough and where the measure is defined, as fairlearn aggregates.",
    )


def excluded(result: Row) -> list[Section]:
    if not result.get("excluded"):
        return []
    cells = [[group(row["group"]), row["n"], row.get("reason", "") + located(row)] for row in result["excluded"]]
    table = Table(
        "Groups too small to compare",
        [Column("Group"), Column("n", "count"), Column("Why")],
        cells,
        paged=len(cells) > MOST_PAGED,
    )
    return [Section("Kept out of the gaps", "", [table])]


def located(row: Row) -> str:
    if row.get("line"):
        return f" It is line {row['line']:,} of the file."
    return f" It is row {row['row']:,}." if row.get("row") else ""


def counted(rows: Sequence[Row]) -> str:
    return "1 group" if len(rows) == 1 else f"{len(rows):,} groups"


def section(attributes: Sequence[str], rows: Sequence[Row], parts: Sequence[Part]) -> Section:
    return Section(titled(attributes), f"{counted(rows)}.", list(parts))
