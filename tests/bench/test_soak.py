"""A short soak holds all that a long one must; and one that goes wrong says so."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from bench.flaky import FRAMES, Flaky
from bench.soak import NotHeld, Soaked, run
from bench.wire import FRAMES_AROUND_CONTENT, request_body

SECONDS = 12
GOOD = Soaked(
    requests=10_200,
    left=200,
    answered=9_990,
    fell_back=1_000,
    fell_back_answered=991,
    resident=(100.0, 104.9),
    sockets=(4, 4),
    tasks=(3, 3),
)


@pytest.mark.slow
def test_a_hundred_users_are_served_while_providers_fail_and_nothing_leaks(tmp_path: Path) -> None:
    assert "p95" in run(tmp_path, SECONDS)


def test_what_is_just_good_enough_is_not_wrong() -> None:
    assert GOOD.wrong() == []


@pytest.mark.parametrize(
    ("worse", "said"),
    [
        ({"answered": 9_989}, "99.890 % were answered"),
        ({"fell_back_answered": 990}, "99.00 % were answered after a fallback"),
        ({"resident": (100.0, 105.0)}, "memory grew by 5.0 %"),
        ({"sockets": (4, 5)}, "sockets: 4 before, 5 after"),
        ({"tasks": (3, 4)}, "tasks: 3 before, 4 after"),
        ({"defects": 1}, "1 defects"),
    ],
)
def test_what_is_not_good_enough_is_named(worse: dict, said: str) -> None:
    assert Soaked(**{**vars(GOOD), **worse}).wrong() == [said]


def test_streams_that_had_begun_when_their_provider_died_are_forgiven_if_their_callers_were_told() -> None:
    told = Counter({"streams broken off, and told": 20})
    assert Soaked(**{**vars(GOOD), "answered": 9_980, "failures": told, "cut": 20}).wrong() == []
    assert Soaked(**{**vars(GOOD), "answered": 9_980, "failures": told, "cut": 9}).wrong()
    assert Soaked(**{**vars(GOOD), "answered": 9_980, "failures": Counter({"streams cut": 20}), "cut": 20}).wrong()


def test_the_reason_for_ending_has_the_figures_too() -> None:
    assert issubclass(NotHeld, Exception)
    assert "streams broken off" not in GOOD.table()
    assert "9,990 of 10,000, 99.900 %" in GOOD.table()


async def ask(provider: Flaky, name: str, *, stream: bool) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{provider.port}/v1/chat/completions"
        async with session.post(url, data=request_body(stream=stream), headers={"x-request-id": name}) as response:
            return response.status, await response.read()


async def test_a_provider_answers_and_knows_how_long_it_took() -> None:
    provider = Flaky(0.0, random.Random(1))
    await provider.live()
    status, body = await ask(provider, "one", stream=False)
    assert (status, b'"finish_reason": "stop"' in body) == (200, True)
    status, body = await ask(provider, "two", stream=True)
    assert (status, body.count(b"data: ")) == (200, FRAMES + FRAMES_AROUND_CONTENT)
    assert set(provider.spent) == {"one", "two"}
    assert provider.spent["two"] > provider.spent["one"] > 0
    provider.die()


async def test_one_that_always_fails_does_so_in_turn() -> None:
    provider = Flaky(1.0, random.Random(1))
    await provider.live()
    said = []
    for number in range(5):
        try:
            said.append((await ask(provider, str(number), stream=False))[0])
        except aiohttp.ServerDisconnectedError:
            said.append(0)
    assert sorted(said) == [0, 200, 429, 500, 529]
    provider.die()


async def test_a_dead_one_refuses_cuts_what_had_begun_and_comes_back() -> None:
    provider = Flaky(0.0, random.Random(1))
    await provider.live()
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{provider.port}/v1/chat/completions"
        async with session.post(url, data=request_body(stream=True)) as response:
            assert (await response.content.readuntil(b"\n\n")).startswith(b"data: ")
            provider.die()
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        assert provider.cut == 1
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.post(url, data=b"{}")
        await provider.live()
    status, _ = await ask(provider, "again", stream=False)
    assert status == 200
    provider.die()
    await asyncio.sleep(0)
