"""A second target for whole answers that are late: who wins, what is taken back, and what it costs."""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec

from sluice_config.resources.provider_policy import Mock
from sluice_gateway.calls import parse
from sluice_gateway.exchange import Exchange, Reply
from sluice_gateway.images import Images
from sluice_gateway.providers.mock import MockUpstream
from sluice_gateway.relay import Client
from sluice_gateway.routing.table import build_table
from sluice_gateway.telemetry.record import Record
from tests.support.gateway import CHAT, HELLO, RunningGateway, gateway, loaded, provider, route
from tests.support.pipelines import make_pipeline
from tests.support.upstream import Peer, Request, Script, ScriptedUpstream, json_answer, says, serve

LEAST_SAMPLES = 20
MISTAKE = json_answer({"error": {"message": "no"}}, 400)
BROKEN = json_answer({"error": {"message": "boom"}}, 500, [("connection", "close")])


def answer(words: str) -> bytes:
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    return json_answer({"choices": [{"message": {"content": words}, "finish_reason": "stop"}], "usage": usage})


def quick_then(late: Script) -> Script:
    """Answers at once until enough is known of it; then does something else."""
    count = 0

    async def script(peer: Peer, request: Request) -> None:
        nonlocal count
        count += 1
        await (peer.send(answer("first")) if count <= LEAST_SAMPLES else late(peer, request))

    return script


async def stalls(peer: Peer, _request: Request) -> None:
    await peer.stall()


def once(due: asyncio.Event, said: bytes) -> Script:
    async def script(peer: Peer, _request: Request) -> None:
        await due.wait()
        await peer.send(said)

    return script


def telling(asked: asyncio.Event, then: Script) -> Script:
    async def script(peer: Peer, request: Request) -> None:
        asked.set()
        await then(peer, request)

    return script


@asynccontextmanager
async def two(
    late: Script, second: Script, limits: Sequence[dict[str, Any]] = (), **hedging: Any
) -> AsyncIterator[tuple[RunningGateway, ScriptedUpstream, ScriptedUpstream]]:
    """A gateway that knows its first target to be quick, which is late from now on."""
    async with serve(quick_then(late)) as first, serve(second) as other:
        text = (
            provider("first", first.url)
            + provider("second", other.url)
            + route("chat", "first/a", "second/b", hedging={"enabled": True, **hedging}, limits=list(limits))
        )
        async with gateway(text) as sluice:
            for _ in range(LEAST_SAMPLES):
                await sluice.post()
            yield sluice, first, other


async def test_the_second_answer_wins_and_the_first_question_is_taken_back() -> None:
    async with two(stalls, says(answer("second"))) as (sluice, first, _):
        response, body = await sluice.post()
        await first.until(lambda: any(peer.closed.is_set() for peer in first.peers))
        *_, line = await sluice.logged(LEAST_SAMPLES + 1)
        metrics = await (await sluice.session.get(sluice.url + "/metrics")).text()
    assert body["choices"][0]["message"]["content"] == "second"
    assert (response.headers["x-sluice-target"], response.headers["x-sluice-attempts"]) == ("second/b", "2")
    assert (line["target"], line["attempts"], line["completion_tokens"]) == ("second/b", 2, 3)
    assert line["lost_tokens"] > 0
    assert 'sluice_attempts_total{result="outrun",target="first/a"} 1.0' in metrics


async def test_the_first_answer_wins_when_it_comes_first_after_all() -> None:
    asked = asyncio.Event()
    async with two(once(asked, answer("late")), telling(asked, stalls)) as (sluice, _, other):
        response, body = await sluice.post()
        await other.until(lambda: other.open == 0)
    assert body["choices"][0]["message"]["content"] == "late"
    assert (response.headers["x-sluice-target"], response.headers["x-sluice-attempts"]) == ("first/a", "2")
    assert len(other.requests) == 1


async def test_when_one_fails_the_other_is_waited_for() -> None:
    asked, failed = asyncio.Event(), asyncio.Event()
    second = telling(asked, once(failed, answer("second")))
    async with two(once(asked, BROKEN), second) as (sluice, first, _):
        asking = asyncio.create_task(sluice.post())
        await first.until(lambda: len(first.requests) > LEAST_SAMPLES and first.open == 0)  # it was heard to its end
        assert not asking.done()
        failed.set()
        response, body = await asking
    assert (response.status, body["choices"][0]["message"]["content"]) == (200, "second")


async def test_when_both_fail_the_caller_is_told_of_both() -> None:
    asked = asyncio.Event()
    async with two(once(asked, BROKEN), telling(asked, says(BROKEN))) as (sluice, _, _other):
        response, body = await sluice.post()
    assert (response.status, body["error"]["code"]) == (503, "all_providers_failed")
    assert {one["target"] for one in body["error"]["attempts"]} == {"first/a", "second/b"}


async def test_a_callers_mistake_ends_both() -> None:
    async with two(stalls, says(MISTAKE)) as (sluice, first, _):
        response, _body = await sluice.post()
        await first.until(lambda: first.open == 0)
    assert response.status == 400


async def test_a_caller_who_leaves_takes_both_along() -> None:
    async with two(stalls, stalls) as (sluice, first, other):
        asking = asyncio.create_task(sluice.post())
        await other.until(lambda: len(other.requests) == 1)
        asking.cancel()
        await other.until(lambda: other.open == 0)
        await first.until(lambda: first.open == 0)
        *_, line = await sluice.logged(LEAST_SAMPLES + 1)
        metrics = await (await sluice.session.get(sluice.url + "/metrics")).text()
    assert (line["code"], line["target"], line["attempts"]) == ("client_left", "second/b", 2)
    assert (line["prompt_tokens"], line["lost_tokens"]) > (0, 0)
    for target in ("first/a", "second/b"):  # neither was faster than the other
        assert f'sluice_attempts_total{{result="client_left",target="{target}"}} 1.0' in metrics


async def test_nothing_is_left_behind_whenever_a_caller_leaves() -> None:
    loop, defects = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: defects.append(context["message"]))
    full = {"requestsPerMinute": 1, "queue": {"maxDepth": 0}}
    targets = provider("a", rateLimit=full) + provider("b", rateLimit=full)
    config = loaded(targets + route("chat", "a/m", "b/m", hedging={"enabled": True}))
    table = build_table(config.snapshot, config.digest, config.credentials, MockUpstream(Mock()))
    pipeline = make_pipeline(loop.time, Images(lambda _: True))

    def asking() -> asyncio.Task[Reply | None]:
        record = Record("req_1", "POST", CHAT, loop.time())
        exchange = Exchange(parse(msgspec.json.encode(HELLO)), table, record, cast("Client", None), None)
        return asyncio.create_task(pipeline.serve(exchange))

    await asyncio.gather(asking(), asking())
    for steps in range(20):
        left = asking()
        for _ in range(steps):
            await asyncio.sleep(0)
        for _ in range(2):  # by the server when the connection is lost, and when it closes
            left.cancel()
            await asyncio.sleep(0)
        await asyncio.wait((left,))
    gc.collect()
    assert defects == []


async def test_an_answer_that_comes_at_the_same_time_is_paid_for_too() -> None:
    released = asyncio.Event()

    held = once(released, answer("at once"))
    async with two(held, held) as (sluice, _, other):
        asking = asyncio.create_task(sluice.post())
        await other.until(lambda: len(other.requests) == 1)
        released.set()
        await asking
        *_, line = await sluice.logged(LEAST_SAMPLES + 1)
    assert line["completion_tokens"] == 3
    assert line["lost_tokens"] > 0


async def test_limits_count_what_both_have_used() -> None:
    limit = {"name": "all", "per": "route", "tokens": 100_000, "window": "hour"}
    async with two(stalls, says(answer("second")), limits=[limit]) as (sluice, _, _other):
        response, _ = await sluice.post()
        *_, line = await sluice.logged(LEAST_SAMPLES + 1)
        _, told = await sluice.get("/admin/limits")
    assert response.headers["x-sluice-target"] == "second/b"
    assert line["lost_tokens"] > 0
    assert told["limits"][0]["remaining"] == 100_000 - (LEAST_SAMPLES + 1) * 8 - line["lost_tokens"]


async def test_streams_are_not_raced() -> None:
    async with two(stalls, says(answer("second"))) as (sluice, _, other):
        asking = asyncio.create_task(sluice.session.post(sluice.url + CHAT, json=HELLO | {"stream": True}))
        await asyncio.wait((asking,), timeout=0.3)
        asking.cancel()
        await asyncio.wait((asking,))
    assert len(other.requests) == 0


async def test_no_more_than_its_share_of_the_requests() -> None:
    async with two(stalls, says(answer("second")), maxExtraPercent=1) as (sluice, _, other):
        for _ in range(3):  # the least that a budget allows
            await sluice.post()
        asking = asyncio.create_task(sluice.post())
        await asyncio.wait((asking,), timeout=0.3)
        asking.cancel()
        await asyncio.wait((asking,))
    assert len(other.requests) == 3


async def test_nobody_is_raced_of_whom_little_is_known() -> None:
    async def slow(peer: Peer, _request: Request) -> None:
        await peer.pace(0.3)
        await peer.send(answer("first"))

    async with serve(slow) as first, serve(says(answer("second"))) as second:
        targets = provider("first", first.url) + provider("second", second.url)
        async with gateway(targets + route("chat", "first/a", "second/b", hedging={"enabled": True})) as sluice:
            response, _ = await sluice.post()
    assert response.headers["x-sluice-target"] == "first/a"
    assert len(second.requests) == 0
