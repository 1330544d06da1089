"""The checks' targets, each beside the peers it is compared with. `python -m bench.checks [--small] [--write]`

The peers that hold pandas back live in an environment of their own (bench/check_peers.txt).
"""

from __future__ import annotations

import argparse
import importlib

from bench import harness
from bench.harness import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
PARTS = ("fairness", "explain", "drift", "checkset")


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--small", action="store_true", help="fewer rows, to see that it runs")
    asked.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    asked.add_argument("--only", choices=PARTS, action="append")
    given = asked.parse_args()
    tables = [importlib.import_module(f"bench.{name}").measure(small=given.small) for name in given.only or PARTS]
    text = f"## The checks\n\nMeasured on {harness.machine()}.\n\n" + "\n".join(
        table.strip() + "\n" for table in tables
    )
    print(text)
    if given.write:
        harness.write(PAGE, "checks", text)


if __name__ == "__main__":
    main()
