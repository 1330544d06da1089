"""Shapley values: trees against shap's TreeExplainer and the boosters' own, any model against shap's samplers.

Processor time of all threads; compiling is stated apart. What ours takes includes reading the trees and
building the tables.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench import harness

FEATURES, BACKGROUND, TRAINED = 50, 100, 6_000


def measure(*, small: bool) -> str:
    size = ["--small"] if small else []
    trees = json.loads(harness.run("-m", "bench.explain", "trees", *size).splitlines()[-1])
    sampled = json.loads(harness.run("-m", "bench.explain", "sampling", *size).splitlines()[-1])
    return "\n".join([_trees_table(trees), _sampling_table(sampled)])


def _trees_table(found: dict[str, Any]) -> str:
    head = (
        "### Exact Shapley values of trees, processor time a row\n\n"
        "| model | leaves | features on a path | game | ours, µs (rows) | peer | µs (rows) | ratio | furthest from the "
        "peer | sum − output, ours | peer |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
    )
    body = "".join(
        f"| {each['model']} | {each['leaves']:,} | ≤ {each['distinct']} | {each['game']} | "
        f"{each['ours']:,.1f} ({each['rows']:,}) | {each['peer']} | {each['theirs']:,.0f} ({each['peer_rows']:,}) | "
        f"{each['ratio']:,.1f} | {each['apart']:.1e} | {each['gap']:.1e} | {each['peer_gap']:.1e} |\n"
        for each in found["rows"]
    )
    note = (
        f"\n{FEATURES} features; the interventional background has {BACKGROUND} rows, given to shap in a masker with "
        f"`max_samples`, for it cuts a plain one to 100. Medians of {found['rounds']} rounds, arms in turn. "
        f"Compiling took {found['compiling']:.1f} s of processor time, once a process; smaller work is left to the "
        "peer's engine. "
        "XGBoost adds its margins in float32; shap's interventional engine compares in float32, so rows whose value "
        "lies at a float64 threshold differ, and its own sums show it.\n"
    )
    return head + body + note


def _sampling_table(found: dict[str, Any]) -> str:
    head = (
        "### Any model, sampled\n\n| | model evaluations a row | CPU, ms a row | less CPU than shap Permutation | "
        "relative error | reported standard error, relative | sum − output |\n|---|---|---|---|---|---|---|\n"
    )
    body = "".join(
        f"| {each['arm']} | {each['spent']:,.0f} | {each['cpu']:,.1f} | {each['ratio']:,.1f} × | {each['error']:.3f} | "
        f"{each['told']} | {each['gap']:.1e} |\n"
        for each in found["rows"]
    )
    return head + body + f"\n{found['note']}\n"


# Trees


@dataclass(frozen=True)
class Case:
    """A model, its margin, and how to read its trees; `peers` by game: what they are called and how many rows each."""

    name: str
    fit: Callable[[Any, Any], Any]
    output: Callable[[Any, Any], Any]
    read: Callable[[Any], Any]
    own: Callable[[Any, Any], Any] | None
    rows: int
    slow_rows: tuple[int, int]


def trees(small: bool) -> dict[str, Any]:
    import numpy as np

    from audits.sandbox.trees import engine

    random = np.random.default_rng(1)
    rows = random.normal(size=(TRAINED, FEATURES)).astype("float32").astype(float)
    score = rows[:, 0] + rows[:, 1] * rows[:, 2] + np.abs(rows[:, 3:8]).sum(axis=1) - 4
    score += random.normal(0, 0.5, TRAINED)
    usual, rounds, lines = rows[-BACKGROUND:], 1 if small else 3, []
    compiling = time.process_time()
    _compile(engine)
    compiling = time.process_time() - compiling
    for case in _cases(small):
        model = case.fit(rows, score > 0)
        many = rows[np.arange(max(50, case.rows // 20) if small else case.rows) % TRAINED]
        few = [many[: max(2, slow // 5) if small else slow] for slow in case.slow_rows]
        lines.append(_line(case, model, (many, few[0], None), rounds))
        lines.append(_line(case, model, (many, few[1], usual), rounds))
    return {"rows": lines, "rounds": rounds, "compiling": compiling}


def _line(case: Case, model: Any, parts: tuple[Any, Any, Any], rounds: int) -> dict[str, Any]:
    import numpy as np

    from audits.sandbox.trees import engine

    many, few, background = parts
    peer, explain = _peer(case, model, background)
    arms = {
        "ours": _timed(lambda: engine.explain(case.read(model), many, background)),
        "peer": _timed(lambda: explain(few)),
    }
    spent = harness.in_turn(arms, rounds=rounds)
    per_row = {name: [1e6 * each / len(part) for each in spent[name]] for name, part in (("ours", many), ("peer", few))}
    grown, output = case.read(model), case.output(model, many)
    ours, (theirs, base) = engine.explain(grown, many, background), explain(few)
    return {
        "model": case.name,
        "leaves": grown.leaves,
        "distinct": int(engine.layout(grown).distinct.max()),
        "game": "path-dependent" if background is None else "interventional",
        "ours": statistics.median(per_row["ours"]),
        "rows": len(many),
        "peer": peer,
        "theirs": statistics.median(per_row["peer"]),
        "peer_rows": len(few),
        "ratio": statistics.median(b / a for a, b in zip(per_row["ours"], per_row["peer"], strict=True)),
        "apart": float(np.abs(ours.values[: len(few)] - theirs).max()),
        "gap": float(np.abs(ours.values.sum(axis=1) + ours.base - output).max()),
        "peer_gap": float(np.abs(theirs.sum(axis=1) + base - output[: len(few)]).max()),
    }


def _timed(work: Callable[[], Any]) -> Callable[[], float]:
    def spent() -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    return spent


def _compile(engine: Any) -> None:
    """Every engine once, on two stumps and a path too long for tables."""
    import numpy as np

    from audits.sandbox.trees.ensemble import LEAF, Grove

    grove, long = Grove([]), 12
    for size in (1, long):
        inner, total = np.arange(size), 2 * size + 1
        feature = np.concatenate([inner, np.full(size + 1, LEAF)])
        grove.add(
            feature=feature,
            threshold=np.zeros(total),
            left=np.concatenate([inner + size, np.zeros(size + 1)]),
            right=np.concatenate([inner[1:], [2 * size], np.zeros(size + 1)]),
            missing_left=np.zeros(total),
            value=np.arange(total),
            cover=np.ones(total),
        )
    grown, rows = grove.ensemble(offset=0.0, width=long), np.ones((2, long))
    for background in (None, -rows):
        engine.explain(grown, rows, background)


def _cases(small: bool) -> list[Case]:
    import lightgbm
    import xgboost
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    from audits.sandbox.trees import readers

    part = 10 if small else 1

    def boosted(count: int) -> Case:
        params = {"objective": "binary:logistic", "max_depth": 6, "eta": 0.1, "nthread": 2}
        return Case(
            f"XGBoost, {count // part} trees of depth 6",
            lambda x, y: xgboost.train(params, xgboost.DMatrix(x, label=y), count // part),
            lambda model, x: model.predict(xgboost.DMatrix(x), output_margin=True).astype(float),
            lambda model: readers.xgboost(bytes(model.save_raw("json")), group=0),
            lambda model, x: model.predict(xgboost.DMatrix(x), pred_contribs=True).astype(float),
            rows=4_000,
            slow_rows=(400, 60),
        )

    light = {"objective": "binary", "num_leaves": 31, "learning_rate": 0.1, "verbose": -1, "num_threads": 2}

    def sklearn(name: str, estimator: Any, output: str, rows: int, slow: tuple[int, int]) -> Case:
        return Case(
            name,
            estimator.fit,
            lambda model, x: model.predict_proba(x)[:, 1] if output == "predict_proba" else model.decision_function(x),
            lambda model: readers.scikit_learn(model, target=1),
            None,
            rows=rows,
            slow_rows=slow,
        )

    forest = {"n_jobs": 2, "random_state": 0}
    return [
        boosted(100),
        boosted(500),
        Case(
            f"LightGBM, {500 // part} trees of 31 leaves",
            lambda x, y: lightgbm.train(light, lightgbm.Dataset(x, label=y), 500 // part),
            lambda model, x: model.predict(x, raw_score=True),
            lambda model: readers.lightgbm(model.model_to_string(), group=0, groups=1, width=FEATURES),
            lambda model, x: model.predict(x, pred_contrib=True),
            rows=4_000,
            slow_rows=(200, 40),
        ),
        sklearn(
            f"HistGradientBoosting, {200 // part} trees of 31 leaves",
            HistGradientBoostingClassifier(max_iter=200 // part, early_stopping=False),
            "decision_function",
            4_000,
            (200, 60),
        ),
        sklearn(
            f"random forest, {100 // part} trees of depth 8",
            RandomForestClassifier(100 // part, max_depth=8, **forest),
            "predict_proba",
            4_000,
            (100, 30),
        ),
        sklearn(
            f"random forest, {300 // part} trees of depth 12",
            RandomForestClassifier(300 // part, max_depth=12, **forest),
            "predict_proba",
            200,
            (10, 4),
        ),
    ]


def _peer(case: Case, model: Any, background: Any) -> tuple[str, Callable[[Any], tuple[Any, float]]]:
    import numpy as np

    own = case.own
    if background is None and own is not None:

        def contributions(rows: Any) -> tuple[Any, float]:
            parts = own(model, rows)
            return parts[:, :-1], float(parts[0, -1])

        return "its own `pred_contrib`", contributions
    shap = _shap()
    masker = None if background is None else shap.maskers.Independent(background, max_samples=len(background))
    game = "tree_path_dependent" if background is None else "interventional"
    explainer = shap.TreeExplainer(model, masker, feature_perturbation=game, model_output="raw")

    def explain(rows: Any) -> tuple[Any, float]:
        values = np.asarray(explainer.shap_values(rows, check_additivity=False))
        return values[:, :, 1] if values.ndim == 3 else values, float(np.ravel(explainer.expected_value)[-1])

    return "shap TreeExplainer", explain


def _shap() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap
    return shap


# Sampling


def sampling(small: bool) -> dict[str, Any]:
    import numpy as np
    import pandas as pd
    import xgboost

    from audits.sandbox import permutation
    from audits.sandbox.trees import engine, readers

    shap, random = _shap(), np.random.default_rng(2)
    width, usual_count, count = 20, 50, 3 if small else 10
    rows = random.normal(size=(3_000, width)).astype("float32").astype(float)
    score = rows[:, 0] + 2 * rows[:, 1] * rows[:, 2] + np.abs(rows[:, 3:6]).sum(axis=1) - 2
    params = {"objective": "binary:logistic", "max_depth": 5, "eta": 0.2, "nthread": 1}
    model = xgboost.train(params, xgboost.DMatrix(rows, label=score > 0), 60)
    explained, usual, evaluated = rows[:count], rows[-usual_count:], [0]

    def margin(cells: Any) -> Any:
        evaluated[0] += len(cells)
        return model.inplace_predict(np.asarray(cells), predict_type="margin").astype(float)

    true = engine.explain(readers.xgboost(bytes(model.save_raw("json")), group=0), explained, usual)
    frames, output = [pd.DataFrame(part) for part in (explained, usual)], margin(explained)

    def ours(evaluations: int) -> Callable[[], tuple[Any, float, Any]]:
        def run() -> tuple[Any, float, Any]:
            game = permutation.explain(
                lambda frame: margin(frame.to_numpy()),
                *frames,
                seed=3,
                scale="raw",
                progress=lambda part, stage: None,
                evaluations=evaluations,
            )
            return game.values, game.base, game.errors

        return run

    def by_permutation() -> tuple[Any, float, Any]:
        masker = shap.maskers.Independent(usual, max_samples=usual_count)
        found = shap.PermutationExplainer(margin, masker, seed=3)(explained, max_evals=1000, silent=True)
        return found.values, found.base_values, None

    def by_kernel() -> tuple[Any, float, Any]:
        np.random.seed(3)
        explainer = shap.KernelExplainer(margin, usual)
        return explainer.shap_values(explained, nsamples=1000, silent=True), explainer.expected_value, None

    whole = 1000 * usual_count
    arms = {"shap Permutation, 1,000 coalitions": by_permutation, "shap Kernel, 1,000 coalitions": by_kernel}
    arms |= {f"ours, {each:,} evaluations": ours(each) for each in (permutation.EVALUATIONS, whole // 8, whole)}
    results: dict[str, Any] = {}
    spent = dict.fromkeys(arms, 0)

    def timed(name: str) -> Callable[[], float]:
        def run() -> float:
            evaluated[0], began = 0, time.process_time()
            results[name] = arms[name]()
            taken = time.process_time() - began
            spent[name] = evaluated[0]
            return taken

        return run

    arms["shap Permutation, 1,000 coalitions"]()  # its first call compiles
    taken = harness.in_turn({name: timed(name) for name in arms}, rounds=1 if small else 3)
    size, base, lines = float(np.linalg.norm(true.values)), "shap Permutation, 1,000 coalitions", []
    for line in harness.rows(taken, base=base):
        values, start, errors = results[line.arm]
        told = "–" if errors is None else f"{float(np.linalg.norm(errors)) / size:.3f}"
        lines.append(
            {
                "arm": line.arm,
                "spent": spent[line.arm] / count,
                "cpu": 1000 * line.median / count,
                "ratio": 1 / line.ratio,
                "error": float(np.linalg.norm(values - true.values)) / size,
                "told": told,
                "gap": float(np.abs(values.sum(axis=1) + start - output).max()),
            }
        )
    note = (
        f"{count} rows of {width} features, a background of {usual_count}, XGBoost with 60 trees of depth 5 called as "
        "a black box; the true values are the exact interventional ones. shap averages each of its 1,000 coalitions "
        f"over the whole background, {whole:,} evaluations a row; ours draws a background row for each pair of walks."
    )
    return {"rows": lines, "note": note}


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    asked.add_argument("part", nargs="?", choices=["trees", "sampling"])
    asked.add_argument("--small", action="store_true")
    given = asked.parse_args()
    if given.part is None:
        print(measure(small=given.small))
    else:
        print(json.dumps((trees if given.part == "trees" else sampling)(given.small)))
