"""What a request costs: CPU, requests a second on one core, latency and memory, before a provider that answers at once.

All contenders run in the same minutes: each round measures one after the other, so that what else happens on the
machine meets them all.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.contender import Contender
from bench.contenders import nginx, sluice
from bench.figures import spread, table
from bench.load import CONNECTIONS
from bench.measured import LOAD_CORE, MEASURED_CORE, Measured, free_port
from bench.packages import missing_programs
from bench.wire import FRAME_SECONDS, FRAMES

BASELINE = "relay, lean leg"
SECONDS, STREAMS = 4, 960  # of one measurement: some 400 ticks of CPU, 30 streams a connection


def run(folder: Path, rounds: int) -> str:
    """Measure, and return the tables."""
    missing = missing_programs()
    with ExitStack() as stack:
        contenders = list(_start(stack, folder, missing))
        plain = "wrk" not in missing
        for contender in contenders:
            contender.warm_up(folder, plain=plain)
        for turn in range(rounds):
            print(f"proxy: round {turn + 1} of {rounds}", flush=True)
            for contender in contenders:
                if plain:
                    contender.measure_plain(SECONDS, folder)
                contender.measure_streams(STREAMS)
                contender.measure_memory()
    return "\n\n".join([_introduction(rounds, missing), *([_plain(contenders)] if plain else []), _streams(contenders)])


def _start(stack: ExitStack, folder: Path, missing: set[str]) -> Iterator[Contender]:
    """The provider, and all contenders in front of it, ready."""
    upstream_port = free_port()
    command = [sys.executable, "-m", "bench.upstream", str(upstream_port)]
    upstream = Measured(command, port=upstream_port, output=folder / "upstream.log", core=LOAD_CORE)
    stack.enter_context(upstream).wait_until_listening()

    for name, command, port in _commands(folder, upstream_port, missing):
        environ = sluice.environ(folder / "home") if name == "sluice" else None
        log = folder / f"{name}.log"
        process = Measured(command, port=port, output=log, core=MEASURED_CORE, environ=environ)
        stack.enter_context(process)
        yield Contender(name, process.wait_until_ready() if name == "sluice" else process.wait_until_listening())


def _commands(folder: Path, upstream_port: int, missing: set[str]) -> Iterator[tuple[str, list[str], int]]:
    """Name, command and port of each contender."""
    port = free_port()
    yield "sluice", sluice.command(sluice.write_configuration(folder / "configuration", upstream_port), port), port
    for name, module in ((BASELINE, "lean_relay"), ("relay, aiohttp client", "session_relay")):
        port = free_port()
        yield name, [sys.executable, "-m", f"bench.contenders.{module}", str(port), str(upstream_port)], port
    if "nginx" not in missing:
        port = free_port()
        yield "nginx", nginx.command(port, upstream_port, folder / "nginx"), port


def _introduction(rounds: int, missing: set[str]) -> str:
    left_out = f" Left out, because it could not be installed: {', '.join(sorted(missing))}." if missing else ""
    return (
        f"Each contender is one process on one core; load and provider have another. Medians of {rounds} interleaved "
        f"rounds, lowest and highest in brackets; {CONNECTIONS} connections; {SECONDS} s of plain requests and "
        f"{STREAMS} streams a round.{left_out}"
    )


def _ratio(values: list[float], baseline: list[float]) -> str:
    return spread([value / base for value, base in zip(values, baseline, strict=True)], 2)


def _plain(contenders: list[Contender]) -> str:
    baseline = next(one for one in contenders if one.name == BASELINE)
    header = ("plain JSON", "CPU us/request", "x lean relay", "requests/s", "p50 ms", "p99 ms", "failed")
    rows = [
        (
            one.name,
            spread(one.plain_cpu, 1),
            _ratio(one.plain_cpu, baseline.plain_cpu),
            spread(one.per_second),
            spread(one.plain_p50, 2),
            spread(one.plain_p99, 2),
            f"{one.failed} of {one.requests:,}",
        )
        for one in contenders
    ]
    return table(header, rows)


def _streams(contenders: list[Contender]) -> str:
    baseline = next(one for one in contenders if one.name == BASELINE)
    title = f"streams of {FRAMES} frames, {FRAME_SECONDS * 1000:.0f} ms apart"
    header = (title, "CPU us/stream", "x lean relay", "first frame p50 ms", "p99 ms", "broken", "RSS MiB", "peak MiB")
    rows = [
        (
            one.name,
            spread(one.stream_cpu),
            _ratio(one.stream_cpu, baseline.stream_cpu),
            spread(one.first_p50, 2),
            spread(one.first_p99, 2),
            f"{one.broken} of {one.streams:,}",
            spread(one.resident, 1),
            f"{one.peak:.1f}",
        )
        for one in contenders
    ]
    return table(header, rows)
