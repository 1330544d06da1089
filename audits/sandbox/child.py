"""The confined process: one request on standard input, progress and one reply on standard output."""

import contextlib
import importlib
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audits.sandbox.confinement import Limits, close_inherited, confine
from audits.sandbox.failures import Unfit, mismatch, refused, told

if TYPE_CHECKING:
    from audits.sandbox.models import Model

_READERS = {
    "skops": ("audits.sandbox.skops_model", "SkopsModel"),
    "xgboost-json": ("audits.sandbox.xgboost_model", "XgboostModel"),
    "xgboost-ubj": ("audits.sandbox.xgboost_model", "XgboostModel"),
    "lightgbm-text": ("audits.sandbox.lightgbm_model", "LightgbmModel"),
    "catboost-cbm": ("audits.sandbox.catboost_model", "CatboostModel"),
    "onnx": ("audits.sandbox.onnx_model", "OnnxModel"),
}


class Channel:
    """The parent's line, kept from libraries that print."""

    def __init__(self) -> None:
        self.line = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def say(self, message: dict[str, Any]) -> None:
        self.line.write(json.dumps(message) + "\n")
        self.line.flush()

    def progress(self, fraction: float, stage: str) -> None:
        self.say({"progress": round(fraction, 4), "stage": stage})


@contextlib.contextmanager
def _saying(what: str, *, kind: str, path: str) -> Iterator[None]:
    """Turn whatever a library raises into one sentence."""
    try:
        yield
    except (Unfit, MemoryError):
        raise
    except Exception as error:
        # Each library raises its own, and a stranger's file decides which.
        raise Unfit(f"{what}: {told(error, path=path)}.", kind=kind) from error


def answer(request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Load the model, match the data, do the task, write its arrays into the output folder."""
    channel.progress(0.0, "loading the model")
    params = request["params"]
    with _saying("The model file could not be read", kind="refused", path=request["artifact"]):
        model = _load(request["format"], Path(request["artifact"]))
    model.data = request["data_name"]
    frame = _frame(Path(request["data"]))
    with _saying(f"The model could not score {model.data}", kind="mismatch", path=request["artifact"]):
        frame = model.matched(frame)
        model.inspect(frame)
        model.relabel(params.get("labels"))
        target = model.target(params.get("favourable"))
        work = _predict if request["task"] == "predict" else _explain
        result = work(model, frame, target, request, channel)
    return result | {
        "classes": [label if isinstance(label, bool | int | float | str) else str(label) for label in model.classes],
        "features": [str(column) for column in frame.columns],
        "n": len(frame),
        "target": target,
        "notes": [*model.notes, *result["notes"]],
        "libraries": {"python": sys.version.split()[0], **model.libraries},
    }


def _load(kind: str, path: Path) -> "Model":
    """Import only the library the format needs."""
    if kind not in _READERS:
        raise refused(f"There is no reader for the format {kind!r}.")
    module, reader = _READERS[kind]
    model: Model = getattr(importlib.import_module(module), reader)(path)
    return model


def _frame(path: Path) -> Any:
    import pandas as pd

    return pd.read_parquet(path)


def _predict(model: "Model", frame: Any, target: int | None, request: Any, channel: Channel) -> dict[str, Any]:
    import numpy as np

    channel.progress(0.3, f"scoring {len(frame)} rows")
    outputs = model.outputs(frame)
    _refuse_missing(outputs)
    np.save(Path(request["output"]) / "outputs.npy", np.ascontiguousarray(outputs, dtype=np.float64))
    return {"notes": [], "scale": model.scale if model.classes else "raw"}


def _explain(model: "Model", frame: Any, target: int | None, request: Any, channel: Channel) -> dict[str, Any]:
    import numpy as np

    from audits.sandbox import explanation

    params = request["params"]
    if target is not None and params.get("favourable") is None and len(model.classes) > 2:
        listed = ", ".join(str(label) for label in model.classes)
        raise mismatch(f"The model has the classes {listed}: say which one to explain.")
    chosen = explanation.sample(len(frame), rows=params["rows"], background=params["background"], seed=params["seed"])
    _refuse_missing(model.scores(frame.iloc[chosen.rows], target))
    game = explanation.explain(
        model, frame, chosen, target=target, game=params.get("game"), seed=params["seed"], progress=channel.progress
    )
    arrays = {"values": game.values, "output": game.output, "rows": chosen.rows.astype(np.float64)}
    if game.errors is not None:
        arrays["errors"] = game.errors
    for name, array in arrays.items():
        np.save(Path(request["output"]) / f"{name}.npy", np.ascontiguousarray(array, dtype=np.float64))
    return {
        "notes": game.notes,
        "base": game.base,
        "game": game.game,
        "scale": game.scale,
        "gap": game.gap(),
        "errors": game.errors is not None,
        "background": len(chosen.background),
        "seed": params["seed"],
    }


def _refuse_missing(values: Any) -> None:
    import numpy as np

    broken = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if broken.any():
        first = int(np.flatnonzero(broken)[0]) + 1
        raise mismatch(
            f"The model returned no number for {int(broken.sum())} of {len(values)} rows (first: row {first})."
        )


def main() -> None:
    close_inherited()
    channel = Channel()
    request = json.load(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8"))
    confinement = confine(limits=Limits(**request["limits"]), folder=Path(request["output"]))
    try:
        reply = {"ok": True, **answer(request, channel)}
    except Unfit as unfit:
        reply = {"ok": False, "error": str(unfit), "kind": unfit.kind}
    except MemoryError:
        limit = request["limits"]["memory"] / (1 << 30)
        reply = {"ok": False, "error": f"The model needs more memory than its limit of {limit:g} GiB.", "kind": "crash"}
    channel.say(reply | {"confinement": confinement})


if __name__ == "__main__":
    main()
