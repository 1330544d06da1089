"""Read a skops file's schema.json as plain JSON and refuse every type outside the allowed modules."""

import json
import zipfile
from collections.abc import Iterator

from registry.formats.kinds import UPLOAD_AGAIN, Refusal

MAX_SCHEMA = 128 << 20
_PLAIN = frozenset(
    {"NoneType", "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list"}
    | {"range", "set", "slice", "str", "tuple"}
)
# Exact names, where a module also holds what must not be called.
_NAMES = {
    "builtins": _PLAIN,
    "collections": frozenset({"OrderedDict", "defaultdict", "Counter", "deque"}),
    "datetime": frozenset({"date", "datetime", "time", "timedelta", "timezone"}),
}
_MODULES = (
    *("numpy.core", "numpy._core", "numpy.dtypes", "numpy.ma", "numpy.random"),
    *("scipy.interpolate", "scipy.sparse", "scipy.spatial", "scipy.special"),
    "sklearn",
)
_NOT_MODULES = ("sklearn.datasets", "sklearn.externals", "sklearn.utils._testing", "sklearn.utils.fixes")
# These build callables from parts of the file.
_CALLABLES = {"MethodNode", "PartialNode", "OperatorFuncNode"}
_MEND = "save the fitted scikit-learn estimator alone with skops.io.dump, without own classes or functions"
_OWN_FORMATS = {
    "xgboost": 'save the booster with save_model("model.ubj") and upload that file',
    "lightgbm": 'save the booster with booster_.save_model("model.txt") and upload that file',
}


def refuse_unsafe(archive: zipfile.ZipFile, name: str) -> None:
    """Raise `Refusal`, naming the type, if the schema asks for anything but plain data and scikit-learn."""
    schema = _schema(archive, name)
    for node in _dicts(schema):
        if "__loader__" in node or isinstance(node.get("__module__"), str):
            _refuse_node(node, name)
        if isinstance(node.get("module_path"), str):
            _refuse_type(str(node["module_path"]), str(node.get("function")), name)


def _schema(archive: zipfile.ZipFile, name: str) -> dict[str, object]:
    with archive.open("schema.json") as member:
        text = member.read(MAX_SCHEMA + 1)
    if len(text) > MAX_SCHEMA:
        raise Refusal(name, f"is a skops file whose schema.json is larger than {MAX_SCHEMA >> 20} MiB")
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(name, f"is a skops file with a damaged schema.json ({error})", UPLOAD_AGAIN) from None
    if not isinstance(schema, dict) or "__loader__" not in schema or not isinstance(schema.get("protocol"), int):
        raise Refusal(name, "is a ZIP archive whose schema.json is not that of skops")
    return schema


def _dicts(root: object) -> Iterator[dict[str, object]]:
    waiting = [root]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _refuse_node(node: dict[str, object], name: str) -> None:
    loader, module, kind = node.get("__loader__"), node.get("__module__"), node.get("__class__")
    if isinstance(loader, dict) or (loader == "CachedNode" and module is None and kind is None):
        return
    if not (isinstance(loader, str) and isinstance(module, str) and isinstance(kind, str)):
        raise Refusal(name, "is a skops file with a node that has no type", UPLOAD_AGAIN)
    if loader in _CALLABLES:
        raise Refusal(name, f"is a skops file that builds a callable ({loader} of {module}.{kind})", _MEND)
    _refuse_type(module, kind, name)


def _refuse_type(module: str, kind: str, name: str) -> None:
    if not _allowed(module, kind):
        mend = _OWN_FORMATS.get(module.partition(".")[0], _MEND)
        raise Refusal(name, f"is a skops file that holds the type {module}.{kind}, which is not allowed", mend)


def _allowed(module: str, kind: str) -> bool:
    if not kind.isidentifier():
        return False
    if module in _NAMES:
        return kind in _NAMES[module]
    if any(_inside(module, denied) for denied in _NOT_MODULES):
        return False
    return module == "numpy" or any(_inside(module, allowed) for allowed in _MODULES)


def _inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")
