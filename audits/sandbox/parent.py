"""Score or explain with a stranger's model: a confined child does it, nothing of the model runs here.

`opened` keeps one child, with its model loaded, for many tables; `predict` and `explain` ask once.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audits.sandbox.confinement import Limits
from audits.sandbox.failures import Cancelled, ChildFailed
from audits.sandbox.folder import NO_RESULT, Array, Folder
from audits.sandbox.process import Child, OnProgress

__all__ = ["Cancelled", "ChildFailed", "Explanation", "Limits", "Opened", "Predictions", "explain", "opened", "predict"]


@dataclass(frozen=True)
class Predictions:
    """The score of the favourable class (or the raw value), and every class's where there are classes."""

    score: Array
    scores: Array | None
    labels: list[Any] | None
    classes: list[Any]
    features: list[str]
    scale: str
    libraries: dict[str, str]
    notes: list[str]
    confinement: dict[str, str]


@dataclass(frozen=True)
class Explanation:
    """Shapley values (rows x features): each row sums to `output - base` within `gap`."""

    values: Array
    base: float
    output: Array
    features: list[str]
    rows: np.ndarray[Any, np.dtype[np.int64]]
    errors: Array | None
    game: str
    scale: str
    gap: float
    seed: int
    background: int
    classes: list[Any]
    target: int | None
    libraries: dict[str, str]
    notes: list[str]
    confinement: dict[str, str]


class Opened:
    """A model in its child: ask it as often as needed, until its time is over."""

    def __init__(self, child: Child, labels: dict[str, Any]) -> None:
        self.child, self.labels = child, labels

    def predict(self, data: pd.DataFrame, *, on_progress: OnProgress | None = None) -> Predictions:
        """Score every row."""
        reply = self._ask("predict", data, {}, on_progress)
        with _hostile_reply():
            classes, target = reply["classes"], reply["target"]
            shape = (len(data), len(classes)) if classes else (len(data),)
            outputs = self.child.folder.array("outputs", shape)
            scores = outputs if classes else None
            return Predictions(
                score=outputs if scores is None else scores[:, target],
                scores=scores,
                labels=None if scores is None else [classes[at] for at in scores.argmax(axis=1)],
                classes=classes,
                **{key: reply[key] for key in ("features", "scale", "libraries", "notes", "confinement")},
            )

    def explain(
        self,
        data: pd.DataFrame,
        *,
        rows: int = 1000,
        background: int = 100,
        seed: int = 0,
        game: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> Explanation:
        """Explain a sample of rows. `game`: None (the model's exact one), "interventional" or "permutation"."""
        params = {"game": game, "rows": rows, "background": background, "seed": seed}
        reply = self._ask("explain", data, params, on_progress)
        array = self.child.folder.array
        with _hostile_reply():
            count, width = min(rows, len(data)), len(reply["features"])
            return Explanation(
                values=array("values", (count, width)),
                output=array("output", (count,)),
                rows=array("rows", (count,)).astype(np.int64),
                errors=array("errors", (count, width)) if reply["errors"] else None,
                **{key: reply[key] for key in ("base", "features", "game", "scale", "gap", "seed", "background")},
                **{key: reply[key] for key in ("classes", "target", "libraries", "notes", "confinement")},
            )

    def _ask(self, task: str, data: pd.DataFrame, params: dict[str, Any], on_progress: OnProgress | None) -> Any:
        self.child.folder.give(data)
        return self.child.ask({"task": task, "params": self.labels | params}, on_progress)


@contextlib.contextmanager
def opened(
    *,
    artifact: Path,
    format: str,
    favourable: object = None,
    labels: Sequence[Any] | None = None,
    data_name: str = "the dataset",
    timeout: float = 300,
    limits: Limits | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Opened]:
    """One child with the model, which is gone when the block ends.

    `labels` says what the model's classes stand for where it only numbers them. `timeout` and `limits` hold over the
    whole block; `cancelled` is asked while the child works.
    """
    opening = {"format": str(format), "data_name": data_name}
    with (
        Folder(artifact) as folder,
        Child(folder, opening, timeout=timeout, limits=limits, cancelled=cancelled) as child,
    ):
        yield Opened(child, {"favourable": _plain(favourable), "labels": _plain_all(labels)})


def predict(*, data: pd.DataFrame, on_progress: OnProgress | None = None, **model: Any) -> Predictions:
    """Score every row with a child of its own. The model is said as `opened` takes it."""
    with opened(**model) as child:
        return child.predict(data, on_progress=on_progress)


def explain(
    *,
    data: pd.DataFrame,
    rows: int = 1000,
    background: int = 100,
    seed: int = 0,
    game: str | None = None,
    timeout: float = 900,
    on_progress: OnProgress | None = None,
    **model: Any,
) -> Explanation:
    """Explain a sample of rows with a child of its own. The model is said as `opened` takes it."""
    with opened(timeout=timeout, **model) as child:
        return child.explain(data, rows=rows, background=background, seed=seed, game=game, on_progress=on_progress)


@contextlib.contextmanager
def _hostile_reply() -> Iterator[None]:
    """A reply without its parts is the child's failure, not ours."""
    try:
        yield
    except (KeyError, IndexError, TypeError) as error:
        raise ChildFailed(NO_RESULT, kind="crash", detail=repr(error)) from error


def _plain(label: object) -> object:
    return label.item() if isinstance(label, np.generic) else label


def _plain_all(labels: Sequence[Any] | None) -> list[object] | None:
    return None if labels is None else [_plain(label) for label in labels]
