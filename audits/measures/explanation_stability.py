"""Whether explanations stay: from one version of a model to the next, and under small noise in the inputs."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kendalltau, rankdata

from audits.measures import mixtures
from audits.measures.errors import Unmeasurable
from audits.measures.explanation import matrix
from audits.measures.inputs import finite, require_whole
from audits.measures.labels import plain
from audits.measures.mixtures import Floats, deviation, numeric

FEWEST_RANKED = 2


def between(
    *, values: ArrayLike, other: ArrayLike, features: Sequence[str], top: int = 5, same_unit: bool = True
) -> dict[str, Any]:
    """How far two explanations of the same rows agree: values and other (n, d), columns named by `features`.

    `kendall` (tau-b) and `spearman` rank the features by mean |contribution|; `top_overlap` is the share of the `top`
    most important features of one that are among those of the other; `sign_agreement` the share of contributions that
    push the same way, among those of which at least one is not 0; `mean_abs_difference` that of contributions, None
    where same_unit is False. What is undefined is None, and `reasons` says why.
    """
    ours, theirs = matrix(values), matrix(other)
    if not len(ours) or ours.shape != theirs.shape or ours.shape[1] != len(features):
        sentence = (
            f"values has shape {ours.shape}, other {theirs.shape}, with {len(features)} features; make them match."
        )
        raise Unmeasurable(param="other", sentence=sentence)
    require_whole("top", top, least=1)
    sizes, other_sizes = np.abs(ours).mean(axis=0), np.abs(theirs).mean(axis=0)
    reasons = []
    ranks = rank_correlations(sizes, other_sizes)
    if ranks["spearman"] is None:
        reasons.append("Rank correlation needs two features or more whose importance differs, in both explanations.")
    if not same_unit:
        reasons.append("The two explanations have different units, so their contributions are not subtracted.")
    pushing = (ours != 0) | (theirs != 0)
    if not pushing.any():
        reasons.append("No contribution differs from 0, so no sign can agree.")
    agree = np.sign(ours) == np.sign(theirs)
    order = np.argsort(-np.maximum(sizes, other_sizes), kind="stable")
    return {
        **ranks,
        "top": min(top, len(features)),
        "top_overlap": top_overlap(sizes, other_sizes, top),
        "sign_agreement": float(agree[pushing].mean()) if pushing.any() else None,
        "mean_abs_difference": float(np.abs(ours - theirs).mean()) if same_unit else None,
        "importance": [
            {"feature": features[at], "mean_abs": float(sizes[at]), "other_mean_abs": float(other_sizes[at])}
            for at in order
        ],
        "reasons": reasons,
    }


def rank_correlations(one: Floats, other: Floats) -> dict[str, float | None]:
    """Kendall's tau-b and Spearman's rho; None where a side is constant or too short."""
    if len(one) < FEWEST_RANKED or np.ptp(one) == 0 or np.ptp(other) == 0:
        return {"kendall": None, "spearman": None}
    return {"kendall": float(kendalltau(one, other).statistic), "spearman": spearman(one, other)}


def spearman(one: Floats, other: Floats) -> float | None:
    """Pearson's correlation of midranks."""
    if len(one) < FEWEST_RANKED or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.clip(np.corrcoef(rankdata(one), rankdata(other))[0, 1], -1, 1))


def leaders(sizes: Floats, top: int) -> set[int]:
    return set(np.argsort(-sizes, kind="stable")[:top].tolist())


def top_overlap(one: Floats, other: Floats, top: int) -> float:
    return len(leaders(one, top) & leaders(other, top)) / min(top, len(one))


def noisy(
    *, rows: pd.DataFrame, data: pd.DataFrame, share: float, repeats: int, seed: int
) -> tuple[list[pd.DataFrame], Floats]:
    """`repeats` copies of rows with normal noise in every amount, and how far each row moved, (repeats, n).

    The noise is `share` of the amount's standard deviation in data; the move is Euclidean, in standard deviations.
    Categories, missing and infinite cells stay; whole numbers become fractions.
    """
    mixtures.require_table("data", data)
    require_whole("repeats", repeats, least=1)
    require_whole("seed", seed, least=0)
    if not 0 < share <= 1:
        raise Unmeasurable(param="share", sentence=f"share is {share:g}; pass a share above 0 and up to 1.")
    random = np.random.default_rng(seed)
    numbers = {
        name: data[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in data.columns if numeric(data[name])
    }
    sds = {name: deviation(values) for name, values in numbers.items()}
    copies, far = [], np.zeros((repeats, len(rows)))
    for repeat in range(repeats):
        copy = rows.copy()
        for name, sd in sds.items():
            noise = random.normal(scale=share, size=len(rows))
            if sd > 0:
                here = rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
                usual = np.isfinite(here)
                copy[name] = np.where(usual, here + sd * noise, here)
                far[repeat] += np.where(usual, noise, 0.0) ** 2
        copies.append(copy)
    return copies, np.sqrt(far)


def under_noise(
    *,
    values: ArrayLike,
    noisy_values: ArrayLike,
    moved: ArrayLike,
    output: ArrayLike,
    noisy_output: ArrayLike,
    rows: Sequence[Hashable],
    top: int = 5,
) -> dict[str, Any]:
    """How far contributions move when inputs do.

    values: (n, d); noisy_values: (repeats, n, d); moved: (repeats, n), the move in standard deviations; output: (n,);
    noisy_output: (repeats, n). `ratio` is the largest |φ(x') - φ(x)| / |x' - x| of each row (Euclidean), an estimate
    from below of the local Lipschitz constant of Alvarez-Melis and Jaakkola (2018): its median, its largest and the row
    of that. `rank_agreement` is the mean Spearman correlation of a row's |contributions| with their noisy ones,
    `top_overlap` the mean share of its `top` inputs that stay. Rows that never moved are left out and counted.
    """
    calm = matrix(values)
    moving = finite("noisy_values", np.asarray(noisy_values))
    far, before = finite("moved", np.asarray(moved)), finite("output", output)
    after = finite("noisy_output", np.asarray(noisy_output))
    repeats = len(moving)
    if moving.shape != (repeats, *calm.shape) or not far.shape == after.shape == (repeats, len(calm)):
        sentence = f"values has shape {calm.shape} and noisy_values {moving.shape}; pass as many rows in each repeat."
        raise Unmeasurable(param="noisy_values", sentence=sentence)
    require_whole("top", top, least=1)
    went = (far > 0).any(axis=0)
    if not went.any():
        raise Unmeasurable(param="moved", sentence="No row has an amount to add noise to.")
    shift = np.linalg.norm(moving - calm, axis=2)
    ratios = np.divide(shift, far, out=np.zeros_like(shift), where=far > 0).max(axis=0)
    ranks, overlaps = agreement(calm, moving, np.argwhere(far > 0), top)
    worst = int(np.argmax(np.where(went, ratios, -1.0)))
    return {
        "rows": int(went.sum()),
        "still": int((~went).sum()),
        "repeats": repeats,
        "ratio": {"median": float(np.median(ratios[went])), "largest": float(ratios[worst]), "row": plain(rows[worst])},
        "rank_agreement": float(np.mean(ranks)) if ranks else None,
        "top": min(top, calm.shape[1]),
        "top_overlap": float(np.mean(overlaps)),
        "mean_abs_difference": float(np.abs(moving - calm).mean(axis=2)[far > 0].mean()),
        "output_change": float(np.abs(after - before)[far > 0].mean()),
    }


def agreement(
    calm: Floats, moving: NDArray[np.float64], places: NDArray[np.int64], top: int
) -> tuple[list[float], list[float]]:
    ranks, overlaps = [], []
    for repeat, row in places:
        one, other = np.abs(calm[row]), np.abs(moving[repeat, row])
        overlaps.append(top_overlap(one, other, top))
        if (found := spearman(one, other)) is not None:
            ranks.append(found)
    return ranks, overlaps
