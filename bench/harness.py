"""What every benchmark shares: arms taken in turn within one run, medians, ratios, and the machine they ran on."""

from __future__ import annotations

import os
import platform
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Row:
    """One line of a table: what was measured, in the unit the table names, and its ratio to the table's first arm."""

    arm: str
    median: float
    least: float
    most: float
    ratio: float


def in_turn(arms: Mapping[str, Callable[[], float]], *, rounds: int, seed: int = 7) -> dict[str, list[float]]:
    """Each arm once a round, in an order drawn anew, so that what slows the machine slows all alike."""
    drawn, found = random.Random(seed), {name: [] for name in arms}
    for _ in range(rounds):
        for name in drawn.sample(sorted(arms), len(arms)):
            found[name].append(arms[name]())
    return found


def rows(found: Mapping[str, list[float]], *, base: str) -> list[Row]:
    """Medians; the ratio is that of each round to the base in the same round, its median."""
    return [
        Row(
            name,
            statistics.median(values),
            min(values),
            max(values),
            statistics.median(value / first for value, first in zip(values, found[base], strict=True)),
        )
        for name, values in found.items()
    ]


def table(title: str, unit: str, lines: list[Row], note: str = "") -> str:
    head = f"### {title}\n\n| | median, {unit} | least – most | ratio |\n|---|---|---|---|\n"
    body = "".join(
        f"| {each.arm} | {each.median:,.3g} | {each.least:,.3g} – {each.most:,.3g} | {each.ratio:.2f} |\n"
        for each in lines
    )
    return head + body + (f"\n{note}\n" if note else "")


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    kernel = platform.release().partition("-")[0]
    return f"{os.cpu_count()} cores ({model}), Linux {kernel}, Python {platform.python_version()}"


def run(*arguments: str, env: Mapping[str, str] | None = None, python: str = sys.executable) -> str:
    """A script of the bench in a process of its own; what it printed."""
    done = subprocess.run(
        [python, *arguments], cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def write(page: Path, part: str, text: str) -> None:
    """Put a part of a page in the place of what was measured before: from its mark to the next."""
    before, _, after = page.read_text().partition(f"<!-- {part} -->\n")
    _, mark, rest = after.partition("<!-- ")
    page.write_text(f"{before}<!-- {part} -->\n{text.strip()}\n" + (f"\n{mark}{rest}" if mark else ""))
