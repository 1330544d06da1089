"""scikit-learn estimators saved with skops."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn
import skops
import skops.io
from sklearn.exceptions import InconsistentVersionWarning
from skops.io.exceptions import UntrustedTypesFoundException

from audits.sandbox import additive, estimator_trees
from audits.sandbox.failures import refused
from audits.sandbox.models import Array, Game, Model, margin_scale, plain
from audits.sandbox.trusted import TRUSTED


class SkopsModel(Model):
    def __init__(self, path: Path) -> None:
        super().__init__()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            self.estimator = _load(path)
        messages = [each.message for each in said]
        versions = {
            message.original_sklearn_version for message in messages if isinstance(message, InconsistentVersionWarning)
        }
        if versions:
            listed = ", ".join(sorted(versions))
            self.notes.append(f"The model was saved with scikit-learn {listed} and read with {sklearn.__version__}.")
        self.libraries = {"scikit-learn": sklearn.__version__, "skops": skops.__version__}
        self.names = [str(name) for name in getattr(self.estimator, "feature_names_in_", [])] or None
        self.width = getattr(self.estimator, "n_features_in_", None)
        self.raw_classes = list(getattr(self.estimator, "classes_", []))
        if any(isinstance(labels, np.ndarray | list) for labels in self.raw_classes):
            raise refused("The model predicts several targets at once: upload one model for each target.")
        self.classes = [plain(label) for label in self.raw_classes]
        self.score = self._scorer()

    def _scorer(self) -> Callable[[Any], Array]:
        """Probabilities where the estimator has them; else decision values; else its labels."""
        if not self.classes:
            return lambda rows: np.asarray(self.estimator.predict(rows), dtype=float).reshape(len(rows))
        if hasattr(self.estimator, "predict_proba"):
            return lambda rows: np.asarray(self.estimator.predict_proba(rows), dtype=float)
        self.scale = "raw"
        if hasattr(self.estimator, "decision_function"):
            self.notes.append("The model gives no probabilities: its decision values are the score.")
            return lambda rows: _per_class(self.estimator.decision_function(rows))
        self.notes.append("The model gives labels only: its score is 1 for the label and 0 otherwise.")
        return lambda rows: (self.estimator.predict(rows)[:, None] == np.array(self.raw_classes)).astype(float)

    def outputs(self, frame: pd.DataFrame) -> Array:
        return self.score(self._rows(frame))

    def _rows(self, frame: pd.DataFrame) -> Any:
        """An estimator fitted without names wants an array, not a frame."""
        return frame if self.names else frame.to_numpy()

    def explain(
        self, rows: pd.DataFrame, background: pd.DataFrame, *, target: int | None, interventional: bool
    ) -> Game | None:
        *_, (_, final) = getattr(self.estimator, "steps", [("", self.estimator)])
        if hasattr(final, "coef_"):
            return additive.explain(self._margin(target), rows, background, scale=self._margin_scale(rows, target))
        if not estimator_trees.handles(final):
            return None
        margin = self._margin(target)
        scale = self._margin_scale(rows, target)
        if not hasattr(final, "decision_function") and self.classes:
            scale = "probability"
        return estimator_trees.explain(
            self.estimator,
            self._rows(rows),
            self._rows(background),
            output=margin(rows),
            target=target,
            scale=scale,
            interventional=interventional,
        )

    def _margin(self, target: int | None) -> Callable[[pd.DataFrame], Array]:
        if target is None or not hasattr(self.estimator, "decision_function"):
            return lambda frame: self.scores(frame, target)
        return lambda frame: _per_class(self.estimator.decision_function(self._rows(frame)))[:, target]

    def _margin_scale(self, rows: pd.DataFrame, target: int | None) -> str:
        if target is None or self.scale == "raw" or not hasattr(self.estimator, "decision_function"):
            return "raw"
        return margin_scale(self._margin(target)(rows), self.scores(rows, target))


def _load(path: Path) -> Any:
    try:
        return skops.io.load(path, trusted=TRUSTED)
    except UntrustedTypesFoundException as error:
        listed = str(error).partition("file: ")[2].partition("\n")[0].strip("[].").replace("'", "")
        raise refused(
            f"The skops file holds types that are not trusted here ({listed}): save an estimator made only of "
            "scikit-learn's own parts."
        ) from None


def _per_class(decision: Any) -> Array:
    """One column a class, also where scikit-learn gives the last of two only."""
    values = np.asarray(decision, dtype=float)
    return np.column_stack([-values, values]) if values.ndim == 1 else values
