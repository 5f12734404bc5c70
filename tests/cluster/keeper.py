"""A cluster that lives as long as the process that asked for it, also when that process is killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.build import programs_folder
from tests.cluster.cluster import Cluster
from tests.cluster.shell import ClusterError, say

ROOT = Path(__file__).resolve().parents[2]
READY = "ready"
REMOVAL = 120.0  # seconds: a node has unpacked images to remove, and the disk may be busy


@contextmanager
def kept(directory: Path, with_node: bool) -> Iterator[Cluster]:
    """A running cluster in a new directory; gone when the block ends. Raises ClusterError when it does not start.

    A process of its own starts it, and removes it when its standard input ends: the kernel closes that even if this
    process is killed. Being a session of its own, Ctrl-C at the terminal does not reach it.
    """
    with _keeper("keep", str(directory), *([] if with_node else ["--no-nodes"])):
        yield Cluster(directory)


@contextmanager
def guarded(directory: Path) -> Iterator[None]:
    """The same for a cluster that somebody else starts in this directory while the block lasts."""
    with _keeper("guard", str(directory)):
        yield


@contextmanager
def _keeper(*arguments: str) -> Iterator[None]:
    # The coverage of this process's children is no matter of the keeper, which may end after the figures are read.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cluster", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    ) as keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        try:
            said = []
            for line in keeper.stdout:
                if line.strip() == READY:
                    break
                said.append(line)
            else:
                raise ClusterError(f"the cluster did not start:\n{''.join(said)}")
            yield
        finally:
            keeper.stdin.close()
            keeper.wait(REMOVAL)


def keep(directory: Path, with_node: bool) -> None:
    """Start a cluster, say so, and remove it at the end of standard input; also when it does not start."""
    cluster = Cluster(directory)
    try:
        cluster.up(programs_folder(), with_node)
        say(READY)
        sys.stdin.read()
    finally:
        cluster.down()


def guard(directory: Path) -> None:
    """Remove what is there at the end of standard input."""
    say(READY)
    sys.stdin.read()
    Cluster(directory).down()
