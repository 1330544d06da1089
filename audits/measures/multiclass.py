"""How good a model of several classes is: its decisions per class, and its class scores."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.measures.discrimination import auc, ranking
from audits.measures.errors import Unmeasurable
from audits.measures.inputs import finite, require_confidence, require_present, require_same_rows
from audits.measures.intervals import Estimate, wilson
from audits.measures.labels import canonical, factorize, listed, rank

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

SUMS_TO_ONE_WITHIN = 1e-6
CLIP = float(np.finfo(np.float64).eps)


def assess(
    *,
    target: Any,
    prediction: Any,
    scores: Any = None,
    classes: list[Any] | None = None,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Confusion, rates per class and their averages; with scores (n, k) of `classes` (k,), log loss and AUCs.

    target, prediction: (n,) labels, none missing; a class is one that occurs in either or in `classes`. Rates are
    shares with Wilson limits. Macro averages are over the classes where the rate is defined; micro F1 is the accuracy;
    weights are the classes' rows. One-vs-rest AUC with DeLong limits. What is undefined is null and named in
    `limitations`. Raises Unmeasurable for input without a right answer.
    """
    require_same_rows({"target": target, "prediction": prediction})
    require_confidence(confidence)
    for name, values in (("target", target), ("prediction", prediction)):
        require_present(name, values)
    actual, decided, names = coded(target, prediction, classes or [])
    table = np.bincount(actual * len(names) + decided, minlength=len(names) ** 2).reshape(len(names), len(names))
    rows = [per_class(table, at, name, confidence) for at, name in enumerate(names)]
    right, n = int(np.trace(table)), len(actual)
    averages, limitations = averaged(rows)
    result = {
        "n": n,
        "classes": names,
        "confidence": confidence,
        "confusion": table.tolist(),
        "accuracy": wilson(right, n, confidence).as_json(),
        **averages,
        "per_class": rows,
    }
    if scores is not None:
        scored, stated = of_scores(actual, names, scores, classes or [], confidence)
        for row, area in zip(rows, scored.pop("areas"), strict=True):
            row["auc"] = area
        result |= scored
        limitations += stated
    return result | {"limitations": limitations}


def coded(target: Any, prediction: Any, classes: list[Any]) -> tuple[Codes, Codes, list[str]]:
    """Codes (n,) of both, and the classes in one spelling, sorted."""
    found = [factorize(values) for values in (target, prediction)]
    spelled = [[canonical(value) for value in uniques] for _, uniques in found]
    names = sorted({*spelled[0], *spelled[1], *map(canonical, classes)}, key=by_size)
    place = {name: at for at, name in enumerate(names)}
    codes = [
        np.array([place[name] for name in labels], dtype=np.int64)[code]
        for (code, _), labels in zip(found, spelled, strict=True)
    ]
    return codes[0], codes[1], names


def by_size(name: str) -> tuple[bool, float, str]:
    """Numbers by size, then text."""
    try:
        return rank(float(name))
    except ValueError:
        return rank(name)


def per_class(table: NDArray[np.int64], at: int, name: str, confidence: float) -> dict[str, Any]:
    tp, support, predicted = (int(count) for count in (table[at, at], table[at].sum(), table[:, at].sum()))
    return {
        "class": name,
        "support": support,
        "predicted": predicted,
        "precision": wilson(tp, predicted, confidence).as_json(),
        "recall": wilson(tp, support, confidence).as_json(),
        "f1": 2 * tp / (support + predicted) if support + predicted else None,
    }


def averaged(rows: list[dict[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """Macro and weighted averages of precision, recall and F1, each over the classes where it is defined."""
    found: dict[str, Any] = {}
    said = []
    for measure in ("precision", "recall", "f1"):
        values = [(row[measure] if measure == "f1" else row[measure]["value"], row["support"]) for row in rows]
        known = [(value, support) for value, support in values if value is not None]
        weight = sum(support for _, support in known)
        found[f"macro_{measure}"] = sum(value for value, _ in known) / len(known) if known else None
        found[f"weighted_{measure}"] = sum(value * support for value, support in known) / weight if weight else None
        if len(known) < len(values):
            classes = listed([row["class"] for row, (value, _) in zip(rows, values, strict=True) if value is None])
            why = {"precision": "is never predicted", "recall": "never occurs", "f1": "neither occurs nor is predicted"}
            said.append(f"{measure.capitalize()} is undefined for {classes}, which {why[measure]}.")
    right = sum(row["recall"]["value"] * row["support"] for row in rows if row["support"])
    found["micro_f1"] = right / sum(row["support"] for row in rows)
    return found, said


def of_scores(
    actual: Codes, names: list[str], scores: Any, classes: list[Any], confidence: float
) -> tuple[dict[str, Any], list[str]]:
    """log_loss, areas per class, macro_auc and weighted_auc."""
    matrix = finite("scores", scores)
    spelled = [canonical(label) for label in classes]
    if matrix.shape != (len(actual), len(spelled)) or len(set(spelled)) < len(spelled):
        raise Unmeasurable(param="scores", sentence="scores need one column per class and one row per row.")
    if lacking := sorted({names[code] for code in np.unique(actual)} - set(spelled)):
        raise Unmeasurable(
            param="classes", sentence=f"The target holds {listed(lacking)}, which no score is given for."
        )
    column = {name: at for at, name in enumerate(spelled)}
    areas = [
        one_against_rest(actual == at, matrix[:, column[name]], confidence) if name in column else nowhere()
        for at, name in enumerate(names)
    ]
    sizes = np.bincount(actual, minlength=len(names))
    known = [(area["value"], size) for area, size in zip(areas, sizes, strict=True) if area["value"] is not None]
    loss, said = log_loss(matrix, np.array([column.get(name, -1) for name in names])[actual])
    return {
        "log_loss": loss,
        "areas": areas,
        "macro_auc": sum(value for value, _ in known) / len(known) if known else None,
        "weighted_auc": float(sum(value * size for value, size in known) / sum(size for _, size in known))
        if known
        else None,
    }, said


def nowhere() -> dict[str, Any]:
    return Estimate().as_json() | {"reason": "no score is given for the class"}


def one_against_rest(held: NDArray[np.bool_], score: Floats, confidence: float) -> dict[str, Any]:
    if held.all() or not held.any():
        reason = "the class never occurs" if not held.any() else "no other class occurs"
        return Estimate().as_json() | {"reason": reason}
    found, reason_ = auc(ranking(held, score), confidence)
    return found.as_json() | ({"reason": reason_} if reason_ else {})


def log_loss(matrix: Floats, column: Codes) -> tuple[float | None, list[str]]:
    """Mean of -ln of the probability given to what happened, in nats; null where rows are no probabilities."""
    off = np.abs(matrix.sum(axis=1) - 1) > SUMS_TO_ONE_WITHIN
    off |= (matrix < 0).any(axis=1) | (matrix > 1).any(axis=1)
    if off.any():
        row = int(np.argmax(off)) + 1
        return None, [f"Log loss is undefined: the class scores of row {row} are no probabilities that sum to 1."]
    given = matrix[np.arange(len(matrix)), column]
    certain = int((given == 0).sum())
    said = [f"Log loss is cut off: {certain} rows give no chance at all to what happened."] if certain else []
    return float(-np.log(np.clip(given, CLIP, 1)).mean()), said
