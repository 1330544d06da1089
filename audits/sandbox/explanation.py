"""Explain a model's scores: exactly where its form allows, by sampling otherwise; every run is checked to add up."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from audits.sandbox import permutation
from audits.sandbox.failures import Unfit
from audits.sandbox.models import Array, Game, Model, Progress

BLOCK = 4096


@dataclass(frozen=True)
class Sample:
    """Which rows are explained and which stand for the usual case."""

    rows: Array
    background: Array


def sample(count: int, *, rows: int, background: int, seed: int) -> Sample:
    random = np.random.default_rng(seed)
    return Sample(
        np.sort(random.choice(count, size=min(rows, count), replace=False)),
        np.sort(random.choice(count, size=min(background, count), replace=False)),
    )


def explain(
    model: Model,
    frame: pd.DataFrame,
    chosen: Sample,
    *,
    target: int | None,
    game: str | None,
    seed: int,
    progress: Progress,
) -> Game:
    """Values over the model's own columns; a game that doesn't add up is replaced by sampling, with a note."""
    rows, background = frame.iloc[chosen.rows], frame.iloc[chosen.background]
    notes: list[str] = []
    if game != "permutation":
        exact = _in_blocks(model, (rows, background), target, game, progress)
        if exact is not None and exact.adds_up():
            return exact
        if exact is not None:
            notes.append(
                f"The exact explainer missed the model's output by {exact.gap():.2g}; values are sampled instead."
            )
    sampled = permutation.explain(
        lambda part: model.scores(part, target),
        rows,
        background,
        seed=seed,
        scale=model.scale if target is not None else "raw",
        progress=progress,
    )
    if not sampled.adds_up():
        raise Unfit("The explanation does not add up to the model's output, so it is not shown.", kind="crash")
    sampled.notes = [*notes, *sampled.notes]
    return sampled


def _in_blocks(
    model: Model,
    parts: tuple[pd.DataFrame, pd.DataFrame],
    target: int | None,
    game: str | None,
    progress: Progress,
) -> Game | None:
    """Blocks of rows keep memory flat and let progress be seen."""
    (rows, background), games, done = parts, [], 0
    for places in np.array_split(np.arange(len(rows)), -(-len(rows) // BLOCK)):
        part = rows.iloc[places]
        found = model.explain(part, background, target=target, interventional=game == "interventional")
        if found is None:
            return None
        games.append(found)
        done += len(part)
        progress(done / len(rows), f"explaining rows {done} of {len(rows)}")
    whole = games[0]
    whole.values = np.vstack([each.values for each in games])
    whole.output = np.concatenate([each.output for each in games])
    if any(each.scale != whole.scale for each in games):
        whole.scale = "raw"
    return whole
