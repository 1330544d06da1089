"""A witness as a process of its own on this machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "clients" / "witness.py"
NAME = "witness.test/w1"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(PROGRAM), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


def init(directory: Path, *arguments: str) -> str:
    """Make a witness; the key to pin."""
    made = run("init", "--directory", directory, "--name", NAME, *arguments)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@contextmanager
def serving(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """The process, the key it prints and its port."""
    command = [sys.executable, "-I", str(PROGRAM), "serve", "--directory", str(directory), "--port", "0"]
    with (
        (directory / "said").open("a") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, cwd="/") as process,
    ):
        try:
            assert process.stdout is not None
            key, address = process.stdout.readline().strip(), process.stdout.readline().strip()
            assert address, (directory / "said").read_text()
            yield process, key, int(address.rpartition(":")[2])
        finally:
            process.kill()
