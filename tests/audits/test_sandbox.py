"""Models run in a confined child: right answers from real files, one sentence from hostile ones."""

import json
import os
import pickle
import socket
import subprocess
import sys
import time
import zipfile
from itertools import permutations
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from skl2onnx import to_onnx
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from audits.sandbox import features, permutation, starting
from audits.sandbox.confinement import NOBODY
from audits.sandbox.failures import Unfit
from audits.sandbox.folder import Folder
from audits.sandbox.parent import Cancelled, ChildFailed, Limits, explain, predict

HOUSE = Path(__file__).parents[2]
ARTIFACTS = HOUSE / "tests" / "data" / "artifacts"
SCORECARD = ARTIFACTS / "german_credit.skops"
DART = ARTIFACTS / "lg_dart_breast_cancer.model"
COUNT = 120


@pytest.fixture(scope="module")
def applicants() -> pd.DataFrame:
    """A small table with text and numbers, and a label in words."""
    random = np.random.default_rng(7)
    table = pd.DataFrame(
        {
            "housing": random.choice(["own", "rent", "free"], COUNT),
            "housing_age": random.integers(1, 80, COUNT),
            "amount": random.normal(3000, 900, COUNT).round(),
            "job": random.choice(["skilled", "unskilled"], COUNT),
        }
    )
    risk = table["amount"] / 900 + (table["housing"] == "rent") + random.normal(0, 1, COUNT)
    return table.assign(outcome=np.where(risk > 3.6, "bad", "good"))


@pytest.fixture(scope="module")
def bare(applicants) -> pd.DataFrame:
    """Numbers only."""
    return applicants[["housing_age", "amount"]].assign(third=np.arange(COUNT) % 5).astype(float)


def prepared(final):
    text = OneHotEncoder(handle_unknown="ignore", min_frequency=5)
    return make_pipeline(
        make_column_transformer((text, ["housing", "job"]), (StandardScaler(), ["housing_age", "amount"])), final
    )


def saved(estimator, table, folder) -> Path:
    estimator.fit(table.drop(columns="outcome"), table["outcome"])
    path = folder / "model.skops"
    skops.io.dump(estimator, path)
    return path


@pytest.fixture(scope="module")
def dart_rows() -> pd.DataFrame:
    return pd.read_csv(ARTIFACTS / "breast_cancer_test.tsv", sep="\t", header=None)


# Real files and published numbers


def test_lightgbm_reproduces_its_published_predictions(dart_rows):
    stages = []
    found = predict(
        artifact=DART, format="lightgbm-text", data=dart_rows, on_progress=lambda part, stage: stages.append(stage)
    )
    published = np.loadtxt(ARTIFACTS / "lg_dart_breast_cancer_true_predictions.txt")
    np.testing.assert_allclose(found.score, published, rtol=0, atol=1e-12)
    assert found.classes == [0, 1]
    assert found.libraries["lightgbm"] == lightgbm.__version__
    assert stages == ["loading the model", f"scoring {len(dart_rows)} rows"]


def test_lightgbm_values_add_up_to_its_own_log_odds(dart_rows):
    found = explain(artifact=DART, format="lightgbm-text", data=dart_rows, rows=40, favourable=0)
    published = np.loadtxt(ARTIFACTS / "lg_dart_breast_cancer_true_predictions.txt")[found.rows]
    np.testing.assert_allclose(found.output, np.log((1 - published) / published), atol=1e-9)
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), found.output, atol=1e-9)
    assert (found.game, found.scale) == ("tree, path-dependent", "log-odds")
    assert found.values.shape == (40, 30)


def german(count: int = 200) -> pd.DataFrame:
    """Rows with the model's own columns, drawn from the categories it was trained on."""
    pipeline = skops.io.load(SCORECARD, trusted=[])
    random = np.random.default_rng(1)
    columns = {name: random.integers(1, 60, count).astype(float) for name in pipeline.feature_names_in_}
    encoder = pipeline[0].named_transformers_["onehotencoder"]
    for name, categories in zip(encoder.feature_names_in_, encoder.categories_, strict=True):
        columns[name] = random.choice(categories, count)
    return pd.DataFrame(columns)


def test_a_scorecard_scores_the_class_that_is_asked_for():
    rows = german()
    own = skops.io.load(SCORECARD, trusted=[]).predict_proba(rows)
    found = predict(artifact=SCORECARD, format="skops", data=rows, favourable="good", labels=["good", "bad"])
    np.testing.assert_allclose(found.score, own[:, 0], atol=1e-12)
    assert found.classes == ["good", "bad"]
    assert found.labels == np.where(own[:, 0] >= own[:, 1], "good", "bad").tolist()


def test_linear_values_are_coefficient_times_distance_from_the_mean():
    rows = german()
    pipeline = skops.io.load(SCORECARD, trusted=[])
    found = explain(
        artifact=SCORECARD, format="skops", data=rows.assign(extra=1), rows=500, background=500, favourable="1"
    )
    columns = pipeline[0].transform(rows)
    columns = columns.toarray() if hasattr(columns, "toarray") else columns
    parts = pipeline[1].coef_[0] * (columns - columns.mean(axis=0))
    expected = pd.DataFrame(0.0, index=rows.index, columns=list(rows.columns))
    for name, part in zip(pipeline[0].get_feature_names_out(), parts.T, strict=True):
        inner = name.partition("__")[2]
        origin = max((column for column in rows.columns if inner.startswith(column)), key=len)
        expected[origin] += part
    np.testing.assert_allclose(found.values, expected.to_numpy(), atol=1e-9)
    np.testing.assert_allclose(found.output, pipeline.decision_function(rows), atol=1e-9)
    assert (found.game, found.scale) == ("linear, interventional", "log-odds")
    assert found.features == list(rows.columns)


def test_onnx_with_open_shapes_says_what_it_was_given():
    rows = pd.DataFrame(np.random.default_rng(0).uniform(size=(30, 10)))
    found = predict(artifact=ARTIFACTS / "treecl3.onnx", format="onnx", data=rows)
    assert found.scores is not None
    assert found.scores.shape == (30, 4)
    assert found.scale == "raw"
    assert "it was given 10" in found.notes[0]


def test_xgboost_multiclass_gives_a_probability_for_every_class():
    rows = pd.DataFrame(np.random.default_rng(0).uniform(0, 8, (30, 4)))
    path = ARTIFACTS / "kserve_xgboost.ubj"
    found = predict(artifact=path, format="xgboost-ubj", data=rows)
    own = xgboost.Booster(model_file=path).predict(xgboost.DMatrix(rows.to_numpy()))
    assert found.scores is not None
    np.testing.assert_allclose(found.scores.sum(axis=1), 1, atol=1e-6)
    assert found.labels == own.astype(int).tolist()


# Trees behind a preparation


@pytest.mark.parametrize(
    ("final", "scale"),
    [
        (RandomForestClassifier(8, max_depth=4, random_state=0), "probability"),
        (GradientBoostingClassifier(n_estimators=8, random_state=0), "log-odds"),
        (HistGradientBoostingClassifier(max_iter=8, random_state=0), "log-odds"),
    ],
)
def test_tree_values_add_up_per_original_column(applicants, tmp_path, final, scale):
    estimator = prepared(final)
    path = saved(estimator, applicants, tmp_path)
    found = explain(artifact=path, format="skops", data=applicants, rows=50, favourable="bad")
    chosen = applicants.drop(columns="outcome").iloc[found.rows]
    own = estimator.predict_proba(chosen)[:, 0]
    own = own if scale == "probability" else -estimator.decision_function(chosen)
    np.testing.assert_allclose(found.output, own, atol=1e-9)
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), own, atol=1e-5)
    assert (found.game, found.scale) == ("tree, path-dependent", scale)
    assert found.features == ["housing", "housing_age", "amount", "job"]
    assert np.abs(found.values).mean(axis=0).argmax() == 2, "the amount decides"


# Boosters


def test_xgboost_reads_its_own_categories_whatever_their_order(applicants, tmp_path):
    table = applicants.drop(columns="outcome").astype({"housing": "category", "job": "category"})
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3},
        xgboost.DMatrix(table, label=applicants["outcome"] == "bad", enable_categorical=True),
        5,
    )
    booster.save_model(tmp_path / "m.json")
    shuffled = applicants.iloc[::-1].reset_index(drop=True)
    found = explain(artifact=tmp_path / "m.json", format="xgboost-json", data=shuffled, rows=60)
    own = booster.predict(xgboost.DMatrix(table, enable_categorical=True), output_margin=True)[::-1]
    np.testing.assert_allclose(found.output, own[found.rows], atol=1e-5)
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), found.output, atol=1e-5)
    assert (found.game, found.scale) == ("tree, path-dependent", "log-odds")


def test_interventional_values_use_the_whole_background(applicants, bare, tmp_path):
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3}, xgboost.DMatrix(bare, label=applicants["outcome"] == "bad"), 5
    )
    booster.save_model(tmp_path / "m.ubj")
    found = explain(
        artifact=tmp_path / "m.ubj",
        format="xgboost-ubj",
        data=bare,
        rows=20,
        background=COUNT,
        game="interventional",
    )
    everyone = booster.predict(xgboost.DMatrix(bare), output_margin=True).astype(float)
    assert found.base == pytest.approx(everyone.mean(), abs=1e-5)
    assert abs(everyone[:100].mean() - everyone.mean()) > 1e-3, "a background cut to 100 rows would show"
    assert (found.game, found.background) == ("tree, interventional", COUNT)


def test_lightgbm_codes_categories_as_it_was_trained(applicants, tmp_path):
    table = applicants.drop(columns="outcome").astype({"housing": "category", "job": "category"})
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "min_data_in_leaf": 5, "min_data_per_group": 5},
        lightgbm.Dataset(table, label=(applicants["outcome"] == "bad").astype(int)),
        5,
    )
    booster.save_model(tmp_path / "m.txt")
    found = predict(artifact=tmp_path / "m.txt", format="lightgbm-text", data=applicants)
    np.testing.assert_allclose(found.score, booster.predict(table), atol=1e-12)


def test_onnx_takes_one_input_a_column_and_names_its_classes(applicants, tmp_path):
    table = applicants.drop(columns="outcome").astype({"housing_age": float})
    estimator = prepared(LogisticRegression())
    estimator[0].transformers[0][1].set_params(min_frequency=None)
    estimator.fit(table, applicants["outcome"])
    model = to_onnx(estimator, table.astype({"housing_age": "float32", "amount": "float32"}), options={"zipmap": False})
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    found = explain(
        artifact=tmp_path / "m.onnx", format="onnx", data=applicants, rows=10, background=20, favourable="good"
    )
    own = estimator.predict_proba(table)[:, 1]
    np.testing.assert_allclose(found.output, own[found.rows], atol=1e-5)
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), found.output, atol=1e-9)
    assert (found.game, found.scale) == ("permutation, interventional", "probability")
    assert found.classes == ["bad", "good"]
    assert f"{2 * 3 * 20 * 16:,} evaluations a row" in found.notes[0]


# Sampling, in this process


def brute_force(score, row: pd.DataFrame, background: pd.DataFrame) -> np.ndarray:
    """Shapley values by every order of the columns."""
    width = row.shape[1]
    values, orders = np.zeros(width), list(permutations(range(width)))
    for order in orders:
        mixed = background.copy()
        before = score(mixed).mean()
        for position in order:
            mixed[mixed.columns[position]] = row.iloc[0, position]
            after = score(mixed).mean()
            values[position] += (after - before) / len(orders)
            before = after
    return values


def product(table: pd.DataFrame) -> np.ndarray:
    own = (table["housing"] == "own").to_numpy(dtype=float)
    return own * table["amount"].to_numpy() / 3000 + np.sin(table["housing_age"].to_numpy() / 9) * (own + 0.5)


def test_sampled_values_come_close_to_brute_force_and_are_the_same_each_time(applicants):
    table = applicants[["housing", "housing_age", "amount"]]
    rows, background = table.head(5), table.tail(60)
    games = [
        permutation.explain(product, rows, background, seed=3, scale="raw", progress=lambda part, stage: None)
        for _ in range(2)
    ]
    assert games[0].values.tobytes() == games[1].values.tobytes()
    assert games[0].gap() < 1e-12
    assert games[0].errors is not None
    for at in range(5):
        exact = brute_force(product, rows.iloc[[at]], background)
        assert (np.abs(games[0].values[at] - exact) <= 4 * games[0].errors[at]).all()
        np.testing.assert_allclose(games[0].values[at], exact, atol=0.1)


# Data that does not fit


def test_missing_columns_are_named_one_by_one(applicants, tmp_path):
    path = saved(prepared(LogisticRegression()), applicants, tmp_path)
    with pytest.raises(ChildFailed) as caught:
        predict(artifact=path, format="skops", data=applicants.drop(columns=["amount", "job"]), data_name="german.csv")
    assert str(caught.value) == "The model needs 4 features; german.csv lacks 'amount', 'job'."
    assert caught.value.kind == "mismatch"


def test_a_class_the_model_does_not_know_is_refused_not_guessed():
    with pytest.raises(ChildFailed, match=r"The model's classes are 0, 1, and 'good' is none of them"):
        predict(artifact=SCORECARD, format="skops", data=german(5), favourable="good")


def test_columns_are_matched_by_position_only_where_a_model_names_none():
    table = pd.DataFrame({"b": [1.0], "a": [2.0]})
    assert list(features.match(table, names=["Column_0", "Column_1"], width=None, data="d").columns) == ["b", "a"]
    assert list(features.match(table, names=["a", "b"], width=None, data="d").columns) == ["a", "b"]
    with pytest.raises(Unfit, match="needs 3 features in its own order and names none; d has 2 columns"):
        features.match(table, names=None, width=3, data="d")
    with pytest.raises(Unfit, match="lacks 'f0'"):
        features.match(table, names=["f0", "b"], width=2, data="d")


def test_text_where_a_model_reads_numbers_is_named():
    with pytest.raises(Unfit, match="column 'purpose' of d holds text such as 'car'"):
        features.numbers(pd.DataFrame({"n": [1, 2], "purpose": ["car", None]}), data="d")
    found = features.numbers(pd.DataFrame({"n": ["1", None], "flag": [True, False]}), data="d")
    np.testing.assert_array_equal(found, [[1, 1], [np.nan, 0]])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pd.DataFrame({"a": []}), "no rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns named 'a'"),
        (pd.DataFrame({"a": [1, "x", b"\0"]}), "mixes types"),
    ],
)
def test_tables_that_cannot_be_handed_over_are_refused(table, words):
    with pytest.raises(ChildFailed, match=words):
        predict(artifact=DART, format="lightgbm-text", data=table)


# Hostile files


def hostile_skops(path: Path, marker: Path) -> None:
    """A skops file that would call os.system on loading."""
    text = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": f'"touch {marker}"'}
    arguments = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": [text]}
    call = {"__class__": "system", "__module__": "os", "__loader__": "ConstructorFromReduceNode", "content": arguments}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps({**call, "protocol": 2}))


class Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("format", ["skops", "lightgbm-text", "onnx", "pickle"])
def test_nothing_in_a_hostile_file_is_executed(format, tmp_path, bare):
    marker, path = tmp_path / "executed", tmp_path / "model"
    tmp_path.chmod(0o777)
    if format == "skops":
        hostile_skops(path, marker)
    else:
        path.write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(ChildFailed) as caught:
        predict(artifact=path, format=format, data=bare)
    assert caught.value.kind == "refused"
    assert ("os.system" in str(caught.value)) == (format == "skops")
    assert str(path) not in str(caught.value)
    assert not marker.exists()


def mutated(path: Path, old: str, new: str) -> Path:
    text = DART.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.fixture
def looping(tmp_path) -> Path:
    """A LightGBM text model whose first tree never ends: its root is its own child."""
    text = "left_child=0 2 3 5 -2 6 8 -6 -1\nright_child=0 -3"
    return mutated(tmp_path / "looping.model", "left_child=1 2 3 5 -2 6 8 -6 -1\nright_child=4 -3", text)


def test_a_model_that_crashes_its_reader_leaves_a_sentence(tmp_path, dart_rows):
    wild = mutated(tmp_path / "wild.model", "left_child=1 2", "left_child=2000000000 2")
    with pytest.raises(ChildFailed, match=r"crashed its reader \(signal \d+\)") as caught:
        predict(artifact=wild, format="lightgbm-text", data=dart_rows, timeout=60)
    assert caught.value.kind == "crash"


def test_a_model_that_never_ends_is_stopped_on_time(looping, dart_rows):
    begun = time.monotonic()
    with pytest.raises(ChildFailed, match="took longer than 8 seconds and was stopped") as caught:
        predict(artifact=looping, format="lightgbm-text", data=dart_rows, timeout=8)
    assert caught.value.kind == "timeout"
    assert time.monotonic() - begun < 11


def test_a_model_that_computes_too_long_is_stopped_by_the_kernel(looping, dart_rows):
    with pytest.raises(ChildFailed, match="used more than 7 seconds of computing"):
        predict(artifact=looping, format="lightgbm-text", data=dart_rows, timeout=120, limits=Limits(cpu=7))


def processes(parent: int) -> list[int]:
    """The processes that a process has started and not yet seen end."""
    states = {int(path.parent.name): read(path) for path in Path("/proc").glob("[0-9]*/status")}
    return [pid for pid, state in states.items() if f"PPid:\t{parent}\n" in state]


def children() -> list[int]:
    """The sandbox processes this test run has left."""
    servers = [pid for pid in processes(os.getpid()) if "audits.sandbox" in read(Path(f"/proc/{pid}/cmdline"))]
    return [pid for server in servers for pid in processes(server)]


def read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def test_cancelling_takes_less_than_two_seconds_and_leaves_no_process(looping, dart_rows):
    asked: list[float] = []

    def progress(part: float, stage: str) -> None:
        if stage.startswith("scoring"):
            assert len(children()) == 1
            asked.append(time.monotonic())

    with pytest.raises(Cancelled):
        predict(
            artifact=looping,
            format="lightgbm-text",
            data=dart_rows,
            timeout=60,
            on_progress=progress,
            cancelled=lambda: bool(asked),
        )
    assert time.monotonic() - asked[0] < 2
    assert children() == []


# The walls themselves

PROBE = """
import json, os, socket, subprocess, sys
from pathlib import Path
from audits.sandbox.confinement import Limits, close_inherited, confine
close_inherited()
report = confine(limits=Limits(memory=1 << 30, file=1 << 20), folder=Path(sys.argv[1]))

def tried(action):
    try:
        action()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "done"

def connect():
    with socket.create_connection(("127.0.0.1", int(sys.argv[3])), timeout=5):
        pass

print(json.dumps(report | {
    "connect": tried(connect),
    "read": tried(lambda: open(sys.argv[2]).read()),
    "write": tried(lambda: open(sys.argv[2] + ".new", "w")),
    "own": tried(lambda: Path(sys.argv[1], "note").write_text("x")),
    "large": tried(lambda: Path(sys.argv[1], "large").write_bytes(bytes(2 << 20))),
    "memory": tried(lambda: bytearray(2 << 30)),
    "program": tried(lambda: subprocess.run(["/usr/bin/true"])),
    "uid": os.getuid(),
    "inherited": tried(lambda: os.read(int(sys.argv[4]), 1)),
}))
"""


@pytest.fixture
def listening():
    """A service on this machine that a confined process must not reach."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.enable_socket
def test_a_confined_process_reaches_nothing_but_its_folder(tmp_path, listening):
    folder, secret = tmp_path / "own", tmp_path / "secret"
    folder.mkdir()
    secret.write_text("key")
    tmp_path.chmod(0o777)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    with socket.create_connection(("127.0.0.1", listening)):
        pass  # the service is there for those who may reach it
    with secret.open() as inherited:
        found = subprocess.run(
            [sys.executable, "-c", PROBE, str(folder), str(secret), str(listening), str(inherited.fileno())],
            cwd=folder,
            env=starting.environment(),
            pass_fds=[inherited.fileno()],
            capture_output=True,
            text=True,
            check=True,
        )
    report = json.loads(found.stdout)
    assert report["own"] == "done"
    assert report["inherited"] == "OSError"
    assert report["large"] == "OSError"
    assert report["memory"] == "MemoryError"
    if report["files"] == "its own folder":
        assert (report["read"], report["write"], report["program"]) == ("PermissionError",) * 3
    if os.geteuid() == 0:
        assert report["network"] == "none"
        assert report["user"] == "nobody"
        assert report["uid"] == NOBODY
    if report["network"] == "none":
        assert report["connect"] in ("OSError", "PermissionError")


def test_no_secret_is_inherited(monkeypatch):
    monkeypatch.setenv("COUNTERSIGN_SECRET_KEY", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "k")
    found = starting.environment()
    assert not {"COUNTERSIGN_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"} & set(found)
    assert found["OMP_NUM_THREADS"] == "2"


def test_what_a_child_writes_is_read_as_hostile(tmp_path):
    with Folder(DART) as folder:
        np.save(folder.path / "wide.npy", np.zeros((3, 2)))
        np.save(folder.path / "objects.npy", np.array([Bomb(tmp_path / "executed")], dtype=object), allow_pickle=True)
        (folder.path / "link.npy").symlink_to(folder.path / "wide.npy")
        np.testing.assert_array_equal(folder.array("wide", (3, 2)), np.zeros((3, 2)))
        for name, shape in [("wide", (2, 3)), ("objects", (1,)), ("link", (3, 2)), ("absent", (1,))]:
            with pytest.raises(ChildFailed, match="no usable result"):
                folder.array(name, shape)
        kept = folder.path
    assert not kept.exists()
    assert not (tmp_path / "executed").exists()
