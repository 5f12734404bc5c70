"""Operators that are forked from a process that has imported everything already: most of what a start costs is that.

They run the command's own ``main``, each in a process of its own. That the installed program starts is tested where the
command is, and in pods.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


class Forked:
    """A process that is another one's child. ``told`` says its id, and in the end its exit code."""

    def __init__(self, told: socket.socket) -> None:
        self._told = told
        self._code: int | None = None
        self.pid = self._number(PATIENCE)

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self._code is None and select.select([self._told], [], [], 0)[0]:
            self.wait(PATIENCE)
        return self._code

    def wait(self, timeout: float) -> int:
        """Wait for the end; the exit code. Raises TimeoutError."""
        if self._code is None:
            self._code = self._number(timeout)
            self._told.close()
        return self._code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _number(self, timeout: float) -> int:
        self._told.settimeout(timeout)
        return int(self._told.recv(16))


class Warm:
    """The process that forks, at the other end of ``control``."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    def start(self, environment: Mapping[str, str], stderr: IO[bytes]) -> Forked:
        """An operator with this environment and no other."""
        told, tells = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with closing(tells):
            socket.send_fds(self._control, [json.dumps(dict(environment)).encode()], [stderr.fileno(), tells.fileno()])
        return Forked(told)


@contextmanager
def warm() -> Iterator[Warm]:
    """One that ends with the block, or with this process."""
    control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.support.forking", str(other.fileno())]
    with subprocess.Popen(command, cwd=ROOT, pass_fds=[other.fileno()], stdout=subprocess.DEVNULL), control:
        other.close()
        yield Warm(control)
