"""Drift of 50 columns from Parquet: four measures from one sketch, beside scipy's exact ones and one of Evidently's.

python -m bench.drift [--small]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import harness
from bench.harness import ROOT

COLUMNS = 50
ROW_GROUP = 500_000


def measure(*, small: bool) -> str:
    rows, many, columns = (20_000, 100_000, 6) if small else (1_000_000, 10_000_000, COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        few = written(Path(folder), rows, columns)
        found = {
            "Evidently, PSI alone": ask("bench/peers_drift.py", *few, python=str(ROOT / ".bench-checks/bin/python")),
            "pandas and scipy, all four, exact": ask("-m", "bench.drift", "--arm", "exact", *few),
            "one sketch, all four": ask("-m", "bench.drift", "--arm", "sketch", "--few", *few),
        }
        big = written(Path(folder), many, columns)
        large = ask("-m", "bench.drift", "--arm", "sketch", *big)
    return table(found, large, rows=rows, many=many, columns=columns)


def written(folder: Path, rows: int, columns: int) -> tuple[str, str]:
    """A reference and a current file, written by row groups; the current columns move and widen more and more."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(f"x{place}", pa.float32()) for place in range(columns)])
    paths = []
    for side in (0, 1):
        drawn = np.random.default_rng([side, rows])
        paths.append(str(folder / f"{rows}-{side}.parquet"))
        with pq.ParquetWriter(paths[-1], schema, use_dictionary=False, compression="snappy") as file:
            for start in range(0, rows, ROW_GROUP):
                count = min(ROW_GROUP, rows - start)
                made = [
                    drawn.standard_normal(count, dtype=np.float32) * np.float32(1 + 0.005 * side * place)
                    + np.float32(0.01 * side * place)
                    for place in range(columns)
                ]
                file.write_table(pa.table(made, schema=schema), row_group_size=ROW_GROUP)
    return paths[0], paths[1]


def ask(*arguments: str, **more: str) -> dict[str, Any]:
    return dict(json.loads(harness.run(*arguments, **more).splitlines()[-1]))


def table(found: dict[str, Any], large: dict[str, Any], *, rows: int, many: int, columns: int) -> str:
    ours, exact, peer = (
        found["one sketch, all four"],
        found["pandas and scipy, all four, exact"],
        found["Evidently, PSI alone"],
    )
    lines = [
        f"### Drift of {columns} float32 columns from Parquet, against the same number of reference rows\n",
        "| | rows a side | wall, s | CPU, s | peak, MB | times our wall | times our CPU |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm, one in found.items():
        ratio = one["wall"] / ours["wall"], one["cpu"] / ours["cpu"]
        lines.append(
            f"| {arm} | {rows:,} | {one['wall']:.3g} | {one['cpu']:.3g} | {one['peak']:,.0f} | {ratio[0]:,.1f} | "
            f"{ratio[1]:,.1f} |"
        )
    lines.append(
        f"| one sketch, all four | {many:,} | {large['wall']:.3g} | {large['cpu']:.3g} | {large['peak']:,.0f} | | |"
    )
    names = list(exact["ks"])
    psi = max(ours["psi_off"].values())
    off = max(abs(ours["ks"][name] - exact["ks"][name]) for name in names)
    area = max(abs(ours["wasserstein"][name] - exact["wasserstein"][name]) for name in names)
    within = all(abs(ours["wasserstein"][name] - exact["wasserstein"][name]) <= ours["w_bound"][name] for name in names)
    note = (
        f"Each arm in a process of its own; starting and compiling ({ours['compile']:.2g} s for the sketch) are not "
        "counted, reading the files is; the sketch is the median of three runs, the others ran once. Against the "
        f"exact measures, largest over the columns: KS off by {off:.1e}, by its bound at most "
        f"{max(ours['ks_bound'].values()):.1e} ({max(large['ks_bound'].values()):.1e} at {many:,} rows); Wasserstein "
        f"off by {area:.1e}, bound {max(ours['w_bound'].values()):.1e}, each within its own: "
        f"{'yes' if within else 'NO'}; PSI counted by numpy in the sketch's edges differs by {psi:.1e}, in exact "
        f"deciles by {largest(ours['psi'], exact['psi']):.1e}, JS distance by {largest(ours['js'], exact['js']):.1e}. "
        f"Evidently bins otherwise: its PSI differs by up to {largest(peer['psi'], exact['psi']):.1e}."
    )
    return "\n".join(lines) + f"\n\n{note}\n"


def largest(one: dict[str, float], other: dict[str, float]) -> float:
    return max(abs(one[name] - other[name]) for name in other)


# ---- arms


def spent(wall: float, cpu: float) -> dict[str, float]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "peak": peak}


def by_sketch(reference: str, current: str, *, few: bool) -> dict[str, Any]:
    import numpy as np
    import pyarrow.parquet as pq

    from audits.measures import drift, sketch

    began = time.perf_counter()
    sketch.of(np.zeros(1, dtype=np.float32))
    compiled = time.perf_counter() - began
    names = pq.read_schema(reference).names
    runs = []
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        found = drift.files(reference, current, names)
        runs.append(spent(wall, cpu))
    result: dict[str, Any] = {name: statistics.median(run[name] for run in runs) for name in ("wall", "cpu")}
    result |= {"peak": runs[-1]["peak"], "compile": compiled}
    wanted = {
        "psi": ("psi", "value"),
        "ks": ("ks", "value"),
        "ks_bound": ("ks", "bound"),
        "js": ("jensen_shannon", "distance"),
        "wasserstein": ("wasserstein", "value"),
        "w_bound": ("wasserstein", "bound"),
    }
    result |= {key: {name: found[name][a][b] for name in names} for key, (a, b) in wanted.items()}
    if few:
        result["psi_off"] = {name: psi_off(reference, current, name, found[name]) for name in names}
    return result


def psi_off(reference: str, current: str, name: str, found: dict[str, Any]) -> float:
    """How far a column's PSI is from the one counted by numpy in the edges that the sketch chose."""
    import numpy as np

    from audits.measures import sketch

    edges = found["bins"]["edges"]
    values = [sketch.numbers_of_parquet(path, name) for path in (reference, current)]
    counts = [np.bincount(np.searchsorted(edges, each), minlength=len(edges) + 1) for each in values]
    shares = [each / each.sum() for each in counts]
    return abs(float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()) - found["psi"]["value"])


def by_scipy(reference: str, current: str) -> dict[str, Any]:
    import numpy as np
    import pandas as pd
    from scipy import stats
    from scipy.spatial import distance

    found: dict[str, Any] = {"psi": {}, "ks": {}, "js": {}, "wasserstein": {}}
    wall, cpu = time.perf_counter(), time.process_time()
    tables = [pd.read_parquet(path) for path in (reference, current)]
    for name in tables[0]:
        one, other = (each[name].to_numpy() for each in tables)
        edges = np.quantile(one, np.arange(1, 10) / 10, method="inverted_cdf")
        shares = [np.bincount(np.searchsorted(edges, each), minlength=10) / len(each) for each in (one, other)]
        found["psi"][name] = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
        found["js"][name] = float(distance.jensenshannon(*shares, base=2))
        found["ks"][name] = float(stats.ks_2samp(one, other, method="asymp").statistic)
        found["wasserstein"][name] = float(stats.wasserstein_distance(one, other))
    return spent(wall, cpu) | found


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--small", action="store_true")
    asked.add_argument("--arm", choices=["sketch", "exact"])
    asked.add_argument("--few", action="store_true", help="hold PSI against numpy's")
    asked.add_argument("files", nargs="*")
    given = asked.parse_args()
    if given.arm is None:
        print(measure(small=given.small))
        return
    if given.arm == "exact":
        print(json.dumps(by_scipy(*given.files)))
    else:
        print(json.dumps(by_sketch(*given.files, few=given.few)))


if __name__ == "__main__":
    main()
