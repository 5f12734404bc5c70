"""The state of a process: opened from its settings, and nothing of it stays when it is closed."""

import asyncio
import subprocess
import sys

from sluice_gateway.limits.contract import Charge, Granted, Limit, Refused, Unit, Used
from sluice_gateway.settings import Settings
from sluice_gateway.state.state import open_state
from tests.gateway.state.conftest import Logs
from tests.support.redis_server import RedisServer

TOKENS = Limit("ModelRoute/default/chat", "tokens", Unit.TOKENS, 1000, "day")
PLACES = Limit("ModelRoute/default/chat", "places", Unit.PLACES, 5)


def settings(server: RedisServer, **others: str) -> Settings:
    return Settings.read({"SLUICE_STATE_URL": f"redis://127.0.0.1:{server.port}"} | others)


async def test_without_a_url_there_is_none(logs: Logs) -> None:
    assert open_state(Settings.read({}), logs.logger) is None


def test_without_a_url_the_client_library_is_not_loaded() -> None:
    asks = (
        "import sys, sluice_gateway.process;"
        "from sluice_gateway.settings import Settings; from sluice_gateway.state.state import open_state;"
        "open_state(Settings(), None); print('redis' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


async def test_gateways_of_another_name_count_for_themselves(redis_server: RedisServer, logs: Logs) -> None:
    left = []
    for name, namespace in (("one", "a"), ("two", "a"), ("one", "b"), ("one", "a")):
        state = open_state(settings(redis_server, SLUICE_GATEWAY=name, SLUICE_NAMESPACE=namespace), logs.logger)
        assert state is not None
        await state.start()
        answer = await state.store.reserve([Charge(TOKENS, 10)])
        left.append(answer.levels[0].remaining)
        await state.close()
    assert left == [990, 990, 990, 980]


async def test_what_is_owed_is_told_before_the_end(redis_server: RedisServer, logs: Logs) -> None:
    for used in (100, 50, 0):
        state = open_state(settings(redis_server, SLUICE_GATEWAY="ending"), logs.logger)
        assert state is not None
        await state.start()
        answer = await state.store.reserve([Charge(TOKENS, 500), Charge(PLACES, 1)])
        assert isinstance(answer, Granted)
        assert answer.levels[1].remaining == 4
        state.store.settle(answer, Used(tokens=used))
        await state.close()
    prefix = "{sluice/default/ending/ModelRoute/default/chat}"
    assert redis_server.call("GET", f"{prefix}tokens/tokens/day/UTC/").split()[2] == b"150"
    assert len(asyncio.all_tasks()) == 1
    assert logs.events() == []


async def test_after_the_end_it_answers_all_the_same(redis_server: RedisServer, logs: Logs) -> None:
    state = open_state(settings(redis_server, SLUICE_GATEWAY="ended"), logs.logger)
    assert state is not None
    await state.start()
    await state.close()
    answer = await state.store.reserve([Charge(TOKENS, 500)])
    assert isinstance(answer, Granted)
    state.store.settle(answer, Used())
    closed = Limit("ModelRoute/default/chat", "closed", Unit.REQUESTS, 5, "day", closed=True)
    refused = await state.store.reserve([Charge(closed, 1)])
    assert isinstance(refused, Refused)
    assert refused.away
