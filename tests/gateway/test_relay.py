"""The relay of a stream by itself: what only shows with a caller that takes nothing, and time that flies."""

import asyncio

from sluice_gateway.dialects.openai_errors import OpenAIErrors
from sluice_gateway.passages import RelayedPassage
from sluice_gateway.providers.mock import MockAnswer
from sluice_gateway.providers.openai.observer import OpenAIObserver
from sluice_gateway.relay import Stream
from sluice_gateway.telemetry.record import Record

EVENTS = ("content-type", "text/event-stream")
STOP = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


class Stalled:
    """A caller that takes nothing until ``reads`` is set. Implements ``relay.Client``."""

    def __init__(self) -> None:
        self.started = False
        self.written = b""
        self.reads = asyncio.Event()

    async def start(self) -> None:
        self.started = True

    def write(self, data: bytes) -> bool:
        self.written += data
        return False

    async def drained(self) -> None:
        await self.reads.wait()

    async def end(self) -> None:
        await self.drained()


def passage() -> RelayedPassage:
    errors = OpenAIErrors()
    return RelayedPassage(OpenAIObserver().event, errors, errors.end_mark, choices=1, hide_usage=False)


async def test_no_comment_is_sent_to_a_caller_that_has_not_taken_what_there_is() -> None:
    """While the clock flies: thousands of silences would have been filled."""
    loop = asyncio.get_running_loop()
    client, looked = Stalled(), asyncio.Event()
    looks = 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        if looks > 100:
            looked.set()
        return loop.time() * 10_000

    record = Record("id", "POST", "/", clock())
    stream = Stream(MockAnswer(200, [EVENTS], [STOP, DONE]), passage(), client, record, clock=clock, redact=str)
    relaying = asyncio.create_task(stream.relay(keepalive_seconds=0.001))
    async with asyncio.timeout(5):
        await looked.wait()
        client.reads.set()
        await relaying
    assert client.written == STOP + DONE
    assert record.status == 200
