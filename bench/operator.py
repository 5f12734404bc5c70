"""The operator beside a real API server: its first reconcile, changes under streams, and what it does when at rest.

All of it runs on this machine: API server, etcd, controllers, the operator, three gateways, the provider, and the load.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import uvloop

from bench.acknowledged import Acknowledged, watching
from bench.api_traffic import Traffic
from bench.figures import percentile, table
from bench.fleet import PODS, Fleet
from bench.load import Streams, load_streams
from bench.measured import CORES, Measured, free_port, pinned, resident_mib
from bench.polling import Caller
from bench.wire import FRAMES_AROUND_CONTENT, MODEL
from tests.cluster.build import programs_folder
from tests.cluster.keeper import kept
from tests.cluster.preconditions import cannot_use
from tests.support.cluster import ControlPlane
from tests.support.operator import Operator

CHANGES = 100
STREAMS = 100
COUNTS = (1, 1000)
_CONTENT_FRAMES, _FRAME_SECONDS = 200, 0.025  # a stream of 5 s
_TARGETS = ("gpt-4o", "gpt-4o-mini")
_PAUSES = (0.03, 0.08, 0.13)  # seconds between changes, so that they do not keep step with anything
_ASK_SECONDS = 0.005  # between the requests of a caller
_PATIENCE = 120.0
_LONGEST = 600.0  # of all changes
_KIB = 1024


@dataclass
class Figures:
    """What was measured with so many routes. Times in seconds, memory in MiB."""

    routes: int
    first_seconds: float = 0.0
    first: Traffic = field(default_factory=Traffic)
    served: list[float] = field(default_factory=list)
    acknowledged: list[float] = field(default_factory=list)
    changes: Traffic = field(default_factory=Traffic)
    streams: Streams = field(default_factory=Streams)
    callers: list[Caller] = field(default_factory=list)
    operator: float = 0.0
    operator_peak: float = 0.0
    gateways: list[float] = field(default_factory=list)
    rest: Traffic = field(default_factory=Traffic)


def left_out() -> str:
    """Why this part cannot run here; empty if it can."""
    return cannot_use(programs_folder(), os.environ)


def run(folder: Path, rest_seconds: float) -> str:
    """Measure, and return the tables."""
    figures = []
    with pinned(*CORES), _control_plane(folder) as plane:
        for routes in COUNTS:
            print(f"operator: {routes:,} {_routes(routes)}", flush=True)
            rest = rest_seconds if routes == COUNTS[-1] else 0
            figures.append(_measure(plane, routes, folder / str(routes), rest))
    return "\n\n".join([_introduction(), _first(figures), _changes(figures), _rest(figures[-1], rest_seconds)])


@contextmanager
def _control_plane(folder: Path) -> Iterator[ControlPlane]:
    with kept(folder / "cluster", with_node=False) as cluster:
        plane = ControlPlane(cluster, programs_folder() / "kubectl")
        plane.install_crds()
        yield plane
        plane.api.close()


def _measure(plane: ControlPlane, routes: int, folder: Path, rest_seconds: float) -> Figures:
    folder.mkdir()
    upstream_port = free_port()
    with ExitStack() as stack:
        command = [sys.executable, "-m", "bench.upstream"]
        command += [str(upstream_port), str(_CONTENT_FRAMES), str(_FRAME_SECONDS)]
        upstream = Measured(command, port=upstream_port, output=folder / "upstream.log", core=None)
        stack.enter_context(upstream).wait_until_listening()
        fleet = Fleet(plane, folder, stack)
        fleet.configure(upstream_port, [MODEL, *(f"model-{number}" for number in range(routes - 1))])
        figures = Figures(routes)
        uvloop.run(_all(fleet, figures, rest_seconds))
    return figures


async def _all(fleet: Fleet, figures: Figures, rest_seconds: float) -> None:
    async with watching(fleet.plane, fleet.routes_path, PODS) as acknowledged:
        before, started = fleet.traffic(), time.perf_counter()
        operator = await asyncio.to_thread(fleet.operate)
        await acknowledged.until(lambda: len(acknowledged.generations) == figures.routes, _PATIENCE)
        figures.first_seconds = time.perf_counter() - started
        await asyncio.to_thread(_wait_for_calm, operator)
        figures.first = fleet.traffic() - before
        await _change(fleet, acknowledged, figures)
        await asyncio.to_thread(_wait_for_calm, operator)
        figures.changes = fleet.traffic() - before - figures.first
    pid = operator.process.pid
    figures.operator, figures.operator_peak = resident_mib(pid), resident_mib(pid, peak=True)
    figures.gateways = [gateway.resident_mib() for gateway in fleet.gateways]
    print(f"operator: {rest_seconds:.0f} s at rest", flush=True)
    before = fleet.traffic()
    await asyncio.sleep(rest_seconds)
    figures.rest = fleet.traffic() - before


def _wait_for_calm(operator: Operator) -> None:
    """Return once the operator has nothing left to do."""
    while operator.metric("sluice_operator_queue_depth"):
        time.sleep(0.05)


async def _change(fleet: Fleet, acknowledged: Acknowledged, figures: Figures) -> None:
    """One change after the other; each is waited for."""
    async with _load(fleet, figures):
        for _, target, pause in zip(range(CHANGES), cycle(_TARGETS), cycle(_PAUSES), strict=False):
            started = time.perf_counter()
            generation = await asyncio.to_thread(fleet.change, MODEL, target)
            async with asyncio.TaskGroup() as tasks:
                served = tasks.create_task(_served(figures.callers, target))
                await acknowledged.of(MODEL, generation, _PATIENCE)
                figures.acknowledged.append(time.perf_counter() - started)
            figures.served.append(served.result() - started)
            await asyncio.sleep(pause)


async def _served(callers: list[Caller], target: str) -> float:
    """When all gateways have answered by the target."""
    await asyncio.gather(*(caller.ask_until(f"instant/{target}".__eq__) for caller in callers))
    return time.perf_counter()


@asynccontextmanager
async def _load(fleet: Fleet, figures: Figures) -> AsyncIterator[None]:
    """Streams through all gateways, and a caller at each, while the block runs."""
    ended, frames = asyncio.Event(), _CONTENT_FRAMES + FRAMES_AROUND_CONTENT
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        for place, gateway in enumerate(fleet.gateways):
            count = len(range(place, STREAMS, PODS))
            streams = load_streams(
                gateway.port, count, frames, figures.streams, lambda: not ended.is_set(), seconds=_LONGEST
            )
            tasks.create_task(streams)
            figures.callers.append(await stack.enter_async_context(Caller(gateway.port, _ASK_SECONDS)))
        await figures.callers[0].ask_until(lambda _: len(figures.streams.first_frame) >= STREAMS)
        yield
        ended.set()
    if figures.streams.broken:
        print(f"a broken stream: {figures.streams.broken[0]}", file=sys.stderr)


def _routes(count: int) -> str:
    return "route" if count == 1 else "routes"


def _introduction() -> str:
    return (
        f"{CHANGES} changes a row, each of one route, which sends one model to another target: served when each of "
        f"{PODS} gateways has answered by the new one, acknowledged when the route's status says that all pods run it. "
        f"Meanwhile {STREAMS} streams of {_CONTENT_FRAMES * _FRAME_SECONDS:.0f} s each are kept running, and each "
        f"gateway is asked every {_ASK_SECONDS * 1000:.0f} ms until it follows. Writes and bytes are what the API "
        f"server counts, without Leases and the changes themselves; read is what operator and gateways have read."
    )


def _first(figures: list[Figures]) -> str:
    rows = [
        (
            f"{one.routes:,} {_routes(one.routes)}",
            f"{one.first_seconds:.1f}",
            f"{one.first.writes.total():,}",
            f"{one.first.written_bytes.total() / _KIB:,.0f}",
            f"{one.first.read_bytes.total() / _KIB:,.0f}",
        )
        for one in figures
    ]
    return table(("operator's start to all statuses", "s", "writes", "KiB written", "KiB read"), rows)


def _changes(figures: list[Figures]) -> str:
    times = ("served p50 ms", "p99 ms", "acknowledged p50 ms", "p99 ms", "max ms")
    traffic, faults = ("writes", "KiB written", "KiB read"), ("streams broken", "requests failed")
    memory = ("operator RSS MiB", "peak MiB", "gateway RSS MiB")
    return table(("change", *times, *traffic, *faults, *memory), [_change_row(one) for one in figures])


def _change_row(one: Figures) -> list[str]:
    times = (*((one.served, p) for p in (50, 99)), *((one.acknowledged, p) for p in (50, 99, 100)))
    requests = sum(caller.requests for caller in one.callers)
    return [
        f"{one.routes:,} {_routes(one.routes)}",
        *(f"{percentile(seconds, percent) * 1000:.0f}" for seconds, percent in times),
        f"{one.changes.writes.total() / CHANGES:.2f}",
        f"{one.changes.written_bytes.total() / CHANGES / _KIB:.1f}",
        f"{one.changes.read_bytes.total() / CHANGES / _KIB:,.0f}",
        f"{len(one.streams.broken)} of {one.streams.count:,}",
        f"{sum(caller.failed for caller in one.callers)} of {requests:,}",
        f"{one.operator:.1f}",
        f"{one.operator_peak:.1f}",
        f"{statistics.median(one.gateways):.1f}",
    ]


def _rest(one: Figures, seconds: float) -> str:
    writes = ", ".join(f"{count} of {what}" for what, count in sorted(one.rest.writes.items())) or "0"
    return (
        f"Writes in {seconds:.0f} s at rest afterwards, with {one.routes:,} {_routes(one.routes)}: {writes}, besides "
        f"the Leases'. Read meanwhile: {one.rest.read_bytes.total() / _KIB:,.0f} KiB."
    )
