"""LightGBM boosters saved as text."""

import re
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd

from audits.sandbox import booster_trees, features
from audits.sandbox.failures import mismatch
from audits.sandbox.models import Array, Game, Model, margin_scale
from audits.sandbox.trees import choice, readers
from audits.sandbox.trees.ensemble import Ensemble

_TOLERANCE = 1e-8


class LightgbmModel(Model):
    def __init__(self, path: Path) -> None:
        super().__init__()
        header = path.read_text(encoding="utf-8", errors="replace").partition("Tree=0")[0]
        self.booster = lightgbm.Booster(model_file=str(path))
        self.libraries = {"lightgbm": lightgbm.__version__}
        self.objective = _line(header, "objective").partition(" ")[0]
        self.infos = _line(header, "feature_infos").split(" ")
        self.categories: list[list[object]] = self.booster.pandas_categorical or []
        count = self.booster.num_model_per_iteration()
        self.classes = [0, 1] if self.objective == "binary" else list(range(count)) if count > 1 else []
        self.names, self.width = self.booster.feature_name(), self.booster.num_feature()

    def outputs(self, frame: pd.DataFrame) -> Array:
        values = np.asarray(self.booster.predict(self._matrix(frame)), dtype=float)
        return np.column_stack([1.0 - values, values]) if self.objective == "binary" else values

    def explain(
        self, rows: pd.DataFrame, background: pd.DataFrame, *, target: int | None, interventional: bool
    ) -> Game | None:
        matrix = self._matrix(rows)
        output = np.asarray(self.booster.predict(matrix, raw_score=True), dtype=float)
        output = output[:, target] if output.ndim > 1 else -output if target == 0 else output
        scale = margin_scale(output, self.scores(rows, target)) if target is not None else "raw"
        usual = self._matrix(background) if interventional else None

        def other(at: Array) -> Game | None:
            if usual is None:
                return self._own(matrix[at], output[at], target, scale)
            return booster_trees.interventional(
                self.booster, matrix[at], usual, output=output[at], target=target, scale=scale
            )

        return choice.explain(
            lambda: self._ensemble(target), matrix, usual, output=output, scale=scale, tolerance=_TOLERANCE, other=other
        )

    def _own(self, matrix: Array, output: Array, target: int | None, scale: str) -> Game | None:
        try:
            parts = np.asarray(self.booster.predict(matrix, pred_contrib=True), dtype=float)
        except lightgbm.basic.LightGBMError:
            return None
        if len(self.classes) > 2:
            parts = parts.reshape(len(matrix), len(self.classes), -1)
        return booster_trees.path_dependent(parts, output=output, target=target, scale=scale)

    def _ensemble(self, target: int | None) -> Ensemble:
        groups = self.booster.num_model_per_iteration()
        text = self.booster.model_to_string()
        trees = readers.lightgbm(text, group=(target or 0) if groups > 1 else 0, groups=groups, width=self.width or 0)
        return trees.scaled(-1.0) if target == 0 and groups == 1 else trees

    def _matrix(self, frame: pd.DataFrame) -> Array:
        """Numbers as LightGBM's own pandas reader makes them: a category is its place in the stored list."""
        if not self.categories:
            return features.numbers(frame, data=self.data)
        coded = frame.copy()
        for column, categories in zip(self._categorical(frame), self.categories, strict=True):
            codes = pd.Categorical(frame[column], categories=categories).codes.astype(float)
            coded[column] = np.where(codes < 0, np.nan, codes)
        return features.numbers(coded, data=self.data)

    def _categorical(self, frame: pd.DataFrame) -> list[object]:
        listed = [column for column, info in zip(frame.columns, self.infos, strict=True) if info[:1] not in "[n"]
        if len(listed) != len(self.categories):
            listed = [column for column in frame.columns if not pd.api.types.is_numeric_dtype(frame[column])]
        if len(listed) != len(self.categories):
            raise mismatch(
                f"The model was trained with {len(self.categories)} categorical columns; {self.data} has {len(listed)}."
            )
        return listed


def _line(header: str, key: str) -> str:
    found = re.search(rf"^{key}=(.*)$", header, re.MULTILINE)
    return found[1].strip() if found else ""
