"""A deadline holds, and a loop that was busy itself reads first what has come meanwhile."""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from sluice_gateway.state.due import STALL, Due

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test on a loop of either kind."""

    def run_(test: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(test)

    return run_


def spin(seconds: float) -> None:
    """Keep the loop busy."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_what_takes_too_long_ends(run: Run) -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        with pytest.raises(TimeoutError):
            async with Due(loop, started + 0.03):
                await asyncio.Event().wait()
        assert 0.029 <= loop.time() - started < 5

    run(test())


def test_what_ends_in_time_is_left_alone(run: Run) -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        async with Due(loop, loop.time() + 0.01):
            await asyncio.sleep(0)
        await asyncio.sleep(0.02)  # nothing of it is left

    run(test())


@pytest.mark.parametrize("answered", [True, False])
def test_a_loop_that_was_busy_reads_before_it_gives_up(run: Run, answered: bool) -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        loop.call_soon(spin, 0.05 + 2 * STALL)
        if answered:
            theirs.send(b"answer")
        try:
            async with Due(loop, loop.time() + 0.05):
                assert await reader.read(6) == b"answer"
        except TimeoutError:
            assert not answered
        else:
            assert answered
        writer.close()
        theirs.close()

    run(test())


def test_what_fails_by_itself_says_so(run: Run) -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(ValueError, match="its own"):
            async with Due(loop, loop.time() + 1):
                raise ValueError("its own")

    run(test())
