"""Tree values by other engines: a booster's own for the path-dependent game, shap's for the interventional one."""

from typing import Any

import numpy as np

from audits.sandbox.models import Array, Game

_TOLERANCE = 1e-4
_CLASS_AXIS = 3


def path_dependent(parts: Array, *, output: Array, target: int | None, scale: str) -> Game:
    """Split a booster's contributions, whose last column is the base."""
    if parts.ndim == _CLASS_AXIS:
        parts = parts[:, target, :]
    elif target == 0:
        parts = -parts
    return Game(parts[:, :-1], float(parts[0, -1]), output, "tree, path-dependent", scale, _TOLERANCE)


def interventional(
    booster: Any, rows: Array, background: Array, *, output: Array, target: int | None, scale: str
) -> Game:
    """Break columns from each other with the whole background given, never a silent 100 rows of it."""
    import shap

    masker = shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.TreeExplainer(booster, masker, feature_perturbation="interventional", model_output="raw")
    values = np.asarray(explainer.shap_values(rows, check_additivity=False), dtype=float)
    base = np.ravel(np.asarray(explainer.expected_value, dtype=float))
    if values.ndim == _CLASS_AXIS:
        values, base = values[:, :, target], base[target : target + 1] if target is not None else base
    elif target == 0:
        values, base = -values, -base
    return Game(values, float(base[0]), output, "tree, interventional", scale, _TOLERANCE)
