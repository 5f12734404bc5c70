"""What keeps a request going: other targets first, the same one again within bounds, breakers, deadlines."""

import asyncio
import itertools
import json
from typing import Any

import pytest

from tests.support.gateway import CHAT, HELLO, RunningGateway, gateway, provider, route
from tests.support.upstream import (
    Peer,
    Request,
    Script,
    ScriptedUpstream,
    answer,
    chunk,
    json_answer,
    says,
    says_then_stalls,
    serve,
    stream_head,
)

ANSWER = json_answer({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]})
BROKEN = json_answer({"error": {"message": "boom"}}, 500)
QUICK = {"maxRetries": 2, "baseDelayMilliseconds": 1, "maxDelayMilliseconds": 1}


def lone(upstream: ScriptedUpstream, **spec: Any) -> str:
    """A route with one target."""
    return provider("only", upstream.url, **spec) + route("chat", "only/m")


def in_turn(*answers: bytes) -> Script:
    """Answers each request with the next; the last one for all that follow."""
    return says(*answers)


async def test_another_target_is_asked_before_the_same_one_again() -> None:
    async with serve(says(BROKEN)) as bad, serve(says(ANSWER)) as good:
        text = provider("bad", bad.url, retry=QUICK) + provider("good", good.url) + route("chat", "bad/a", "good/b")
        async with gateway(text) as sluice:
            response, _ = await sluice.post()
    assert (response.status, response.headers["x-sluice-attempts"]) == (200, "2")
    assert (len(bad.requests), len(good.requests)) == (1, 1)


async def test_a_lone_target_is_asked_again() -> None:
    async with serve(in_turn(BROKEN, BROKEN, ANSWER)) as upstream:
        async with gateway(lone(upstream, retry=QUICK)) as sluice:
            response, _ = await sluice.post()
            [line] = await sluice.logged()
    assert (response.status, response.headers["x-sluice-attempts"]) == (200, "3")
    assert [attempt["status"] for attempt in line["failed_attempts"]] == [500, 500]


async def test_no_more_often_than_its_policy_allows() -> None:
    async with serve(says(BROKEN)) as upstream:
        async with gateway(lone(upstream, retry=QUICK)) as sluice:
            response, body = await sluice.post()
    assert response.status == 502
    assert len(body["error"]["attempts"]) == len(upstream.requests) == 3


async def test_a_budget_of_nothing_allows_no_retry() -> None:
    async with serve(says(BROKEN)) as upstream:
        async with gateway(lone(upstream, retry=QUICK | {"budgetPercent": 0})) as sluice:
            await sluice.post()
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_callers_own_mistake_is_never_tried_again(status: int) -> None:
    async with serve(says(json_answer({"error": {"message": "no"}}, status))) as upstream:
        async with gateway(lone(upstream, retry=QUICK)) as sluice:
            response, _ = await sluice.post()
    assert (response.status, len(upstream.requests)) == (status, 1)


async def test_retry_after_is_waited_for_within_the_deadline() -> None:
    limited = json_answer({"error": {"message": "slow down"}}, 429, [("retry-after", "1")])
    async with serve(in_turn(limited, ANSWER)) as upstream:
        async with gateway(lone(upstream, retry=QUICK)) as sluice:
            began = asyncio.get_running_loop().time()
            response, _ = await sluice.post()
            took = asyncio.get_running_loop().time() - began
    assert response.status == 200
    assert took >= 1


async def test_nobody_waits_for_a_retry_that_would_come_too_late() -> None:
    limited = json_answer({"error": {"message": "slow down"}}, 429, [("retry-after", "30")])
    async with serve(says(limited)) as upstream:
        async with gateway(lone(upstream, retry=QUICK)) as sluice:
            async with asyncio.timeout(5):
                response, body = await sluice.post(headers={"x-request-timeout-ms": "20000"})
    assert (response.status, response.headers["retry-after"]) == (429, "30")
    assert body["error"]["code"] == "rate_limit_exceeded"


async def test_nothing_is_tried_again_once_a_byte_has_reached_the_caller() -> None:
    frame = chunk(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
    async with serve(says(stream_head() + frame + b"0\r\n\r\n")) as upstream:
        async with gateway(lone(upstream, retry=QUICK)) as sluice:
            async with sluice.session.post(sluice.url + CHAT, json=HELLO | {"stream": True}) as response:
                text = await response.text()
    assert len(upstream.requests) == 1
    assert text.count('"error"') == 1
    assert "[DONE]" not in text


async def test_the_list_of_attempts_names_no_host_and_no_key() -> None:
    async with serve(says(BROKEN)) as one, serve(says(answer(529))) as two:
        text = provider("one", one.url) + provider("two", two.url) + route("chat", "one/a", "two/b")
        async with gateway(text) as sluice:
            response, body = await sluice.post()
    assert (response.status, body["error"]["code"]) == (503, "all_providers_failed")
    assert [(one["target"], one["status"]) for one in body["error"]["attempts"]] == [("one/a", 500), ("two/b", 529)]
    assert all(set(one) == {"target", "status", "reason", "milliseconds"} for one in body["error"]["attempts"])
    assert "127.0.0.1" not in json.dumps(body)


async def fail(sluice: RunningGateway, times: int) -> None:
    for _ in range(times):
        await sluice.post()


async def leave(sluice: RunningGateway, upstream: ScriptedUpstream, body: dict[str, Any] = HELLO) -> None:
    """Ask, and leave when the provider has been asked."""
    asking = asyncio.create_task(sluice.post(body))
    await upstream.got(len(upstream.requests) + 1)
    asking.cancel()
    await asyncio.wait((asking,))


async def test_five_failures_open_the_breaker_and_nobody_is_asked_any_more() -> None:
    async with serve(says(BROKEN)) as upstream:
        async with gateway(lone(upstream)) as sluice:
            await fail(sluice, 5)
            response, body = await sluice.post()
            async with sluice.session.get(sluice.url + "/metrics") as metrics:
                figures = await metrics.text()
    assert 'sluice_breakers{provider="default/only",state="open"} 1.0' in figures
    assert len(upstream.requests) == 5
    assert (response.status, body["error"]["code"]) == (503, "all_providers_failed")
    assert 55 <= int(response.headers["retry-after"]) <= 60
    assert "circuit breaker" in body["error"]["attempts"][0]["reason"]


async def test_an_open_breaker_costs_the_fallback_nothing() -> None:
    async with serve(says(BROKEN)) as bad, serve(says(ANSWER)) as good:
        text = provider("bad", bad.url) + provider("good", good.url) + route("chat", "bad/a", "good/b")
        async with gateway(text) as sluice:
            await fail(sluice, 5)
            response, _ = await sluice.post()
    assert (response.status, response.headers["x-sluice-attempts"]) == (200, "1")
    assert len(bad.requests) == 5


async def test_after_its_time_one_of_many_requests_at_once_tries_the_target_again() -> None:
    asked, released = 0, asyncio.Event()

    async def script(peer: Peer, _request: Request) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            await peer.send(BROKEN)
        elif asked == 2:
            await peer.stall()  # the first to try it leaves before it is answered
        else:
            await released.wait()
            await peer.send(ANSWER)

    async with serve(script) as upstream:
        async with gateway(lone(upstream, circuitBreaker={"failureThreshold": 1, "openSeconds": 1})) as sluice:
            await fail(sluice, 2)
            await asyncio.sleep(1.05)
            await leave(sluice, upstream)
            await sluice.logged(3)
            many = [asyncio.create_task(sluice.post()) for _ in range(50)]
            refused = [(await done)[0].status for done in itertools.islice(asyncio.as_completed(many), 49)]
            await upstream.until(lambda: asked == 3)
            assert refused == [503] * 49
            released.set()
            statuses = [(await one)[0].status for one in many]
    assert sorted(statuses) == [200] + [503] * 49


async def test_a_storm_of_failures_brings_a_fifth_more_requests_at_most() -> None:
    limited = json_answer({"error": {"message": "slow down"}}, 429)
    async with serve(says(limited)) as one, serve(says(limited)) as two:
        text = provider("one", one.url, retry=QUICK) + provider("two", two.url, retry=QUICK)
        async with gateway(text + route("chat", "one/a", "two/b")) as sluice:
            for _ in range(4):
                await asyncio.gather(*(sluice.post() for _ in range(25)))
    assert (len(one.requests), len(two.requests)) == (120, 120)


async def test_callers_who_leave_and_callers_mistakes_open_no_breaker() -> None:
    mistake = json_answer({"error": {"message": "no"}}, 400)
    async with serve(says(mistake)) as wrong, serve(says_then_stalls()) as slow:
        once = {"failureThreshold": 1}
        text = (
            provider("wrong", wrong.url, circuitBreaker=once)
            + provider("slow", slow.url, circuitBreaker=once)
            + route("wrong", "wrong/m", models=("wrong",))
            + route("slow", "slow/m", models=("slow",))
        )
        async with gateway(text) as sluice:
            for _ in range(3):
                response, _ = await sluice.post(HELLO | {"model": "wrong"})
                assert response.status == 400
            for _ in range(2):
                await leave(sluice, slow, HELLO | {"model": "slow"})
            response, body = await sluice.post(HELLO | {"model": "slow"}, headers={"x-request-timeout-ms": "200"})
            assert (response.status, body["error"]["code"]) == (504, "timeout")
            await sluice.logged(6)
            _, report = await sluice.get_internal("/internal/report")
    assert len(slow.requests) == 3
    assert report["breakers"] == []


async def test_a_stream_that_the_callers_own_deadline_cuts_opens_no_breaker() -> None:
    begun = stream_head() + chunk(b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n')
    async with serve(says_then_stalls(begun)) as slow:
        async with gateway(lone(slow, circuitBreaker={"failureThreshold": 1})) as sluice:
            for _ in range(2):
                body, headers = HELLO | {"stream": True}, {"x-request-timeout-ms": "300"}
                async with sluice.session.post(sluice.url + CHAT, json=body, headers=headers) as response:
                    assert '"code":"timeout"' in await response.text()
    assert len(slow.requests) == 2


async def test_a_slow_answer_counts_where_the_policy_says_so() -> None:
    async def slowly(peer: Any, _request: Any) -> None:
        await peer.pace(1.1)
        await peer.send(ANSWER)

    breaker = {"failureThreshold": 1, "slowCallSeconds": 1}
    async with serve(slowly) as upstream:
        async with gateway(lone(upstream, circuitBreaker=breaker)) as sluice:
            first, _ = await sluice.post()
            second, _ = await sluice.post()
    assert (first.status, second.status, len(upstream.requests)) == (200, 503, 1)


async def test_a_route_has_a_time_for_all_targets_together_and_who_uses_it_up_is_asked_no_more() -> None:
    async with serve(says_then_stalls()) as one, serve(says(ANSWER)) as two:
        text = provider("one", one.url, circuitBreaker={"failureThreshold": 1}) + provider("two", two.url)
        async with gateway(text + route("chat", "one/a", "two/b", timeouts={"totalSeconds": 1})) as sluice:
            async with asyncio.timeout(10):
                response, body = await sluice.post()
            assert len(two.requests) == 0
            second, _ = await sluice.post()
    assert (response.status, body["error"]["code"]) == (504, "timeout")
    assert "timeouts.totalSeconds" in body["error"]["message"]
    assert (second.status, second.headers["x-sluice-target"]) == (200, "two/b")


async def test_a_retry_waits_for_no_more_than_the_caller_does() -> None:
    slow = {"maxRetries": 5, "baseDelayMilliseconds": 60_000, "maxDelayMilliseconds": 60_000}
    async with serve(says(BROKEN)) as upstream:
        async with gateway(lone(upstream, retry=slow)) as sluice:
            async with asyncio.timeout(10):
                response, _ = await sluice.post(headers={"x-request-timeout-ms": "300"})
    assert response.status in (502, 504)


async def test_the_log_of_decisions_says_what_explain_says() -> None:
    text = provider("a", models=[{"name": "m"}]) + provider("b") + route("chat", "a/m", "b/m", strategy="cost")
    async with gateway(text, log_level="debug") as sluice:
        await sluice.post()
        lines = [json.loads(line) for line in sluice.log_text().splitlines()]
    [plan] = [line for line in lines if line["event"] == "plan"]
    assert (plan["route"], plan["strategy"]) == ("default/chat", "cost")
    assert [target["target"] for target in plan["targets"]] == ["a/m", "b/m"]
    assert all(target["because"] for target in plan["targets"])
