"""Where the decisions and scores of a check come from: the dataset's columns, or the artifact run in the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage

from audits import endpoints
from audits.checks import columns
from audits.checks.context import Context
from registry import reading, storage
from registry.models import ColumnRole, Dataset, Version
from trail.errors import BadInput

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Scores:
    """A score for each row, and where it comes from."""

    values: Any
    source: dict[str, Any]
    libraries: dict[str, str] = field(default_factory=dict)
    limitations: list[str] = field(default_factory=list)


def decisions(version: Version, dataset: Dataset, params: dict[str, Any]) -> dict[str, Any]:
    """`prediction`, or `score` and `threshold`, or `threshold` alone, which has the artifact score the rows."""
    given = {name for name in ("prediction", "score", "threshold") if name in params}
    if "prediction" in given and given != {"prediction"}:
        raise columns.bad("prediction", "Give “prediction”, or “score” with “threshold”, not both.")
    threshold = params.get("threshold", DEFAULT_THRESHOLD)
    if "prediction" in given:
        return {"prediction": params["prediction"]}
    if "score" in given:
        return {"score": params["score"], "threshold": threshold}
    if not given and (name := columns.with_role(dataset, ColumnRole.PREDICTION, "prediction")):
        return {"prediction": name}
    if name := columns.with_role(dataset, ColumnRole.SCORE, "score"):
        return {"score": name, "threshold": threshold}
    if not scorable(version):
        raise lacking(version, dataset)
    return {"threshold": threshold} | artifact(version, dataset, params)


def scorable(version: Version) -> bool:
    """Whether the version scores rows by itself: it has an artifact here, or names an endpoint that serves it."""
    return version.artifact is not None or endpoints.names_one(version)


def lacking(version: Version, dataset: Dataset) -> BadInput:
    return BadInput(
        f"{version} has no artifact to score with and {dataset.name} has no column with the role prediction or score: "
        "upload a dataset that brings the predictions, or register a version with its artifact.",
        where="dataset",
    )


def artifact(version: Version, dataset: Dataset, params: dict[str, Any]) -> dict[str, Any]:
    """What running the artifact needs: columns that are features, and names for its classes if it only counts them."""
    if not dataset.names(ColumnRole.FEATURE):
        raise BadInput(f"{dataset.name} has no column with the role feature for the artifact to read.", where="dataset")
    if endpoints.names_one(version):
        endpoints.of(version)
    labels = params.get("labels") or version.facts.get("labels")
    return {"labels": labels} if isinstance(labels, list) and labels else {}


def check(dataset: Dataset, source: dict[str, Any], target: str) -> None:
    """Refuse columns that can't be what they are named as."""
    if "prediction" in source:
        columns.complete(dataset, source["prediction"], "prediction")
        columns.comparable(dataset, source["prediction"], target)
    if "score" in source:
        columns.numeric(dataset, source["score"], "score")


def scores(context: Context) -> Scores:
    """The score of the favourable outcome for each row."""
    if (name := context.params.get("score")) is not None:
        frame = reading.frame(context.dataset, [name])
        return Scores(frame[name].to_numpy(dtype=float), {"kind": "column", "score": name}, {}, brought(context))
    if endpoints.names_one(context.version):
        return _served(context)
    from audits.sandbox import parent

    features = context.dataset.names(ColumnRole.FEATURE)
    found = parent.predict(
        data=reading.frame(context.dataset, features),
        on_progress=lambda fraction, stage: context.progress(0.1 + 0.7 * fraction, stage),
        **sandboxed(context),
    )
    source = {"kind": "artifact", "digest": context.version.digest, "scale": found.scale, "classes": found.classes}
    return Scores(found.score, source, found.libraries, found.notes)


def _served(context: Context) -> Scores:
    """The scores of a version's endpoint."""
    frame = reading.frame(context.dataset, context.dataset.names(ColumnRole.FEATURE))
    found = _asked(context, context.version, frame, lambda share, stage: context.progress(0.1 + 0.7 * share, stage))
    source = endpoints.source(context.version, found.scale, found.classes)
    return Scores(found.score, source, found.libraries, found.notes)


def _asked(context: Context, version: Version, frame: Any, on_progress: Callable[[float, str], None] | None) -> Any:
    from audits.sandbox import remote

    return remote.predict(
        endpoints.of(version),
        frame,
        allowed=endpoints.allowed(),
        favourable=context.params.get("favourable"),
        labels=context.params.get("labels"),
        timeout=settings.JOB_TIMEOUT_SECONDS,
        on_progress=on_progress,
        cancelled=context.cancelled,
    )


@contextmanager
def scorer(context: Context, version: Version | None = None) -> Iterator[Scorer]:
    """A function that scores frames of the dataset's feature columns with the artifact, as often as it is called.

    What it gives is the score of the favourable class, (n,), or the raw value; what was said of it is on the function's
    `last`, the sandbox's own answer. One child with the model answers all calls, and is gone when the block ends.
    """
    asked = version or context.version
    if endpoints.names_one(asked):
        yield Scorer(lambda frame: _asked(context, asked, frame, None))
        return
    from audits.sandbox import parent

    with parent.opened(**sandboxed(context, version)) as model:
        yield Scorer(model.predict)


class Scorer:
    """Call it with a frame; `last` is the sandbox's whole answer to the newest call."""

    def __init__(self, ask: Callable[[Any], Any]) -> None:
        self.ask = ask
        self.last: Any = None

    def __call__(self, frame: Any) -> Any:
        self.last = self.ask(frame)
        return self.last.score


def one_sided(values: Any, threshold: float) -> list[str]:
    """Say so when the threshold lies outside the scores, and so decides nothing."""
    low, high = float(values.min()), float(values.max())
    if low < threshold <= high:
        return []
    which = "No score reaches" if threshold > high else "Every score reaches"
    return [f"{which} the threshold {threshold:g}: the scores lie from {low:g} to {high:g}."]


def sandboxed(context: Context, version: Version | None = None) -> dict[str, Any]:
    """The arguments that every run of an artifact shares; of the run's version, or of another."""
    version = version or context.version
    kept = version.artifact
    if kept is None:
        raise BadInput(f"{version} has no artifact to run.", where="version")
    return {
        "artifact": intact(Path(default_storage.path(kept.path)), kept.sha256),
        "format": kept.format,
        "favourable": context.params.get("favourable"),
        "labels": context.params.get("labels"),
        "data_name": context.dataset.name,
        "timeout": settings.JOB_TIMEOUT_SECONDS,
        "cancelled": context.cancelled,
    }


def intact(path: Path, sha256: str) -> Path:
    """The artifact's file, if it still is what was registered."""
    with path.open("rb") as file:
        found = storage.sha256(file)
    if found != sha256:
        raise BadInput(f"The stored artifact has the digest sha256:{found}, not the registered sha256:{sha256}.")
    return path


def brought(context: Context) -> list[str]:
    """Say so when the artifact that will be promoted was not what made the predictions."""
    if context.version.artifact is None:
        return []
    return ["The predictions were brought by the dataset; the version's artifact was not run."]
