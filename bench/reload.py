"""From an edit to the first answer that follows it, while streams are running: none may break, no request may fail."""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import uvloop

from bench.contenders import sluice
from bench.figures import percentile, table
from bench.load import Streams, load_streams
from bench.measured import LOAD_CORE, MEASURED_CORE, Measured, free_port
from bench.polling import Caller
from bench.wire import FRAMES_AROUND_CONTENT, MODEL

EDITS = 100
STREAMS = 100
_CONTENT_FRAMES, _FRAME_SECONDS = 200, 0.025  # a stream of 5 s: it lives through some twenty edits
_TARGETS = ("gpt-4o", "gpt-4o-mini")
_PAUSES = (0.03, 0.08, 0.13)  # seconds between edits, so that they do not keep step with anything


@dataclass(frozen=True)
class Layout:
    """How the routes are spread over files: ``text(target)`` is the edited file's content."""

    name: str
    file: str
    text: Callable[[str], str]
    others: int = 0  # further files, a route each


def _route_names(count: int) -> list[str]:
    return [f"model-{number}" for number in range(count)]


LAYOUTS = (
    Layout("1 route", "route.yaml", lambda target: sluice.route(MODEL, target)),
    Layout("1,000 routes, 1,000 files", "route.yaml", lambda target: sluice.route(MODEL, target), others=999),
    Layout(
        "1,000 routes, one file",
        "route.yaml",
        lambda target: "---\n".join([*map(sluice.route, _route_names(999)), sluice.route(MODEL, target)]),
    ),
)


def run(folder: Path) -> str:
    """Measure all layouts, and return the table."""
    rows = []
    for layout in LAYOUTS:
        print(f"reload: {layout.name}", flush=True)
        rows.append(_measure(layout, folder / layout.name))
    introduction = (
        f"{EDITS} edits a row, each one file replaced by a rename, which sends one model to another target; a caller "
        f"asks once a millisecond until the reply names the new one. Meanwhile {STREAMS} streams of "
        f"{_CONTENT_FRAMES * _FRAME_SECONDS:.0f} s each are kept running."
    )
    header = ("edit to served", "p50 ms", "p99 ms", "max ms", "streams broken", "requests failed", "RSS MiB")
    return f"{introduction}\n\n{table(header, rows)}"


def write(layout: Layout, folder: Path, upstream_port: int) -> Path:
    """The layout's files."""
    configuration = sluice.write_configuration(folder / "configuration", upstream_port)
    (configuration / layout.file).write_text(layout.text(_TARGETS[1]))
    for name in _route_names(layout.others):
        (configuration / f"{name}.yaml").write_text(sluice.route(name))
    return configuration


def _measure(layout: Layout, folder: Path) -> list[str]:
    upstream_port, port = free_port(), free_port()
    configuration = write(layout, folder, upstream_port)
    with ExitStack() as stack:
        command = [
            sys.executable,
            "-m",
            "bench.upstream",
            str(upstream_port),
            str(_CONTENT_FRAMES),
            str(_FRAME_SECONDS),
        ]
        upstream = Measured(command, port=upstream_port, output=folder / "upstream.log", core=LOAD_CORE)
        stack.enter_context(upstream).wait_until_listening()
        environ = sluice.environ(folder / "home")
        command = sluice.command(configuration, port)
        gateway = Measured(command, port=port, output=folder / "sluice.log", core=MEASURED_CORE, environ=environ)
        stack.enter_context(gateway).wait_until_ready()
        streams = Streams()
        times, caller = uvloop.run(_edits(port, configuration / layout.file, layout.text, streams))
        if streams.broken:
            print(f"{layout.name}: {streams.broken[0]}", file=sys.stderr)
        return [
            layout.name,
            *(f"{percentile(times, percent) * 1000:.0f}" for percent in (50, 99, 100)),
            f"{len(streams.broken)} of {streams.count}",
            f"{caller.failed} of {caller.requests:,}",
            f"{gateway.resident_mib():.1f}",
        ]


async def _edits(port: int, file: Path, text: Callable[[str], str], streams: Streams) -> tuple[list[float], Caller]:
    """Seconds from each edit to the first answer by the new target."""
    edited, times = asyncio.Event(), []
    frames = _CONTENT_FRAMES + FRAMES_AROUND_CONTENT
    async with Caller(port) as caller, asyncio.TaskGroup() as tasks:
        tasks.create_task(load_streams(port, STREAMS, frames, streams, lambda: not edited.is_set()))
        await caller.ask_until(lambda _: len(streams.first_frame) >= STREAMS)
        draft = file.parents[1] / "draft.yaml"
        for _, target, pause in zip(range(EDITS), cycle(_TARGETS), cycle(_PAUSES), strict=False):
            draft.write_text(text(target))
            started = time.perf_counter()
            draft.replace(file)
            await caller.ask_until(f"instant/{target}".__eq__)
            times.append(time.perf_counter() - started)
            await asyncio.sleep(pause)
        edited.set()
    return times, caller
