"""``make cluster`` and ``make cluster-down``, as a user runs them."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
WITH_ITS_IMAGES = 580.0  # seconds, when they have to be built


@dataclass(frozen=True)
class Playground:
    """A cluster to play with: its folder, and what was printed when it was ready."""

    folder: Path
    printed: str


def playground_up(folder: Path) -> Playground:
    """Make it."""
    return Playground(folder, _run("up", folder))


def playground_down(folder: Path) -> None:
    """Take it away."""
    _run("down", folder)


def _run(command: str, folder: Path) -> str:
    arguments = [sys.executable, "-m", "tests.playground", command, str(folder)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=WITH_ITS_IMAGES, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
