"""Files known by their first bytes and not accepted, each with its name and its mend."""

import json
import re
import struct

from registry.formats import pickles
from registry.formats.kinds import SAVE_SAFELY, Refusal

_LEGACY_MEND = 'load it once with the XGBoost that wrote it, save it with save_model("model.ubj") and upload that file'
_WEIGHTS_MEND = "upload the whole model as ONNX"
_DATASET_MEND = "upload it as a dataset, or the model file here"
_EXECUTABLE = "is an executable program, not a model"

_SIGNATURES: list[tuple[bytes, str, str]] = [
    (
        b"\x89HDF\r\n\x1a\n",
        "is an HDF5 file (Keras h5), whose layers can hold Python code",
        "export it to ONNX",
    ),
    (b"binf", "is an XGBoost binary in the legacy format, which XGBoost no longer reads", _LEGACY_MEND),
    (b"bs64", "is an XGBoost binary in the legacy format, which XGBoost no longer reads", _LEGACY_MEND),
    (b"GGUF", "holds GGUF weights, not a scorable model here", _WEIGHTS_MEND),
    (b"PAR1", "is a Parquet table, not a model", _DATASET_MEND),
    (b"MZ", _EXECUTABLE, SAVE_SAFELY),
    (b"\x7fELF", _EXECUTABLE, SAVE_SAFELY),
    (b"\xcf\xfa\xed\xfe", _EXECUTABLE, SAVE_SAFELY),
    (b"\xca\xfe\xba\xbe", _EXECUTABLE, SAVE_SAFELY),
    (b"#!", "is a script, not a model", SAVE_SAFELY),
    (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive", "unpack it and upload the model file inside"),
    (b"Rar!", "is a RAR archive", "unpack it and upload the model file inside"),
    (b"%PDF", "is a PDF document, not a model", SAVE_SAFELY),
    (b"\x89PNG", "is a picture, not a model", SAVE_SAFELY),
    (b"\xff\xd8\xff", "is a picture, not a model", SAVE_SAFELY),
]
_MARKUP = [
    (
        re.compile(rb"<PMML\b"),
        "is PMML, which needs Java to score and is not supported",
        "export the model to ONNX",
    ),
    (
        re.compile(rb"<!doctype html|<html\b", re.IGNORECASE),
        "is a web page (HTML), not a model",
        "download the file itself",
    ),
    (re.compile(rb"<\?xml|<[A-Za-z!]"), "is an XML document, not a model", SAVE_SAFELY),
]
# Legacy XGBoost without a marker: 136 bytes of parameters, then two length-prefixed names.
_LEGACY_BOOSTER = re.compile(rb"\x06\0{7}gbtree|\x08\0{7}gblinear|\x04\0{7}dart")


def refuse(head: bytes, name: str) -> None:
    """Raise `Refusal` if `head` begins a known file that is not accepted."""
    pickles.refuse_compressed(head, name)
    for magic, what, mend in _SIGNATURES:
        if head.startswith(magic):
            raise Refusal(name, what, mend)
    if head.startswith(b"\x93NUMPY"):
        raise Refusal(name, numpy_kind(head))
    if head[4:8] == b"TFL3":
        raise Refusal(name, "is a TensorFlow Lite model, which is not supported", "export it to ONNX")
    if head[257:262] == b"ustar":
        raise Refusal(name, "is a tar archive", "unpack it and upload the model file inside")
    if _is_safetensors(head):
        raise Refusal(name, "holds safetensors weights, not a scorable model here", _WEIGHTS_MEND)
    if not head.startswith(b"{") and _LEGACY_BOOSTER.search(head[:1024]):
        raise Refusal(name, *_SIGNATURES[1][1:])
    _refuse_markup(head, name)


def numpy_kind(head: bytes) -> str:
    """What a .npy file is, from its header: an object array holds a pickle."""
    if re.search(rb"'descr':[^}]*O", head[:4096]):
        pickled = head.partition(b"\n")[2]  # the header is one line of text
        return f"is a NumPy array of Python objects (a Python pickle), {pickles.danger(pickled)}"
    return "is a NumPy array, not a model"


def _is_safetensors(head: bytes) -> bool:
    if head[8:9] != b"{":
        return False
    (length,) = struct.unpack("<Q", head[:8])
    text = head[8 : 8 + length]
    if b'"data_offsets"' in text or b'"__metadata__"' in text:
        return True
    try:
        return length <= len(head) and isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _refuse_markup(head: bytes, name: str) -> None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith(b"<"):
        return
    for pattern, what, mend in _MARKUP:
        if pattern.search(text[:4096]):
            raise Refusal(name, what, mend)
