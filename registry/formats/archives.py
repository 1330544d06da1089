"""ZIP archives: limits against bombs, then a name for what is inside."""

import re
import struct
import zipfile
from typing import BinaryIO

from registry.formats import pickle_scan, pickles, skops_schema, strangers
from registry.formats.kinds import SAVE_SAFELY, UPLOAD_AGAIN, Format, Refusal

MAX_MEMBERS = 10_000
MAX_DIRECTORY = 4 << 20
MAX_UNPACKED = 2 << 30
MAX_RATIO = 100
_RATIO_APPLIES_FROM = 64 << 20
_END = b"PK\x05\x06"
_ZIP64_LOCATOR = b"PK\x06\x07"
_PICKLE = re.compile(r".*\.(pkl|pickle|joblib)", re.IGNORECASE | re.DOTALL)
_UNPACK = "unpack it and upload the model file inside"

_CONTENTS: list[tuple[str, str, str]] = [
    (
        r"model\.weights\.h5",
        "is a Keras model (.keras), whose Lambda layers can hold Python code",
        "export it to ONNX",
    ),
    (r"META-INF/MANIFEST\.MF", "is a Java archive (JAR), not a model", SAVE_SAFELY),
    (r"\[Content_Types\]\.xml", "is an Office document, not a model", SAVE_SAFELY),
    (
        r"(.*/)?MLmodel",
        "is a zipped MLflow model folder",
        "upload the model file inside it (model.skops, model.ubj or model.onnx)",
    ),
    (
        r"experimental/modelUuid|model\.ini",
        "is an H2O MOJO, which needs Java to score",
        "export the model to ONNX",
    ),
]


def identify(file: BinaryIO, name: str) -> Format:
    """Return SKOPS for a safe skops archive; refuse every other ZIP by what it holds."""
    _refuse_large_directory(file, name)
    try:
        with zipfile.ZipFile(file) as archive:
            _refuse_unsafe(archive, name)
            names = archive.namelist()
            _refuse_pickles(archive, names, name)
            _refuse_known(names, name)
            if "schema.json" in names:
                return _skops(archive, name)
            _refuse_numpy(archive, names, name)
    except (
        zipfile.BadZipFile,
        EOFError,
        struct.error,
        NotImplementedError,
        RuntimeError,
        OSError,
        ValueError,
    ) as error:
        if isinstance(error, Refusal):
            raise
        raise Refusal(name, f"is a ZIP archive that is cut short or damaged ({error})", UPLOAD_AGAIN) from None
    raise Refusal(name, "is a ZIP archive but not a skops model (it has no schema.json)", _UNPACK)


def _refuse_large_directory(file: BinaryIO, name: str) -> None:
    """The member list is read whole into memory, so its size is judged first."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 65_557 - 20))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        raise Refusal(name, "is a ZIP archive that is cut short (its list of members is missing)", UPLOAD_AGAIN)
    members, directory = struct.unpack("<HI", tail[at + 10 : at + 16])
    if _ZIP64_LOCATOR in tail[max(0, at - 20) : at] or members > MAX_MEMBERS or directory > MAX_DIRECTORY:
        raise Refusal(name, f"is a ZIP archive with more than {MAX_MEMBERS:,} members or in the ZIP64 layout")


def _refuse_unsafe(archive: zipfile.ZipFile, name: str) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    for path in names:
        if path.startswith(("/", "\\")) or "\\" in path or ".." in path.split("/") or re.match(r"[A-Za-z]:", path):
            raise Refusal(name, f"holds a member that would leave its folder ({path!r})")
    if len(set(names)) < len(names):
        raise Refusal(name, "holds two members of one name")
    if any(member.flag_bits & 1 for member in members):
        raise Refusal(name, "is an encrypted ZIP archive", "upload it without a password")
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if unpacked > MAX_UNPACKED:
        raise Refusal(name, f"would unpack to {unpacked:,} bytes, more than the limit of {MAX_UNPACKED:,}")
    if unpacked > _RATIO_APPLIES_FROM and unpacked > MAX_RATIO * packed:
        raise Refusal(name, f"would unpack to {unpacked // max(packed, 1):,} times its size, as a ZIP bomb does")


def _refuse_pickles(archive: zipfile.ZipFile, names: list[str], name: str) -> None:
    found = next((path for path in names if _PICKLE.fullmatch(path)), None)
    if found is not None:
        what = f"is an archive with a Python pickle in it ({found}), {pickles.danger(_start(archive, found))}"
        raise Refusal(name, what)


def _start(archive: zipfile.ZipFile, path: str) -> bytes:
    with archive.open(path) as member:
        return member.read(pickle_scan.LONGEST)


def _refuse_known(names: list[str], name: str) -> None:
    for pattern, what, mend in _CONTENTS:
        found = next((path for path in names if re.fullmatch(pattern, path)), None)
        if found is not None:
            raise Refusal(name, what.format(found), mend)


def _refuse_numpy(archive: zipfile.ZipFile, names: list[str], name: str) -> None:
    if not names or not all(path.endswith(".npy") for path in names):
        return
    for path in names:
        _refuse_objects(archive, path, name)
    raise Refusal(name, "is an archive of NumPy arrays (npz), not a model")


def _refuse_objects(archive: zipfile.ZipFile, path: str, name: str) -> None:
    with archive.open(path) as member:
        kind = strangers.numpy_kind(member.read(4096))
    if "pickle" in kind:
        raise Refusal(name, f"holds {path}, which {strangers.numpy_kind(_start(archive, path))}")


def _skops(archive: zipfile.ZipFile, name: str) -> Format:
    skops_schema.refuse_unsafe(archive, name)
    for path in archive.namelist():
        if path.endswith(".npy"):
            _refuse_objects(archive, path, name)
    return Format.SKOPS
