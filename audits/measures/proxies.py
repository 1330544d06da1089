"""How much of a sensitive attribute do the features hold, each alone and all together?"""

import warnings
from typing import Any

import numpy as np
import pandas as pd

from audits.measures.leakage import FOLDS, explained, held_out_auc

DEPTH = 4
MOST_ROWS = 50_000
MOST_VALUES = 12


def groups_of(values: Any) -> Any:
    """The attribute as groups: its values, missing being one; numbers with more than twelve are halved at the median,
    and beyond twelve categories the rarer ones are one group."""
    column = pd.Series(values).reset_index(drop=True)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        if column.nunique() > MOST_VALUES:
            middle = float(column.median())
            halves = np.where(column <= middle, f"≤ {middle:g}", f"> {middle:g}")
            return pd.Series(halves).where(column.notna(), "not stated").astype(object)
        return column.map(lambda value: f"{value:g}", na_action="ignore").astype(object).fillna("not stated")
    named = column.astype(object).where(column.notna(), "not stated").astype(str).astype(object)
    common = named.value_counts().index[:MOST_VALUES]
    return named.where(named.isin(common), "(other groups)")


def features(frame: Any, sensitive: Any, *, seed: int = 0) -> list[dict[str, Any]]:
    """For each column of the frame, the share of the attribute's entropy it explains, and the held-out AUC with which
    it tells the group it tells best from the others; the strongest first."""
    groups = groups_of(sensitive)
    found = []
    for name in frame.columns:
        best, which = None, None
        for group in sorted(groups.unique()):
            area = held_out_auc(frame[name], (groups == group).to_numpy(), seed=seed)
            if area is not None and (best is None or area > best):
                best, which = area, str(group)
        share = explained(frame[name], groups)
        found.append({"feature": str(name), "explained": share, "auc": best, "group": which})
    return sorted(found, key=lambda row: (-(row["auc"] or 0), row["feature"]))


def together(frame: Any, sensitive: Any, *, seed: int = 0) -> dict[str, Any]:
    """How well a decision tree of depth four tells each group from the others by all columns of the frame.

    The mean of the AUC over five held-out folds, for each group with five rows and five other rows; at most 50,000
    rows, drawn by the seed. `auc` is the largest. Categories are ordered by how often they occur.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold
    from sklearn.tree import DecisionTreeClassifier

    groups = groups_of(sensitive).to_numpy()
    rows = np.arange(len(groups))
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    groups = groups[rows]
    names, sizes = np.unique(groups, return_counts=True)
    tested = [str(name) for name, size in zip(names, sizes, strict=True) if FOLDS <= size <= len(groups) - FOLDS]
    if not tested or not len(frame.columns):
        return {"auc": None, "group": None, "groups": [], "rows": len(rows), "reason": "too few rows of every group"}
    inputs = matrix(frame.iloc[rows])
    areas: dict[str, list[float]] = {name: [] for name in tested}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a group smaller than the folds is not tested
        splits = list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(inputs, groups))
    for learn, hold in splits:
        tree = DecisionTreeClassifier(max_depth=DEPTH, random_state=seed).fit(inputs[learn], groups[learn])
        chances = tree.predict_proba(inputs[hold])
        for place, name in enumerate(tree.classes_):
            actual = groups[hold] == name
            if name in areas and 0 < actual.sum() < len(actual):
                areas[name].append(float(roc_auc_score(actual, chances[:, place])))
    each: list[dict[str, Any]] = [
        {"group": name, "auc": float(np.mean(found))} for name, found in areas.items() if found
    ]
    best = max(each, key=lambda row: row["auc"])
    return {"auc": best["auc"], "group": best["group"], "groups": each, "rows": len(rows), "reason": None}


def matrix(frame: Any) -> Any:
    """(n, columns) of float32: numbers by their rank, which is all that a tree sees of them, NaN where missing;
    categories by their rank in frequency."""
    return np.column_stack([_ranked(frame[name]) for name in frame.columns]).astype(np.float32)


def _ranked(column: Any) -> Any:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column.rank(method="dense").to_numpy(dtype=np.float64)
    named = column.astype(object)
    ranks = {value: rank for rank, value in enumerate(named.value_counts().index)}
    return named.map(ranks).to_numpy(dtype=np.float64, na_value=np.nan)
