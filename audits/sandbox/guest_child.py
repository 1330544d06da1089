"""In the worker: hand a package's check its table, and take its result; nothing of the package runs here."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audits.sandbox.confinement import Limits
from audits.sandbox.failures import ChildFailed
from audits.sandbox.folder import Folder
from audits.sandbox.guest import SCORES
from audits.sandbox.process import Child, OnProgress

MOST_WRITTEN, MOST_FILES = 1 << 30, 10_000
_LARGEST_FILE = 256 << 20
_THREADS = 2
# How the sandbox speaks of models, and what to call a check that failed likewise.
_WORDS = (("model file crashed its reader", "check crashed"), ("model's reader", "check"), ("model", "check"))


@dataclass(frozen=True)
class Found:
    """`result` is whatever JSON the child gave: judge it before it is used."""

    result: Any
    libraries: dict[str, str]
    confinement: dict[str, str]


def measure(
    *,
    package: Path,
    module: str,
    data: pd.DataFrame,
    scores: Any = None,
    params: dict[str, Any],
    timeout: float,
    limits: Limits | None = None,
    on_progress: OnProgress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Found:
    """Run `run(frame, scores, params, progress)` of a module of the package, an archive, in a confined child."""
    limits = limits or Limits(cpu=int(timeout * _THREADS) + 1, file=_LARGEST_FILE)
    handed = data if scores is None else data.assign(**{SCORES: np.asarray(scores, dtype=np.float64)})
    with Folder(package) as folder:

        def stopped() -> bool:
            _refuse_full(folder.path)
            return cancelled()

        opening = {"format": "package", "data_name": "the dataset"}
        try:
            with Child(folder, opening, timeout=timeout, limits=limits, cancelled=stopped) as child:
                folder.give(handed)
                request = {"task": "measure", "params": {"module": module, "params": params}}
                reply = child.ask(request, on_progress)
        except ChildFailed as failure:
            raise _of_a_check(failure) from failure
    try:
        libraries = {str(name): str(version)[:60] for name, version in reply["libraries"].items()}
        return Found(reply["result"], libraries, reply["confinement"])
    except (KeyError, AttributeError) as error:
        raise ChildFailed("The check returned no usable result.", kind="crash", detail=repr(error)) from error


def _refuse_full(folder: Path) -> None:
    """The kernel limits one file, not all of them together."""
    written = count = 0
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            count += 1
            try:
                written += os.lstat(os.path.join(place, name)).st_blocks * 512  # noqa: PTH118 -- as many as fit
            except OSError:
                continue
            if written > MOST_WRITTEN or count > MOST_FILES:
                sentence = (
                    f"The check wrote more than {MOST_WRITTEN >> 30} GiB or {MOST_FILES:,} files and was stopped."
                )
                raise ChildFailed(sentence, kind="crash")


def _of_a_check(failure: ChildFailed) -> ChildFailed:
    """The same failure, said of a check: its first clause, for the rest is advice about model files."""
    sentence = str(failure)
    if failure.kind in ("crash", "timeout"):
        sentence = sentence.partition(": ")[0].rstrip(".")
        for old, new in _WORDS:
            sentence = re.sub(rf"\b{old}\b", new, sentence)
        sentence += "."
    return ChildFailed(sentence, kind=failure.kind, detail=failure.detail)
