"""Identify a model file by its first bytes and its structure."""

from typing import BinaryIO

from registry.formats import archives, boosters, onnx_wire, pickles, strangers
from registry.formats.kinds import SAVE_SAFELY, Format, Refusal

HEAD = 64 * 1024


def identify(file: BinaryIO, *, name: str) -> Format:
    """Return the format of `file`, or raise `Refusal`; `file` must be seekable and is left at its start."""
    file.seek(0)
    try:
        return _identify(file, name)
    finally:
        file.seek(0)


def _identify(file: BinaryIO, name: str) -> Format:
    head = file.read(HEAD)
    if not head.strip(b"\0 \t\r\n"):
        raise Refusal(name, "is empty" if not head else "holds nothing but blanks", "upload the model file itself")
    if head.startswith(b"PK"):
        return archives.identify(file, name)
    strangers.refuse(head, name)
    if boosters.is_lightgbm_text(head):
        return boosters.lightgbm_text(file, name)
    if head.startswith(boosters.CBM):
        return boosters.catboost_cbm(file, name)
    if boosters.is_ubj(head):
        return boosters.xgboost_ubj(file, name)
    if head.lstrip().startswith((b"{", b"[")):
        return boosters.xgboost_json(file, name)
    if onnx_wire.is_onnx(head):
        return onnx_wire.identify(file, name)
    pickles.refuse(file, head, name)
    raise Refusal(name, "is not a model file of a known format", SAVE_SAFELY)
