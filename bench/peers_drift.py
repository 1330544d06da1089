"""PSI of every column by Evidently, in an environment of its own (bench/check_peers.txt).

python bench/peers_drift.py reference.parquet current.parquet
"""

from __future__ import annotations

import json
import resource
import sys
import time

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset


def main(reference: str, current: str) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    tables = [pd.read_parquet(path) for path in (current, reference)]
    found = Report([DataDriftPreset(method="psi")]).run(*tables).dict()
    spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    psi = {one["config"]["column"]: float(one["value"]) for one in found["metrics"] if "column" in one["config"]}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**spent, "peak": peak, "psi": psi}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
