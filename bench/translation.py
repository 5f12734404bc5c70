"""What translation costs: callers speak chat completions, providers their own shape; beside the relay of OpenAI's.

Also what a very long stream does to memory.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import uvloop

from bench.contender import Contender
from bench.contenders import sluice
from bench.figures import spread, table
from bench.load import CONNECTIONS, Streams, counted, load_streams
from bench.measured import LOAD_CORE, MEASURED_CORE, Measured, free_port
from bench.packages import missing_programs
from bench.shapes import Shape, shapes
from bench.wire import CONTENT_FRAMES, FRAME_SECONDS

BASELINE = "relay, aiohttp client"
SECONDS, STREAMS = 4, 640  # of one measurement
LONG_STREAM = 100_000  # frames of content


def run(folder: Path, rounds: int) -> str:
    """Measure, and return the tables."""
    missing = missing_programs() & {"wrk"}
    with ExitStack() as stack:
        contenders = list(_start(stack, folder))
        for contender in contenders:
            contender.warm_up(folder, plain=not missing)
        for turn in range(rounds):
            print(f"translation: round {turn + 1} of {rounds}", flush=True)
            for contender in contenders:
                if not missing:
                    contender.measure_plain(SECONDS, folder)
                contender.measure_streams(STREAMS)
    growth = [_long_stream(folder / "long", shape) for shape in shapes()]
    introduction = (
        f"Callers speak chat completions. Medians of {rounds} interleaved rounds, lowest and highest in brackets; "
        f"{CONNECTIONS} connections; {SECONDS} s of plain requests and {STREAMS} streams of {CONTENT_FRAMES} frames of "
        f"content, {FRAME_SECONDS * 1000:.0f} ms apart, a round. A long stream has {LONG_STREAM:,} frames."
    )
    if missing:
        introduction += " Left out, because it could not be installed: wrk, and so plain requests."
    return f"{introduction}\n\n{_table(contenders, growth)}"


def _start(stack: ExitStack, folder: Path) -> Iterator[Contender]:
    upstream_port = _upstream(stack, folder, CONTENT_FRAMES, FRAME_SECONDS)
    port = free_port()
    command = [sys.executable, "-m", "bench.contenders.session_relay", str(port), str(upstream_port)]
    relay = Measured(command, port=port, output=folder / "relay.log", core=MEASURED_CORE)
    yield Contender(BASELINE, stack.enter_context(relay).wait_until_listening())
    for shape in shapes():
        process = stack.enter_context(_gateway(folder, shape, upstream_port)).wait_until_ready()
        yield Contender(_name(shape), process, CONTENT_FRAMES + shape.frames_around)


def _name(shape: Shape) -> str:
    return "sluice, relayed" if shape == shapes()[0] else f"sluice, {shape.vendor}"


def _upstream(stack: ExitStack, folder: Path, frames: int, pause: float) -> int:
    folder.mkdir(exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "bench.upstream", str(port), str(frames), str(pause)]
    upstream = Measured(command, port=port, output=folder / f"upstream-{port}.log", core=LOAD_CORE)
    stack.enter_context(upstream).wait_until_listening()
    return port


def _gateway(folder: Path, shape: Shape, upstream_port: int) -> Measured:
    port = free_port()
    configuration = sluice.write_configuration(folder / f"at-{port}", upstream_port, shape.vendor, shape.base_path)
    command = sluice.command(configuration, port)
    environ = sluice.environ(folder / f"home-{port}")
    return Measured(command, port=port, output=folder / f"{port}.log", core=MEASURED_CORE, environ=environ)


def _long_stream(folder: Path, shape: Shape) -> float:
    """MiB by which the gateway has grown from the first such stream to the third."""
    with ExitStack() as stack:
        gateway = stack.enter_context(_gateway_for_long(stack, folder, shape)).wait_until_ready()
        sizes = []
        for _ in range(3):
            result = Streams()
            frames = LONG_STREAM + shape.frames_around
            uvloop.run(load_streams(gateway.port, 1, frames, result, counted(1)))
            if result.broken:
                print(f"{_name(shape)}: the long stream broke: {result.broken[0]}", file=sys.stderr)
            sizes.append(gateway.resident_mib())
        return sizes[-1] - sizes[0]


def _gateway_for_long(stack: ExitStack, folder: Path, shape: Shape) -> Measured:
    return _gateway(folder, shape, _upstream(stack, folder, LONG_STREAM, 0))


def _table(contenders: list[Contender], growth: list[float]) -> str:
    relayed = next(one for one in contenders if one.name == "sluice, relayed")
    header = ("", "CPU us/request", "CPU us/stream", "x relayed stream", "failed", "broken", "growth MiB")
    grown = ["", *(f"{size:.1f}" for size in growth)]
    rows = [
        (
            one.name,
            spread(one.plain_cpu, 1) if one.plain_cpu else "",
            spread(one.stream_cpu),
            spread([mine / base for mine, base in zip(one.stream_cpu, relayed.stream_cpu, strict=True)], 2),
            f"{one.failed} of {one.requests:,}",
            f"{one.broken} of {one.streams:,}",
            size,
        )
        for one, size in zip(contenders, grown, strict=True)
    ]
    return table(header, rows)
