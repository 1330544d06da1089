"""XGBoost JSON and UBJSON, LightGBM text and CatBoost cbm: their structure, walked to its end, never loaded."""

import json
import re
import struct
from typing import BinaryIO

from registry.formats.kinds import UPLOAD_AGAIN, Format, Refusal

JSON_LIMIT = 64 << 20
CBM = b"CBM1"
_LINE_LIMIT = 16 << 20
_MAX_DEPTH = 32
_MAX_KEY = 65_536
_MAX_VALUES = 5_000_000
_INTEGERS = {b"i": "b", b"U": "B", b"I": ">h", b"l": ">i", b"L": ">q"}
_WIDTHS = {b"i": 1, b"U": 1, b"C": 1, b"I": 2, b"l": 4, b"d": 4, b"L": 8, b"D": 8}
_EMPTY_VALUES = b"ZNTF"


def is_lightgbm_text(head: bytes) -> bool:
    return re.match(rb"tree\r?\n(?:[^\n]*\n)?version=v\d", head) is not None


def lightgbm_text(file: BinaryIO, name: str) -> Format:
    """Every tree the header announces must be there, to the byte."""
    file.seek(0)
    header = file.read(_LINE_LIMIT)
    start = header.find(b"Tree=0")
    sizes = re.search(rb"^tree_sizes=((?:\d{1,12} ?)+)", header, re.MULTILINE)
    if start < 0 or sizes is None or not re.search(rb"^feature_names=", header, re.MULTILINE):
        raise Refusal(name, "begins like a LightGBM text model but is cut short in its header", UPLOAD_AGAIN)
    size = file.seek(0, 2)
    needed = start + sum(int(number) for number in sizes[1].split())
    if size < needed:
        what = f"is a LightGBM text model cut short: its header announces {needed:,} bytes and it has {size:,}"
        raise Refusal(name, what, UPLOAD_AGAIN)
    file.seek(needed)
    rest = file.read(_LINE_LIMIT)
    if b"end of trees" not in rest or (b"\nparameters:" in rest and b"\nend of parameters" not in rest):
        # what follows tells how categories were coded
        raise Refusal(name, "is a LightGBM text model cut short after its trees", UPLOAD_AGAIN)
    return Format.LIGHTGBM_TEXT


def catboost_cbm(file: BinaryIO, name: str) -> Format:
    """A FlatBuffers table of the length announced, whose root lies inside it; categories' statistics may follow."""
    size = file.seek(0, 2)
    file.seek(len(CBM))
    length, root = struct.unpack("<II", file.read(8).ljust(8, b"\0"))
    needed = len(CBM) + 4 + max(length, 8)
    if size < needed:
        what = f"is a CatBoost model cut short: it should have {needed:,} bytes and has {size:,}"
        raise Refusal(name, what, UPLOAD_AGAIN)
    file.seek(len(CBM) + 4 + root)
    (back,) = struct.unpack("<i", file.read(4)) if 4 <= root <= length - 4 else (-1,)
    if not 0 <= root - back <= length - 4:
        raise Refusal(name, "begins like a CatBoost model but is damaged", UPLOAD_AGAIN)
    return Format.CATBOOST_CBM


def xgboost_json(file: BinaryIO, name: str) -> Format:
    """A whole JSON document whose top level holds XGBoost's learner."""
    if file.seek(0, 2) > JSON_LIMIT:
        mend = 'save it with save_model("model.ubj") and upload that file'
        raise Refusal(name, f"is JSON larger than {JSON_LIMIT >> 20} MiB", mend)
    file.seek(0)
    try:
        document = json.loads(file.read())
    except (ValueError, RecursionError) as error:
        raise Refusal(name, f"is JSON that is cut short or damaged ({error})", UPLOAD_AGAIN) from None
    if isinstance(document, dict) and isinstance(document.get("learner"), dict):
        return Format.XGBOOST_JSON
    what, mend = _other_json(document)
    raise Refusal(name, what, mend)


def _other_json(document: object) -> tuple[str, str]:
    if isinstance(document, list) and document and isinstance(document[0], dict) and "nodeid" in document[0]:
        return (
            "is an XGBoost dump for reading, not a model",
            'use save_model("model.json") instead of dump_model',
        )
    if isinstance(document, dict) and "tree_info" in document:
        return "is a LightGBM JSON dump, which LightGBM cannot load", 'use save_model("model.txt") instead'
    return (
        "is JSON but not an XGBoost model (it has no learner)",
        'save the model with save_model("model.json")',
    )


def is_ubj(head: bytes) -> bool:
    """An object whose first key has a binary length: text JSON has a quote or a blank there."""
    return head[:1] == b"{" and head[1:2] in _INTEGERS


def xgboost_ubj(file: BinaryIO, name: str) -> Format:
    """A whole UBJSON document whose top level holds XGBoost's learner."""
    file.seek(1)
    try:
        keys = _Walk(file).object(depth=0)
    except EOFError:
        raise Refusal(name, "is UBJSON that is cut short", UPLOAD_AGAIN) from None
    except ValueError as error:
        raise Refusal(name, f"is UBJSON that is damaged ({error})", UPLOAD_AGAIN) from None
    if b"learner" not in keys:
        mend = 'save the model with save_model("model.ubj")'
        raise Refusal(name, "is UBJSON but not an XGBoost model (it has no learner)", mend)
    return Format.XGBOOST_UBJ


class _Walk:
    """A UBJSON reader that checks structure and skips payload."""

    def __init__(self, file: BinaryIO) -> None:
        here = file.tell()
        self.file, self.end, self.values = file, file.seek(0, 2), 0
        file.seek(here)

    def take(self, count: int) -> bytes:
        data = self.file.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def skip(self, count: int) -> None:
        if count < 0:
            raise ValueError("a negative length")
        if self.file.tell() + count > self.end:
            raise EOFError
        self.file.seek(count, 1)

    def length(self, marker: bytes) -> int:
        if marker not in _INTEGERS:
            raise ValueError(f"a length of type {marker!r} at byte {self.file.tell():,}")
        return int(struct.unpack(_INTEGERS[marker], self.take(_WIDTHS[marker]))[0])

    def object(self, *, depth: int) -> set[bytes]:
        keys: set[bytes] = set()
        while (marker := self.take(1)) != b"}":
            size = self.length(marker)
            if not 0 <= size <= _MAX_KEY:
                raise ValueError(f"a key of {size:,} bytes")
            keys.add(self.take(size))
            self.value(self.take(1), depth + 1)
        return keys

    def value(self, marker: bytes, depth: int) -> None:
        self.values += 1
        if depth > _MAX_DEPTH or self.values > _MAX_VALUES:
            raise ValueError("nested too deeply or too many values")
        if marker in _WIDTHS:
            self.skip(_WIDTHS[marker])
        elif marker in (b"S", b"H"):
            self.skip(self.length(self.take(1)))
        elif marker == b"{":
            self.object(depth=depth)
        elif marker == b"[":
            self.array(depth)
        elif marker not in _EMPTY_VALUES:
            raise ValueError(f"an unknown marker {marker!r} at byte {self.file.tell():,}")

    def array(self, depth: int) -> None:
        marker = self.take(1)
        if marker == b"$":
            item = self.take(1)
            if item not in _WIDTHS or self.take(1) != b"#":
                raise ValueError("an array of an unknown type")
            self.skip(self.length(self.take(1)) * _WIDTHS[item])
        elif marker == b"#":
            for _ in range(self.length(self.take(1))):
                self.value(self.take(1), depth + 1)
        else:
            while marker != b"]":
                self.value(marker, depth + 1)
                marker = self.take(1)
