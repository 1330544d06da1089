"""Files are told by their content, refused by name, and never loaded."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import re
import struct
import zipfile
import zlib
from pathlib import Path

import joblib
import numpy as np
import onnx
import pytest
import skops.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from registry.formats import Format, Refusal, identify

ARTIFACTS = Path(__file__).parents[1] / "data" / "artifacts"


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.fixture
def marker(tmp_path):
    """A file that exists only if something was executed."""
    path = tmp_path / "executed"
    yield path
    assert not path.exists()


def refusal(content: bytes, name: str = "model.bin") -> str:
    with pytest.raises(Refusal) as caught:
        identify(io.BytesIO(content), name=name)
    text = str(caught.value)
    assert text.startswith(name)
    assert text.endswith(".")
    assert "; " in text, "a refusal says the mend"
    assert "\n" not in text
    return text


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def skops_file(node: dict[str, object], extra: dict[str, bytes] | None = None) -> bytes:
    schema = {"protocol": 2, "_skops_version": "0.16.0", **node}
    return zipped({"schema.json": json.dumps(schema).encode(), **(extra or {})})


def fitted(kind):
    table = np.random.default_rng(0).normal(size=(60, 3))
    return kind.fit(table, (table[:, 0] > 0).astype(int))


def onnx_model(**tensor) -> onnx.ModelProto:
    weights = helper.make_tensor("w", TensorProto.FLOAT, [1], [2.0])
    for key, value in tensor.items():
        setattr(weights, key, value)
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None])],
        [weights],
    )
    return helper.make_model(graph)


@pytest.mark.parametrize(
    ("file", "format"),
    [
        ("german_credit.skops", Format.SKOPS),
        ("german_credit.ubj", Format.XGBOOST_UBJ),
        ("kserve_xgboost.ubj", Format.XGBOOST_UBJ),
        ("lg_dart_breast_cancer.model", Format.LIGHTGBM_TEXT),
        ("treecl3.onnx", Format.ONNX),
    ],
)
def test_real_files_are_recognised_whatever_their_name(file, format):
    with (ARTIFACTS / file).open("rb") as content:
        assert identify(content, name="anything.pkl") is format
        assert content.tell() == 0


def test_formats_have_human_labels():
    assert [each.label for each in Format] == [
        "skops (scikit-learn)",
        "XGBoost JSON",
        "XGBoost UBJSON",
        "LightGBM text",
        "CatBoost cbm",
        "ONNX",
    ]


@pytest.mark.parametrize("kind", [LogisticRegression(), RandomForestClassifier(3), HistGradientBoostingClassifier()])
def test_saved_estimators_are_skops(kind):
    assert identify(io.BytesIO(skops.io.dumps(fitted(kind))), name="m.skops") is Format.SKOPS


def test_xgboost_json_is_recognised_and_a_cut_one_refused():
    import xgboost

    booster = xgboost.train({"max_depth": 2}, xgboost.DMatrix(np.eye(4), label=[0, 1, 0, 1]), 2)
    content = bytes(booster.save_raw("json"))
    assert identify(io.BytesIO(content), name="m.json") is Format.XGBOOST_JSON
    assert "cut short" in refusal(content[:-40])
    dump = ("[" + ",".join(booster.get_dump(dump_format="json")) + "]").encode()
    assert "dump" in refusal(dump)


def test_catboost_models_are_recognised_and_cut_ones_refused(tmp_path):
    from catboost import CatBoostClassifier

    table = [[value, str(value % 3)] for value in range(40)]
    for categories in ([], [1]):
        settings = {"iterations": 3, "depth": 2, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
        rows = table if categories else [[first] for first, _ in table]
        CatBoostClassifier(**settings, cat_features=categories).fit(rows, [0, 1] * 20).save_model(str(tmp_path / "m"))
        content = (tmp_path / "m").read_bytes()
        assert identify(io.BytesIO(content), name="m.bin") is Format.CATBOOST_CBM
        assert "cut short" in refusal(content[: len(content) // 2])
        assert "damaged" in refusal(content[:8] + b"\xff" * 4 + content[12:])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol_are_refused_unopened(protocol, marker):
    content = pickle.dumps(Bomb(marker), protocol=protocol)
    assert "Python pickle" in refusal(content, "credit.onnx")
    assert re.search("would import .*pathlib.Path", refusal(content, "credit.onnx"))
    assert "Python pickle" in refusal(pickle.dumps([1, "a", {"b": 2.0}], protocol=protocol))


@pytest.mark.parametrize(
    ("method", "compress"),
    [("gzip", gzip.compress), ("bzip2", bz2.compress), ("xz", lzma.compress), ("zlib", zlib.compress)],
)
def test_compressed_pickles_are_named(method, compress, marker):
    text = refusal(compress(pickle.dumps(Bomb(marker))))
    assert f"Python pickle compressed with {method}" in text
    assert f"{method}-compressed file; unpack it" in refusal(compress(b"tree\nversion=v3\n"))


@pytest.mark.parametrize("suffix", ["", ".z", ".gz", ".bz2", ".xz", ".lzma"])
def test_joblib_files_are_refused(suffix, tmp_path, marker):
    path = tmp_path / f"m.joblib{suffix}"
    joblib.dump({"a": Bomb(marker), "b": np.arange(4)}, path)
    assert "pickle" in refusal(path.read_bytes())


def test_pytorch_archives_are_refused(marker):
    content = zipped({"archive/data.pkl": pickle.dumps(Bomb(marker)), "archive/version": b"3"}, zipfile.ZIP_STORED)
    assert "Python pickle in it (archive/data.pkl)" in refusal(content, "net.pt")
    legacy = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
    assert "PyTorch" in refusal(legacy, "net.pth")


def numpy_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def test_numpy_files_are_refused_and_object_arrays_named(marker):
    objects = numpy_bytes(np.array([Bomb(marker)], dtype=object))
    assert "Python objects" in refusal(objects)
    assert "NumPy array, not a model" in refusal(numpy_bytes(np.arange(3.0)))
    assert "Python objects" in refusal(zipped({"a.npy": objects}))
    assert "npz" in refusal(zipped({"a.npy": numpy_bytes(np.arange(3.0))}))
    root = {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode", "content": {}}
    assert "Python objects" in refusal(skops_file(root, {"1.npy": objects}))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n \n", "nothing but blanks"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "HDF5 file (Keras h5)"),
        (b"CBM1\x10\0\0\0", "CatBoost model cut short: it should have 24 bytes and has 8"),
        (b"CBM1\x10\0\0\0" + b"\xff" * 16, "begins like a CatBoost model but is damaged"),
        (struct.pack("<Q", 60) + b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' + b" " * 8, "safetensors"),
        (b"GGUF\x03\0\0\0", "GGUF weights, not a scorable model here"),
        (b"\x7fELF\x02\x01", "executable"),
        (b"MZ\x90\0", "executable"),
        (b"#!/bin/sh\nrm -rf ~\n", "script"),
        (b"<!DOCTYPE html><html></html>", "web page (HTML)"),
        (b'<?xml version="1.0"?>\n<PMML version="4.4">', "PMML"),
        (b'{"tree_info": []}', "LightGBM JSON dump"),
        (b'{"a": 1}', "JSON but not an XGBoost model"),
        (b"[" * 100_000, "cut short or damaged"),
        (b"a,b\n1,2\n", "not a model file of a known format"),
        (b"customer name\n", "not a model file of a known format"),
        (b"tree\nversion=v4\nnum_class=1\n", "cut short"),
        (b"{L\0\0\0\0\0\0\0\x07learner{", "UBJSON that is cut short"),
        (b"{i\x01a{}}", "no learner"),
        (b"\x08\x08\x3a\xff\xff\x7f\x0a", "cut short or damaged"),
        (b"\x08\x08\x12\x01a", "no graph"),
        (b"PAR1" + b"\0" * 20, "Parquet table"),
    ],
)
def test_other_files_are_refused_by_name(content, words):
    assert words in refusal(content)


def test_legacy_xgboost_binaries_are_refused():
    content = (ARTIFACTS / "kserve_xgboost_legacy.bst").read_bytes()
    assert "XGBoost binary in the legacy format" in refusal(content, "model.bst")
    assert "XGBoost binary in the legacy format" in refusal(content.removeprefix(b"binf"), "model.bst")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"config.json": b"{}", "metadata.json": b"{}", "model.weights.h5": b""}, "Lambda layers can hold Python code"),
        ({"META-INF/MANIFEST.MF": b"", "A.class": b""}, "JAR"),
        ({"[Content_Types].xml": b""}, "Office"),
        ({"m/MLmodel": b"", "m/model.ubj": b""}, "MLflow model folder"),
        ({"notes.txt": b"hi"}, "not a skops model"),
        ({"schema.json": b"{}"}, "not that of skops"),
        ({"../schema.json": b"{}"}, "leave its folder"),
        ({"/etc/cron.d/x": b""}, "leave its folder"),
        ({f"{number}.npy": b"" for number in range(10_001)}, "more than 10,000 members"),
        ({"schema.json": b"0" * (200 << 20)}, "ZIP bomb"),
    ],
)
def test_archives_are_named_by_what_they_hold(members, words):
    assert words in refusal(zipped(members))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", b"{}")
        archive.writestr("schema.json", b"{}")
    assert "two members of one name" in refusal(buffer.getvalue())


def node(module: object, kind: object, loader: str = "TypeNode", **rest: object) -> dict[str, object]:
    return {"__module__": module, "__class__": kind, "__loader__": loader, **rest}


@pytest.mark.parametrize(
    ("evil", "words"),
    [
        (node("os", "system", "FunctionNode"), "os.system"),
        (node("posix", "system", "FunctionNode"), "posix.system"),
        (node("builtins", "eval", "FunctionNode"), "builtins.eval"),
        (node("builtins", "getattr"), "builtins.getattr"),
        (node("operator", "methodcaller", "OperatorFuncNode"), "OperatorFuncNode of operator.methodcaller"),
        (node("functools", "partial", "PartialNode"), "PartialNode of functools.partial"),
        (node("sklearn.pipeline", "Pipeline", "MethodNode"), "MethodNode of sklearn.pipeline.Pipeline"),
        (node("acme.models", "Scorer", "ObjectNode"), "acme.models.Scorer"),
        (node("numpy.f2py", "compile", "FunctionNode"), "numpy.f2py.compile"),
        (node("sklearn.datasets", "fetch_openml", "FunctionNode"), "sklearn.datasets.fetch_openml"),
        (node("sklearnx", "Thing", "ObjectNode"), "sklearnx.Thing"),
        (node("xgboost.sklearn", "XGBClassifier", "ObjectNode"), 'save_model("model.ubj")'),
        (node("sklearn.tree", "os.system"), "sklearn.tree.os.system"),
        (node(None, "x", "ObjectNode"), "has no type"),
        (node("numpy", "ufunc", "FunctionNode", content={"module_path": "os", "function": "system"}), "os.system"),
    ],
)
def test_skops_types_outside_the_allowed_modules_are_named_wherever_they_hide(evil, words):
    inside = node("builtins", "list", "ListNode", content=[node("builtins", "dict", "DictNode", content={"k": evil})])
    assert words in refusal(skops_file(inside), "model.skops")


def test_a_skops_file_that_calls_the_system_executes_nothing(marker):
    call = node("os", "system", "ConstructorFromReduceNode", content=node("builtins", "str", "JsonNode", content="[]"))
    assert "os.system" in refusal(skops_file(call))


def test_cut_archives_are_refused():
    content = (ARTIFACTS / "german_credit.skops").read_bytes()
    assert "cut short" in refusal(content[: len(content) // 2])
    assert "cut short or damaged" in refusal(b"PK\x03\x04" + content[-22:])


@pytest.mark.parametrize("file", ["german_credit.ubj", "lg_dart_breast_cancer.model", "treecl3.onnx"])
def test_cut_models_are_refused(file):
    content = (ARTIFACTS / file).read_bytes()
    for share in (0.1, 0.5, 0.7):
        assert "cut short" in refusal(content[: int(len(content) * share)])


def test_onnx_with_tensors_elsewhere_is_refused():
    assert identify(io.BytesIO(onnx_model().SerializeToString()), name="m.onnx") is Format.ONNX
    outside = onnx_model(data_location=TensorProto.EXTERNAL)
    assert "tensors in other files" in refusal(outside.SerializeToString())


def message(tag: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size >= 128:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([tag]) + length + bytes([size]) + content


def test_onnx_nested_without_end_is_refused():
    graph = b""
    for tag in [0x32, 0x2A, 0x0A] * 1000:  # a graph in an attribute in a node in a graph
        graph = message(tag, graph)
    assert "damaged" in refusal(onnx_model().SerializeToString() + message(0x3A, graph))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([b"", b"PK\x03\x04", b"{L", b"\x08\x08:", b"\x80\x04", b"tree\nversion=v4\n", b"("]), st.binary()
)
def test_any_bytes_are_identified_or_refused(start, rest):
    try:
        found = identify(io.BytesIO(start + rest), name="x")
    except Refusal as refused:
        found = str(refused)
    assert found in set(Format) or found.startswith("x ")
