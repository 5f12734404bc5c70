"""Commands run to their end, conditions waited for, and the one error of this package."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class ClusterError(Exception):
    """What a person has to read; its text is complete, a traceback adds nothing."""


def run(*command: str | Path, **options: Any) -> str:
    """Run a command to its end and return what it printed; raises ClusterError with its errors if it fails."""
    result: subprocess.CompletedProcess[str] = subprocess.run(
        command, text=True, capture_output=True, check=False, **options
    )
    if result.returncode != 0:
        raise ClusterError(f"{' '.join(map(str, command))}: {result.stderr.strip()}")
    return result.stdout


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 60, interval: float = 0.05) -> None:
    """Look every ``interval`` seconds until it is so; raises ClusterError after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"timed out after {timeout:.0f} s: {what}")
        time.sleep(interval)


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Stopwatch:
    """Says how long after its creation each step was done."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def lap(self, step: str) -> None:
        say(f"{time.monotonic() - self._start:7.2f} s  {step}")
