"""A log that is shorter than what was signed of it, as after a restored backup."""

from __future__ import annotations

from dataclasses import replace

from trail import checkpoints, signer

LOST = 100


def lose() -> None:
    checkpoints.current()
    kept = signer.state()
    signer.keep(replace(kept, size=kept.size + LOST))
