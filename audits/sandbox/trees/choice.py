"""Which engine explains trees, and whether its values stand."""

from collections.abc import Callable
from importlib.metadata import version

import numpy as np

from audits.sandbox.models import Array, Game
from audits.sandbox.trees.ensemble import Ensemble, Unreadable

Other = Callable[[Array], Game | None]
# Compiling takes about ten seconds, in which a library's own engine does so many rows x leaves.
WORTHWHILE = 50_000_000
# In the interventional game, shap visits the trees once for each background row, at a twentieth of that cost.
PAIRED = 20
SPOTS = 3
_SPOT_TOLERANCE = 5e-5


def explain(
    read: Callable[[], Ensemble],
    rows: Array,
    background: Array | None,
    *,
    output: Array,
    scale: str,
    tolerance: float,
    other: Other,
) -> Game | None:
    """Values by the compiled engine where the work is worth compiling it, else by `other`, which plays the same game.

    `other` explains the rows at the positions it is given. The compiled engine's values stand only if they
    add up to `output` and agree with `other` on a few rows; if not, `other` does all, and a note says so.
    """
    everyone = np.arange(len(rows))
    try:
        trees = read()
        if work(trees, len(rows), 0 if background is None else len(background)) < WORTHWHILE:
            return other(everyone)
        values, base = _compiled(trees, rows, background)
    except Unreadable as why:
        return _noted(other(everyone), f"The trees hold {why}, which the compiled engine leaves to the library's own.")
    game = "tree, path-dependent" if background is None else "tree, interventional"
    found = Game(values, base, output, game, scale, tolerance)
    if not found.adds_up():
        return _noted(other(everyone), f"The compiled engine missed the output by {found.gap():.2g} and was not used.")
    spots = np.unique(np.linspace(0, len(rows) - 1, SPOTS).astype(int))
    second = other(spots)
    if second is None:
        found.notes.append("No second engine could explain these trees: the values were checked to add up only.")
        return found
    apart = float(np.max(np.abs(second.values - found.values[spots]), initial=0.0))
    if apart > _SPOT_TOLERANCE * max(1.0, float(np.max(np.abs(second.values), initial=0.0))):
        return _noted(other(everyone), f"The compiled engine was {apart:.2g} away from a second one and was not used.")
    found.notes.append(
        f"Explained by the engine that numba {version('numba')} compiles; a second engine, asked for {len(spots)} of "
        f"the rows, agrees within {apart:.1g}."
    )
    return found


def work(trees: Ensemble, rows: int, background: int) -> int:
    """Rows x leaves, as a library's own engine would visit them."""
    return rows * trees.leaves * max(PAIRED, background) // PAIRED


def _compiled(trees: Ensemble, rows: Array, background: Array | None) -> tuple[Array, float]:
    from audits.sandbox.trees import engine

    return engine.explain(trees, rows, background)


def _noted(game: Game | None, note: str) -> Game | None:
    if game is not None:
        game.notes.append(note)
    return game
