"""Fairness by counts, beside fairlearn, Aequitas and scikit-learn. `python -m bench.fairness [--small] [--full]`

Every arm runs in a process of its own; processor time is of all its threads, imports not counted. The default run
gives fairlearn a million rows and five replicates, and says so; `--full` gives it ten million and a hundred.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from audits.measures.intervals import mover_ratio, newcombe, quantile, wilson
from bench import harness
from bench.harness import ROOT

SCRIPT = "bench/peers_fairness.py"
OLD = str(ROOT / ".bench-checks" / "bin" / "python")
PARQUET, CODED = "Countersign, from the Parquet file", "Countersign, from coded columns in memory"
NEW_FAIRLEARN, OLD_FAIRLEARN, AEQUITAS = "fairlearn 0.15", "fairlearn 0.12", "Aequitas 1.0"
ONCE = {NEW_FAIRLEARN}  # too slow for more
CONFIDENCE = 0.95
REDRAWN = 2_000
CASES = ((30, 500, 0.05, 0.40), (30, 500, 0.30, 0.40), (100, 1000, 0.30, 0.40), (300, 3000, 0.30, 0.40))

Found = dict[str, Any]
Case = tuple[int, int, float, float]


def measure(*, small: bool, full: bool = False) -> str:
    million = 20_000 if small else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        files = {size: Path(folder) / f"{size}.parquet" for size in (million // 10, million, 10 * million)}
        for size, path in files.items():
            ask("rows", path, rows=size)
        parts = [
            rates(files[million], million, [PARQUET, CODED, AEQUITAS, OLD_FAIRLEARN, NEW_FAIRLEARN]),
            rates(
                files[10 * million],
                10 * million,
                [PARQUET, CODED, AEQUITAS, *([OLD_FAIRLEARN, NEW_FAIRLEARN] if full else [])],
            ),
            intervals(files[million // 10], million // 10, replicates=2 if small else 100 if full else 5),
            coverage(simulations=200 if small else 4000),
            areas(files[million], million),
            areas(files[10 * million], 10 * million),
        ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def ask(arm: str, path: Path, *, python: str = sys.executable, **options: int) -> Found:
    given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    said = harness.run(SCRIPT, arm, str(path), *given, python=python)
    return dict(json.loads(said)) if said else {}


def in_turn(arms: Mapping[str, Any], rounds: int = 3) -> dict[str, list[Found]]:
    """Every arm's answers, taken in turn; an arm of `ONCE` answers once."""
    heard: dict[str, list[Found]] = {name: [] for name in arms}

    def listen(name: str) -> float:
        if not (name in ONCE and heard[name]):
            heard[name].append(arms[name]())
        return float(heard[name][-1]["cpu"])

    harness.in_turn({name: lambda name=name: listen(name) for name in arms}, rounds=rounds)
    return heard


def table(title: str, heard: Mapping[str, list[Found]], bases: Mapping[str, str], note: str) -> str:
    """Medians of each arm, and how many times the processor time of the bases it takes."""
    head = "| | CPU, s | least – most | wall, s | peak, MB |" + "".join(f" × {base} |" for base in bases.values())
    lines = [f"### {title}", "", head, "|---" * (5 + len(bases)) + "|"]
    middle = {name: statistics.median(each["cpu"] for each in answers) for name, answers in heard.items()}
    for name, answers in heard.items():
        cpu = [each["cpu"] for each in answers]
        wall, peak = (statistics.median(each[what] for each in answers) for what in ("wall", "peak"))
        ratios = "".join(f" {middle[name] / middle[base]:,.1f} |" for base in bases)
        spread = f"{min(cpu):,.3g} – {max(cpu):,.3g}" if len(cpu) > 1 else "once"
        lines.append(f"| {name} | {middle[name]:,.3g} | {spread} | {wall:,.3g} | {peak:,.0f} |{ratios}")
    return "\n".join(lines) + f"\n\n{note}\n"


def rates(path: Path, rows: int, names: list[str]) -> str:
    every = {
        PARQUET: lambda: ask("ours", path),
        CODED: lambda: ask("coded", path),
        AEQUITAS: lambda: ask("aequitas", path, python=OLD),
        OLD_FAIRLEARN: lambda: ask("fairlearn", path, python=OLD),
        NEW_FAIRLEARN: lambda: ask("fairlearn", path),
    }
    heard = in_turn({name: every[name] for name in names})
    ours = heard[PARQUET][0]["found"]
    apart = "; ".join(f"{name} {gap(ours, heard[name][0]['found']):.1e}" for name in names if name != PARQUET)
    note = (
        "Selection rate, true and false positive and negative rates, precision, accuracy and size of the ten groups of "
        "two columns crossed, and the difference and ratio between groups of each and of equalized odds. Our first arm "
        "reads the file within its time; every other arm finds its columns in memory, Aequitas with the crossed column "
        f"joined beforehand. Largest difference from our first arm: {apart}."
    )
    return table(f"Eight fairness metrics, two columns, {rows:,} rows", heard, {PARQUET: "file", CODED: "memory"}, note)


def gap(one: Found, other: Found) -> float:
    """The largest difference between two arms' rates, and between their gaps where the other has them."""
    if one["by_group"].keys() != other["by_group"].keys():
        sys.exit(f"The arms have other groups: {sorted(one['by_group'])} and {sorted(other['by_group'])}.")
    by_group = [
        abs(row[rate] - other["by_group"][group][rate]) for group, row in one["by_group"].items() for rate in row
    ]
    return max(by_group + [abs(one["gaps"][name] - value) for name, value in other["gaps"].items()])


def intervals(path: Path, rows: int, *, replicates: int) -> str:
    """The count table drawn anew, beside fairlearn's rows drawn anew."""
    slow = f"{NEW_FAIRLEARN}, {replicates} replicates"
    fast = "Countersign, 10,000 replicates"
    ONCE.add(slow)
    heard = in_turn(
        {
            fast: lambda: ask("resampled", path, replicates=10_000),
            slow: lambda: ask("bootstrapped", path, replicates=replicates),
        }
    )
    drawn = {name: np.array(values) for name, values in ask("redrawn", path, replicates=REDRAWN)["found"].items()}
    scores = far(heard[fast][0]["found"], drawn, 10_000)
    theirs = far(heard[slow][0]["found"], drawn, replicates)
    each = heard[slow][0]["cpu"] / (replicates + 1)  # it measures the rows as they are, too
    ours = statistics.median(answer["cpu"] for answer in heard[fast])
    same = (
        f"fairlearn's own end points: root mean square {rms(theirs):.2f}, largest {max(map(abs, theirs)):.2f}. "
        if replicates >= 100
        else f"{replicates} replicates give no end points to compare. "
    )
    unrun = "" if replicates >= 100 else " (by its time per replicate, not run)"
    note = (
        f"fairlearn takes {each:,.3g} CPU s a replicate: 100 of them {100 * each:,.4g} s, {100 * each / ours:,.0f} × "
        f"our 10,000{unrun}. End points of {len(drawn)} gaps, in standard errors of Monte Carlo from those of "
        f"{REDRAWN:,} replicates whose rows were drawn one by one: root mean square {rms(scores):.2f}, largest "
        f"{max(map(abs, scores)):.2f} over {len(scores)}. {same}"
    )
    return table(f"Intervals of the gaps by redrawing, {rows:,} rows", heard, {fast: "Countersign"}, note)


def far(found: Found, drawn: Mapping[str, Any], replicates: int) -> list[float]:
    """How far each end point lies from its place among the drawn values, in standard errors."""
    scores = []
    for name, ends in found.items():
        for end, share in zip(ends, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2), strict=True):
            error = sqrt(share * (1 - share) * (1 / len(drawn[name]) + 1 / replicates))
            scores.append((float((drawn[name] <= end).mean()) - share) / error)
    return scores


def rms(values: list[float]) -> float:
    return sqrt(statistics.fmean(value * value for value in values))


def coverage(*, simulations: int) -> str:
    """How often each interval holds the truth, for a small group beside a large one."""
    drawn = np.random.default_rng(4)
    methods = ("Wilson, rate", "Newcombe, difference", "MOVER-R, ratio", "Katz, ratio", "bootstrap, ratio / difference")
    lines = [
        "### Coverage of 95 % intervals",
        "",
        "| rows; rates | " + " | ".join(methods) + " |",
        "|---" * (1 + len(methods)) + "|",
    ]
    for case in CASES:
        n1, n2, p1, p2 = case
        pairs = [
            (int(a), int(b))
            for a, b in zip(drawn.binomial(n1, p1, simulations), drawn.binomial(n2, p2, simulations), strict=True)
        ]
        shares = np.mean([held(a, b, case) for a, b in pairs], axis=0)
        ratio, difference = np.mean([bootstrap(drawn, a, b, case) for a, b in pairs], axis=0)
        told = " | ".join(f"{share:.3f}" for share in shares)
        lines.append(f"| {n1}, {n2}; {p1}, {p2} | {told} | {ratio:.3f} / {difference:.3f} |")
    error = sqrt(0.95 * 0.05 / simulations)
    note = (
        f"{simulations:,} simulations a line, standard error {error:.4f} at 0.95; the bootstrap takes percentiles of "
        "1,000 replicates. A sample that gives no interval counts as missed."
    )
    return "\n".join(lines) + f"\n\n{note}\n"


@cache
def held(a: int, b: int, case: Case) -> tuple[bool, ...]:
    n1, n2, p1, p2 = case
    rate = wilson(a, n1, CONFIDENCE)
    difference = newcombe(a, n1, b, n2, CONFIDENCE)
    ratio = mover_ratio(a, n1, b, n2, CONFIDENCE)
    katz = False
    if a and b:
        spread = quantile(CONFIDENCE) * sqrt(1 / a - 1 / n1 + 1 / b - 1 / n2)
        centre = log(a / n1 / (b / n2))
        katz = exp(centre - spread) <= p1 / p2 <= exp(centre + spread)
    return (
        rate.low <= p1 <= rate.high,
        difference.low <= p1 - p2 <= difference.high,
        ratio.low <= p1 / p2 and (ratio.high is None or p1 / p2 <= ratio.high),
        katz,
    )


def bootstrap(drawn: Any, a: int, b: int, case: Case) -> tuple[bool, bool]:
    n1, n2, p1, p2 = case
    first, second = drawn.binomial(n1, a / n1, 1000) / n1, drawn.binomial(n2, b / n2, 1000) / n2
    tail = 50 * (1 - CONFIDENCE)
    ratio = np.percentile(first / np.maximum(second, 1e-9), [tail, 100 - tail])
    difference = np.percentile(first - second, [tail, 100 - tail])
    return ratio[0] <= p1 / p2 <= ratio[1], difference[0] <= p1 - p2 <= difference[1]


def areas(path: Path, rows: int) -> str:
    ours, theirs, file = "Countersign, in memory", "scikit-learn, in memory", "Countersign, from the Parquet file"
    heard = in_turn(
        {
            ours: lambda: ask("areas", path),
            theirs: lambda: ask("sorted_areas", path),
            file: lambda: ask("areas_from_file", path),
        }
    )
    exact = [value for value, _ in heard[theirs][0]["found"]]
    told = []
    for name in (ours, file):
        found = heard[name][0]["found"]
        apart = max(abs(value - other) for (value, _), other in zip(found, exact, strict=True))
        told.append(f"{name}: stated bound {max(bound for _, bound in found):.1e}, really off by {apart:.1e}")
    note = (
        "AUC of the score in each of ten groups: up to a million rows by sorting, beyond in 65,536 bins of equal "
        "width; from the file always in bins. "
        f"Largest over the groups: {'; '.join(told)}."
    )
    return table(f"AUC per group, {rows:,} rows", heard, {ours: "Countersign"}, note)


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--small", action="store_true", help="fewer rows, to see that it runs")
    asked.add_argument("--full", action="store_true", help="fairlearn at ten million rows and with 100 replicates")
    given = asked.parse_args()
    print(measure(small=given.small, full=given.full))


if __name__ == "__main__":
    main()
