"""Score or explain with a stranger's model: a confined child does it, nothing of the model runs here."""

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

__all__ = ["Cancelled", "ChildFailed", "Explanation", "Limits", "Predictions", "explain", "predict"]


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


def predict(
    *,
    artifact: Path,
    format: str,
    data: pd.DataFrame,
    favourable: object = None,
    labels: Sequence[Any] | None = None,
    data_name: str = "the dataset",
    timeout: float = 300,
    limits: Limits | None = None,
    on_progress: OnProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Predictions:
    """Score every row. `labels` says what the model's classes stand for where it only numbers them."""
    params = {"favourable": _plain(favourable), "labels": _plain_all(labels)}
    with Folder(artifact, data) as folder:
        child = Child(folder, timeout, limits, on_progress, cancelled)
        reply = child.ask("predict", format, params, data_name)
        with _hostile_reply():
            classes, target = reply["classes"], reply["target"]
            outputs = folder.array("outputs", (len(data), len(classes)) if classes else (len(data),))
            scores = outputs if classes else None
            return Predictions(
                score=outputs if scores is None else scores[:, target],
                scores=scores,
                labels=None if scores is None else [classes[at] for at in scores.argmax(axis=1)],
                classes=classes,
                **{key: reply[key] for key in ("features", "scale", "libraries", "notes", "confinement")},
            )


def explain(
    *,
    artifact: Path,
    format: str,
    data: pd.DataFrame,
    rows: int = 1000,
    background: int = 100,
    seed: int = 0,
    favourable: object = None,
    labels: Sequence[Any] | None = None,
    game: str | None = None,
    data_name: str = "the dataset",
    timeout: float = 900,
    limits: Limits | None = None,
    on_progress: OnProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Explanation:
    """Explain a sample of rows. `game`: None (the model's exact one), "interventional" or "permutation"."""
    params = {"favourable": _plain(favourable), "labels": _plain_all(labels), "game": game}
    params |= {"rows": rows, "background": background, "seed": seed}
    with Folder(artifact, data) as folder:
        child = Child(folder, timeout, limits, on_progress, cancelled)
        reply = child.ask("explain", format, params, data_name)
        with _hostile_reply():
            count, width = min(rows, len(data)), len(reply["features"])
            values = folder.array("values", (count, width))
            return Explanation(
                values=values,
                output=folder.array("output", (count,)),
                rows=folder.array("rows", (count,)).astype(np.int64),
                errors=folder.array("errors", (count, width)) if reply["errors"] else None,
                **{key: reply[key] for key in ("base", "features", "game", "scale", "gap", "seed", "background")},
                **{key: reply[key] for key in ("classes", "target", "libraries", "notes", "confinement")},
            )


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
