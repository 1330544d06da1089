"""ONNX models, run on the CPU by onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd

from audits.sandbox import features
from audits.sandbox.failures import refused
from audits.sandbox.models import Array, Model
from registry.formats import onnx_wire

_TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
_LABELS = {b"classlabels_int64s", b"classlabels_ints", b"classlabels_strings"}
_SUM_TOLERANCE = 1e-3
_ATTRIBUTE_INTS, _ATTRIBUTE_STRINGS = 8, 9


class OnnxModel(Model):
    def __init__(self, path: Path) -> None:
        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = 2, 1, 4
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.libraries = {"onnxruntime": onnxruntime.__version__}
        self.inputs = self.session.get_inputs()
        if len(self.inputs) > 1:
            self.names = [each.name for each in self.inputs]
        elif len(self.inputs[0].shape) == 2 and isinstance(self.inputs[0].shape[1], int):
            self.width = self.inputs[0].shape[1]
        self.output, self.mapped = _output(self.session)
        self.labels = _class_labels(path)

    def inspect(self, frame: pd.DataFrame) -> None:
        """Only a run tells how many classes a model has whose shapes are open."""
        (found,) = self.session.run([self.output], self._feed(frame.head(1)))
        if self.mapped:
            self.classes = list(found[0])
        elif found.ndim > 1 and found.shape[1] > 1:
            width = found.shape[1]
            self.classes = self.labels if len(self.labels) == width else list(range(width))
            likely = bool((found >= 0).all()) and np.allclose(found.sum(axis=1), 1.0, atol=_SUM_TOLERANCE)
            self.scale = "probability" if likely else "raw"
        if self.names is None and self.width is None:
            count = frame.shape[1]
            self.notes.append(
                f"The model doesn't say how many features it needs: it was given {count}, in their order."
            )

    def outputs(self, frame: pd.DataFrame) -> Array:
        (found,) = self.session.run([self.output], self._feed(frame))
        if self.mapped:
            return np.array([[row[label] for label in found[0]] for row in found], dtype=float)
        values = np.asarray(found, dtype=float)
        return values if self.classes else values.reshape(len(frame))

    def _feed(self, frame: pd.DataFrame) -> dict[str, Array]:
        if len(self.inputs) == 1:
            return {self.inputs[0].name: self._typed(frame, self.inputs[0].type)}
        return {
            each.name: self._typed(frame[[column]], each.type)
            for each, column in zip(self.inputs, frame.columns, strict=True)
        }

    def _typed(self, frame: pd.DataFrame, kind: str) -> Array:
        if kind == "tensor(string)":
            return np.asarray(frame.astype(str).to_numpy(dtype=object))
        if kind not in _TYPES:
            raise refused(f"The ONNX model wants an input of type {kind}, which a table can't give.")
        return np.asarray(features.numbers(frame, data=self.data), dtype=_TYPES[kind])


def _output(session: onnxruntime.InferenceSession) -> tuple[str, bool]:
    """The output that holds scores: a map of label to probability, else the last tensor of floats."""
    outputs = session.get_outputs()
    for each in outputs:
        if each.type.startswith("seq(map("):
            return each.name, True
    floats = [each.name for each in outputs if each.type in ("tensor(float)", "tensor(double)")]
    if not floats:
        raise refused("The ONNX model returns labels only: export it with its probabilities.")
    return floats[-1], False


def _class_labels(path: Path) -> list[Any]:
    """The labels a classifier node of onnx.ml carries, read from the file's structure."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        for graph in _messages(file, 0, size, 7):
            for node in _messages(file, *graph, 1):
                for attribute in _messages(file, *node, 5):
                    if labels := _labels(file, *attribute):
                        return labels
    return []


def _messages(file: Any, start: int, end: int, number: int) -> list[tuple[int, int]]:
    return [
        (each.value, each.value + each.size) for each in onnx_wire.fields(file, start, end) if each.number == number
    ]


def _labels(file: Any, start: int, end: int) -> list[Any]:
    labels: list[Any] = []
    for each in onnx_wire.fields(file, start, end):
        if each.number == 1 and _text(file, each) not in _LABELS:
            return []
        if each.number == _ATTRIBUTE_INTS and each.wire == onnx_wire.VARINT:
            labels.append(each.value)
        elif each.number == _ATTRIBUTE_INTS:
            labels.extend(_text(file, each))
        elif each.number == _ATTRIBUTE_STRINGS:
            labels.append(_text(file, each).decode("utf-8", "replace"))
    return labels


def _text(file: Any, field: onnx_wire.Field) -> bytes:
    file.seek(field.value)
    return bytes(file.read(field.size))
