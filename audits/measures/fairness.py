"""Group fairness of decisions: rates per group and intersection, and the disparities between them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures import scores_by_group
from audits.measures.comparisons import ADJUSTMENTS, compare
from audits.measures.counts import Table, grouped, tables
from audits.measures.disparities import Resampling, aggregates, disparities
from audits.measures.errors import Unmeasurable
from audits.measures.impact import impact
from audits.measures.inputs import require_confidence, require_present, require_same_rows, require_whole
from audits.measures.labels import BINARY, listed, plain, positives
from audits.measures.rates import CELLS, RATES, describe


def assess(
    *,
    target: Any,
    prediction: Any,
    sensitive: Mapping[str, Any],
    favourable: Any,
    score: Any = None,
    intersections: bool | Sequence[Sequence[str]] = True,
    confidence: float = 0.95,
    replicates: int = 0,
    seed: int = 0,
    min_group: int = 2,
    tolerance_ratio: float | None = 0.8,
    tolerance_difference: float | None = 0.1,
    multiplicity: str = "holm",
    leave_out_small: bool = False,
    calibration_bins: int = 10,
    on_progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Rates per group, and the disparities between groups, of one set of decisions.

    target, prediction: labels (n,), nothing missing; positive where they equal `favourable` (1, "1", 1.0
    and True are the same label). sensitive: attribute name to values (n,); a missing value belongs to a
    group of its own, null. intersections: True crosses all attributes, False none, a list names which
    attributes to cross. score: (n,) numbers, higher for the favourable outcome, or None; with them the result has
    `scores` (scores_by_group.py), calibrated in `calibration_bins`. The other arguments are those of `of_counts`.
    Raises Unmeasurable for input that has no right answer. Equal to fairlearn's MetricFrame wherever every
    rate is defined; see disparities.py for where it isn't.
    """
    scores = {} if score is None else {"score": score}
    rows = require_same_rows({"target": target, "prediction": prediction, **scores, **named(sensitive)})
    require_whole("calibration_bins", calibration_bins, least=1)
    require_present("target", target)
    require_present("prediction", prediction)
    attribute_sets = chosen(list(sensitive), intersections)
    actual, predicted, labels = positives(target=target, prediction=prediction, favourable=favourable)
    codes, groupings = grouped(sensitive, attribute_sets)
    result = of_counts(
        tables(codes, groupings, actual=actual, predicted=predicted),
        confidence=confidence,
        replicates=replicates,
        seed=seed,
        min_group=min_group,
        tolerance_ratio=tolerance_ratio,
        tolerance_difference=tolerance_difference,
        multiplicity=multiplicity,
        leave_out_small=leave_out_small,
        on_progress=on_progress,
    )
    result["limitations"] = collapsed(labels, favourable) + result["limitations"]
    if score is not None:
        tell(on_progress, 1, 1, 0.0)
        scored, ratios, limitations = scores_by_group.assess(
            actual=actual,
            score=score,
            codes=codes,
            groupings=groupings,
            bins=calibration_bins,
            confidence=confidence,
            min_group=min_group,
            tolerance=tolerance_difference,
            leave_out_small=leave_out_small,
        )
        result["scores"] = scored
        result["impact"] += ratios
        result["limitations"] += limitations
    return result | {"favourable": plain(favourable), "rows": rows}


def of_counts(
    counted: Sequence[Table],
    *,
    confidence: float = 0.95,
    replicates: int = 0,
    seed: int = 0,
    min_group: int = 2,
    tolerance_ratio: float | None = 0.8,
    tolerance_difference: float | None = 0.1,
    multiplicity: str = "holm",
    leave_out_small: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """What `assess` says, from count tables made anywhere; `rows` are those of the first table.

    Rates and differences are shares from 0 to 1, with Wilson limits per rate; a disparity has Newcombe or MOVER-R
    limits, or percentiles of `replicates` redrawn count tables. A group of fewer than `min_group` rows is reported but
    kept out of disparities and comparisons. tolerance_ratio, tolerance_difference: what each disparity's `answer` is
    given against (answers.py); None asks for none. multiplicity: how p-values are adjusted (comparisons.py).
    leave_out_small: whether impact ratios leave out categories below 2% of the rows (impact.py). `on_progress` hears
    the share of the tables that is done so far; what it raises passes through.
    """
    require_tables(counted)
    require_confidence(confidence)
    require_whole("replicates", replicates, least=0)
    require_whole("seed", seed, least=0)
    require_whole("min_group", min_group, least=1)
    require_tolerances(tolerance_ratio, tolerance_difference)
    require_adjustment(multiplicity)
    overall = counted[0].counts.sum(axis=0)
    result: dict[str, Any] = {
        "groups": [],
        "overall": describe(overall, confidence),
        "disparities": [],
        "aggregates": [],
        "comparisons": [],
        "impact": [],
        "excluded": [],
        "confidence": confidence,
        "replicates": replicates,
        "seed": seed,
        "rows": int(overall.sum()),
        "min_group": min_group,
        "multiplicity": multiplicity,
        "limitations": different_totals(counted),
    }
    tolerances = {"ratio": tolerance_ratio, "difference": tolerance_difference}
    for place, table in enumerate(counted):
        tell(on_progress, place, len(counted), 0.0)
        told = partial(tell, on_progress, place, len(counted))
        resampling = Resampling(replicates=replicates, seed=seed, on_progress=told)
        selected, n = RATES["selection_rate"].counts(table.counts)
        result["impact"].append(
            impact(
                attributes=table.attributes,
                groups=table.groups,
                chosen=selected,
                n=n,
                rate="selection_rate",
                confidence=confidence,
                leave_out_small=leave_out_small,
            )
        )
        kept = add(result, table, min_group=min_group)
        if kept.sum() <= 1:
            continue
        result["disparities"] += disparities(
            table=table, kept=kept, confidence=confidence, resampling=resampling, tolerances=tolerances
        )
        result["aggregates"] += aggregates(table, kept)
        result["comparisons"] += compare(table, kept, confidence=confidence, adjustment=multiplicity)
    return result


def require_tables(tables: Sequence[Table]) -> None:
    if not tables or not tables[0].counts.sum():
        raise Unmeasurable(param="tables", sentence="There are no counts to compare; pass a table that has rows.")
    for table in tables:
        if table.counts.shape != (len(table.groups), len(CELLS)) or (table.counts < 0).any():
            sentence = (
                f"The counts of {' and '.join(table.attributes)} must be four numbers for each of its "
                f"{len(table.groups)} groups, none of them negative."
            )
            raise Unmeasurable(param="tables", sentence=sentence)


def require_tolerances(ratio: float | None, difference: float | None) -> None:
    if ratio is not None and not 0 < ratio <= 1:
        sentence = f"tolerance_ratio is {ratio!r}; pass a share above 0 and up to 1, such as 0.8."
        raise Unmeasurable(param="tolerance_ratio", sentence=sentence)
    if difference is not None and not 0 <= difference <= 1:
        sentence = f"tolerance_difference is {difference!r}; pass a share from 0 to 1, such as 0.1."
        raise Unmeasurable(param="tolerance_difference", sentence=sentence)


def require_adjustment(multiplicity: str) -> None:
    if multiplicity not in ADJUSTMENTS:
        sentence = f"multiplicity is {multiplicity!r}; pass one of: {listed(list(ADJUSTMENTS))}."
        raise Unmeasurable(param="multiplicity", sentence=sentence)


def different_totals(tables: Sequence[Table]) -> list[str]:
    """Say so when tables of the same rows do not hold the same number of them."""
    totals = {" × ".join(table.attributes): int(table.counts.sum()) for table in tables}
    if len(set(totals.values())) == 1:
        return []
    stated = ", ".join(f"{name} {total}" for name, total in totals.items())
    return [f"The tables have different totals, so they can't be of the same rows: {stated}."]


def tell(on_progress: Callable[[float], None] | None, place: int, tables: int, share: float) -> None:
    """Pass on the share of all tables that is done, from the share of one of them."""
    if on_progress is not None:
        on_progress((place + share) / tables)


def add(result: dict[str, Any], table: Table, *, min_group: int) -> NDArray[np.bool_]:
    """Add one table's groups and exclusions to the result; which groups are kept."""
    sizes = table.counts.sum(axis=1)
    for group, counts in zip(table.groups, table.counts, strict=True):
        result["groups"].append({"group": group, **describe(counts, result["confidence"])})
    kept: NDArray[np.bool_] = sizes >= min_group
    for place in np.flatnonzero(~kept):
        size = int(sizes[place])
        reason = (
            f"The group has {size} row{'s' if size > 1 else ''}; disparities compare groups of at least "
            f"{min_group} rows."
        )
        result["excluded"].append({"group": table.groups[place], "n": size, "reason": reason})
    if kept.sum() <= 1:
        of = " and ".join(table.attributes)
        sentence = f"No disparity for {of}: fewer than two groups have at least {min_group} rows."
        result["limitations"].append(sentence)
    return kept


def named(sensitive: Mapping[str, Any]) -> dict[str, Any]:
    """The sensitive attributes under names an error can show."""
    if not sensitive:
        sentence = "sensitive names no attribute; pass at least one column to compare groups by."
        raise Unmeasurable(param="sensitive", sentence=sentence)
    return {f"sensitive attribute {name!r}": values for name, values in sensitive.items()}


def chosen(attributes: list[str], intersections: bool | Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Each attribute alone, then the crossings asked for."""
    alone: list[tuple[str, ...]] = [(name,) for name in attributes]
    if isinstance(intersections, bool):
        return [*alone, tuple(attributes)] if intersections and len(attributes) > 1 else alone
    crossed = [tuple(crossing) for crossing in intersections]
    for crossing in crossed:
        unknown = [name for name in crossing if name not in attributes]
        if unknown or len(set(crossing)) != len(crossing) or len(crossing) <= 1:
            sentence = (
                f"intersections has {list(crossing)!r}; name two or more different attributes of: {listed(attributes)}."
            )
            raise Unmeasurable(param="intersections", sentence=sentence)
    return alone + list(dict.fromkeys(crossed))


def collapsed(labels: list[str], favourable: Any) -> list[str]:
    """Say so when more than two labels were made into two."""
    if len(labels) <= BINARY:
        return []
    kind = f"There are {len(labels)} labels ({listed(labels)})"
    return [f"{kind}; every label but {plain(favourable)!r} counts as unfavourable."]
