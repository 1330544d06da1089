"""The confined process: what it opens and then requests as lines of standard input, progress and a reply to each as
lines of standard output."""

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audits.sandbox.confinement import Limits, close_inherited, confine
from audits.sandbox.failures import Unfit, mismatch, refused, told

if TYPE_CHECKING:
    from audits.sandbox.models import Model

READERS = {
    "skops": ("audits.sandbox.skops_model", "SkopsModel"),
    "xgboost-json": ("audits.sandbox.xgboost_model", "XgboostModel"),
    "xgboost-ubj": ("audits.sandbox.xgboost_model", "XgboostModel"),
    "lightgbm-text": ("audits.sandbox.lightgbm_model", "LightgbmModel"),
    "catboost-cbm": ("audits.sandbox.catboost_model", "CatboostModel"),
    "onnx": ("audits.sandbox.onnx_model", "OnnxModel"),
    "package": ("audits.sandbox.guest", "GuestCheck"),
}
OWN_FOLDERS = ("HOME", "TMPDIR", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")


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


def answer(request: dict[str, Any], model: "Model", channel: Channel) -> dict[str, Any]:
    """Match the data, do the task, write its arrays into the output folder."""
    if request["task"] == "measure":
        found: dict[str, Any] = model.measure(request, channel)  # type: ignore[attr-defined] # a package's
        return found
    params = request["params"]
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
        "notes": list(dict.fromkeys([*model.notes, *result["notes"]])),
        "libraries": {"python": sys.version.split()[0], **model.libraries},
    }


def _load(kind: str, path: Path) -> "Model":
    """Import only the library the format needs."""
    if kind not in READERS:
        raise refused(f"There is no reader for the format {kind!r}.")
    module, reader = READERS[kind]
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


class Session:
    """One model, loaded at the first request and kept for the others."""

    def __init__(self, opening: dict[str, Any], channel: Channel) -> None:
        self.opening, self.channel = opening, channel
        self.model: Model | None = None

    def reply(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            if self.model is None:
                self.model = self._loaded()
            return {"ok": True, **answer(self.opening | request, self.model, self.channel)}
        except Unfit as unfit:
            return {"ok": False, "error": str(unfit), "kind": unfit.kind}
        except MemoryError:
            limit = self.opening["limits"]["memory"] / (1 << 30)
            sentence = f"The model needs more memory than its limit of {limit:g} GiB."
            return {"ok": False, "error": sentence, "kind": "crash"}

    def _loaded(self) -> "Model":
        self.channel.progress(0.0, "loading the model")
        path = self.opening["artifact"]
        with _saying("The model file could not be read", kind="refused", path=path):
            return _load(self.opening["format"], Path(path))


def serve(lines: Iterable[bytes]) -> None:
    """Confine this process as the first line says, and only then answer the others."""
    channel, requests = Channel(), iter(lines)
    opening = json.loads(next(requests))
    folder = Path(opening["output"])
    os.chdir(folder)
    os.environ.update(dict.fromkeys(OWN_FOLDERS, str(folder)))
    confinement = confine(
        limits=Limits(**opening["limits"]), folder=folder, readable=[Path(opening["artifact"]).parent]
    )
    session = Session(opening, channel)
    for line in requests:
        channel.say(session.reply(json.loads(line)) | {"confinement": confinement})


def main() -> None:
    close_inherited()
    serve(sys.stdin.buffer)


if __name__ == "__main__":
    main()
