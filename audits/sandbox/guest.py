"""In the child: a package's check, which is code, imported and run once this process is confined."""

import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from audits.sandbox.failures import Unfit, refused, told
from audits.sandbox.models import Array, Model

if TYPE_CHECKING:
    from audits.sandbox.child import Channel

SCORES = "\x00scores"


class GuestCheck(Model):
    """A package instead of a model: it measures, and scores nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        sys.path.insert(0, str(path))

    def outputs(self, frame: pd.DataFrame) -> Array:
        raise refused("A package with a check is no model.")

    def measure(self, request: dict[str, Any], channel: "Channel") -> dict[str, Any]:
        asked = request["params"]
        frame = pd.read_parquet(request["data"])
        scores = frame.pop(SCORES).to_numpy() if SCORES in frame else None
        channel.progress(0.0, "importing the check")
        try:
            run = importlib.import_module(asked["module"]).run
            text = json.dumps(run(frame, scores, asked["params"], channel.progress), allow_nan=False, default=_plain)
        except (Unfit, MemoryError):
            raise
        except Exception as error:
            # It is a stranger's code.
            sentence = f"{type(error).__name__}: {told(error, path=request['artifact'])}"
            raise refused(f"The check raised {sentence}.") from error
        return {"result": json.loads(text), "libraries": {"python": sys.version.split()[0]}}


def _plain(value: Any) -> Any:
    """numpy's numbers and arrays as JSON has them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"its result holds a {type(value).__name__}, which JSON can't hold")
