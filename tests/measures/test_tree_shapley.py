"""Exact Shapley values of trees against every coalition, and against the libraries that grew them."""

import warnings

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from audits.sandbox.lightgbm_model import LightgbmModel
from audits.sandbox.models import Game
from audits.sandbox.skops_model import SkopsModel
from audits.sandbox.trees import choice, engine, readers
from audits.sandbox.trees.ensemble import LEAF, Ensemble, Grove, Unreadable
from audits.sandbox.xgboost_model import XgboostModel

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # shap's plots use what matplotlib will drop
    import shap

# Every coalition


def shapley(worths: np.ndarray, width: int) -> np.ndarray:
    """Shapley values from the worth of every coalition, whose members are the bits of its place."""
    coalitions = np.arange(1 << width)
    sizes = np.array([int(each).bit_count() for each in coalitions])
    weights = np.cumprod([1, *range(1, width + 1)]).astype(float)
    values = np.empty(width)
    for player in range(width):
        without = coalitions[coalitions >> player & 1 == 0]
        size = sizes[without]
        share = weights[size] * weights[width - 1 - size] / weights[width]
        values[player] = share @ (worths[without | 1 << player] - worths[without])
    return values


def worths(trees: Ensemble, row: np.ndarray, stranger: np.ndarray | None) -> np.ndarray:
    """The worth of every coalition: known features follow `row`, others `stranger`, or both ways by cover."""
    coalitions = np.arange(1 << trees.width)

    def left(node: int, x: np.ndarray) -> bool:
        value = x[trees.feature[node]]
        return bool(trees.missing_left[node]) if np.isnan(value) else bool(value <= trees.threshold[node])

    def below(node: int) -> np.ndarray:
        if trees.feature[node] == LEAF:
            return np.full(len(coalitions), trees.value[node])
        known = coalitions >> trees.feature[node] & 1 == 1
        share = trees.cover[trees.left[node]] / trees.cover[node] if stranger is None else float(left(node, stranger))
        to_left = np.where(known, float(left(node, row)), share)
        return to_left * below(trees.left[node]) + (1 - to_left) * below(trees.right[node])

    return trees.offset + np.sum([below(root) for root in trees.roots], axis=0)


def brute_force(trees: Ensemble, row: np.ndarray, background: np.ndarray | None) -> tuple[np.ndarray, float]:
    row = trees.read(row)
    strangers = [None] if background is None else list(trees.read(background))
    found = np.mean([worths(trees, row, each) for each in strangers], axis=0)
    return shapley(found, trees.width), float(found[0])


def grown(random: np.random.Generator, *, width: int, depth: int, trees: int, full: float = 0.8) -> Ensemble:
    """Random trees: features come again on a path, thresholds tie with values, missing values go either way."""
    grove = Grove([])
    for _ in range(trees):
        lines: list[list[float]] = []

        def grow(level: int, cover: float, lines: list[list[float]] = lines) -> int:
            at = len(lines)
            lines.append([LEAF, 0, 0, 0, 0, random.normal(), cover])
            if level < depth and (level == 0 or random.random() < full):
                share = random.uniform(0.1, 0.9)
                lines[at][:2] = [random.integers(width), random.integers(-2, 3)]
                lines[at][2] = grow(level + 1, cover * share)
                lines[at][3] = grow(level + 1, cover * (1 - share))
                lines[at][4] = random.integers(2)
            return at

        grow(0, 100.0)
        columns = np.array(lines).T
        names = ("feature", "threshold", "left", "right", "missing_left", "value", "cover")
        grove.add(**dict(zip(names, columns, strict=True)))
    return grove.ensemble(offset=0.7, width=width)


def drawn(random: np.random.Generator, count: int, width: int) -> np.ndarray:
    rows = random.integers(-3, 4, (count, width)).astype(float)
    rows[random.random(rows.shape) < 0.1] = np.nan
    return rows


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), width=st.integers(1, 7), depth=st.integers(1, 8), known=st.booleans())
def test_values_are_those_of_every_coalition(seed, width, depth, known):
    random = np.random.default_rng(seed)
    trees = grown(random, width=width, depth=depth, trees=3)
    rows = drawn(random, 3, width)
    background = drawn(random, 5, width) if known else None
    found = engine.explain(trees, rows, background)
    for row, values in zip(rows, found.values, strict=True):
        expected, base = brute_force(trees, row, background)
        np.testing.assert_allclose(values, expected, atol=1e-12)
        assert found.base == pytest.approx(base, abs=1e-12)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("count", [1, 60, 2000])
def test_every_engine_gives_the_same_values(count, known):
    """The more rows, the longer the paths that get a table."""
    random = np.random.default_rng(8)
    trees = grown(random, width=12, depth=9, trees=4, full=0.95)
    rows, background = drawn(random, 2000, 12), drawn(random, 30, 12) if known else None
    whole = engine.explain(trees, rows, background)
    part = engine.explain(trees, rows[:count], background)
    np.testing.assert_allclose(part.values, whole.values[:count], atol=1e-12)
    expected, base = brute_force(trees, rows[0], background)
    np.testing.assert_allclose(part.values[0], expected, atol=1e-12)
    assert part.base == pytest.approx(base, abs=1e-12)


@pytest.mark.parametrize("width", [9, 12, 16, 17, 18])
@pytest.mark.parametrize("known", [False, True])
def test_long_paths_are_exact_too(width, known):
    """Beyond sixteen features quadrature takes two passes."""
    random = np.random.default_rng(width)
    chain = [[at, 0, 2 * at + 1, 2 * at + 2, at % 2, 0, 0.7**at] for at in range(width)]
    lines = []
    for at, line in enumerate(chain):
        lines += [line, [LEAF, 0, 0, 0, 0, random.normal(), 0.3 * 0.7**at]]
    lines = [[f, t, a, b, m, v, c] for f, t, a, b, m, v, c in lines]
    for at in range(width):
        lines[2 * at][2], lines[2 * at][3] = 2 * at + 1, 2 * at + 2
    lines.append([LEAF, 0, 0, 0, 0, random.normal(), 0.7**width])
    grove = Grove([])
    names = ("feature", "threshold", "left", "right", "missing_left", "value", "cover")
    grove.add(**dict(zip(names, np.array(lines).T, strict=True)))
    trees = grove.ensemble(offset=0.0, width=width)
    rows = np.where(random.random((3, width)) < 0.15, -1.0, 1.0)
    background = np.where(random.random((4, width)) < 0.15, -1.0, 1.0) if known else None
    found = engine.explain(trees, rows, background)
    for row, values in zip(rows, found.values, strict=True):
        expected, base = brute_force(trees, row, background)
        np.testing.assert_allclose(values, expected, atol=1e-12)
        assert found.base == pytest.approx(base, abs=1e-12)


# The libraries' own


WIDTH = 12


@pytest.fixture(scope="module")
def table() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    rows = random.normal(size=(600, WIDTH)).round(2)
    rows[random.random(rows.shape) < 0.03] = np.nan
    signal = np.nan_to_num(rows)
    score = signal[:, 0] + signal[:, 1] * signal[:, 2] + np.abs(signal[:, 3]) + random.normal(0, 0.4, 600)
    return rows, score


def by_shap(model, rows: np.ndarray, background: np.ndarray | None) -> tuple[np.ndarray, float]:
    masker = None if background is None else shap.maskers.Independent(background, max_samples=len(background))
    game = "tree_path_dependent" if background is None else "interventional"
    explainer = shap.TreeExplainer(model, masker, feature_perturbation=game, model_output="raw")
    return np.asarray(explainer.shap_values(rows, check_additivity=False)), explainer.expected_value


@pytest.mark.parametrize("objective", ["binary:logistic", "reg:squarederror", "count:poisson", "multi:softprob"])
@pytest.mark.parametrize("booster", ["gbtree", "dart"])
def test_xgboost_trees_are_read_as_xgboost_reads_them(table, objective, booster):
    rows, score = table
    labels = {"binary:logistic": score > 0, "multi:softprob": np.digitize(score, [-0.5, 1])}
    params = {"objective": objective, "max_depth": 5, "booster": booster, "seed": 1}
    params |= {"num_class": 3} if objective == "multi:softprob" else {}
    params |= {"rate_drop": 0.3} if booster == "dart" else {}
    model = xgboost.train(params, xgboost.DMatrix(rows, label=labels.get(objective, np.abs(score))), 12)
    # at a threshold, float32 and float64 part ways
    part = np.vstack(
        [rows[:60], model.trees_to_dataframe()["Split"].dropna().to_numpy()[:WIDTH].repeat(WIDTH).reshape(-1, WIDTH)]
    )
    margin = model.predict(xgboost.DMatrix(part), output_margin=True)
    parts = model.predict(xgboost.DMatrix(part), pred_contribs=True)
    for group in range(3 if objective == "multi:softprob" else 1):
        trees = readers.xgboost(bytes(model.save_raw("json")), group=group)
        own, output = (parts[:, group], margin[:, group]) if parts.ndim == 3 else (parts, margin)
        found = engine.explain(trees, part, None)
        np.testing.assert_allclose(found.values, own[:, :-1], atol=2e-6)
        assert found.base == pytest.approx(own[0, -1], abs=2e-6)
        for background in (None, rows[100:200]):
            found = engine.explain(trees, part, background)
            np.testing.assert_allclose(found.base + found.values.sum(axis=1), output, atol=4e-6)


@pytest.mark.parametrize(
    "extra", [{}, {"use_missing": False}, {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}]
)
@pytest.mark.parametrize("objective", ["binary", "regression", "multiclass"])
def test_lightgbm_trees_are_read_as_lightgbm_reads_them(table, objective, extra):
    rows, score = table
    label = {"binary": score > 0, "regression": score, "multiclass": np.digitize(score, [-0.5, 1])}[objective]
    params = {"objective": objective, "num_leaves": 20, "min_data_in_leaf": 5, "verbose": -1, "seed": 1, **extra}
    params |= {"num_class": 3} if objective == "multiclass" else {}
    model = lightgbm.train(params, lightgbm.Dataset(rows, label=label.astype(float)), 12)
    groups, part = model.num_model_per_iteration(), rows[:60]
    own = model.predict(part, pred_contrib=True).reshape(60, groups, -1)
    output = model.predict(part, raw_score=True).reshape(60, groups)
    for group in range(groups):
        trees = readers.lightgbm(model.model_to_string(), group=group, groups=groups, width=WIDTH)
        found = engine.explain(trees, part, None)
        np.testing.assert_allclose(found.values, own[:, group, :-1], atol=1e-9)
        for background in (None, rows[100:300]):
            found = engine.explain(trees, part, background)
            np.testing.assert_allclose(found.base + found.values.sum(axis=1), output[:, group], atol=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(6, max_depth=7, random_state=0),
        RandomForestClassifier(2, random_state=0),
        GradientBoostingClassifier(n_estimators=6, random_state=0),
        HistGradientBoostingClassifier(max_iter=6, random_state=0),
        ExtraTreesRegressor(3, random_state=0),
        GradientBoostingRegressor(n_estimators=6, random_state=0),
        DecisionTreeRegressor(random_state=0),
    ],
    ids=lambda model: f"{type(model).__name__}-{getattr(model, 'max_depth', '')}",
)
def test_scikit_learn_trees_are_those_that_shap_explains(table, model):
    # shap compares as float32 in the interventional game: whole numbers and their means are the same in both
    rows, score = np.nan_to_num(4 * table[0]).round(), table[1]
    classifier = hasattr(model, "predict_proba")
    model.fit(rows, score > 0.3 if classifier else score)
    target = 1 if classifier else None
    trees, part = readers.scikit_learn(model, target=target), rows[:15]
    for background in (None, rows[100:140]):
        found = engine.explain(trees, part, background)
        expected, base = by_shap(model, part, background)
        expected = expected[:, :, 1] if expected.ndim == 3 else expected
        np.testing.assert_allclose(found.values, expected, atol=1e-6)
        assert found.base == pytest.approx(float(np.ravel(base)[-1]), abs=1e-6)


def test_the_second_of_two_classes_mirrors_the_first(table):
    rows, score = np.nan_to_num(table[0]), table[1]
    model = HistGradientBoostingClassifier(max_iter=4).fit(rows, score > 0)
    one, other = (engine.explain(readers.scikit_learn(model, target=at), rows[:5], rows[50:80]) for at in (0, 1))
    np.testing.assert_array_equal(one.values, -other.values)
    np.testing.assert_allclose(other.base + other.values.sum(axis=1), model.decision_function(rows[:5]), atol=1e-12)


# What is left to other engines


def test_what_the_form_cannot_hold_is_refused(table):
    rows, score = table
    coded = np.column_stack([np.arange(600) % 7, rows])
    zeros = {"objective": "binary", "verbose": -1}
    few = lightgbm.train(zeros, lightgbm.Dataset(coded, coded[:, 0] % 2, categorical_feature=[0]), 5)
    missing = lightgbm.train({**zeros, "zero_as_missing": True}, lightgbm.Dataset(rows, score > 0), 2)
    linear = lightgbm.train({**zeros, "linear_tree": True}, lightgbm.Dataset(rows, score > 0), 2)
    for model in (few, missing, linear):
        with pytest.raises(Unreadable):
            readers.lightgbm(model.model_to_string(), group=0, groups=1, width=model.num_feature())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"left": [0, 0, 0]}, "no tree"),
        ({"left": [1, 0, 0], "right": [1, 0, 0]}, "no tree"),
        ({"left": [9, 0, 0]}, "a child that is not there"),
        ({"feature": [3, LEAF, LEAF]}, "a feature that is not there"),
        ({"value": [0, np.inf, 1]}, "without a finite value"),
        ({"cover": [2, 0, 2]}, "no training row"),
    ],
)
def test_nodes_that_are_no_tree_are_refused_before_they_are_walked(change, words):
    lines = {"feature": [0, LEAF, LEAF], "threshold": [0, 0, 0], "left": [1, 0, 0], "right": [2, 0, 0]}
    lines |= {"missing_left": [0, 0, 0], "value": [0, -1, 1], "cover": [2, 1, 1]} | change
    grove = Grove([])
    grove.add(**{name: np.array(column) for name, column in lines.items()})
    with pytest.raises(Unreadable, match=words):
        engine.explain(grove.ensemble(offset=0.0, width=1), np.zeros((1, 1)), None)


# Which engine


@pytest.fixture
def small():
    random = np.random.default_rng(3)
    trees, rows = grown(random, width=4, depth=3, trees=2), random.normal(size=(9, 4))
    return trees, rows, engine.explain(trees, rows, None)


def chosen(small, monkeypatch, *, second, output=None, worthwhile=0):
    trees, rows, found = small
    monkeypatch.setattr(choice, "WORTHWHILE", worthwhile)
    asked = []

    def other(at):
        asked.append(len(at))
        return Game(second[at], found.base, output[at], "tree, path-dependent", "raw", 1e-8)

    output = found.base + found.values.sum(axis=1) if output is None else output
    game = choice.explain(lambda: trees, rows, None, output=output, scale="raw", tolerance=1e-8, other=other)
    return game, asked


def test_a_second_engine_is_asked_for_a_few_rows(small, monkeypatch):
    game, asked = chosen(small, monkeypatch, second=small[2].values)
    assert asked == [choice.SPOTS]
    assert "second engine, asked for 3 of the rows, agrees" in game.notes[0]


def test_little_work_is_not_worth_compiling(small, monkeypatch):
    game, asked = chosen(small, monkeypatch, second=small[2].values, worthwhile=10**9)
    assert (asked, game.notes) == ([9], [])


def test_values_that_a_second_engine_denies_are_not_used(small, monkeypatch):
    wrong = small[2].values[:, ::-1].copy()
    game, asked = chosen(small, monkeypatch, second=wrong)
    assert asked == [choice.SPOTS, 9]
    np.testing.assert_array_equal(game.values, wrong)
    assert "away from a second one and was not used" in game.notes[0]


@pytest.mark.parametrize("interventional", [False, True])
@pytest.mark.parametrize("kind", ["xgboost", "lightgbm", "skops"])
def test_models_are_explained_alike_by_either_engine(table, tmp_path, monkeypatch, kind, interventional):
    rows, score = np.nan_to_num(4 * table[0]).round(), table[1]
    frame, path = pd.DataFrame(rows).rename(columns=str), tmp_path / "model"
    if kind == "xgboost":
        path = path.with_suffix(".json")
        xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(frame, label=score > 0), 4).save_model(path)
        model = XgboostModel(path)
    elif kind == "lightgbm":
        params = {"objective": "binary", "verbose": -1}
        lightgbm.train(params, lightgbm.Dataset(frame, score > 0), 4).save_model(path)
        model = LightgbmModel(path)
    else:
        final = RandomForestClassifier(3, max_depth=5, random_state=0)
        skops.io.dump(make_pipeline(StandardScaler(with_mean=False, with_std=False), final).fit(frame, score > 0), path)
        model = SkopsModel(path)
    for target in (0, 1):
        games = []
        for worthwhile in (0, 10**12):
            monkeypatch.setattr(choice, "WORTHWHILE", worthwhile)
            games.append(model.explain(frame[:20], frame[50:90], target=target, interventional=interventional))
        ours, own = games
        assert "numba" in ours.notes[0]
        assert not own.notes
        assert (ours.game, ours.scale) == (own.game, own.scale)
        assert ours.adds_up()
        np.testing.assert_allclose(ours.values, own.values, atol=1e-6)
        assert ours.base == pytest.approx(own.base, abs=1e-6)


def test_values_that_miss_the_output_are_not_used(small, monkeypatch):
    output = small[2].base + small[2].values.sum(axis=1)
    output[4] += 0.1
    game, asked = chosen(small, monkeypatch, second=small[2].values, output=output)
    assert asked == [9]
    assert "missed the output by 0.1" in game.notes[0]
