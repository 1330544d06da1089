"""The files that one child is given, and the folder it may write to."""

import io
import math
import os
import shutil
import stat
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
    """The model and the data, which the child may only read, and `path`, a folder of its own to write to.

    A child that answers many requests lives while its answers are read and its next data is written: what it can write
    is never written to, mapped or followed here.
    """

    def __init__(self, artifact: Path) -> None:
        self.artifact = artifact

    def __enter__(self) -> Self:
        self.holder = tempfile.TemporaryDirectory(prefix="countersign-", ignore_cleanup_errors=True)
        given = Path(self.holder.name)
        self.model, self.data, self.path = given / "model", given / "data.parquet", given / "own"
        try:
            shutil.copyfile(self.artifact, self.model)
            self.model.chmod(0o444)
            self.path.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(self.path, NOBODY, NOBODY)
                os.chown(given, 0, NOBODY)
                given.chmod(0o750)
        except BaseException:
            self.holder.cleanup()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.holder.cleanup()

    def give(self, frame: pd.DataFrame) -> None:
        """Put a table where the child reads it, in place of the one before."""
        if not len(frame):
            raise ChildFailed("The dataset has no rows to score.", kind="mismatch")
        repeated = [str(name) for name in frame.columns[frame.columns.duplicated()]]
        if repeated:
            raise ChildFailed(f"The dataset has two columns named {repeated[0]!r}.", kind="mismatch")
        self.data.unlink(missing_ok=True)
        _write(frame, self.data)
        self.data.chmod(0o444)

    def array(self, name: str, shape: tuple[int, ...]) -> Array:
        """Read what the child wrote as if it were hostile: no link, never unpickled, of the shape expected."""
        try:
            handle = os.open(self.path / f"{name}.npy", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                return _floats(file, shape)
        except (OSError, ValueError) as error:
            raise ChildFailed(NO_RESULT, kind="crash", detail=str(error)) from None


def _floats(file: Any, shape: tuple[int, ...]) -> Array:
    """The array, if the file starts as this array's does; nothing of a stranger's header is parsed."""
    expected = io.BytesIO()
    about = {"descr": np.dtype(np.float64).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(expected, about)
    size = expected.tell() + 8 * math.prod(shape)
    state = os.fstat(file.fileno())
    if not stat.S_ISREG(state.st_mode) or state.st_size != size or file.read(expected.tell()) != expected.getvalue():
        raise ValueError("another shape")
    return np.fromfile(file, dtype=np.float64).reshape(shape)


def _write(frame: pd.DataFrame, path: Path) -> None:
    renamed = frame.set_axis([str(column) for column in frame.columns], axis=1)
    try:
        renamed.to_parquet(path, index=False)
    except (ValueError, TypeError) as error:
        detail = str(error).splitlines()[0]
        raise ChildFailed(f"The dataset mixes types within a column ({detail}).", kind="mismatch") from None
