"""One way to relay, and what is measured of it."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from bench.figures import percentile
from bench.load import CONNECTIONS, Streams, counted, load_plain, load_streams
from bench.measured import Measured
from bench.wire import FRAMES

_WARM_UP_SECONDS = 1
_WARM_UP_STREAMS = 64


@dataclass
class Contender:
    """A running relay with one figure a round: CPU in microseconds, latencies in milliseconds, memory in MiB."""

    name: str
    process: Measured
    frames: int = FRAMES
    plain_cpu: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    plain_p50: list[float] = field(default_factory=list)
    plain_p99: list[float] = field(default_factory=list)
    stream_cpu: list[float] = field(default_factory=list)
    first_p50: list[float] = field(default_factory=list)
    first_p99: list[float] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)
    peak: float = 0.0
    requests: int = 0
    streams: int = 0
    failed: int = 0
    broken: int = 0

    def warm_up(self, folder: Path, *, plain: bool) -> None:
        """Fill pools and caches; no figure is kept."""
        if plain:
            load_plain(self.process.port, _WARM_UP_SECONDS, folder)
        uvloop.run(load_streams(self.process.port, CONNECTIONS, self.frames, Streams(), counted(_WARM_UP_STREAMS)))

    def measure_plain(self, seconds: int, folder: Path) -> None:
        """Requests as fast as they are answered."""
        before = self.process.cpu_seconds()
        result = load_plain(self.process.port, seconds, folder)
        self.plain_cpu.append((self.process.cpu_seconds() - before) / result.requests * 1e6)
        self.per_second.append(result.requests / result.seconds)
        self.plain_p50.append(result.p50)
        self.plain_p99.append(result.p99)
        self.requests += result.requests
        self.failed += result.failed

    def measure_streams(self, count: int) -> None:
        """So many streams, always as many at once as there are connections."""
        before = self.process.cpu_seconds()
        result = Streams()
        uvloop.run(load_streams(self.process.port, CONNECTIONS, self.frames, result, counted(count)))
        self.stream_cpu.append((self.process.cpu_seconds() - before) / count * 1e6)
        self.first_p50.append(percentile(result.first_frame, 50) * 1e3)
        self.first_p99.append(percentile(result.first_frame, 99) * 1e3)
        self.streams += result.count
        self.broken += len(result.broken)
        if result.broken:
            print(f"{self.name}: {len(result.broken)} streams broken, the first: {result.broken[0]}", file=sys.stderr)

    def measure_memory(self) -> None:
        """What it holds now, right after load, and the most that it ever held."""
        self.resident.append(self.process.resident_mib())
        self.peak = self.process.resident_mib(peak=True)
