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


@contextmanager
def kept(directory: Path, with_node: bool) -> Iterator[Cluster]:
    """A running cluster in a new directory; gone when the block ends. Raises ClusterError when it does not start.

    A process of its own starts it, and removes it when its standard input ends: the kernel closes that even if this
    process is killed. Being a session of its own, Ctrl-C at the terminal does not reach it.
    """
    command = [sys.executable, "-m", "tests.cluster", "keep", str(directory), *([] if with_node else ["--no-nodes"])]
    # The coverage of this process's children is no matter of the keeper, which may end after the figures are read.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    with subprocess.Popen(
        command,
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
            yield Cluster(directory)
        finally:
            keeper.stdin.close()
            keeper.wait(30)


def keep(directory: Path, with_node: bool) -> None:
    """Start a cluster, say so, and remove it at the end of standard input; also when it does not start."""
    cluster = Cluster(directory)
    try:
        cluster.up(programs_folder(), with_node)
        say(READY)
        sys.stdin.read()
    finally:
        cluster.down()
