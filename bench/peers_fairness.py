"""One arm of the fairness benchmark in a process of its own: what it cost and what it found, as JSON.

python bench/peers_fairness.py ARM FILE [--rows N] [--replicates N]

The peers' arms run in either environment, so nothing of this project is imported for them. Imports come before the
clock for all. What is measured in memory is read and coded before the clock; what is measured from the file is not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

GROUPS = ["sex", "region"]
RATES = (
    "selection_rate",
    "true_positive_rate",
    "true_negative_rate",
    "false_positive_rate",
    "false_negative_rate",
    "precision",
    "accuracy",
)
COMPARED = tuple(rate for rate in RATES if rate != "true_negative_rate")
KINDS = ("difference", "ratio")
ODDS = ("true_positive_rate", "false_positive_rate")
ENDS = (0.025, 0.975)


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("arm", choices=sorted(ARMS))
    asked.add_argument("file")
    asked.add_argument("--rows", type=int, default=0)
    asked.add_argument("--replicates", type=int, default=100)
    given = asked.parse_args()
    warnings.simplefilter("ignore")
    prepared = ARMS[given.arm](given)
    if prepared is None:
        return
    wall, cpu = time.perf_counter(), time.process_time()
    found = prepared()
    spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    spent["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(spent | {"found": found}))


def rows(given: argparse.Namespace) -> None:
    """The file itself: ten groups of unequal size, scores spread evenly, base rates and decisions that differ."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    drawn = np.random.default_rng(7)
    schema = pa.schema(
        [("sex", pa.string()), ("region", pa.string()), ("y", pa.int8()), ("p", pa.int8()), ("score", pa.float64())]
    )
    with pq.ParquetWriter(given.file, schema) as writer:
        for start in range(0, given.rows, 1_000_000):
            size = min(1_000_000, given.rows - start)
            sex = drawn.integers(0, 2, size)
            region = drawn.choice(5, size, p=[0.4, 0.3, 0.15, 0.1, 0.05])
            score = drawn.random(size)
            target = drawn.random(size) < 0.15 + 0.5 * score + 0.05 * sex
            columns = [
                np.array(["female", "male"])[sex],
                np.array(["north", "south", "east", "west", "centre"])[region],
                target.astype(np.int8),
                (score >= 0.5 - 0.03 * region).astype(np.int8),
                score,
            ]
            writer.write_table(pa.table(columns, schema=schema))


def ours(given: argparse.Namespace) -> Callable[[], Any]:
    """From the file to the rates."""
    import duckdb

    import audits.measures.disparities  # noqa: F401  (before the clock)
    from audits.engines import files, queries

    duckdb.connect().close()
    decisions = queries.Decisions(target="y", prediction="p", sensitive=tuple(GROUPS))
    return lambda: measured(
        files.count(given.file, format="parquet", types={}, decisions=decisions, favourable=1).tables[-1]
    )


def coded(given: argparse.Namespace) -> Callable[[], Any]:
    """From rows in memory, whose groups are codes, to the rates."""
    import audits.measures.disparities  # noqa: F401  (before the clock)
    from audits.engines import memory

    held = in_codes(given)
    return lambda: measured(memory.count(**held)[-1])


def in_codes(given: argparse.Namespace) -> dict[str, Any]:
    frame = read(given)
    groups = {name: frame[name].astype("category").cat for name in GROUPS}
    return {
        "actual": frame["y"].to_numpy().astype(bool),
        "predicted": frame["p"].to_numpy().astype(bool),
        "codes": {name: group.codes.to_numpy() for name, group in groups.items()},
        "labels": {name: list(group.categories) for name, group in groups.items()},
    }


def measured(table: Any) -> Any:
    """The rates of each group of one count table, and the gaps between the groups."""
    from audits.measures import disparities
    from audits.measures.rates import RATES as RATED

    rates = {rate: RATED[rate].values(table.counts).tolist() for rate in RATES}
    sizes = table.counts.sum(axis=1).tolist()
    by_group = {
        "/".join(group.values()): {"count": sizes[place]} | {rate: rates[rate][place] for rate in RATES}
        for place, group in enumerate(table.groups)
    }
    found = {(rate, kind): disparities.gap(rate, kind, table.counts) for rate in COMPARED for kind in KINDS}
    for kind in KINDS:
        found["equalized_odds", kind] = disparities.worst_case(kind, [found[rate, kind] for rate in ODDS])
    return {"by_group": by_group, "gaps": {f"{rate} {kind}": gap.value for (rate, kind), gap in found.items()}}


def resampled(given: argparse.Namespace) -> Callable[[], Any]:
    """From coded rows to intervals by redrawing their count table."""
    from audits.engines import memory
    from audits.measures import fairness

    held = in_codes(given)

    def measure() -> Any:
        table = memory.count(**held, attribute_sets=[tuple(GROUPS)])
        said = fairness.of_counts(table, replicates=given.replicates, seed=1)
        return {
            f"{row['metric']} {row['kind']}": [row["low"], row["high"]]
            for row in said["disparities"]
            if row["metric"] in {*COMPARED, "equalized_odds"} and row["kind"] in KINDS
        }

    return measure


def redrawn(given: argparse.Namespace) -> Callable[[], Any]:
    """The gaps of tables counted from rows that were drawn with replacement one by one."""
    import numpy as np

    from audits.measures.rates import RATES as RATED

    frame = read(given)
    cells = frame.groupby(GROUPS, observed=True).ngroup().to_numpy() * 4
    cells += np.array([[2, 1], [3, 0]])[frame["y"], frame["p"]]
    size = int(cells.max()) // 4 * 4 + 4

    def measure() -> Any:
        drawn = np.random.default_rng(2)
        tables = [
            np.bincount(cells[drawn.integers(0, len(cells), len(cells))], minlength=size)
            for _ in range(given.replicates)
        ]
        counts = np.stack(tables).reshape(given.replicates, -1, 4)
        found = {}
        for rate in COMPARED:
            values = RATED[rate].values(counts)
            low, high = values.min(axis=1), values.max(axis=1)
            found |= {f"{rate} difference": high - low, f"{rate} ratio": low / high}
        for kind, choose in zip(KINDS, (np.maximum, np.minimum), strict=True):
            found[f"equalized_odds {kind}"] = choose(*(found[f"{rate} {kind}"] for rate in ODDS))
        return {name: values.tolist() for name, values in found.items()}

    return measure


def areas(given: argparse.Namespace) -> Callable[[], Any]:
    """AUC per group, by sorting up to a million rows and by bins beyond."""
    from audits.measures import binned_auc

    held = scored(given)
    return lambda: [
        [area.value, area.bound] for area in binned_auc.by_group(**held, groups=int(held["codes"].max()) + 1)
    ]


def areas_from_file(given: argparse.Namespace) -> Callable[[], Any]:
    """AUC per group, by bins that DuckDB counts in the file."""
    import duckdb

    from audits.engines import counting, files, queries

    duckdb.connect().close()
    asked = queries.Spread(target="y", score="score", sensitive=tuple(GROUPS))

    def measure() -> Any:
        with files.opened(given.file, format="parquet", memory=files.HISTOGRAM_MEMORY) as source:
            (found,) = counting.histograms(source, asked, favourable=1, attribute_sets=[tuple(GROUPS)])
        return [[area.value, area.bound] for area in found.areas()]

    return measure


def sorted_areas(given: argparse.Namespace) -> Callable[[], Any]:
    from sklearn.metrics import roc_auc_score

    held = scored(given)
    target, score, codes = held["target"], held["score"], held["codes"]
    return lambda: [
        [float(roc_auc_score(target[codes == code], score[codes == code])), 0.0] for code in range(codes.max() + 1)
    ]


def scored(given: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    frame = read(given)
    codes = frame.groupby(GROUPS, observed=True).ngroup().to_numpy().astype(np.int8)
    return {"target": frame["y"].to_numpy().astype(bool), "score": frame["score"].to_numpy(), "codes": codes}


def read(given: argparse.Namespace) -> Any:
    import pandas as pd

    return pd.read_parquet(given.file)


def fairlearn(given: argparse.Namespace) -> Callable[[], Any]:
    import fairlearn.metrics  # noqa: F401  (before the clock)

    frame = read(given)
    return lambda: said_by_fairlearn(frame, {})


def bootstrapped(given: argparse.Namespace) -> Callable[[], Any]:
    """The same with fairlearn's own bootstrap of the rows."""
    import fairlearn.metrics  # noqa: F401  (before the clock)

    options = {"n_boot": given.replicates, "ci_quantiles": list(ENDS), "random_state": 3}
    frame = read(given)
    return lambda: said_by_fairlearn(frame, options)


def said_by_fairlearn(frame: Any, options: dict[str, Any]) -> Any:
    from fairlearn import metrics
    from sklearn.metrics import accuracy_score, precision_score

    measures = {
        "count": metrics.count,
        "selection_rate": metrics.selection_rate,
        "true_positive_rate": metrics.true_positive_rate,
        "true_negative_rate": metrics.true_negative_rate,
        "false_positive_rate": metrics.false_positive_rate,
        "false_negative_rate": metrics.false_negative_rate,
        "precision": precision_score,
        "accuracy": accuracy_score,
    }
    said = metrics.MetricFrame(
        metrics=measures, y_true=frame["y"], y_pred=frame["p"], sensitive_features=frame[GROUPS], **options
    )
    if options:
        found: dict[str, Any] = {}
        for kind, ends in (("difference", said.difference_ci()), ("ratio", said.ratio_ci())):
            found |= {f"{rate} {kind}": [float(end[rate]) for end in ends] for rate in COMPARED}
        return found
    gaps = {}
    for kind, values in (("difference", said.difference()), ("ratio", said.ratio())):
        gaps |= {f"{rate} {kind}": values[rate] for rate in COMPARED}
        odds = [values[rate] for rate in ODDS]
        gaps[f"equalized_odds {kind}"] = max(odds) if kind == "difference" else min(odds)
    by_group = {"/".join(map(str, group)): row for group, row in said.by_group.to_dict("index").items()}
    return {"by_group": by_group, "gaps": gaps}


def aequitas(given: argparse.Namespace) -> Callable[[], Any]:
    """Aequitas crosses no columns: it gets the two and, joined beforehand, both, for the three tables of one count."""
    import pandas as pd
    from aequitas.group import Group

    frame = read(given)
    table = pd.DataFrame({"score": frame["p"], "label_value": frame["y"]} | {name: frame[name] for name in GROUPS})
    table["both"] = frame["sex"] + "/" + frame["region"]
    named = dict(zip(RATES, ("selection_rate", "tpr", "tnr", "fpr", "fnr", "precision", "accuracy"), strict=True))

    def measure() -> Any:
        said, _ = Group().get_crosstabs(table, attr_cols=[*GROUPS, "both"])
        said["selection_rate"] = said["pp"] / said["group_size"]
        said["accuracy"] = (said["tp"] + said["tn"]) / said["group_size"]
        crossed = said[said["attribute_name"] == "both"].to_dict("records")
        by_group = {
            row["attribute_value"]: {"count": int(row["group_size"])}
            | {rate: float(row[name]) for rate, name in named.items()}
            for row in crossed
        }
        return {"by_group": by_group, "gaps": {}}

    return measure


ARMS: dict[str, Callable[[argparse.Namespace], Callable[[], Any] | None]] = {
    "rows": rows,
    "ours": ours,
    "coded": coded,
    "fairlearn": fairlearn,
    "aequitas": aequitas,
    "resampled": resampled,
    "redrawn": redrawn,
    "bootstrapped": bootstrapped,
    "areas": areas,
    "areas_from_file": areas_from_file,
    "sorted_areas": sorted_areas,
}

if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent.parent)
    main()
