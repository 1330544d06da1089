"""ONNX has no magic number: recognise the model by walking its protobuf structure, without loading it."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from registry.formats.kinds import UPLOAD_AGAIN, Format, Refusal

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
_IR_VERSIONS = tuple(bytes([0x08, version]) for version in range(1, 31))
_MAX_FIELDS = 2_000_000
_MORE = 0x80
# Which fields of which message hold messages worth entering, after onnx.proto.
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_NUMBERS_OF_ATTRIBUTE = {7, 8}
_MODEL_FIELDS = {1: VARINT, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 6: BYTES, 7: BYTES, 8: BYTES}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


class Field(NamedTuple):
    """One protobuf field: a number's value, or where its bytes start and how many they are."""

    number: int
    wire: int
    value: int
    size: int


def is_onnx(head: bytes) -> bool:
    """ModelProto begins with a small ir_version and goes on with one of its next fields."""
    if not head.startswith(_IR_VERSIONS) or len(head) == len(_IR_VERSIONS[0]):
        return False
    tag = head[2]
    return _MODEL_FIELDS.get(tag >> 3) == tag & 7


def identify(file: BinaryIO, name: str) -> Format:
    """A whole ModelProto with a graph and an operator set, every tensor inside the file."""
    size = file.seek(0, 2)
    try:
        numbers = {field.number for field in fields(file, 0, size)}
        external = _has_external_data(file, "model", 0, size, [_MAX_FIELDS])
    except (ValueError, RecursionError) as error:
        raise Refusal(name, f"begins like an ONNX model but is cut short or damaged ({error})", UPLOAD_AGAIN) from None
    if not {7, 8} <= numbers:
        raise Refusal(name, "begins like an ONNX model but has no graph or operator set", "export the model again")
    if external:
        mend = "save it with its tensors inside (onnx.save with save_as_external_data=False)"
        raise Refusal(name, "is an ONNX model that keeps tensors in other files", mend)
    return Format.ONNX


def fields(file: BinaryIO, start: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message in `start:end`; raise `ValueError` where it isn't one."""
    position = start
    while position < end:
        file.seek(position)
        window = file.read(min(20, end - position))
        key, used = _varint(window, 0, position)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise ValueError(f"no field number at byte {position:,}")
        value, size = position + used, _FIXED.get(wire, 0)
        if wire in (VARINT, BYTES):
            value, used = _varint(window, used, position)
        if wire == BYTES:
            value, size = position + used, value
        elif wire not in (VARINT, FIXED32, FIXED64):
            raise ValueError(f"no field type at byte {position:,}")
        position = position + used + size
        if position > end:
            raise ValueError(f"the field at byte {value:,} runs {position - end:,} bytes past the end")
        yield Field(number, wire, value, size)


def _varint(window: bytes, at: int, position: int) -> tuple[int, int]:
    result = 0
    for shift in range(10):
        if at >= len(window):
            raise ValueError(f"the file ends inside a number at byte {position:,}")
        byte = window[at]
        at += 1
        result |= (byte & 0x7F) << (7 * shift)
        if not byte & _MORE:
            return result, at
    raise ValueError(f"an endless number at byte {position:,}")


def _has_external_data(file: BinaryIO, message: str, start: int, end: int, budget: list[int]) -> bool:
    for field in fields(file, start, end):
        budget[0] -= 1
        if budget[0] < 0:
            return False
        if message == "tensor" and (
            field.number == _EXTERNAL_DATA or (field.number, field.value) == (_DATA_LOCATION, 1)
        ):
            return True
        # A tree ensemble keeps millions of numbers here; tensors never follow them in one attribute.
        if message == "attribute" and field.number in _NUMBERS_OF_ATTRIBUTE:
            return False
        child = _CHILDREN[message].get(field.number)
        if (
            child
            and field.wire == BYTES
            and _has_external_data(file, child, field.value, field.value + field.size, budget)
        ):
            return True
    return False
