"""Each test runs on both event loops, those of the contract over both implementations; none may leave anything."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from sluice_gateway.upstream import LeanUpstream, SessionUpstream, Upstream


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop is what the gateway runs on; asyncio's own loop is stricter about unclosed transports."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
async def lean() -> AsyncIterator[LeanUpstream]:
    """The lean leg; in the end it must hold no connection and no task."""
    tasks = asyncio.all_tasks()
    upstream = LeanUpstream()
    yield upstream
    await upstream.close()
    assert set(map(tuple, upstream.occupancy().values())) <= {(0, 0, 0)}
    assert asyncio.all_tasks() <= tasks | {asyncio.current_task()}


@pytest.fixture(params=["lean", "session"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Upstream]:
    """Each implementation of the contract."""
    upstream: Upstream = LeanUpstream() if request.param == "lean" else SessionUpstream({})
    yield upstream
    await upstream.close()
