"""CatBoost models saved as cbm."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audits.sandbox import booster_trees, features
from audits.sandbox.failures import mismatch, refused
from audits.sandbox.models import Array, Game, Model, margin_scale, plain

try:
    import catboost
except ImportError:
    raise refused(
        "CatBoost models need the package catboost, which is not installed here: have the administrator install the "
        "extra “catboost”, or export the model to ONNX."
    ) from None

_THREADS = 2
_BINARY = {"Logloss", "CrossEntropy"}
_SEVERAL = {"MultiRMSE", "MultiRMSEWithMissingValues", "MultiLogloss", "MultiCrossEntropy", "RMSEWithUncertainty"}
# CatBoost's own regressor gives these on the scale of the target, not of its logarithm.
_LOGARITHMIC = {"Poisson", "Tweedie"}


class CatboostModel(Model):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.model = catboost.CatBoost()
        self.model.load_model(str(path), format="cbm")
        self.libraries = {"catboost": catboost.__version__}
        self.loss = str(self.model.get_all_params().get("loss_function", "")).partition(":")[0]
        if self.loss in _SEVERAL:
            raise refused("The model predicts several targets at once: upload one model for each target.")
        if self.model._get_text_feature_indices() or self.model._get_embedding_feature_indices():
            raise refused("The model reads text or embeddings, which a table of numbers and categories can't give.")
        self.names = [str(name) for name in self.model.feature_names_]
        self.categorical = set(self.model._get_cat_feature_indices())
        self.classes = [plain(label) for label in self.model.classes_]
        if not self.classes and self.loss in _BINARY:
            self.classes = [0, 1]

    def outputs(self, frame: pd.DataFrame) -> Array:
        kind = "Probability" if self.classes else "Exponent" if self.loss in _LOGARITHMIC else "RawFormulaVal"
        return self._predict(self._pool(frame), kind)

    def explain(
        self, rows: pd.DataFrame, background: pd.DataFrame, *, target: int | None, interventional: bool
    ) -> Game | None:
        if interventional:
            return None
        pool = self._pool(rows)
        output = self._predict(pool, "RawFormulaVal")
        output = output[:, target] if output.ndim > 1 else -output if target == 0 else output
        scale = margin_scale(output, self.scores(rows, target)) if target is not None else "raw"
        parts = self.model.get_feature_importance(pool, type="ShapValues", thread_count=_THREADS)
        parts = np.asarray(parts, dtype=float)
        return booster_trees.path_dependent(parts, output=output, target=target, scale=scale)

    def _predict(self, pool: Any, kind: str) -> Array:
        return np.asarray(self.model.predict(pool, prediction_type=kind, thread_count=_THREADS), dtype=float)

    def _pool(self, frame: pd.DataFrame) -> Any:
        columns = {
            name: self._category(frame[name])
            if position in self.categorical
            else features.numbers(frame[[name]], data=self.data)[:, 0]
            for position, name in enumerate(frame.columns)
        }
        table = pd.DataFrame(columns)
        return catboost.Pool(
            table.set_axis(self.names, axis=1), cat_features=sorted(self.categorical), thread_count=_THREADS
        )

    def _category(self, column: pd.Series) -> Any:
        """Text or whole numbers: CatBoost reads nothing else as a category."""
        if column.isna().any():
            raise mismatch(
                f"CatBoost reads no empty cells as a category, and column {str(column.name)!r} of {self.data} has "
                f"{int(column.isna().sum())}: fill them as in training."
            )
        if pd.api.types.is_float_dtype(column):
            if not (column % 1 == 0).all():
                raise mismatch(
                    f"The model reads column {str(column.name)!r} as a category, but {self.data} holds numbers with "
                    "fractions in it."
                )
            column = column.astype("int64")
        return column.astype(str).to_numpy(dtype=object)
