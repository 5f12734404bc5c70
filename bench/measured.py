"""A child process on a core of its own (or on all of them), and what Linux says of it: CPU, memory, readiness."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

CORES = sorted(os.sched_getaffinity(0))
MEASURED_CORE, LOAD_CORE = CORES[0], CORES[-1]
_CPUCLOCK_SCHED = 2  # with the process id it makes the clock that clock_getcpuclockid(3) returns
_END_SECONDS = 10


class NotReady(Exception):
    """The process did not answer in time, or ended; the text has the last lines that it wrote."""


@contextlib.contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """This process, and so what it starts meanwhile, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """A port of the loopback interface that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


class Measured:
    """A process from its start to its end, its output in a file. A context manager: it ends the process, by its id."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        port: int,
        output: Path,
        core: int | None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        cores = CORES if core is None else [core]
        self.port = port
        self._output = output
        with output.open("wb") as file, pinned(*cores):
            self.started = time.perf_counter()
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=environ
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait_until_listening(self, seconds: float = 20) -> Self:
        """Return once the port takes connections. Raises NotReady."""
        return self._wait(b"", seconds)

    def wait_until_ready(self, seconds: float = 60) -> Self:
        """Return once ``GET /ready`` says 200. Raises NotReady."""
        return self._wait(b"GET /ready HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n", seconds)

    def _wait(self, request: bytes, seconds: float) -> Self:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                if not request:
                    return self
                connection.sendall(request)
                if b" 200 " in connection.recv(64):
                    return self
            time.sleep(0.001)
        raise NotReady(self._output.read_bytes()[-2000:].decode(errors="replace"))

    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far: as in /proc/PID/stat, but not cut to ticks of 10 ms."""
        return time.clock_gettime((~self.pid << 3) | _CPUCLOCK_SCHED)

    def resident_mib(self, *, peak: bool = False) -> float:
        """Memory in RAM, now or at its peak."""
        return resident_mib(self.pid, peak=peak)


def resident_mib(pid: int, *, peak: bool = False) -> float:
    """Memory of a process in RAM, now or at its peak."""
    name = "VmHWM:" if peak else "VmRSS:"
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
