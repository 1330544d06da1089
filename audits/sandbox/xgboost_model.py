"""XGBoost boosters saved as JSON or UBJSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost

from audits.sandbox import additive, booster_trees, features
from audits.sandbox.failures import refused
from audits.sandbox.models import Array, Game, Model, margin_scale
from audits.sandbox.trees import choice, readers
from audits.sandbox.trees.ensemble import Ensemble

# margins are sums of float32
_TOLERANCE = 1e-5


class XgboostModel(Model):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.booster = _best(xgboost.Booster(model_file=str(path)), self.notes)
        self.libraries = {"xgboost": xgboost.__version__}
        settings = json.loads(self.booster.save_config())["learner"]
        self.objective = str(settings["learner_train_param"]["objective"])
        self.linear = settings["gradient_booster"].get("name") == "gblinear"
        if int(settings["learner_model_param"].get("num_target", "1")) > 1:
            raise refused("The model predicts several targets at once: upload one model for each target.")
        count = int(settings["learner_model_param"]["num_class"])
        self.classes = [0, 1] if self.objective.startswith("binary:") else list(range(count))
        self.names, self.width = self.booster.feature_names, self.booster.num_features()
        self.kinds = self.booster.feature_types or []

    def outputs(self, frame: pd.DataFrame) -> Array:
        matrix = self._matrix(frame)
        if self.objective.startswith("multi:"):
            return _softmax(self.booster.predict(matrix, output_margin=True).astype(float))
        values = self.booster.predict(matrix).astype(float)
        if self.objective == "binary:logitraw":
            values = 1.0 / (1.0 + np.exp(-values))
        return np.column_stack([1.0 - values, values]) if self.classes else values

    def margin(self, frame: pd.DataFrame, target: int | None) -> Array:
        margins = self.booster.predict(self._matrix(frame), output_margin=True).astype(float)
        if margins.ndim > 1:
            return np.asarray(margins[:, target])
        return np.asarray(-margins if target == 0 else margins)

    def explain(
        self, rows: pd.DataFrame, background: pd.DataFrame, *, target: int | None, interventional: bool
    ) -> Game | None:
        output = self.margin(rows, target)
        scale = margin_scale(output, self.scores(rows, target)) if target is not None else "raw"
        if self.linear:
            game = additive.explain(lambda frame: self.margin(frame, target), rows, background, scale=scale)
            game.tolerance = 10 * _TOLERANCE
            return game
        return self._trees(rows, background if interventional else None, output=output, target=target, scale=scale)

    def _trees(
        self, rows: pd.DataFrame, background: pd.DataFrame | None, *, output: Array, target: int | None, scale: str
    ) -> Game | None:
        if "c" in self.kinds:
            return None if background is not None else self._own(rows, output, target, scale)
        matrix = features.numbers(rows, data=self.data)
        usual = None if background is None else features.numbers(background, data=self.data)

        def other(at: Array) -> Game:
            if usual is None:
                return self._own(rows.iloc[at], output[at], target, scale)
            return booster_trees.interventional(
                self.booster, matrix[at], usual, output=output[at], target=target, scale=scale
            )

        return choice.explain(
            lambda: self._ensemble(target), matrix, usual, output=output, scale=scale, tolerance=_TOLERANCE, other=other
        )

    def _own(self, rows: pd.DataFrame, output: Array, target: int | None, scale: str) -> Game:
        parts = self.booster.predict(self._matrix(rows), pred_contribs=True).astype(float)
        return booster_trees.path_dependent(parts, output=output, target=target, scale=scale)

    def _ensemble(self, target: int | None) -> Ensemble:
        several = self.objective.startswith("multi:")
        trees = readers.xgboost(bytes(self.booster.save_raw("json")), group=(target or 0) if several else 0)
        return trees.scaled(-1.0) if target == 0 and not several else trees

    def _matrix(self, frame: pd.DataFrame) -> xgboost.DMatrix:
        names = self.names or None
        if "c" not in self.kinds:
            return xgboost.DMatrix(features.numbers(frame, data=self.data), feature_names=names)
        known = dict(self.booster.get_categories(export_to_arrow=True).to_arrow())
        columns: dict[str, Any] = {}
        for name, kind, column in zip(self.names or frame.columns, self.kinds, frame.columns, strict=True):
            categories = known.get(name) if kind == "c" else None
            if categories is not None:
                columns[name] = pd.Categorical(frame[column], categories=categories.to_pylist())
            else:
                columns[name] = features.numbers(frame[[column]], data=self.data)[:, 0]
        return xgboost.DMatrix(pd.DataFrame(columns), enable_categorical=True)


def _best(booster: xgboost.Booster, notes: list[str]) -> xgboost.Booster:
    """A model stopped early scores with its best round, as its scikit-learn wrapper does."""
    best = booster.attr("best_iteration")
    if best is None or int(best) + 1 >= booster.num_boosted_rounds():
        return booster
    notes.append(f"The model stopped early: its first {int(best) + 1} rounds are used.")
    return booster[: int(best) + 1]


def _softmax(margins: Array) -> Array:
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
