"""Fairness of decisions among several classes: each class against the rest, and accuracy over all of them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.counts import Table, grouped
from audits.measures.errors import Unmeasurable
from audits.measures.fairness import chosen, named, of_counts, tell
from audits.measures.inputs import require_present, require_same_rows
from audits.measures.intervals import wilson
from audits.measures.labels import BINARY, canonical, factorize, listed

MOST_CLASSES = 50
PER_CLASS = ("groups", "disparities", "aggregates", "comparisons", "impact")


def assess(
    *,
    target: Any,
    prediction: Any,
    sensitive: Mapping[str, Any],
    intersections: bool | Sequence[Sequence[str]] = True,
    on_progress: Callable[[float], None] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """One-vs-rest rates of every class per group, and the disparities in them.

    target, prediction: labels (n,), nothing missing, of at most 50 classes. The options are those of
    fairness.of_counts. `groups`, `disparities`, `aggregates`, `comparisons` and `impact` are as there, each row with
    its `class`: a positive is a row of that class, and the selection rate is the share that was assigned to it. Rows
    whose class is null are about the accuracy over all classes. `confusion`: rows by target (down) and prediction
    (across), in the order of `classes`.
    Raises Unmeasurable for input that has no right answer.
    """
    rows = require_same_rows({"target": target, "prediction": prediction, **named(sensitive)})
    require_present("target", target)
    require_present("prediction", prediction)
    happened, said, classes = coded(target, prediction)
    codes, groupings = grouped(sensitive, chosen(list(sensitive), intersections))
    size, finest = len(classes), len(groupings[0].place)
    cells = np.bincount((codes * size + happened) * size + said, minlength=finest * size * size)
    cells = cells.reshape(finest, size, size)
    confusions = [grouping.summed(cells) for grouping in groupings]
    result: dict[str, Any] = {name: [] for name in PER_CLASS} | {"classes": classes}
    for place, name in enumerate(classes):
        tables = [
            Table(grouping.attributes, grouping.groups, one_against_rest(confusion, place))
            for grouping, confusion in zip(groupings, confusions, strict=True)
        ]
        found = of_counts(tables, on_progress=partial(tell, on_progress, place, size + 1), **options)
        for part in PER_CLASS:
            result[part] += [{"class": name, **row} for row in found[part]]
    right = [
        Table(grouping.attributes, grouping.groups, right_and_wrong(confusion))
        for grouping, confusion in zip(groupings, confusions, strict=True)
    ]
    add_accuracy(result, of_counts(right, on_progress=partial(tell, on_progress, size, size + 1), **options))
    total = cells.sum(axis=0)
    result["overall"] = {
        "n": rows,
        "accuracy": wilson(int(np.trace(total)), rows, result["confidence"]).as_json(),
        "confusion": [[int(count) for count in line] for line in total],
    }
    return result | {"rows": rows}


def coded(target: Any, prediction: Any) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Target and prediction as places in the sorted classes of both, in one spelling."""
    found = [
        (codes, [canonical(value) for value in uniques]) for codes, uniques in map(factorize, (target, prediction))
    ]
    known, said = (set(spelled) for _, spelled in found)
    classes = sorted(known | said)
    if len(classes) > MOST_CLASSES:
        sentence = f"There are {len(classes)} classes, more than {MOST_CLASSES}; gather them into fewer."
        raise Unmeasurable(param="target", sentence=sentence)
    if known.isdisjoint(said) and len(classes) > BINARY:
        sentence = (
            f"prediction holds {listed(sorted(said))} but target holds {listed(sorted(known))}; "
            "write both with the same labels."
        )
        raise Unmeasurable(param="prediction", sentence=sentence)
    places = [np.array([classes.index(name) for name in spelled])[codes] for codes, spelled in found]
    return places[0], places[1], classes


def one_against_rest(confusion: NDArray[np.int64], place: int) -> NDArray[np.int64]:
    """tp, fp, tn, fn (groups, 4) of one class, from confusions (groups, classes, classes)."""
    both = confusion[:, place, place]
    said, happened = confusion[:, :, place].sum(axis=1), confusion[:, place].sum(axis=1)
    every = confusion.sum(axis=(1, 2))
    return np.stack([both, said - both, every - said - happened + both, happened - both], axis=-1)


def right_and_wrong(confusion: NDArray[np.int64]) -> NDArray[np.int64]:
    """Right decisions as true positives and wrong ones as false negatives, so that accuracy is of counts as ever."""
    right = np.trace(confusion, axis1=1, axis2=2)
    nothing = np.zeros_like(right)
    return np.stack([right, nothing, nothing, confusion.sum(axis=(1, 2)) - right], axis=-1)


def add_accuracy(result: dict[str, Any], found: dict[str, Any]) -> None:
    """The parts about accuracy over all classes, and what is said once for all of them."""
    for row in found["groups"]:
        result["groups"].append({"class": None, "group": row["group"], "n": row["n"], "accuracy": row["accuracy"]})
    for part in ("disparities", "aggregates"):
        result[part] += [{"class": None, **row} for row in found[part] if row["metric"] == "accuracy"]
    for name in ("confidence", "replicates", "seed", "min_group", "multiplicity", "excluded", "limitations"):
        result[name] = found[name]
