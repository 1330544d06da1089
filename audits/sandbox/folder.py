"""A private folder for one child."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from audits.sandbox.confinement import NOBODY
from audits.sandbox.failures import ChildFailed

NO_RESULT = "The model's reader returned no usable result: the file may be hostile; save the model again."
Array = np.ndarray[Any, np.dtype[np.float64]]


class Folder:
    """A private folder for one child: the model (read-only), the data, and what it writes."""

    def __init__(self, artifact: Path, data: pd.DataFrame) -> None:
        if not len(data):
            raise ChildFailed("The dataset has no rows to score.", kind="mismatch")
        repeated = [str(name) for name in data.columns[data.columns.duplicated()]]
        if repeated:
            raise ChildFailed(f"The dataset has two columns named {repeated[0]!r}.", kind="mismatch")
        self.artifact, self.frame = artifact, data

    def __enter__(self) -> Self:
        self.holder = tempfile.TemporaryDirectory(prefix="countersign-", ignore_cleanup_errors=True)
        self.path = Path(self.holder.name)
        self.model, self.data = self.path / "model", self.path / "data.parquet"
        try:
            shutil.copyfile(self.artifact, self.model)
            _write(self.frame, self.data)
        except BaseException:
            self.holder.cleanup()
            raise
        for file in (self.model, self.data):
            file.chmod(0o444)
        if os.geteuid() == 0:
            os.chown(self.path, NOBODY, NOBODY)
        return self

    def __exit__(self, *_: object) -> None:
        self.holder.cleanup()

    def array(self, name: str, shape: tuple[int, ...]) -> Array:
        """Read what the child wrote as if it were hostile: mapped, never unpickled, of the shape expected."""
        path = self.path / f"{name}.npy"
        try:
            if path.is_symlink():
                raise ValueError("a link")
            found = np.load(path, mmap_mode="r", allow_pickle=False)
            if found.shape != shape or found.dtype != np.float64:
                raise ValueError("another shape")
            return np.array(found)
        except (OSError, ValueError) as error:
            raise ChildFailed(NO_RESULT, kind="crash", detail=str(error)) from None


def _write(frame: pd.DataFrame, path: Path) -> None:
    renamed = frame.set_axis([str(column) for column in frame.columns], axis=1)
    try:
        renamed.to_parquet(path, index=False)
    except (ValueError, TypeError) as error:
        detail = str(error).splitlines()[0]
        raise ChildFailed(f"The dataset mixes types within a column ({detail}).", kind="mismatch") from None
