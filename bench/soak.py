"""A hundred users for a while: of three providers one fails half of its requests, one dies for a while, one is good.

What users notice of it, what the gateway adds to the providers' own time, and whether it leaks.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec
import uvloop

from bench.contenders import sluice
from bench.figures import percentile, table
from bench.flaky import Flaky
from bench.measured import MEASURED_CORE, Measured, NotReady, free_port
from bench.wire import KEY, request_body

USERS = 100
ROUTES = {"even": "half good mortal", "other": "mortal half good", "last": "good half mortal"}
STRATEGIES = {"even": "priority", "other": "priority", "last": "balanced"}
_STREAMS, _LEAVES = 0.4, 0.03  # shares of the requests
_THINKS_SECONDS = 0.2  # at most, between two requests of a user
_DIES, _LIVES, _WARM = 0.3, 0.45, 0.6  # of the time: memory is warm when the worst is over
_LEFT_SECONDS = 10.0  # until what is left over must be gone
_LEAST_ANSWERED, _LEAST_FELL_BACK, _MOST_GROWTH = 99.9, 99.0, 5.0  # per cent

_POLICY = """apiVersion: sluice.dev/v1alpha1
kind: ProviderPolicy
metadata: {{name: {name}}}
spec:
  provider: openai-compatible
  baseURL: http://127.0.0.1:{port}/v1
  credentials: {{secretRef: {{name: provider, key: api-key}}}}
  circuitBreaker: {{failureThreshold: {failures}, windowSeconds: 5, openSeconds: 1}}
  rateLimit: {{requestsPerMinute: 1000000, tokensPerMinute: 1000000000, maxConcurrent: 1000}}
"""
_ROUTE = """apiVersion: sluice.dev/v1alpha1
kind: ModelRoute
metadata: {{name: {name}}}
spec:
  models: [{name}]
  targets: [{targets}]
  strategy: {strategy}
  limits:
    - {{name: requests, per: route, requests: 100000000, window: day}}
    - {{name: tokens, per: consumer, tokens: 100000000000, window: day}}
    - {{name: places, per: consumer, concurrent: 1000}}
"""


_TOLD = "streams broken off, and told"


class NotHeld(Exception):
    """The soak has shown what must not be; the text says what."""


@dataclass
class Soaked:
    """What came of it. Overheads are milliseconds, memory is MiB; pairs are before and after.

    ``cut``: streams that had begun when their provider died: nobody can finish those, but their callers are told.
    """

    requests: int = 0
    left: int = 0
    answered: int = 0
    fell_back: int = 0
    fell_back_answered: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    defects: int = 0
    overheads: list[float] = field(default_factory=list)
    resident: tuple[float, float] = (0.0, 0.0)
    sockets: tuple[int, int] = (0, 0)
    tasks: tuple[int, int] = (0, 0)

    @property
    def answered_percent(self) -> float:
        """Of the requests whose callers waited."""
        return 100 * self.answered / max(1, self.requests - self.left)

    @property
    def finished_percent(self) -> float:
        """As well, but for streams that had begun when their provider died."""
        cut = min(self.cut, self.failures[_TOLD])
        return 100 * (self.answered + cut) / max(1, self.requests - self.left)

    @property
    def fell_back_percent(self) -> float:
        """Answered, of those that more than one target was asked for."""
        return 100 * self.fell_back_answered / max(1, self.fell_back)

    @property
    def growth_percent(self) -> float:
        """Of the memory, after the warm-up."""
        warm, end = self.resident
        return 100 * (end / warm - 1)

    def wrong(self) -> list[str]:
        """What is not as it must be."""
        checks = {
            f"{self.finished_percent:.3f} % were answered": self.finished_percent >= _LEAST_ANSWERED,
            f"{self.fell_back_percent:.2f} % were answered after a fallback": self.fell_back_percent > _LEAST_FELL_BACK,
            f"memory grew by {self.growth_percent:.1f} %": self.growth_percent < _MOST_GROWTH,
            f"sockets: {self.sockets[0]} before, {self.sockets[1]} after": self.sockets[1] <= self.sockets[0],
            f"tasks: {self.tasks[0]} before, {self.tasks[1]} after": self.tasks[1] <= self.tasks[0],
            f"{self.defects} defects": self.defects == 0,
        }
        return [said for said, holds in checks.items() if not holds]

    def table(self) -> str:
        """For people."""
        answered, fallen = self.requests - self.left, self.fell_back
        rows = [
            ("requests, users who left", f"{self.requests:,}, {self.left:,}"),
            (
                "answered whole, of those that waited",
                f"{self.answered:,} of {answered:,}, {self.answered_percent:.3f} %",
            ),
            (
                "answered whole after a fallback",
                f"{self.fell_back_answered:,} of {fallen:,}, {self.fell_back_percent:.2f} %",
            ),
            ("streams that had begun when their provider died", f"{self.cut}"),
            ("not answered", ", ".join(f"{said} {count}" for said, count in sorted(self.failures.items())) or "none"),
            ("in the gateway beyond the providers' time, p50, p95, p99", _percentiles(self.overheads)),
            ("RSS after the warm-up, at the end", "{:.1f} MiB, {:.1f} MiB".format(*self.resident)),
            ("defects of its own, in its log", f"{self.defects}"),
            ("sockets before, after", "{}, {}".format(*self.sockets)),
            ("asyncio tasks before, after", "{}, {}".format(*self.tasks)),
        ]
        return table(("", "figure"), rows)


def run(folder: Path, seconds: float) -> str:
    """Soak for so long, and return the table. Raises NotHeld."""
    soaked = uvloop.run(soak(folder, seconds))
    introduction = (
        f"{USERS} users for {seconds:.0f} s; {100 * _STREAMS:.0f} % of their requests are for streams, and "
        f"{100 * _LEAVES:.0f} % are left before their end."
    )
    text = f"{introduction}\n\n{soaked.table()}"
    if wrong := soaked.wrong():
        raise NotHeld(f"{'; '.join(wrong)}\n\n{text}")
    return text


async def soak(folder: Path, seconds: float) -> Soaked:
    """Run all of it."""
    soaked = Soaked()
    dice = random.Random(1)
    providers = {name: Flaky(share, dice) for name, share in (("half", 0.5), ("mortal", 0.0), ("good", 0.0))}
    for provider in providers.values():
        await provider.live()
    async with _gateway(folder, providers) as (gateway, log):
        before = _sockets(gateway.pid), await _tasks(gateway, folder)
        await asyncio.gather(
            _users(gateway.port, seconds, soaked),
            _mortal(providers["mortal"], seconds),
            _memory(gateway, seconds, soaked),
        )
        soaked.cut = providers["mortal"].cut
        for provider in providers.values():
            provider.die()  # and so no connection to it is kept
        soaked.sockets, soaked.tasks = await _left_over(gateway, folder, before)
    lines = [_decode(line) for line in log.read_bytes().splitlines()]
    soaked.defects = sum(line.event == "defect" for line in lines)
    soaked.overheads = list(_overheads(lines, list(providers.values())))
    return soaked


@contextlib.asynccontextmanager
async def _gateway(folder: Path, providers: dict[str, Flaky]) -> AsyncIterator[tuple[Measured, Path]]:
    port, log = free_port(), folder / "gateway.log"
    configuration = folder / "configuration"
    configuration.mkdir()
    documents = [sluice.SECRETS, *(_policy(name, one) for name, one in providers.items())]
    for name, targets in ROUTES.items():
        listed = ", ".join(f"{{provider: {target}, model: m}}" for target in targets.split())
        documents.append(_ROUTE.format(name=name, targets=listed, strategy=STRATEGIES[name]))
    (configuration / "all.yaml").write_text("---\n".join(documents))
    command = [sys.executable, "-m", "bench.watched", str(configuration), f"127.0.0.1:{port}", str(_tasks_file(folder))]
    environ = sluice.environ(folder / "home")
    with Measured(command, port=port, output=log, core=MEASURED_CORE, environ=environ) as gateway:
        await asyncio.to_thread(gateway.wait_until_ready)
        yield gateway, log


def _policy(name: str, provider: Flaky) -> str:
    """One that fails all the time is asked all the same: its breaker would spare the gateway the fallbacks."""
    return _POLICY.format(name=name, port=provider.port, failures=10_000 if provider.fails else 50)


async def _users(port: int, seconds: float, soaked: Soaked) -> None:
    until = time.monotonic() + seconds
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=connector, headers=headers) as session:
        await asyncio.gather(*(_user(session, random.Random(number), until, soaked) for number in range(USERS)))


async def _user(session: aiohttp.ClientSession, dice: random.Random, until: float, soaked: Soaked) -> None:
    names = list(ROUTES)
    while time.monotonic() < until:
        stream, leaves = dice.random() < _STREAMS, dice.random() < _LEAVES
        body = request_body(stream=stream, model=dice.choice(names))
        soaked.requests += 1
        if leaves:
            soaked.left += 1
            await _leave(session, body, dice)
        else:
            await _ask(session, body, soaked, stream=stream)
        await asyncio.sleep(dice.uniform(0, _THINKS_SECONDS))


async def _leave(session: aiohttp.ClientSession, body: bytes, dice: random.Random) -> None:
    """Close the connection somewhere on the way."""
    try:
        async with asyncio.timeout(dice.uniform(0.001, 0.03)):
            async with session.post("/v1/chat/completions", data=body) as response:
                await response.read()
    except (TimeoutError, aiohttp.ClientError):
        return


async def _ask(session: aiohttp.ClientSession, body: bytes, soaked: Soaked, *, stream: bool) -> None:
    fell_back = False
    try:
        async with session.post("/v1/chat/completions", data=body) as response:
            fell_back = int(response.headers.get("x-sluice-attempts", "0")) > 1
            said = _said(response.status, await response.read(), stream=stream)
    except aiohttp.ClientError as error:
        said = type(error).__name__
    soaked.fell_back += fell_back
    if said:
        soaked.failures[said] += 1
    else:
        soaked.answered += 1
        soaked.fell_back_answered += fell_back


def _said(status: int, body: bytes, *, stream: bool) -> str:
    """What is wrong with an answer; "" when it is whole."""
    if status != 200:
        return f"{status} {json.loads(body)['error']['code']}"
    if not stream:
        return "" if b'"finish_reason"' in body else "200 without an answer"
    if body.endswith(b"data: [DONE]\n\n"):
        return ""
    return _TOLD if b'data: {"error"' in body else "streams cut"


async def _mortal(provider: Flaky, seconds: float) -> None:
    await asyncio.sleep(seconds * _DIES)
    provider.die()
    await asyncio.sleep(seconds * (_LIVES - _DIES))
    await provider.live()


async def _memory(gateway: Measured, seconds: float, soaked: Soaked) -> None:
    await asyncio.sleep(seconds * _WARM)
    warm = gateway.resident_mib()
    await asyncio.sleep(seconds * (1 - _WARM))
    soaked.resident = warm, gateway.resident_mib()


async def _left_over(
    gateway: Measured, folder: Path, before: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Sockets and tasks, before and after: as soon as they are back, or when they should long be."""
    until = time.monotonic() + _LEFT_SECONDS
    while True:
        after = _sockets(gateway.pid), await _tasks(gateway, folder)
        if time.monotonic() > until or (after[0] <= before[0] and after[1] <= before[1]):
            return (before[0], after[0]), (before[1], after[1])
        await asyncio.sleep(0.1)


def _sockets(pid: int) -> int:
    found = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found += str(link.readlink()).startswith("socket:")
    return found


def _tasks_file(folder: Path) -> Path:
    return folder / "tasks"


async def _tasks(gateway: Measured, folder: Path) -> int:
    """Ask the process. Raises NotReady."""
    file = _tasks_file(folder)
    file.unlink(missing_ok=True)
    os.kill(gateway.pid, signal.SIGUSR1)
    until = time.monotonic() + _LEFT_SECONDS
    while time.monotonic() < until:
        if file.exists() and (text := file.read_text()):
            return int(text)
        await asyncio.sleep(0.01)
    raise NotReady("the gateway does not say how many tasks it runs")


class _Line(msgspec.Struct):
    event: str
    request_id: str = ""
    milliseconds: float = 0.0
    status: int = 0


_decode = msgspec.json.Decoder(_Line).decode


def _overheads(lines: Sequence[_Line], providers: Sequence[Flaky]) -> Iterator[float]:
    """Milliseconds in the gateway beyond its providers' own, of each request that was answered."""
    for line in lines:
        if line.event == "request" and line.status == 200:
            spent = sum(provider.spent.get(line.request_id, 0.0) for provider in providers)
            yield line.milliseconds - spent * 1000


def _percentiles(values: Sequence[float]) -> str:
    return ", ".join(f"{percentile(values, rank):.2f} ms" for rank in (50, 95, 99)) if values else "unknown"
