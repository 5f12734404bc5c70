"""Gateways' shares of a real Redis: each test has a gateway name of its own, and so counters of its own."""

import io
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from sluice_gateway.settings import StateAddress
from sluice_gateway.state.fleet import State
from sluice_gateway.telemetry.log import LineWriter, Logger, make_logger
from tests.support.redis_server import RedisServer

_names = itertools.count(1)


class Logs:
    """What was logged."""

    def __init__(self) -> None:
        self._file = io.BytesIO()
        self._writer = LineWriter(self._file)
        self.logger: Logger = make_logger(self._writer)

    def lines(self) -> list[dict[str, Any]]:
        self._writer.flush()
        return [json.loads(line) for line in self._file.getvalue().splitlines()]

    def events(self) -> list[str]:
        return [line["event"] for line in self.lines()]


Open = Callable[..., Awaitable[State]]


@pytest.fixture
def logs() -> Logs:
    return Logs()


@pytest.fixture
def gateway() -> str:
    """A name that no test had before."""
    return f"default/gateway-{next(_names)}"


@pytest.fixture
async def open_pod(redis_server: RedisServer, logs: Logs, gateway: str) -> AsyncIterator[Open]:
    """Starts pods of one gateway; they end with the test. They are patient, as the machine may be busy."""
    pods: list[State] = []

    async def open_(address: StateAddress | None = None, patience: float = 5.0) -> State:
        pods.append(State(address or redis_server.address, gateway, logs.logger, patience=patience))
        await pods[-1].start()
        if pods[-1].store.available:  # what a pod asks by itself when it listens must not be on its way in a test
            await pods[-1].news.hearing.wait()
        return pods[-1]

    yield open_
    for pod in pods:
        await pod.close()
