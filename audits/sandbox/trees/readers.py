"""Read trees from XGBoost's JSON, LightGBM's text and scikit-learn's estimators."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from audits.sandbox.models import Array
from audits.sandbox.trees.ensemble import LEAF, Ensemble, Grove, Unreadable

_LOGIT = {"binary:logistic", "binary:logitraw", "reg:logistic"}
_LOG = {"count:poisson", "reg:gamma", "reg:tweedie"}
_IDENTITY = {
    *("reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror"),
    *("multi:softprob", "multi:softmax", "rank:pairwise", "rank:ndcg", "rank:map", "binary:hinge"),
}
_CATEGORICAL, _DEFAULT_LEFT, _MISSING = 1, 2, 12
_MISSING_NONE, _MISSING_NAN = 0, 8


def xgboost(raw: bytes, *, group: int) -> Ensemble:
    """Trees of one output from `Booster.save_raw("json")`; the output is the margin."""
    learner = json.loads(raw)["learner"]
    booster, weights = learner["gradient_booster"], None
    if booster["name"] == "dart":
        booster, weights = booster["gbtree"], booster["weight_drop"]
    model, grove = booster["model"], Grove([])
    for at, (tree, of) in enumerate(zip(model["trees"], model["tree_info"], strict=True)):
        if of == group:
            _xgboost_tree(grove, tree, 1.0 if weights is None else float(weights[at]))
    return grove.ensemble(
        offset=_intercept(learner, group), width=int(learner["learner_model_param"]["num_feature"]), single=True
    )


def _xgboost_tree(grove: Grove, tree: Any, weight: float) -> None:
    if any(tree["split_type"]) or int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
        raise Unreadable("splits over categories, or leaves of several values")
    left = np.array(tree["left_children"], dtype=np.int64)
    leaf, condition = left < 0, np.array(tree["split_conditions"], dtype=np.float32)
    grove.add(
        feature=np.where(leaf, LEAF, np.array(tree["split_indices"], dtype=np.int64)),
        # x < t among float32 is x <= the float32 before t
        threshold=np.nextafter(condition, np.float32(-np.inf)),
        left=left,
        right=np.array(tree["right_children"], dtype=np.int64),
        missing_left=np.array(tree["default_left"]) != 0,
        value=weight * condition.astype(np.float64),
        cover=np.array(tree["sum_hessian"], dtype=np.float32),
    )


def _intercept(learner: Any, group: int) -> float:
    """The base score as a margin; files of older versions hold one number for all outputs."""
    scores = [float(np.float32(part)) for part in learner["learner_model_param"]["base_score"].strip("[]").split(",")]
    score, objective = scores[group if len(scores) > 1 else 0], learner["objective"]["name"]
    if objective in _IDENTITY:
        return score
    if objective in _LOGIT and 0 < score < 1:
        return math.log(score / (1 - score))
    if objective in _LOG and score > 0:
        return math.log(score)
    raise Unreadable(f"the objective {objective}")


def lightgbm(text: str, *, group: int, groups: int, width: int) -> Ensemble:
    """Trees of one output from `Booster.model_to_string()`; the output is the raw score."""
    _, *trees = re.split(r"^Tree=\d+$", text.partition("\nend of trees")[0], flags=re.MULTILINE)
    grove = Grove([])
    for tree in trees[group::groups]:
        _lightgbm_tree(grove, dict(line.split("=", 1) for line in tree.splitlines() if "=" in line))
    return grove.ensemble(offset=0.0, width=width)


def _lightgbm_tree(grove: Grove, lines: dict[str, str]) -> None:
    if lines.get("num_cat", "0") != "0" or lines.get("is_linear", "0") != "0":
        raise Unreadable("splits over categories, or linear leaves")
    value = _numbers(lines, "leaf_value", np.float64)
    inner = int(lines["num_leaves"]) - 1
    kinds = _numbers(lines, "decision_type", np.int64)[:inner]
    missing, threshold = kinds & _MISSING, _numbers(lines, "threshold", np.float64)[:inner]
    if (kinds & _CATEGORICAL).any() or not np.isin(missing, [_MISSING_NONE, _MISSING_NAN]).all():
        raise Unreadable("splits over categories, or zeros that mean missing")
    # children below zero are leaves, counted from -1; here they follow the inner nodes
    left, right = (_numbers(lines, side, np.int64)[:inner] for side in ("left_child", "right_child"))
    lacking, none = np.zeros(len(value)), np.full(len(value), LEAF)
    counts = [_numbers(lines, key, np.float64) for key in ("internal_count", "leaf_count")]
    grove.add(
        feature=np.concatenate([_numbers(lines, "split_feature", np.int64)[:inner], none]),
        threshold=np.concatenate([threshold, lacking]),
        left=np.concatenate([np.where(left < 0, inner - 1 - left, left), none]),
        right=np.concatenate([np.where(right < 0, inner - 1 - right, right), none]),
        # where nothing was missing in training, a missing value is read as zero
        missing_left=np.concatenate(
            [np.where(missing == _MISSING_NAN, (kinds & _DEFAULT_LEFT) != 0, threshold >= 0), lacking != 0]
        ),
        value=np.concatenate([np.zeros(inner), value]),
        cover=np.concatenate(counts if inner and len(counts[1]) else [np.ones(inner + len(value))]),
    )


def _numbers(lines: dict[str, str], key: str, kind: Any) -> Array:
    return np.array(lines.get(key, "").split(), dtype=kind)


def scikit_learn(final: Any, *, target: int | None) -> Ensemble:
    """Trees of one output: a class's probability for forests, its decision value for boosters."""
    name = type(final).__name__
    readers: list[tuple[str, Callable[[Any, int | None], Ensemble]]] = [
        ("HistGradientBoosting", _hist_boosting),
        ("GradientBoosting", _gradient_boosting),
        ("", _forest),
    ]
    read = next(read for start, read in readers if name.startswith(start))
    return read(final, target)


def _forest(final: Any, target: int | None) -> Ensemble:
    trees = [each.tree_ for each in getattr(final, "estimators_", [final])]
    if trees[0].n_outputs > 1:
        raise Unreadable("several outputs")
    grove = Grove([])
    for tree in trees:
        _sklearn_tree(grove, tree, tree.value[:, 0, 0 if target is None else target] / len(trees))
    return grove.ensemble(offset=0.0, width=final.n_features_in_, single=True)


def _gradient_boosting(final: Any, target: int | None) -> Ensemble:
    start = final._raw_predict_init(np.zeros((2, final.n_features_in_), dtype=np.float32))
    if final.init_ != "zero" and type(final.init_).__name__ not in ("DummyClassifier", "DummyRegressor"):
        raise Unreadable("a first guess that is a model of its own")
    group, sign = _binary(final.estimators_.shape[1], target)
    grove = Grove([])
    for tree in final.estimators_[:, group]:
        _sklearn_tree(grove, tree.tree_, final.learning_rate * tree.tree_.value[:, 0, 0])
    found = grove.ensemble(offset=float(start[0, group]), width=final.n_features_in_, single=True)
    return found.scaled(sign)


def _hist_boosting(final: Any, target: int | None) -> Ensemble:
    if final._preprocessor is not None:
        raise Unreadable("splits over categories")
    group, sign = _binary(final.n_trees_per_iteration_, target)
    grove = Grove([])
    for iteration in final._predictors:
        nodes = iteration[group].nodes
        leaf = nodes["is_leaf"] != 0
        if nodes["is_categorical"][~leaf].any():
            raise Unreadable("splits over categories")
        grove.add(
            feature=np.where(leaf, LEAF, nodes["feature_idx"]),
            threshold=nodes["num_threshold"],
            left=nodes["left"],
            right=nodes["right"],
            missing_left=nodes["missing_go_to_left"],
            value=nodes["value"],
            cover=nodes["count"],
        )
    start = float(np.ravel(final._baseline_prediction)[group])
    return grove.ensemble(offset=start, width=final.n_features_in_).scaled(sign)


def _sklearn_tree(grove: Grove, tree: Any, value: Array) -> None:
    leaf = tree.children_left < 0
    grove.add(
        feature=np.where(leaf, LEAF, tree.feature),
        threshold=tree.threshold,
        left=tree.children_left,
        right=tree.children_right,
        missing_left=np.asarray(tree.missing_go_to_left),
        value=value,
        cover=tree.weighted_n_node_samples,
    )


def _binary(groups: int, target: int | None) -> tuple[int, float]:
    """With one tree a round, it speaks for the second of two classes."""
    return (target or 0, 1.0) if groups > 1 else (0, -1.0 if target == 0 else 1.0)
