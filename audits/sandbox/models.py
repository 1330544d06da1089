"""What every loaded model offers, whatever its library."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from audits.sandbox import features
from audits.sandbox.failures import mismatch

Array = np.ndarray[Any, Any]
Progress = Callable[[float, str], None]
_ODDS_TOLERANCE = 1e-5


@dataclass
class Game:
    """Shapley values of `output` over the original columns: values sum to output minus base."""

    values: Array
    base: float
    output: Array
    game: str
    scale: str
    tolerance: float
    notes: list[str] = field(default_factory=list)
    errors: Array | None = None

    def gap(self) -> float:
        """The largest distance between the model's own output and base plus values."""
        return float(np.max(np.abs(self.base + self.values.sum(axis=1) - self.output), initial=0.0))

    def adds_up(self) -> bool:
        return self.gap() <= self.tolerance * max(1.0, float(np.max(np.abs(self.output), initial=0.0)))


class Model(ABC):
    """A model that scores the rows of a frame whose columns are already the model's own."""

    names: Sequence[str] | None = None
    width: int | None = None
    classes: list[Any]
    scale = "probability"

    def __init__(self) -> None:
        self.classes = []
        self.notes: list[str] = []
        self.libraries: dict[str, str] = {}
        self.data = "the dataset"

    @abstractmethod
    def outputs(self, frame: pd.DataFrame) -> Array:
        """One column a class for a classifier; one value a row otherwise."""

    def explain(
        self, rows: pd.DataFrame, background: pd.DataFrame, *, target: int | None, interventional: bool
    ) -> Game | None:
        """Exact values where the model's form allows them; None leaves it to sampling."""
        return None

    def inspect(self, frame: pd.DataFrame) -> None:  # noqa: B027 -- most formats say all when loaded
        """Learn from the matched data what the file alone doesn't tell."""

    def matched(self, frame: pd.DataFrame) -> pd.DataFrame:
        return features.match(frame, names=self.names, width=self.width, data=self.data)

    def scores(self, frame: pd.DataFrame, target: int | None) -> Array:
        """The output for one class, or the only output."""
        outputs = self.outputs(frame)
        return outputs if outputs.ndim == 1 else outputs[:, target]

    def target(self, favourable: object) -> int | None:
        """Which class the score is for: the favourable one, else the last; None without classes."""
        if not self.classes:
            return None
        if favourable is None:
            return len(self.classes) - 1
        for position, label in enumerate(self.classes):
            if same_label(label, favourable):
                return position
        listed = ", ".join(str(label) for label in self.classes)
        raise mismatch(
            f"The model's classes are {listed}, and {favourable!r} is none of them: name the favourable one of "
            "these classes, or say in `labels` what they stand for, in this order."
        )

    def relabel(self, labels: Sequence[Any] | None) -> None:
        """Use the caller's labels for classes the model only numbers."""
        if not labels or not self.classes:
            return
        if len(labels) != len(self.classes):
            raise mismatch(f"The model has {len(self.classes)} classes; {len(labels)} labels were given.")
        self.classes = list(labels)


def same_label(one: object, other: object) -> bool:
    """Whether 1, 1.0, True and "1" are meant alike."""
    try:
        return float(one) == float(other)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(one) == str(other)


def margin_scale(margin: Array, probability: Array) -> str:
    """Say "log-odds" only where the margin's logistic is the model's own probability."""
    with np.errstate(over="ignore"):
        logistic = 1.0 / (1.0 + np.exp(-margin))
    return "log-odds" if np.allclose(logistic, probability, atol=_ODDS_TOLERANCE) else "raw"


def plain(label: Any) -> Any:
    """A class label as JSON can hold it."""
    return label.item() if isinstance(label, np.generic) else label
