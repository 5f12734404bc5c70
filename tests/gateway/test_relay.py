"""The relay of a stream by itself: what only shows with a caller that takes nothing, and time that flies."""

import asyncio

from sluice_gateway.providers.mock import MockAnswer
from sluice_gateway.providers.provider import Provider
from sluice_gateway.relay import STALL_SECONDS, Stream
from sluice_gateway.routing.table import build_table
from sluice_gateway.telemetry.record import Record
from sluice_gateway.upstream import LeanUpstream
from tests.support.gateway import loaded, provider, route

EVENTS = ("content-type", "text/event-stream")
STOP = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


class Stalled:
    """A caller that takes the head and nothing else. Implements ``relay.Client``."""

    def __init__(self) -> None:
        self.started = False
        self.written = b""
        self.aborted = asyncio.Event()

    async def start(self) -> None:
        self.started = True

    def write(self, data: bytes) -> bool:
        self.written += data
        return False

    async def drained(self) -> None:
        await self.aborted.wait()
        raise ConnectionResetError

    async def end(self) -> None:
        await self.drained()

    def abort(self) -> None:
        self.aborted.set()


def mock_provider() -> Provider:
    event = loaded(provider("mock") + route("chat", "mock"))
    match = build_table(event.snapshot, event.digest, event.credentials, LeanUpstream()).match("chat")
    assert match is not None
    return match.route.targets[0].provider


async def relayed_to(client: Stalled, *pieces: bytes) -> Record:
    """Relay while a second of the clock lasts a ten-thousandth of one."""
    loop = asyncio.get_running_loop()

    def clock() -> float:
        return loop.time() * 10_000

    record = Record("id", "POST", "/", clock())
    stream = Stream(MockAnswer(200, [EVENTS], list(pieces)), mock_provider(), client, record, clock)
    began = clock()
    async with asyncio.timeout(5):
        try:
            await stream.relay(keepalive_seconds=0.001)
        except ConnectionResetError:
            assert clock() - began >= STALL_SECONDS
    return record


async def test_a_caller_that_takes_nothing_is_given_up() -> None:
    client = Stalled()
    record = await relayed_to(client, STOP, STOP, DONE)
    assert client.aborted.is_set()
    assert record.status == 499


async def test_so_is_one_that_does_not_take_the_end() -> None:
    client = Stalled()
    record = await relayed_to(client, STOP + DONE)
    assert client.aborted.is_set()
    assert client.written == STOP + DONE
    assert record.status == 499
