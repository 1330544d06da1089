"""Exact tree values for scikit-learn's own forests and boosters, also behind a column-wise preparation."""

from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from audits.sandbox.models import Array, Game
from audits.sandbox.trees import choice, readers

_FAMILIES = ("DecisionTree", "ExtraTree", "RandomForest", "GradientBoosting", "HistGradientBoosting")
_MODULES = ("sklearn.tree.", "sklearn.ensemble.")
_TOLERANCE, _SHAP_TOLERANCE = 1e-8, 1e-4
_CLASS_AXIS = 3


def handles(final: Any) -> bool:
    kind = type(final)
    return kind.__module__.startswith(_MODULES) and kind.__name__.startswith(_FAMILIES)


def explain(
    estimator: Any, rows: Any, background: Any, *, output: Array, target: int | None, scale: str, interventional: bool
) -> Game | None:
    """Explain the trees on the prepared columns, then sum the values of columns made from one original column."""
    steps = getattr(estimator, "steps", [("", estimator)])
    origins = _origins(Pipeline(steps[:-1]) if len(steps) > 1 else "passthrough", rows.shape[1], _names(rows))
    prepared, usual = _prepared(estimator, steps, rows), _prepared(estimator, steps, background)
    if origins is None or len(origins) != prepared.shape[1]:
        return None
    final, known = steps[-1][1], usual if interventional else None
    found = choice.explain(
        lambda: readers.scikit_learn(final, target=target),
        prepared,
        known,
        output=output,
        scale=scale,
        tolerance=_TOLERANCE,
        other=lambda at: _by_shap(final, prepared[at], known, output=output[at], target=target, scale=scale),
    )
    if found is None:
        return None
    inner, found.values = found.values, np.zeros(rows.shape)
    np.add.at(found.values.T, origins, inner.T)
    if len(origins) > rows.shape[1]:
        found.notes.append("Values of columns made from one original column (such as one-hot) are summed.")
    return found


def _by_shap(
    final: Any, prepared: Array, usual: Array | None, *, output: Array, target: int | None, scale: str
) -> Game | None:
    import shap

    # shap cuts a plain background to 100 rows without a word; a masker with max_samples does not.
    masker = None if usual is None else shap.maskers.Independent(usual, max_samples=len(usual))
    perturbation = "tree_path_dependent" if usual is None else "interventional"
    game = "tree, path-dependent" if usual is None else "tree, interventional"
    try:
        explainer = shap.TreeExplainer(final, masker, feature_perturbation=perturbation, model_output="raw")
        values = np.asarray(explainer.shap_values(prepared, check_additivity=False), dtype=float)
    except (ValueError, TypeError, NotImplementedError, AttributeError, shap.utils._exceptions.InvalidModelError):
        return None
    expected = np.ravel(np.asarray(explainer.expected_value, dtype=float))
    if values.ndim == _CLASS_AXIS:
        at = 0 if target is None else target
        return Game(values[:, :, at], float(expected[at]), output, game, scale, _SHAP_TOLERANCE)
    sign = -1.0 if target == 0 and len(getattr(final, "classes_", [])) > 1 else 1.0
    return Game(sign * values, sign * float(expected[0]), output, game, scale, _SHAP_TOLERANCE)


def _prepared(estimator: Any, steps: list[tuple[str, Any]], rows: Any) -> Array:
    prepared = estimator[:-1].transform(rows) if len(steps) > 1 else rows
    dense = prepared.toarray() if hasattr(prepared, "toarray") else prepared
    return np.asarray(dense, dtype=float)


def _names(rows: Any) -> list[str]:
    return [str(name) for name in getattr(rows, "columns", range(rows.shape[1]))]


def _origins(step: Any, width: int, names: list[str]) -> list[int] | None:
    """For each column a fitted preparation makes, the position of the one column it came from."""
    if step is None or isinstance(step, str):
        return [] if step == "drop" else list(range(width))
    if isinstance(step, Pipeline):
        return _through(step, width, names)
    if isinstance(step, ColumnTransformer):
        return _side_by_side(step, names)
    if isinstance(step, OneHotEncoder):
        return [at for at, size in enumerate(_one_hot_sizes(step)) for _ in range(size)]
    if isinstance(step, SimpleImputer):
        return list(range(width)) if not step.add_indicator and len(step.get_feature_names_out()) == width else None
    if isinstance(step, FunctionTransformer) and step.func is not None:
        return list(range(width)) if isinstance(step.func, np.ufunc) else None
    return list(range(width)) if isinstance(step, OneToOneFeatureMixin) else None


def _through(pipeline: Pipeline, width: int, names: list[str]) -> list[int] | None:
    origins = list(range(width))
    for _, step in pipeline.steps:
        made = _origins(step, len(origins), names)
        if made is None:
            return None
        origins, names = [origins[at] for at in made], []
    return origins


def _side_by_side(transformer: ColumnTransformer, names: list[str]) -> list[int] | None:
    width = sum(part.stop - part.start for part in transformer.output_indices_.values())
    origins = [-1] * width
    for label, step, columns in transformer.transformers_:
        part = transformer.output_indices_.get(label, slice(0, 0))
        if part.stop <= part.start:
            continue
        positions = _positions(columns, names or [str(name) for name in transformer.feature_names_in_])
        made = _origins(step, len(positions), [names[at] for at in positions] if names else [])
        if made is None or len(made) != part.stop - part.start:
            return None
        origins[part] = [positions[at] for at in made]
    return origins if -1 not in origins else None


def _positions(columns: Any, names: list[str]) -> list[int]:
    if isinstance(columns, slice):
        return list(range(len(names)))[columns]
    chosen = np.atleast_1d(np.asarray(columns))
    if chosen.dtype == bool:
        return [int(at) for at in np.flatnonzero(chosen)]
    return [int(column) if isinstance(column, int | np.integer) else names.index(str(column)) for column in chosen]


def _one_hot_sizes(encoder: OneHotEncoder) -> list[int]:
    rare = getattr(encoder, "infrequent_categories_", None) or [None] * len(encoder.categories_)
    dropped = encoder.drop_idx_ if encoder.drop_idx_ is not None else [None] * len(encoder.categories_)
    return [
        len(categories) - (len(few) - 1 if few is not None else 0) - (gone is not None)
        for categories, few, gone in zip(encoder.categories_, rare, dropped, strict=True)
    ]
