"""How much worse the scores get when an input is shuffled, so that it says nothing of its row."""

from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from audits.measures import mixtures
from audits.measures.errors import Unmeasurable
from audits.measures.inputs import booleans, finite, require_same_rows, require_whole
from audits.measures.mixtures import Floats, Index, Score


def auc_loss(target: Floats, score: Floats) -> float:
    """1 - AUC, ties counting half."""
    positives = int(target.sum())
    negatives = len(target) - positives
    if not positives or not negatives:
        raise Unmeasurable(param="target", sentence="AUC is undefined: the target holds a single outcome.")
    ranks = float(rankdata(score)[target == 1].sum())
    return 1 - (ranks - positives * (positives + 1) / 2) / (positives * negatives)


def squared_error(target: Floats, score: Floats) -> float:
    return float(np.mean((target - score) ** 2))


def log_loss(target: Floats, score: Floats) -> float:
    """In nats; scores are kept a rounding away from 0 and 1."""
    rounding = np.finfo(np.float64).eps
    sure = np.clip(score, rounding, 1 - rounding)
    return float(-np.mean(np.where(target == 1, np.log(sure), np.log1p(-sure))))


LOSSES: dict[str, Callable[[Floats, Floats], float]] = {
    "auc": auc_loss,
    "brier": squared_error,
    "log_loss": log_loss,
    "squared_error": squared_error,
}
PROBABILITIES = {"brier", "log_loss"}


def permutation_importance(
    *,
    score: Score,
    data: pd.DataFrame,
    target: ArrayLike,
    features: Sequence[str] | None = None,
    loss: str = "auc",
    repeats: int = 5,
    seed: int = 0,
    orders: Index | None = None,
) -> dict[str, Any]:
    """The mean rise of the loss when each feature is shuffled, the largest first, with its standard error.

    Breiman, Machine Learning 45 (2001) 5-32; Fisher, Rudin and Dominici, JMLR 20 (2019) 177. data: (n, d), target:
    (n,), truth values (amounts for squared_error). Every feature is shuffled by the same `repeats` orders (repeats, n),
    drawn by the seed unless given. loss "auc" is 1 - AUC, so its rise is the drop of AUC. The standard error is that of
    the mean over the orders: it says nothing of the sampling of rows.
    """
    mixtures.require_table("data", data)
    if loss not in LOSSES:
        raise Unmeasurable(param="loss", sentence=f"loss is “{loss}”; choose from {', '.join(LOSSES)}.")
    require_same_rows({"target": target, "data": data.index})
    happened = finite("target", target) if loss == "squared_error" else booleans("target", target).astype(np.float64)
    rows, width = data.shape
    if orders is None:
        require_whole("repeats", repeats, least=1)
        require_whole("seed", seed, least=0)
        orders = np.random.default_rng(seed).permuted(np.tile(np.arange(rows), (repeats, 1)), axis=1)
    names = list(data.columns) if features is None else list(features)
    places = [mixtures.place_of(data, name, "features") for name in names]
    measured = LOSSES[loss]
    intact = mixtures.ask(score, data)
    require_probabilities(loss, intact)
    baseline = measured(happened, intact)
    parts = (shuffled(order, width, place) for place in places for order in orders)
    rises = [measured(happened, found) - baseline for found in mixtures.scored(score, data, parts)]
    table = np.array(rises).reshape(len(names), len(orders))
    return {
        "loss": loss,
        "baseline": 1 - baseline if loss == "auc" else baseline,
        "rows": rows,
        "repeats": len(orders),
        "features": sorted(map(summary, names, table), key=lambda row: -row["mean"]),
    }


def shuffled(order: NDArray[np.int64], width: int, place: int) -> Index:
    index = mixtures.whole_rows(np.arange(len(order)), width)
    index[:, place] = order
    return index


def summary(name: str, rises: Floats) -> dict[str, Any]:
    sd = float(rises.std(ddof=1)) if len(rises) > 1 else None
    error = None if sd is None else sd / sqrt(len(rises))
    return {"feature": name, "mean": float(rises.mean()), "sd": sd, "standard_error": error}


def require_probabilities(loss: str, score: Floats) -> None:
    if loss in PROBABILITIES and (score.min() < 0 or score.max() > 1):
        sentence = (
            f"The scores lie from {score.min():g} to {score.max():g}, so they are no probabilities and have no "
            f"{loss}; choose the loss auc, or squared_error for amounts."
        )
        raise Unmeasurable(param="loss", sentence=sentence)
